"""The dog's eye: pictures in, readings of the person's face out, either at once or in a thread of its own.

The network and the detector are loaded when the first picture comes: whoever never switches a camera on never waits
for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np

from apps.worker import BackgroundWorker, InlineWorker
from perception.face.detector import FaceDetector
from perception.face.model import FaceEmotionModel
from perception.face.stream import FaceReading, FaceStream
from perception.face.videos import Frame

_MOST_WAITING = 16  # readings that nobody asks for, as in a session that is paused


class Sight(NamedTuple):
    """A reading of a picture, and the size of that picture in pixels."""

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


class StreamEye:
    """Sees with a network: within `look`, or `live` in a thread of its own, where `look` never waits.

    Live, a picture that comes before the last one was begun replaces it, so that the dog answers to the face of now.
    `on_problem` is called, from the eye's thread, with words for a person when a picture cannot be read; the eye goes
    on with the next, unless it could not be opened at all. Inline, what goes wrong is raised: PictureError for what is
    no picture, ValueError for weights that cannot be used.
    """

    def __init__(self, open_stream: Callable[[], FaceStream] = open_face_stream, live: bool = False) -> None:
        self.on_problem: Callable[[str], None] = lambda text: None

        def open_engine() -> _Looking:
            return _Looking(open_stream())

        self.worker: InlineWorker | BackgroundWorker = (
            BackgroundWorker("empaw-eye", open_engine, self._tell, 1, _MOST_WAITING)
            if live
            else InlineWorker(open_engine, _MOST_WAITING)
        )
        self.sights: Callable[[], list[Sight]] = self.worker.ready
        self.reset, self.close = self.worker.reset, self.worker.close

    def look(self, picture: np.ndarray, time_s: float) -> None:
        """Take a picture, BGR (H, W, 3) uint8."""
        self.worker.put((picture, time_s))

    def _tell(self, problem: str, opened: bool) -> None:
        failed = f"The dog's eye failed ({problem}) and begins again."
        self.on_problem(failed if opened else f"The dog cannot see: {problem}")


class _Looking:
    """A stream that also tells how large each picture was."""

    def __init__(self, stream: FaceStream) -> None:
        self._stream = stream
        self.reset = stream.reset

    def push(self, item: tuple[np.ndarray, float]) -> list[Sight]:
        picture, time_s = item
        return [Sight(self._stream.push(picture, time_s), picture.shape[1], picture.shape[0])]


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
        """Return the newest picture that is due and was not shown; frames that are overdue are left out.

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
