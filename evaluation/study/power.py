"""How many people find an effect: studies drawn from the choice model, analysed by the registered test."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evaluation.results import ResultsStore
from evaluation.statistics import Interval, wilson
from evaluation.study.models import outcome_rows, test_hypothesis
from evaluation.study.plan import Hypothesis, Plan, default_plan, load_plan, parse_plan
from evaluation.study.quality import judge_people
from evaluation.study.simulated import BLOCKS, StudyDesign, draw_study, effect_for
from evaluation.study.tables import StudyTables
from policies.taste.choice import Population
from robots.io import check_writable, write_json
from robots.options import RunOptions
from robots.parallel import in_order

_ENOUGH = 0.8
"""Power that a study is planned for."""


@dataclass(frozen=True)
class Power(RunOptions):
    """Foretell the power of a study within people, and its error rate without an effect.

    Studies are drawn from the choice model, with lapses, habits and people who click through, and go through the
    registered exclusions and the registered test of the plan's first hypothesis. The representation under test has the
    features by which people compare; one that has others, or is learned from few answers, finds less.
    """

    plan: Path | None = None
    """The study's analysis.toml; without it, the plan that init writes."""
    people: tuple[int, ...] = (20, 40, 80)
    """Numbers of participants, before exclusions."""
    differences: tuple[float, ...] = ()
    """Planted differences of the share of answers that the representation predicts, second block less first; 0 gives
    the error rate. Without any: 0, and minus half, once and twice the plan's smallest effect of interest (people who
    are consistent can lose more than they can gain)."""
    trials: int = 40
    """Comparisons in each of the two blocks."""
    studies: int = 200
    """Drawn for each row."""
    features: int = 4
    """By which people compare."""
    inattentive: float = 0.05
    """Share of participants who click through."""
    population: Population = field(default_factory=Population)
    """Distribution that participants are drawn from."""

    def check(self) -> None:
        """Refuse what would fail only after long work.

        Raises:
            ValueError: a number out of its range.
        """
        super().check()
        for name, values, low, high in (
            ("people", self.people, 2, 10_000),
            ("studies", (self.studies,), 1, 1_000_000),
            ("differences", self.differences, -1, 1),
            ("trials", (self.trials,), 4, 1000),
        ):
            if bad := [value for value in values if not low <= value <= high]:
                raise ValueError(f"--{name} {bad[0]} came; allowed are {low} to {high}")


class PowerRow(NamedTuple):
    """One size of study and of effect.

    Attributes:
        people: before exclusions.
        difference: planted, of the share of predicted answers.
        effect: on the logarithm of the temperature, that makes it.
        found: share of studies that reject, with its Monte Carlo interval: power, or the error rate where nothing is
            planted.
        excluded: mean share of people left out.
        studies: drawn.
    """

    people: int
    difference: float
    effect: float
    found: Interval
    excluded: float
    studies: int


class Sensitivity(NamedTuple):
    """The smallest difference that four in five studies of a size find, between rows; None where none does."""

    people: int
    difference: float | None


class PowerResult(NamedTuple):
    """Rows, what each size of study is sensitive to, and by which plan and test they were made."""

    rows: tuple[PowerRow, ...]
    sensitivity: tuple[Sensitivity, ...]
    plan_sha256: str
    hypothesis: str
    level: float

    def as_json(self) -> dict[str, Any]:
        """Tell the figures as JSON takes them."""
        rows = [{**row._asdict(), "found": row.found.as_json()} for row in self.rows]
        return {**self._asdict(), "rows": rows, "sensitivity": [one._asdict() for one in self.sensitivity]}


class _Job(NamedTuple):
    """One study to draw."""

    design: StudyDesign
    effect: float
    plan: Plan
    hypothesis: Hypothesis
    seed: tuple[int, ...]


def power(args: Power) -> PowerResult:
    """Draw the studies and tell how often the registered test finds what was planted.

    Raises:
        ValueError: an option out of its range, a plan that cannot be used, or a difference that cannot be reached.
        OSError: a file cannot be read or written.
    """
    from rich.console import Console

    args.check()
    check_writable(args.json)
    plan = load_plan(args.plan) if args.plan else parse_plan(default_plan())
    hypothesis, level = planned_test(plan)
    wanted = args.differences or tuple(-k * plan.smallest_effect for k in (0.0, 0.5, 1.0, 2.0))
    design = StudyDesign(
        trials=args.trials, features=args.features, inattentive=args.inattentive, population=args.population
    )
    effects = {difference: effect_for(design, difference) for difference in wanted}
    store = None
    if args.out is not None:
        settings = {name: value for name, value in asdict(args).items() if name in _SETTINGS}
        store = ResultsStore(args.out / "power.jsonl", {**settings, "plan": plan.sha256}, args.resume)
    rows = []
    for people in args.people:
        for difference, effect in effects.items():
            sized = StudyDesign(**{**design.__dict__, "people": people})
            found = _studies(args, _Job(sized, effect, plan, hypothesis, ()), difference, store)
            rows.append(_row(people, difference, effect, found, level))
            Console(stderr=True).print(_sentence(rows[-1]))
    sensitivity = tuple(_sensitivity(people, [row for row in rows if row.people == people]) for people in args.people)
    result = PowerResult(tuple(rows), sensitivity, plan.sha256, hypothesis.name, level)
    if args.json is not None:
        write_json(result.as_json(), args.json)
    return result


