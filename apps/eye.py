"""The dog's eye: pictures in, readings of the person's face out, either at once or in a thread of its own.

The network and the detector are loaded when the first picture comes: whoever never switches a camera on never waits
for them.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from typing import Protocol

import numpy as np

from perception.face.detector import FaceDetector
from perception.face.model import FaceEmotionModel
from perception.face.stream import FaceReading, FaceStream

_log = logging.getLogger("empaw")


def open_face_stream() -> FaceStream:
    """Load the shipped detector and network.

    Raises:
        ValueError: a weights file is missing or damaged.
    """
    return FaceStream(FaceEmotionModel.load(), FaceDetector())


class Eye(Protocol):
    """Takes pictures, gives readings."""

    def look(self, picture: np.ndarray, time_s: float) -> None:
        """Take a picture, BGR (H, W, 3) uint8, and its time, which never runs back between two resets."""
        ...

    def readings(self) -> list[FaceReading]:
        """Return the readings that have become ready since the last call, oldest first."""
        ...

    def reset(self) -> None:
        """Forget what was seen; time may begin anew."""
        ...

    def close(self) -> None:
        """Stop working."""
        ...


class InlineEye:
    """Reads within `look`: the same pictures give the same readings."""

    def __init__(self, open_stream: Callable[[], FaceStream] = open_face_stream) -> None:
        self._open = open_stream
        self._stream: FaceStream | None = None
        self._ready: list[FaceReading] = []

    def look(self, picture: np.ndarray, time_s: float) -> None:
        """Take a picture, BGR (H, W, 3) uint8.

        Raises:
            PictureError: it is none.
            ValueError: the weights cannot be used.
        """
        self._stream = self._stream or self._open()
        self._ready.append(self._stream.push(picture, time_s))

    def readings(self) -> list[FaceReading]:
        """Return the readings since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def reset(self) -> None:
        """Forget what was seen."""
        self._ready = []
        if self._stream is not None:
            self._stream.reset()

    def close(self) -> None:
        """Nothing to stop."""


class ThreadedEye:
    """Reads in a thread of its own; `look` never waits.

    A picture that comes before the last one was begun replaces it, so that the dog answers to the face of now. What was
    seen before a `reset` never comes out after it. `on_problem` is called, from the eye's thread, with words for a
    person when a picture cannot be read; the eye goes on with the next.
    """

    def __init__(self, open_stream: Callable[[], FaceStream] = open_face_stream) -> None:
        self._open = open_stream
        self._pictures: queue.Queue[tuple[int, np.ndarray, float] | None] = queue.Queue(maxsize=1)
        self._ready: queue.SimpleQueue[tuple[int, FaceReading]] = queue.SimpleQueue()
        self._epoch = 0
        self.on_problem: Callable[[str], None] = lambda text: None
        self._thread = threading.Thread(target=self._work, name="empaw-eye", daemon=True)
        self._thread.start()

    def look(self, picture: np.ndarray, time_s: float) -> None:
        """Take a picture, BGR (H, W, 3) uint8."""
        self._replace((self._epoch, picture, time_s))

    def readings(self) -> list[FaceReading]:
        """Return the readings that have become ready since the last call."""
        ready = []
        while not self._ready.empty():
            epoch, reading = self._ready.get()
            if epoch == self._epoch:
                ready.append(reading)
        return ready

    def reset(self) -> None:
        """Forget what was seen; what the thread still has of it belongs to an epoch that is over."""
        self._epoch += 1

    def close(self) -> None:
        """End the thread."""
        self._replace(None)
        self._thread.join(timeout=5)

    def _replace(self, item: tuple[int, np.ndarray, float] | None) -> None:
        with contextlib.suppress(queue.Empty):
            self._pictures.get_nowait()
        self._pictures.put(item)

    def _work(self) -> None:
        stream: FaceStream | None = None
        seen = 0
        while (item := self._pictures.get()) is not None:
            epoch, picture, time_s = item
            try:
                stream = stream or self._open()
                if epoch != seen:
                    seen = epoch
                    stream.reset()
                self._ready.put((epoch, stream.push(picture, time_s)))
            except Exception as problem:  # whatever a picture holds, the dog must not go blind for good
                _log.exception("the eye failed and begins again")
                self.on_problem(f"The dog's eye failed ({' '.join(str(problem).split())[:200]}) and begins again.")
                if stream is not None:
                    stream.reset()
