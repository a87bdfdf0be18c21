"""Evaluation of voices by four protocols: who and what the network has met, and who and what it is judged on."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from scipy.special import softmax

from datasets.voice_corpora import Corpus, recognise
from datasets.voices import ACTORS, Folds, load_folds
from evaluation import plots
from evaluation.metrics import Predictions
from evaluation.speech import transfer
from evaluation.speech.results import BEGINNING_S, Evaluation, FoldResult, PlainEvaluation, tell, tell_plainly
from evaluation.speech.transfer import Evaluation as Transferred
from evaluation.speech.transfer import TransferConfig
from learning.metrics import unweighted_accuracy
from learning.speech.clips import Data, load_data, load_other
from learning.speech.features import DEFAULT_CACHE
from learning.speech.fitting import FitConfig, fit_calibrated, fit_ensemble
from learning.speech.judging import ClipLogits, judge, judge_clips
from perception.command import CommandError, check_folder, check_run, left_out_lines
from perception.progress import track
from perception.speech.encoder import DEFAULT_FOLDER as ENCODER_FOLDER
from perception.speech.model import DEFAULT_FOLDER, HeadEnsemble
from robots.io import check_writable, write_json
from robots.options import JsonOption, SeedOption, ThreadsOption

Protocol = Literal["speaker-independent", "text-independent", "random", "cross-corpus"]
FOLDS = 6
"""As many as EmoBox's split of RAVDESS has."""
Result = Evaluation | PlainEvaluation | Transferred


@dataclass(frozen=True)
class EvaluateConfig(JsonOption, ThreadsOption, SeedOption):
    """Judge voices that the network has not met, and say how good and how honest it is.

    Give any corpus as its owners lay it out: it is recognised. Without --retrain the weights are judged as they are
    ("cross-corpus"), as the command transfer does. With it a network is trained for each fold, by one of three
    protocols. "speaker-independent": voices held out, the temperature from cross-validation over the other voices; the
    leaky figure stands beside it, for RAVDESS that of "text-independent" as well. "text-independent": the sentence is
    new as well; RAVDESS only, which has two. "random": clips split at random, every voice on both sides: a warning, not
    a result.
    """

    data: Path
    """Folder of RAVDESS, nEMO, CREMA-D, EMO-DB, TESS, SAVEE or IEMOCAP, or with a folder for each emotion."""
    retrain: bool = False
    """Train for each fold instead of judging --weights; --folds and the protocols that train ask for it, too."""
    folds: Path | None = None
    """Which actors of RAVDESS are held out together: JSON {"test_actors": [[1, 11, 20, 21], ...]}. Without it, and for
    the other corpora, the voices are dealt out to six folds."""
    protocol: Protocol | None = None
    """Protocol of the split, see above; speaker-independent if left out, or without --retrain
    cross-corpus."""
    corpus: Corpus | None = None
    """Which corpus it is, instead of the one recognised."""
    labels: Path | None = None
    """CSV with the columns file, emotion and maybe speaker, for recordings that are laid out in another way."""
    weights: Path = DEFAULT_FOLDER
    """Folder of the trained weights, where nothing is trained."""
    plots: Path | None = None
    """Folder for confusion.png, reliability.png and coverage.png."""
    fit: FitConfig = field(default_factory=FitConfig)
    """Training of the ensembles."""
    cache: Path = DEFAULT_CACHE
    """Folder that keeps the encoded clips between runs; may be deleted."""
    encoder: Path = ENCODER_FOLDER
    """Folder of the encoder weights."""

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


def dealt(actors: np.ndarray) -> Folds:
    """Deal distinct actors out to `FOLDS` folds, or to as many as there are actors; neighbours in number go together.

    In RAVDESS neighbours are a man and a woman.
    """
    distinct = np.unique(actors)
    parts = np.array_split(distinct, min(FOLDS, len(distinct)))
    return Folds(tuple(tuple(map(int, part)) for part in parts))


@torch.inference_mode()
def _judge_beginnings(head: HeadEnsemble, data: Data, clips: np.ndarray) -> float | None:
    if data.beginnings is None:
        return None
    logits = head.log_probabilities(torch.from_numpy(data.beginnings[clips]).float()).numpy()
    return unweighted_accuracy(data.targets[clips], logits.argmax(axis=1))


def random_split(data: Data, parts: int, config: FitConfig, seed: int) -> Predictions:
    """Judge clips that are split at random, every voice on both sides: what a leak makes of the same network."""
    part = np.random.default_rng(seed).permutation(len(data.targets)) % parts
    judged = []
    for number in track(range(parts), "random split"):
        head = fit_ensemble(data.table, data.targets, part != number, config, seed)
        judged.append(judge_clips(head, data.table, part == number))
    return _predictions(data, ClipLogits.join(judged))


