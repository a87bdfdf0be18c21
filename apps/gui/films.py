"""Pictures and videos that a person sends for the dog to see: a picture for a while, a video frame by frame."""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from apps.worker import BackgroundWorker
from perception.face.pictures import PictureError, read_header, read_picture
from perception.face.videos import NO_PICTURE, Frame, read_video
from perception.media import is_container

PICTURE_S = 3.0
"""How long a single picture is shown."""
MOST_CAMERA_SIDE = 1280
_PICTURE_EVERY_S = 0.2
_AHEAD = 8
Complain = Callable[[str], None]


def camera_picture(content: bytes) -> np.ndarray:
    """Decode a picture of a camera: BGR (H, W, 3) uint8.

    Raises:
        PictureError: it is none, or larger than a camera's need be.
    """
    header = read_header(content[:65536], "the picture")
    if max(header.width, header.height) > MOST_CAMERA_SIDE:
        raise PictureError(
            f"a picture of {header.width} x {header.height} came; allowed are {MOST_CAMERA_SIDE} on a side."
        )
    return read_picture(content)


def picture_film(content: bytes, label: str) -> Iterator[Frame]:
    """Show one picture for `PICTURE_S`; errors call it `label`.

    Raises:
        PictureError: it cannot be read; raised at once.
    """
    picture = read_picture(content, label)
    count = round(PICTURE_S / _PICTURE_EVERY_S)
    return (Frame(picture, number, number * _PICTURE_EVERY_S) for number in range(count))


def video_film(content: bytes, label: str, complain: Complain, stop: threading.Event | None = None) -> Film | None:
    """Decode a video in a thread of its own, a few frames ahead; None where there is no picture track in it.

    It is decoded no further than `stop`. `complain` is called with words for a person when the video breaks off; what
    came before is shown.

    Raises:
        PictureError: it is a video, and no frame of it can be read; it is called `label`.
    """
    with tempfile.NamedTemporaryFile(prefix="empaw-", suffix=".video", delete=False) as file:
        path = Path(file.name)
        try:
            file.write(content)
            file.flush()
            frames = read_video(path, label, stop)
            first = next(frames)
        except StopIteration:
            return None
        except PictureError as problem:
            waited_for = stop is None or not stop.is_set()
            if waited_for and is_container(content[:400]) and NO_PICTURE not in str(problem):
                raise
            return None
        finally:
            path.unlink(missing_ok=True)  # what is open stays readable
    return Film(first, frames, complain)


class Film:
    """Frames of a video as they are decoded; None while the next is not ready.

    The thread that decodes ends when the video has been read to its end, or the film is closed or forgotten.
    """

    def __init__(self, first: Frame, frames: Iterator[Frame], complain: Complain) -> None:
        decoder = _Decoder(chain([first], frames), complain)  # holds no reference to the film, nor does the worker
        self._worker: BackgroundWorker[None, Frame | None] = BackgroundWorker(
            "empaw-film", lambda: decoder, lambda problem, opened: complain(f"The video breaks off: {problem}"), _AHEAD
        )
        self.close = weakref.finalize(self, self._worker.stop)
        self._frames: deque[Frame | None] = deque()
        for _ in range(_AHEAD):
            self._worker.put(None)

    def __iter__(self) -> Iterator[Frame | None]:
        """Return the film itself."""
        return self

    def __next__(self) -> Frame | None:
        """Return the next frame, or None when it is not ready; never waits."""
        self._frames.extend(self._worker.ready())
        if not self._frames:
            return None
        if self._frames[0] is None:
            self.close()
            raise StopIteration
        self._worker.put(None)
        return self._frames.popleft()


class _Decoder:
    """Decodes a frame each time that it is asked; None stands for the end."""

    def __init__(self, frames: Iterator[Frame], complain: Complain) -> None:
        self._frames, self._complain = frames, complain

    def push(self, _: None) -> list[Frame | None]:
        try:
            return [next(self._frames, None)]
        except PictureError as problem:
            self._complain(f"The video breaks off: {problem}")
            return [None]

    def reset(self) -> None:
        """A film is not shown again."""
