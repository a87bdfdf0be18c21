"""Video files, animated pictures and cameras -> frames with their times, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from perception.face.pictures import MOST_PIXELS, PictureError, check_size, is_picture
from perception.media import decoded, is_container

if TYPE_CHECKING:
    import av

SUFFIXES = frozenset((".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".wmv", ".gif"))
# Playlists are not among them: they make the decoder open other files and addresses.
_FORMATS = "mov,mp4,m4a,3gp,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,gif,ogg,h264,hevc,mjpeg"
NO_PICTURE = "has no picture track"
"""Stands in the error about a sound."""
_KNOWN = "mp4, mov, webm, mkv, avi, gif"
MOST_SIDE_OUT = 1280  # the detector needs no more, and a 4K frame takes 25 MB
RATE_HZ = 25.0  # assumed where a file tells no times


class Frame(NamedTuple):
    """One frame: BGR `picture` (H, W, 3) uint8, its number from 0, and its time in seconds from the first."""

    picture: np.ndarray
    number: int
    time_s: float


def is_video(path: Path) -> bool:
    """Tell whether a file is to be read as a video, by its content, or by its ending where that tells nothing.

    Raises:
        OSError: it cannot be read.
    """
    head = b""
    if path.is_file():
        with path.open("rb") as handle:
            head = handle.read(400)
    return not is_picture(head) and (path.suffix.lower() in SUFFIXES or is_container(head))


def read_video(path: Path | str, label: str | None = None, stop: threading.Event | None = None) -> Iterator[Frame]:
    """Decode a video or an animated GIF frame by frame, no further than `stop`; memory does not grow with its length.

    Errors call the file `label`, its path unless told. The cover of a piece of music is no video.

    Frames larger than 1280 pixels are scaled down; what telephones note of rotation and mirroring is applied. Times
    never run back.

    Raises:
        PictureError: missing, no video, no frames in it, damaged, or stopped; what came before has been yielded.
    """
    import av

    path = Path(path)
    label = label or str(path)
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "missing"
        raise PictureError(f"{label} is {kind}; expected a video ({_KNOWN}). Check the path.")
    if path.stat().st_size == 0:
        raise PictureError(f"{label} is empty (0 bytes); expected a video ({_KNOWN}). Copy it again.")
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    number = -1
    try:
        # A name such as 12:30.mp4 is a protocol to FFmpeg, unless a path stands before it.
        with av.open(str(path.absolute()), mode="r", options=options, metadata_errors="ignore") as container:
            if not _moving(container):
                raise PictureError(f"{label} {NO_PICTURE}; expected a video ({_KNOWN}).")
            for frame in _frames(container, label, stop):
                number = frame.number
                yield frame
    except PictureError:
        raise
    except (av.FFmpegError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PictureError(
            f"{label} cannot be read as a video after {number + 1} frames ({reason}). Expected {_KNOWN}; copy it again "
            "or convert it."
        ) from error
    if number < 0:
        raise PictureError(f"{label} is a video with no frames in it. Record or export it again.")


def _moving(container: av.container.InputContainer) -> list[av.video.stream.VideoStream]:
    """Picture tracks that are not the cover of a piece of music."""
    from av.stream import Disposition

    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def _frames(container: av.container.InputContainer, label: str, stop: threading.Event | None) -> Iterator[Frame]:
    from av.stream import Disposition

    stream = _moving(container)[0]
    tiles = sum(bool(each.disposition & Disposition.dependent) for each in container.streams.video)
    if tiles > 1:
        raise PictureError(f"{label} is one picture in {tiles} tiles, and no video. Use read_picture.")
    if stream.codec_context is None:  # which the types of PyAV do not know
        raise PictureError(f"{label} is coded in a way that is not known here; expected {_KNOWN}. Convert it.")
    check_size(stream.codec_context.width, stream.codec_context.height, label)
    stream.codec_context.thread_count = 1
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}  # frames may be larger than the file says
    rate = float(stream.average_rate or RATE_HZ)
    # HDV, AVCHD and DV store pixels that are wider than high; what is beyond any of them is damage.
    stretch = float(stream.sample_aspect_ratio or 1)
    stretch = stretch if 0.25 <= stretch <= 4.0 else 1.0
    first: float | None = None
    last = -np.inf
    for number, frame in enumerate(decoded(container, stream, PictureError, label, stop)):
        check_size(frame.width, frame.height, label)
        time_s = number / rate if frame.time is None else float(frame.time)
        first = time_s if first is None else first
        # Broken files repeat or turn back time; a frame is never earlier than the one before.
        last = max(last + 1e-3, time_s - first)
        yield Frame(_to_bgr(frame, stretch), number, last)


def _to_bgr(frame: av.VideoFrame, stretch: float) -> np.ndarray:
    """BGR (H, W, 3) as it is to be seen: `stretch` wider than it is stored, and turned."""
    scale = min(1.0, MOST_SIDE_OUT / max(stretch * frame.width, frame.height))
    width, height = max(1, round(stretch * frame.width * scale)), max(1, round(frame.height * scale))
    picture = frame.reformat(width=width, height=height, format="bgr24").to_ndarray()
    side = frame.side_data.get("DISPLAYMATRIX")
    if side is None:
        return picture
    return _displayed(picture, np.frombuffer(side, np.int32).reshape(3, 3))  # type: ignore[call-overload]


def _displayed(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Turn and mirror a picture as its display matrix asks: x' = a x + c y, y' = b x + d y (ISO 14496-12, 6.2.2)."""
    (a, b), (c, d) = matrix[:2, :2]
    if abs(int(b)) > abs(int(a)):  # x and y change places
        picture, a, d = picture.swapaxes(0, 1), c, b
    return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def read_camera(index: int = 0) -> Iterator[Frame]:
    """Frames of a camera until the caller stops or the camera goes away; times in seconds from the first frame.

    Raises:
        PictureError: there is no such camera, or it gives no picture.
    """
    import time

    import cv2

    camera = cv2.VideoCapture(index)
    try:
        if not camera.isOpened():
            raise PictureError(f"camera {index} cannot be opened. Plug it in, allow its use, or try another number.")
        start_s, number = time.monotonic(), 0
        while (got := camera.read())[0]:
            yield Frame(np.asarray(got[1]), number, time.monotonic() - start_s)
            number += 1
        if number == 0:
            raise PictureError(f"camera {index} gives no picture. Close other programs that use it.")
    finally:
        camera.release()
