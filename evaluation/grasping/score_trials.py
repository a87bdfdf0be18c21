"""Try grasps to learn the planner's score from, on objects that the completion network was not trained on.

    empaw train grasp-score --data ../shared/data/objects

Half of the trials are planned on completed clouds, half on true shapes, so that the score serves every cloud; what they
taught is printed as `Weights`, beside how well it tells grasps that hold on objects that were left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console

from datasets.held_out import is_held_out
from envs.grasping.parts import load_bodies
from evaluation.grasping.evaluate import check, tasks_of
from evaluation.grasping.identity import settings_of
from evaluation.grasping.single import LeftOutError, Task, TrialConfig, attempt, clouds, make_scene, random_of
from evaluation.grasping.trials import Done, GraspOptions, left_out_views, run_tasks
from geometry.clouds import CloudError
from learning.grasp_score.fit import Sample, fit_weights
from policies.grasping.planner import Planner, PlannerConfig
from robots.io import check_writable, write_json

_BEST, _DRAWN = 2, 2
"""Grasps tried on a view: among the ten best by today's score, and anywhere."""


@dataclass(frozen=True, kw_only=True)
class Fit(GraspOptions):
    """Try grasps on training objects and fit the weights of the score to what held."""

    objects: str = "household/train+packed/train+pile/train"
    """Sets or folders, joined by +; those with which the completion network was trained are passed over."""
    views: int = 16
    """Views of each object."""
    trial: Annotated[TrialConfig, tyro.conf.arg(name="")] = field(
        default_factory=lambda: TrialConfig(clouds=("completed", "true"))
    )
    """Views of the objects, and clouds; each view is planned on one of them."""
    strength: float = 1.0
    """Inverse of the penalty on the square of (standardised) weights."""
    out: Path = Path("runs/grasp/fit")
    """Folder of trials.jsonl."""


def fit(args: Fit) -> dict[str, Any]:
    """Try, regress and say; returns weights and figures.

    Raises:
        ValueError: something unknown or out of range, or a run of other settings in the folder.
        OSError: nothing can be written, or there is no network.
    """
    args.check()
    check(args.views, args.trial)
    check_writable(args.json)
    console = Console(stderr=True)
    loaded = load_bodies(args.objects, args.data)
    models = loaded._replace(objects=[model for model in loaded.objects if is_held_out(model.name)])
    trained_on = len(loaded.objects) - len(models.objects)
    passed_over = f"passed over {trained_on} objects: the completion network was trained on them"
    for line in (*models.told(), passed_over):
        console.print(line, markup=False, soft_wrap=True)
    tasks = tasks_of(models, args.views, args.trial, args.seed)
    done = run_tasks(try_some, tasks, Sample, args, settings_of(args, models.objects, args.trial))
    for line in left_out_views(done):
        console.print(line, markup=False, soft_wrap=True)
    found = fit_weights([row for one in done for row in one.rows], args.strength).as_json()
    console.print(found)
    write_json(found, args.json)
    return found


def try_some(task: Task) -> Done[Sample]:
    """Try some grasps of one view, planned on one of the clouds."""
    rng, config = random_of(task), task.config
    cloud = config.clouds[(task.number + task.view) % len(config.clouds)]
    try:
        scene = make_scene(task)
        grasps = Planner(PlannerConfig(kept=1000)).plan(clouds(config)[cloud](scene.observation))
    except (LeftOutError, CloudError) as problem:
        return Done(task.number, task.model.name, [], str(problem))
    best = rng.permutation(min(10, len(grasps)))[:_BEST]
    others = rng.permutation(np.arange(10, max(len(grasps), 10)))[:_DRAWN]
    rows = []
    for rank in [*best.tolist(), *others.tolist()]:
        outcome = attempt(scene, grasps[rank], config.friction)
        features = {name: round(value, 5) for name, value in (grasps[rank].features or {}).items()}
        rows.append(Sample(task.number, task.model.name, cloud, rank, features, outcome.held, outcome.cause))
    return Done(task.number, task.model.name, rows, "" if rows else "no grasp is found")
