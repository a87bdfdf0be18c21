"""Metrics of walks, case by case, as evaluations keep them in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any

from envs.locomotion.cases import Case
from evaluation.statistics import Interval


@dataclass(frozen=True)
class Metrics:
    """Metrics of one case with one policy. Intervals are 95 %: bootstrap over walks for `rmse`, Wilson's for `falls`.

    `rmse` in m/s is over the velocity averaged over a stride, `rmse_instant` over every control step (the trunk sways
    within a stride, a bound by 0.2 m/s);
    the errors are means of the absolute error of each walk's mean; `yaw_drift` in rad/s likewise; `falls` is the share
    of walks that ended in one. What could not be measured, because every walk fell early, is None.
    """

    episodes: int
    rmse: Interval | None
    rmse_instant: float | None
    mean_speed: float | None
    speed_error: float | None
    sideways: float | None
    falls: Interval
    survival: float
    yaw_drift: float | None
    yaw_drift_max: float | None
    height_error: float | None
    pitch_error: float | None
    cost_of_transport: float | None
    contact_match: float | None
    progress: float | None


@dataclass(frozen=True)
class Row:
    """One case, one policy, and what came of it."""

    policy: str
    case: Case
    metrics: Metrics

    def flat(self) -> dict[str, Any]:
        """Return the row as JSON takes it: one level, but for intervals."""
        values = vars(self.metrics).items()
        found = {name: value.as_json() if isinstance(value, Interval) else value for name, value in values}
        first = {"policy": self.policy, "gait": self.case.gait, "speed": self.case.speed}
        return {**first, **asdict(self.case), **found}

    @classmethod
    def read(cls, flat: Mapping[str, Any]) -> Row:
        """Return the row that `flat` gave.

        Raises:
            KeyError: something is missing.
            TypeError: an interval that is none.
            ValueError: a case or a number that cannot be.
        """
        case, found = ({one.name: flat[one.name] for one in fields(kind)} for kind in (Case, Metrics))
        for name in ("rmse", "falls"):
            found[name] = None if found[name] is None else Interval(**found[name])
        for one in fields(Metrics):
            value, missing = found[one.name], "None" in str(one.type)
            numbers = value if isinstance(value, Interval) else (value,)
            if not ((value is None and missing) or all(isinstance(n, int | float) and isfinite(n) for n in numbers)):
                raise ValueError(f"{one.name} {value!r}")
        return cls(flat["policy"], Case(**case), Metrics(**found))
