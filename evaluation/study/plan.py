"""The registered plan of a study's analysis: what is tested, how, on whom, and who is left out; before data come.

It is a TOML file whose SHA-256 is kept when the study is made. An analysis by a plan with another hash is exploratory.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEMPLATE = Path(__file__).with_name("analysis.toml")
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
T = TypeVar("T")


class PlanError(ValueError):
    """A plan that cannot be used: which line, why, and what is allowed."""


@dataclass(frozen=True)
class Exclusions:
    """Who is left out, by rules fixed before the data came; see `evaluation.study.quality`."""

    golden_accuracy: float = 2 / 3
    golden_p: float = 0.05
    same_position: float = 0.6
    same_position_p: float = 0.001
    median_rt_ms: float = 800.0
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
    """The text of a plan to begin with, comments and all."""
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
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise PlanError(f"cannot be read as TOML: {problem}") from problem
    known = {"title", "sample", "exclusions", "hypotheses", "scales"}
    _known(raw, known, "the plan")
    sample = dict(raw.get("sample", {}))
    _known(sample, {"n", "stopping", "alpha", "smallest_effect", "included", "rt_limits_ms"}, "sample")
    try:
        plan = Plan(
            title=str(raw.get("title", "")),
            n=int(sample["n"]),
            stopping=str(sample["stopping"]),
            alpha=float(sample.get("alpha", 0.05)),
            smallest_effect=float(sample.get("smallest_effect", 0.05)),
            included=tuple(map(str, sample.get("included", ["completed"]))),
            rt_limits_ms=_pair(sample.get("rt_limits_ms", (200, 120_000))),
            exclusions=_table(Exclusions, raw.get("exclusions", {}), "exclusions"),
            hypotheses=tuple(_table(Hypothesis, one, "hypotheses") for one in raw.get("hypotheses", [])),
            scales=tuple(_table(ScaleRule, one, "scales") for one in raw.get("scales", [])),
            sha256=sha256 or plan_hash(text),
            text=text,
        )
    except KeyError as problem:
        raise PlanError(f"sample lacks {problem.args[0]!r}") from problem
    except (TypeError, ValueError) as problem:
        raise PlanError(str(problem)) from problem
    _check(plan)
    return plan


def _known(raw: Mapping[str, Any], known: set[str], where: str) -> None:
    if unknown := sorted(set(raw) - known):
        raise PlanError(f"{where}: {', '.join(unknown)} came; known are {', '.join(sorted(known))}")


def _pair(values: Any) -> tuple[float, float]:
    low, high = map(float, values)
    return low, high


def _table(kind: type[T], raw: Mapping[str, Any], where: str) -> T:
    if not isinstance(raw, Mapping):
        raise PlanError(f"{where}: {raw!r} came; expected a table")
    _known(raw, {field.name for field in fields(kind)}, where)  # type: ignore[arg-type]
    try:
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()})
    except TypeError as problem:
        raise PlanError(f"{where}: {problem}") from problem


def _check(plan: Plan) -> None:
    numbers = {"n": (plan.n, 1, 1e6), "alpha": (plan.alpha, 1e-6, 0.5), "smallest_effect": (plan.smallest_effect, 0, 1)}
    numbers |= {
        name: (getattr(plan.exclusions, name), 0, 1)
        for name in ("golden_accuracy", "golden_p", "same_position", "same_position_p", "early_answers")
    }
    for name, (value, low, high) in numbers.items():
        if not low <= value <= high:
            raise PlanError(f"{name} {value} came; allowed are {low:g} to {high:g}")
    names = [one.name for one in plan.hypotheses]
    if len(set(names)) < len(names):
        raise PlanError(f"hypotheses {', '.join(names)} came; each needs a name of its own")
    scales = {rule.id for rule in plan.scales}
    for one in plan.hypotheses:
        allowed = [*OUTCOMES, *(f"scale:{name}" for name in sorted(scales))]
        if one.outcome not in allowed:
            raise PlanError(f"{one.name}: outcome {one.outcome!r} came; allowed are {', '.join(allowed)}")
        if len(one.levels) == 1 or one.equivalence < 0 or one.draws < 0:
            raise PlanError(f"{one.name}: give no levels or two and more, and nothing below 0")
    for rule in plan.scales:
        if not rule.items or set(rule.reverse) - set(rule.items) or rule.low >= rule.high:
            raise PlanError(f"scale {rule.id}: it needs items, reverse ones among them, and low below high")
