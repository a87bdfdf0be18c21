"""The face on the head's screen: a few parameters, and the picture they make.

The page draws the same geometry on a canvas; the table at the top of `assets/web/face.js` describes it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import cv2
import numpy as np


@dataclass(frozen=True)
class FaceParameters:
    """What the screen shows; numbers without unit, the page draws the same ones.

    `brow_angle` runs from -1 (inner ends up: sad, worried) to +1 (inner ends down: angry), `smile` from -1 to +1,
    `pupil_x` and `pupil_y` from -1 to +1 (the dog's left, up), the rest from 0; `eye_open` above 1 is wide-eyed.
    """

    eye_open: float = 1.0
    pupil_x: float = 0.0
    pupil_y: float = 0.0
    brow_angle: float = 0.0
    brow_height: float = 0.0
    smile: float = 0.1
    mouth_open: float = 0.0
    blush: float = 0.0
    color: str = "#7fe3d4"

    def toward(self, other: FaceParameters, share: float) -> FaceParameters:
        """Return the face that is `share` (0..1) of the way to another."""
        mixed: dict[str, Any] = {}
        for item in fields(self):
            here, there = getattr(self, item.name), getattr(other, item.name)
            mixed[item.name] = _mix_color(here, there, share) if item.name == "color" else here + (there - here) * share
        return FaceParameters(**mixed)

    def as_json(self) -> dict[str, Any]:
        """Return the parameters as the page wants them, rounded to what the eye can see."""
        return {key: value if isinstance(value, str) else round(value, 3) for key, value in asdict(self).items()}


def _mix_color(here: str, there: str, share: float) -> str:
    pairs = ((int(here[i : i + 2], 16), int(there[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


FACES: dict[str, FaceParameters] = {
    "neutral": FaceParameters(),
    "attentive": FaceParameters(eye_open=1.1, brow_height=0.4, smile=0.15, pupil_y=0.2),
    "joyful": FaceParameters(1.0, 0, 0.1, -0.1, 0.5, smile=1.0, mouth_open=0.6, blush=0.7, color="#ffd166"),
    "content": FaceParameters(0.65, 0, 0, -0.1, 0.1, smile=0.55, blush=0.3, color="#9be8a4"),
    "concerned": FaceParameters(0.8, 0, 0.25, -0.8, 0.3, smile=-0.35, color="#8fb8ff"),
    "submissive": FaceParameters(0.6, 0.6, -0.6, -0.6, -0.1, smile=-0.2, color="#b9a6ff"),
    "protective": FaceParameters(1.0, 0, 0, 0.45, -0.1, smile=-0.1, color="#ff9f6b"),
    "startled": FaceParameters(1.3, 0, 0, -0.2, 1.0, smile=0.0, mouth_open=0.5, color="#f4f1de"),
    "disgusted": FaceParameters(0.5, -0.4, -0.3, 0.3, -0.3, smile=-0.6, color="#b5c96a"),
    "puzzled": FaceParameters(1.0, 0.3, 0.4, -0.3, 0.5, smile=0.0, color="#c9d6df"),
}

_BACKGROUND, _BLUSH, _TONGUE, _GLINT = "#12151c", "#ff8a9a", "#f0788c", "#ffffff"
_EYE_X, _EYE_Y = 0.28, -0.05
_SHIFT = 4  # OpenCV draws with fixed-point coordinates: 4 bits behind the point


class _Pen:
    """Draws in units of u = min(height, 0.75 width) about the centre of the picture, y down."""

    def __init__(self, width: int, height: int) -> None:
        self.unit = min(height, 0.75 * width)
        self.center = np.array([width / 2, height / 2])
        self.image = np.full((height, width, 3), _rgb(_BACKGROUND), np.uint8)

    def _points(self, points: list[tuple[float, float]]) -> np.ndarray:
        return np.round((np.array(points) * self.unit + self.center) * 2**_SHIFT).astype(np.int32)

    def ellipse(self, cx: float, cy: float, rx: float, ry: float, color: str) -> None:
        angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        self.polygon([(cx + rx * np.cos(a), cy + ry * np.sin(a)) for a in angles], color)

    def polygon(self, points: list[tuple[float, float]], color: str) -> None:
        cv2.fillPoly(self.image, [self._points(points)], _rgb(color), cv2.LINE_AA, _SHIFT)

    def polyline(self, points: list[tuple[float, float]], width: float, color: str) -> None:
        thickness = max(1, round(width * self.unit))
        cv2.polylines(self.image, [self._points(points)], False, _rgb(color), thickness, cv2.LINE_AA, _SHIFT)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def draw_face(face: FaceParameters, width: int = 320, height: int = 240) -> np.ndarray:
    """Draw a face: (height, width, 3) uint8 RGB."""
    pen = _Pen(width, height)
    for side in (-1.0, 1.0):
        pen.ellipse(0.47 * side, 0.17, 0.095, 0.052, _mix_color(_BACKGROUND, _BLUSH, 0.6 * face.blush))
        _draw_eye(pen, side, face)
    for side in (-1.0, 1.0):
        x, y, tilt = _EYE_X * side, -0.335 - 0.05 * face.brow_height, 0.065 * face.brow_angle
        brow = [(x - 0.13 * side, y + tilt), (x, y - 0.018), (x + 0.13 * side, y - tilt)]
        pen.polyline(brow, 0.042, face.color)
    _draw_mouth(pen, face)
    return pen.image


def _draw_eye(pen: _Pen, side: float, face: FaceParameters) -> None:
    x, ry = _EYE_X * side, max(0.014, 0.17 * face.eye_open)
    pen.ellipse(x, _EYE_Y, 0.135, ry, face.color)
    pupil = (x + 0.055 * face.pupil_x, _EYE_Y - 0.055 * face.pupil_y)
    if face.eye_open > 0.2:
        pen.ellipse(*pupil, 0.064, min(0.08, 0.75 * ry), _BACKGROUND)
    if face.eye_open > 0.5:
        pen.ellipse(pupil[0] + 0.022, pupil[1] - 0.028, 0.017, 0.017, _GLINT)
    if face.smile > 0:
        pen.ellipse(x, _EYE_Y + 0.36 - 0.13 * face.smile, 0.21, 0.16, _BACKGROUND)
    inner, outer = x - 0.17 * side, x + 0.17 * side
    lid_in = -0.30 + 0.17 * max(0.0, face.brow_angle)
    lid_out = -0.30 + 0.17 * max(0.0, -face.brow_angle)
    pen.polygon([(inner, lid_in), (outer, lid_out), (outer, -0.42), (inner, -0.42)], _BACKGROUND)


def _draw_mouth(pen: _Pen, face: FaceParameters) -> None:
    t = np.linspace(-1, 1, 17)
    lip = 0.26 + 0.075 * face.smile * (1 - 2 * t**2) - 0.035 * (1 - np.abs(t)) ** 2
    lower = lip + 0.2 * face.mouth_open * (1 - t**2)
    upper_line = list(zip(0.2 * t, lip, strict=True))
    lower_line = list(zip(0.2 * t, lower, strict=True))
    middle = float(lip[8])
    pen.ellipse(0, 0.125, 0.056, 0.036, face.color)
    pen.polyline([(0, 0.14), (0, middle)], 0.024, face.color)
    pen.polygon(upper_line + lower_line[::-1], _mix_color(_BACKGROUND, face.color, 0.38))
    if face.mouth_open > 0.2:
        pen.ellipse(0, middle + 0.14 * face.mouth_open, 0.075, 0.052 * face.mouth_open, _TONGUE)
    pen.polyline(upper_line, 0.032, face.color)
    if face.mouth_open > 0.05:
        pen.polyline(lower_line, 0.032, face.color)
