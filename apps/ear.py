"""The dog's ear: sound in, estimates out, either at once or in a thread of its own.

A run without a browser must give the same timeline every time, so there the network works inside the control step. A
live run must not stutter while it works, so there a thread does.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from perception.emotion import EmotionEstimate
from perception.speech.stream import SpeechStream

EAR_RATE_HZ = 16000
_log = logging.getLogger("empaw")


class Hearing(NamedTuple):
    """What the ear notices besides estimates."""

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
        """What is heard at this moment."""
        ...

    def reset(self) -> None:
        """Forget what was heard."""
        ...

    def close(self) -> None:
        """Stop working."""
        ...


class InlineEar:
    """Estimates within `push`: the same sound gives the same estimates at the same samples."""

    def __init__(self, stream: SpeechStream) -> None:
        self._stream = stream

    def push(self, samples: np.ndarray) -> list[EmotionEstimate]:
        """Take samples (N,) float32 at 16 kHz; return the estimates that fall due within them."""
        return self._stream.push(samples)

    @property
    def hearing(self) -> Hearing:
        """What is heard at this moment."""
        return _hearing(self._stream)

    def reset(self) -> None:
        """Forget what was heard."""
        self._stream.reset()

    def close(self) -> None:
        """Nothing to stop."""


class ThreadedEar:
    """Estimates in a thread of its own; `push` never waits.

    Sound waits in a queue of at most `backlog_s`; when the network cannot keep up, the oldest sound is dropped, so that
    the dog answers to what is said now. What was heard before a `reset` never comes out after it. `on_problem` is
    called, from the ear's thread, with words for a person when the network fails; the ear goes on with the next sound.
    """

    def __init__(self, stream: SpeechStream, backlog_s: float = 2.0) -> None:
        self._stream = stream
        self._sound: queue.Queue[tuple[int, np.ndarray] | None] = queue.Queue(maxsize=int(backlog_s * 50))
        self._estimates: queue.SimpleQueue[tuple[int, EmotionEstimate]] = queue.SimpleQueue()
        self._hearing = Hearing(False, None)
        self._epoch = 0
        self.on_problem: Callable[[str], None] = lambda text: None
        self._thread = threading.Thread(target=self._work, name="empaw-ear", daemon=True)
        self._thread.start()

    def push(self, samples: np.ndarray) -> list[EmotionEstimate]:
        """Take samples (N,) float32 at 16 kHz; return the estimates that have become ready since the last call."""
        if self._sound.full():
            self._drop_oldest()
        self._sound.put_nowait((self._epoch, samples))
        ready = []
        while not self._estimates.empty():
            epoch, estimate = self._estimates.get()
            if epoch == self._epoch:
                ready.append(estimate)
        return ready

    def _drop_oldest(self) -> None:
        with contextlib.suppress(queue.Empty):
            self._sound.get_nowait()

    @property
    def hearing(self) -> Hearing:
        """What was heard last."""
        return self._hearing

    def reset(self) -> None:
        """Forget what was heard; what the thread still has of it belongs to an epoch that is over."""
        self._epoch += 1
        self._hearing = Hearing(False, None)

    def close(self) -> None:
        """End the thread."""
        self._drop_oldest()
        self._sound.put(None)
        self._thread.join(timeout=5)

    def _work(self) -> None:
        heard = 0
        while (item := self._sound.get()) is not None:
            epoch, samples = item
            if epoch != heard:
                heard = epoch
                self._stream.reset()
            try:
                found = self._stream.push(samples)
                if epoch == self._epoch:
                    self._hearing = _hearing(self._stream)  # before its estimates, which are weighed by it
                for estimate in found:
                    self._estimates.put((epoch, estimate))
            except Exception as problem:  # whatever the network does, the dog must not go deaf for good
                _log.exception("the ear failed and begins again")
                self.on_problem(f"The dog's ear failed ({_short(problem)}) and begins again.")
                self._stream.reset()


def _hearing(stream: SpeechStream) -> Hearing:
    return Hearing(stream.voice_active, stream.level_db, stream.speech)


def _short(problem: Exception) -> str:
    return " ".join(str(problem).split())[:200]
