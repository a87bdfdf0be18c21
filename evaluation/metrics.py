"""Metrics of what classifiers say of voices and faces, with their intervals: those that every protocol reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from evaluation.statistics import Interval, cluster_bootstrap
from learning.metrics import expected_calibration_error, unweighted_accuracy

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)


@dataclass(frozen=True)
class Metrics:
    """Shares, not percent, of `n` predictions; `labels` are the rows (truth) and columns (said) of `confusion`.

    `wa` is the share that is right, `ua` the mean recall over the labels that occur, `accuracy_at_coverage` maps a
    share of predictions, the most confident, to the share of them that is right. Intervals are 95 %, by bootstrap over
    people where the data name them, else over predictions. `wa_majority` is what one gets by always saying the
    commonest label.
    """

    n: int
    wa: Interval
    ua: Interval
    f1_macro: float
    ece: float
    wa_majority: float
    accuracy_at_coverage: dict[str, float]
    confusion: list[list[int]]
    labels: list[str]

    def as_json(self) -> dict[str, Any]:
        """Lay out the metrics with four digits."""
        return rounded(vars(self))


def rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Lay out figures for JSON: floats with four digits, intervals in their one form."""
    return {name: _rounded(value) for name, value in figures.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, Interval):
        return value.as_json()
    if isinstance(value, dict):
        return rounded(value)
    return round(value, 4) if isinstance(value, float) else value


class Predictions(NamedTuple):
    """Indices `truth` (N,), `probabilities` (N, K), and whose each is, `people` (N,): "" where nobody knows."""

    truth: np.ndarray
    probabilities: np.ndarray
    people: np.ndarray

    @property
    def said(self) -> np.ndarray:
        """Likeliest label (N,) of each."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def ua(self) -> float:
        """Unweighted accuracy."""
        return unweighted_accuracy(self.truth, self.said)

    def where(self, mask: np.ndarray) -> Predictions:
        """Keep those in a mask (N,)."""
        return Predictions(*(column[mask] for column in self))

    @staticmethod
    def join(parts: Sequence[Predictions]) -> Predictions:
        """Put predictions behind each other."""
        return Predictions(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def measure(predictions: Predictions, labels: Sequence[str], seed: int) -> Metrics:
    """Measure predictions over labels (K).

    Raises:
        ValueError: there is nothing to judge, or the lengths differ.
    """
    from sklearn.metrics import f1_score

    truth, probabilities, people = predictions
    if not len(truth) == len(probabilities) == len(people) or len(truth) == 0:
        raise ValueError(
            f"{len(truth)} labels, {len(probabilities)} judgements and {len(people)} people came; expected as many "
            "of each, and at least one."
        )
    said, people = predictions.said, people.astype(str)
    tables = confusion_tables(truth, said, people if (people != "").all() else np.arange(len(truth)), len(labels))
    occurring = np.unique(truth)
    return Metrics(
        n=len(truth),
        wa=interval(tables, lambda some: float(some.trace(axis1=1, axis2=2).sum() / some.sum()), seed),
        ua=interval(tables, mean_recall, seed),
        f1_macro=float(f1_score(truth, said, labels=occurring, average="macro", zero_division=0.0)),
        ece=expected_calibration_error(truth, probabilities),
        wa_majority=float(np.bincount(truth).max() / len(truth)),
        accuracy_at_coverage=accuracy_at_coverage(truth, probabilities),
        confusion=tables.sum(axis=0).astype(int).tolist(),
        labels=list(labels),
    )


def confusion_tables(
    truth: np.ndarray, said: np.ndarray, clusters: np.ndarray, labels: int, answers: int | None = None
) -> np.ndarray:
    """Count indices (N,) cluster by cluster: (clusters, labels, answers, or labels again), truth in rows."""
    names, which = np.unique(clusters, return_inverse=True)
    tables = np.zeros((len(names), labels, answers or labels))
    np.add.at(tables, (which, truth, said), 1.0)
    return tables


def mean_recall(tables: np.ndarray) -> float:
    """UA of confusion tables (clusters, K, K) put together: mean recall over the labels that occur."""
    # By hand: `learning.metrics.unweighted_accuracy` goes through the clips, too slow for each of a bootstrap's draws.
    table = tables.sum(axis=0)
    counts = table.sum(axis=1)
    return float((table.diagonal()[counts > 0] / counts[counts > 0]).mean())


def difference_in_recall(pairs: np.ndarray) -> float:
    """Difference of UA, the first less the second, of two confusion tables of each cluster (clusters, 2, K, K)."""
    return mean_recall(pairs[:, 0]) - mean_recall(pairs[:, 1])


def interval(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], float],
    seed: int | np.random.Generator,
    clusters: np.ndarray | None = None,
    draws: int = 1_000,
) -> Interval:
    """Interval of a statistic of rows (N, ...) over clusters (N,), by plain percentiles.

    The published tables of voices, faces and sounds were made with so many draws and plain percentiles.
    """
    return cluster_bootstrap(values, np.random.default_rng(seed), clusters, statistic, draws, expand=False)


def accuracy_at_coverage(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Share that is right among the most confident 100, 90, ... 10 % of the predictions (at least one)."""
    right = probabilities.argmax(axis=1) == truth
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    counts = {f"{share:.1f}": max(1, round(share * len(order))) for share in COVERAGES}
    return {share: float(right[order[:count]].mean()) for share, count in counts.items()}
