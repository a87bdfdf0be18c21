"""Clouds as records with a header: PLY (Turk 1994) and PCD (point clouds of PCL).

They are read here since Open3D says nothing when it fails, and gives memory that nobody wrote for points that a file
announces and does not hold.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from geometry.cloud_limits import HEAD, check_rows, check_whole, excerpt
from geometry.cloud_text import parse_rows, text_rows
from geometry.clouds import CloudError

_PLY_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
_PCD_TYPES = {f"{kind}{size}" for kind, sizes in (("I", "1248"), ("U", "1248"), ("F", "48")) for size in sizes}
_LARGEST_ROW = 4096


class _Field(NamedTuple):
    """A field of a record: its name, its type as NumPy writes it ("" where its length varies), and how many."""

    name: str
    dtype: str
    times: int = 1

    @property
    def size(self) -> int:
        return np.dtype(self.dtype).itemsize * self.times


class _Element(NamedTuple):
    """A table of a PLY: its name, how many rows it has, and their fields."""

    name: str
    rows: int
    fields: list[_Field]


def read_ply(file: BinaryIO) -> np.ndarray:
    """Read the vertices (N, 3) of a PLY, in text or binary.

    Raises:
        CloudError: it is damaged, cut off, or has no vertices with x, y and z.
    """
    header = _header(file, rb"\n[ \t]*end_header[ \t]*\r?\n")
    try:
        form, elements = _ply_elements(header)
    except (ValueError, IndexError, KeyError) as problem:
        raise CloudError(f"its PLY header is damaged ({excerpt(str(problem), 99)}).") from problem
    place = next((number for number, element in enumerate(elements) if element.name == "vertex"), None)
    if place is None:
        raise CloudError("it is a PLY without vertices.")
    before, vertex = elements[:place], elements[place]
    if form == "ascii":
        lines = text_rows(file)
        for _ in zip(range(sum(check_rows(element.rows) for element in before)), lines, strict=False):
            pass
        return _text_table(lines, vertex.fields, vertex.rows)
    order = {"binary_little_endian": "<", "binary_big_endian": ">"}.get(form)
    if order is None:
        raise CloudError(f"it is a PLY of format {excerpt(form)}; allowed are ascii and binary.")
    if any(not field.dtype for element in (*before, vertex) for field in element.fields):
        raise CloudError("its vertices stand behind lists, or have lists. Save it anew with plain vertices first.")
    skipped = sum(check_rows(element.rows) * sum(field.size for field in element.fields) for element in before)
    return _binary_table(file.read()[skipped:], vertex.fields, vertex.rows, order)


def _ply_elements(header: str) -> tuple[str, list[_Element]]:
    """The format of a PLY and its elements, in order."""
    form, elements = "", []
    for word, *rest in filter(None, map(str.split, header.splitlines())):
        if word == "format":
            form = rest[0]
        elif word == "element":
            elements.append(_Element(rest[0], int(rest[1]), []))
        elif word == "property":
            elements[-1].fields.append(_Field(rest[-1], "" if rest[0] == "list" else _PLY_TYPES[rest[0]]))
    return form, elements


def read_pcd(file: BinaryIO) -> np.ndarray:
    """Read the points (N, 3) of a PCD: text, binary or compressed; an organised one is read row by row.

    Raises:
        CloudError: it is damaged, cut off, contradicts itself, or has no fields x, y and z.
    """
    header = _header(file, rb"(?:^|\n)[ \t]*DATA[ \t]+\w+[ \t]*\r?\n")
    try:
        said = {line[0]: line[1:] for line in map(str.split, header.splitlines()) if line}
        fields, rows = _pcd_fields(said), _pcd_rows(said)
    except (ValueError, IndexError, KeyError) as problem:
        if isinstance(problem, CloudError):
            raise
        raise CloudError(f"its PCD header is damaged ({excerpt(str(problem), 99)}).") from problem
    form = said["DATA"][0]
    if form == "ascii":
        return _text_table(text_rows(file), fields, rows)
    if form == "binary":
        return _binary_table(file.read(), fields, rows, "<")
    if form == "binary_compressed":
        return _compressed_table(file.read(), fields, rows)
    raise CloudError(f"its DATA are {excerpt(form)}; allowed are ascii, binary and binary_compressed.")


def _pcd_fields(said: dict[str, list[str]]) -> list[_Field]:
    names = said["FIELDS"]
    counts = [int(count) for count in said.get("COUNT", ["1"] * len(names))]
    kinds = [f"{kind}{int(size)}" for kind, size in zip(said["TYPE"], said["SIZE"], strict=True)]
    if not set(kinds) <= _PCD_TYPES or not all(0 < count <= _LARGEST_ROW for count in counts):
        raise CloudError(f"its fields are {excerpt(' '.join(kinds))}, {excerpt(str(counts))} times; PCD has no such.")
    return [_Field(name, kind.lower(), count) for name, kind, count in zip(names, kinds, counts, strict=True)]


def _pcd_rows(said: dict[str, list[str]]) -> int:
    size = [int(said[word][0]) for word in ("WIDTH", "HEIGHT") if word in said]
    organised = size[0] * size[1] if len(size) == 2 else None
    rows = int(said["POINTS"][0]) if "POINTS" in said or organised is None else organised
    if organised not in (None, rows):
        raise CloudError(f"it says {rows} points and {size[0]} x {size[1]}; expected the same. Save it again.")
    return rows


def _header(file: BinaryIO, end: bytes) -> str:
    """The header up to the line that ends it; the file stands behind it."""
    start = file.tell()
    head = file.read(HEAD)
    found = re.search(end, head)
    if found is None:
        raise CloudError(f"its header does not end within {HEAD >> 10} KiB.")
    file.seek(start + found.end())
    return head[: found.end()].decode("latin-1")


def _axes(fields: list[_Field]) -> tuple[int, ...]:
    """Places of x, y and z among the fields of a record."""
    names = [field.name.lower() for field in fields]
    if any(names.count(axis) != 1 for axis in "xyz"):
        raise CloudError(f"its points have the fields {excerpt(', '.join(names), 99)}; expected x, y and z.")
    places = tuple(names.index(axis) for axis in "xyz")
    if any(not fields[place].dtype or fields[place].times != 1 for place in places):
        raise CloudError("its x, y and z are lists; expected one number each.")
    return places


def _text_table(lines: Iterator[str], fields: list[_Field], rows: int) -> np.ndarray:
    """Rows (N, 3) of a table of text."""
    places = _axes(fields)
    if any(not field.dtype for field in fields[: max(places)]):
        raise CloudError("its points have lists before x, y or z. Save it anew with plain points.")
    columns = [sum(field.times for field in fields[:place]) for place in places]
    found = parse_rows(lines, columns, check_rows(rows))
    check_whole(rows, len(found), "points")
    return found


def _binary_table(data: bytes, fields: list[_Field], rows: int, order: str) -> np.ndarray:
    """Rows (N, 3) of a table of records."""
    places, sizes = _axes(fields), [field.size for field in fields]
    if sum(sizes) > _LARGEST_ROW:
        raise CloudError(f"its points have {sum(sizes)} bytes each; at most {_LARGEST_ROW} are allowed.")
    check_whole(check_rows(rows) * sum(sizes), len(data), "bytes")
    columns = [
        np.ndarray(rows, order + fields[place].dtype, data, sum(sizes[:place]), (sum(sizes),)) for place in places
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def _compressed_table(data: bytes, fields: list[_Field], rows: int) -> np.ndarray:
    """Rows (N, 3) of a compressed table, which holds one column after the other."""
    places, sizes = _axes(fields), [field.size * check_rows(rows) for field in fields]
    check_whole(8, len(data), "bytes")
    packed, whole = struct.unpack("<II", data[:8])
    check_whole(packed, len(data) - 8, "bytes")
    # liblzf adds one byte to 32 at worst: more was never written by it.
    if whole != sum(sizes) or packed > whole + whole // 32 + 16:
        raise CloudError(f"it says {packed} bytes are {whole}; expected {sum(sizes)} for {rows} points.")
    starts = [sum(sizes[:place]) for place in places]
    table = _unpack_lzf(data[8 : 8 + packed], max(starts) + max(sizes[place] for place in places))
    columns = [
        np.frombuffer(table, "<" + fields[place].dtype, rows, start)
        for place, start in zip(places, starts, strict=True)
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def _unpack_lzf(data: bytes, size: int) -> bytes:
    """Unpack the first `size` bytes of what liblzf (Lehmann 2000) packed, as PCL does.

    Raises:
        CloudError: it is damaged.
    """
    out, at = bytearray(), 0
    try:
        while len(out) < size:
            control, at = data[at], at + 1
            if control < 32:
                out += data[at : at + control + 1]
                at += control + 1
                continue
            length = (control >> 5) + 2
            if length == 9:
                length, at = 9 + data[at], at + 1
            start, at = len(out) - ((control & 31) << 8) - data[at] - 1, at + 1
            if start < 0:
                raise CloudError("its compressed points are damaged. Copy or save it again.")
            piece = out[start : start + length]
            if len(piece) < length:  # it repeats what it is about to write
                piece = (piece * (1 + length // len(piece)))[:length]
            out += piece
    except IndexError as problem:
        raise CloudError("it is cut off within its compressed points. Copy or save it again.") from problem
    check_whole(at, len(data), "bytes")
    return bytes(out)
