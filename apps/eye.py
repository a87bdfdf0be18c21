"""The dog's eye: pictures in, readings of the person's face out, either at once or in a thread of its own.

The network and the detector are loaded when the first picture comes: whoever never switches a camera on never waits
for them.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np

from perception.face.detector import FaceDetector
from perception.face.model import FaceEmotionModel
from perception.face.stream import FaceReading, FaceStream
from perception.face.videos import Frame

_log = logging.getLogger("empaw")
_MOST_WAITING = 16  # readings that nobody asks for, as in a session that is paused


class Sight(NamedTuple):
    """What was read of a picture, and the size of that picture in pixels."""

    reading: FaceReading
    width: int
    height: int


def open_face_stream() -> FaceStream:
    """Load the shipped detector and network, both to run on one core.

    Raises:
        ValueError: a weights file is missing or damaged.
    """
    import cv2

    cv2.setNumThreads(1)
    return FaceStream(FaceEmotionModel.load(), FaceDetector())


class Eye(Protocol):
    """Takes pictures, gives readings."""

    def look(self, picture: np.ndarray, time_s: float) -> None:
        """Take a picture, BGR (H, W, 3) uint8, and its time, which never runs back between two resets."""
        ...

    def sights(self) -> list[Sight]:
        """Return the newest of what was read since the last call, oldest first."""
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
        self._ready: deque[Sight] = deque(maxlen=_MOST_WAITING)

    def look(self, picture: np.ndarray, time_s: float) -> None:
        """Take a picture, BGR (H, W, 3) uint8.

        Raises:
            PictureError: it is none.
            ValueError: the weights cannot be used.
        """
        self._stream = self._stream or self._open()
        self._ready.append(Sight(self._stream.push(picture, time_s), picture.shape[1], picture.shape[0]))

    def sights(self) -> list[Sight]:
        """Return what was read since the last call."""
        ready = list(self._ready)
        self._ready.clear()
        return ready

    def reset(self) -> None:
        """Forget what was seen."""
        self._ready.clear()
        if self._stream is not None:
            self._stream.reset()

    def close(self) -> None:
        """Nothing to stop."""


class ThreadedEye:
    """Reads in a thread of its own; `look` never waits.

    A picture that comes before the last one was begun replaces it, so that the dog answers to the face of now. What was
    seen before a `reset` never comes out after it. `on_problem` is called, from the eye's thread, with words for a
    person when a picture cannot be read; the eye goes on with the next, unless it could not be opened at all.
    """

    def __init__(self, open_stream: Callable[[], FaceStream] = open_face_stream) -> None:
        self._open = open_stream
        self._pictures: queue.Queue[tuple[int, np.ndarray, float] | None] = queue.Queue(maxsize=1)
        self._ready: deque[tuple[int, Sight]] = deque(maxlen=_MOST_WAITING)
        self._epoch = 0
        self.on_problem: Callable[[str], None] = lambda text: None
        self._thread = threading.Thread(target=self._work, name="empaw-eye", daemon=True)
        self._thread.start()

    def look(self, picture: np.ndarray, time_s: float) -> None:
        """Take a picture, BGR (H, W, 3) uint8."""
        self._replace((self._epoch, picture, time_s))

    def sights(self) -> list[Sight]:
        """Return what has become ready since the last call."""
        ready = []
        while self._ready:
            epoch, sight = self._ready.popleft()
            if epoch == self._epoch:
                ready.append(sight)
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
        stream = self._open_or_tell()
        seen = 0
        while stream is not None and (item := self._pictures.get()) is not None:
            epoch, picture, time_s = item
            try:
                if epoch != seen:
                    seen = epoch
                    stream.reset()
                self._ready.append((epoch, Sight(stream.push(picture, time_s), picture.shape[1], picture.shape[0])))
            except Exception as problem:  # whatever a picture holds, the dog must not go blind for good
                _log.exception("the eye failed and begins again")
                self.on_problem(f"The dog's eye failed ({' '.join(str(problem).split())[:200]}) and begins again.")
                stream.reset()

    def _open_or_tell(self) -> FaceStream | None:
        """Open the stream when the first picture is there; None when it cannot be opened, which is told once."""
        first = self._pictures.get()
        if first is None:
            return None
        try:
            stream = self._open()
        except Exception as problem:  # the dog stays blind, and everything else goes on
            _log.exception("the eye cannot be opened")
            self.on_problem(f"The dog cannot see: {' '.join(str(problem).split())[:200]}")
            return None
        with contextlib.suppress(queue.Full):
            self._pictures.put_nowait(first)  # unless a newer one came meanwhile
        return stream


class Reel:
    """A film that is shown in its own time. A frame of None means that the next one is not decoded yet."""

    def __init__(self) -> None:
        self._frames: Iterator[Frame | None] | None = None
        self._next: Frame | None = None
        self._began_s = 0.0

    @property
    def running(self) -> bool:
        """Whether there is more to come."""
        return self._frames is not None

    def start(self, frames: Iterable[Frame | None], time_s: float) -> None:
        """Show these frames from `time_s` on, instead of those of before."""
        self.stop()
        self._frames, self._began_s = iter(frames), time_s

    def stop(self) -> None:
        """End the film."""
        close = getattr(self._frames, "close", None)
        self._frames = self._next = None
        if close is not None:
            close()

    def due(self, time_s: float) -> np.ndarray | None:
        """The newest picture that is due and was not shown; frames that are overdue are left out.

        Raises:
            PictureError: a frame cannot be read; the film has ended then.
        """
        newest: np.ndarray | None = None
        while self._frames is not None:
            if self._next is None and not self._fetch():
                break
            if self._next is None or self._next.time_s > time_s - self._began_s:
                break
            newest, self._next = self._next.picture, None
        return newest

    def _fetch(self) -> bool:
        """Get the next frame, if there is one and it is ready."""
        assert self._frames is not None
        try:
            self._next = next(self._frames)
        except StopIteration:
            self.stop()
        except Exception:
            self.stop()
            raise
        return self._next is not None
