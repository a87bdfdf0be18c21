"""From a feeling to what the dog does: a readable table, and rules that keep it from dithering.

The table is `behaviour.toml`. The selector follows the estimate with hysteresis (a new feeling must lead by a margin,
for a while), a minimum dwell time, and a behaviour for being unsure. It is deterministic and learns nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
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
EVENTS = ("met", "sound")
"""What a dog may notice: its person for the first time, and a sound that is no voice."""
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
    then_s: float = 3.0


@dataclass(frozen=True)
class BehaviourTable:
    """The rules, which behaviour answers which feeling, and the beats of every behaviour.

    `then` names what a behaviour goes on to once it is done; `events` what is shown for a moment when something is
    noticed while nothing is felt.
    """

    rules: Rules
    answers: Mapping[str, str]
    beats: Mapping[str, tuple[Behaviour, ...]]
    then: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)

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
            more = (dict(data.get(key, {})) for key in ("then", "events"))
            table = cls(rules, dict(data["answers"]), beats, *more)
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
    "then_s": (0.0, 60.0),
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
    for name in ("idle", "ask", *table.answers.values(), *table.then, *table.then.values(), *table.events.values()):
        if name not in table.beats:
            raise ValueError(f"behaviour {name!r} is used and not defined; defined are {', '.join(table.beats)}")
    if unknown := sorted(set(table.events) - set(EVENTS)):
        raise ValueError(f"[events] has {', '.join(unknown)}; known are {', '.join(EVENTS)}")
    for name in table.events.values():
        if table.beats[name][-1].seconds is None:
            raise ValueError(f"behaviour {name!r} answers an event: its last beat needs `seconds` too")


class BehaviourSelector:
    """Chooses the behaviour, step by step.

    Attributes:
        name: of the behaviour that is shown.
        held: it is kept whatever is felt, as what has been begun is done first.
    """

    def __init__(self, table: BehaviourTable | None = None) -> None:
        self.table = table or default_table()
        self.reset()

    def reset(self) -> None:
        """Idle, with nothing heard."""
        self._since_s, self._kept_s = 0.0, -math.inf
        self._challenger: tuple[str, float] | None = None
        self.name = self._answering = "idle"
        self._until_s = math.inf
        self.held = False

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
        if time_s >= self._until_s:
            self._show(self._answering, time_s)
        if self.held or wanted == self._answering or not self._clearly_ahead(wanted, estimate):
            self._challenger = None
        elif self._challenger is None or self._challenger[0] != wanted:
            self._challenger = (wanted, time_s)
        if self._challenger is not None and self._may_switch(time_s):
            self._answering, self._challenger = wanted, None
            self._show(wanted, time_s)
        return self.table.beat(self.name, time_s - self._since_s)

    def go_on(self, time_s: float, done: bool = True) -> None:
        """Go on to what follows the behaviour that is shown; to what is felt where nothing does, or it was not done."""
        self.held = False
        name = self.table.then.get(self.name, self._answering) if done else self._answering
        self._show(name, time_s)
        if self._answering == "idle" != name:
            self._until_s = time_s + self._lasts(name) + self.table.rules.then_s

    def notice(self, event: str, time_s: float) -> None:
        """Show what the table says of one of `EVENTS`, once, where the dog idles."""
        name = self.table.events.get(event)
        if name is not None and self.name == "idle":
            self._show(name, time_s)
            self._until_s = time_s + self._lasts(name)

    def hold(self, name: str, time_s: float) -> None:
        """Show a behaviour until `go_on`, whatever is felt meanwhile; a table that lacks it shows what it shows."""
        self._show(name if name in self.table.beats else self.name, time_s)
        self.held = True

    def _lasts(self, name: str) -> float:
        return sum(beat.seconds or 0.0 for beat in self.table.beats[name])

    def _show(self, name: str, time_s: float) -> None:
        self.name, self._since_s, self._until_s = name, time_s, math.inf

    def _clearly_ahead(self, wanted: str, estimate: EmotionEstimate | None) -> bool:
        current = [label for label, name in self.table.answers.items() if name == self._answering]
        if estimate is None or wanted in ("idle", "ask") or not current:
            return True
        held = max(float(estimate.probabilities[LABELS.index(label)]) for label in current)
        return estimate.confidence - held >= self.table.rules.switch_margin

    def _may_switch(self, time_s: float) -> bool:
        rules = self.table.rules
        assert self._challenger is not None
        confirmed = time_s - self._challenger[1] >= rules.confirm_s - 1e-9
        return confirmed and (self._answering == "idle" or time_s - self._since_s >= rules.dwell_s - 1e-9)
