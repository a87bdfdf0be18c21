"""Picture files and arrays of any kind -> 8-bit BGR, in bounded memory.

The header is read before anything is decoded: a file of a few kilobytes may declare 20,000 x 20,000 pixels, which
would take more than a gigabyte. So the header is read as the decoder reads it (libjpeg, libpng, libtiff), and where
readers could differ the file is refused. OpenCV decodes (HEIC and AVIF: `heif`); what it takes without a word although
the end is missing (JPEG) is refused here.
"""

from __future__ import annotations

import re
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np

from perception.face.heif import HeifError, decode, is_heif, read_layout

MOST_PIXELS = 50_000_000  # a 50-megapixel camera; 150 MB once decoded
MOST_SIDE = 20_000
MOST_BYTES = 200_000_000
MOST_SCANS = 100  # of a progressive JPEG, which have about ten; each costs a pass over all pixels
_LARGE_PIXELS = 8_000_000
_one_large = threading.Lock()  # 50 megapixels take up to 430 MB while they are decoded, so one at a time
SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".heic", ".heif", ".avif"))
_KNOWN = "jpeg, png, bmp, webp, tiff, heic, avif"
# JPEG markers that carry the size: all SOFn but DHT (C4), JPG (C8) and DAC (CC), ITU-T T.81 table B.1.
_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""Of a JPEG; within a scan only restarts (D0 to D7) and escaped bytes (00) follow FF."""


class PictureError(ValueError):
    """A picture cannot be used; the message says what came, what is allowed, and what to do."""


class Header(NamedTuple):
    """Header of a file: format, width and height in pixels, whether its end is there, and the scans of a JPEG."""

    kind: str
    width: int
    height: int
    complete: bool
    scans: int = 0


def read_picture(source: Path | str | bytes, label: str | None = None) -> np.ndarray:
    """Read a picture file (a path, or the content as bytes) as BGR (H, W, 3) uint8.

    Errors call it `label`, its path unless told. Grey, palette, alpha (dropped), CMYK and 16-bit pictures are
    converted; the orientation noted by cameras is applied.

    Raises:
        PictureError: nothing there, no picture in it, truncated, too large, or a format that is not read here.
    """
    import cv2

    label = label or (f"the given picture ({len(source)} bytes)" if isinstance(source, bytes) else str(source))
    content = source if isinstance(source, bytes) else _content(Path(source), label)
    header = read_header(content, label)
    check_size(header.width, header.height, label)
    if not header.complete:
        raise PictureError(f"{label} is truncated: the end of its {header.kind} data is missing. Copy it again.")
    if header.scans > MOST_SCANS:
        raise PictureError(f"{label} has {header.scans} scans; allowed are {MOST_SCANS}. Export it again.")
    try:
        with _one_large if header.width * header.height > _LARGE_PIXELS else nullcontext():
            if is_heif(content):
                return decode(content)
            picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except HeifError as error:
        raise PictureError(f"{label} {error}") from error
    except (cv2.error, MemoryError) as error:
        raise _damaged(label, header) from error
    if picture is None or picture.ndim != 3 or {*picture.shape[:2]} != {header.width, header.height}:
        raise _damaged(label, header)
    out: np.ndarray = picture
    return out


def _damaged(label: str, header: Header) -> PictureError:
    return PictureError(f"{label} is damaged: its {header.kind} data cannot be decoded. Copy or export it again.")


def _content(path: Path, label: str) -> bytes:
    if path.is_dir():
        raise PictureError(f"{label} is a folder; expected one picture ({_KNOWN}). Name a file inside it.")
    if not path.is_file():
        raise PictureError(f"{label} is missing; expected a picture ({_KNOWN}). Check the path.")
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise PictureError(f"{label} has {size} bytes; allowed are {MOST_BYTES}. Export it smaller.")
        return path.read_bytes()
    except OSError as error:
        raise PictureError(f"{label} cannot be opened ({error.strerror}). Check its permissions.") from error


def check_size(width: int, height: int, label: str) -> None:
    """Refuse pictures without pixels or with too many.

    Raises:
        PictureError: a side is 0 or more than `MOST_SIDE`, or there are more than `MOST_PIXELS` pixels.
    """
    if min(width, height) < 1 or max(width, height) > MOST_SIDE or width * height > MOST_PIXELS:
        raise PictureError(
            f"{label} has {width} x {height} pixels; allowed are 1 to {MOST_SIDE} on a side and {MOST_PIXELS:,} in "
            "all. Scale it down."
        )


def is_picture(content: bytes) -> bool:
    """Tell whether a file begins like a picture that is read here (12 bytes are enough); RIFF may be sounds too."""
    known = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*")
    return content.startswith(known) or (content.startswith(b"RIFF") and content[8:12] == b"WEBP") or is_heif(content)


def read_header(content: bytes, label: str) -> Header:
    """Read format and size from the first bytes of a file, without decoding it.

    Raises:
        PictureError: empty, or none of the formats that are read here.
    """
    if not content:
        raise PictureError(f"{label} is empty (0 bytes); expected a picture ({_KNOWN}). Copy it again.")
    if is_heif(content):
        try:
            layout = read_layout(content)
        except HeifError as error:
            raise PictureError(f"{label} {error}") from error
        return Header("avif" if content[8:12] == b"avif" else "heic", *layout.coded_size, layout.complete)
    readers = (
        (b"\xff\xd8\xff", _jpeg),
        (b"\x89PNG\r\n\x1a\n", _png),
        (b"BM", _bmp),
        (b"RIFF", _webp),
        (b"II*\0", _tiff),
        (b"MM\0*", _tiff),
    )
    for magic, reader in readers:
        if content.startswith(magic):
            header = reader(content)
            if header is not None:
                return header
            raise PictureError(f"{label} is damaged: it begins like a picture, but tells no size. Copy it again.")
    if content.startswith((b"GIF87a", b"GIF89a")):
        raise PictureError(f"{label} is a GIF; its pictures are read as a video, not as one picture. Use read_video.")
    raise PictureError(
        f"{label} cannot be read as a picture: it begins with {content[:12]!r}. Expected {_KNOWN}; convert it."
    )


def _int(content: bytes, start: int, length: int, order: str = "big") -> int:
    return int.from_bytes(content[start : start + length], "little" if order == "little" else "big")


def _png(content: bytes) -> Header | None:
    if content[12:16] != b"IHDR" or len(content) < 24:
        return None
    # The decoder makes room for what a chunk declares before it looks whether it is there.
    place = 8
    while content[place + 4 : place + 8] != b"IEND" and place < len(content):
        place += _int(content, place, 4) + 12
    return Header("png", _int(content, 16, 4), _int(content, 20, 4), content[place : place + 8] == b"\0\0\0\0IEND")


def _bmp(content: bytes) -> Header | None:
    if len(content) < 26:
        return None
    if _int(content, 14, 4, "little") == 12:
        return Header("bmp", _int(content, 18, 2, "little"), _int(content, 20, 2, "little"), True)
    height = int.from_bytes(content[22:26], "little", signed=True)
    return Header("bmp", _int(content, 18, 4, "little"), abs(height), len(content) >= _int(content, 2, 4, "little"))


def _webp(content: bytes) -> Header | None:
    """Read the three kinds of WebP (RFC 9649): lossy VP8, lossless VP8L, extended VP8X."""
    kind, complete = content[12:16], len(content) >= _int(content, 4, 4, "little") + 8
    if content[8:12] != b"WEBP" or len(content) < 30:
        return None
    if kind == b"VP8X":
        return Header("webp", _int(content, 24, 3, "little") + 1, _int(content, 27, 3, "little") + 1, complete)
    if kind == b"VP8L":
        bits = _int(content, 21, 4, "little")
        return Header("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, complete)
    if kind == b"VP8 ":
        return Header(
            "webp", _int(content, 26, 2, "little") & 0x3FFF, _int(content, 28, 2, "little") & 0x3FFF, complete
        )
    return None


def _tiff(content: bytes) -> Header | None:
    """Read ImageWidth (256) and ImageLength (257) of the first directory, TIFF 6.0; a tag counts where it first comes.

    Tiles (322, 323) larger than the picture count as its size: the decoder makes room for a whole one.
    """
    order = "little" if content[:2] == b"II" else "big"
    start = _int(content, 4, 4, order)
    sizes: dict[int, int] = {}
    for entry in range(_int(content, start, 2, order)):
        place = start + 2 + 12 * entry
        if place + 12 > len(content):
            break
        tag, kind = _int(content, place, 2, order), _int(content, place + 2, 2, order)
        if tag in (256, 257, 322, 323) and kind not in (3, 4):  # SHORT and LONG; others may be stored elsewhere
            return None
        sizes.setdefault(tag, _int(content, place + 8, 2 if kind == 3 else 4, order))
    if 256 not in sizes or 257 not in sizes:
        return None
    width, height = sizes[256], sizes[257]
    tile = sizes.get(322, 1), sizes.get(323, 1)
    if tile[0] * tile[1] > max(width * height, _LARGE_PIXELS):
        width, height = tile
    # Data lie anywhere in a TIFF: its decoder notices what is missing.
    return Header("tiff", width, height, True)


def _jpeg(content: bytes) -> Header | None:
    """Walk the segments to the size and to the first scan."""
    place, size = 2, None
    while place + 4 <= len(content):
        if content[place] != 0xFF:
            return None
        marker = content[place + 1]
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD7:  # filling, and markers without parameters
            place += 1 if marker == 0xFF else 2
            continue
        length = _int(content, place + 2, 2)
        if marker in _SIZE_MARKERS and place + 9 <= len(content):
            if size is not None:
                return None
            size = _int(content, place + 7, 2), _int(content, place + 5, 2)
        if marker == 0xDA:
            return None if size is None else Header("jpeg", *size, *_scans(content, place))
        place += 2 + max(length, 2)
    return None if size is None else Header("jpeg", *size, False)


def _scans(content: bytes, place: int) -> tuple[bool, int]:
    """Walk from the first scan to the end; tell whether there is one, and how many scans come before it.

    What lies behind the end, as the film of a motion photo, counts for nothing.
    """
    first, count = place, 0
    while found := _MARKER.search(content, place):
        marker, place = found[0][1], found.end()
        if marker == 0xD9:
            return True, count
        count += marker == 0xDA
        place += 0 if marker in (0x01, 0xD8) else max(_int(content, place, 2), 2)
    return content.find(b"\xff\xd9", first) >= 0, content.count(b"\xff\xda")


def as_bgr(picture: np.ndarray, label: str = "the picture") -> np.ndarray:
    """Bring a picture in memory to BGR (H, W, 3) uint8; what is so already is returned as it is, not copied.

    Args:
        picture: (H, W), (H, W, 1), BGR (H, W, 3) or BGRA (H, W, 4); uint8, uint16 (full range), bool, or floats
            within [0, 1].
        label: name for errors.

    Raises:
        PictureError: another shape or type, too large, NaN or infinity, or floats beyond [0, 1].
    """
    import cv2

    array = np.asarray(picture)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise PictureError(
            f"{label} has shape {array.shape}; allowed are (H, W), (H, W, 1), (H, W, 3) in BGR and (H, W, 4) in BGRA. "
            "Transpose or stack it."
        )
    check_size(array.shape[1], array.shape[0], label)
    bytes_ = np.ascontiguousarray(_to_bytes(array, label))
    if bytes_.ndim == 2 or bytes_.shape[2] == 1:
        return np.asarray(cv2.cvtColor(bytes_, cv2.COLOR_GRAY2BGR))
    return np.asarray(cv2.cvtColor(bytes_, cv2.COLOR_BGRA2BGR)) if bytes_.shape[2] == 4 else bytes_


def _to_bytes(array: np.ndarray, label: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return (array >> 8).astype(np.uint8)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind != "f":
        raise PictureError(
            f"{label} has type {array.dtype}; allowed are uint8, uint16, bool, and floats within [0, 1]. Convert it."
        )
    if not np.isfinite(array).all():
        raise PictureError(f"{label} holds NaN or infinity; expected finite brightness within [0, 1]. Repair it first.")
    if array.min() < -1e-3 or array.max() > 1.0 + 1e-3:
        raise PictureError(
            f"{label} holds floats from {array.min():.3g} to {array.max():.3g}; allowed are 0 to 1. Divide by 255."
        )
    out: np.ndarray = np.rint(np.clip(array, 0.0, 1.0) * 255.0).astype(np.uint8)
    return out
