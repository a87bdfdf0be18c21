"""Whom or what the dog attends to: sounds have directions, and only voices are obeyed.

A sound turns the head. A voice turns the body too, and is where the dog goes. What is no voice (a door, music, a fan
that starts) is looked at for a moment and left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from perception.sound.doa import DoaEstimate


@dataclass(frozen=True)
class AttentionConfig:
    """When a sound is attended to, and for how long; probabilities and s."""

    least_confidence: float = 0.6
    """That the direction is within 10 degrees."""
    least_speech: float = 0.5
    """That what is heard is speech."""
    glance_s: float = 1.5
    """How long a sound that is no voice is looked at, from its beginning."""
    memory_s: float = 8.0
    """How long a voice is remembered when it is silent."""
    switch_s: float = 0.6
    """Another sound must be heard for so long before it is taken for a voice, while somebody speaks already."""

    def __post_init__(self) -> None:
        shares = 0.0 <= self.least_confidence <= 1.0 and 0.0 <= self.least_speech <= 1.0
        if not shares or min(self.glance_s, self.memory_s) <= 0.0 or self.switch_s < 0.0:
            raise ValueError(f"{self} came; probabilities lie in [0, 1], and times are positive")


class Attention(NamedTuple):
    """What is attended to.

    `azimuth_rad` in the world, None where nothing is; `voice` tells whether it is one, that is whether the body turns
    and goes there, or only the head turns; `heard_s` when it was heard last.
    """

    azimuth_rad: float | None = None
    voice: bool = False
    heard_s: float = -np.inf


class _Source(NamedTuple):
    """A track of the array, and since when it is heard."""

    track: int
    azimuth_rad: float
    born_s: float
    heard_s: float
    heard_for_s: float
    voice: bool


class Listener:
    """Keeps what is attended to from one control step to the next."""

    def __init__(self, config: AttentionConfig | None = None) -> None:
        self.config = config or AttentionConfig()
        self.reset()

    def reset(self) -> None:
        """Attend to nothing."""
        self._sources: dict[int, _Source] = {}
        self._attended: int | None = None

    def step(self, directions: Sequence[DoaEstimate], speech: float | None, time_s: float) -> Attention:
        """Take what was heard since the last step; return what is attended to now.

        Args:
            directions: of the array, every 100 ms one for each track.
            speech: how likely the last window of sound was speech, [0, 1]; None before the first.
            time_s: now.
        """
        for direction in directions:
            if direction.heard and direction.confidence >= self.config.least_confidence:
                self._hear(direction, speech, time_s)
        self._forget(time_s)
        self._choose(time_s)
        if self._attended is None:
            return Attention()
        source = self._sources[self._attended]
        return Attention(source.azimuth_rad, source.voice, source.heard_s)

    def _hear(self, direction: DoaEstimate, speech: float | None, time_s: float) -> None:
        known = self._sources.get(direction.track)
        heard_for_s = 0.0 if known is None else known.heard_for_s + min(time_s - known.heard_s, 0.2)
        # The ear has one channel: while one speaks, another sound must last before it may be the voice that is heard.
        others_speak = any(
            source.voice and time_s - source.heard_s < 0.3 and source.track != direction.track
            for source in self._sources.values()
        )
        is_speech = speech is not None and speech >= self.config.least_speech
        voice = is_speech and (not others_speak or heard_for_s >= self.config.switch_s)
        self._sources[direction.track] = _Source(
            direction.track,
            direction.azimuth_rad,
            time_s if known is None else known.born_s,
            time_s,
            heard_for_s,
            voice or (known is not None and known.voice),
        )

    def _forget(self, time_s: float) -> None:
        def is_kept(source: _Source) -> bool:
            if source.voice:
                return time_s - source.heard_s <= self.config.memory_s
            return time_s - source.born_s <= self.config.glance_s

        self._sources = {
            number: source
            for number, source in self._sources.items()
            if is_kept(source) or (not source.voice and time_s - source.heard_s < 0.5)
        }
        if self._attended not in self._sources:
            self._attended = None

    def _choose(self, time_s: float) -> None:
        """Attend to the voice that was heard last; to another sound only for a glance, and only where nobody speaks."""
        voices = [source for source in self._sources.values() if source.voice]
        now = None if self._attended is None else self._sources[self._attended]
        if voices:
            speaks = now is not None and now.voice and time_s - now.heard_s < 0.3
            if not speaks:
                self._attended = max(voices, key=lambda source: source.heard_s).track
            return
        glances = [source for source in self._sources.values() if time_s - source.born_s <= self.config.glance_s]
        self._attended = max(glances, key=lambda source: source.born_s).track if glances else None
