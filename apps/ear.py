"""The dog's ear: sound in, estimates out, either at once or in a thread of its own.

A run without a browser must give the same timeline every time, so there the network works inside the control step. A
live run must not stutter while it works, so there a thread does.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import NamedTuple, Protocol

import numpy as np

from perception.emotion import EmotionEstimate
from perception.speech.stream import SpeechStream

EAR_RATE_HZ = 16000


class Hearing(NamedTuple):
    """What the ear notices besides estimates."""

    voice_active: bool
    level_db: float | None


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
        return Hearing(self._stream.voice_active, self._stream.level_db)

    def reset(self) -> None:
        """Forget what was heard."""
        self._stream.reset()

    def close(self) -> None:
        """Nothing to stop."""


class ThreadedEar:
    """Estimates in a thread of its own; `push` never waits.

    Sound waits in a queue of at most `backlog_s`; when the network cannot keep up, the oldest sound is dropped, so that
    the dog answers to what is said now.
    """

    def __init__(self, stream: SpeechStream, backlog_s: float = 2.0) -> None:
        self._stream = stream
        self._sound: queue.Queue[np.ndarray | None] = queue.Queue(maxsize=int(backlog_s * 50))
        self._estimates: queue.SimpleQueue[EmotionEstimate] = queue.SimpleQueue()
        self._hearing = Hearing(False, None)
        self._forget = threading.Event()
        self._thread = threading.Thread(target=self._work, name="empaw-ear", daemon=True)
        self._thread.start()

    def push(self, samples: np.ndarray) -> list[EmotionEstimate]:
        """Take samples (N,) float32 at 16 kHz; return the estimates that have become ready since the last call."""
        try:
            self._sound.put_nowait(samples)
        except queue.Full:
            self._drop_oldest()
            self._sound.put_nowait(samples)
        ready = []
        while not self._estimates.empty():
            ready.append(self._estimates.get())
        return ready

    def _drop_oldest(self) -> None:
        with contextlib.suppress(queue.Empty):
            self._sound.get_nowait()

    @property
    def hearing(self) -> Hearing:
        """What was heard last."""
        return self._hearing

    def reset(self) -> None:
        """Forget what was heard, before the next sound is listened to."""
        self._forget.set()
        while not self._estimates.empty():
            self._estimates.get()

    def close(self) -> None:
        """End the thread."""
        self._drop_oldest()
        self._sound.put(None)
        self._thread.join(timeout=5)

    def _work(self) -> None:
        while (samples := self._sound.get()) is not None:
            if self._forget.is_set():
                self._forget.clear()
                self._stream.reset()
            for estimate in self._stream.push(samples):
                self._estimates.put(estimate)
            self._hearing = Hearing(self._stream.voice_active, self._stream.level_db)
