"""From rows of single seeds to the table: intervals over seeds, what was aimed at, and what may be claimed."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from evaluation.similarity.active import Stage, fewer
from evaluation.similarity.comparison import Job
from evaluation.statistics import Interval, cluster_bootstrap, paired_difference

CLAIM = 1.3
"""How many times fewer answers or seconds active queries must need before it is called a gain."""
_PUBLISHED = "sirl_small"
Rows = dict[Job, dict[str, Any]]


class Target(NamedTuple):
    """A target: the limit, from above or below, of one method's figure at one place of the table."""

    task: str
    answers: int
    wrong_share: float
    figure: str
    limit: float

    @property
    def at_most(self) -> bool:
        """Errors are to be small, accuracies large."""
        return self.figure == "fpe"


TARGETS = (
    Target("grid-2", 500, 0.0, "fpe", 0.012),
    Target("grid-2", 1000, 0.0, "fpe", 0.005),
    Target("grid-2", 500, 0.0, "tpa20", 0.80),
    Target("grid-2", 1000, 0.0, "tpa20", 0.84),
    Target("grid-4", 100, 0.0, "fpe", 0.04),
    Target("grid-4", 100, 0.15, "fpe", 0.065),
    Target("style", 100, 0.0, "fpe", 0.05),
    Target("style", 300, 0.0, "fpe", 0.025),
    Target("style", 300, 0.15, "fpe", 0.06),
)


def _rng(*of: object) -> np.random.Generator:
    """Draws for one interval: the same whatever else stands in the table."""
    return np.random.default_rng(list("/".join(map(str, of)).encode()))


def _grouped(rows: Rows, kind: str) -> dict[tuple[str, str, int, float], list[tuple[int, dict[str, Any]]]]:
    groups: dict[tuple[str, str, int, float], list[tuple[int, dict[str, Any]]]] = {}
    for job, row in rows.items():
        if job.kind == kind:
            groups.setdefault((job.task, job.method, job.answers, job.wrong_share), []).append((job.seed, row))
    return {name: sorted(found, key=lambda one: one[0]) for name, found in groups.items()}


def _interval(values: ArrayLike, *of: object) -> dict[str, float]:
    return cluster_bootstrap(np.asarray(values, float), _rng(*of)).as_json(5)


def table(rows: Rows) -> list[dict[str, Any]]:
    """The rows of the comparison: means and 95 % intervals over seeds, test persons averaged within each."""
    found = []
    for (task, method, answers, wrong), group in _grouped(rows, "row").items():
        name = (task, method, answers, wrong)
        found.append(
            {
                "task": task,
                "method": method,
                "answers": answers,
                "wrong_share": wrong,
                "seeds": len(group),
                "fpe": _interval([row["fpe"] for _, row in group], *name, "fpe"),
                "tpa20": _interval([np.mean(row["tpa20"]) for _, row in group], *name, "tpa20"),
                "r2": _interval([np.mean(row["r2"]) for _, row in group], *name, "r2"),
                "seconds_per_fit": round(float(np.mean([row["seconds"] for _, row in group])), 3),
            }
        )
    return found


def foretold(rows: Rows) -> list[dict[str, Any]]:
    """How well held-out, error-free answers are foretold: bits (guessing has log2 3 = 1.585), and the share of hits."""
    found = []
    for (task, method, answers, wrong), group in _grouped(rows, "row").items():
        if answers:
            line: dict[str, Any] = {"task": task, "method": method, "answers": answers, "wrong_share": wrong}
            for figure in ("bits", "accuracy"):
                values = [row[figure] for _, row in group]
                line[figure] = _interval(values, task, method, answers, wrong, figure)
            found.append(line)
    return found


def feature_spaces(rows: Rows) -> list[dict[str, Any]]:
    """CLEA's four questions."""
    return [
        {"task": task, "method": method, "answers": answers}
        | {figure: _interval([row[figure] for _, row in group], task, method, figure) for figure in group[0][1]}
        for (task, method, answers, _), group in _grouped(rows, "space").items()
    ]


def active(rows: Rows) -> list[dict[str, Any]]:
    """The curve of every strategy, and how many times fewer answers and seconds it needs than random queries do.

    A gain is claimed at the end of a curve only, where the lower end of its interval is at least `CLAIM`: of many looks
    along the way one would be large by chance.
    """
    groups = _grouped(rows, "active")
    found = []
    for (task, strategy, _, _), group in groups.items():
        curves = np.array([row["stages"] for _, row in group], float)
        random = {seed: row["stages"] for seed, row in groups.get((task, "random", 0, 0.0), [])}
        for index in range(curves.shape[1]):
            answers, seconds = curves[0, index, :2]
            line = {
                "task": task,
                "strategy": strategy,
                "answers": int(answers),
                "seconds": round(float(seconds), 1),
                "seeds": len(group),
                "fpe": _interval(curves[:, index, 2], task, strategy, answers),
            }
            apart = strategy == "grid" or (strategy != "random" and index > 0)  # others begin with the same queries
            if apart and all(seed in random for seed, _ in group):
                pairs = [(random[seed], row["stages"][: index + 1]) for seed, row in group]
                line |= _gain(pairs, index == curves.shape[1] - 1, task, strategy, str(int(answers)))
            found.append(line)
    return found


