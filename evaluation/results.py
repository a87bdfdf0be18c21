"""One store for the rows of a run: appended as they come, guarded by the run's settings, resumed after a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geometry.files import reserve, write_whole

Key = tuple[Any, ...]


class ResultsStore:
    """A file of JSON lines: the settings first, then one line for each finished item of work.

    No other process can have it while this one lives: rows of two runs would mix.

    Args:
        path: the file; its folder is made.
        settings: what must be the same for rows to be the same.
        resume: go on with what the file holds; otherwise it is kept beside it as .old.jsonl, .old2.jsonl, ...

    Raises:
        ValueError: `resume`, and the file is of another run or damaged, or the folder holds no rows at all.
        OSError: the file cannot be written, or another process has it (`BlockingIOError`).
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], resume: bool = False) -> None:
        self.path = path
        self.done: dict[Key, Any] = {}
        self._settings = json.loads(json.dumps(settings))  # as a file gives them back: tuples are lists there
        if resume and not any(path.parent.glob("*.jsonl")):  # a run may be killed before it begins its second file
            raise ValueError(f"there are no rows in {path.parent}: start without --resume, or give the --out of a run")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._reserved = reserve(path)
        if path.exists() and resume:
            self._take_over()
            return
        if path.exists():
            path.replace(_free(path))
        path.write_text(json.dumps({"settings": self._settings}) + "\n", encoding="utf-8")

    def _take_over(self) -> None:
        lines = self.path.read_bytes().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):  # what was being written when it was killed
            lines.pop()
        try:
            held = dict(json.loads(lines[0])["settings"]) if lines else self._settings
        except (KeyError, TypeError, ValueError, RecursionError) as problem:
            raise ValueError(f"{self.path} holds no results ({problem!r}): give another --out") from None
        names = sorted(held.keys() | self._settings.keys())
        other = [n for n in names if held.get(n) != self._settings.get(n)]
        if other:
            changes = "; ".join(f"{n} {held.get(n)!r} there, {self._settings.get(n)!r} now" for n in other)
            raise ValueError(f"{self.path} is of another run ({changes}): ask for the same, or give another --out")
        for number, line in enumerate(lines[1:], start=2):
            try:
                entry = json.loads(line)
                self.done[tuple(entry["key"])] = entry["row"]
            except (KeyError, TypeError, ValueError, RecursionError) as problem:
                raise ValueError(
                    f"line {number} of {self.path} is damaged ({problem!r}): delete it, and its work is done again, "
                    "or give another --out"
                ) from None
        write_whole(self.path, b"".join(lines) or json.dumps({"settings": self._settings}) + "\n")

    def add(self, key: Key, row: Any) -> None:
        """Keep what came of the work `key`; it is on the disk when this returns.

        Raises:
            OSError: it cannot be written.
        """
        line = json.dumps({"key": list(key), "row": row})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.done[tuple(json.loads(line)["key"])] = json.loads(line)["row"]


def _free(path: Path) -> Path:
    """A name beside it that is not taken: .old.jsonl, .old2.jsonl, ..."""
    number = 1
    while (old := path.with_suffix(f".old{number if number > 1 else ''}.jsonl")).exists():
        number += 1
    return old
