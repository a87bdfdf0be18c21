"""Speaker-independent evaluation on RAVDESS: retrain for each fold, judge voices that were never met."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch

from perception.channel import Channel, measure_channel
from perception.command import check_folder, check_output, check_run, write_output
from perception.emotion import (
    LABELS,
    calibration_gaps,
    confusion_matrix,
    expected_calibration_error,
    softmax,
    unweighted_accuracy,
    weighted_accuracy,
)
from perception.progress import track
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
from perception.speech.model import HeadEnsemble

BEGINNING_S = 1.5
COVERAGES = (1.0, 0.8, 0.6, 0.4, 0.2)


@dataclass(frozen=True)
class EvaluateConfig:
    """Retrain for each fold and judge its test actors, whom neither training nor the temperature has met.

    The temperature of each fold comes from cross-validation over its training actors. Beside the result stands the
    figure of a random split over clips, where every voice is on both sides: it is a warning, not a result.

    A third figure is of voices and a sentence that are both new: RAVDESS has only two sentences.

    Example: python -m perception.speech evaluate --data ravdess --folds ravdess_folds.json --json speech.json
    """

    data: Path
    """RAVDESS speech folder with Actor_01 ... Actor_24."""
    folds: Path
    """JSON {"test_actors": [[1, 11, 20, 21], ...]}."""
    json: Path | None = None
    """Write the figures to this file; - is stdout, and then nothing else is printed there."""
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


@dataclass(frozen=True)
class Figures:
    """How well the clips of a mask are judged, whole and streamed.

    `ece` is of the calibrated probabilities of whole clips, `gaps` are the sums behind it. The `window` figures stream
    each clip from its start through 3 s windows every 0.5 s: `window_3s` is the last estimate of each clip,
    `every_window` all estimates, the first of which have heard 0.6 s of voice. `unheard` counts the clips in which the
    gate found too little voice. `ua_neutral_2` and `ua_history_16` are of whole clips of voices of which 2 neutral
    clips, or 16 clips of any label, are known.
    """

    n: int
    ua: float
    wa: float
    ece: float
    ua_window_3s: float
    ece_window_3s: float
    ua_every_window: float
    ece_every_window: float
    unheard: int
    ua_neutral_2: float
    ua_history_16: float
    gaps: list[float]
    confusion: list[list[int]]


@dataclass(frozen=True)
class FoldResult:
    """Figures of the test actors of one fold."""

    fold: int
    test_actors: tuple[int, ...]
    temperature: float
    figures: Figures
    truth: np.ndarray
    probabilities: np.ndarray
    actors: np.ndarray
    ua_beginning: float | None


@dataclass(frozen=True)
class Evaluation:
    """Result of all folds; `as_json` lays it out."""

    per_fold: tuple[FoldResult, ...]
    ua_other_sentence: float
    ua_random_split: float
    clip_s: float
    seed: int

    def mean(self, name: str) -> float:
        """Mean of one of the `Figures` over the folds."""
        return float(np.mean([getattr(fold.figures, name) for fold in self.per_fold]))

    @property
    def ua_interval(self) -> tuple[float, float]:
        """95 % interval of the mean UA over folds (Student's t; the folds are the sample)."""
        from scipy.stats import t

        values = [fold.figures.ua for fold in self.per_fold]
        half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
        return self.mean("ua") - half, self.mean("ua") + half

    @property
    def ece_pooled(self) -> float:
        """ECE of all test clips of all folds together, which has less of the bias of few clips."""
        gaps = np.sum([fold.figures.gaps for fold in self.per_fold], axis=0)
        return float(np.abs(gaps).sum() / sum(fold.figures.n for fold in self.per_fold))

    @property
    def ua_beginning(self) -> float | None:
        """Mean UA over the folds of the first `BEGINNING_S` of each voice; None where it was not measured."""
        values = [fold.ua_beginning for fold in self.per_fold if fold.ua_beginning is not None]
        return float(np.mean(values)) if values else None

    @property
    def f1_macro(self) -> float:
        """Macro F1 over all test clips of all folds."""
        matrix = np.sum([fold.figures.confusion for fold in self.per_fold], axis=0)
        return float(np.mean(2 * matrix.diagonal() / np.maximum(matrix.sum(axis=0) + matrix.sum(axis=1), 1)))

    @property
    def truth(self) -> np.ndarray:
        """Labels (N,) of all test clips of all folds."""
        return np.concatenate([fold.truth for fold in self.per_fold])

    @property
    def probabilities(self) -> np.ndarray:
        """What was said of them, (N, 8)."""
        return np.concatenate([fold.probabilities for fold in self.per_fold])

    @property
    def actors(self) -> np.ndarray:
        """Who spoke them, (N,)."""
        return np.concatenate([fold.actors for fold in self.per_fold])

    @property
    def channel(self) -> Channel:
        """What a clip tells, in bits; the interval is over speakers."""
        guess = self.probabilities.argmax(axis=1)
        return measure_channel(self.truth, guess, self.actors, self.clip_s, seed=self.seed)

    @property
    def by_sex(self) -> dict[str, tuple[float, float, float]]:
        """UA of women and of men, each with its 95 % interval by bootstrap over speakers."""
        female = self.actors % 2 == 0  # RAVDESS: actors of even number are women, of odd number men
        return {name: self._ua_of(clips) for name, clips in (("female", female), ("male", ~female)) if clips.any()}

    def _ua_of(self, clips: np.ndarray) -> tuple[float, float, float]:
        truth, guess, actors = self.truth[clips], self.probabilities[clips].argmax(axis=1), self.actors[clips]
        rng, rows = np.random.default_rng(self.seed), {who: np.flatnonzero(actors == who) for who in np.unique(actors)}
        drawn = []
        for _ in range(500):
            some = np.concatenate([rows[who] for who in rng.choice(list(rows), len(rows))])
            drawn.append(unweighted_accuracy(truth[some], guess[some]))
        low, high = np.percentile(drawn, (2.5, 97.5))
        return unweighted_accuracy(truth, guess), float(low), float(high)

    def accuracy_at_coverage(self, share: float) -> float:
        """How many are right of the share of all test clips that were judged most confidently."""
        truth, probabilities = self.truth, self.probabilities
        surest = np.argsort(-probabilities.max(axis=1), kind="stable")[: max(1, round(share * len(truth)))]
        return weighted_accuracy(truth[surest], probabilities[surest].argmax(axis=1))

    def as_json(self) -> dict[str, object]:
        """Lay out all figures for JSON; accuracies are shares, not percent."""
        low, high = self.ua_interval
        names = (
            "ua",
            "wa",
            "ece",
            "ua_window_3s",
            "ece_window_3s",
            "ua_every_window",
            "ece_every_window",
            "ua_neutral_2",
            "ua_history_16",
        )
        confusion = np.sum([fold.figures.confusion for fold in self.per_fold], axis=0)
        return {
            "protocol": (
                f"RAVDESS speech, 8 emotions, {len(self.per_fold)} speaker-independent folds, whole clips; temperature "
                "from cross-validation over training actors; interval: 95 %, Student's t over folds"
            ),
            "folds": len(self.per_fold),
            **{name: round(self.mean(name), 4) for name in names},
            "ua_first_1_5_s": None if self.ua_beginning is None else round(self.ua_beginning, 4),
            "f1_macro": round(self.f1_macro, 4),
            "n": sum(fold.figures.n for fold in self.per_fold),
            "data": "RAVDESS speech",
            "accuracy_at_coverage": {str(share): round(self.accuracy_at_coverage(share), 4) for share in COVERAGES},
            "ece_pooled": round(self.ece_pooled, 4),
            "channel": self.channel.as_json(),
            "ua_by_sex": {name: [round(value, 4) for value in figures] for name, figures in self.by_sex.items()},
            "ua_low": round(low, 4),
            "ua_high": round(high, 4),
            "ua_other_sentence": round(self.ua_other_sentence, 4),
            "other_sentence_is": "voice and sentence never met: trained on one of two statements, judged on the other",
            "ua_random_split": round(self.ua_random_split, 4),
            "random_split_is": "a warning: clips split at random, so every test voice was met in training",
            "per_fold": [_fold_json(fold) for fold in self.per_fold],
            "labels": list(LABELS),
            "confusion": confusion.tolist(),
            "chance": round(1 / len(LABELS), 4),
            "seed": self.seed,
        }


def _fold_json(fold: FoldResult) -> dict[str, object]:
    figures = {name: round(v, 4) if isinstance(v, float) else v for name, v in asdict(fold.figures).items()}
    return {
        "fold": fold.fold,
        "test_actors": list(fold.test_actors),
        **figures,
        "temperature": round(fold.temperature, 4),
    }


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


def judge(head: HeadEnsemble, data: Data, clips: np.ndarray) -> Figures:
    """Judge the clips in a mask (C,) whole and streamed."""
    whole, windows = judge_whole(head, data.table, clips), judge_stream(head, data.table, clips)
    last = windows.last()
    truth, heard, ends = (data.targets[judged.clips] for judged in (whole, windows, last))
    probabilities = softmax(whole.logits / head.config.temperature)
    every, final = (softmax(judged.logits / head.config.window_temperature) for judged in (windows, last))
    guess = probabilities.argmax(axis=1)
    return Figures(
        n=len(truth),
        ua=unweighted_accuracy(truth, guess),
        wa=weighted_accuracy(truth, guess),
        ece=expected_calibration_error(truth, probabilities),
        ua_window_3s=unweighted_accuracy(ends, final.argmax(axis=1)),
        ece_window_3s=expected_calibration_error(ends, final),
        ua_every_window=unweighted_accuracy(heard, every.argmax(axis=1)),
        ece_every_window=expected_calibration_error(heard, every),
        unheard=int(clips.sum()) - len(ends),
        ua_neutral_2=_enrolled(head, data, clips, 2, neutral=True),
        ua_history_16=_enrolled(head, data, clips, 16, neutral=False),
        gaps=calibration_gaps(truth, probabilities).round(4).tolist(),
        confusion=confusion_matrix(truth, guess).tolist(),
    )


def _enrolled(head: HeadEnsemble, data: Data, clips: np.ndarray, count: int, *, neutral: bool) -> float:
    known = data.targets == LABELS.index("neutral") if neutral else np.ones(len(data.targets), bool)
    logits = enrolled_log_probabilities(
        head, data.table, data.actors, clips, known, count, neutral=neutral, rng=np.random.default_rng(0)
    )
    return unweighted_accuracy(data.targets[clips], logits.argmax(axis=1))


@torch.inference_mode()
def _judge_beginnings(head: HeadEnsemble, data: Data, clips: np.ndarray) -> float | None:
    if data.beginnings is None:
        return None
    logits = head.log_probabilities(torch.from_numpy(data.beginnings[clips]).float()).numpy()
    return unweighted_accuracy(data.targets[clips], logits.argmax(axis=1))


def random_split_accuracy(data: Data, parts: int, config: FitConfig, seed: int) -> float:
    """UA where clips are split at random, every voice on both sides: what a leak makes of the same network."""
    part = np.random.default_rng(seed).permutation(len(data.targets)) % parts
    guess = np.zeros(len(data.targets), dtype=int)
    for number in track(range(parts), "random split"):
        head = fit_ensemble(data.table, data.targets, part != number, config, seed)
        judged = judge_whole(head, data.table, part == number)
        guess[judged.clips] = judged.logits.argmax(axis=1)
    return unweighted_accuracy(data.targets, guess)


def other_sentence_accuracy(data: Data, folds: Folds, config: FitConfig, seed: int) -> float:
    """UA on voices never met saying a sentence never met: trained on one of the two statements, judged on the other.

    Mean over folds. Such an ensemble has half of the clips to learn from.
    """
    accuracies = []
    for fold in track(range(len(folds.test_actors)), "the other sentence"):
        test = folds.test_mask(data.actors, fold)
        judged = []
        for known in (1, 2):
            same = data.statements == known
            head = fit_ensemble(data.table, data.targets, ~test & same, config, seed)
            judged.append(judge_whole(head, data.table, test & ~same))
        both = Judgements.join(judged)
        accuracies.append(unweighted_accuracy(data.targets[both.clips], both.logits.argmax(axis=1)))
    return float(np.mean(accuracies))


def evaluate(data: Data, folds: Folds, config: FitConfig, seed: int) -> Evaluation:
    """Run all folds, the transfer to the other sentence, and the random split."""
    results = []
    for fold in track(range(len(folds.test_actors)), "speaker-independent folds"):
        test = folds.test_mask(data.actors, fold)
        head = fit_calibrated(data.table, data.targets, data.actors, ~test, config, seed)
        whole = judge_whole(head, data.table, test)
        probabilities = softmax(whole.logits / head.config.temperature)
        figures, temperature = judge(head, data, test), head.config.temperature
        truth, who = data.targets[whole.clips], data.actors[whole.clips]
        first = _judge_beginnings(head, data, test)
        actors = folds.test_actors[fold]
        results.append(FoldResult(fold, actors, temperature, figures, truth, probabilities, who, first))
    other = other_sentence_accuracy(data, folds, config, seed)
    leaky = random_split_accuracy(data, len(folds.test_actors), config, seed)
    return Evaluation(tuple(results), other, leaky, data.clip_s, seed)


def main(config: EvaluateConfig) -> Evaluation:
    """Evaluate and write the JSON, if asked for.

    Raises:
        DatasetError, SoundError, WeightsError: data or encoder cannot be used.
        CommandError: a setting, the cache or the output cannot be used; raised before the work.
    """
    check_run(config.threads, config.seed)
    target = None if config.json is None else check_output(config.json)
    torch.set_num_threads(config.threads)
    folds = load_folds(config.folds)
    data = load_data(config.data, folds, config.cache, config.encoder, BEGINNING_S)
    result = evaluate(data, folds, config.fit, config.seed)
    if target is not None:
        write_output(json.dumps(result.as_json(), indent=1) + "\n", target)
    return result


def report(result: Evaluation) -> int:
    """Print the table on stderr."""
    from rich.console import Console
    from rich.table import Table

    table = Table("fold", "test actors", "clips", "UA", "WA", "ECE", "UA 3 s stream")
    for fold in result.per_fold:
        f = fold.figures
        shares = (f"{value:.3f}" for value in (f.ua, f.wa, f.ece, f.ua_window_3s))
        table.add_row(str(fold.fold), _names(fold.test_actors), str(f.n), *shares)
    means = (f"{result.mean(name):.3f}" for name in ("ua", "wa", "ece", "ua_window_3s"))
    table.add_row("mean", "", "", *means, style="bold")
    console = Console(stderr=True)
    console.print(table)
    low, high = result.ua_interval
    console.print(
        f"UA {result.mean('ua'):.3f} [{low:.3f}, {high:.3f}] on voices never met (chance {1 / len(LABELS):.3f})"
    )
    console.print(
        f"ECE {result.ece_pooled:.3f} over the clips of all folds together, macro F1 {result.f1_macro:.3f}; right "
        f"among the surest 80 / 60 / 40 %: "
        + " / ".join(f"{result.accuracy_at_coverage(share):.3f}" for share in (0.8, 0.6, 0.4))
    )
    console.print(str(result.channel), highlight=False)
    groups = (f"{name} {ua:.3f} [{low:.3f}, {high:.3f}]" for name, (ua, low, high) in result.by_sex.items())
    console.print(f"UA by sex of the voice, interval over speakers: {', '.join(groups)}", highlight=False)
    console.print(
        f"UA {result.mean('ua_neutral_2'):.3f} when 2 neutral clips of the voice are known, "
        f"{result.mean('ua_history_16'):.3f} when 16 of any label are (all labels alike: a person's day is not)."
    )
    if result.ua_beginning is not None:
        console.print(f"UA {result.ua_beginning:.3f} after the first {BEGINNING_S} s of the voice.")
    console.print(f"UA {result.ua_other_sentence:.3f} where the sentence is new as well.")
    console.print(
        f"Warning: a random split over clips would show {result.ua_random_split:.3f}. That figure leaks voices."
    )
    return 0


def _names(actors: Sequence[int]) -> str:
    return " ".join(str(actor) for actor in actors)
