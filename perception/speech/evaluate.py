"""Evaluation of voices by four protocols: who and what the network has met, and who and what it is judged on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import soundfile
import torch

from perception import plots
from perception.command import CommandError, check_folder, check_output, check_run, write_output
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
from perception.speech.corpora import Corpus, Recording, load_corpus, recognise
from perception.speech.datasets import ACTORS, Clip, DatasetError, Folds, load_folds, load_ravdess
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
FOLDS = 6
"""As many as EmoBox's split of RAVDESS has."""
Result = Evaluation | PlainEvaluation | Transferred


@dataclass(frozen=True)
class EvaluateConfig:
    """Judge voices that the network has not met, and say how good and how honest it is.

    Give any corpus as its owners lay it out: it is recognised. Without --retrain the weights are judged as they are
    ("cross-corpus"), as the command transfer does. With it a network is trained for each fold, by one of three
    protocols. "speaker-independent": voices held out, the temperature from cross-validation over the other voices; the
    leaky figure stands beside it, for RAVDESS that of "text-independent" as well. "text-independent": the sentence is
    new as well; RAVDESS only, which has two. "random": clips split at random, every voice on both sides: a warning, not
    a result.

    Examples: python -m perception.speech evaluate --data FOLDER
              python -m perception.speech evaluate --data ravdess --folds ravdess_folds.json --json speech.json
    """

    data: Path
    """Folder of RAVDESS, nEMO, CREMA-D, EMO-DB, TESS, SAVEE or IEMOCAP."""
    retrain: bool = False
    """Train for each fold instead of judging --weights; --folds and the protocols that train ask for it, too."""
    folds: Path | None = None
    """Which actors of RAVDESS are held out together: JSON {"test_actors": [[1, 11, 20, 21], ...]}. Without it, and for
    the other corpora, the voices are dealt out to six folds."""
    protocol: Protocol | None = None
    """What is on which side of the split, see above; speaker-independent if left out, or without --retrain
    cross-corpus."""
    corpus: Corpus | None = None
    """Which corpus it is, instead of the one recognised."""
    weights: Path = DEFAULT_FOLDER
    """Folder of the trained weights, where nothing is trained."""
    json: Path | None = None
    """Write the figures to this file; - is stdout, and then nothing else is printed there."""
    plots: Path | None = None
    """Folder for confusion.png, reliability.png and coverage.png."""
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
        if self.protocol == "cross-corpus" and (self.retrain or self.folds is not None):
            raise ValueError(
                f"protocol cross-corpus, retrain {self.retrain} and folds {self.folds} came; cross-corpus judges "
                "--weights as they are. Leave out --retrain and --folds, or name another protocol."
            )
        if self.trains and self.weights != DEFAULT_FOLDER:
            raise ValueError(f"--weights {self.weights} came, but this trains its own: leave out one of them.")
        if not self.trains and (self.fit, self.cache, self.encoder) != (FitConfig(), DEFAULT_CACHE, ENCODER_FOLDER):
            raise ValueError(
                "--weights are judged as they are, which takes no --fit, no --cache and no --encoder: they are for "
                "--retrain."
            )

    @property
    def trains(self) -> bool:
        """Whether a network is trained for each fold."""
        return self.retrain or self.folds is not None or self.protocol not in (None, "cross-corpus")


