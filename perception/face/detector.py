"""Faces in a picture, and the crop of a face that the network was trained to see.

YuNet (Wu, Peng & Yu 2023, "YuNet: a tiny millisecond-level face detector", Machine Intelligence Research 20, 656-665)
finds faces with five landmarks. A similarity transform lays the landmarks on those of an average FER2013 picture, so
that a face from any camera has the place and the size in its crop that the faces of the training pictures have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from perception.face.pictures import as_bgr

_WEIGHTS = Path(__file__).resolve().parents[2] / "assets" / "weights"
DEFAULT_WEIGHTS = _WEIGHTS / "yunet" / "face_detection_yunet_2026may.onnx"
_SHA256 = "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0"
CROP = 48  # side of a FER2013 picture, pixels
# Eyes, tip of the nose, corners of the mouth, each left one first as seen in the picture; x, y in pixels of the crop.
# Medians of 3,358 FER2013 Training pictures in which YuNet finds a face (of 4,000 drawn; enlarged three times) and of
# their mirror images. One of them stands off this by 3.3 pixels across, 2.7 down, 5.6 degrees, and a factor of 1.2.
TEMPLATE = np.array([[14.75, 18.48], [32.25, 18.48], [23.5, 27.94], [16.67, 35.79], [30.33, 35.79]])
MOST_FACES = 50
_LEAST_INPUT = 16  # the net sees nothing in less, and its feature maps vanish
_MOST_SUPERSAMPLING = 8


class Face(NamedTuple):
    """One face: `box` x, y, width, height in pixels, five `landmarks` (5, 2) in pixels, `score` in [0, 1]."""

    box: tuple[float, float, float, float]
    landmarks: np.ndarray
    score: float

    @property
    def width(self) -> float:
        """Width of the box in pixels."""
        return self.box[2]

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return self.box[2] * self.box[3]


class FaceDetector:
    """YuNet on a picture scaled down to `most_side`. One call at a time."""

    def __init__(self, weights: Path | str = DEFAULT_WEIGHTS, most_side: int = 320, least_score: float = 0.6) -> None:
        """Load the detector.

        Args:
            weights: the ONNX file, wherever it lies. Only the very file of the release is taken: another one can end
                the process, by a division by zero within OpenCV.
            most_side: the longer side of the picture is scaled down to this many pixels. Faces smaller than about 10
                pixels after that are not found; 320 takes 4 ms on one core, 640 about 18 ms.
            least_score: faces scored less are not reported, [0, 1].

        Raises:
            ValueError: a number out of range, or the file is missing or another.
        """
        import cv2

        if not _LEAST_INPUT <= most_side <= 4096 or not 0.0 <= least_score <= 1.0:
            raise ValueError(
                f"most_side {most_side} and least_score {least_score} came; allowed are {_LEAST_INPUT} to 4096 and 0 "
                "to 1."
            )
        weights = Path(weights)
        if not weights.is_file():
            raise ValueError(f"{weights} is missing; expected the YuNet detector. Restore it from the release.")
        if hashlib.sha256(weights.read_bytes()).hexdigest() != _SHA256:
            raise ValueError(f"{weights} is damaged or no face detector of ours. Restore it from the release.")
        self.most_side = most_side
        with _quiet():
            self._net = cv2.FaceDetectorYN.create(
                str(weights), "", (most_side, most_side), least_score, 0.3, MOST_FACES * 4
            )

    def detect(self, picture: np.ndarray) -> list[Face]:
        """Find the faces in a picture, the largest first; at most 50.

        Args:
            picture: (H, W) or BGR (H, W, 3) uint8, or what else `as_bgr` takes. One of 1 x 1 pixel has no face.

        Raises:
            PictureError: shape, type or values are not those of a picture.
        """
        import cv2

        bgr = as_bgr(picture)
        scale = min(1.0, self.most_side / max(bgr.shape[:2]))
        width, height = round(bgr.shape[1] * scale), round(bgr.shape[0] * scale)
        if min(width, height) < _LEAST_INPUT:
            return []
        small = bgr if scale == 1.0 else cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
        with _quiet():
            self._net.setInputSize((width, height))
            _, rows = self._net.detect(small)
        if rows is None:
            return []
        faces = [_face(row, scale) for row in np.asarray(rows, np.float64) if np.isfinite(row).all()]
        faces = [face for face in faces if face.box[2] > 1.0 and face.box[3] > 1.0]
        return sorted(faces, key=lambda face: -face.area)[:MOST_FACES]


def _face(row: np.ndarray, scale: float) -> Face:
    x, y, width, height = (row[:4] / scale).tolist()
    # YuNet begins with the person's right eye, which is the left one in the picture: the order of TEMPLATE.
    return Face((x, y, width, height), row[4:14].reshape(5, 2) / scale, float(min(max(row[14], 0.0), 1.0)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep OpenCV from warning on stderr that its engine ignores a target which nobody set."""
    import cv2

    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def similarity(points: np.ndarray, targets: np.ndarray) -> np.ndarray | None:
    """Least-squares turn, scale and shift, (2, 3), that takes points (K, 2) to targets (K, 2); no mirror image.

    In complex numbers it is one ratio: Umeyama 1991, IEEE TPAMI 13(4), for two dimensions. None where the points are
    one and the same, so spread that they shrink to nothing, or not finite.
    """
    if not np.isfinite(points).all():
        return None
    p, q = points[:, 0] + 1j * points[:, 1], targets[:, 0] + 1j * targets[:, 1]
    dp, dq = p - p.mean(), q - q.mean()
    spread = float((np.abs(dp) ** 2).sum())
    if spread < 1e-6:
        return None
    a = complex((dp.conj() * dq).sum() / spread)
    if not 1e-4 < abs(a) < 1e4:
        return None
    b = complex(q.mean() - a * p.mean())
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def align(picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
    """Cut a face out as a FER2013 picture would show it: grey (48, 48) uint8.

    Args:
        picture: anything that `as_bgr` takes.
        landmarks: (5, 2) pixels, in the order of `TEMPLATE`.

    Returns:
        The crop, borders repeated where it reaches beyond the picture; None where the landmarks are no face.

    Raises:
        PictureError: shape, type or values are not those of a picture.
        ValueError: not five landmarks.
    """
    import cv2

    bgr, places = as_bgr(picture), np.asarray(landmarks, np.float64)
    if places.shape != (5, 2):
        raise ValueError(f"landmarks of shape {places.shape} came; expected (5, 2): eyes, nose, corners of the mouth.")
    matrix = similarity(places, TEMPLATE)
    if matrix is None:
        return None
    # A large face is drawn larger first and then averaged down, or its fine texture would turn into false edges.
    shrink = 1.0 / float(np.hypot(matrix[0, 0], matrix[1, 0]))
    times = int(np.clip(np.ceil(shrink), 1, _MOST_SUPERSAMPLING))
    larger = matrix * times
    larger[:, 2] += (times - 1) / 2.0  # the middle of a pixel becomes the middle of its times x times pixels
    drawn = cv2.warpAffine(
        bgr, larger, (CROP * times, CROP * times), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    grey = cv2.cvtColor(drawn, cv2.COLOR_BGR2GRAY)
    return np.asarray(grey if times == 1 else cv2.resize(grey, (CROP, CROP), interpolation=cv2.INTER_AREA))


def sharpness(crop: np.ndarray) -> float:
    """Share of fine detail in a crop (48, 48): variance of its Laplacian over its own variance, independent of light.

    On FER2013 Training pictures the median is 0.89 (5 to 95 %: 0.41 to 1.9); blurred by 1 pixel 0.065, by 2 pixels
    0.010; enlarged from 24 x 24 0.08, from 12 x 12 0.018. A picture of nearly one colour (deviation below 4 of 255,
    where the steps of brightness themselves would pass for detail) has 0.
    """
    import cv2

    grey = np.asarray(crop, np.float32)
    variance = float(grey.var())
    if variance < 16.0:
        return 0.0
    return float(np.asarray(cv2.Laplacian(grey, cv2.CV_32F))[2:-2, 2:-2].var()) / variance
