"""Metrics of walks, and the file that keeps them: written after every case, so that a broken run can go on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

from envs.locomotion.cases import Case
from robots.io import write_json


@dataclass(frozen=True)
class Metrics:
    """Metrics of one case with one policy. Intervals are 95 %: bootstrap over walks for `rmse`, Wilson's for `falls`.

    `rmse` in m/s is over the velocity averaged over a stride, `rmse_instant` over every control step (the trunk sways
    within a stride, a bound by 0.2 m/s);
    the errors are means of the absolute error of each walk's mean; `yaw_drift` in rad/s likewise; `falls` is the share
    of walks that ended in one. What could not be measured, because every walk fell early, is None.
    """

    episodes: int
    rmse: float | None
    rmse_low: float | None
    rmse_high: float | None
    rmse_instant: float | None
    mean_speed: float | None
    speed_error: float | None
    sideways: float | None
    falls: float
    falls_low: float
    falls_high: float
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

    def flat(self) -> dict[str, object]:
        """One level, as JSON takes it."""
        return {"policy": self.policy, **asdict(self.case), **asdict(self.metrics)}

    @classmethod
    def read(cls, flat: Mapping[str, Any]) -> Row:
        """The row that `flat` gave.

        Raises:
            KeyError: something is missing.
            ValueError: a case that cannot be.
        """
        case, metrics = ({one.name: flat[one.name] for one in fields(kind)} for kind in (Case, Metrics))
        return cls(flat["policy"], Case(**case), Metrics(**metrics))


class Ledger:
    """All rows of a run so far, in the file `place` if there is one ('-' is the standard output, at the end).

    `settings` are what must be the same for walks to be the same. Policies are entered with a fingerprint of their
    weights, since another may lie in the same folder later.
    """

    def __init__(self, place: str | None, settings: dict[str, Any], cases: Sequence[Case]) -> None:
        self.place = place
        self.settings = settings
        self.cases = cases
        self.rows: dict[tuple[Case, str], Row] = {}
        self.policies: dict[str, str] = {}

    def resume(self) -> None:
        """Take over what the file holds; rows of other policies are kept, too.

        Raises:
            ValueError: there is no name of a file, it cannot be read, or it is of other walks.
        """
        if self.place in (None, "-"):
            raise ValueError("--resume goes on with the file of --json: give its name")
        path = Path(str(self.place))
        if not path.exists():
            return
        try:
            held = json.loads(path.read_text())
            rows = {(row.case, row.policy): row for row in map(Row.read, held["rows"])}
            policies = {str(name): str(print_) for name, print_ in held["policies"].items()}
            settings = dict(held["settings"])
            _check(list(rows.values()), policies, settings)
        except (AttributeError, KeyError, TypeError, ValueError) as problem:
            raise ValueError(f"{path} holds no figures of gaits ({problem!r}): give another --json") from None
        other = [name for name in self.settings if settings.get(name) != self.settings[name]]
        if other or not {case for case, _ in rows} <= set(self.cases):
            told = ", ".join(f"{name} {settings.get(name)} there, {self.settings[name]} now" for name in other)
            raise ValueError(f"{path} holds other walks ({told or 'other cases'}): ask for the same, or another --json")
        self.rows, self.policies = rows, policies

    def begin(self) -> None:
        """Put aside what the file held before, under a name that ends in .old.json, since every case writes it anew.

        Raises:
            OSError: it cannot be renamed.
        """
        if self.place not in (None, "-") and (path := Path(str(self.place))).exists():
            path.replace(path.with_suffix(".old.json"))

    def enter(self, policy: str, fingerprint: str) -> None:
        """Name a policy whose rows will follow.

        Raises:
            ValueError: the file holds rows of other weights under that name.
        """
        if self.policies.setdefault(policy, fingerprint) != fingerprint:
            raise ValueError(f"{self.place} holds walks of other weights of {policy}: give another --json")

    def add(self, row: Row) -> None:
        """Keep a row, in the file as well.

        Raises:
            OSError: the file cannot be written; what it held before is still there.
        """
        self.rows[row.case, row.policy] = row
        if self.place not in (None, "-"):
            self.finish()

    def finish(self) -> None:
        """Write everything, case by case.

        Raises:
            OSError: as `add`.
        """
        if self.place is None:
            return
        order = [(case, policy) for case in self.cases for policy in self.policies]
        rows = [self.rows[place].flat() for place in order if place in self.rows]
        write_json({"settings": self.settings, "policies": self.policies, "rows": rows}, self.place)


def _check(rows: Sequence[Row], policies: Mapping[str, str], settings: Mapping[str, Any]) -> None:
    """Complain about figures that no evaluation writes."""
    for row in rows:
        if row.policy not in policies:
            raise ValueError(f"a row of {row.policy!r}, which is not among the policies")
        if row.metrics.episodes != settings.get("episodes"):
            raise ValueError(f"a row of {row.metrics.episodes} walks")
        for one in fields(Metrics):
            value, missing = getattr(row.metrics, one.name), "None" in str(one.type)
            if not ((value is None and missing) or (isinstance(value, (int, float)) and isfinite(value))):
                raise ValueError(f"{one.name} {value!r} of {row.policy!r}")
