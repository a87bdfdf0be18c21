"""Intervals and tests that every protocol shares: one bootstrap over clusters, Wilson, McNemar, Holm.

Only what scipy and statsmodels do not have in this form is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

DRAWS = 2_000
LEVEL = 0.95


class Interval(NamedTuple):
    """A figure and its 95 % interval."""

    mean: float
    low: float
    high: float

    def as_json(self, digits: int = 4) -> dict[str, float]:
        """The one form in which intervals stand in JSON."""
        return {name: round(float(value), digits) for name, value in self._asdict().items()}

    def __format__(self, spec: str) -> str:
        """The one form in which intervals are printed, 0.774 [0.723, 0.826]: each number by `spec`."""
        mean, low, high = (format(value, spec) for value in self)
        return f"{mean} [{low}, {high}]"


class McNemar(NamedTuple):
    """Cases in which only one of two was right, and the exact probability of such a split by chance."""

    only_first: int
    only_second: int
    p: float


def _mean(values: np.ndarray) -> float:
    return float(values.mean())


def cluster_bootstrap(
    values: ArrayLike,
    rng: np.random.Generator,
    clusters: ArrayLike | None = None,
    statistic: Callable[[np.ndarray], float] = _mean,
    draws: int = DRAWS,
    level: float = LEVEL,
    expand: bool = True,
) -> Interval:
    """Percentile interval of a statistic when whole clusters are drawn with replacement (Davison & Hinkley 1997, 3.8).

    The percentiles are expanded for few clusters, see `expanded_tail`. One cluster alone says nothing of how clusters
    differ, and has no width.

    Args:
        values: (N, ...) one row for each observation.
        rng: draws the clusters.
        clusters: (N,) what belongs together (a seed, a person, an object); None: every row stands alone.
        statistic: of rows (n, ...), a number; the mean when left out.
        draws: how many times.
        level: of the interval.
        expand: the percentiles for few clusters; without, they are plain, as in tables that were made so.

    Raises:
        ValueError: there are no values, or not as many clusters as values.
    """
    values = np.asarray(values, float)
    if not len(values):
        raise ValueError("no values came; an interval needs at least one")
    names = np.arange(len(values)) if clusters is None else np.asarray(clusters)
    if len(names) != len(values):
        raise ValueError(f"{len(values)} values and {len(names)} clusters came; expected as many of each")
    _, which = np.unique(names, return_inverse=True)
    members = [np.flatnonzero(which == cluster) for cluster in range(int(which.max()) + 1)]
    drawn = rng.integers(len(members), size=(draws, len(members)))
    if statistic is _mean and values.ndim == 1:
        sums = np.array([values[some].sum() for some in members])
        sizes = np.array([len(some) for some in members])
        found = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    else:
        found = np.array([statistic(values[np.concatenate([members[one] for one in row])]) for row in drawn])
    return percentile_interval(
        float(statistic(values)), found, expanded_tail(len(members), level) if expand else (1 - level) / 2
    )


def percentile_interval(mean: float, found: np.ndarray, tail: float) -> Interval:
    """Interval of a figure from a bootstrap's draws (draws,), a share `tail` of which lies beyond each end."""
    low, high = np.nanpercentile(found, (100 * tail, 100 - 100 * tail))
    return Interval(mean, float(low), float(high))


def t_interval(values: ArrayLike) -> Interval:
    """Interval of the mean of a few values (N,), at least two, by Student's t."""
    from scipy.stats import t

    values = np.asarray(values, float)
    half = t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return Interval(_mean(values), float(values.mean() - half), float(values.mean() + half))


def expanded_tail(clusters: int, level: float = LEVEL) -> float:
    """Share of a bootstrap's draws to leave out at each end (Hesterberg 2015, 5.3: the expanded percentile interval).

    The bootstrap's spread is too small by sqrt(1 - 1 / n), and a few values have the tails of Student's t: the mean of
    ten normal ones lies within the plain 95 % percentiles in 90 of 100 cases, within these in 95.

    Args:
        clusters: n, how many are drawn with replacement.
        level: of the interval.
    """
    from scipy.stats import norm, t

    if clusters < 2:
        return (1 - level) / 2
    far = np.sqrt(clusters / (clusters - 1)) * t.ppf((1 + level) / 2, clusters - 1)
    return float(norm.cdf(-far))


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    rng: np.random.Generator,
    clusters: ArrayLike | None = None,
    expand: bool = True,
) -> Interval:
    """Interval of the mean of `first` minus `second`, (N,) each, of the same cases.

    Raises:
        ValueError: their lengths differ.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != second.shape:
        raise ValueError(f"{first.shape} and {second.shape} came; paired values have one shape")
    return cluster_bootstrap(first - second, rng, clusters, expand=expand)


def wilson(hits: int, n: int, level: float = LEVEL) -> Interval:
    """Interval of a share (Wilson 1927).

    Raises:
        ValueError: not 0 <= hits <= n, or n is 0.
    """
    from scipy.stats import binomtest

    if not 0 <= hits <= n or n == 0:
        raise ValueError(f"{hits} of {n} came; expected 0 <= hits <= n and n > 0")
    found = binomtest(hits, n).proportion_ci(level, method="wilson")
    return Interval(hits / n, float(found.low), float(found.high))


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> McNemar:
    """Compare two on the same cases (McNemar 1947, exact).

    Raises:
        ValueError: their lengths differ, or there are none.
    """
    from scipy.stats import binomtest

    if len(first) != len(second) or not len(first):
        raise ValueError(f"{len(first)} and {len(second)} cases came; expected as many of each, and at least one")
    one = sum(a and not b for a, b in zip(first, second, strict=True))
    other = sum(b and not a for a, b in zip(first, second, strict=True))
    return McNemar(one, other, float(binomtest(one, one + other).pvalue) if one + other else 1.0)


def holm(p: Sequence[float]) -> np.ndarray:
    """(N,) p values that hold for the family together (Holm 1979)."""
    from statsmodels.stats.multitest import multipletests

    return np.asarray(multipletests(p, method="holm")[1], float) if len(p) else np.zeros(0)
