"""What a person sends for the dog to see: a picture is shown for a while, a video frame by frame."""

from __future__ import annotations

import contextlib
import queue
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from perception.face.pictures import PictureError, read_header, read_picture
from perception.face.videos import Frame, read_video

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


def picture_film(content: bytes) -> Iterator[Frame]:
    """Show one picture for `PICTURE_S`.

    Raises:
        PictureError: it cannot be read; raised at once.
    """
    picture = read_picture(content)
    count = round(PICTURE_S / _PICTURE_EVERY_S)
    return (Frame(picture, number, number * _PICTURE_EVERY_S) for number in range(count))


def video_film(content: bytes, complain: Complain) -> Film | None:
    """Decode a video in a thread of its own, a few frames ahead; None when there is no picture track in it.

    `complain` is called with words for a person when the video breaks off; what came before is shown.
    """
    with tempfile.NamedTemporaryFile(prefix="empaw-", suffix=".video", delete=False) as file:
        path = Path(file.name)
        try:
            file.write(content)
            file.flush()
            frames = read_video(path, "the video")
            first = next(frames)
        except (PictureError, StopIteration):
            return None
        finally:
            path.unlink(missing_ok=True)  # what is open stays readable
    return Film(first, frames, complain)


class Film:
    """Frames of a video as they are decoded; None while the next is not ready.

    The thread that decodes ends with the video, or when the film is closed or forgotten.
    """

    def __init__(self, first: Frame, frames: Iterator[Frame], complain: Complain) -> None:
        self._queue: queue.Queue[Frame | None] = queue.Queue(maxsize=_AHEAD)
        self._ended = False
        stop = threading.Event()
        self.close = weakref.finalize(self, stop.set)
        threading.Thread(
            target=_decode, args=(first, frames, self._queue, stop, complain), name="empaw-film", daemon=True
        ).start()

    def __iter__(self) -> Iterator[Frame | None]:
        """The film itself."""
        return self

    def __next__(self) -> Frame | None:
        """The next frame, or None when it is not ready; never waits."""
        if self._ended:
            raise StopIteration
        try:
            frame = self._queue.get_nowait()
        except queue.Empty:
            return None
        if frame is None:
            self._ended = True
            raise StopIteration
        return frame


def _decode(
    first: Frame, frames: Iterator[Frame], out: queue.Queue[Frame | None], stop: threading.Event, complain: Complain
) -> None:
    """Read on while there is room in the queue; holds no reference to the film, so that it can be forgotten."""

    def put(frame: Frame | None) -> bool:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                out.put(frame, timeout=0.2)
                return True
        return False

    try:
        put(first)
        for frame in frames:
            if not put(frame):
                break
    except PictureError as problem:
        complain(f"The video breaks off: {problem}")
    finally:
        put(None)
