"""Trials in a room, judged by where the dog and the person truly were, of which the dog itself knows nothing."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from envs.companion.room import Ground, RoomConfig
from envs.companion.scenario import Scenario, Voice
from policies.behaviour import Behaviour

NEAR_M = 1.0
"""So near to whom it was called by, the dog has come."""
_SLACK_M = 0.5
"""A distance from the person is kept within this: people stand with arms, and dogs have a length."""
_AROUND_RAD = np.radians(60.0)
"""So far round somebody the dog must have gone to have circled them."""
_BACK_M = 0.3
"""So much farther away than before it must be to have backed off, unless it is as far as it is to be."""
_OUTWARD_RAD, _FACING_RAD = np.radians(50.0), np.radians(25.0)


@dataclass(frozen=True)
class RoomTask:
    """A scenario to be played once.

    Attributes:
        scenario: what happens.
        seed: of room, noise and all else.
        feeling: set by hand when the first voice begins, so that hearing where counts and hearing how does not.
    """

    scenario: Scenario
    seed: int
    feeling: str = ""


class Track(NamedTuple):
    """Where the dog was in every control step; N rows."""

    time_s: np.ndarray  # (N,)
    far_m: np.ndarray  # (N,) from the person
    around_rad: np.ndarray  # (N,) where the dog stands, seen from the person
    bearing_rad: np.ndarray  # (N,) where the person stands, seen from the dog's nose
    names: np.ndarray  # (N,) of the behaviour shown
    intended: np.ndarray  # (N,) bool: the estimate called for what the scenario expects
    touched: np.ndarray  # (N,) bool: the dog touched the person
    fallen: np.ndarray  # (N,) bool


class RoomTrial(NamedTuple):
    """How a task went."""

    scenario: str
    seed: int
    ground: str
    expected: str
    """The behaviour that the scenario asks for."""
    perceived: bool
    """Whether the feeling was perceived such that the table answers it so."""
    shown: bool
    """Whether that behaviour was shown."""
    done: bool
    """Whether the body did it: came, circled, backed off, stood before somebody."""
    fell: bool
    touched: bool
    reaction_s: float | None
    """From the end of the voice until it was shown; negative where the dog had heard enough before."""
    far_m: float
    """From the person at the end; ..."""
    bearing_deg: float
    """... and how far off the dog's nose they are, 0 to 180."""
    came_from_deg: float
    """Where the person was at the beginning, seen from the dog's nose."""
    seconds: float


def call(ground: Ground, seconds: float = 75.0) -> Scenario:
    """Let somebody six metres away, in a furnished room, call again and again."""
    room = RoomConfig(side_m=9.0, ground=ground, apart_m=(5.5, 6.5))
    voices = tuple(Voice(at, feeling="sad", expects="comfort") for at in np.arange(1.0, seconds - 10.0, 9.0).tolist())
    return Scenario(f"called over {ground} ground", seconds, room=room, voices=voices)


def library(folder: Path) -> list[Scenario]:
    """Return the scenarios of a folder in which a behaviour is expected, by the names of their files.

    Raises:
        ValueError: there are none, two have one name, or a file is no scenario.
    """
    found = [Scenario.load(path) for path in sorted(folder.glob("*.toml"))]
    expecting = [scenario for scenario in found if any(voice.expects for voice in scenario.voices)]
    if not expecting:
        raise ValueError(f"{folder} has no scenario file (*.toml) in which a voice expects a behaviour")
    counts = Counter(scenario.name for scenario in expecting)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise ValueError(f"two files of {folder} are named {twice[0]!r}; every scenario needs a name of its own")
    return expecting


@lru_cache(maxsize=256)
def digest(scenario: Scenario) -> str:
    """Tell what happens in a scenario, and its files' sounds, from any other, wherever the files lie.

    Raises:
        OSError: a sound cannot be read.
    """
    placeless = replace(scenario, voices=tuple(replace(one, file=Path(one.file).name) for one in scenario.voices))
    sounds = b"".join(Path(one.file).read_bytes() for one in scenario.voices if one.file)
    return hashlib.sha256(repr(placeless).encode() + sounds).hexdigest()[:12]


def judge(task: RoomTask, track: Track, beats: tuple[Behaviour, ...], said: tuple[float, float]) -> RoomTrial:
    """Judge what went on.

    Args:
        task: that was played.
        track: of the dog.
        beats: of the behaviour that is expected.
        said: when the voice that is to be answered began and ended, s.
    """
    began, ended = said
    after = track.time_s >= began
    shown = after & (track.names == beats[-1].name)
    first = float(track.time_s[shown][0]) if shown.any() else None
    return RoomTrial(
        task.scenario.name, task.seed, task.scenario.room.ground, beats[-1].name,
        perceived=bool((track.intended & after).any()),
        shown=bool(shown.any()),
        done=bool(shown.any()) and has_done(beats, track, shown),
        fell=bool(track.fallen.any()),
        touched=bool(track.touched.any()),
        reaction_s=None if first is None else round(first - ended, 2),
        far_m=round(float(track.far_m[-1]), 3),
        bearing_deg=round(abs(float(np.degrees(track.bearing_rad[-1]))), 1),
        came_from_deg=round(float(np.degrees(track.bearing_rad[0])), 1),
        seconds=round(float(track.time_s[-1]), 2),
    )  # fmt: skip


def has_done(beats: tuple[Behaviour, ...], track: Track, shown: np.ndarray) -> bool:
    """Tell whether the body did, while `shown` (N,), what the last beat of a behaviour is about."""
    beat, far = beats[-1], track.far_m[shown]
    near = far <= beat.distance_m + _SLACK_M
    if beat.goal == "approach":
        return bool(near[-1])
    if beat.goal == "retreat":
        return bool(far.max() >= min(beat.distance_m - _SLACK_M, far[0] + _BACK_M))
    if beat.goal == "circle":
        around = np.unwrap(track.around_rad[shown])
        return bool(near.any() and np.ptp(around[int(near.argmax()) :]) >= _AROUND_RAD)
    away = np.abs(track.bearing_rad[shown])
    if beat.goal == "shield":
        return bool((near & (away > np.pi - _OUTWARD_RAD)).any())
    return beat.goal != "face" or bool((away < _FACING_RAD).any())
