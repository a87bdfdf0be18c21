"""Measure the grasp benchmark's costs: a plan on one core, trials in an hour, a second worker, memory, and Ray's rows.

    empaw bench grasping --json benchmarks/results/grasping.json

One worker and two take turns on the same views, so that other work on the machine spoils their ratio little.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track

from benchmarks.command import run, spread
from envs.grasping.parts import load_bodies
from evaluation.grasping.clutter import ClutterConfig, Episode, run_episode
from evaluation.grasping.evaluate import check, tasks_of
from evaluation.grasping.single import LeftOutError, Task, TrialConfig, make_scene, plan
from evaluation.grasping.single import run as try_all
from evaluation.grasping.trials import TIMED, Done, Trial
from geometry.objects import ObjectModel
from robots.io import check_writable, write_json
from robots.options import JsonOption
from robots.parallel import Engine, in_order


@dataclass(frozen=True)
class Args(JsonOption):
    """Measure what the grasp benchmark costs."""

    objects: str = "household/test"
    """Which objects, as for grasp_eval.py single."""
    trial: Annotated[TrialConfig, tyro.conf.arg(name="")] = field(default_factory=TrialConfig)
    """Views and clouds that are compared, as there."""
    turns: int = 4
    """How often one worker and two take turns.

    They alternate, so that whatever else the machine does weighs on both alike.
    """
    views: int = 40
    """Views in each turn; every cloud is tried on each."""
    plans: int = 60
    """Views on which plans are timed."""
    rounds: int = 20
    """Packed scenes that are cleared, every plan timed.

    Up to five things are in each.
    """
    ray: int = 12
    """Views that Ray tries as well, to compare the rows; 0 leaves it out."""

    def __post_init__(self) -> None:
        if not 2 <= self.turns <= 100 or not 4 <= self.views <= 10_000:
            raise ValueError(f"--turns {self.turns} --views {self.views} came; allowed are 2 to 100 and 4 to 10000")
        if not 10 <= self.plans <= 10_000 or not 5 <= self.rounds <= 1000:
            raise ValueError(f"--plans {self.plans} --rounds {self.rounds} came; allowed are 10 to 10000 and 5 to 1000")


def main(args: Args) -> dict[str, Any]:
    """Measure and return the figures."""
    check_writable(args.json)
    check(1, args.trial)
    models = load_bodies(args.objects)
    tasks = tasks_of(models, args.views * args.turns // len(models.objects) + 2, args.trial, 0)
    turns = track(range(args.turns), "turns")
    one, two = np.array([_turn(tasks[turn * args.views : (turn + 1) * args.views]) for turn in turns]).T
    result = {
        "trials_per_hour_two_workers": spread(two.tolist()),
        "two_workers_over_one": spread((two / one).tolist()),
        "worker_memory_gb": round(max(in_order(memory_gb, [None] * 8, 2)), 3),
        "plan": plan_seconds(tasks[: args.plans]),
        "packed": packed_seconds(models.objects, args.rounds),
        "ray": same_rows(tasks[: args.ray]) if args.ray else None,
        "views": args.views * args.turns,
        "clouds": list(args.trial.clouds),
    }
    Console(stderr=True).print(result)
    if args.json is not None:
        write_json(result, args.json)
    return result


def _turn(tasks: list[Task]) -> tuple[float, float]:
    """Count trials in an hour, by one worker and by two."""
    list(in_order(memory_gb, [None] * 8, 2))  # workers start and import before the clock runs
    rates = []
    for workers in (1, 2):
        began = time.perf_counter()
        trials = sum(len(done.rows) for done in in_order(try_all, tasks, workers))
        rates.append(3600 * trials / (time.perf_counter() - began))
    return rates[0], rates[1]


def memory_gb(_: None) -> float:
    """Read the most memory that this process has held, GB (Linux counts in kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def plan_seconds(tasks: list[Task]) -> dict[str, dict[str, float]]:
    """Time the shape and the plan on it, in processor seconds, for every cloud: median and 95th percentile."""
    spent: dict[str, list[tuple[float, float]]] = {}
    for task in track(tasks, "plans", console=Console(stderr=True)):
        try:
            scene = make_scene(task)
        except LeftOutError:
            continue
        for cloud in task.config.clouds:
            planned = plan(scene, task.config, cloud)
            spent.setdefault(cloud, []).append((planned.shape_seconds, planned.plan_seconds))
    found = {}
    for cloud, pairs in spent.items():
        shape, whole = np.array(pairs).T[0], np.array(pairs).sum(axis=1)
        parts = {"shape": np.median(shape), "shape_p95": np.percentile(shape, 95)}
        parts |= {"whole": np.median(whole), "whole_p95": np.percentile(whole, 95)}
        found[cloud] = {name: round(float(value), 3) for name, value in parts.items()}
    return found


def packed_seconds(models: Sequence[ObjectModel], rounds: int) -> dict[str, float]:
    """Time shapes and plan together in packed scenes: processor seconds of all plans, and where most things stood."""
    spent: list[tuple[int, float]] = []
    for number in track(range(rounds), "scenes", console=Console(stderr=True)):
        rows = run_episode(Episode(number, tuple(models), ClutterConfig())).rows
        spent += [(row.left, row.plan_seconds + row.shape_seconds) for row in rows]
    left, seconds = np.array(spent).T
    fullest = seconds[left == left.max()]
    found = {
        "mean": seconds.mean(),
        "p95": np.percentile(seconds, 95),
        "max_objects": left.max(),
        "mean_at_max_objects": fullest.mean(),
    }
    return {name: round(float(value), 3) for name, value in found.items()} | {"plans": len(seconds)}


def same_rows(tasks: list[Task]) -> dict[str, int]:
    """Count the rows that Ray's workers gave, and those of them that are the other processes' too."""

    def rows(engine: Engine) -> list[dict[str, Any]]:
        found: list[Done[Trial]] = list(in_order(try_all, tasks, 2, engine))
        return [asdict(row) | dict.fromkeys(TIMED, 0.0) for done in found for row in done.rows]

    one, other = rows("processes"), rows("ray")
    same = sum(a == b for a, b in zip(one, other, strict=False))
    return {"rows": len(other), "identical": same if len(one) == len(other) else 0}


if __name__ == "__main__":
    run(main, Args, __doc__)
