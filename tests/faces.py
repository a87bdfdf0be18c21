"""Faces without photographs: drawn ones for what a network sees, and stand-ins for detector and network."""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from pathlib import Path

import av
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


def write_video(path: Path, frames: list[np.ndarray], rate: int = 25, codec: str = "mpeg4") -> Path:
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        if codec == "libx265":  # which would tell the time of a single frame wrong now and then
            stream.options = {"x265-params": "bframes=0:log-level=none"}
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            for packet in stream.encode(frame):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    if codec == "libsvtav1" and hasattr(os, "sched_setscheduler"):
        # Run by root, it leaves its whole process first on the machine, in real time: nothing else would get on.
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return path


def write_heif(
    path: Path, tiles: list[np.ndarray], columns: int = 1, size: tuple[int, int] | None = None, *turns: bytes
) -> Path:
    """Write a HEIC or AVIF, after the ending, whose picture is a grid of equal tiles (H, W, 3), or one: ISO 23008-12.

    `size` (width, height) is what is shown of the grid; `turns` are properties of the whole picture.
    """
    codec, kind, setup = ("libsvtav1", b"av01", b"av1C") if path.suffix == ".avif" else ("libx265", b"hvc1", b"hvcC")
    data = []
    for number, tile in enumerate(tiles):
        whole = write_video(path.with_suffix(f".{number}.mp4"), [tile], codec=codec)
        with av.open(str(whole)) as file:
            coding = bytes(file.streams.video[0].codec_context.extradata or b"")
            data += [bytes(packet) for packet in file.demux() if packet.size]
    count, (height, width) = len(tiles), tiles[0].shape[:2]
    size = size or (width, height)
    shown = count + 1 if count > 1 else 1
    kinds = [kind] * count + [b"grid"] * (count > 1)
    grid = struct.pack(">4B2H", 0, 0, count // columns - 1, columns - 1, *size)
    ids = range(1, len(kinds) + 1)
    named = [
        _box(b"infe", b"\2\0\0\0", struct.pack(">2H", i, 0), kind, b"\0") for i, kind in zip(ids, kinds, strict=True)
    ]
    of_size = (_full(b"ispe", struct.pack(">2I", *shape)) for shape in ((width, height), size))
    of_whole = bytes(range(4, 4 + len(turns)))
    kept = []
    for i in ids:
        mine = (bytes((0x81, 2)) if i <= count else b"\3") + (of_whole if i == shown else b"")
        kept.append(struct.pack(">HB", i, len(mine)) + mine)
    properties = _box(
        b"iprp",
        _box(b"ipco", _box(setup, coding), *of_size, *turns),
        _full(b"ipma", struct.pack(">I", len(kept)), *kept),
    )
    made_of = _box(b"dimg", struct.pack(f">{count + 2}H", shown, count, *range(1, count + 1)))

    def meta(start: int) -> bytes:
        starts = [start + sum(map(len, data[:i])) for i in range(count)]
        places = [
            struct.pack(">4H2I", i, 0, 0, 1, at, len(part)) for i, at, part in zip(ids, starts, data, strict=False)
        ]
        if count > 1:  # the grid lies in the box of boxes, as telephones put it
            places.append(struct.pack(">4H2I", shown, 1, 0, 1, 0, len(grid)))
        return _full(
            b"meta",
            _full(b"hdlr", bytes(4), b"pict", bytes(13)),
            _full(b"pitm", struct.pack(">H", shown)),
            _full(b"iinf", struct.pack(">H", len(named)), *named),
            *([_full(b"iref", made_of), _box(b"idat", grid)] * (count > 1)),
            properties,
            _box(b"iloc", b"\1\0\0\0\x44\0", struct.pack(">H", len(places)), *places),
        )

    begin = _box(b"ftyp", path.suffix[1:].encode(), bytes(4), b"mif1")
    path.write_bytes(begin + meta(len(begin) + len(meta(0)) + 8) + _box(b"mdat", *data))
    return path


def _box(kind: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", sum(map(len, parts)) + 8, kind) + b"".join(parts)


def _full(kind: bytes, *parts: bytes) -> bytes:
    return _box(kind, bytes(4), *parts)


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