def other_sentence(data: Data, folds: Folds, config: FitConfig, seed: int) -> list[Predictions]:
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
            judged.append(judge_clips(head, data.table, test & ~same))
        found.append(_predictions(data, ClipLogits.join(judged)))
    return found


def held_out(data: Data, folds: Folds, config: FitConfig, seed: int) -> Predictions:
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
        judged.append(_predictions(data, judge_clips(head, data.table, test), head.config.temperature))
    return Predictions.join(judged)


def _predictions(data: Data, judged: ClipLogits, temperature: float = 1.0) -> Predictions:
    probabilities = softmax(judged.logits / temperature, axis=-1)
    return Predictions(data.targets[judged.clips], probabilities, data.actors[judged.clips])


def evaluate(data: Data, folds: Folds, config: FitConfig, seed: int) -> Evaluation:
    """Run all folds, the transfer to the other sentence, and the random split."""
    results = []
    for fold in track(range(len(folds.test_actors)), "speaker-independent folds"):
        test = folds.test_mask(data.actors, fold)
        head = fit_calibrated(data.table, data.targets, data.actors, ~test, config, seed)
        metrics, temperature = judge(head, data, test, seed), head.config.temperature
        whole = _predictions(data, judge_clips(head, data.table, test), temperature)
        first = _judge_beginnings(head, data, test)
        results.append(FoldResult(fold, folds.test_actors[fold], temperature, metrics, whole, first))
    other = float(np.mean([part.ua for part in other_sentence(data, folds, config, seed)]))
    leaky = random_split(data, len(folds.test_actors), config, seed).ua
    return Evaluation(tuple(results), other, leaky, data.clip_s, seed, data.left_out)


def main(config: EvaluateConfig) -> Result:
    """Evaluate; write JSON and plots if asked for.

    Raises:
        DatasetError, SoundError, WeightsError: data or encoder cannot be used.
        CommandError: a setting, the cache or the output cannot be used; raised before the work.
    """
    check_run(config.threads, config.seed)
    check_writable(config.json)
    if config.plots is not None:
        check_folder(config.plots)
    if config.trains:
        check_folder(config.cache)
    folds = None if config.folds is None else load_folds(config.folds)
    corpus = "table" if config.labels is not None else config.corpus or recognise(config.data)
    result: Result
    if config.trains:
        torch.set_num_threads(config.threads)
        result = _ravdess(config, folds) if corpus == "ravdess" else _other(config, corpus)
        title = f"{corpus}, {config.protocol or 'speaker-independent'}"
    else:
        judged = {"weights": config.weights, "seed": config.seed, "threads": config.threads}
        result = transfer.main(TransferConfig(config.data, corpus, config.labels, **judged))  # type: ignore[arg-type]
        title = f"{corpus}, weights as they are"
    if config.plots is not None:
        plots.draw(config.plots, result.metrics, result.predictions, title)
    write_json(result.as_json(), config.json)
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
    ua = float(np.mean([part.ua for part in found]))
    return PlainEvaluation("text-independent", note, ua, Predictions.join(found), seed, left_out=data.left_out)


def _other(config: EvaluateConfig, corpus: Corpus) -> PlainEvaluation:
    if config.folds is not None or config.protocol == "text-independent":
        raise CommandError(
            f"{config.data} is {corpus}; --folds and text-independent are for RAVDESS, whose actors have numbers and "
            "whose names tell the sentence. Leave them out."
        )
    data = load_other(corpus, config.data, config.cache, config.encoder, config.labels)
    folds = dealt(data.actors)
    if config.protocol == "random":
        return _leaky(data, len(folds.test_actors), config, corpus)
    found = held_out(data, folds, config.fit, config.seed)
    note = f"{len(folds.test_actors)} folds of voices never met, whole clips; temperature from the other voices"
    leaky = random_split(data, len(folds.test_actors), config.fit, config.seed)
    return PlainEvaluation("speaker-independent", note, found.ua, found, config.seed, corpus, leaky.ua, data.left_out)


def _leaky(data: Data, parts: int, config: EvaluateConfig, name: str) -> PlainEvaluation:
    found = random_split(data, parts, config.fit, config.seed)
    note = "a warning: clips split at random, so every test voice was met in training; temperature 1"
    return PlainEvaluation("random", note, found.ua, found, config.seed, name, left_out=data.left_out)


def report(result: Result) -> int:
    """Print the figures on stderr."""
    from rich.console import Console

    console = Console(stderr=True)
    if isinstance(result, Evaluation):
        tell(result, console)
    elif isinstance(result, PlainEvaluation):
        tell_plainly(result, console)
    else:
        return transfer.report(result)
    for line in left_out_lines(result.left_out):
        print(line, file=sys.stderr)
    return 0
