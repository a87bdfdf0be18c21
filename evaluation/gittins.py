"""The exact Gittins index of an arm whose outcomes are exponential, for rewards and for costs.

An arm pays Exp(theta), theta ~ Gamma(n + 1, S), so that its posterior mean is S / n after n outcomes of sum S. The
next outcome is Lomax, P(r > x) = (S / (S + x))^(n + 1), and leads to (n + 1, S + r). The family is one of scale: the
index is nu(S, n) = (S / n) nu1(n) (Gittins, Glazebrook & Weber 2011, 8.4). nu1 comes from the arm that is just as good
as a known one which pays 1, by D(n, S) = max(0, S / n - 1 + d E D(n + 1, S + r)).

For rewards nu1 >= 1: what is known little may be better than it seems. For costs the signs turn, nu1 <= 1, and the
smallest index is chosen; the two tables are no mirror images. A table whose factor is below 1 for rewards and grows
with n, as the one published with arXiv 2301.01107, favours what is known already, and is not this index.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from geometry.files import read_json

Goal = Literal["reward", "cost"]
TABLE = Path(__file__).with_name("gittins.json")
DISCOUNTS = (0.9, 0.95, 0.99)
TABLED = 300
"""Outcomes that the table goes to; nu1 - 1 falls as 1 / n beyond."""
_LOW, _HIGH = -7.0, 9.0
_TAIL = 6


def gittins_factors(
    discount: float, goal: Goal = "reward", horizon: int = 500, points: int = 3001, nodes: int = 64
) -> np.ndarray:
    """(horizon + 1,) nu1(n) for n outcomes, by dynamic programming backwards from `horizon`, where it is 1.

    The mean is on a grid in x = (S / n - 1) sqrt(n); the expectation over the next outcome is Gauss-Legendre in t with
    the survival u = t^6, which puts nodes into the tail. The entry for n = 0 is nan. Factors of n well below the
    horizon hold to .001.

    Args:
        discount: d, 0 < d < 1, what an outcome is worth one step later.
        goal: rewards (large is good) or costs.
        horizon: outcomes after which the mean counts as known.
        points: of the grid.
        nodes: of the quadrature.

    Raises:
        ValueError: the discount is outside 0 to 1, or an unknown goal.
    """
    _check(discount, goal)
    sign = 1.0 if goal == "reward" else -1.0
    x = np.linspace(_LOW, _HIGH, points)
    t, weights = np.polynomial.legendre.leggauss(nodes)
    t, weights = (t + 1) / 2, weights / 2
    survival, weights = t**_TAIL, weights * _TAIL * t ** (_TAIL - 1)
    factors = np.full(horizon + 1, np.nan)
    factors[horizon] = 1.0
    known = 1 / (1 - discount)
    value = np.maximum(0, sign * x / np.sqrt(horizon) * known)
    for n in range(horizon - 1, 0, -1):
        mean = 1 + x / np.sqrt(n)
        there = mean > 0
        # (points, nodes) the mean after one more outcome, S + r = S u^(-1 / (n + 1)).
        after = n * mean[there, None] * survival ** (-1 / (n + 1)) / (n + 1)
        at = (after - 1) * np.sqrt(n + 1)
        coming = np.interp(at, x, value)
        beyond = at > _HIGH if sign > 0 else at < _LOW  # so good or bad that only the mean counts
        coming[beyond] = np.maximum(coming[beyond], sign * (after[beyond] - 1) * known)
        gain = sign * (mean[there] - 1) + discount * (coming @ weights)
        factors[n] = 1 / (1 + _root(x[there], gain) / np.sqrt(n))
        value = np.full(points, max(gain[0], 0.0))
        value[there] = np.maximum(gain, 0)
    return factors


def _root(x: np.ndarray, gain: np.ndarray) -> float:
    """Where the gain, which rises or falls through 0 once, is 0."""
    order = np.argsort(gain, kind="stable") if gain[0] > gain[-1] else slice(None)
    return float(np.interp(0.0, gain[order], x[order]))


def index_factor(n: np.ndarray, discount: float = 0.99, goal: Goal = "reward") -> np.ndarray:
    """nu1(n) for numbers of outcomes (...) int >= 1, from the table.

    Raises:
        ValueError: a discount that is not tabled, an unknown goal, or an n below 1.
    """
    _check(discount, goal)
    if discount not in DISCOUNTS:
        raise ValueError(f"discount {discount} came; tabled are {', '.join(map(str, DISCOUNTS))}")
    n = np.asarray(n)
    if n.size and n.min() < 1:
        raise ValueError(f"n {n.min()} came; an arm has an index from its first outcome on, real or of its prior")
    factors = _table(TABLE)[f"{goal} {discount}"]
    last = len(factors)
    found = factors[np.minimum(n, last) - 1]
    return np.asarray(np.where(n > last, 1 + (found - 1) * last / n, found))


def make_table() -> dict[str, list[float]]:
    """Compute the table: for each goal and discount nu1(1), ..., nu1(300), from a finer grid than needed for .001."""
    return {
        f"{goal} {discount}": gittins_factors(discount, goal, 2 * TABLED, 6001, 96)[1 : TABLED + 1].round(5).tolist()
        for goal in get_args(Goal)
        for discount in DISCOUNTS
    }


@cache
def _table(path: Path) -> dict[str, np.ndarray]:
    return {name: np.array(factors) for name, factors in read_json(path).items()}


def _check(discount: float, goal: str) -> None:
    if not 0 < discount < 1:
        raise ValueError(f"discount {discount} came; expected 0 < d < 1")
    if goal not in get_args(Goal):
        raise ValueError(f"goal {goal!r} came; allowed are {', '.join(get_args(Goal))}")