def _gain(pairs: list[tuple[list[Any], list[Any]]], last: bool, *of: str) -> dict[str, Any]:
    """Of the mean curves, with an interval over seeds: single curves are too rough to be read."""
    both = np.array([[len(random), len(other)] for random, other in pairs])
    assert (both == both[0]).all()
    cut = int(both[0, 0])
    together = np.array([[*random, *other] for random, other in pairs], float)

    def ratio(some: np.ndarray, by: str) -> float:
        mean = [Stage(int(a), s, f) for a, s, f in some.mean(axis=0)]
        return fewer(mean[:cut], mean[cut:], "answers" if by == "answers" else "seconds")

    gains: dict[str, Any] = {}
    for by in ("answers", "seconds"):
        interval = cluster_bootstrap(together, _rng(*of, by), statistic=partial(ratio, by=by), draws=500)
        gains[f"times_fewer_{by}"] = interval.as_json()
        if last:
            gains[f"claimed_{by}"] = interval.low >= CLAIM
    return gains


def targets(rows: Rows) -> list[dict[str, Any]]:
    """Compare each target with the figure reached, on the seeds that are there."""
    groups = _grouped(rows, "row")
    found = []
    for target in TARGETS:
        if group := groups.get((target.task, "similarity", target.answers, target.wrong_share)):
            values = [float(np.mean(row[target.figure])) for _, row in group]
            reached = cluster_bootstrap(values, _rng(*target))
            met = reached.mean <= target.limit if target.at_most else reached.mean >= target.limit
            found.append({**target._asdict(), "reached": reached.as_json(5), "met": bool(met)})
    return found + _relative(groups)


def _relative(groups: dict[tuple[str, str, int, float], list[tuple[int, dict[str, Any]]]]) -> list[dict[str, Any]]:
    """Differences and ratios to other methods, on the seeds that both have."""
    found: list[dict[str, Any]] = []

    def both(task: str, figure: str, *places: tuple[str, int]) -> np.ndarray | None:
        """(seeds, places) of the same seeds."""
        columns = [
            {seed: float(np.mean(row[figure])) for seed, row in groups.get((task, method, n, 0.0), [])}
            for method, n in places
        ]
        shared = sorted(set.intersection(*map(set, columns)))
        return np.array([[column[seed] for column in columns] for seed in shared]) if shared else None

    for n, rival in ((n, rival) for n in (500, 1000) for rival in ("multi_preference_mlp", "multi_preference")):
        if (pair := both("grid-2", "tpa20", ("similarity", n), (rival, n))) is not None:
            gap = paired_difference(pair[:, 0], pair[:, 1], _rng(n, rival))
            found.append(_line(f"grid-2, {n} answers: tpa20 over {rival}", 0.03, gap, gap.mean >= 0.03))
    for rival, n in (("vae", 0), ("multi_preference_mlp", 300), ("multi_preference", 300)):
        if (pair := both("arm", "fpe", ("similarity", 300), (rival, n))) is not None:
            share = cluster_bootstrap(pair, _rng("ratio", rival), statistic=_ratio_of_means)
            found.append(_line(f"arm, 300 answers: fpe as a share of {rival}'s", 0.5, share, share.mean <= 0.5))
    counts = [n for n in (50, 100, 200, 500, 1000) if ("grid-2", "similarity", n, 0.0) in groups]
    for rival, n in product((_PUBLISHED, "sirl"), (500, 1000)):
        together = both("grid-2", "fpe", (rival, n), *(("similarity", k) for k in counts))
        if together is not None and counts:
            times = _times_fewer(n, together, counts)
            found.append(_line(f"grid-2: times fewer answers than {rival} at {n}", 5.0, times, times.mean >= 5))
    return found


def _line(name: str, limit: float, reached: Interval, met: bool) -> dict[str, Any]:
    return {"target": name, "limit": limit, "reached": reached.as_json(5), "met": bool(met)}


def _ratio_of_means(pair: np.ndarray) -> float:
    first, second = pair.mean(axis=0)
    return float(first / second)


def _times_fewer(n: int, together: np.ndarray, counts: list[int]) -> Interval:
    """Of mean curves; where even our fewest answers are better the ratio stops there, and is a lower bound.

    Args:
        n: answers of the other.
        together: (seeds, 1 + counts) fpe of the other, then ours.
        counts: numbers of answers of ours.
    """

    def ratio(some: np.ndarray) -> float:
        aim, *reached = some.mean(axis=0)
        stages = [Stage(k, float(k), float(fpe)) for k, fpe in zip(counts, reached, strict=True)]
        return n / fewer(stages, [Stage(1, 1.0, float(aim))], "answers")

    return cluster_bootstrap(together, _rng("times", n), statistic=ratio)
