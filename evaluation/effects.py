"""Sizes of effects with their intervals, and tests that an effect is too small to matter."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln
from scipy.stats import bootstrap, rankdata, ttest_1samp, ttest_ind

from evaluation.statistics import DRAWS, LEVEL, Interval


class Equivalence(NamedTuple):
    """Two one-sided tests that a mean lies between two bounds (Schuirmann 1987).

    Attributes:
        p: the larger of both; small means equivalent.
        p_low: against the mean being at the lower bound or below.
        p_high: against the mean being at the upper bound or above.
    """

    p: float
    p_low: float
    p_high: float


def hedges_gz(differences: ArrayLike, rng: np.random.Generator, draws: int = DRAWS) -> Interval:
    """Mean of paired differences (N,) over their deviation, corrected for few people, with its BCa interval over them.

    Hedges 1981 for the correction with N - 1 degrees of freedom, Efron 1987 for the interval. nan where fewer than two
    people differ at all; nan as bounds where the bootstrap is degenerate.

    Args:
        differences: one number for each person; nan is left out.
        rng: draws people.
        draws: of the bootstrap.
    """
    found = _finite(differences)
    if len(found) < 2 or found.std() <= 1e-12 * max(1.0, float(np.abs(found).max())):
        return Interval(float("nan"), float("nan"), float("nan"))
    correction = _correction(len(found) - 1)

    def size(rows: np.ndarray, axis: int = -1) -> Any:
        return correction * rows.mean(axis=axis) / rows.std(axis=axis, ddof=1)

    return _bca((found,), size, rng, draws)


def hedges_g(first: ArrayLike, second: ArrayLike, rng: np.random.Generator, draws: int = DRAWS) -> Interval:
    """Difference of the means of two groups of people over their pooled deviation, otherwise as `hedges_gz`."""
    one, other = _finite(first), _finite(second)
    if min(len(one), len(other)) < 2 or one.std() + other.std() == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    free = len(one) + len(other) - 2
    correction = _correction(free)

    def size(a: np.ndarray, b: np.ndarray, axis: int = -1) -> Any:
        pooled = (a.shape[axis] - 1) * a.var(axis=axis, ddof=1) + (b.shape[axis] - 1) * b.var(axis=axis, ddof=1)
        return correction * (a.mean(axis=axis) - b.mean(axis=axis)) / np.sqrt(pooled / free)

    return _bca((one, other), size, rng, draws)


def _correction(free: int) -> float:
    return float(np.exp(gammaln(free / 2) - gammaln((free - 1) / 2)) / np.sqrt(free / 2)) if free > 1 else 1.0


def _finite(values: ArrayLike) -> np.ndarray:
    values = np.asarray(values, float)
    return values[np.isfinite(values)]


def _bca(samples: tuple[np.ndarray, ...], size: Callable[..., Any], rng: np.random.Generator, draws: int) -> Interval:
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")  # of a degenerate bootstrap: its bounds are nan then, and told so
        found = bootstrap(
            samples,
            size,
            n_resamples=draws,
            confidence_level=LEVEL,
            method="BCa",
            vectorized=True,
            rng=rng,
        ).confidence_interval
    return Interval(float(size(*samples)), float(found.low), float(found.high))


def equivalence(differences: ArrayLike, low: float, high: float, second: ArrayLike | None = None) -> Equivalence:
    """Test that a mean difference lies within (low, high): of pairs (N,), or of two groups where `second` is given.

    Raises:
        ValueError: the bounds do not enclose anything, or there are fewer than two values.
    """
    first = _finite(differences)
    if not low < high:
        raise ValueError(f"bounds {low} and {high} came; the lower one must be below")
    if len(first) < 2 or (second is not None and len(_finite(second)) < 2):
        raise ValueError("fewer than two values came; a test of equivalence needs their spread")
    if second is None:
        p_low = _one_sided(first - low)
        p_high = _one_sided(high - first)
    else:
        other = _finite(second)
        p_low = float(ttest_ind(first - low, other, equal_var=False, alternative="greater").pvalue)
        p_high = float(ttest_ind(first - high, other, equal_var=False, alternative="less").pvalue)
    return Equivalence(max(p_low, p_high), p_low, p_high)


def _one_sided(values: np.ndarray) -> float:
    """Give the p of a mean above 0; without spread there is no doubt."""
    if values.std() == 0:
        return 0.0 if values[0] > 0 else 1.0
    return float(ttest_1samp(values, 0, alternative="greater").pvalue)


def rank_biserial(differences: ArrayLike) -> float:
    """Matched-pairs rank-biserial correlation of differences (N,), -1 to 1 (Kerby 2014); nan where none differs."""
    found = _finite(differences)
    found = found[found != 0]
    if not len(found):
        return float("nan")
    ranks = rankdata(np.abs(found))
    return float((np.sign(found) * ranks).sum() / ranks.sum())
