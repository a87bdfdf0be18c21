"""The face on the head's screen: a few parameters, and the picture they make.

The page draws the same geometry on a canvas: both read it from `assets/web/face.json`, and the table at the top of
`assets/web/face.js` describes it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np


@dataclass(frozen=True)
class FaceParameters:
    """Parameters of the face on the screen; numbers without unit, the page draws the same ones.

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

_GEOMETRY = Path(__file__).resolve().parents[1] / "assets" / "web" / "face.json"
_SHIFT = 4  # OpenCV draws with fixed-point coordinates: 4 bits behind the point


@lru_cache(maxsize=1)
def _geometry() -> SimpleNamespace:
    """The parts of a face: places and sizes in u (see `_Pen`), colours as "#rrggbb"."""
    parts: SimpleNamespace = json.loads(_GEOMETRY.read_text("utf-8"), object_hook=lambda part: SimpleNamespace(**part))
    return parts


class _Pen:
    """Draws in units of u = min(height, 0.75 width) about the centre of the picture, y down."""

    def __init__(self, width: int, height: int) -> None:
        self.unit = min(height, 0.75 * width)
        self.center = np.array([width / 2, height / 2])
        self.image = np.full((height, width, 3), _rgb(_geometry().background), np.uint8)

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
    pen, g = _Pen(width, height), _geometry()
    blush = _mix_color(g.background, g.cheek.color, g.cheek.share * face.blush)
    for side in (-1.0, 1.0):
        pen.ellipse(g.cheek.x * side, g.cheek.y, g.cheek.rx, g.cheek.ry, blush)
        _draw_eye(pen, side, face)
    for side in (-1.0, 1.0):
        x, y, tilt = g.eye.x * side, g.brow.y - g.brow.rise * face.brow_height, g.brow.tilt * face.brow_angle
        brow = [(x - g.brow.x * side, y + tilt), (x, y - g.brow.bend), (x + g.brow.x * side, y - tilt)]
        pen.polyline(brow, g.brow.width, face.color)
    _draw_mouth(pen, face)
    return pen.image


def _draw_eye(pen: _Pen, side: float, face: FaceParameters) -> None:
    g = _geometry()
    x, y, ry = g.eye.x * side, g.eye.y, max(g.eye.least_ry, g.eye.ry * face.eye_open)
    pen.ellipse(x, y, g.eye.rx, ry, face.color)
    pupil = (x + g.pupil.shift * face.pupil_x, y - g.pupil.shift * face.pupil_y)
    if face.eye_open > g.pupil.above:
        pen.ellipse(*pupil, g.pupil.rx, min(g.pupil.ry, g.pupil.share_ry * ry), g.background)
    if face.eye_open > g.glint.above:
        pen.ellipse(pupil[0] + g.glint.x, pupil[1] + g.glint.y, g.glint.r, g.glint.r, g.glint.color)
    if face.smile > 0:
        pen.ellipse(x, y + g.lower_lid.y - g.lower_lid.rise * face.smile, g.lower_lid.rx, g.lower_lid.ry, g.background)
    lid = g.upper_lid
    inner, outer = x - lid.x * side, x + lid.x * side
    lid_in = lid.y + lid.drop * max(0.0, face.brow_angle)
    lid_out = lid.y + lid.drop * max(0.0, -face.brow_angle)
    pen.polygon([(inner, lid_in), (outer, lid_out), (outer, lid.top), (inner, lid.top)], g.background)


def _draw_mouth(pen: _Pen, face: FaceParameters) -> None:
    g = _geometry()
    mouth, t = g.mouth, np.linspace(-1, 1, g.mouth.points)
    lip = mouth.y + mouth.curve * face.smile * (1 - 2 * t**2) - mouth.dip * (1 - np.abs(t)) ** 2
    lower = lip + mouth.open * face.mouth_open * (1 - t**2)
    upper_line = list(zip(mouth.x * t, lip, strict=True))
    lower_line = list(zip(mouth.x * t, lower, strict=True))
    middle = float(lip[mouth.points // 2])
    pen.ellipse(0, g.nose.y, g.nose.rx, g.nose.ry, face.color)
    pen.polyline([(0, g.bridge.y), (0, middle)], g.bridge.width, face.color)
    pen.polygon(upper_line + lower_line[::-1], _mix_color(g.background, face.color, mouth.share))
    if face.mouth_open > g.tongue.above:
        low = middle + g.tongue.y * face.mouth_open
        pen.ellipse(0, low, g.tongue.rx, g.tongue.ry * face.mouth_open, g.tongue.color)
    pen.polyline(upper_line, g.lips.width, face.color)
    if face.mouth_open > g.lips.above:
        pen.polyline(lower_line, g.lips.width, face.color)