_SETTINGS = ("seed", "trials", "features", "inattentive", "population")


def planned_test(plan: Plan) -> tuple[Hypothesis, float]:
    """Find the first hypothesis about predicted answers, within people, and the level it is tested at.

    The level is alpha over the number of hypotheses in its family: Holm's procedure asks that of the smallest p, and
    power is not promised too high.

    Raises:
        ValueError: the plan has none.
    """
    for one in plan.hypotheses:
        if one.outcome == "predicted" and one.factor == "block":
            return one, plan.alpha / sum(other.family == one.family for other in plan.hypotheses)
    raise ValueError("the plan has no hypothesis with outcome 'predicted' and factor 'block': power knows no other")


def _studies(args: Power, job: _Job, difference: float, store: ResultsStore | None) -> list[tuple[float, float]]:
    """The p and the share of excluded people of each study."""
    people = job.design.people
    keys = [(people, difference, k) for k in range(args.studies)]
    done = store.done if store is not None else {}
    todo = [key for key in keys if key not in done]
    # The same seeds for every difference: rows of one size of study differ by the effect alone.
    jobs = [job._replace(seed=(args.seed, people, key[2])) for key in todo]
    made = {}
    for key, found in zip(todo, in_order(_one_study, jobs, args.workers, args.engine), strict=True):
        made[key] = found
        if store is not None:
            store.add(key, list(found))
    return [tuple(made[key] if key in made else done[key]) for key in keys]


def _one_study(job: _Job) -> tuple[float, float]:
    rng = np.random.default_rng(job.seed)
    rows = draw_study(job.design, job.effect, rng)
    return registered_p(rows, job.plan, job.hypothesis, rng)


def registered_p(
    rows: Any, plan: Plan, hypothesis: Hypothesis, rng: np.random.Generator, tables: StudyTables | None = None
) -> tuple[float, float]:
    """Put a study's trials through the registered exclusions and test.

    Returns:
        p, 1 where nothing can be tested, and the share of people left out.
    """
    import pandas as pd

    out = {one.participant for one in judge_people(rows, plan) if one.reasons}
    kept = rows[~rows["participant"].isin(out)]
    empty = pd.DataFrame()
    held = tables or StudyTables(empty, empty, empty)
    levels = hypothesis.levels or BLOCKS
    found = outcome_rows(hypothesis, held, kept, plan)
    tested = test_hypothesis(
        hypothesis, found, rng, tuple(level for level in levels if (found["factor"] == level).any())
    )
    return (tested.p if np.isfinite(tested.p) else 1.0), len(out) / max(rows["participant"].nunique(), 1)


def _row(people: int, difference: float, effect: float, found: list[tuple[float, float]], level: float) -> PowerRow:
    p, excluded = np.array(found).T
    share = wilson(int((p <= level).sum()), len(p))
    return PowerRow(people, difference, round(effect, 4), share, round(float(excluded.mean()), 4), len(p))


def _sensitivity(people: int, rows: list[PowerRow]) -> Sensitivity:
    """Interpolate on the side on which most was planted."""
    side = np.sign(max(rows, key=lambda row: abs(row.difference)).difference)
    mine = sorted((row for row in rows if row.difference * side >= 0), key=lambda row: abs(row.difference))
    share = np.maximum.accumulate([row.found.mean for row in mine])
    if share[-1] < _ENOUGH or share[0] >= _ENOUGH:
        return Sensitivity(people, None)
    after = int(np.argmax(share >= _ENOUGH))
    between = slice(after - 1, after + 1)
    size = np.interp(_ENOUGH, share[between], [abs(row.difference) for row in mine[between]])
    return Sensitivity(people, round(float(side * size), 4))


def _sentence(row: PowerRow) -> str:
    what = "rejected without an effect" if row.difference == 0 else f"found a difference of {row.difference:+.3g}"
    low, high = 100 * row.found.low, 100 * row.found.high
    return f"{row.people} people: {100 * row.found.mean:.1f} % of studies {what} ({low:.1f} to {high:.1f})"
