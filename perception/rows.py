"""Tables that are written row by row, as CSV or JSON, to a file or to stdout."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, TextIO

from geometry.files import check_file, whole

Form = Literal["csv", "json"]


class RowWriter:
    """Writes rows as they come: to a draft, which takes the name of the file when it is complete, or to stdout.

    As JSON the rows are one object {"rows": [...]}. What is no UTF-8, as names of files from older archives, is written
    as escapes. A run that ends in an error leaves no file, and on stdout no end.
    """

    def __init__(self, path: Path, columns: Sequence[str], form: Form = "csv") -> None:
        self._stdout = str(path) == "-"
        if not self._stdout:
            check_file(path)
        self._path, self._columns, self._form = path, columns, form
        self._rows = 0

    def __enter__(self) -> RowWriter:
        self._stack = ExitStack()
        self._out: TextIO = sys.stdout
        if not self._stdout:
            draft = self._stack.enter_context(whole(self._path))
            self._out = self._stack.enter_context(
                draft.open("w", newline="", encoding="utf-8", errors="backslashreplace")
            )
        self._stack.push(self._end)
        self._csv = csv.DictWriter(self._out, self._columns, lineterminator="\n")
        return self

    def _begin(self) -> None:
        if self._form == "csv":
            self._csv.writeheader()
        else:
            self._out.write('{"rows": [')

    def write(self, row: Mapping[str, str | float]) -> None:
        """Add one row with the columns for keys."""
        if self._rows == 0:
            self._begin()
        if self._form == "csv":
            self._csv.writerow(row)
        else:
            self._out.write((",\n" if self._rows else "\n") + json.dumps(row))
        self._rows += 1

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._stack.__exit__(kind, error, trace)  # type: ignore[arg-type]

    def _end(self, kind: object, error: object, trace: object) -> None:
        if error is not None:
            return
        if self._rows == 0:
            self._begin()
        if self._form == "json":
            self._out.write("\n]}\n")
        self._out.flush()