class Data(NamedTuple):
    """Encoded clips: `table` of versions, `targets` (C,) emotion indices, `actors` (C,) numbers, `statements` (C,).

    `statements` says which sentence is spoken, 0 where that is not known.
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
    clips: list[Clip] = load_ravdess(data)
    actors = np.array([clip.actor for clip in clips])
    missing = sorted({actor for fold in folds.test_actors for actor in fold} - set(actors.tolist()))
    if missing:
        raise DatasetError(f"{data} has no clips of actors {missing}, which the folds test. Complete the folder.")
    return _encoded(clips, actors, np.array([clip.statement for clip in clips]), cache, encoder, beginning_s)


def load_other(corpus: Corpus, folder: Path, cache: Path, encoder: Path) -> Data:
    """Encode the clips of any corpus, or take them from the cache; its voices are numbered in the order of their names.

    Raises:
        DatasetError: the folder is wrong, or has one voice only.
        SoundError: a clip is no usable sound.
        WeightsError: the encoder cannot be loaded.
        CommandError: the cache cannot be written.
    """
    recordings = load_corpus(corpus, folder)
    voices, numbers = np.unique([recording.speaker for recording in recordings], return_inverse=True)
    if len(voices) < 2:
        raise DatasetError(f"{folder} has one voice only, {voices[0]}; to judge voices never met takes two or more.")
    return _encoded(recordings, numbers, np.zeros(len(recordings), int), cache, encoder)


def _encoded(
    clips: Sequence[Clip | Recording],
    actors: np.ndarray,
    statements: np.ndarray,
    cache: Path,
    encoder: Path,
    beginning_s: float | None = None,
) -> Data:
    check_folder(cache)
    network = SpeechEncoder.load(encoder)
    table = feature_table(clips, FeatureCache(cache, network))
    first = None if beginning_s is None else beginnings(clips, network, beginning_s)
    clip_s = float(np.mean([soundfile.info(clip.path).duration for clip in clips]))
    targets = np.array([LABELS.index(clip.emotion) for clip in clips])
    return Data(table, targets, actors, statements, clip_s, first)


def dealt(actors: np.ndarray) -> Folds:
    """Deal distinct actors out to `FOLDS` folds, or to as many as there are actors; neighbours in number go together.

    In RAVDESS neighbours are a man and a woman.
    """
    distinct = np.unique(actors)
    parts = np.array_split(distinct, min(FOLDS, len(distinct)))
    return Folds(tuple(tuple(map(int, part)) for part in parts))


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


def held_out(data: Data, folds: Folds, config: FitConfig, seed: int) -> Heard:
    """Judge voices never met, fold by fold, with the temperature that cross-validation over the others gives.

    Where only one other voice is left, nothing can be held out of it, and the temperature stays 1.
    """
    judged = []
    for fold in track(range(len(folds.test_actors)), "speaker-independent folds"):
        test = folds.test_mask(data.actors, fold)
        others = len(np.unique(data.actors[~test]))
        if others < 2:
            head = fit_ensemble(data.table, data.targets, ~test, config, seed)
        else:
            inner = replace(config, inner_groups=min(config.inner_groups, others))
            head = fit_calibrated(data.table, data.targets, data.actors, ~test, inner, seed)
        whole = judge_whole(head, data.table, test)
        judged.append(_heard(data, whole._replace(logits=whole.logits / head.config.temperature)))
    return Heard.join(judged)


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
    check_run(config.threads, config.seed)
    target = None if config.json is None else check_output(config.json)
    if config.plots is not None:
        check_folder(config.plots)
    if config.trains:
        check_folder(config.cache)
    folds = None if config.folds is None else load_folds(config.folds)
    corpus = config.corpus or recognise(config.data)
    result: Result
    if config.trains:
        torch.set_num_threads(config.threads)
        result = _ravdess(config, folds) if corpus == "ravdess" else _other(config, corpus)
        title = f"{corpus}, {config.protocol or 'speaker-independent'}"
    else:
        judged = {"weights": config.weights, "seed": config.seed, "threads": config.threads}
        result = transfer.main(TransferConfig(config.data, corpus, **judged))  # type: ignore[arg-type]
        title = f"{corpus}, weights as they are"
    if config.plots is not None:
        plots.draw(config.plots, result.figures, result.truth, result.probabilities, title)
    if target is not None:
        write_output(json.dumps(result.as_json(), indent=1) + "\n", target)
    return result


def _ravdess(config: EvaluateConfig, folds: Folds | None) -> Evaluation | PlainEvaluation:
    fit, seed = config.fit, config.seed
    folds = folds or dealt(np.array(ACTORS))
    independent = config.protocol in (None, "speaker-independent")
    data = load_data(config.data, folds, config.cache, config.encoder, BEGINNING_S if independent else None)
    if independent:
        return evaluate(data, folds, fit, seed)
    if config.protocol == "random":
        return _leaky(data, len(folds.test_actors), config, "RAVDESS speech")
    found = other_sentence(data, folds, fit, seed)
    note = "voice and sentence never met: trained on one of two statements, judged on the other; temperature 1"
    ua = float(np.mean([heard.ua for heard in found]))
    return PlainEvaluation("text-independent", note, ua, Heard.join(found), seed)


def _other(config: EvaluateConfig, corpus: Corpus) -> PlainEvaluation:
    if config.folds is not None or config.protocol == "text-independent":
        raise CommandError(
            f"{config.data} is {corpus}; --folds and text-independent are for RAVDESS, whose actors have numbers and "
            "whose names tell the sentence. Leave them out."
        )
    data = load_other(corpus, config.data, config.cache, config.encoder)
    folds = dealt(data.actors)
    if config.protocol == "random":
        return _leaky(data, len(folds.test_actors), config, corpus)
    heard = held_out(data, folds, config.fit, config.seed)
    note = f"{len(folds.test_actors)} folds of voices never met, whole clips; temperature from the other voices"
    leaky = random_split(data, len(folds.test_actors), config.fit, config.seed)
    return PlainEvaluation("speaker-independent", note, heard.ua, heard, config.seed, corpus, leaky.ua)


def _leaky(data: Data, parts: int, config: EvaluateConfig, name: str) -> PlainEvaluation:
    heard = random_split(data, parts, config.fit, config.seed)
    note = "a warning: clips split at random, so every test voice was met in training; temperature 1"
    return PlainEvaluation("random", note, heard.ua, heard, config.seed, name)


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
