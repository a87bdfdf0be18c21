"""Clouds as text: one point a row, in whatever way programs and people set rows apart."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import BinaryIO, NamedTuple

import numpy as np

from geometry.cloud_limits import MOST_POINTS, check_no_count, check_rows, check_whole, excerpt
from geometry.clouds import CloudError

_LONGEST_ROW, _MOST_LINES = 4096, 3 * MOST_POINTS  # vertices of a PLY stand among others
_COMMENTS = ("#", "//", "%", "sep=")  # the last is for spreadsheets, which tells them what sets cells apart
_UNIT = re.compile(r"[\[(]\s*([a-zA-Z]+)\s*[\])]")
_UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "inch": 0.0254, "inches": 0.0254, "ft": 0.3048}
_DECIMAL_COMMA = re.compile(r"[-+]?\d*(?:,\d+)?(?:[eE][-+]?\d+)?")
_NOTHING = re.compile(r"(?<![\w.])(?:-?nan\(ind\)|N/A|NA|null|none)(?![\w.])", re.IGNORECASE)


class TextCloud(NamedTuple):
    """Rows (N, 3) of a text, and the factor from its unit to m; None where the names of its columns tell no unit."""

    rows: np.ndarray
    metres: float | None


def read_text(file: BinaryIO, encoding: str) -> TextCloud:
    """Read the rows: columns set apart by commas, semicolons, tabs or blanks, named by a line before them or x y z.

    A number alone in the first line is how many rows follow (PTS). A cell more than there are names, quoted or a
    number, is the name of the row (R).

    Raises:
        CloudError: a row is no numbers or has cells too few or too many, the columns are named otherwise, or rows are
            missing.
    """
    lines = text_rows(file, encoding)
    announced = None
    named: list[str] = []
    comments: list[list[str]] = []
    tabbed = False
    for line in lines:
        if line.startswith(_COMMENTS):
            comments.append(_cells(said := line.lstrip("#/% "), _separator(said)))
            continue
        separator = "\t" if tabbed and "\t" in line else _separator(line)
        cells = _cells(line, separator)
        if named or (_are_numbers(cells) and len(cells) > 1):
            break
        if announced is None and len(cells) == 1 and cells[0].isdecimal():
            announced = int(cells[0])
        else:
            tabbed = line.count("\t") > 1
            named = _cells(line, "\t") if tabbed else cells
    else:
        raise CloudError("it holds no row of numbers; expected x y z in each.")
    if not named:
        # CloudCompare writes the names behind //, NumPy behind #; other comments are none.
        named = next((one for one in reversed(comments) if _axes(one) and len(one) == len(cells)), [])
    columns = _columns(named, line, cells)
    exact = columns != (0, 1, 2)
    checked = _even(chain([line], lines), len(cells), exact) if separator is None else chain([line], lines)
    rows = parse_rows(checked, columns, MOST_POINTS + 1, separator)
    if not named and len(cells) > 3:
        check_no_count(rows[:, 0])
    if announced is not None:
        check_whole(announced, len(rows), "rows")
    check_rows(len(rows))
    return TextCloud(rows, _metres(named))


def _even(lines: Iterable[str], cells: int, exact: bool) -> Iterator[str]:
    """Refuse rows that blanks set apart into fewer cells than the first, or where it matters more: others shift."""
    for line in lines:
        found = len(line.partition("//")[0].split())
        if found < cells or (exact and found > cells):
            raise CloudError(f"not every row has {cells} cells as the first has: {excerpt(line)} has {found}.")
        yield line


def text_rows(file: BinaryIO, encoding: str = "utf-8") -> Iterator[str]:
    """Give the rows of a text that are not blank.

    Raises:
        CloudError: one is too long for a row of a cloud, or there are too many, blank ones and comments included.
    """
    with io.TextIOWrapper(file, encoding, errors="replace") as text:
        for line in islice(iter(lambda: text.readline(_LONGEST_ROW + 1), ""), _MOST_LINES):
            if len(line) > _LONGEST_ROW:
                raise CloudError(f"a row has more than {_LONGEST_ROW} characters; it begins {excerpt(line)}.")
            if line.strip():
                yield line.strip(" \r\n")  # a tab at an end stands beside a cell that is empty
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


def _split(line: str, separator: str | None, most: int = -1) -> list[str]:
    """Split a row, but not between quotes."""
    if '"' not in line:
        return line.split(separator, most)
    quoted = re.compile(r'"[^"]*"')
    hidden = quoted.sub(lambda found: re.sub(r"[\s,;]", "_", found[0]), line)
    return hidden.split(separator, most)


def _tidied(line: str, separator: str | None, most: int = 99) -> str:
    """Write the first cells of a row as NumPy reads them: points for decimal commas, NaN for what is not there."""
    line = line.partition("//")[0]
    if separator != ",":
        line = line.replace(",", ".")
    cells = _split(line, separator, most)[:most]
    line = (separator or " ").join(cells if separator is None else [cell if cell.strip() else "nan" for cell in cells])
    return _NOTHING.sub("nan", line) if "n" in line or "N" in line else line


def _cells(line: str, separator: str | None) -> list[str]:
    return [cell.strip(' \t"') for cell in _split(_tidied(line, separator), separator)]


def _are_numbers(cells: list[str]) -> bool:
    """Whether the first three cells are numbers; others may be words."""
    try:
        return bool([float(cell) for cell in cells[:3]])
    except ValueError:
        return False


def _columns(names: list[str], line: str, cells: list[str]) -> tuple[int, ...]:
    """Find the columns of x, y and z by their names, or take the first three; `line` and `cells` are the first row."""
    if not names:
        if len(cells) < 3:
            raise CloudError(f"its rows are like {excerpt(line)}; expected x y z in each.")
        return (0, 1, 2)
    found = _axes(names)
    if found is None:
        raise CloudError(f"its columns are called {excerpt(', '.join(names), 99)}; call three of them x, y and z.")
    more = len(cells) - len(names)
    if more == 1 and (line.startswith('"') or cells[0].isdecimal()):
        return tuple(1 + column for column in found)
    if more > 0:
        raise CloudError(f"its rows have {len(cells)} cells, and {len(names)} are named. Name all of them.")
    return found


def _metres(names: list[str]) -> float | None:
    """The factor of the unit that stands in brackets behind all three of x, y and z: "x [mm]"."""
    axes = _axes(names) if names else None
    told = {found[1].lower() for column in axes or () if (found := _UNIT.search(names[column]))}
    return _UNITS.get(told.pop()) if len(told) == 1 else None


def _axes(names: list[str]) -> tuple[int, ...] | None:
    """Find x, y and z among names of columns: X, "x [m]", pos_x, Points:0 (ParaView); None where they are not."""
    plain = [re.sub(r"[\[(].*", "", name).strip(' "').lower() for name in names]
    for form in ("{}", "pos_{}", "point_{}", "p{}", "{}_m"):
        axes = [form.format(axis) for axis in "xyz"]
        if all(plain.count(axis) == 1 for axis in axes):
            return tuple(plain.index(axis) for axis in axes)
    numbered = [f"points:{axis}" for axis in range(3)]
    return tuple(plain.index(axis) for axis in numbered) if set(numbered) <= set(plain) else None
