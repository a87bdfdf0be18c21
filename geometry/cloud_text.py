"""Clouds as text: one point a row, in whatever way programs and people set rows apart."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import BinaryIO

import numpy as np

from geometry.cloud_limits import MOST_POINTS, check_no_count, check_rows, check_whole, excerpt
from geometry.clouds import CloudError

_LONGEST_ROW, _MOST_LINES = 4096, 3 * MOST_POINTS  # vertices of a PLY stand among others
_COMMENTS = ("#", "//", "sep=")  # the last is for spreadsheets, which tells them what sets cells apart
_DECIMAL_COMMA = re.compile(r"[-+]?\d*(?:,\d+)?(?:[eE][-+]?\d+)?")
_NOTHING = re.compile(r"(?<![\w.])(?:-?nan\(ind\)|N/A|NA|null|none)(?![\w.])", re.IGNORECASE)


def read_text(file: BinaryIO, encoding: str) -> np.ndarray:
    """Read the rows (N, 3): columns set apart by commas, semicolons or blanks, named by a line before them or x y z.

    A number alone in the first line is how many rows follow (PTS).

    Raises:
        CloudError: a row is no numbers, the columns are named otherwise, or rows are missing.
    """
    lines = text_rows(file, encoding)
    comment, announced = "", None
    named: list[str] = []
    for line in lines:
        if line.startswith(_COMMENTS):
            comment = line.lstrip("#/ ")
            continue
        cells = _cells(line)
        if named or (_are_numbers(cells) and len(cells) > 1):
            break
        if announced is None and len(cells) == 1 and cells[0].isdecimal():
            announced = int(cells[0])
        else:
            named = cells
    else:
        raise CloudError("it holds no row of numbers; expected x y z in each.")
    if named:
        columns = _columns(named)
    elif len(cells) < 3:
        raise CloudError(f"its rows are like {excerpt(line)}; expected x y z in each.")
    else:  # CloudCompare writes the names behind //; other comments are none
        noted = _axes(_cells(comment))
        columns = noted if noted and len(_cells(comment)) == len(cells) else (0, 1, 2)
    rows = parse_rows(chain([line], lines), columns, MOST_POINTS + 1, _separator(line))
    if not named and columns == (0, 1, 2) and len(cells) > 3:
        check_no_count(rows[:, 0])
    if announced is not None:
        check_whole(announced, len(rows), "rows")
    check_rows(len(rows))
    return rows


def text_rows(file: BinaryIO, encoding: str = "utf-8") -> Iterator[str]:
    """Give the rows of a text that are not blank.

    Raises:
        CloudError: one is too long for a row of a cloud, or there are too many, blank ones and comments included.
    """
    with io.TextIOWrapper(file, encoding, errors="replace") as text:
        for line in islice(iter(lambda: text.readline(_LONGEST_ROW + 1), ""), _MOST_LINES):
            if len(line) > _LONGEST_ROW:
                raise CloudError(f"a row has more than {_LONGEST_ROW} characters; it begins {excerpt(line)}.")
            if stripped := line.strip():
                yield stripped
        if text.read(1):
            raise CloudError(f"it has more than {_MOST_LINES} lines; thin the cloud out.")


def parse_rows(lines: Iterable[str], columns: Sequence[int], most: int, separator: str | None = None) -> np.ndarray:
    """Parse three columns of at most so many rows into (N, 3) float64.

    Raises:
        CloudError: one of them is no number.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about no rows at all
            return np.loadtxt(
                (_tidied(line, separator, max(columns) + 1) for line in lines),
                usecols=columns,
                max_rows=most,
                delimiter=separator,
                quotechar='"',
                ndmin=2,
            ).reshape(-1, 3)
    except CloudError:
        raise
    except (ValueError, IndexError, OverflowError) as problem:
        what = excerpt(str(problem), 120)
        raise CloudError(f"not every row has numbers as x y z ({what}): it is cut off, or no cloud.") from problem


def _separator(line: str) -> str | None:
    """Tell what sets the cells of a row apart: a semicolon, a comma that is no decimal comma, or blanks (None)."""
    if ";" in line:
        return ";"
    return "," if "," in line and not all(map(_DECIMAL_COMMA.fullmatch, line.split())) else None


def _tidied(line: str, separator: str | None, most: int = 99) -> str:
    """Write the first cells of a row as NumPy reads them: points for decimal commas, NaN for what is not there."""
    line = line.partition("//")[0]
    if separator != ",":
        line = line.replace(",", ".")
    cells = line.split(separator, most)[:most]
    line = (separator or " ").join(cells if separator is None else [cell if cell.strip() else "nan" for cell in cells])
    return _NOTHING.sub("nan", line) if "n" in line or "N" in line else line


def _cells(line: str) -> list[str]:
    separator = _separator(line)
    return [cell.strip(' \t"') for cell in _tidied(line, separator).split(separator)]


def _are_numbers(cells: list[str]) -> bool:
    """Whether the first three cells are numbers; others may be words."""
    try:
        return bool([float(cell) for cell in cells[:3]])
    except ValueError:
        return False


def _columns(names: list[str]) -> tuple[int, ...]:
    if found := _axes(names):
        return found
    raise CloudError(f"its columns are called {excerpt(', '.join(names), 99)}; call three of them x, y and z.")


def _axes(names: list[str]) -> tuple[int, ...] | None:
    """Find x, y and z among names of columns: X, "x [m]", pos_x, Points:0 (ParaView); None where they are not."""
    plain = [re.sub(r"[\[(].*", "", name).strip(' "').lower() for name in names]
    for form in ("{}", "pos_{}", "point_{}", "p{}", "{}_m"):
        axes = [form.format(axis) for axis in "xyz"]
        if all(plain.count(axis) == 1 for axis in axes):
            return tuple(plain.index(axis) for axis in axes)
    numbered = [f"points:{axis}" for axis in range(3)]
    return tuple(plain.index(axis) for axis in numbered) if set(numbered) <= set(plain) else None
