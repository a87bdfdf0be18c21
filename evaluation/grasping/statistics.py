"""From trials to figures: shares with intervals, and whether two clouds differ on the same looks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from evaluation.grasping.ledger import Row
from policies.intervals import wilson

_DRAWS = 2000


class Share(NamedTuple):
    """Success of one cloud in one stratum, in shares.

    `low`, `high`: Wilson's 95 %. `low_objects`, `high_objects`: 95 % by drawing whole objects, since looks at one
    object are alike.
    """

    cloud: str
    stratum: str
    n: int
    success: float
    low: float
    high: float
    low_objects: float
    high_objects: float
    strict: float
    cd_mm: float
    causes: dict[str, int]


class McNemar(NamedTuple):
    """Looks on which only one of two clouds held, and the exact probability of such a split by chance."""

    only_first: int
    only_second: int
    p: float


def shares(rows: Sequence[Row], rng: np.random.Generator) -> list[Share]:
    """Figures of every cloud in every stratum, in order of appearance."""
    order = list(dict.fromkeys((row.stratum, row.cloud) for row in rows))
    found = []
    for stratum, cloud in sorted(order, key=lambda place: [stratum for stratum, _ in order].index(place[0])):
        some = [row for row in rows if (row.stratum, row.cloud) == (stratum, cloud)]
        held = sum(row.held for row in some)
        low_objects, high_objects = by_object(some, rng)
        distances = [row.cd_mm for row in some if np.isfinite(row.cd_mm)]
        causes = {cause: sum(row.cause == cause for row in some) for cause in sorted({r.cause for r in some} - {""})}
        found.append(
            Share(
                cloud,
                stratum,
                len(some),
                round(held / len(some), 4),
                *wilson(held, len(some)),
                low_objects,
                high_objects,
                round(sum(row.strict for row in some) / len(some), 4),
                round(float(np.mean(distances)), 2) if distances else 0.0,
                causes,
            )
        )
    return found


def by_object(rows: Sequence[Row], rng: np.random.Generator) -> tuple[float, float]:
    """95 % interval of the share held when whole objects are drawn with replacement."""
    ordered = sorted(rows, key=lambda row: row.object)
    groups = [[row.held for row in some] for _, some in groupby(ordered, key=lambda row: row.object)]
    hits, sizes = np.array([sum(some) for some in groups]), np.array([len(some) for some in groups])
    drawn = rng.integers(len(groups), size=(_DRAWS, len(groups)))
    low, high = np.percentile(hits[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), (2.5, 97.5))
    return round(float(low), 4), round(float(high), 4)


def mcnemar(rows: Sequence[Row], first: str, second: str) -> McNemar:
    """Compare two clouds on the looks that both had (McNemar 1947, exact).

    Raises:
        ValueError: there are none.
    """
    from scipy.stats import binomtest

    held = {name: {row.task: row.held for row in rows if row.cloud == name} for name in (first, second)}
    both = held[first].keys() & held[second].keys()
    if not both:
        raise ValueError(f"no look had both {first!r} and {second!r}")
    only_first = sum(held[first][task] and not held[second][task] for task in both)
    only_second = sum(held[second][task] and not held[first][task] for task in both)
    split = only_first + only_second
    p = float(binomtest(only_first, split).pvalue) if split else 1.0
    return McNemar(only_first, only_second, float(f"{p:.4g}"))


def summary(rows: Sequence[Row], reference: str, seed: int = 0) -> dict[str, Any]:
    """Figures as JSON takes them: every share, and `reference` against each other cloud in each stratum."""
    found = shares(rows, np.random.default_rng(seed)) if rows else []
    tests: dict[str, dict[str, Any]] = {}
    for stratum in dict.fromkeys(one.stratum for one in found):
        some = [row for row in rows if row.stratum == stratum]
        names = dict.fromkeys(row.cloud for row in some)
        if reference in names:
            against = {name: mcnemar(some, reference, name)._asdict() for name in names if name != reference}
            tests[stratum] = {f"{reference} against {name}": test for name, test in against.items()}
    return {"rows": [one._asdict() for one in found], "mcnemar": tests}
