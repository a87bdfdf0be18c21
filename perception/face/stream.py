"""Live estimates: push frames as they come, get an estimate of the person in front, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from scipy.special import softmax

from perception.emotion import EmotionEstimate
from perception.face.detector import Face, FaceDetector, align, sharpness
from perception.face.model import CLASSES, to_labels
from perception.face.pictures import as_bgr
from perception.face.videos import Frame


class LogitModel(Protocol):
    """Gives the logits that the stream needs; `FaceEmotionModel` is one."""

    def logits(self, crops: np.ndarray) -> np.ndarray:
        """Calibrated logits (B, 7) of crops (B, 48, 48) uint8."""
        ...


@dataclass(frozen=True)
class StreamConfig:
    """When a face is judged, how much it is trusted, and how it is followed."""

    smoothing_s: float = 0.3
    """Time constant of the average over time; 0 judges each frame for itself."""
    least_width_px: float = 16.0
    """Faces narrower than this in the frame are not judged."""
    sure_width_px: float = 32.0
    """Faces this wide are trusted fully: the network sees 37 of 48 pixels of a face, and half of them still do."""
    least_sharpness: float = 0.01
    """Faces less sharp are not judged: about a blur of 2 pixels of 48, see `detector.sharpness`."""
    sure_sharpness: float = 0.06
    """Faces this sharp are trusted fully: about a blur of 1 pixel of 48."""
    lost_s: float = 1.0
    """A face that is gone for longer is forgotten; until then no smaller one takes its place."""
    switch_ratio: float = 2.0
    """Another face is followed at once when its area is so many times that of the followed one."""

    def __post_init__(self) -> None:
        fits = 0.0 <= self.smoothing_s <= 60.0 and 0.0 <= self.lost_s <= 60.0 and 1.0 <= self.switch_ratio <= 100.0
        if not fits:
            raise ValueError(f"{self} came; allowed are smoothing_s and lost_s 0 to 60 s, and switch_ratio 1 to 100.")
        pairs = ((self.least_width_px, self.sure_width_px), (self.least_sharpness, self.sure_sharpness))
        if not all(0.0 < least < sure < 1e5 for least, sure in pairs):
            raise ValueError(f"{self} came; each least must be more than 0 and less than its sure.")


class FaceReading(NamedTuple):
    """Reading of one frame.

    Attributes:
        time_s: time of the frame.
        estimate: the emotion, or None: then `reason` says why.
        reason: "", "no face", "too small", "blurred" (or nearly one colour), or "turned away".
        face: the face that is followed, in pixels of the frame, or None.
        faces: how many faces were found.
        sharpness: of the crop, see `detector.sharpness`; 0 without a face.
        reliability: [0, 1]; below 1 the estimate is shrunk towards "every label alike".
        person: counts the faces that were followed so far, from 1; 0 before the first.
    """

    time_s: float
    estimate: EmotionEstimate | None
    reason: str
    face: Face | None
    faces: int
    sharpness: float
    reliability: float
    person: int


class FaceStream:
    """Estimates of the person in front of one camera.

    The largest face is followed over time and its estimates are smoothed; memory does not grow.

    >>> stream = FaceStream(FaceEmotionModel.load(), FaceDetector())  # doctest: +SKIP
    >>> reading = stream.push(frame, time_s)  # doctest: +SKIP
    >>> print(reading.estimate.label if reading.estimate else reading.reason)  # doctest: +SKIP
    """

    def __init__(
        self,
        model: LogitModel,
        detector: FaceDetector,
        config: StreamConfig = StreamConfig(),
        source: str = "face",
    ) -> None:
        """Start with nobody in sight; `source` is the name carried by the estimates."""
        self._model, self._detector, self.config, self._source = model, detector, config, source
        self.reset()

    def reset(self) -> None:
        """Forget everybody and start at any time."""
        self._followed: Face | None = None
        self._seen_s = self._judged_s = -np.inf
        self._last_s = -np.inf
        self._smooth: np.ndarray | None = None
        self._person = 0

    def push(self, picture: np.ndarray, time_s: float) -> FaceReading:
        """Judge one frame.

        Args:
            picture: BGR (H, W, 3) uint8, or what else `as_bgr` takes.
            time_s: its time in seconds; never less than that of the frame before.

        Raises:
            PictureError: shape, type or values are not those of a picture.
            ValueError: the time is no finite number, or runs back.
        """
        if not np.isfinite(time_s) or time_s < self._last_s:
            raise ValueError(
                f"a frame at {time_s} s came after one at {self._last_s:g} s; times must be finite and in order. Call "
                "reset() before another video."
            )
        bgr = as_bgr(picture, "the frame")
        faces = self._detector.detect(bgr)
        self._last_s = float(time_s)
        face = self._follow(faces, time_s)
        if face is None:
            return FaceReading(float(time_s), None, "no face", None, len(faces), 0.0, 0.0, self._person)
        return self._read(bgr, face, len(faces), float(time_s))

    def run(self, frames: Iterable[Frame]) -> Iterator[FaceReading]:
        """Judge the frames of a video or a camera, one reading for each."""
        for frame in frames:
            yield self.push(frame.picture, frame.time_s)

    def _follow(self, faces: list[Face], time_s: float) -> Face | None:
        """Choose the face to judge: the followed one while it is there, else the largest, once that one is lost."""
        if self._followed is not None and time_s - self._seen_s > self.config.lost_s:
            self._followed = None
        before = self._followed
        if not faces:
            return None
        largest = faces[0]
        if before is None:
            return self._take(largest, time_s, another=True)
        overlap = max(faces, key=lambda face: intersection_over_union(face.box, before.box))
        same = intersection_over_union(overlap.box, before.box) > 0.1
        if same and largest.area <= self.config.switch_ratio * overlap.area:
            return self._take(overlap, time_s, another=False)
        if same or largest.area >= before.area:
            return self._take(largest, time_s, another=True)
        return None

    def _take(self, face: Face, time_s: float, another: bool) -> Face:
        if another:
            self._person += 1
            self._smooth = None
        self._followed, self._seen_s = face, time_s
        return face

    def _read(self, bgr: np.ndarray, face: Face, faces: int, time_s: float) -> FaceReading:
        crop = align(bgr, face.landmarks)
        detail = 0.0 if crop is None else sharpness(crop)
        reason, trust = self._trust(face, crop, detail)
        if crop is None or reason:
            return FaceReading(time_s, None, reason, face, faces, detail, 0.0, self._person)
        logits = self._average(self._model.logits(crop[None])[0], time_s, trust)
        probabilities = shrink_to_uniform(softmax(logits, axis=-1), trust)
        estimate = EmotionEstimate.from_probabilities(to_labels(probabilities), time_s, self._source)
        return FaceReading(time_s, estimate, "", face, faces, detail, trust, self._person)

    def _trust(self, face: Face, crop: np.ndarray | None, detail: float) -> tuple[str, float]:
        """Say why a face is not judged, or how far it is trusted: (reason, reliability)."""
        c = self.config
        if face.width < c.least_width_px:
            return "too small", 0.0
        if crop is None or is_turned(face.landmarks):
            return "turned away", 0.0
        if detail < c.least_sharpness:
            return "blurred", 0.0
        return "", reliability(face.width, detail, c)

    def _average(self, logits: np.ndarray, time_s: float, trust: float) -> np.ndarray:
        """Average over time; what is trusted little moves the average little."""
        tau = self.config.smoothing_s
        if self._smooth is None or tau == 0.0 or time_s - self._judged_s > self.config.lost_s:
            self._smooth = logits
        else:
            # The first frame at a time moves the average as far as one at 100 Hz: several cameras tell whole seconds.
            share = 1.0 - np.exp(-max(time_s - self._judged_s, 0.01) / tau)
            self._smooth = self._smooth + trust * share * (logits - self._smooth)
        self._judged_s = time_s
        return self._smooth


def reliability(width_px: float, detail: float, config: StreamConfig) -> float:
    """Weigh a face by its width in the frame and the sharpness of its crop: 0, not trusted, to 1."""
    size = (width_px - config.least_width_px) / (config.sure_width_px - config.least_width_px)
    least, sure = config.least_sharpness, config.sure_sharpness
    sharp = np.log(max(detail, 1e-9) / least) / np.log(sure / least)
    return float(np.clip(size, 0.0, 1.0) * np.clip(sharp, 0.0, 1.0))


def shrink_to_uniform(probabilities: np.ndarray, trust: float | np.ndarray) -> np.ndarray:
    """Mix probabilities (..., 7) over `CLASSES` with the uniform ones, as far as they are not trusted."""
    out: np.ndarray = trust * probabilities + (1.0 - trust) / len(CLASSES)
    return out


def is_turned(landmarks: np.ndarray) -> bool:
    """Tell whether a head is turned until its nose is not between its eyes, along their line; (5, 2) pixels."""
    left, right, nose = landmarks[:3]
    along = right - left
    length = float(along @ along)
    if length < 1e-9:
        return True
    return not 0.0 < float((nose - left) @ along) / length < 1.0


def intersection_over_union(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Overlap of two boxes (x, y, width, height): their common area over that of both together."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(width, 0.0) * max(height, 0.0)
    return common / (a[2] * a[3] + b[2] * b[3] - common)
