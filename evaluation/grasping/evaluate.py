"""Measure grasping on single objects: every cloud on the same looks, in rows that outlast an interruption."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from envs.grasping.parts import load_bodies
from evaluation.grasping.identity import settings_of
from evaluation.grasping.ledger import Done, Ledger, Row, write_table
from evaluation.grasping.single import CLOUDS, LOOKS_DEG, Look, Task, clouds, run
from evaluation.grasping.statistics import summary
from geometry.objects import ObjectSet
from policies.grasping.external_planners import load_external_planner
from robots.io import check_writable, write_json
from robots.options import EngineOption, JsonOption, ResumeOption
from robots.parallel import in_order


@dataclass(frozen=True)
class Single(JsonOption, ResumeOption, EngineOption):
    """Grasp single objects, each seen once, planned on every cloud: paired trials with intervals and tests."""

    objects: str = "household/test"
    """household, household/train, household/test, pybullet, ycb_dev, packed/train, packed/test, pile/train, pile/test,
    any folder of URDFs or meshes, or several of these joined by +."""
    data: Path | None = None
    """Folder that holds vgn_giga and ycb_dev, for their sets."""
    views: int = 10
    """Looks at each object, each at another rest."""
    look: Look = field(default_factory=Look)
    """What is seen and compared."""
    out: Path = Path("runs/grasp/single")
    """Folder for trials.jsonl (written as trials come), trials.csv, figures.json and report.html."""


def evaluate_single(args: Single) -> dict[str, Any]:
    """Try all tasks and save rows, figures and report; returns the figures.

    Raises:
        ValueError: something unknown or out of range, or a run of other settings in the folder.
        OSError: nothing can be written.
    """
    look = args.look
    check(args.views, args.workers, look)
    check_writable(args.json)
    found = load_bodies(args.objects, args.data)
    tasks = tasks_of(found, args.views, look)
    ledger = Ledger(args.out / "trials.jsonl", settings_of(args.objects, found.objects, look), args.resume, Row)
    console = Console(stderr=True)
    for name, reason in found.skipped:
        console.print(f"left out {name}: {reason}")
    missing = [task for task in tasks if task.number not in ledger.done]
    results: Iterable[Done[Row]] = in_order(run, missing, args.workers, args.engine)
    for done in track(results, "grasping", len(missing), console=console):
        ledger.add(done)
    return finish(args, ledger, found, tasks, console)


def finish(
    args: Single, ledger: Ledger[Row], found: ObjectSet, tasks: Sequence[Task], console: Console
) -> dict[str, Any]:
    """Write the table, the figures and the report of a run."""
    from evaluation.grasping.pictures import failures
    from evaluation.grasping.report import write_report

    asked = {task.number for task in tasks}
    rows = [row for row in ledger.rows if row.task in asked]  # an earlier run may have had more views
    left = [*((name, reason) for name, reason in found.skipped), *ledger.left_out]
    reference = "completed" if "completed" in {row.cloud for row in rows} else "true"
    figures = summary(rows, reference) | {"left_out": [list(one) for one in left]}
    write_table(rows, args.out / "trials.csv")
    write_json(figures, str(args.out / "figures.json"))
    pictures = [shot for cloud in (reference, "partial") for shot in failures(rows, tasks, cloud)]
    write_report(figures, rows, args.out / "report.html", f"Single objects: {args.objects}", pictures)
    if args.json is not None:
        write_json(figures, args.json)
    console.print(table(figures))
    console.print(f"{len(rows)} trials, {len(left)} objects or looks left out: {args.out / 'report.html'}")
    return figures


def check(views: int, workers: int, look: Look) -> None:
    """Refuse what would fail only after long work.

    Raises:
        ValueError: something unknown or out of range, or damaged weights of the network.
    """
    if not 1 <= views <= 10_000 or not 1 <= workers <= 256:
        raise ValueError(f"--views {views} --workers {workers} came; allowed are 1 to 10000 and 1 to 256")
    if not 0.05 <= look.friction <= 2.0 or not 0.0 <= look.upright <= 1.0 or look.seed < 0:
        raise ValueError(
            f"friction {look.friction}, upright {look.upright}, seed {look.seed} came; allowed are 0.05 to 2, 0 to 1, "
            "0 or more"
        )
    for told, known in ((look.elevations, LOOKS_DEG), (look.clouds, CLOUDS)):
        if not told or not set(told) <= set(known) or len(set(told)) < len(told):
            raise ValueError(f"{', '.join(told) or 'nothing'} came; allowed are {', '.join(known)}, each once")
    clouds(look)
    if look.peer is not None:
        load_external_planner(look.peer)


def tasks_of(found: ObjectSet, views: int, look: Look) -> list[Task]:
    """All looks, each object once before any is looked at again: a part of a run is a fair sample."""
    models = found.objects
    return [
        Task(view * len(models) + index, model, view, look)
        for view in range(views)
        for index, model in enumerate(models)
    ]


def table(figures: dict[str, Any]) -> Table:
    """The figures for a terminal."""
    shown = Table("stratum", "cloud", "n", "success % [95 %]", "by object", "strict %", "CD mm", "lost to")
    for row in figures["rows"]:
        causes = ", ".join(f"{name} {count}" for name, count in row["causes"].items())
        shown.add_row(
            row["stratum"],
            row["cloud"],
            str(row["n"]),
            f"{100 * row['success']:.0f} [{100 * row['low']:.0f}-{100 * row['high']:.0f}]",
            f"{100 * row['low_objects']:.0f}-{100 * row['high_objects']:.0f}",
            f"{100 * row['strict']:.0f}",
            f"{row['cd_mm']:.1f}",
            causes,
        )
    return shown
