"""Trials as they come, one line of JSON for each task, so that a killed run goes on where it was."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

TIMED = ("plan_seconds", "shape_seconds")
"""Columns that differ from run to run; all others are the same for any number of workers."""


@dataclass(frozen=True)
class Row:
    """One trial: one cloud of one look at one object at rest.

    `cd_mm` is CDL1 of the planned shape to the whole one. `cause` says why it was not held ("no grasp" when none was
    found). `T_world_hand` (16,) and `width_m` are the grasp, None where there was none. `shape_seconds` of the
    processor went into the cloud (its completion, say), `plan_seconds` into the plan.
    """

    task: int
    object: str
    stratum: str
    height_m: float
    friction: float
    cloud: str
    held: bool
    strict: bool
    cause: str
    cd_mm: float
    width_m: float | None
    T_world_hand: list[float] | None
    plan_seconds: float
    shape_seconds: float


@dataclass(frozen=True)
class Attempt:
    """One grasp in a round of clutter: `left` objects lay there before it. `lifted` is the name of what came along."""

    task: int
    attempt: int
    scene: str
    cloud: str
    left: int
    held: bool
    strict: bool
    cause: str
    lifted: str
    width_m: float | None
    T_world_hand: list[float] | None
    plan_seconds: float
    shape_seconds: float


@dataclass(frozen=True)
class Sample:
    """One grasp tried to learn from: its place in the ranking, what the planner knew of it, and what came of it."""

    task: int
    object: str
    cloud: str
    place: int
    reasons: dict[str, float]
    held: bool
    cause: str


AnyRow = TypeVar("AnyRow", Row, Attempt, Sample)


@dataclass(frozen=True)
class Done(Generic[AnyRow]):
    """What came of a task: its rows, or why it has none."""

    task: int
    object: str
    rows: list[AnyRow]
    left_out: str


class Ledger(Generic[AnyRow]):
    """The file of a run: its settings first, then a line for every task.

    Args:
        path: the file.
        settings: what must be the same for rows to be the same.
        resume: go on with what the file holds; otherwise it is kept as .old.jsonl, .old2.jsonl, ...
        kind: what the rows are.

    Raises:
        ValueError: `resume` is asked for, and the file is of another run.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, settings: dict[str, Any], resume: bool, kind: type[AnyRow]) -> None:
        self.path = path
        self._kind: type[AnyRow] = kind
        self.done: dict[int, Done[AnyRow]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and resume:
            self._take_over(settings)
        else:
            if path.exists():
                path.replace(_free(path))
            path.write_text(json.dumps({"settings": settings}) + "\n")

    def _take_over(self, settings: dict[str, Any]) -> None:
        whole = self.path.read_text().splitlines(keepends=True)
        if whole and not whole[-1].endswith("\n"):  # what was being written when it was killed
            whole.pop()
        try:
            held = dict(json.loads(whole[0])["settings"]) if whole else settings
        except (KeyError, TypeError, ValueError) as problem:
            raise ValueError(f"{self.path} holds no trials ({problem!r}): give another --out") from None
        other = [
            f"{key} {held.get(key)!r} there, {settings[key]!r} now"
            for key in settings
            if held.get(key) != settings[key]
        ]
        if other:
            raise ValueError(
                f"{self.path} is of another run ({'; '.join(other)}): ask for the same, or give another --out"
            )
        self.done = {one.task: one for one in map(self._read, range(2, len(whole) + 1), whole[1:])}
        draft = self.path.with_suffix(f".{os.getpid()}.part")
        draft.write_text("".join(whole) or json.dumps({"settings": settings}) + "\n")
        draft.replace(self.path)

    def _read(self, number: int, line: str) -> Done[AnyRow]:
        try:
            told, names = json.loads(line), [one.name for one in fields(self._kind)]
            rows = [self._kind(**{name: row[name] for name in names}) for row in told["rows"]]
            return Done(told["task"], told["object"], rows, told["left_out"])
        except (KeyError, TypeError, ValueError) as problem:
            raise ValueError(
                f"line {number} of {self.path} is damaged ({problem!r}): delete it, and its task is tried again, or "
                "give another --out"
            ) from None

    def add(self, done: Done[AnyRow]) -> None:
        """Keep what came of a task; it is on the disk when this returns.

        Raises:
            OSError: it cannot be written.
        """
        self.done[done.task] = done
        line = {"task": done.task, "object": done.object, "left_out": done.left_out}
        with self.path.open("a") as file:
            file.write(json.dumps(line | {"rows": [asdict(row) for row in done.rows]}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    @property
    def rows(self) -> list[AnyRow]:
        """All rows, in the order of the tasks."""
        return [row for task in sorted(self.done) for row in self.done[task].rows]

    @property
    def left_out(self) -> Iterator[tuple[str, str]]:
        """Objects of tasks without rows, and why."""
        return ((one.object, one.left_out) for _, one in sorted(self.done.items()) if one.left_out)


def _free(path: Path) -> Path:
    """A name beside it that is not taken: .old.jsonl, .old2.jsonl, ..."""
    number = 1
    while (old := path.with_suffix(f".old{number if number > 1 else ''}.jsonl")).exists():
        number += 1
    return old


def write_table(rows: Sequence[Row] | Sequence[Attempt], path: Path) -> None:
    """Write every trial as CSV, replacing the file as a whole.

    Raises:
        OSError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    with draft.open("w", newline="") as file:
        names = [one.name for one in fields(rows[0])] if rows else ["task"]
        table = csv.DictWriter(file, names, lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(row) for row in rows)
    draft.replace(path)
