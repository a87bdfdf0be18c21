"""How good and how honest judgements of voices and faces are: the figures that every protocol reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from perception.emotion import expected_calibration_error, weighted_accuracy

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
_RESAMPLES = 1_000


@dataclass(frozen=True)
class Figures:
    """Shares, not percent, of `n` judgements; `labels` are the rows (truth) and columns (said) of `confusion`.

    `accuracy_at_coverage` maps a share of judgements, the most confident, to the share of them that is right.
    Intervals are 95 %, by bootstrap over people where the data name them, else over judgements. `wa_majority` is what
    one gets by always saying the commonest label.
    """

    n: int
    wa: float
    wa_low: float
    wa_high: float
    ua: float
    ua_low: float
    ua_high: float
    f1_macro: float
    ece: float
    wa_majority: float
    accuracy_at_coverage: dict[str, float]
    confusion: list[list[int]]
    labels: list[str]

    def as_json(self) -> dict[str, Any]:
        """Lay out the figures with four digits."""
        flat = {name: round(v, 4) if isinstance(v, float) else v for name, v in asdict(self).items()}
        return {**flat, "accuracy_at_coverage": {k: round(v, 4) for k, v in self.accuracy_at_coverage.items()}}


def measure(
    truth: np.ndarray, probabilities: np.ndarray, people: np.ndarray, labels: Sequence[str], seed: int
) -> Figures:
    """Measure probabilities (N, K) over labels (K) against indices (N,) of what people (N,) str showed.

    Raises:
        ValueError: there is nothing to judge, or the lengths differ.
    """
    if not len(truth) == len(probabilities) == len(people) or len(truth) == 0:
        raise ValueError(
            f"{len(truth)} labels, {len(probabilities)} judgements and {len(people)} people came; expected as many "
            "of each, and at least one."
        )
    said = probabilities.argmax(axis=1)
    matrix = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(matrix, (truth, said), 1)
    wa, ua = _intervals(truth, said, people, len(labels), np.random.default_rng(seed))
    there = matrix.sum(axis=1) > 0
    return Figures(
        n=len(truth),
        wa=weighted_accuracy(truth, said),
        wa_low=wa[0],
        wa_high=wa[1],
        ua=float((matrix.diagonal()[there] / matrix.sum(axis=1)[there]).mean()),
        ua_low=ua[0],
        ua_high=ua[1],
        f1_macro=f1_macro(matrix),
        ece=expected_calibration_error(truth, probabilities),
        wa_majority=float(np.bincount(truth).max() / len(truth)),
        accuracy_at_coverage=accuracy_at_coverage(truth, probabilities),
        confusion=matrix.tolist(),
        labels=list(labels),
    )


def accuracy_at_coverage(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Share that is right among the most confident 100, 90, ... 10 % of the judgements (at least one)."""
    right = probabilities.argmax(axis=1) == truth
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    counts = {f"{share:.1f}": max(1, round(share * len(order))) for share in COVERAGES}
    return {share: float(right[order[:count]].mean()) for share, count in counts.items()}


def f1_macro(matrix: np.ndarray) -> float:
    """Mean over the labels that occur of F1, the harmonic mean of precision and recall; matrix (K, K), rows truth."""
    hits, said, there = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    present = there > 0
    return float((2.0 * hits[present] / (said[present] + there[present])).mean())


def _intervals(
    truth: np.ndarray, said: np.ndarray, people: np.ndarray, labels: int, rng: np.random.Generator
) -> tuple[tuple[float, float], tuple[float, float]]:
    """95 % intervals of WA and UA; judgements of one person stand or fall together."""
    named = people != ""
    who = np.unique(people, return_inverse=True)[1] if named.all() else np.arange(len(truth))
    tables = np.zeros((int(who.max()) + 1, labels**2))
    np.add.at(tables, (who, truth * labels + said), 1.0)
    draws = rng.multinomial(len(tables), np.full(len(tables), 1.0 / len(tables)), size=_RESAMPLES)
    sums = (draws @ tables).reshape(_RESAMPLES, labels, labels)
    hits, there = np.diagonal(sums, axis1=1, axis2=2), sums.sum(axis=2)
    recall = np.divide(hits, there, out=np.full_like(hits, np.nan), where=there > 0)
    return _middle(hits.sum(axis=1) / there.sum(axis=1)), _middle(np.nanmean(recall, axis=1))


def _middle(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975)).tolist()
    return low, high
