"""Measure clearing clutter: rounds on any number of workers, in rows that outlast an interruption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from envs.grasping.parts import load_bodies
from evaluation.grasping.clutter import OBJECTS, Round, Table, play
from evaluation.grasping.identity import settings_of
from evaluation.grasping.ledger import Attempt, Done, Ledger, write_table
from evaluation.grasping.single import CLOUDS
from perception.completion.model import load_completion
from policies.grasping.external_planners import load_external_planner
from policies.intervals import wilson
from robots.io import check_writable, write_json
from robots.options import EngineOption, JsonOption, ResumeOption
from robots.parallel import in_order


@dataclass(frozen=True)
class Clutter(JsonOption, ResumeOption, EngineOption):
    """Clear tables of five objects, packed or piled, from one side view."""

    objects: str = "household/test"
    """A set of objects or a folder, as for single; packed/test and pile/test are those of the published figures."""
    data: Path | None = None
    """Folder that holds vgn_giga and ycb_dev, for their sets."""
    rounds: int = 100
    """Scenes; one round clears one of them."""
    table: Table = field(default_factory=Table)
    """What stands there and how it is planned."""
    out: Path = Path("runs/grasp/clutter")
    """Folder for trials.jsonl, trials.csv and figures.json."""


def evaluate_clutter(args: Clutter) -> dict[str, Any]:
    """Play all rounds and save rows and figures; returns the figures.

    Raises:
        ValueError: something unknown or out of range, or a run of other settings in the folder.
        OSError: nothing can be written, or there is no network to complete with.
    """
    _check(args)
    check_writable(args.json)
    found = load_bodies(args.objects, args.data)
    settings = settings_of(args.objects, found.objects, args.table)
    ledger = Ledger(args.out / "trials.jsonl", settings, args.resume, Attempt)
    console = Console(stderr=True)
    for name, reason in found.skipped:
        console.print(f"left out {name}: {reason}")
    rounds = [Round(number, tuple(found.objects), args.table) for number in range(args.rounds)]
    missing = [one for one in rounds if one.number not in ledger.done]
    for done in track(in_order(play, missing, args.workers, args.engine), "clearing", len(missing), console=console):
        ledger.add(done)
    played = [ledger.done[number] for number in range(args.rounds)]  # an earlier run may have had more rounds
    figures = cleared(played, args.table.scene)
    write_table([row for done in played for row in done.rows], args.out / "trials.csv")
    write_json(figures, str(args.out / "figures.json"))
    if args.json is not None:
        write_json(figures, args.json)
    console.print(
        f"{args.table.scene}, {args.table.peer or args.table.cloud}: success {100 * figures['success_rate']:.1f} % "
        f"[{100 * figures['low']:.0f}-{100 * figures['high']:.0f}] of {figures['attempts']} grasps, decluttered "
        f"{100 * figures['declutter_rate']:.1f} %, plan {figures['plan_seconds']:.2f} s; lost to {figures['causes']}"
    )
    return figures


def cleared(done: Sequence[Done[Attempt]], scene: str) -> dict[str, Any]:
    """Figures of rounds, after VGN: success over grasps, declutter rate over objects; 95 % intervals (Wilson)."""
    rows = [row for one in done for row in one.rows]
    tried = [row for row in rows if row.cause != "no grasp"]
    there = sum(one.rows[0].left for one in done if one.rows)
    held = sum(row.held for row in tried)
    low, high = wilson(held, len(tried)) if tried else (0.0, 1.0)
    declutter_low, declutter_high = wilson(held, there) if there else (0.0, 1.0)
    causes = sorted({row.cause for row in rows} - {""})
    return {
        "scene": scene,
        "rounds": len(done),
        "success_rate": round(held / max(len(tried), 1), 4),
        "declutter_rate": round(held / max(there, 1), 4),
        "plan_seconds": round(float(np.mean([row.plan_seconds + row.shape_seconds for row in rows])), 3)
        if rows
        else 0.0,
        "low": low,
        "high": high,
        "declutter_low": declutter_low,
        "declutter_high": declutter_high,
        "attempts": len(tried),
        "objects": there,
        "causes": {cause: sum(row.cause == cause for row in rows) for cause in causes},
    }


def _check(args: Clutter) -> None:
    """Refuse what would fail only after long work."""
    if not 1 <= args.rounds <= 100_000 or not 1 <= args.workers <= 256 or args.table.seed < 0:
        raise ValueError(
            f"--rounds {args.rounds} --workers {args.workers} --table.seed {args.table.seed} came; allowed are 1 to "
            f"100000, 1 to 256, 0 or more ({OBJECTS} objects a round)"
        )
    if not 0.05 <= args.table.friction <= 2.0:
        raise ValueError(f"--table.friction {args.table.friction} came; allowed are 0.05 to 2")
    if args.table.cloud not in CLOUDS:
        raise ValueError(f"--table.cloud {args.table.cloud!r} came; allowed are {', '.join(CLOUDS)}")
    if args.table.peer is not None:
        load_external_planner(args.table.peer)
    elif args.table.cloud == "completed":
        load_completion(args.table.completion)
