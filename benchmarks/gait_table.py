"""What the README says about gaits, from the rows of `train_gait.py evaluate --suite all`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, NamedTuple

from policies.gait.cases import Case
from policies.intervals import wilson

Row = dict[str, Any]
Pick = Callable[[Row], bool]
PARTS = ("tracking", "directions", "cadence", "posture", "changes", "kicks", "terrain", "days")


def part(row: Row) -> str:
    """Which part of the suite a row belongs to."""
    hard_day = row["friction"] is not None or row["added_mass"] or row["motor_strength"] != 1 or row["latency_ms"]
    signs = {
        "terrain": row["terrain"] != "flat",
        "kicks": row["kick"] > 0,
        "changes": row["to_gait"] is not None,
        "days": hard_day,
        "cadence": row["frequency"] is not None,
        "posture": row["height"] is not None or row["pitch"] != 0,
        "directions": row["vy"] != 0 or row["yaw_rate"] != 0 or row["speed"] < 0,
    }
    return next((name for name, holds in signs.items() if holds), "tracking")


class Claim(NamedTuple):
    """A line of the summary: which rows it is about, and what it says of those of one policy."""

    title: str
    rows: Pick
    says: Callable[[list[Row]], str]


def _worst(field: str, unit: str, digits: int = 3) -> Callable[[list[Row]], str]:
    def says(rows: list[Row]) -> str:
        known = [row[field] for row in rows if row[field] is not None]
        return f"{max(known):.{digits}f} {unit}".strip() if len(known) == len(rows) else "not measurable: they fall"

    return says


def _least(field: str) -> Callable[[list[Row]], str]:
    return lambda rows: f"{100 * min(row[field] or 0.0 for row in rows):.0f} %"


def _falls(rows: list[Row]) -> str:
    walks = sum(row["episodes"] for row in rows)
    fell = round(sum(row["falls"] * row["episodes"] for row in rows))
    low, high = wilson(fell, walks)
    return f"{100 * fell / walks:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def _survival(rows: list[Row]) -> str:
    walks = sum(row["episodes"] for row in rows)
    stood = round(sum(row["survival"] * row["episodes"] for row in rows))
    low, high = wilson(stood, walks)
    return f"{100 * stood / walks:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def _both(*says: Callable[[list[Row]], str]) -> Callable[[list[Row]], str]:
    return lambda rows: "; ".join(say(rows) for say in says)


def _of(name: str, *gaits: str) -> Pick:
    return lambda row: part(row) == name and (not gaits or row["gait"] in gaits)


_TRACK = _both(_worst("rmse", "m/s"), _falls)
CLAIMS = (
    Claim("trot 0.2 to 1.2 m/s: rmse; falls", _of("tracking", "trot"), _TRACK),
    Claim("pace 0.5 to 1.0 m/s", _of("tracking", "pace"), _TRACK),
    Claim("bound 0.5 to 1.0 m/s", _of("tracking", "bound"), _TRACK),
    Claim("walk 0.2 to 0.5 m/s", _of("tracking", "walk"), _TRACK),
    Claim("pronk 0.3 m/s", _of("tracking", "pronk"), _TRACK),
    Claim(
        "backwards 0.5, sideways 0.3 m/s: error",
        lambda row: part(row) == "directions" and not row["yaw_rate"],
        lambda rows: _worst("speed_error", "m/s")(rows) + "; " + _worst("sideways", "m/s")(rows),
    ),
    Claim("turning 0.8 rad/s: error", lambda row: bool(row["yaw_rate"]), _worst("yaw_drift", "rad/s")),
    Claim("yaw drift going straight", _of("tracking"), _worst("yaw_drift", "rad/s")),
    Claim("cadence 1.2 to 3.5 Hz, trot: contacts as the clock says", _of("cadence", "trot"), _least("contact_match")),
    Claim("the same, other gaits", _of("cadence", "walk", "pace", "bound", "pronk"), _least("contact_match")),
    Claim("height; pitch: error", _of("posture"), _both(_worst("height_error", "m"), _worst("pitch_error", "rad"))),
    Claim("any gait to any other at 0.5 m/s: falls", _of("changes"), _falls),
    Claim("shoves of 1.0 m/s: survival", lambda row: row["kick"] == 1.0, _survival),
    Claim("shoves of 1.3 m/s", lambda row: row["kick"] == 1.3, _survival),
    *(
        Claim(f"{text}: survival", lambda row, kind=kind: row["terrain"] == kind, _survival)  # type: ignore[misc]
        for kind, text in {
            "rough": "rough ground, 8 cm",
            "slopes": "slopes of 15 degrees",
            "stairs": "stairs of 10 cm",
            "stones": "stepping stones, gaps of 10 cm",
        }.items()
    ),
    Claim("friction 0.3; 5 kg more; motors at 85 %; 20 ms late: survival", _of("days"), _survival),
    Claim(
        "cost of transport, trot 0.8 m/s",
        lambda row: part(row) == "tracking" and row["gait"] == "trot" and row["speed"] == 0.8,
        _worst("cost_of_transport", "", 2),
    ),
)
"""Worst row of each kind, or all walks of it together. The rmse is that of the velocity averaged over a stride."""


def summary(rows: list[Row], policies: dict[str, str]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the summary; `policies` maps names in the rows to titles."""
    table = []
    for claim in CLAIMS:
        mine = [row for row in rows if claim.rows(row)]
        table.append([claim.title, *(claim.says([row for row in mine if row["policy"] == name]) for name in policies)])
    return ["what (worst case, or all walks together)", *policies.values()], table


def details(rows: list[Row], policies: dict[str, str]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the long table: every case, a column of figures for each policy."""
    cases: dict[str, list[Row]] = {}
    for row in rows:
        cases.setdefault(_title(row), []).append(row)
    table = [[title, *(_figures(_find(found, name)) for name in policies)] for title, found in cases.items()]
    return ["case", *(f"{title}: rmse; falls; drift; effort; schedule" for title in policies.values())], table


def _find(rows: Iterable[Row], policy: str) -> Row:
    return next(row for row in rows if row["policy"] == policy)


def _figures(row: Row) -> str:
    if row["rmse"] is None:
        return f"-; {100 * row['falls']:.0f} %"
    effort = "-" if row["cost_of_transport"] is None else f"{row['cost_of_transport']:.2f}"
    return (
        f"{row['rmse']:.3f}; {100 * row['falls']:.0f} %; {row['yaw_drift']:.3f}; {effort}; "
        f"{100 * row['contact_match']:.0f} %"
    )


def _title(row: Row) -> str:
    return Case(**{one.name: row[one.name] for one in fields(Case)}).title


def worse_than_nothing(rows: list[Row], policy: str, nothing: str = "none") -> list[str]:
    """Cases in which a policy falls more, or tracks worse, than zero action does, beyond both intervals."""
    found = []
    for row in (row for row in rows if row["policy"] == policy):
        zero = _find((other for other in rows if _title(other) == _title(row)), nothing)
        falls_more = row["falls_low"] > zero["falls_high"]
        tracks_worse = (
            row["rmse_low"] is not None and zero["rmse_high"] is not None and row["rmse_low"] > zero["rmse_high"]
        )
        if falls_more or tracks_worse:
            found.append(_title(row))
    return found
