"""From trials to figures: shares with intervals, and whether two clouds differ on the same views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluation.grasping.trials import Trial, Tried
from evaluation.statistics import McNemar, cluster_bootstrap, mcnemar, wilson


def success(held: int, tried: int) -> dict[str, float]:
    """Give the share held as JSON takes it, with Wilson's 95 % interval; 0 of 0 may be any."""
    return wilson(held, tried).as_json() if tried else {"mean": 0.0, "low": 0.0, "high": 1.0}


def causes(rows: Sequence[Tried]) -> dict[str, int]:
    """Count what was lost to each cause, by name."""
    found = [row.cause for row in rows if row.cause]
    return {cause: found.count(cause) for cause in sorted(set(found))}


def shares(rows: Sequence[Trial], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Sum up every cloud in every stratum, in order of appearance.

    `success` has Wilson's interval, `success_by_object` that of drawing whole objects, since views of one object are
    alike.
    """
    order = list(dict.fromkeys((row.stratum, row.cloud) for row in rows))
    found = []
    for stratum, cloud in sorted(order, key=lambda place: [stratum for stratum, _ in order].index(place[0])):
        some = [row for row in rows if (row.stratum, row.cloud) == (stratum, cloud)]
        distances = [row.cd_mm for row in some if np.isfinite(row.cd_mm)]
        by_object = cluster_bootstrap([row.held for row in some], rng, [row.object for row in some], expand=False)
        found.append(
            {
                "cloud": cloud,
                "stratum": stratum,
                "n": len(some),
                "success": success(sum(row.held for row in some), len(some)),
                "success_by_object": by_object.as_json(),
                "strict": round(sum(row.strict for row in some) / len(some), 4),
                "cd_mm": round(float(np.mean(distances)), 2) if distances else 0.0,
                "causes": causes(some),
            }
        )
    return found


def compare(rows: Sequence[Trial], first: str, second: str) -> McNemar:
    """Compare two clouds on the views that both had.

    Raises:
        ValueError: there are none.
    """
    held = {name: {row.task: row.held for row in rows if row.cloud == name} for name in (first, second)}
    both = held[first].keys() & held[second].keys()
    if not both:
        raise ValueError(f"no view had both {first!r} and {second!r}")
    test = mcnemar(*([held[name][task] for task in both] for name in (first, second)))
    return test._replace(p=float(f"{test.p:.4g}"))


def summary(rows: Sequence[Trial], reference: str, seed: int = 0) -> dict[str, Any]:
    """Make figures as JSON takes them: every share, and `reference` against each other cloud in each stratum."""
    tests: dict[str, dict[str, Any]] = {}
    for stratum in dict.fromkeys(row.stratum for row in rows):
        some = [row for row in rows if row.stratum == stratum]
        names = dict.fromkeys(row.cloud for row in some)
        if reference in names:
            against = {name: compare(some, reference, name)._asdict() for name in names if name != reference}
            tests[stratum] = {f"{reference} against {name}": test for name, test in against.items()}
    return {"rows": shares(rows, np.random.default_rng(seed)), "mcnemar": tests}
