"""The dog's ear: sound in, estimates out, either at once or in a thread of its own.

A run without a browser must give the same timeline every time, so there the network works inside the control step. A
live run must not stutter while it works, so there a thread does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from apps.worker import BackgroundWorker, InlineWorker
from perception.emotion import EmotionEstimate
from perception.speech.stream import SpeechStream

EAR_RATE_HZ = 16000
_CHUNKS_PER_S = 50


class Hearing(NamedTuple):
    """State of the ear, besides its estimates."""

    voice_active: bool
    level_db: float | None
    speech: float | None = None  # how likely the last window of sound was speech, [0, 1]; None before the first


class Ear(Protocol):
    """Takes sound, gives estimates."""

    def push(self, samples: np.ndarray) -> list[EmotionEstimate]:
        """Take samples (N,) float32 at 16 kHz; return the estimates that are ready."""
        ...

    @property
    def hearing(self) -> Hearing:
        """State of the ear at this moment."""
        ...

    def reset(self) -> None:
        """Forget what was heard."""
        ...

    def close(self) -> None:
        """Stop working."""
        ...


class StreamEar:
    """Hears with a network: within `push`, or `live` in a thread of its own, where `push` never waits.

    Inline, the same sound gives the same estimates at the same samples. Live, sound waits in a queue of at most
    `backlog_s`, of which the oldest is dropped. `on_problem` is called, from the ear's thread, with words for a person
    when the network fails; the ear goes on with the next sound.
    """

    def __init__(self, stream: SpeechStream, live: bool = False, backlog_s: float = 2.0) -> None:
        engine = _Listening(stream)
        self._hearing = Hearing(False, None)
        self.on_problem: Callable[[str], None] = lambda text: None
        self.worker: InlineWorker | BackgroundWorker = (
            BackgroundWorker("empaw-ear", lambda: engine, self._tell, int(backlog_s * _CHUNKS_PER_S))
            if live
            else InlineWorker(lambda: engine)
        )
        self.close = self.worker.close

    def push(self, samples: np.ndarray) -> list[EmotionEstimate]:
        """Take samples (N,) float32 at 16 kHz; return the estimates that have become ready since the last call."""
        self.worker.put(samples)
        estimates: list[EmotionEstimate] = []
        for found, hearing in self.worker.ready():
            estimates += found
            self._hearing = hearing
        return estimates

    @property
    def hearing(self) -> Hearing:
        """State of the ear as last reported by its worker."""
        return self._hearing

    def reset(self) -> None:
        """Forget what was heard."""
        self.worker.reset()
        self._hearing = Hearing(False, None)

    def _tell(self, problem: str, opened: bool) -> None:
        self.on_problem(f"The dog's ear failed ({problem}) and begins again.")


class _Listening:
    """A stream, with what it notices after each piece of sound."""

    def __init__(self, stream: SpeechStream) -> None:
        self._stream = stream
        self.reset = stream.reset

    def push(self, samples: np.ndarray) -> list[tuple[list[EmotionEstimate], Hearing]]:
        found = self._stream.push(samples)
        return [(found, Hearing(self._stream.voice_active, self._stream.level_db, self._stream.speech))]
