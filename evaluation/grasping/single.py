"""One object, one view, every cloud: paired trials through the same planner."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import tyro

from envs.grasping.execution import Outcome, execute
from envs.grasping.objects import resting
from envs.grasping.scenes import Placed, RestlessError, look_at_models, rest_single, side_camera
from evaluation.grasping.trials import Done, Trial, outcome_columns
from geometry.cameras import DepthCamera
from geometry.clouds import CloudError, chamfer_l1
from geometry.objects import ObjectModel
from geometry.transforms import transform_points
from policies.grasping.clouds import WITHOUT_LEARNING, Observation, completed
from policies.grasping.external_planners import load_external_planner
from policies.grasping.planner import WORTH_TRYING, Planner, PlannerConfig, PlanningScene
from robots.hand import Grasp

TALL_M = 0.04
"""Resting height from which a far side is hidden; lower objects are the set on which completion must do no harm."""
ELEVATIONS_DEG = {"35-50": (35.0, 50.0), "15-25": (15.0, 25.0)}
CLOUDS = (*WITHOUT_LEARNING, "completed")
_TRUE_POINTS = 4096
_LEAST_POINTS = 50


@dataclass(frozen=True)
class TrialConfig:
    """Settings of a run, the same for every task; they decide the rows, with the objects and the seed."""

    clouds: tuple[str, ...] = CLOUDS
    """Of partial, mirrored, top-down, extruded, shadow, true, completed."""
    elevations: tuple[str, ...] = ("35-50", "15-25")
    """How steeply the camera looks down, in degrees; views take turns."""
    friction: float = 0.5
    """Of the objects; the fingers' is 1."""
    upright: float = 0.5
    """Share of objects that are put down upright; the rest is dropped turned at random."""
    camera: DepthCamera = field(default_factory=DepthCamera)
    completion: Path | None = None
    """Folder of the network that completes; the shipped one unless told."""
    external_planner: Annotated[str | None, tyro.conf.arg(aliases=("--peer", "--look.peer"))] = None
    """Another planner beside ours, as module:callable from a cloud (N, 3) to grasps; its row is named after it."""


class Task(NamedTuple):
    """One view of one object."""

    number: int
    model: ObjectModel
    view: int
    config: TrialConfig
    seed: int = 0


class Scene(NamedTuple):
    """An object at rest and its observation from one view, the same for all clouds of a task."""

    placed: Placed
    observation: Observation
    stratum: str


class LeftOutError(RuntimeError):
    """A task that cannot be tried by any cloud; the message says why."""


def random_of(task: Task) -> np.random.Generator:
    """Seed the generator of a task: the same whatever else runs, and for an object whatever set it came in."""
    return np.random.default_rng((task.seed, zlib.crc32(task.model.name.encode()), task.view))


def make_scene(task: Task) -> Scene:
    """Put the object down and look at it.

    Raises:
        LeftOutError: it does not come to rest, or is hardly seen.
    """
    rng, config = random_of(task), task.config
    try:
        placed = rest_single(task.model, rng, config.friction, config.upright)
    except RestlessError as problem:
        raise LeftOutError(str(problem)) from problem
    elevation = config.elevations[task.view % len(config.elevations)]
    target = (0.0, 0.0, placed.height_m / 2)
    T_world_cam = side_camera(target, float(rng.uniform(*ELEVATIONS_DEG[elevation])), rng)
    view = look_at_models([(task.model.mesh, placed.T_world_object)], T_world_cam, config.camera, rng)
    cloud = view.of(0)
    if len(cloud) < _LEAST_POINTS:
        raise LeftOutError(f"only {len(cloud)} points of it are seen")
    true = transform_points(placed.T_world_object, task.model.surface(_TRUE_POINTS, rng)[0])
    height = "tall" if placed.height_m >= TALL_M else "flat"
    return Scene(placed, Observation(cloud, view.depth, T_world_cam, config.camera, true), f"{height} {elevation}")


def run(task: Task) -> Done[Trial]:
    """Try every cloud of one task; poses that cannot be grasped even on the true shape are left out before."""
    external = [task.config.external_planner] if task.config.external_planner else []
    try:
        scene = make_scene(task)
        known = planner("true").plan(clouds(task.config)["true"](scene.observation))
        if not known or known[0].score < WORTH_TRYING:
            raise LeftOutError("no grasp worth trying is found on its true shape")
        rows = [_trial(task, scene, name) for name in (*task.config.clouds, *external)]
    except (LeftOutError, CloudError) as problem:
        return Done(task.number, task.model.name, [], str(problem))
    return Done(task.number, task.model.name, rows, "")


class Planned(NamedTuple):
    """The plan from one view: the shape, ranked grasps on it, and processor seconds of both."""

    shape: PlanningScene
    grasps: list[Grasp]
    shape_seconds: float
    plan_seconds: float


def plan(scene: Scene, config: TrialConfig, cloud: str) -> Planned:
    """Make a cloud and plan on it.

    Raises:
        CloudError: the cloud cannot be used.
    """
    external = cloud == config.external_planner
    begin = time.process_time()
    shape = clouds(config)["partial" if external else cloud](scene.observation)
    middle = time.process_time()
    grasps = load_external_planner(cloud)(shape.target) if external else planner(cloud).plan(shape)
    return Planned(shape, grasps, middle - begin, time.process_time() - middle)


def attempt(scene: Scene, grasp: Grasp, friction: float, **options: Any) -> Outcome:
    """Try a grasp on the object of a task, in a world of its own."""
    seen = options.get("watch") is not None
    with resting([scene.placed.model], [scene.placed.T_world_object], friction, seen) as table:
        return execute(table, grasp, **options)


def _trial(task: Task, scene: Scene, cloud: str) -> Trial:
    planned = plan(scene, task.config, cloud)
    best = planned.grasps[0] if planned.grasps else None
    outcome = attempt(scene, best, task.config.friction) if best else None
    return Trial(
        task=task.number,
        object=task.model.name,
        stratum=scene.stratum,
        height_m=round(scene.placed.height_m, 4),
        friction=task.config.friction,
        cloud=cloud,
        cd_mm=round(1000 * chamfer_l1(planned.shape.target, scene.observation.true), 3),
        plan_seconds=round(planned.plan_seconds, 4),
        shape_seconds=round(planned.shape_seconds, 4),
        **outcome_columns(best, outcome),
    )


def planner(cloud: str) -> Planner:
    """Make our planner, as it stands behind a cloud: `top-down` may come only from above."""
    return Planner(PlannerConfig(from_above=cloud == "top-down"))


def clouds(config: TrialConfig) -> dict[str, Callable[[Observation], PlanningScene]]:
    """Make the clouds that a run compares, by name."""
    found = dict(WITHOUT_LEARNING)
    if "completed" in config.clouds:
        from perception.completion.model import load_completion

        found["completed"] = completed(load_completion(config.completion))
    return found
