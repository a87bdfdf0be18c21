"""Read the point clouds that people bring: NPY, NPZ, PLY, PCD and text, told apart by what is in them.

Nothing is allocated that a header only claims: it is held against the size of its file first.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from geometry.cloud_arrays import read_npy, read_npz
from geometry.cloud_limits import HEAD, MOST_BYTES
from geometry.cloud_records import read_pcd, read_ply
from geometry.cloud_text import read_text
from geometry.clouds import FEWEST_POINTS, CloudError

ENDINGS = (".npy", ".npz", ".ply", ".xyz", ".pcd", ".txt", ".csv", ".asc", ".pts")
_PLY, _NPY, _ZIP = re.compile(rb"ply[ \t]*\r?\n"), b"\x93NUMPY", (b"PK\x03\x04", b"PK\x05\x06")
_GZIP = b"\x1f\x8b"
_PCD = re.compile(rb"# \.PCD|(?:#[^\n]*\n|\s)*(?:VERSION|FIELDS)\s")


class CloudFile(NamedTuple):
    """A cloud as it was read: `points` (N, 3) float64 in the file's unit, and how many `rows` the file had.

    `metres` is the factor from the unit to m that the file tells ("x [mm]" over a column); None where it tells none.
    """

    points: np.ndarray
    rows: int
    metres: float | None = None

    @property
    def dropped(self) -> int:
        """Rows that were no points: all zero, NaN or infinite, as depth cameras write where they see nothing."""
        return self.rows - len(self.points)


def read_cloud(path: Path, array: str = "") -> CloudFile:
    """Read the points of one file.

    Args:
        path: the file; its content decides how it is read, not its ending.
        array: name of the array of an NPZ; without it the one that is called like points, or the only one (N, 3).

    Raises:
        CloudError: it is missing, damaged, too large, or holds no cloud, several, or one of too few points.
        OSError: it cannot be opened.
    """
    if not path.exists():
        raise CloudError(f"{path} is missing; expected a cloud ({', '.join(ENDINGS)}). Check the path.")
    if not path.is_file():
        raise CloudError(f"{path} is no regular file; expected a cloud ({', '.join(ENDINGS)}). Name a file.")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise CloudError(f"{path} has {size >> 20} MiB; at most {MOST_BYTES >> 20} MiB are read. Thin the cloud out.")
    try:
        with path.open("rb") as file, np.errstate(all="ignore"):  # signalling NaN, which are dropped
            points, metres = _read(file, array)
        found = points[np.isfinite(points).all(axis=1) & points.any(axis=1)]
        if len(found) < FEWEST_POINTS:
            rest = f" in {len(points)} rows (the others are zero, NaN or infinite)" if len(found) < len(points) else ""
            raise CloudError(
                f"it holds {len(found)} points{rest}; at least {FEWEST_POINTS} are needed to tell a shape."
            )
    except CloudError as problem:
        raise CloudError(f"{path} cannot be used: {problem}") from problem
    return CloudFile(found, len(points), metres)


def looks_like_cloud(path: Path) -> bool:
    """Tell whether a file begins as PLY, PCD and NPY do, whatever its ending."""
    with path.open("rb") as file:
        head = file.read(256).removeprefix(BOM_UTF8)
    return head.startswith(_NPY) or bool(_PLY.match(head) or _PCD.match(head))


def _read(file: BinaryIO, array: str) -> tuple[np.ndarray, float | None]:
    """All rows (N, 3) float64 of a file, as they are, and the factor from their unit to m, where it is told."""
    start = len(BOM_UTF8) if file.read(len(BOM_UTF8)) == BOM_UTF8 else 0  # as Notepad puts before text
    file.seek(start)
    head = file.read(HEAD)
    file.seek(start)
    if not head:
        raise CloudError("it is empty.")
    if head.startswith(_ZIP):
        return read_npz(file, array), None
    if head.startswith(_NPY):
        return read_npy(file), None
    if _PLY.match(head):
        return read_ply(file), None
    if _PCD.match(head):
        return read_pcd(file), None
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return read_text(file, "utf-16")
    if b"\0" not in head:
        return read_text(file, "utf-8")
    if head.startswith(_GZIP):
        raise CloudError("it is packed by gzip. Unpack it first: gunzip --keep FILE.")
    raise CloudError("it is none of NPY, NPZ, PLY, PCD and text, or its beginning is damaged. Save it anew as PLY.")
