"""Trials as rows, and the runs that make them: kept as they come, so that a killed run goes on where it was."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track

from envs.grasping.execution import Outcome
from evaluation.results import ResultsStore
from geometry.files import write_whole
from learning.grasp_score.fit import Sample
from robots.hand import Grasp
from robots.options import RunOptions
from robots.parallel import in_order

TIMED = ("plan_seconds", "shape_seconds")
"""Columns that differ from run to run; all others are the same for any number of workers."""


@dataclass(frozen=True, kw_only=True)
class GraspOptions(RunOptions):
    """Options of every run of trials."""

    objects: str = "household/test"
    """household, household/train, household/test, pybullet, ycb_dev, packed/train, packed/test, pile/train, pile/test,
    a folder of URDFs or meshes, or one such file (@0.001 after it for millimetres), or several of these joined by +."""
    data: Path | None = None
    """Folder that holds vgn_giga and ycb_dev, for their sets."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A grasp that was tried on a cloud, or that none was found.

    `cause` says why it was not held ("no grasp" when none was found). `T_world_hand` (16,) and `width_m` are the grasp,
    None where there was none. `shape_seconds` of the processor went into the cloud (its completion, say),
    `plan_seconds` into the plan.
    """

    task: int
    cloud: str
    held: bool
    strict: bool
    cause: str
    width_m: float | None
    T_world_hand: list[float] | None
    plan_seconds: float
    shape_seconds: float


@dataclass(frozen=True, kw_only=True)
class Trial(Tried):
    """One cloud of one view of one object at rest; `cd_mm` is CDL1 of the planned shape to the whole one."""

    object: str
    stratum: str
    height_m: float
    friction: float
    cd_mm: float


@dataclass(frozen=True, kw_only=True)
class Attempt(Tried):
    """One grasp in an episode of clutter: `left` objects lay there before it; `lifted` is the name of what came up."""

    attempt: int
    scene: str
    left: int
    lifted: str


def outcome_columns(grasp: Grasp | None, outcome: Outcome | None) -> dict[str, Any]:
    """Give the columns of `Tried` that tell a grasp and what came of it."""
    return {
        "held": bool(outcome and outcome.held),
        "strict": bool(outcome and outcome.strict),
        "cause": outcome.cause if outcome else "no grasp",
        "width_m": round(grasp.width_m, 5) if grasp else None,
        "T_world_hand": np.round(grasp.T_world_hand, 6).ravel().tolist() if grasp else None,
    }


AnyRow = TypeVar("AnyRow", Trial, Attempt, Sample)


@dataclass(frozen=True)
class Done(Generic[AnyRow]):
    """A task that was tried: its rows, or why it has none."""

    task: int
    object: str
    rows: list[AnyRow]
    left_out: str


class Numbered(Protocol):
    """A piece of work with a number of its own."""

    @property
    def number(self) -> int:
        """Which it is."""


AnyTask = TypeVar("AnyTask", bound=Numbered)


def run_tasks(
    work: Callable[[AnyTask], Done[AnyRow]],
    tasks: Sequence[AnyTask],
    kind: type[AnyRow],
    options: RunOptions,
    settings: Mapping[str, Any],
) -> list[Done[AnyRow]]:
    """Do what `trials.jsonl` in `options.out` lacks, and return what came of each task, in their order.

    Args:
        work: done for each task, on processes.
        tasks: numbered; a run that goes on may have had more.
        kind: of the rows.
        options: workers, engine, folder, and whether to go on.
        settings: what must be the same for rows to be the same.

    Raises:
        ValueError: the folder holds another run, or a damaged one.
        OSError: nothing can be written.
    """
    assert options.out is not None
    store = ResultsStore(options.out / "trials.jsonl", settings, options.resume)
    done = {key: _read(row, kind, store.path) for key, row in store.done.items()}
    missing = [task for task in tasks if (task.number,) not in done]
    found = in_order(work, missing, options.workers, options.engine)
    for one in track(found, "grasping", len(missing), console=Console(stderr=True)):
        store.add((one.task,), asdict(one))
        done[(one.task,)] = one
    return [done[(task.number,)] for task in tasks]


def _read(row: Any, kind: type[AnyRow], path: Path) -> Done[AnyRow]:
    try:
        return Done(**row | {"rows": [kind(**one) for one in row["rows"]]})
    except (KeyError, TypeError) as problem:
        raise ValueError(f"{path} holds no trials of today's kind ({problem!r}): give another --out") from None


def left_out_views(done: Sequence[Done[AnyRow]], most: int = 10) -> list[str]:
    """Say in a line for each reason how many views have no trial, and of which objects; it names `most` of them."""
    by_reason: dict[str, Counter[str]] = {}
    for one in done:
        if one.left_out:  # counts within a reason, as of points seen, are not told apart
            by_reason.setdefault(re.sub(r"\d+", "few", one.left_out), Counter())[one.object] += 1
    lines = []
    for reason, objects in by_reason.items():
        names = [name if views == 1 else f"{name} ({views})" for name, views in objects.items()]
        more = f" and of {len(names) - most} more objects" if len(names) > most else ""
        lines.append(f"left out {objects.total()} views ({reason}): of {', '.join(names[:most])}{more}")
    return lines


def write_table(rows: Sequence[Trial] | Sequence[Attempt], path: Path) -> None:
    """Write every trial as CSV, replacing the file as a whole.

    Raises:
        OSError: it cannot be written.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, [one.name for one in fields(rows[0])] if rows else ["task"], lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(row) for row in rows)
    write_whole(path, text.getvalue())
