"""Results of an analysis: tested hypotheses, the flow of participants, and all that a report tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evaluation.statistics import Interval
from evaluation.study.curves import CurvePoint
from evaluation.study.models import Sizes, Tested
from evaluation.study.pilots import Pilot
from evaluation.study.plan import Hypothesis, Plan
from evaluation.study.quality import Quality

if TYPE_CHECKING:
    pass


class Finding(NamedTuple):
    """The result of testing one hypothesis.

    Attributes:
        registered: whether the plan that was registered has it.
        test: of the hypothesis.
        sizes: between the first two levels; None where there are not two.
        p_holm: within its family; equal to p where it stands alone or is exploratory.
        supported: p_holm is within alpha (registered ones only; None otherwise).
    """

    hypothesis: Hypothesis
    registered: bool
    levels: tuple[str, ...]
    test: Tested
    sizes: Sizes | None
    p_holm: float
    supported: bool | None
    people: int
    answers: int


class Flow(NamedTuple):
    """How many people went where.

    Attributes:
        outcomes: of all who opened the study.
        excluded: of those who count by outcome, left out by which rule (a person may break several).
        analysed: people.
        beside: answers to other comparisons than triplets, by kind, which the outcomes of plans do not speak of.
    """

    outcomes: dict[str, int]
    excluded: dict[str, int]
    excluded_people: int
    analysed: int
    beside: dict[str, int]


class Analysis(NamedTuple):
    """All that a report tells."""

    name: str
    scripted: bool
    exploratory: bool
    plan: Plan
    registered_sha256: str
    flow: Flow
    quality: Quality
    findings: tuple[Finding, ...]
    curve: tuple[CurvePoint, ...]
    predicted_by: str
    languages: dict[str, int]
    versions: dict[str, str]
    pilot: Pilot | None = None

    def as_json(self) -> dict[str, Any]:
        """Tell the figures as JSON takes them; nan becomes null."""
        figures = {
            "name": self.name,
            "scripted": self.scripted,
            "exploratory": self.exploratory,
            "plan_sha256": self.plan.sha256,
            "registered_sha256": self.registered_sha256,
            "flow": self.flow._asdict(),
            "quality": _plain({**self.quality._asdict(), "people": [one._asdict() for one in self.quality.people]}),
            "findings": [_finding_json(one) for one in self.findings],
            "curve": [_plain(point) for point in self.curve],
            "predicted_by": self.predicted_by,
            "languages": self.languages,
            "versions": self.versions,
            "pilot": self.pilot,
        }
        plain: dict[str, Any] = _plain(figures)
        return plain


def _finding_json(found: Finding) -> dict[str, Any]:
    row = found._asdict()
    hypothesis = row.pop("hypothesis")
    return {"name": hypothesis.name, "text": hypothesis.text, "outcome": hypothesis.outcome, **_plain(row)}


def _plain(value: Any) -> Any:
    if isinstance(value, Interval):
        return {name: _plain(float(part)) for name, part in value._asdict().items()}
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float):
        return round(value, 6) if np.isfinite(value) else None
    return value
