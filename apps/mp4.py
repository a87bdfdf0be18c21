"""Writing MP4 files (H.264 and AAC) so that a film of before is not lost to a run that breaks off."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from geometry.files import whole
from robots.io import check_writable

AUDIO_HZ = 16000
PAPER, INK = (247, 243, 236), (52, 48, 44)
"""RGB colours of what is drawn beside a picture, and of the words on it."""


class VideoError(RuntimeError):
    """The video cannot be written; the message says where and why."""


class Film:
    """A film that is being written."""

    def __init__(self, container: Any, size: tuple[int, int], frames_hz: int, sound: bool) -> None:
        self._container = container
        self._video = container.add_stream("libx264", rate=frames_hz, options={"crf": "23", "preset": "veryfast"})
        self._video.width, self._video.height, self._video.pix_fmt = *size, "yuv420p"
        self._audio: Any = None
        if sound:
            self._audio = container.add_stream("aac", rate=AUDIO_HZ)
            self._audio.layout = "mono"

    def add(self, picture: np.ndarray) -> None:
        """Append a frame (height, width, 3) uint8 RGB."""
        import av

        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        self._container.mux(self._video.encode(frame))

    def end(self, samples: np.ndarray | None = None) -> None:
        """No more frames; lay (N,) float32 samples at 16 kHz under the film."""
        self._container.mux(self._video.encode(None))
        if samples is not None and self._audio is not None:
            self._write_sound(samples)

    def _write_sound(self, samples: np.ndarray) -> None:
        import av

        block = 1024
        for start in range(0, len(samples), block):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + block], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = AUDIO_HZ, start, Fraction(1, AUDIO_HZ)
            self._container.mux(self._audio.encode(frame))
        self._container.mux(self._audio.encode(None))


def write(
    image: np.ndarray, text: str, place: tuple[int, int], size: float = 0.42, color: tuple[int, int, int] = INK
) -> None:
    """Write words into a picture (height, width, 3) uint8 RGB; `place` is their lower left corner (x, y)."""
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, color, 1, cv2.LINE_AA)


def check_film(path: Path | None) -> None:
    """Find out before the work whether a film can be written there; None is fine.

    Raises:
        ValueError: the name promises another kind of file than MP4.
        OSError: the place is a folder, a device or a pipe, or its folder cannot be written.
    """
    check_writable(path)
    if path is not None and path.suffix.lower() != ".mp4":
        raise ValueError(f"{path} came for a film; films are MP4: call it {path.with_suffix('.mp4').name}")


@contextlib.contextmanager
def filming(path: Path, size: tuple[int, int], frames_hz: int, sound: bool = False) -> Iterator[Film]:
    """Write a film of `size` (width, height) beside its place, and move it there when it is whole.

    Raises:
        VideoError: the file cannot be written.
    """
    import av

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            whole(path) as draft,
            av.open(str(draft), "w", format="mp4", options={"movflags": "faststart"}) as container,
        ):
            yield Film(container, size, frames_hz, sound)
    except (OSError, av.FFmpegError) as problem:
        raise VideoError(
            f"cannot write the video {path}: {problem}. Is the folder writable and the disk not full?"
        ) from problem
