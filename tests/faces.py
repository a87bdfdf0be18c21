"""Faces without photographs: drawn ones for what a network sees, and stand-ins for detector and network."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from perception.face import weights
from perception.face.detector import CROP, TEMPLATE, Face
from perception.face.model import CLASSES
from perception.face.network import FaceNetwork, NetworkConfig
from perception.face.pictures import as_bgr

SMALL = NetworkConfig(widths=(8, 8, 18), blocks=(0, 0, 1))


def drawn_face(width: int = 200, height: int = 200, mouth: int = 20) -> np.ndarray:
    """A face drawn with circles that YuNet takes for one, BGR (height, width, 3); `mouth` bends it."""
    s = min(width, height) / 200
    out = np.full((height, width, 3), 170, np.uint8)
    cx, cy = width // 2, height // 2

    def at(x: float, y: float) -> tuple[int, int]:
        return int(cx + x * s), int(cy + y * s)

    def size(*values: float) -> tuple[int, ...]:
        return tuple(max(1, int(v * s)) for v in values)

    cv2.ellipse(out, at(0, -22), size(66, 70), 0, 0, 360, (40, 50, 70), -1)
    cv2.ellipse(out, at(0, 0), size(55, 72), 0, 0, 360, (150, 175, 215), -1)
    for side in (-1, 1):
        cv2.ellipse(out, at(24 * side, -18), size(12, 7), 0, 0, 360, (245, 245, 245), -1)
        cv2.circle(out, at(24 * side, -18), size(6)[0], (40, 40, 30), -1)
        cv2.ellipse(out, at(24 * side, -34), size(16, 5), 0, 180, 360, (40, 50, 60), size(4)[0])
    cv2.ellipse(out, at(0, 8), size(8, 14), 0, 0, 180, (90, 110, 150), size(3)[0])
    cv2.ellipse(out, at(0, 34), size(24, abs(mouth) / 2 + 1), 0, 0, 360, (70, 60, 150), -1)
    return cv2.GaussianBlur(out, (0, 0), max(0.8, 1.5 * s))


def crops(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Crops (n, 48, 48) that a small network can tell apart: each class is a bar in its own place."""
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % len(CLASSES)
    pictures = rng.integers(90, 150, (n, CROP, CROP)).astype(np.uint8)
    for picture, target in zip(pictures, targets, strict=True):
        # Mirror images keep their meaning: the bars lie across.
        picture[4 + 6 * target : 8 + 6 * target, 4:44] = 230
    return pictures, targets


def fake_weights(folder: Path) -> Path:
    """A weights folder of an untrained small network."""
    network = FaceNetwork(SMALL)
    network.initialise(torch.Generator().manual_seed(0))
    weights.save(folder, weights.Stored(network.eval(), 1.5), {}, "a card")
    return folder


class ScriptedDetector:
    """Finds in each picture the boxes that a test tells it to, with landmarks where FER2013 has them."""

    def __init__(self, script: list[list[tuple[float, float, float, float]]]) -> None:
        self.script = list(script)

    def detect(self, picture: np.ndarray) -> list[Face]:
        as_bgr(picture)
        boxes = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return sorted((face_at(box) for box in boxes), key=lambda face: -face.area)


def face_at(box: tuple[float, float, float, float]) -> Face:
    """A face in a box whose landmarks lie as they do in a crop."""
    x, y, width, _ = box
    return Face(box, (TEMPLATE - [5.5, 0.0]) * width / 37.0 + [x, y], 0.9)


class ScriptedModel:
    """Says what a test tells it to: one class after the other, surely."""

    def __init__(self, labels: list[str]) -> None:
        self.labels, self.asked = list(labels), 0

    def logits(self, crops: np.ndarray) -> np.ndarray:
        label = self.labels[min(self.asked, len(self.labels) - 1)]
        self.asked += 1
        out = np.zeros((len(crops), len(CLASSES)))
        out[:, CLASSES.index(label)] = 6.0
        return out
