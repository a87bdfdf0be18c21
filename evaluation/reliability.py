"""How far answers can be trusted: agreement of raters, of a person with themselves, and of the items of a scale."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from evaluation.statistics import DRAWS, Interval, cluster_bootstrap, percentile_interval

Level = Literal["nominal", "ordinal", "interval", "ratio"]


class Retest(NamedTuple):
    """How often a question that came twice was answered alike.

    Attributes:
        agreement: share of pairs of answers that agree, with its interval over people.
        kappa: Cohen's, agreement beyond what the two distributions of answers give by chance.
        ceiling: the most that a model of this person's answers can get right, see `noise_ceiling`.
        pairs: how many questions came twice.
    """

    agreement: Interval
    kappa: float
    ceiling: Interval
    pairs: int


def krippendorff_alpha(ratings: ArrayLike, level: Level = "nominal") -> float:
    """Agreement of any number of raters, 1 when perfect, 0 as by chance (Krippendorff 2011, "Computing alpha").

    Args:
        ratings: (raters, units), nan where a rater did not rate.
        level: of measurement; what counts as how far apart.

    Returns:
        alpha, or nan where no unit was rated twice. Ratings that are all the same agree perfectly: 1.

    Raises:
        ValueError: not a table, or an unknown level.
    """
    table = np.asarray(ratings, float)
    if table.ndim != 2:
        raise ValueError(f"ratings of shape {table.shape} came; expected (raters, units)")
    if level not in get_args(Level):
        raise ValueError(f"level {level!r} came; allowed are {', '.join(get_args(Level))}")
    values, counts = _value_counts(table)
    return _alpha(counts, _distance(values, counts.sum(axis=0), level))


def alpha_interval(
    ratings: ArrayLike, rng: np.random.Generator, level: Level = "nominal", draws: int = DRAWS
) -> Interval:
    """Krippendorff's alpha with its percentile interval over units, which are drawn with replacement.

    The distances between values stay those of the whole table, as Hayes & Krippendorff (2007) have it.

    Raises:
        ValueError: as `krippendorff_alpha`.
    """
    mean = krippendorff_alpha(ratings, level)
    values, counts = _value_counts(np.asarray(ratings, float))
    if not np.isfinite(mean):
        return Interval(mean, mean, mean)
    distance = _distance(values, counts.sum(axis=0), level)
    drawn = rng.integers(len(counts), size=(draws, len(counts)))
    found = np.array([_alpha(counts[row], distance) for row in drawn])
    return percentile_interval(mean, found, 0.025)


def _value_counts(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (V,) and how often each was given to a unit (units, V), of units that were rated at least twice."""
    table = table[:, np.isfinite(table).sum(axis=0) >= 2]
    values = np.unique(table[np.isfinite(table)])
    counts = (table.T[:, :, None] == values).sum(axis=1)
    return values, counts.astype(float)


def _distance(values: np.ndarray, margin: np.ndarray, level: Level) -> np.ndarray:
    """(V, V) squared differences of values; ordinal ones count the ratings that lie between."""
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "ordinal":
        reached = np.cumsum(margin) - margin / 2
        return np.square(reached[:, None] - reached)
    difference = np.square(values[:, None] - values)
    if level == "interval":
        return difference
    total = np.square(values[:, None] + values)
    return np.divide(difference, total, out=np.zeros_like(difference), where=total > 0)


def _alpha(counts: np.ndarray, distance: np.ndarray) -> float:
    if not counts.size:
        return float("nan")
    ratings = counts.sum(axis=1)
    coincidences = (counts.T / (ratings - 1)) @ counts - np.diag((counts / (ratings - 1)[:, None]).sum(axis=0))
    margin = coincidences.sum(axis=0)
    expected = (np.outer(margin, margin) * distance).sum() / (margin.sum() - 1)
    observed = (coincidences * distance).sum()
    return float(1 - observed / expected) if expected > 0 else 1.0


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Agreement of two lists of categories (N,) beyond chance (Cohen 1960); nan where both hold one and the same only.

    Raises:
        ValueError: their lengths differ, or they are empty.
    """
    from sklearn.metrics import cohen_kappa_score

    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape or not first.size:
        raise ValueError(f"{first.shape} and {second.shape} ratings came; expected as many of each, and at least one")
    if len(np.union1d(first, second)) == 1:
        return float("nan")
    return float(cohen_kappa_score(first, second))


def noise_ceiling(agreement: ArrayLike, options: int = 3) -> np.ndarray:
    """Give the most that any model can predict of answers which agree with themselves at a rate of `agreement`.

    Who gives their usual answer with probability q and each other one with (1 - q) / (m - 1) agrees with themselves at
    A = q^2 + (1 - q)^2 / (m - 1): guessing counts in A, and is taken out by solving for q. Where questions differ in
    difficulty the mean over them lies below this q, which is concave in A: it is an upper bound.

    Args:
        agreement: share(s) of questions answered alike twice, any shape.
        options: m, how many answers there are.

    Raises:
        ValueError: a share outside 0 to 1, or fewer than two options.
    """
    share = np.asarray(agreement, float)
    if options < 2 or ((share < 0) | (share > 1)).any():
        raise ValueError(f"agreement {share} of {options} options came; expected 0 to 1 and at least 2")
    return np.asarray((1 + np.sqrt((options - 1) * np.clip(options * share - 1, 0, None))) / options)


def retest(
    first: ArrayLike, second: ArrayLike, people: ArrayLike, rng: np.random.Generator, options: int = 3
) -> Retest:
    """Compare answers (N,) to questions with the answers (N,) of the same people (N,) to the same questions later.

    Raises:
        ValueError: their lengths differ, or there are none.
    """
    first, second = np.asarray(first), np.asarray(second)
    kappa = cohen_kappa(first, second)
    found = cluster_bootstrap(first == second, rng, people)
    ceiling = Interval(*(float(noise_ceiling(share, options)) for share in found))
    return Retest(found, kappa, ceiling, len(first))


def cronbach_alpha(answers: ArrayLike) -> float:
    """Internal consistency of a scale (Cronbach 1951), answers (people, items); people with a gap are left out.

    Returns:
        alpha; nan with fewer than two people or items, or where nobody differs.

    Raises:
        ValueError: not a table.
    """
    table = _complete(answers)
    people, items = table.shape
    if people < 2 or items < 2 or (total := float(table.sum(axis=1).var(ddof=1))) == 0:
        return float("nan")
    return float(items / (items - 1) * (1 - table.var(axis=0, ddof=1).sum() / total))


def mcdonald_omega(answers: ArrayLike) -> float:
    """Share of a scale's variance that one common factor explains (McDonald 1999), answers (people, items).

    Returns:
        omega total; nan with fewer than three items, fewer people than items, or where an item never varies.

    Raises:
        ValueError: not a table.
    """
    from sklearn.decomposition import FactorAnalysis

    table = _complete(answers)
    people, items = table.shape
    if items < 3 or people <= items or (table.std(axis=0) == 0).any():
        return float("nan")
    model = FactorAnalysis(1, max_iter=5000).fit(table)
    common = float(model.components_[0].sum() ** 2)
    return common / (common + float(model.noise_variance_.sum()))


def _complete(answers: ArrayLike) -> np.ndarray:
    table = np.asarray(answers, float)
    if table.ndim != 2:
        raise ValueError(f"answers of shape {table.shape} came; expected (people, items)")
    return table[np.isfinite(table).all(axis=1)]
