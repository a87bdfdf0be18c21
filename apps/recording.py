"""Recordings of sessions: what the senses made of the person, and what was set by hand, each at its moment.

Played again on a machine of the same kind, the dog moves in the same way, bit by bit. No sound and no picture is in a
recording, so that it can be given away.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from apps.ear import Hearing
from apps.eye import Sight
from apps.senses import Sensed
from control.dog import SUBSTEPS
from geometry.files import read_json, write_whole
from perception.emotion import LABELS, EmotionEstimate
from robots.world import WorldConfig

KIND, VERSION = "empaw recording", 1
SENSED = "sensed"
BY_HAND = ("feel", "choose_gait", "choose_speed", "drive", "push")
"""Methods of a session that a person's hand calls."""
MOST_S = 3600.0
_MOST_SUBSTEPS = round(MOST_S / WorldConfig.time_step_s)
_MOST_EVENTS = 200_000
_BLOCK = 64
"""So many events are packed at once: it takes a millisecond."""


class RecordingError(ValueError):
    """A recording that cannot be played; the message says why, and what is needed."""


class Event(NamedTuple):
    """Something that happened before a physics step, counted from the session's beginning."""

    substep: int
    what: str
    """`sensed`, or the method of a session that was called."""
    value: Any
    """The estimates, or the method's arguments, as JSON has them."""


