"""Results of an evaluation of voices, fold by fold and together, as JSON and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.metrics import Metrics, Predictions, measure, rounded
from evaluation.speech.channel import Channel, measure_channel
from evaluation.statistics import Interval, t_interval
from learning.speech.judging import VoiceMetrics
from perception.command import Failure
from perception.emotion import LABELS

if TYPE_CHECKING:
    from rich.console import Console

BEGINNING_S = 1.5


@dataclass(frozen=True)
class FoldResult:
    """Metrics of the test actors of one fold."""

    fold: int
    test_actors: tuple[int, ...]
    temperature: float
    metrics: VoiceMetrics
    predictions: Predictions
    ua_beginning: float | None

    def as_json(self) -> dict[str, Any]:
        """Lay out the fold for JSON."""
        place = {"fold": self.fold, "test_actors": list(self.test_actors)}
        return rounded(place | vars(self.metrics) | {"temperature": self.temperature})


@dataclass(frozen=True)
class Evaluation:
    """Result of all folds; `as_json` lays it out."""

    per_fold: tuple[FoldResult, ...]
    ua_other_sentence: float
    ua_random_split: float
    clip_s: float
    seed: int
    left_out: tuple[Failure, ...] = ()

    def mean(self, name: str) -> float:
        """Mean of one of the `VoiceMetrics` over the folds."""
        return float(np.mean([getattr(fold.metrics, name) for fold in self.per_fold]))

    @property
    def ua(self) -> Interval:
        """Mean UA over folds with its 95 % interval (Student's t; the folds are the sample)."""
        return t_interval([fold.metrics.ua for fold in self.per_fold])

    @property
    def ua_beginning(self) -> float | None:
        """Mean UA over the folds of the first `BEGINNING_S` of each voice; None where it was not measured."""
        values = [fold.ua_beginning for fold in self.per_fold if fold.ua_beginning is not None]
        return float(np.mean(values)) if values else None

    @cached_property
    def predictions(self) -> Predictions:
        """Those of all test clips of all folds."""
        return Predictions.join([fold.predictions for fold in self.per_fold])

    @cached_property
    def metrics(self) -> Metrics:
        """Of all test clips of all folds together; intervals are over speakers."""
        return measure(self.predictions, LABELS, self.seed)

    @cached_property
    def channel(self) -> Channel:
        """Information of a clip, in bits; the interval is over speakers."""
        judged = self.predictions
        return measure_channel(judged.truth, judged.said, judged.people, self.clip_s, seed=self.seed)

    @property
    def by_sex(self) -> dict[str, Metrics]:
        """Metrics of the voices of women and of men."""
        female = self.predictions.people % 2 == 0  # RAVDESS: actors of even number are women, of odd number men
        return {
            name: measure(self.predictions.where(own), LABELS, self.seed)
            for name, own in (("female", female), ("male", ~female))
            if own.any()
        }

    def as_json(self) -> dict[str, object]:
        """Lay out all figures for JSON; accuracies are shares, not percent."""
        names = ("wa", "ece", "ua_window_3s", "ece_window_3s", "ua_every_window", "ece_every_window", "ua_neutral_2",
                 "ua_history_16")  # fmt: skip
        pooled = self.metrics.as_json()
        return rounded(
            {
                "protocol": (
                    f"RAVDESS speech, 8 emotions, {len(self.per_fold)} speaker-independent folds, whole clips; "
                    "temperature from cross-validation over training actors; interval: 95 %, Student's t over folds"
                ),
                "folds": len(self.per_fold),
                "ua": self.ua,
                **{name: self.mean(name) for name in names},
                "ua_first_1_5_s": self.ua_beginning,
                "f1_macro": pooled["f1_macro"],
                "n": pooled["n"],
                "data": "RAVDESS speech",
                "accuracy_at_coverage": pooled["accuracy_at_coverage"],
                "ece_pooled": pooled["ece"],
                "ua_pooled": pooled["ua"],
                "channel": self.channel.as_json(),
                "ua_by_sex": {name: metrics.ua for name, metrics in self.by_sex.items()},
                "ua_other_sentence": self.ua_other_sentence,
                "other_sentence_is": (
                    "voice and sentence never met: trained on one of two statements, judged on the other"
                ),
                "ua_random_split": self.ua_random_split,
                "random_split_is": "a warning: clips split at random, so every test voice was met in training",
                "per_fold": [fold.as_json() for fold in self.per_fold],
                "labels": list(LABELS),
                "confusion": pooled["confusion"],
                "chance": 1 / len(LABELS),
                "left_out": len(self.left_out),
                "seed": self.seed,
            }
        )


@dataclass(frozen=True)
class PlainEvaluation:
    """All figures of one protocol; `ua` is its headline, over folds as the other protocols report it."""

    protocol: str
    note: str
    ua: float
    clips: Predictions
    seed: int
    data: str = "RAVDESS speech"
    ua_random_split: float | None = None
    """The leaky figure of the same network, where it was measured."""
    left_out: tuple[Failure, ...] = ()
    """Files of the folder that were not judged."""

    @cached_property
    def labels(self) -> list[str]:
        """Those that the corpus has."""
        return [LABELS[index] for index in np.unique(self.clips.truth)]

    @cached_property
    def predictions(self) -> Predictions:
        """Those of all test clips over `labels`; what the corpus lacks is not asked for."""
        asked, truth = np.unique(self.clips.truth, return_inverse=True)
        probabilities = self.clips.probabilities[:, asked]
        return Predictions(truth, probabilities / probabilities.sum(axis=1, keepdims=True), self.clips.people)

    @cached_property
    def metrics(self) -> Metrics:
        """Of all clips together; intervals are over speakers."""
        return measure(self.predictions, self.labels, self.seed)

    def as_json(self) -> dict[str, Any]:
        """Lay out all figures for JSON; accuracies are shares, not percent."""
        leaky = self.ua if self.protocol == "random" else self.ua_random_split
        return rounded(
            {
                "protocol": f"{self.protocol}: {self.note}",
                "data": self.data,
                **self.metrics.as_json(),
                "ua": self.metrics.ua._replace(mean=self.ua),
                "ua_random_split": leaky,
                "chance": 1 / len(self.labels),
                "left_out": len(self.left_out),
                "seed": self.seed,
            }
        )


def tell_plainly(result: PlainEvaluation, console: Console) -> None:
    """Print the figures of one protocol."""
    f = result.metrics
    console.print(f"{result.protocol}: {result.note}", highlight=False)
    console.print(
        f"UA {result.ua:.3f}; of all {f.n} clips together {f.ua:.3f}, WA {f.wa.mean:.3f}, "
        f"macro F1 {f.f1_macro:.3f}, ECE {f.ece:.3f} (chance {1 / len(f.labels):.3f}); right among the surest 80 / 60 "
        f"/ 40 %: {_surest(f)}",
        highlight=False,
    )
    if result.ua_random_split is not None:
        console.print(
            f"Warning: a random split over clips would show {result.ua_random_split:.3f}. That figure leaks voices."
        )


def _surest(metrics: Metrics) -> str:
    return " / ".join(f"{metrics.accuracy_at_coverage[share]:.3f}" for share in ("0.8", "0.6", "0.4"))


def tell(result: Evaluation, console: Console) -> None:
    """Print the table and what stands beside it."""
    from rich.table import Table

    from evaluation.terminal import print_table

    table = Table("fold", "test actors", "clips", "UA", "WA", "ECE", "UA 3 s stream")
    for fold in result.per_fold:
        f = fold.metrics
        shares = (f"{value:.3f}" for value in (f.ua, f.wa, f.ece, f.ua_window_3s))
        table.add_row(str(fold.fold), _names(fold.test_actors), str(f.n), *shares)
    means = (f"{result.mean(name):.3f}" for name in ("ua", "wa", "ece", "ua_window_3s"))
    table.add_row("mean", "", "", *means, style="bold")
    print_table(console, table)
    console.print(f"UA {result.ua:.3f} on voices never met (chance {1 / len(LABELS):.3f})")
    console.print(
        f"ECE {result.metrics.ece:.3f} over the clips of all folds together, macro F1 {result.metrics.f1_macro:.3f}; "
        f"right among the surest 80 / 60 / 40 %: {_surest(result.metrics)}"
    )
    console.print(str(result.channel), highlight=False)
    groups = (f"{name} {f.ua:.3f}" for name, f in result.by_sex.items())
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


def _names(actors: Sequence[int]) -> str:
    return " ".join(str(actor) for actor in actors)
