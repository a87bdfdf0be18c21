"""Evaluation of voices by four protocols: who and what the network has met, and who and what it is judged on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import soundfile
import torch

from perception import plots
from perception.command import check_folder, check_output, check_run, write_output
from perception.emotion import (
    LABELS,
    confusion_matrix,
    expected_calibration_error,
    softmax,
    unweighted_accuracy,
    weighted_accuracy,
)
from perception.progress import track
from perception.speech import transfer
from perception.speech.corpora import Corpus
from perception.speech.datasets import Clip, DatasetError, Folds, load_folds, load_ravdess
from perception.speech.encoder import DEFAULT_FOLDER as ENCODER_FOLDER
from perception.speech.encoder import SpeechEncoder
from perception.speech.features import DEFAULT_CACHE, FeatureCache, FeatureTable, beginnings, feature_table
from perception.speech.fitting import (
    FitConfig,
    Judgements,
    enrolled_log_probabilities,
    fit_calibrated,
    fit_ensemble,
    judge_stream,
    judge_whole,
)
from perception.speech.model import DEFAULT_FOLDER, HeadEnsemble
from perception.speech.results import (
    BEGINNING_S,
    Evaluation,
    FoldResult,
    Heard,
    PlainEvaluation,
    VoiceFigures,
    tell,
    tell_plainly,
)
from perception.speech.transfer import Evaluation as Transferred
from perception.speech.transfer import TransferConfig

Protocol = Literal["speaker-independent", "text-independent", "random", "cross-corpus"]
Result = Evaluation | PlainEvaluation | Transferred


@dataclass(frozen=True)
class EvaluateConfig:
    """Judge voices that the network has not met, and say how good and how honest it is.

    Protocols, of which all but the last retrain for each fold of RAVDESS. "speaker-independent": actors held out, the
    temperature from cross-validation over the other actors; the figures of "text-independent" and "random" stand
    beside it. "text-independent": the sentence is new as well; RAVDESS has only two. "random": clips split at random,
    every voice on both sides: a warning, not a result. "cross-corpus": shipped weights on a corpus that they have not
    learned from, as the command transfer does.

    Example: python -m perception.speech evaluate --data ravdess --folds ravdess_folds.json --json speech.json
    """

    data: Path
    """RAVDESS speech folder with Actor_01 ... Actor_24; for cross-corpus the folder of that corpus."""
    folds: Path | None = None
    """JSON {"test_actors": [[1, 11, 20, 21], ...]}; cross-corpus needs none."""
    protocol: Protocol = "speaker-independent"
    """What is on which side of the split; see above."""
    corpus: Corpus | None = None
    """Which corpus, for cross-corpus."""
    weights: Path = DEFAULT_FOLDER
    """Folder of the trained weights, for cross-corpus."""
    json: Path | None = None
    """Write the figures to this file; - is stdout, and then nothing else is printed there."""
    plots: Path | None = None
    """Folder for confusion.png, reliability.png and coverage.png; not for cross-corpus."""
    fit: FitConfig = field(default_factory=FitConfig)
    """Training of the ensembles."""
    seed: int = 0
    """Of all draws; same seed and same machine, same figures."""
    cache: Path = DEFAULT_CACHE
    """Folder that keeps the encoded clips between runs; may be deleted."""
    encoder: Path = ENCODER_FOLDER
    """Folder of the encoder weights."""
    threads: int = 1
    """Processor cores to use."""

    def __post_init__(self) -> None:
        elsewhere = self.protocol == "cross-corpus"
        if elsewhere != (self.corpus is not None) or elsewhere != (self.folds is None) or (elsewhere and self.plots):
            raise ValueError(
                f"protocol {self.protocol}, corpus {self.corpus}, folds {self.folds} and plots {self.plots} came; "
                "cross-corpus takes --corpus and neither folds nor plots, the others take --folds and no corpus."
            )
        if elsewhere and (self.fit, self.cache, self.encoder) != (FitConfig(), DEFAULT_CACHE, ENCODER_FOLDER):
            raise ValueError(
                "cross-corpus judges --weights as they are: it takes no --fit, no --cache and no --encoder."
            )


class Data(NamedTuple):
    """Encoded clips: `table` of versions, `targets` (C,) emotion indices, `actors` (C,), spoken `statements` (C,).

    `clip_s` is how long a clip lasts on average. `beginnings` (C, inputs) are features of the first `BEGINNING_S` of
    each voice; None where nobody asks for them.
    """

    table: FeatureTable
    targets: np.ndarray
    actors: np.ndarray
    statements: np.ndarray
    clip_s: float
    beginnings: np.ndarray | None = None


def load_data(data: Path, folds: Folds, cache: Path, encoder: Path, beginning_s: float | None = None) -> Data:
    """Encode the clips of a RAVDESS folder, or take them from the cache; with `beginning_s` how each begins, too.

    Raises:
        DatasetError: the folder is wrong, or an actor of the folds has no clips in it.
        SoundError: a clip is no usable sound.
        WeightsError: the encoder cannot be loaded.
        CommandError: the cache cannot be written.
    """
    check_folder(cache)
    clips: list[Clip] = load_ravdess(data)
    actors = np.array([clip.actor for clip in clips])
    missing = sorted({actor for fold in folds.test_actors for actor in fold} - set(actors.tolist()))
    if missing:
        raise DatasetError(f"{data} has no clips of actors {missing}, which the folds test. Complete the folder.")
    network = SpeechEncoder.load(encoder)
    table = feature_table(clips, FeatureCache(cache, network))
    statements = np.array([clip.statement for clip in clips])
    first = None if beginning_s is None else beginnings(clips, network, beginning_s)
    clip_s = float(np.mean([soundfile.info(clip.path).duration for clip in clips]))
    return Data(table, np.array([clip.index for clip in clips]), actors, statements, clip_s, first)


def judge(head: HeadEnsemble, data: Data, clips: np.ndarray, seed: int = 0) -> VoiceFigures:
    """Judge the clips in a mask (C,) whole and streamed; `seed` draws the clips that voices are known from."""
    whole, windows = judge_whole(head, data.table, clips), judge_stream(head, data.table, clips)
    last = windows.last()
    truth, heard, ends = (data.targets[judged.clips] for judged in (whole, windows, last))
    probabilities = softmax(whole.logits / head.config.temperature)
    every, final = (softmax(judged.logits / head.config.window_temperature) for judged in (windows, last))
    guess = probabilities.argmax(axis=1)
    return VoiceFigures(
        n=len(truth),
        ua=unweighted_accuracy(truth, guess),
        wa=weighted_accuracy(truth, guess),
        ece=expected_calibration_error(truth, probabilities),
        ua_window_3s=unweighted_accuracy(ends, final.argmax(axis=1)),
        ece_window_3s=expected_calibration_error(ends, final),
        ua_every_window=unweighted_accuracy(heard, every.argmax(axis=1)),
        ece_every_window=expected_calibration_error(heard, every),
        unheard=int(clips.sum()) - len(ends),
        ua_neutral_2=_enrolled(head, data, clips, 2, seed, neutral=True),
        ua_history_16=_enrolled(head, data, clips, 16, seed, neutral=False),
        confusion=confusion_matrix(truth, guess).tolist(),
    )


def _enrolled(head: HeadEnsemble, data: Data, clips: np.ndarray, count: int, seed: int, *, neutral: bool) -> float:
    known = data.targets == LABELS.index("neutral") if neutral else np.ones(len(data.targets), bool)
    logits = enrolled_log_probabilities(
        head, data.table, data.actors, clips, known, count, neutral=neutral, rng=np.random.default_rng(seed)
    )
    return unweighted_accuracy(data.targets[clips], logits.argmax(axis=1))


@torch.inference_mode()
def _judge_beginnings(head: HeadEnsemble, data: Data, clips: np.ndarray) -> float | None:
    if data.beginnings is None:
        return None
    logits = head.log_probabilities(torch.from_numpy(data.beginnings[clips]).float()).numpy()
    return unweighted_accuracy(data.targets[clips], logits.argmax(axis=1))


def random_split(data: Data, parts: int, config: FitConfig, seed: int) -> Heard:
    """Judge clips that are split at random, every voice on both sides: what a leak makes of the same network."""
    part = np.random.default_rng(seed).permutation(len(data.targets)) % parts
    judged = []
    for number in track(range(parts), "random split"):
        head = fit_ensemble(data.table, data.targets, part != number, config, seed)
        judged.append(judge_whole(head, data.table, part == number))
    return _heard(data, Judgements.join(judged))


def other_sentence(data: Data, folds: Folds, config: FitConfig, seed: int) -> list[Heard]:
    """Judge voices never met saying a sentence never met, fold by fold: trained on one statement, judged on the other.

    Such an ensemble has half of the clips to learn from.
    """
    found = []
    for fold in track(range(len(folds.test_actors)), "the other sentence"):
        test = folds.test_mask(data.actors, fold)
        judged = []
        for known in (1, 2):
            same = data.statements == known
            head = fit_ensemble(data.table, data.targets, ~test & same, config, seed)
            judged.append(judge_whole(head, data.table, test & ~same))
        found.append(_heard(data, Judgements.join(judged)))
    return found


def _heard(data: Data, judged: Judgements) -> Heard:
    return Heard(data.targets[judged.clips], softmax(judged.logits), data.actors[judged.clips])


def evaluate(data: Data, folds: Folds, config: FitConfig, seed: int) -> Evaluation:
    """Run all folds, the transfer to the other sentence, and the random split."""
    results = []
    for fold in track(range(len(folds.test_actors)), "speaker-independent folds"):
        test = folds.test_mask(data.actors, fold)
        head = fit_calibrated(data.table, data.targets, data.actors, ~test, config, seed)
        whole = judge_whole(head, data.table, test)
        probabilities = softmax(whole.logits / head.config.temperature)
        figures, temperature = judge(head, data, test, seed), head.config.temperature
        truth, who = data.targets[whole.clips], data.actors[whole.clips]
        first = _judge_beginnings(head, data, test)
        actors = folds.test_actors[fold]
        results.append(FoldResult(fold, actors, temperature, figures, truth, probabilities, who, first))
    other = float(np.mean([heard.ua for heard in other_sentence(data, folds, config, seed)]))
    leaky = random_split(data, len(folds.test_actors), config, seed).ua
    return Evaluation(tuple(results), other, leaky, data.clip_s, seed)


def main(config: EvaluateConfig) -> Result:
    """Evaluate; write JSON and plots if asked for.

    Raises:
        DatasetError, SoundError, WeightsError: data or encoder cannot be used.
        CommandError: a setting, the cache or the output cannot be used; raised before the work.
    """
    if config.corpus is not None:
        more = {"json": config.json, "seed": config.seed, "threads": config.threads}
        return transfer.main(TransferConfig(config.data, config.corpus, config.weights, **more))  # type: ignore[arg-type]
    check_run(config.threads, config.seed)
    target = None if config.json is None else check_output(config.json)
    if config.plots is not None:
        check_folder(config.plots)
    torch.set_num_threads(config.threads)
    result = _evaluate(config)
    if config.plots is not None:
        protocol = f"RAVDESS, {config.protocol}"
        plots.draw(config.plots, result.figures, result.truth, result.probabilities, protocol)
    if target is not None:
        write_output(json.dumps(result.as_json(), indent=1) + "\n", target)
    return result


def _evaluate(config: EvaluateConfig) -> Evaluation | PlainEvaluation:
    assert config.folds is not None
    folds, fit, seed = load_folds(config.folds), config.fit, config.seed
    independent = config.protocol == "speaker-independent"
    data = load_data(config.data, folds, config.cache, config.encoder, BEGINNING_S if independent else None)
    if independent:
        return evaluate(data, folds, fit, seed)
    if config.protocol == "random":
        leaky = random_split(data, len(folds.test_actors), fit, seed)
        note = "a warning: clips split at random, so every test voice was met in training; temperature 1"
        return PlainEvaluation(config.protocol, note, leaky.ua, leaky, seed)
    found = other_sentence(data, folds, fit, seed)
    note = "voice and sentence never met: trained on one of two statements, judged on the other; temperature 1"
    return PlainEvaluation(
        config.protocol, note, float(np.mean([heard.ua for heard in found])), Heard.join(found), seed
    )


def report(result: Result) -> int:
    """Print the figures on stderr."""
    from rich.console import Console

    console = Console(stderr=True)
    if isinstance(result, Evaluation):
        tell(result, console)
    elif isinstance(result, PlainEvaluation):
        tell_plainly(result, console)
    else:
        transfer.report(result)
    return 0
