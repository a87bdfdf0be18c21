"""Measure clearing clutter: episodes on any number of workers, in rows that outlast an interruption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console

from envs.grasping.parts import load_bodies
from evaluation.grasping.clutter import OBJECTS, ClutterConfig, Episode, run_episode
from evaluation.grasping.identity import settings_of
from evaluation.grasping.single import CLOUDS
from evaluation.grasping.statistics import causes, success
from evaluation.grasping.trials import Attempt, Done, GraspOptions, run_tasks, write_table
from policies.grasping.external_planners import load_external_planner
from robots.io import check_writable, write_json


@dataclass(frozen=True, kw_only=True)
class Clutter(GraspOptions):
    """Clear tables of five objects, packed or piled, from one side view.

    packed/test and pile/test are the objects of the published figures.
    """

    rounds: int = 100
    """Scenes; one round clears one of them."""
    table: Annotated[ClutterConfig, tyro.conf.arg(name="")] = field(default_factory=ClutterConfig)
    """Scenes, and the planner that clears them."""
    out: Path = Path("runs/grasp/clutter")
    """Folder for trials.jsonl, trials.csv and figures.json."""


def evaluate_clutter(args: Clutter) -> dict[str, Any]:
    """Play all rounds and save rows and figures; returns the figures.

    Raises:
        ValueError: something unknown or out of range, or a run of other settings in the folder.
        OSError: nothing can be written, or there is no network to complete with.
    """
    args.check()
    _check(args)
    for place in (args.json, args.out / "trials.jsonl"):
        check_writable(place)
    found = load_bodies(args.objects, args.data)
    console = Console(stderr=True)
    for line in found.told():
        console.print(line, markup=False)
    episodes = [Episode(number, tuple(found.objects), args.table, args.seed) for number in range(args.rounds)]
    done = run_tasks(run_episode, episodes, Attempt, args, settings_of(args, found.objects, args.table))
    figures = cleared(done, args.table.scene)
    write_table([row for one in done for row in one.rows], args.out / "trials.csv")
    write_json(figures, str(args.out / "figures.json"))
    write_json(figures, args.json)
    held = figures["success"]
    console.print(
        f"{args.table.scene}, {args.table.external_planner or args.table.cloud}: success {100 * held['mean']:.1f} % "
        f"[{100 * held['low']:.0f}-{100 * held['high']:.0f}] of {figures['attempts']} grasps, decluttered "
        f"{100 * figures['declutter_rate']['mean']:.1f} %, plan {figures['plan_seconds']:.2f} s; lost to "
        f"{figures['causes']}"
    )
    return figures


def cleared(done: Sequence[Done[Attempt]], scene: str) -> dict[str, Any]:
    """Sum up episodes, after VGN: success over grasps, declutter rate over objects; 95 % intervals (Wilson)."""
    rows = [row for one in done for row in one.rows]
    tried = sum(row.cause != "no grasp" for row in rows)
    there = sum(one.rows[0].left for one in done if one.rows)
    held = sum(row.held for row in rows)
    seconds = [row.plan_seconds + row.shape_seconds for row in rows]
    return {
        "scene": scene,
        "rounds": len(done),
        "success": success(held, tried),
        "declutter_rate": success(held, there),
        "plan_seconds": round(float(np.mean(seconds)), 3) if rows else 0.0,
        "attempts": tried,
        "objects": there,
        "causes": causes(rows),
    }


def _check(args: Clutter) -> None:
    """Refuse what would fail only after long work."""
    if not 1 <= args.rounds <= 100_000:
        raise ValueError(f"--rounds {args.rounds} came; allowed are 1 to 100000 ({OBJECTS} objects a round)")
    if not 0.05 <= args.table.friction <= 2.0:
        raise ValueError(f"--friction {args.table.friction} came; allowed are 0.05 to 2")
    if args.table.cloud not in CLOUDS:
        raise ValueError(f"--cloud {args.table.cloud!r} came; allowed are {', '.join(CLOUDS)}")
    if args.table.external_planner is not None:
        load_external_planner(args.table.external_planner)
    elif args.table.cloud == "completed":
        from perception.completion.model import load_completion  # which loads torch

        load_completion(args.table.completion)
