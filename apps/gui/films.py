"""What a person sends for the dog to see: a picture is shown for a while, a video frame by frame."""

from __future__ import annotations

import contextlib
import queue
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from perception.face.pictures import PictureError, read_header, read_picture
from perception.face.videos import Frame, read_video

PICTURE_S = 3.0
"""How long a single picture is shown."""
_PICTURE_EVERY_S = 0.2
_AHEAD = 8
Complain = Callable[[str], None]


def is_picture(content: bytes) -> bool:
    """Whether a file begins like a picture."""
    try:
        read_header(content, "the file")
    except PictureError:
        return False
    return True


def picture_film(content: bytes) -> Iterator[Frame]:
    """Show one picture for `PICTURE_S`.

    Raises:
        PictureError: it cannot be read; raised at once.
    """
    picture = read_picture(content)
    count = round(PICTURE_S / _PICTURE_EVERY_S)
    return (Frame(picture, number, number * _PICTURE_EVERY_S) for number in range(count))


def video_film(content: bytes, complain: Complain) -> Iterator[Frame] | None:
    """Decode a video in a thread of its own, a few frames ahead; None when there is no picture track in it.

    `complain` is called with words for a person when the video breaks off; what came before is shown. A film that
    nobody reads on ends its thread and removes its file.
    """
    with tempfile.NamedTemporaryFile(prefix="empaw-", suffix=".video", delete=False) as file:
        file.write(content)
    path = Path(file.name)
    frames = read_video(path)
    try:
        first = next(frames)
    except (PictureError, StopIteration):
        path.unlink(missing_ok=True)
        return None
    film = _Film(first, frames, path, complain)
    film.start()
    return film.play()


class _Film(threading.Thread):
    """Reads on while there is room in the queue."""

    def __init__(self, first: Frame, frames: Iterator[Frame], path: Path, complain: Complain) -> None:
        super().__init__(name="empaw-film", daemon=True)
        self._first, self._frames, self._path, self._complain = first, frames, path, complain
        self._queue: queue.Queue[Frame | None] = queue.Queue(maxsize=_AHEAD)
        self._stop = threading.Event()

    def run(self) -> None:
        """Decode until the end, or until nobody wants more."""
        try:
            self._put(self._first)
            for frame in self._frames:
                if not self._put(frame):
                    break
        except PictureError as problem:
            self._complain(f"The video breaks off: {problem}")
        finally:
            self._put(None)
            self._path.unlink(missing_ok=True)

    def _put(self, frame: Frame | None) -> bool:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(frame, timeout=0.5)
                return True
        return False

    def play(self) -> Iterator[Frame]:
        """Hand out the frames."""
        try:
            while (frame := self._queue.get()) is not None:
                yield frame
        finally:
            self._stop.set()
