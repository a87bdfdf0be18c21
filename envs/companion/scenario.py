"""A scenario as a file: a room, a person who does things, voices and other sounds with places, things to fetch.

name = "Sad on the sofa"
seconds = 40.0

[room]
ground = "patches"

[[doings]]
at = 1.0
does = "walk"
beside = "sofa"

[[voices]]
at = 3.0
feeling = "sad"
expects = "comfort"
"""

from __future__ import annotations

import math
from colorsys import rgb_to_hsv
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from envs.companion.room import PIECES, RoomConfig
from robots.settings import build, parse_toml

Does = Literal["walk", "turn", "sit", "stand"]
SoundKind = Literal["music", "knock", "noise", "hum"]
PAINTS: dict[str, str] = {
    "red": "#d9261f", "yellow": "#e0c81a", "green": "#2fa63a", "blue": "#2456d6", "violet": "#962be2",
}  # fmt: skip
"""As things may be painted: hues far enough apart to be told from one another."""
COLOURS: dict[str, float] = {
    name: 360.0 * rgb_to_hsv(*(int(paint[at : at + 2], 16) for at in (1, 3, 5)))[0] for name, paint in PAINTS.items()
}
"""Their hues, degrees."""
MOST_S = 600.0


class ScenarioError(ValueError):
    """A scenario that cannot be played; the message says what came and what is allowed."""


@dataclass(frozen=True)
class Doing:
    """What the person does, and when it is begun at the earliest, s."""

    at: float
    does: Does
    to: tuple[float, ...] = ()
    """Where to walk, (x, y) m, or the heading to turn to, (degrees)."""
    beside: str = ""
    """Instead of `to`: the piece of furniture to walk to, or to turn to; `dog` is allowed too."""


@dataclass(frozen=True)
class Voice:
    """Something the person says."""

    at: float
    feeling: str = ""
    """Which of the shipped samples; or ..."""
    file: str = ""
    """... a sound file, beside the scenario or by its whole path."""
    expects: str = ""
    """The behaviour that answers it, where that is judged."""


@dataclass(frozen=True)
class OtherSound:
    """A sound that is no voice, and where it comes from."""

    at: float
    kind: SoundKind
    place: tuple[float, float]
    seconds: float = 2.0


@dataclass(frozen=True)
class Toy:
    """A thing on the floor."""

    objects: str = "household/test"
    """A set of objects, as everywhere."""
    name: str = ""
    """Of the set; drawn where it is empty."""
    colour: str = "red"
    place: tuple[float, ...] = ()
    """(x, y) m; drawn where it is empty."""
    mass_kg: float = 0.2
    friction: float = 0.6


@dataclass(frozen=True)
class Errand:
    """Something the dog is asked for by hand."""

    at: float
    fetch: str
    """Colour of what it shall fetch."""


@dataclass(frozen=True)
class Scenario:
    """What happens; times in s from the beginning."""

    name: str
    seconds: float
    says: str = ""
    """For whoever chooses one."""
    favourite: str = "red"
    """Colour of the thing that comforts the person."""
    room: RoomConfig = field(default_factory=RoomConfig)
    doings: tuple[Doing, ...] = ()
    voices: tuple[Voice, ...] = ()
    sounds: tuple[OtherSound, ...] = ()
    toys: tuple[Toy, ...] = ()
    errands: tuple[Errand, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Scenario:
        """Read a file.

        Raises:
            ScenarioError: it is no TOML, or something in it is unknown, missing or out of range.
            OSError: it cannot be read.
        """
        try:
            scenario = build(cls, parse_toml(path.read_bytes(), str(path), ScenarioError), str(path), ScenarioError)
        except ScenarioError:
            raise
        except ValueError as problem:  # of the room's own check
            raise ScenarioError(f"{path}: {problem}") from problem
        scenario.check(str(path))
        voices = (
            replace(voice, file=str(path.parent / voice.file)) if voice.file else voice for voice in scenario.voices
        )
        return replace(scenario, voices=tuple(voices))

    def check(self, where: str) -> None:
        """Hold every number and name against what is allowed.

        Raises:
            ScenarioError: one is not; the message names it.
        """
        if not 1.0 <= self.seconds <= MOST_S:
            raise ScenarioError(f"{where}: seconds {self.seconds} came; allowed are 1 to {MOST_S:g}")
        for kind in ("doings", "voices", "sounds", "errands"):
            for number, entry in enumerate(getattr(self, kind), start=1):
                if not 0.0 <= entry.at <= self.seconds:
                    raise ScenarioError(
                        f"{where}: {kind} {number}: at {entry.at} came; allowed are 0 to its end, {self.seconds} s"
                    )
        for doing in self.doings:
            self._check_doing(f"{where}: {doing.does} at {doing.at} s", doing)
        for voice in self.voices:
            if bool(voice.feeling) == bool(voice.file):
                raise ScenarioError(f"{where}: the voice at {voice.at} s needs either a feeling or a file")
        for sound in self.sounds:
            self._check_place(f"{where}: {sound.kind} at {sound.at} s", sound.place)
            if not 0.05 <= sound.seconds <= MOST_S:
                raise ScenarioError(f"{where}: {sound.kind} of {sound.seconds} s came; allowed are 0.05 to {MOST_S:g}")
        for toy in self.toys:
            self._check_toy(f"{where}: the {toy.colour} toy", toy)
        for colour in (self.favourite, *(errand.fetch for errand in self.errands)):
            _check_colour(where, colour)

    def _check_doing(self, where: str, doing: Doing) -> None:
        known = (*PIECES, "dog")
        if doing.beside and doing.beside not in known:
            raise ScenarioError(f"{where}: beside {doing.beside!r} came; allowed are {', '.join(known)}")
        wanted = {"walk": 2, "turn": 1}.get(doing.does, 0)
        if wanted == 0 and (doing.to or doing.beside):
            raise ScenarioError(f"{where}: it is done where one is; leave out `to` and `beside`")
        if wanted and bool(doing.to) == bool(doing.beside):
            raise ScenarioError(f"{where}: it needs either `to` or `beside`")
        if doing.to and (len(doing.to) != wanted or not all(map(math.isfinite, doing.to))):
            what = "(x, y) in m" if wanted == 2 else "one angle in degrees"
            raise ScenarioError(f"{where}: to {list(doing.to)} came; {what} is needed")
        if doing.does == "walk" and doing.to:
            self._check_place(where, doing.to)

    def _check_place(self, where: str, place: tuple[float, ...]) -> None:
        half = self.room.side_m / 2
        if len(place) != 2 or not all(abs(value) < half for value in place):  # NaN is nowhere
            raise ScenarioError(f"{where}: place {list(place)} came; x and y must be within the room, +-{half} m")

    def _check_toy(self, where: str, toy: Toy) -> None:
        _check_colour(where, toy.colour)
        if toy.place:
            self._check_place(where, toy.place)
        if not 0.01 <= toy.mass_kg <= 2.0 or not 0.1 <= toy.friction <= 1.5:
            raise ScenarioError(
                f"{where}: mass_kg {toy.mass_kg} and friction {toy.friction} came; allowed are 0.01 to 2 and 0.1 to 1.5"
            )


def _check_colour(where: str, colour: str) -> None:
    if colour not in COLOURS:
        raise ScenarioError(f"{where}: colour {colour!r} came; allowed are {', '.join(COLOURS)}")