@dataclass(frozen=True)
class Recording:
    """A session from its beginning.

    Attributes:
        seed: where the dog stood.
        person: (x, y) m.
        made_with: fingerprints of the walking policy and of the behaviour table with the owner's taste.
        substeps: how many physics steps of 1/250 s it lasts.
        events: in the order in which they happened.
    """

    seed: int
    person: tuple[float, float]
    made_with: str
    substeps: int
    events: tuple[Event, ...]

    @property
    def seconds(self) -> float:
        """How long it lasts, s."""
        return self.substeps * WorldConfig.time_step_s

    def text(self) -> str:
        """Write it as one JSON object."""
        head = {"kind": KIND, "version": VERSION, "seed": self.seed, "person": self.person}
        return json.dumps(
            {**head, "made_with": self.made_with, "substeps": self.substeps, "events": self.events}, allow_nan=False
        )

    def save(self, path: Path) -> None:
        """Write it to a file.

        Raises:
            OSError: it cannot be written.
        """
        write_whole(path, self.text() + "\n")

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read what `save` wrote.

        Raises:
            RecordingError: it is no recording, of a newer version, or damaged.
            OSError: it cannot be read.
        """
        try:
            return cls.parse(read_json(path))
        except ValueError as problem:
            raise RecordingError(f"{path}: {problem}") from problem

    @classmethod
    def parse(cls, data: Any) -> Recording:
        """Make one of the object that `text` wrote.

        Raises:
            RecordingError: it is none, of a newer version, or damaged.
        """
        if not isinstance(data, dict) or data.get("kind") != KIND:
            raise RecordingError("this is no recording; the page and `empaw record sim --recording FILE` write some")
        if data.get("version") != VERSION:
            raise RecordingError(f"version {data.get('version')!r} came; this program plays version {VERSION}")
        try:
            x, y = (_number(value, -100.0, 100.0) for value in data["person"])
            seed = int(_number(data["seed"], 0, 2**63))
            substeps = int(_number(data["substeps"], 0, _MOST_SUBSTEPS))
            events = tuple(_event(entry) for entry in data["events"])
            made_with = str(data["made_with"])
        except (KeyError, TypeError, ValueError) as problem:
            raise RecordingError(f"it is damaged: {problem}") from problem
        order = [event.substep for event in events]
        sensed = [event.substep for event in events if event.what == SENSED]
        if order != sorted(order) or (order and order[-1] > substeps) or any(at % SUBSTEPS for at in sensed):
            raise RecordingError("it is damaged: its events are not in order, or not where a control step begins")
        if len(set(sensed)) != len(sensed):
            raise RecordingError("it is damaged: two control steps begin at once")
        return cls(seed, (x, y), made_with, substeps, events)


def _number(value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{value!r} came; a number from {low:g} to {high:g} is needed")
    return value


def _event(entry: Any) -> Event:
    substep, what, value = entry
    if what not in (SENSED, *BY_HAND) or not isinstance(value, list):
        raise ValueError(f"event {str(what)[:40]!r} came; there are {', '.join((SENSED, *BY_HAND))}")
    event = Event(int(_number(substep, 0, _MOST_SUBSTEPS)), what, value)
    if what == SENSED:
        as_sensed(value)
    return event


def sensed_event(substep: int, sensed: Sensed) -> Event:
    """Write down what was sensed within a control step."""
    voices, faces = ([_as_json(estimate) for estimate in found] for found in (sensed.voices, sensed.faces))
    return Event(substep, SENSED, [voices, sensed.speech, faces])


def as_sensed(value: list[Any]) -> Sensed:
    """Read what `sensed_event` wrote.

    Raises:
        ValueError, TypeError: it is something else.
    """
    voices, speech, faces = value
    return Sensed(
        [_estimate(voice) for voice in voices], _number(speech, 0.0, 1.0), [_estimate(face) for face in faces]
    )


def _as_json(estimate: EmotionEstimate) -> list[Any]:
    told = (estimate.valence, estimate.arousal, estimate.confidence, estimate.time_s)
    return [estimate.probabilities.tolist(), *(float(number) for number in told), estimate.source]


def _estimate(entry: list[Any]) -> EmotionEstimate:
    """Make the very estimate that was written: one made anew from its probabilities differs in the last bit."""
    probabilities, valence, arousal, confidence, time_s, source = entry
    array = np.array([_number(share, 0.0, 1.0) for share in probabilities])
    if array.shape != (len(LABELS),) or not math.isclose(float(array.sum()), 1.0, abs_tol=1e-3):
        raise ValueError(f"{str(probabilities)[:80]} is no distribution over {len(LABELS)} emotions")
    array.setflags(write=False)
    return EmotionEstimate(
        array, _number(valence, -1.0, 1.0), _number(arousal, -1.0, 1.0), _number(confidence, 0.0, 1.0),
        _number(time_s, -1e6, 1e6), str(source),
    )  # fmt: skip


class Log:
    """Notes of a session since its beginning; it stops when it is full, and says so.

    They are kept packed: an hour of eight people who click without a pause is tens of megabytes of lists.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin again."""
        self._packed: list[bytes] = []
        self._latest: list[str] = []
        self._last, self._count, self.full = 0, 0, False

    def copy(self) -> Log:
        """Return what was noted up to now; it is cheap, and another thread may read it."""
        other = Log()
        other._packed, other._latest = list(self._packed), list(self._latest)
        other._last, other._count, other.full = self._last, self._count, self.full
        return other

    def events(self) -> tuple[Event, ...]:
        """Unpack all events in their order, which takes seconds for as many as there may be."""
        blocks = (*(zlib.decompress(block).decode() for block in self._packed), ",".join(self._latest))
        return tuple(Event(*row) for block in blocks for row in json.loads(f"[{block}]"))

    def end(self, substep: int) -> int:
        """Return up to which physics step a session at `substep` is known."""
        return self._last if self._count >= _MOST_EVENTS else min(substep, _MOST_SUBSTEPS)

    def note(self, event: Event) -> None:
        """Remember an event as it is now.

        Raises:
            TypeError: its value cannot be written as JSON.
        """
        self.full = self.full or event.substep > _MOST_SUBSTEPS or self._count >= _MOST_EVENTS
        if self.full:
            return
        self._latest.append(json.dumps(event, default=float))  # NumPy's numbers come from notebooks
        self._last, self._count = event.substep, self._count + 1
        if len(self._latest) >= _BLOCK:
            self._packed.append(zlib.compress(",".join(self._latest).encode()))
            self._latest = []


class Script:
    """Plays a recording's events to a session, step by step."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.rewind()

    def rewind(self) -> None:
        """Begin again."""
        self._next = 0

    def by_hand(self, substep: int) -> Iterator[Event]:
        """Give what was set by hand before a physics step."""
        while (event := self._due(substep)) is not None and event.what != SENSED:
            self._next += 1
            yield event

    def sensed(self, substep: int) -> Sensed:
        """Return what was sensed in the control step that begins with a physics step."""
        event = self._due(substep)
        if event is None or event.what != SENSED:
            return Sensed([], 1.0, [])
        self._next += 1
        return as_sensed(event.value)

    def _due(self, substep: int) -> Event | None:
        events: Sequence[Event] = self.recording.events
        if self._next < len(events) and events[self._next].substep <= substep:
            return events[self._next]
        return None


class Deaf:
    """An ear for whoever plays a recording: what was heard stands there."""

    hearing = Hearing(False, None)

    def push(self, samples: np.ndarray) -> list[EmotionEstimate]:
        """Hear nothing."""
        return []

    def reset(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Blind:
    """An eye for whoever plays a recording: what was seen stands there."""

    def look(self, picture: np.ndarray, time_s: float) -> None:
        """See nothing."""

    def sights(self) -> list[Sight]:
        """Return nothing."""
        return []

    def reset(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
