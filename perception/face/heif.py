"""HEIC and AVIF pictures, in one piece or in tiles: boxes tell how the pieces lie (ISO/IEC 23008-12), FFmpeg decodes.

Sizes and numbers of pieces are known, and can be refused, before any of them is decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif")
_DECODERS = {b"hvc1": "hevc", b"av01": "libdav1d"}
_MOST = 5_000  # entries of a table; a telephone with 48 megapixels writes 200
_MOST_FRAMES = 4  # in a piece of AV1: the layers of a picture that is shown soft first
_MARGIN = 64  # pixels; decoders round sides up


class HeifError(ValueError):
    """A file cannot be used; the message goes on after its name."""


class Piece(NamedTuple):
    """A coded picture: the name of its decoder, what sets that up, and its data in parts."""

    decoder: str
    config: bytes
    parts: list[memoryview]


class Layout(NamedTuple):
    """Pieces of `piece_size`, row by row in so many columns, cut to `size`, then turned; (width, height) pixels.

    `properties` are boxes by their kind, in order; `complete` tells whether all data are there.
    """

    size: tuple[int, int]
    piece_size: tuple[int, int]
    columns: int
    pieces: list[Piece]
    properties: list[tuple[bytes, memoryview]]
    complete: bool

    @property
    def coded_size(self) -> tuple[int, int]:
        """Width and height in pixels of all pieces together."""
        return self.columns * self.piece_size[0], len(self.pieces) // self.columns * self.piece_size[1]


def is_heif(head: bytes) -> bool:
    """Tell whether a file that begins so (12 bytes are enough) is one picture, and not a sequence of them."""
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS


def read_layout(content: bytes) -> Layout:
    """Read how the main picture of a file is put together; nothing is decoded.

    Raises:
        HeifError: damaged, or made in a way that is not read here.
    """
    file = memoryview(content)
    try:
        return _layout(file, dict(_boxes(dict(_boxes(file))[b"meta"][4:])))
    except (LookupError, struct.error) as error:
        raise HeifError("is damaged: the boxes that tell of its picture are not whole. Copy it again.") from error


def decode(content: bytes) -> np.ndarray:
    """Decode the main picture of a file as it is meant to be seen: BGR (H, W, 3) uint8.

    Raises:
        HeifError: as for `read_layout`, or a piece cannot be decoded or is smaller than it says.
    """
    layout = read_layout(content)
    (width, height), (across, down) = layout.size, layout.piece_size
    out = np.empty((height, width, 3), np.uint8)
    for number, piece in enumerate(layout.pieces):
        row, column = divmod(number, layout.columns)
        place = out[row * down : (row + 1) * down, column * across : (column + 1) * across]
        picture = _decoded(piece, layout.piece_size)[: place.shape[0], : place.shape[1]]
        if picture.shape != place.shape:
            raise HeifError(f"is damaged: piece {number + 1} of its picture is too small. Copy or export it again.")
        place[:] = picture
    return _turned(out, layout.properties)


def _decoded(piece: Piece, size: tuple[int, int]) -> np.ndarray:
    import av

    data = b"".join(piece.parts)
    if piece.decoder == "libdav1d" and _frames_of_av1(data) > _MOST_FRAMES:
        raise HeifError(f"has more than {_MOST_FRAMES} frames in one picture. Export it again.")
    codec = av.VideoCodecContext.create(piece.decoder, "r")
    assert isinstance(codec, av.VideoCodecContext)
    codec.extradata, codec.thread_count = piece.config, 1
    codec.options = {"max_pixels": str((size[0] + _MARGIN) * (size[1] + _MARGIN))}
    try:
        return [*codec.decode(av.Packet(data)), *codec.decode(None)][-1].to_ndarray(format="bgr24")
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise HeifError(f"is damaged: its picture cannot be decoded ({error}). Copy or export it again.") from error


def _frames_of_av1(data: bytes) -> int:
    """Count the frames in a run of OBUs (AV1 specification, 5.3); each may take as much memory as the picture."""
    place, frames = 0, 0
    while place < len(data):
        head, length, shift = data[place], 0, 0
        frames += head >> 3 & 15 in (3, 6)  # OBU_FRAME_HEADER, OBU_FRAME
        place += 2 if head & 4 else 1
        more = head & 2  # without a length it is the last
        if not more:
            break
        while more and place < len(data) and shift < 56:
            length |= (data[place] & 127) << shift
            more, shift, place = data[place] & 128, shift + 7, place + 1
        place += length
    return frames


def _turned(picture: np.ndarray, properties: list[tuple[bytes, memoryview]]) -> np.ndarray:
    """Cut, turn and mirror as clap (ISO/IEC 14496-12, 12.1.4), irot and imir ask, one after the other."""
    for kind, box in properties:
        if kind == b"irot":
            picture = np.rot90(picture, int.from_bytes(box[:1], "big") & 3)
        elif kind == b"imir":
            picture = picture[:, ::-1] if int.from_bytes(box[:1], "big") & 1 else picture[::-1]
        elif kind == b"clap":
            shares = struct.iter_unpack(">iI", bytes(box[:32]).ljust(32, b"\0"))
            width, height, right, down = (share / max(of, 1) for share, of in shares)
            top, left = (picture.shape[0] - height) / 2 + down, (picture.shape[1] - width) / 2 + right
            picture = picture[max(round(top), 0) : round(top + height), max(round(left), 0) : round(left + width)]
    if not picture.size:
        raise HeifError("is damaged: nothing of its picture is to be shown. Export it again.")
    return np.ascontiguousarray(picture)


def _layout(file: memoryview, meta: Mapping[bytes, memoryview]) -> Layout:
    kinds, properties, parts = _kinds(meta[b"iinf"]), _properties(meta[b"iprp"]), _parts(meta, file)
    main = _Numbers(meta[b"pitm"])
    shown = main(4 if main.version else 2)
    items, columns, rows, size = [shown], 1, 1, None
    if kinds[shown] == b"grid":
        grid = b"".join(parts[shown][0])
        items, columns, rows = _made_of(meta[b"iref"], shown), grid[3] + 1, grid[2] + 1
        size = struct.unpack_from(">2I" if grid[1] & 1 else ">2H", grid, 4)
    if odd := {kinds[item] for item in items} - _DECODERS.keys():
        names = b", ".join(sorted(odd)).decode("latin-1")
        raise HeifError(f"is put together in a way that is not read here ({names}). Save it as JPEG.")
    boxes = [dict(properties[item]) for item in items]
    across, down = struct.unpack_from(">2I", boxes[0][b"ispe"], 4)
    width, height = size or (across, down)
    fits = columns * across - across < width <= columns * across and rows * down - down < height <= rows * down
    if not fits or len(items) != rows * columns or any(one[b"ispe"] != boxes[0][b"ispe"] for one in boxes):
        raise HeifError(f"is damaged: {len(items)} tiles do not make its picture. Copy or export it again.")
    pieces = []
    for item, own in zip(items, boxes, strict=True):
        decoder = _DECODERS[kinds[item]]
        pieces.append(Piece(decoder, bytes(own.get(b"hvcC" if decoder == "hevc" else b"av1C", b"")), parts[item][0]))
    whole = all(parts[item][1] for item in items)
    return Layout((width, height), (across, down), columns, pieces, properties.get(shown, []), whole)


def _boxes(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield (kind, content) of one box after the other; the last may end early.

    Raises:
        HeifError: too many.
    """
    place = 0
    for _ in range(_MOST):
        if place + 8 > len(content):
            return
        length, kind = struct.unpack_from(">I4s", content, place)
        head = 8
        if length == 1:
            (length,), head = struct.unpack_from(">Q", content, place + 8), 16
        length = max(length, head) if length else len(content) - place  # 0: to the end
        yield kind, content[place + head : place + length]
        place += length
    raise HeifError(f"has more than {_MOST} boxes in one. Export it again.")


