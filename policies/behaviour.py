"""From a feeling to what the dog does: a readable table, and rules that keep it from dithering.

The table is `behaviour.toml`. The selector follows the estimate with hysteresis (a new feeling must lead by a margin,
for a while), a minimum dwell time, and a behaviour for being unsure. It is deterministic and learns nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from control.gait import FREQUENCY_RANGE_HZ, HEIGHT_RANGE_M, SPEED_RANGE_M_S, GaitStyle, gait_style
from perception.emotion import LABELS, EmotionEstimate
from robots.expression import POSTURES
from robots.face import FACES
from robots.settings import parse_toml
from robots.sounds import CALLS

Goal = Literal["stay", "face", "approach", "retreat", "circle", "shield"]
DEFAULT_TABLE = Path(__file__).with_name("behaviour.toml")
_STYLE_KEYS = ("frequency_hz", "duty", "swing_m", "bounce", "height_m", "pitch_rad", "roll_rad")


@dataclass(frozen=True)
class Behaviour:
    """One beat of a behaviour: all that body, face and voice need to know.

    `speed` (m/s) is how fast to go after `goal`, seen from the person at distance `distance_m`; `curve_rad` bends an
    approach. `sound` is made once, when the beat begins. `seconds` is None for the beat that lasts.
    """

    name: str
    says: str
    goal: Goal
    style: GaitStyle
    speed: float = 0.0
    distance_m: float = 1.2
    curve_rad: float = 0.0
    posture: str = "neutral"
    face: str = "neutral"
    sound: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Rules:
    """When to change: see the comments in `behaviour.toml`. Probabilities in [0, 1], times in s."""

    unsure_below: float
    switch_margin: float
    confirm_s: float
    dwell_s: float
    memory_s: float


@dataclass(frozen=True)
class BehaviourTable:
    """The rules, which behaviour answers which feeling, and the beats of every behaviour."""

    rules: Rules
    answers: Mapping[str, str]
    beats: Mapping[str, tuple[Behaviour, ...]]

    def beat(self, name: str, since_s: float) -> Behaviour:
        """Return the beat of a behaviour that began `since_s` ago."""
        *first, last = self.beats[name]
        for beat in first:
            assert beat.seconds is not None
            if since_s < beat.seconds - 1e-9:
                return beat
            since_s -= beat.seconds
        return last

    @classmethod
    def load(cls, path: Path = DEFAULT_TABLE) -> BehaviourTable:
        """Read a table.

        Raises:
            ValueError: the file is no TOML, or something in it is unknown, missing or out of range.
            OSError: the file cannot be read.
        """
        data = parse_toml(path.read_bytes(), str(path))
        try:
            rules = Rules(**{key: _number("[rules]", key, value) for key, value in data["rules"].items()})
            beats = {name: _behaviour(name, entry) for name, entry in data["behaviour"].items()}
            table = cls(rules, dict(data["answers"]), beats)
            _check(table)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise ValueError(f"{path}: {problem}. Compare it with {DEFAULT_TABLE}.") from problem
        return table


@lru_cache(maxsize=1)
def default_table() -> BehaviourTable:
    """The table that is shipped."""
    return BehaviourTable.load()


def _behaviour(name: str, entry: Mapping[str, Any]) -> tuple[Behaviour, ...]:
    says = entry["says"]
    if not isinstance(says, str):
        raise ValueError(f"behaviour {name!r}: says {says!r} came; a text in quotation marks is needed")
    beats = tuple(_beat(name, says, dict(beat)) for beat in entry["beats"])
    if not beats:
        raise ValueError(f"behaviour {name!r} has no beats: give it at least one")
    for beat in beats[:-1]:
        if beat.seconds is None:
            raise ValueError(f"behaviour {name!r}: every beat but the last needs `seconds`")
    return beats


def _beat(name: str, says: str, beat: dict[str, Any]) -> Behaviour:
    where = f"behaviour {name!r}"
    style_changes = {key: _number(where, key, beat.pop(key)) for key in _STYLE_KEYS if key in beat}
    style = gait_style(beat.pop("gait"), **style_changes)
    known = {item.name for item in fields(Behaviour)} - {"name", "says", "style"}
    if unknown := set(beat) - known:
        raise ValueError(f"{where}: unknown key {sorted(unknown)}; known are {sorted(known | set(_STYLE_KEYS))}")
    for key, allowed in (("goal", get_args(Goal)), ("posture", POSTURES), ("face", FACES), ("sound", CALLS)):
        if key in beat and beat[key] not in allowed:
            raise ValueError(f"{where}: {key} {beat[key]!r} is not one of {', '.join(allowed)}")
    for key in ("speed", "distance_m", "curve_rad", "seconds"):
        if key in beat:
            beat[key] = _number(where, key, beat[key])
    _number(where, "frequency_hz", style.frequency_hz)
    return Behaviour(name=name, says=says, style=style, **beat)


# What each number in the table may be; SI units.
_RANGES: dict[str, tuple[float, float]] = {
    "unsure_below": (0.0, 1.0),
    "switch_margin": (0.0, 1.0),
    "confirm_s": (0.0, 10.0),
    "dwell_s": (0.0, 60.0),
    "memory_s": (0.1, 600.0),
    "frequency_hz": FREQUENCY_RANGE_HZ,
    "duty": (0.3, 0.95),
    "swing_m": (0.0, 0.15),
    "bounce": (0.0, 1.5),
    "height_m": HEIGHT_RANGE_M,
    "pitch_rad": (-0.5, 0.5),
    "roll_rad": (-0.4, 0.4),
    "speed": SPEED_RANGE_M_S,
    "distance_m": (0.3, 20.0),
    "curve_rad": (-1.5, 1.5),
    "seconds": (0.1, 60.0),
}


def _number(where: str, key: str, value: Any) -> float:
    """Check a number of the table; NaN is in no range."""
    if key not in _RANGES:
        raise ValueError(f"{where}: unknown key {key!r}")
    low, high = _RANGES[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{where}: {key} {value!r} is outside {low} to {high}")
    return float(value)


def _check(table: BehaviourTable) -> None:
    if missing := [label for label in LABELS if label not in table.answers]:
        raise ValueError(f"[answers] lacks {', '.join(missing)}")
    for name in ("idle", "ask", *table.answers.values()):
        if name not in table.beats:
            raise ValueError(f"behaviour {name!r} is used and not defined; defined are {', '.join(table.beats)}")


class BehaviourSelector:
    """Chooses the behaviour, step by step. `current` is the beat that is being shown."""

    def __init__(self, table: BehaviourTable | None = None) -> None:
        self.table = table or default_table()
        self.reset()

    def reset(self) -> None:
        """Idle, with nothing heard."""
        self._since_s, self._kept_s = 0.0, -math.inf
        self._challenger: tuple[str, float] | None = None
        self.name = "idle"

    def intended(self, estimate: EmotionEstimate | None, time_s: float) -> str:
        """Name what the estimate alone would have the dog do, before hysteresis and dwell time."""
        rules = self.table.rules
        if estimate is None or time_s - max(estimate.time_s, self._kept_s) > rules.memory_s:
            return "idle"
        if estimate.confidence < rules.unsure_below:
            return "ask"
        return self.table.answers[estimate.label]

    def keep(self, time_s: float) -> None:
        """Remember what was sensed for `memory_s` from now on: the dog is still on its way to answer it."""
        self._kept_s = time_s

    def step(self, estimate: EmotionEstimate | None, time_s: float) -> Behaviour:
        """Return the beat to show at `time_s`, given the newest estimate (None: nothing heard yet)."""
        wanted = self.intended(estimate, time_s)
        if wanted == self.name or not self._clearly_ahead(wanted, estimate):
            self._challenger = None
        elif self._challenger is None or self._challenger[0] != wanted:
            self._challenger = (wanted, time_s)
        if self._challenger is not None and self._may_switch(time_s):
            self.name, self._since_s, self._challenger = wanted, time_s, None
        return self.table.beat(self.name, time_s - self._since_s)

    def _clearly_ahead(self, wanted: str, estimate: EmotionEstimate | None) -> bool:
        current = [label for label, name in self.table.answers.items() if name == self.name]
        if estimate is None or wanted in ("idle", "ask") or not current:
            return True
        held = max(float(estimate.probabilities[LABELS.index(label)]) for label in current)
        return estimate.confidence - held >= self.table.rules.switch_margin

    def _may_switch(self, time_s: float) -> bool:
        rules = self.table.rules
        assert self._challenger is not None
        confirmed = time_s - self._challenger[1] >= rules.confirm_s - 1e-9
        return confirmed and (self.name == "idle" or time_s - self._since_s >= rules.dwell_s - 1e-9)
