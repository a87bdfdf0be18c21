"""The registered plan of a study's analysis: what is tested, how, on whom, and who is left out; before data come.

It is a TOML file whose SHA-256 is kept when the study is made. An analysis by a plan with another hash is exploratory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from robots.settings import build, parse_toml

PLAN = "analysis.toml"
"""The plan's file in the folder of a study, and of an export."""
TEMPLATE = Path(__file__).with_name(PLAN)
Model = Literal["logistic", "lognormal", "ordinal", "linear"]
OUTCOMES: dict[str, Model] = {
    "predicted": "logistic",
    "golden": "logistic",
    "repeat": "logistic",
    "told": "logistic",
    "rt": "lognormal",
    "confidence": "ordinal",
}
"""Outcomes of single answers and the model of each; beside them `scale:ID`, the score of a questionnaire's scale."""
FACTORS = ("block", "task", "language", "condition")
RANDOM = ("participant", "triplet", "factor")
T = TypeVar("T")


class PlanError(ValueError):
    """A plan that cannot be used: which line, why, and what is allowed."""


@dataclass(frozen=True)
class Exclusions:
    """Who is left out, by rules fixed before the data came; see `evaluation.study.quality`.

    A plan that was registered without `median_thinking_ms` goes without that rule.
    """

    golden_accuracy: float = 2 / 3
    golden_p: float = 0.05
    same_position: float = 0.6
    same_position_p: float = 0.001
    median_rt_ms: float = 800.0
    median_thinking_ms: float = 0.0
    early_answers: float = 0.2
    longest_run: int = 12
    least_answers: int = 10


@dataclass(frozen=True)
class Hypothesis:
    """One comparison.

    Attributes:
        name: short, such as H1.
        text: in words.
        outcome: one of `OUTCOMES`, or scale:ID.
        factor: column whose levels are compared: of events (block, task, language), or of participants (condition).
        levels: which; the effect of two is that of the second against the first. Empty: all that came.
        purposes: of trials that count, such as random; empty: all. Triplets that everybody sees in one block only make
            blocks differ by the luck of a few: without an intercept of triplets one null study in five rejects.
        random: groupings with an intercept each; a:b is every pair of a's and b's levels.
        family: hypotheses of one family share the error rate by Holm's procedure.
        equivalence: a mean difference within plus and minus this counts as none (two one-sided tests); 0: not asked.
        draws: of a parametric bootstrap of the likelihood ratio; 0: chi-squared.
    """

    name: str
    text: str
    outcome: str
    factor: str = "block"
    levels: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    random: tuple[str, ...] = ("participant", "participant:factor", "triplet")
    family: str = "primary"
    equivalence: float = 0.0
    draws: int = 0

    @property
    def model(self) -> Model:
        """The regression that fits the outcome."""
        return "linear" if self.outcome.startswith("scale:") else OUTCOMES[self.outcome]


@dataclass(frozen=True)
class ScaleRule:
    """A questionnaire's scale: the mean of its items, those in `reverse` turned round within low and high."""

    id: str
    instrument: str
    items: tuple[str, ...]
    low: float
    high: float
    reverse: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """How many people, and who of them counts; attributes as in `Plan`."""

    n: int
    stopping: str
    alpha: float = 0.05
    smallest_effect: float = 0.05
    included: tuple[str, ...] = ("completed",)
    rt_limits_ms: tuple[float, float] = (200.0, 120_000.0)


@dataclass(frozen=True)
class Plan:
    """A plan as it was read, with the hash of its file.

    Attributes:
        n: people after exclusions that the study stops at.
        stopping: the rule, in words.
        alpha: error rate of each family.
        smallest_effect: the smallest effect of interest, as a difference of probabilities.
        included: outcomes of participants that count, such as completed.
        rt_limits_ms: response times outside are left out of models of time.
    """

    title: str
    n: int
    stopping: str
    alpha: float
    smallest_effect: float
    included: tuple[str, ...]
    rt_limits_ms: tuple[float, float]
    exclusions: Exclusions
    hypotheses: tuple[Hypothesis, ...]
    scales: tuple[ScaleRule, ...]
    sha256: str
    text: str


def default_plan() -> str:
    """Read the text of a plan to begin with, comments and all."""
    return TEMPLATE.read_text("utf-8")


