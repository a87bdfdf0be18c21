"""Write small videos, HEICs and AVIFs, as cameras and telephones do, to try readers on."""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_video(path: Path, frames: list[np.ndarray], rate: int = 25, codec: str = "mpeg4") -> Path:
    """Write frames BGR (H, W, 3) uint8 as a video, by any encoder that PyAV brings."""
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
