"""Measure grasping on single objects: every cloud on the same views, in rows that outlast an interruption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table

from envs.grasping.parts import load_bodies
from evaluation.grasping.identity import settings_of
from evaluation.grasping.single import CLOUDS, ELEVATIONS_DEG, Task, TrialConfig, clouds, run
from evaluation.grasping.statistics import summary
from evaluation.grasping.trials import Done, GraspOptions, Trial, left_out_views, run_tasks, write_table
from evaluation.terminal import print_table
from geometry.objects import ObjectSet
from policies.grasping.external_planners import load_external_planner
from robots.io import check_writable, write_json


@dataclass(frozen=True, kw_only=True)
class Single(GraspOptions):
    """Grasp single objects, each seen once, planned on every cloud: paired trials with intervals and tests."""

    views: int = 10
    """Views of each object, each at another rest."""
    trial: Annotated[TrialConfig, tyro.conf.arg(name="")] = field(default_factory=TrialConfig)
    """Views of the objects, and the clouds that are compared."""
    out: Path = Path("runs/grasp/single")
    """Folder for trials.jsonl (written as trials come), trials.csv, figures.json and report.html."""


def evaluate_single(args: Single) -> dict[str, Any]:
    """Try all tasks and save rows, figures and report; returns the figures.

    Raises:
        ValueError: something unknown or out of range, or a run of other settings in the folder.
        OSError: nothing can be written.
    """
    args.check()
    check(args.views, args.trial)
    check_writable(args.json)
    found = load_bodies(args.objects, args.data)
    tasks = tasks_of(found, args.views, args.trial, args.seed)
    done = run_tasks(run, tasks, Trial, args, settings_of(args, found.objects, args.trial))
    return finish(args, done, found, tasks)


def finish(args: Single, done: Sequence[Done[Trial]], found: ObjectSet, tasks: Sequence[Task]) -> dict[str, Any]:
    """Write the table, the figures and the report of a run."""
    from evaluation.grasping.pictures import failures
    from evaluation.grasping.report import write_report

    rows = [row for one in done for row in one.rows]
    left_out = [*map(list, found.skipped), *([one.object, one.left_out] for one in done if one.left_out)]
    reference = "completed" if "completed" in {row.cloud for row in rows} else "true"
    figures = summary(rows, reference) | {"left_out": left_out}
    write_table(rows, args.out / "trials.csv")
    write_json(figures, str(args.out / "figures.json"))
    pictures = [shot for cloud in (reference, "partial") for shot in failures(rows, tasks, cloud)]
    write_report(figures, rows, args.out / "report.html", f"Single objects: {args.objects}", pictures)
    write_json(figures, args.json)
    console = Console(stderr=True)
    for line in (*found.told(), *left_out_views(done)):
        console.print(line, markup=False, soft_wrap=True)
    print_table(console, table(figures))
    console.print(f"{len(rows)} trials: {args.out / 'report.html'}", markup=False, soft_wrap=True)
    return figures


def check(views: int, config: TrialConfig) -> None:
    """Refuse what would fail only after long work.

    Raises:
        ValueError: something unknown or out of range, or damaged weights of the network.
    """
    if not 1 <= views <= 10_000:
        raise ValueError(f"--views {views} came; allowed are 1 to 10000")
    if not 0.05 <= config.friction <= 2.0 or not 0.0 <= config.upright <= 1.0:
        raise ValueError(f"friction {config.friction}, upright {config.upright} came; allowed are 0.05 to 2, 0 to 1")
    for asked, known in ((config.elevations, ELEVATIONS_DEG), (config.clouds, CLOUDS)):
        if not asked or not set(asked) <= set(known) or len(set(asked)) < len(asked):
            raise ValueError(f"{', '.join(asked) or 'nothing'} came; allowed are {', '.join(known)}, each once")
    clouds(config)
    if config.external_planner is not None:
        load_external_planner(config.external_planner)


def tasks_of(found: ObjectSet, views: int, config: TrialConfig, seed: int) -> list[Task]:
    """List all views, each object once before any is seen again: a part of a run is a fair sample."""
    models = found.objects
    return [
        Task(view * len(models) + index, model, view, config, seed)
        for view in range(views)
        for index, model in enumerate(models)
    ]


def percent(share: dict[str, float]) -> str:
    """Tell the interval of a share."""
    return f"{100 * share['low']:.0f}-{100 * share['high']:.0f}"


def table(figures: dict[str, Any]) -> Table:
    """Set out the figures for a terminal."""
    shown = Table("stratum", "cloud", "n", "success % [95 %]", "by object", "strict %", "CD mm", "lost to")
    for row in figures["rows"]:
        causes = ", ".join(f"{name} {count}" for name, count in row["causes"].items())
        shown.add_row(
            row["stratum"],
            row["cloud"],
            str(row["n"]),
            f"{100 * row['success']['mean']:.0f} [{percent(row['success'])}]",
            percent(row["success_by_object"]),
            f"{100 * row['strict']:.0f}",
            f"{row['cd_mm']:.1f}",
            causes,
        )
    return shown