def plan_hash(text: str | bytes) -> str:
    """SHA-256 of a plan's file, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8") if isinstance(text, str) else text).hexdigest()


def load_plan(path: Path) -> Plan:
    """Read and check a plan.

    Raises:
        PlanError: as `parse_plan`.
        OSError: the file cannot be read.
    """
    body = path.read_bytes()
    try:
        return parse_plan(body.decode("utf-8"), plan_hash(body))
    except (PlanError, UnicodeDecodeError) as problem:
        raise PlanError(f"{path}: {problem}") from problem


def parse_plan(text: str, sha256: str = "") -> Plan:
    """Read and check a plan's text.

    Raises:
        PlanError: it is no TOML, or something in it is missing, unknown or out of its range.
    """
    raw = parse_toml(text, "the plan", PlanError)
    known = {"title", "sample", "exclusions", "hypotheses", "scales"}
    _known(raw, known, "the plan")
    sample = build(Sample, raw.get("sample", {}), "sample", PlanError)
    plan = Plan(
        title=str(raw.get("title", "")),
        **{field.name: getattr(sample, field.name) for field in fields(Sample)},
        exclusions=build(Exclusions, raw.get("exclusions", {}), "exclusions", PlanError),
        hypotheses=_tables(Hypothesis, raw, "hypotheses"),
        scales=_tables(ScaleRule, raw, "scales"),
        sha256=sha256 or plan_hash(text),
        text=text,
    )
    _check(plan)
    return plan


def _known(raw: Mapping[str, Any], known: set[str], where: str) -> None:
    if unknown := sorted(set(raw) - known):
        raise PlanError(f"{where}: {', '.join(unknown)} came; known are {', '.join(sorted(known))}")


def _tables(kind: type[T], raw: Mapping[str, Any], name: str) -> tuple[T, ...]:
    entries = raw.get(name, [])
    if not isinstance(entries, list):
        raise PlanError(f"{name}: {entries!r} came; tables under [[{name}]] are needed")
    return tuple(build(kind, one, f"{name}[{i}]", PlanError) for i, one in enumerate(entries))


def _check(plan: Plan) -> None:
    numbers = {"n": (plan.n, 1, 1e6), "alpha": (plan.alpha, 1e-6, 0.5), "smallest_effect": (plan.smallest_effect, 0, 1)}
    numbers |= {
        name: (getattr(plan.exclusions, name), 0, 1)
        for name in ("golden_accuracy", "golden_p", "same_position", "same_position_p", "early_answers")
    }
    for name, (value, low, high) in numbers.items():
        if not low <= value <= high:
            raise PlanError(f"{name} {value} came; allowed are {low:g} to {high:g}")
    if not 0 <= plan.rt_limits_ms[0] < plan.rt_limits_ms[1]:
        raise PlanError(f"rt_limits_ms {list(plan.rt_limits_ms)} came; a shorter time and a longer one are needed")
    names = [one.name for one in plan.hypotheses]
    if len(set(names)) < len(names):
        raise PlanError(f"hypotheses {', '.join(names)} came; each needs a name of its own")
    scales = {rule.id for rule in plan.scales}
    for one in plan.hypotheses:
        allowed = [*OUTCOMES, *(f"scale:{name}" for name in sorted(scales))]
        if one.outcome not in allowed:
            raise PlanError(f"{one.name}: outcome {one.outcome!r} came; allowed are {', '.join(allowed)}")
        if one.factor not in FACTORS:
            raise PlanError(f"{one.name}: factor {one.factor!r} came; allowed are {', '.join(FACTORS)}")
        if unknown := sorted({part for name in one.random for part in name.split(":")} - set(RANDOM)):
            raise PlanError(f"{one.name}: random {unknown[0]!r} came; allowed are {', '.join(RANDOM)}, joined by ':'")
        if len(one.levels) == 1 or one.equivalence < 0 or one.draws < 0:
            raise PlanError(f"{one.name}: give no levels or two and more, and nothing below 0")
    for rule in plan.scales:
        if not rule.items or set(rule.reverse) - set(rule.items) or rule.low >= rule.high:
            raise PlanError(f"scale {rule.id}: it needs items, reverse ones among them, and low below high")
