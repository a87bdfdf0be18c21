"""Measure errands: many rooms, kinds of things and grounds; how many are delivered, and where the others end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from envs.companion.room import GROUNDS, Ground, RoomConfig
from evaluation.companion.fetching import FetchResult, FetchTask, ShapeSource, model_of, run
from evaluation.results import ResultsStore
from evaluation.statistics import wilson
from evaluation.terminal import print_table
from robots.io import check_writable, write_json
from robots.options import RunOptions
from robots.parallel import in_order

THINGS = ("mug", "cup", "bottle", "can", "jar", "box", "soap", "ball", "torch", "hammer")
"""Ten kinds, of each of which the household has two that nothing was trained on."""
_SIZES = (900, 901)


@dataclass(frozen=True, kw_only=True)
class Errands(RunOptions):
    """Send the dog for things in rooms, and count what it brings, at which stage it fails, and why."""

    runs: int = 100
    """Errands for each ground and shape; each kind of thing comes as often as any other."""
    things: tuple[str, ...] = THINGS
    """Kinds of household things."""
    grounds: tuple[Ground, ...] = ("flat", "rough")
    """Grounds of the rooms."""
    shapes: tuple[ShapeSource, ...] = ("completed", "true")
    """What the grasp is planned on: the shape that the network guesses, or the true one, which no dog has."""
    room: Annotated[RoomConfig, tyro.conf.arg(name="room")] = field(default_factory=RoomConfig)
    """Of every errand, but for its ground."""
    out: Path = Path("runs/companion/errands")
    """Folder for errands.jsonl, which is written as errands end."""

    def check(self) -> None:
        """Refuse what would fail only after long work.

        Raises:
            ValueError: a number out of range, or an unknown kind, ground or shape.
        """
        super().check()
        if not 1 <= self.runs <= 100_000:
            raise ValueError(f"--runs {self.runs} came; allowed are 1 to 100000")
        known = {"things": None, "grounds": GROUNDS, "shapes": ("completed", "true")}
        for name, allowed in known.items():
            asked = getattr(self, name)
            if not asked or len(set(asked)) < len(asked) or (allowed and not set(asked) <= set(allowed)):
                listed = f" of {', '.join(allowed)}" if allowed else ""
                raise ValueError(f"--{name} {' '.join(asked) or 'nothing'} came; name some{listed}, each once")
        for kind in self.things:
            for size in _SIZES:
                model_of(f"{kind}_{size}")


def evaluate_errands(args: Errands) -> dict[str, Any]:
    """Run all errands, print the table, and return the figures.

    Raises:
        ValueError: an option out of range, or rows of another run in the folder.
        OSError: nothing can be written.
    """
    args.check()
    check_writable(args.json)
    store = ResultsStore(args.out / "errands.jsonl", args.settings("runs", "grounds", "shapes"), args.resume)
    tasks = [task for ground in args.grounds for shape in args.shapes for task in tasks_of(args, ground, shape)]
    missing = [task for task in tasks if _key(task) not in store.done]
    console = Console(stderr=True)
    found = in_order(run, missing, args.workers, args.engine)
    for task, result in zip(missing, track(found, "errands", len(missing), console=console), strict=True):
        store.add(_key(task), result._asdict())
        store.done[_key(task)] = result._asdict()
    rows = [FetchResult(**store.done[_key(task)]) for task in tasks]
    figures = summary(rows, args)
    print_table(console, _table(figures))
    write_json(figures, args.json)
    return figures


def tasks_of(args: Errands, ground: Ground, shape: ShapeSource) -> list[FetchTask]:
    """List the errands on a ground: the same rooms, things and places for either shape."""
    room = RoomConfig(**{**vars(args.room), "ground": ground})
    kinds, count = args.things, len(args.things)
    return [
        FetchTask(f"{kinds[n % count]}_{_SIZES[n // count % len(_SIZES)]}", args.seed + n, room, shape)
        for n in range(args.runs)
    ]


def _key(task: FetchTask) -> tuple[str, str, str, int]:
    return task.room.ground, task.shape, task.name, task.seed


def summary(rows: Sequence[FetchResult], args: Errands) -> dict[str, Any]:
    """Write the figures: a row for each ground and shape, with what was delivered and where the others ended."""
    found = []
    for ground in args.grounds:
        for shape in args.shapes:
            here = [row for row in rows if (row.ground, row.shape) == (ground, shape)]
            found.append({"ground": ground, "shape": shape, **_share(here)})
    kinds: dict[str, Any] = {}
    for kind in args.things:
        here = [row for row in rows if row.name.startswith(f"{kind}_") and row.shape == args.shapes[0]]
        kinds |= {kind: _share(here)} if here else {}
    return {"seed": args.seed, "rows": found, "things": kinds}


def _share(rows: Sequence[FetchResult]) -> dict[str, Any]:
    lost = [row for row in rows if not row.delivered]
    reasons = Counter(f"{row.stage}: {row.why}" if row.why else row.stage for row in lost)
    return {
        "n": len(rows),
        "delivered": wilson(sum(row.delivered for row in rows), len(rows)).as_json(),
        "first_try": sum(row.delivered and row.tries == 1 for row in rows),
        "falls": sum(row.fell for row in rows),
        "by_stage": dict(Counter(row.stage for row in lost).most_common()),
        "why": dict(reasons.most_common()),
        "seconds": round(sum(row.seconds for row in rows) / max(len(rows), 1), 1),
    }


def _table(figures: dict[str, Any]) -> Table:
    shown = Table("ground", "shape", "n", "delivered % (95 %)", "first try", "falls", "s", "lost at")
    for row in figures["rows"]:
        share = row["delivered"]
        shown.add_row(
            row["ground"], row["shape"], str(row["n"]),
            f"{100 * share['mean']:.0f} ({100 * share['low']:.0f} to {100 * share['high']:.0f})",
            str(row["first_try"]), str(row["falls"]), f"{row['seconds']:.0f}",
            ", ".join(f"{stage} {count}" for stage, count in row["by_stage"].items()),
        )  # fmt: skip
    return shown