class _Numbers:
    """Reads numbers, most significant byte first, that follow the version and the flags of a box."""

    def __init__(self, box: memoryview) -> None:
        self._box, self.place, self._left = box, 4, _MOST
        self.version, self.flags = box[0], box[3]

    def __call__(self, size: int) -> int:
        self.place += size
        if self.place > len(self._box):
            raise IndexError(self.place)
        return int.from_bytes(self._box[self.place - size : self.place], "big")

    def entries(self, size: int) -> range:
        """Read how many entries follow.

        Raises:
            HeifError: too many.
        """
        count = self(size)
        self._left -= count
        if self._left < 0:
            raise HeifError(f"has a table of more than {_MOST} entries. Export it again.")
        return range(count)


def _kinds(iinf: memoryview) -> dict[int, bytes]:
    """Return the kind of each item."""
    kinds = {}
    for _, box in _boxes(iinf[8 if iinf[0] else 6 :]):
        read = _Numbers(box)
        item = read(4 if read.version > 2 else 2)
        kinds[item] = bytes(box[read.place + 2 : read.place + 6])
    return kinds


def _made_of(iref: memoryview, item: int) -> list[int]:
    """Return the items that an item is made of."""
    size = 4 if iref[0] else 2
    for kind, box in _boxes(iref[4:]):
        numbers = [int.from_bytes(box[place : place + size], "big") for place in (0, *range(size + 2, len(box), size))]
        if kind == b"dimg" and numbers[0] == item:
            return numbers[1:]
    raise KeyError(item)


def _properties(iprp: memoryview) -> dict[int, list[tuple[bytes, memoryview]]]:
    """Return the properties of each item: boxes by their kind."""
    boxes = dict(_boxes(iprp))
    known, read = list(_boxes(boxes[b"ipco"])), _Numbers(boxes[b"ipma"])
    properties = {}
    for _ in read.entries(4):
        item, wide = read(4 if read.version else 2), read.flags & 1
        numbers = [read(2) & 0x7FFF if wide else read(1) & 0x7F for _ in range(read(1))]
        properties[item] = [known[number - 1] for number in numbers if number]
    return properties


def _parts(meta: Mapping[bytes, memoryview], file: memoryview) -> dict[int, tuple[list[memoryview], bool]]:
    """Return the data of each item in parts, and whether they are all there."""
    read = _Numbers(meta[b"iloc"])
    sizes = read(2)
    of_offset, of_length, of_base, of_index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = read.version == 2
    parts = {}
    for _ in read.entries(4 if wide else 2):
        item = read(4 if wide else 2)
        source = meta.get(b"idat", file[:0]) if read.version and read(2) & 15 else file
        read(2)
        base, mine, whole, left = read(of_base), [], True, len(file)
        for _ in read.entries(2):
            if read.version:
                read(of_index)
            start, length = base + read(of_offset), read(of_length)
            mine.append(source[start : start + length] if length else source[start:])
            whole &= start + length <= len(source)
            left -= len(mine[-1])
        if left < 0:
            raise HeifError("is damaged: it uses the same data again and again. Export it again.")
        parts[item] = mine, whole
    return parts
