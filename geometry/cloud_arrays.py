"""Clouds in NumPy's files: plain arrays, named fields, and archives of several arrays."""

from __future__ import annotations

import io
import math
import warnings
import zlib
from typing import BinaryIO, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np

from geometry.cloud_limits import HEAD, MOST_BYTES, check_no_count, check_rows, check_whole, excerpt
from geometry.clouds import CloudError

_POINTS = {
    "cloud", "coordinates", "coords", "pc", "pcd", "pcl", "point_cloud", "pointcloud", "points", "points3d", "pos",
    "position", "positions", "pts", "vertices", "verts", "xyz",
}  # fmt: skip
_NO_POINTS = {"color", "colors", "colour", "colours", "faces", "normal", "normals", "rgb", "rgba", "triangles"}
_MOST_COLUMNS = 16
"""x, y, z, colours, normals and some more; wider ones are pictures and features."""
_MOST_ARRAYS = 1000


class _Array(NamedTuple):
    """Header of an array: its shape, type, order in memory, and where its numbers begin."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    start: int

    @property
    def is_cloud(self) -> bool:
        """Whether it may be a cloud: (N, 3) numbers or more columns, or named fields with x, y and z."""
        if self.dtype.names is not None:
            return _fields(self.dtype) is not None
        inner = _without_ones(self.shape)
        return self.dtype.kind in "fiu" and len(inner) == 2 and 3 <= inner[1] <= _MOST_COLUMNS

    def __str__(self) -> str:
        kind = "Python objects" if self.dtype.hasobject else excerpt(str(self.dtype))
        return f"{excerpt(str(self.shape)).strip(chr(39))} of {kind}"


def read_npy(file: BinaryIO) -> np.ndarray:
    """Read the rows (N, 3) of an NPY file.

    Raises:
        CloudError: it is damaged, or its array is no cloud.
    """
    array = _header(file.read(HEAD))
    file.seek(0)
    return _rows(array, file.read())


def read_npz(file: BinaryIO, name: str = "") -> np.ndarray:
    """Read the rows (N, 3) of one array of an NPZ file: of the `name` given, or the one that must be meant.

    Raises:
        CloudError: it is damaged, no array of it or several may be the cloud, or there is none of that name.
    """
    try:
        with ZipFile(file) as archive:
            members = {i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")}
            if not 1 <= len(members) <= _MOST_ARRAYS:
                raise CloudError(f"it is a ZIP with {len(members)} arrays; allowed are 1 to {_MOST_ARRAYS}.")
            arrays = {key: _header(_unpack(archive, member, HEAD)) for key, member in members.items()}
            chosen = [name] if name else _choose(arrays)
            if name and name not in arrays:
                raise CloudError(f"it has no array {excerpt(name)}; there are {_list(arrays)}.")
            parts = [_rows(arrays[key], _unpack(archive, members[key], MOST_BYTES), flat=len(chosen)) for key in chosen]
    except (BadZipFile, EOFError, zlib.error, RuntimeError, OSError, ValueError, OverflowError) as problem:
        if isinstance(problem, CloudError):
            raise
        raise CloudError(f"it is a damaged NPZ ({excerpt(str(problem), 99)}). Copy or save it again.") from problem
    if len({len(part) for part in parts}) > 1:
        raise CloudError(
            f"its x, y and z have {', '.join(str(len(part)) for part in parts)} numbers; expected as many."
        )
    return np.hstack(parts)


def _unpack(archive: ZipFile, member: ZipInfo, most: int) -> bytes:
    """Unpack at most so many bytes of one file of an archive, and never more than it claims to have."""
    if member.file_size > MOST_BYTES or member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise CloudError(
            f"its array {excerpt(member.filename)} unpacks to {member.file_size} bytes by method "
            f"{member.compress_type}; allowed are {MOST_BYTES} and what numpy.savez writes."
        )
    with archive.open(member) as file:
        return file.read(most)


def _header(head: bytes) -> _Array:
    """Read the header of an array from the first bytes of its file."""
    stream = io.BytesIO(head)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(stream)
    except Exception as problem:  # a header is Python text; on odd ones NumPy's parser raises a dozen kinds
        raise CloudError(f"the header of its array is damaged ({excerpt(str(problem), 99)}).") from problem
    if any(side < 0 for side in shape):
        raise CloudError(f"its array has the shape {excerpt(str(shape))}; expected (N, 3).")
    return _Array(shape, dtype, fortran, stream.tell())


def _choose(arrays: dict[str, _Array]) -> list[str]:
    """Names of the array, or of the three, that must be the cloud."""
    clouds = [name for name, array in arrays.items() if array.is_cloud]
    named = [name for name in clouds if name.lower() in _POINTS]
    axes = {name.lower(): name for name, array in arrays.items() if len(array.shape) == 1}
    if not named and {"x", "y", "z"} <= set(axes):
        return [axes[axis] for axis in "xyz"]
    guess = not any(name.lower() in _POINTS for name in arrays)  # a batch called points is no reason to take another
    meant = named or (clouds if guess else [])
    if len(meant) == 1 and (named or meant[0].lower() not in _NO_POINTS):
        return meant
    which = "several of its arrays may be the cloud" if len(meant) > 1 else "none of its arrays is surely the cloud"
    raise CloudError(f"{which}: {_list(arrays)}. Choose with --array NAME, or call it points.")


def _list(arrays: dict[str, _Array], most: int = 6) -> str:
    told = [f"{excerpt(name)} {array}" for name, array in list(arrays.items())[:most]]
    return ", ".join(told) + (f" and {len(arrays) - most} more" if len(arrays) > most else "")


def _rows(array: _Array, data: bytes, flat: int = 1) -> np.ndarray:
    """Rows (N, 3) of an array, or (N, 1) of one of the three that hold x, y and z alone."""
    alone = flat > 1 and len(array.shape) == 1 and array.dtype.kind in "fiu"
    if not (alone or array.is_cloud):
        hint = " Is it transposed?" if len(array.shape) == 2 and array.shape[0] == 3 else ""
        raise CloudError(f"its array is {array}; expected (N, 3) numbers, or named fields with x, y and z.{hint}")
    count = math.prod(array.shape)
    check_whole(count * array.dtype.itemsize, len(data) - array.start, "bytes")
    values = np.frombuffer(data, array.dtype, count, array.start)
    fields = _fields(array.dtype)
    if fields is not None:
        check_rows(count)
        return np.stack([values[name] for name in fields], axis=-1).reshape(count, 3).astype(np.float64)
    if alone:
        return values[: check_rows(count)].reshape(-1, 1).astype(np.float64)
    table = values.reshape(_without_ones(array.shape), order="F" if array.fortran else "C")
    if table.shape[1] > 3:
        check_no_count(table[:, 0].astype(np.float64))
    return table[: check_rows(len(table)), :3].astype(np.float64)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the axes of length 1 before its last two: one cloud in a batch of one is that cloud."""
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    return shape


def _fields(dtype: np.dtype) -> tuple[str, ...] | None:
    """Names of the fields x, y and z of a structured type, or of the one that holds all three; None if it has none."""
    known = {name.lower(): name for name in dtype.names or ()}
    axes = tuple(known[axis] for axis in "xyz" if axis in known)
    if len(axes) == 3 and all(dtype[name].kind in "fiu" and dtype[name].shape == () for name in axes):
        return axes
    whole = [name for low, name in known.items() if low in _POINTS and dtype[name].shape == (3,)]
    return (whole[0],) if len(whole) == 1 and dtype[whole[0]].base.kind in "fiu" else None
