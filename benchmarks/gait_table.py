"""The README's tables of gaits, from the rows of `train_gait.py evaluate --suite all`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from statistics import fmean
from typing import Any, NamedTuple

from envs.locomotion.cases import Case
from evaluation.statistics import t_interval, wilson

Row = dict[str, Any]
Pick = Callable[[Row], bool]
Columns = Sequence[tuple[str, Sequence[str]]]
"""Titles of columns, and the policies in each: one, or one for each training seed."""


def part(row: Row) -> str:
    """Return which part of the suite a row belongs to."""
    hard_dynamics = row["friction"] is not None or row["added_mass"] or row["motor_strength"] != 1 or row["latency_ms"]
    signs = {
        "terrain": row["terrain"] != "flat",
        "kicks": row["kick"] > 0,
        "changes": row["to_gait"] is not None,
        "dynamics": hard_dynamics,
        "cadence": row["frequency"] is not None,
        "posture": row["height"] is not None or row["pitch"] != 0,
        "directions": row["vy"] != 0 or row["yaw_rate"] != 0 or row["speed"] < 0,
    }
    return next((name for name, holds in signs.items() if holds), "tracking")


class Measure(NamedTuple):
    """A number that rows of one policy give, None where it cannot be had, and how it is written."""

    of: Callable[[list[Row]], float | None]
    write: Callable[[float], str]
    unit: str
    interval: Callable[[list[Row]], str] = lambda rows: ""
    """Over walks, of one policy."""

    def says(self, seeds: list[list[Row]]) -> str:
        """Return the number of one policy, or mean and 95 % interval (Student's t) over the seeds of several.

        Where all seeds agree to the last digit, the interval is over all their walks.
        """
        values = [value for rows in seeds if (value := self.of(rows)) is not None]
        if len(values) < len(seeds):
            return "not measurable: they fall"
        said = f"{self.write(fmean(values))} {self.unit}".strip()
        if len(set(values)) == 1:  # three times none of some hundred walks is not "none, for certain"
            return said + self.interval([row for rows in seeds for row in rows])
        low, high = over_seeds(values)
        return f"{said} ({self.write(low)} to {self.write(high)})"


class Claim(NamedTuple):
    """A line of the summary: which rows it is about, and what is measured in them."""

    title: str
    rows: Pick
    measures: tuple[Measure, ...]

    def says(self, seeds: list[list[Row]]) -> str:
        """Return what it says of one policy, or of one for each training seed."""
        mine = [[row for row in rows if self.rows(row)] for rows in seeds]
        return "; ".join(measure.says(mine) for measure in self.measures)


def over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean of something positive over a few training seeds, by Student's t."""
    _, low, high = t_interval(values)
    return max(low, 0.0), high


def _worst(field: str, unit: str, digits: int = 3) -> Measure:
    def of(rows: list[Row]) -> float | None:
        known = _known(rows, field)
        return max(known) if len(known) == len(rows) else None

    return Measure(of, lambda value: f"{value:.{digits}f}", unit)


def _value(row: Row, field: str) -> float | None:
    """Return a number of a row, or the mean where it is an interval."""
    value = row[field]
    return value["mean"] if isinstance(value, dict) else value


def _known(rows: Iterable[Row], field: str) -> list[float]:
    return [value for row in rows if (value := _value(row, field)) is not None]


def _percent(value: float, digits: int) -> str:
    return f"{100 * min(value, 1.0):.{digits}f}"


def _least(field: str) -> Measure:
    return Measure(lambda rows: min(row[field] or 0.0 for row in rows), lambda value: _percent(value, 0), "%")


def _share(field: str, digits: int) -> Measure:
    def count(rows: list[Row]) -> tuple[int, int]:
        hits = sum((_value(row, field) or 0.0) * row["episodes"] for row in rows)
        return round(hits), sum(row["episodes"] for row in rows)

    def of(rows: list[Row]) -> float:
        some, walks = count(rows)
        return some / walks

    def interval(rows: list[Row]) -> str:
        _, low, high = wilson(*count(rows))
        return f" ({100 * low:.{digits}f} to {100 * high:.{digits}f})"

    return Measure(of, lambda value: _percent(value, digits), "%", interval)


_FALLS, _SURVIVAL = _share("falls", 1), _share("survival", 0)


def _of(name: str, *gaits: str) -> Pick:
    return lambda row: part(row) == name and (not gaits or row["gait"] in gaits)


_TRACK = (_worst("rmse", "m/s"), _FALLS)
CLAIMS = (
    Claim("trot 0.2 to 1.2 m/s: rmse; falls", _of("tracking", "trot"), _TRACK),
    Claim("pace 0.5 to 1.0 m/s", _of("tracking", "pace"), _TRACK),
    Claim("bound 0.5 to 1.0 m/s", _of("tracking", "bound"), _TRACK),
    Claim("walk 0.2 to 0.5 m/s", _of("tracking", "walk"), _TRACK),
    Claim("pronk 0.3 m/s", _of("tracking", "pronk"), _TRACK),
    Claim(
        "backwards 0.5, sideways 0.3 m/s: error",
        lambda row: part(row) == "directions" and not row["yaw_rate"],
        (_worst("speed_error", "m/s"), _worst("sideways", "m/s")),
    ),
    Claim("turning 0.8 rad/s: error", lambda row: bool(row["yaw_rate"]), (_worst("yaw_drift", "rad/s"),)),
    Claim("yaw drift going straight", _of("tracking"), (_worst("yaw_drift", "rad/s"),)),
    Claim(
        "cadence 1.2 to 3.5 Hz, trot: contacts as the clock says", _of("cadence", "trot"), (_least("contact_match"),)
    ),
    Claim("the same, other gaits", _of("cadence", "walk", "pace", "bound", "pronk"), (_least("contact_match"),)),
    Claim("height; pitch: error", _of("posture"), (_worst("height_error", "m"), _worst("pitch_error", "rad"))),
    Claim("any gait to any other at 0.5 m/s: falls", _of("changes"), (_FALLS,)),
    Claim("shoves of 1.0 m/s: survival", lambda row: row["kick"] == 1.0, (_SURVIVAL,)),
    Claim("shoves of 1.3 m/s", lambda row: row["kick"] == 1.3, (_SURVIVAL,)),
    *(
        Claim(f"{text}: survival", lambda row, kind=kind: row["terrain"] == kind, (_SURVIVAL,))  # type: ignore[misc]
        for kind, text in {
            "rough": "rough ground, 8 cm",
            "slopes": "slopes of 15 degrees",
            "stairs": "stairs of 10 cm",
            "stones": "stepping stones, gaps of 10 cm",
        }.items()
    ),
    Claim("friction 0.3; 5 kg more; motors at 85 %; 20 ms late: survival", _of("dynamics"), (_SURVIVAL,)),
    Claim(
        "cost of transport, trot 0.8 m/s",
        lambda row: part(row) == "tracking" and row["gait"] == "trot" and row["speed"] == 0.8,
        (_worst("cost_of_transport", "", 2),),
    ),
)
"""Worst row of each kind, or all walks of it together. The rmse is that of the velocity averaged over a stride."""


def summary(rows: list[Row], columns: Columns) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the summary: of the claims that any walk is about."""
    seeds = {title: [[row for row in rows if row["policy"] == name] for name in names] for title, names in columns}
    claims = [claim for claim in CLAIMS if any(map(claim.rows, rows))]
    table = [[claim.title, *(claim.says(of) for of in seeds.values())] for claim in claims]
    return ["what (worst case, or all walks together)", *seeds], table


def details(rows: list[Row], columns: Columns) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the long table: every case, figures for each column; of several seeds their means."""
    table = [
        [title, *(_figures([by_policy[name] for name in names]) for _, names in columns)]
        for title, by_policy in _cases(rows).items()
    ]
    return ["case", *(f"{title}: rmse; falls; drift; effort; schedule" for title, _ in columns)], table


def _cases(rows: Iterable[Row]) -> dict[str, dict[str, Row]]:
    """Sort rows by the title of their case, and by policy."""
    cases: dict[str, dict[str, Row]] = {}
    for row in rows:
        title = Case(**{one.name: row[one.name] for one in fields(Case)}).title
        cases.setdefault(title, {})[row["policy"]] = row
    return cases


def _figures(seeds: list[Row]) -> str:
    def mean(field: str) -> float | None:
        known = _known(seeds, field)
        return fmean(known) if known else None

    falls = f"{100 * fmean(_known(seeds, 'falls')):.0f} %"
    rmse, drift, effort, match = map(mean, ("rmse", "yaw_drift", "cost_of_transport", "contact_match"))
    if rmse is None or drift is None or match is None:
        return f"-; {falls}"
    return f"{rmse:.3f}; {falls}; {drift:.3f}; {'-' if effort is None else f'{effort:.2f}'}; {100 * match:.0f} %"


def worse_than_nothing(rows: list[Row], policies: Sequence[str], nothing: str = "none") -> list[str]:
    """Cases in which learning falls more, or tracks worse, than zero action does, beyond both intervals.

    The interval of one policy is over its walks, that of several over the seeds that they were trained with.
    """
    found = []
    for title, by_policy in _cases(rows).items():
        if lacking := [name for name in (nothing, *policies) if name not in by_policy]:
            raise ValueError(f"no walks of {', '.join(lacking)} in {title!r}: finish with evaluate --resume")
        zero, learned = by_policy[nothing], [by_policy[name] for name in policies]
        falls_more = _low(learned, "falls") > zero["falls"]["high"]
        known = zero["rmse"] is not None and all(row["rmse"] is not None for row in learned)
        if falls_more or (known and _low(learned, "rmse") > zero["rmse"]["high"]):
            found.append(title)
    return found


def _low(learned: list[Row], field: str) -> float:
    if len(learned) == 1:
        return float(learned[0][field]["low"])
    return over_seeds(_known(learned, field))[0]
