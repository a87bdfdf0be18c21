"""Episodes of clutter after VGN and GIGA: look, plan, grasp, take away, until it is empty or fails twice running."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import tyro

from envs.grasping.execution import execute
from envs.grasping.objects import Tabletop
from envs.grasping.scenes import SceneKind, clutter, look, within
from evaluation.grasping.trials import Attempt, Done, outcome_columns
from geometry.cameras import DepthCamera, View, around
from geometry.clouds import CloudError
from geometry.objects import ObjectModel
from geometry.transforms import transform_points
from policies.grasping.clouds import WITHOUT_LEARNING, Observation, cleaned
from policies.grasping.external_planners import load_external_planner
from policies.grasping.planner import WORTH_TRYING, Planner, PlannerConfig, PlanningScene
from policies.grasping.segments import segments
from policies.grasping.surfaces import NOTHING
from robots.hand import Grasp

OBJECTS = 5
FAILURES = 2
"""An episode ends after so many failures in a row, as in VGN and GIGA."""
_DISTANCE_M, _ELEVATION_DEG, _MIDDLE = 0.6, 30.0, (0.0, 0.0, 0.05)
_LEAST_POINTS = 60
_SEGMENTS = 6
_TRIES = (
    (25.0, PlannerConfig(least_score=WORTH_TRYING)),
    (12.0, PlannerConfig(anchors=120, checked=1500, least_score=-4.0)),
)
"""Folds, in degrees, at which things are taken apart, and how grasps are looked for. The second is for where the first
finds nothing: more is looked at, and since the episode would end here a poor grasp is better than none (of 20 such ends
on YCB's objects 13 held)."""


@dataclass(frozen=True)
class ClutterConfig:
    """Settings of a run, the same for all its episodes."""

    scene: SceneKind = "packed"
    """packed (upright, side by side) or pile (dropped in a heap)."""
    cloud: str = "completed"
    """completed, partial, mirrored, extruded, shadow, top-down or true, of each thing that is made out."""
    external_planner: Annotated[str | None, tyro.conf.arg(aliases=("--peer",))] = None
    """Another planner instead of ours, as module:callable from the seen cloud to grasps."""
    friction: float = 0.5
    """Of the objects."""
    camera: DepthCamera = field(default_factory=DepthCamera)
    completion: Path | None = None
    """Folder of the network that completes; the shipped one unless told."""


class Episode(NamedTuple):
    """One scene to clear: its number decides it, with the seed."""

    number: int
    models: tuple[ObjectModel, ...]
    config: ClutterConfig
    seed: int = 0


class Plan(NamedTuple):
    """Grasps in clutter, best first, and how long shapes and plan took, in processor seconds."""

    grasps: list[Grasp]
    shape_seconds: float
    plan_seconds: float


def run_episode(episode: Episode) -> Done[Attempt]:
    """Clear one scene."""
    rng, config = np.random.default_rng((episode.seed, episode.number)), episode.config
    rows: list[Attempt] = []
    with clutter(episode.models, config.scene, OBJECTS, rng, config.friction) as table:
        count = len(table.bodies)
        T_world_cam = around(_MIDDLE, _DISTANCE_M, np.radians(_ELEVATION_DEG), rng.uniform(0, 2 * np.pi))
        running = 0
        while table.bodies and running < FAILURES:
            row = _attempt(episode, table, T_world_cam, len(rows), rng)
            rows.append(row)
            running = 0 if row.held else running + 1
            if row.cause == "no grasp":
                break  # it would look and plan the same again
    return Done(episode.number, f"{count} objects", rows, "" if count else "nothing came to rest in the square")


def _attempt(
    episode: Episode, table: Tabletop, T_world_cam: np.ndarray, number: int, rng: np.random.Generator
) -> Attempt:
    left, config = len(table.bodies), episode.config
    planned = plan(config, table, look(table, T_world_cam, config.camera, rng), rng)
    best = planned.grasps[0] if planned.grasps else None
    outcome = execute(table, best) if best else None
    lifted = next((body for body in table.bodies if outcome and body.number == outcome.lifted), None)
    if lifted is not None:
        table.remove(lifted)
    table.settle(2.0)
    for body in list(table.bodies):
        if not within(table.pose(body)):
            table.remove(body)  # pushed off: nobody clears it any more
    return Attempt(
        task=episode.number,
        attempt=number,
        scene=config.scene,
        cloud=config.external_planner or config.cloud,
        left=left,
        lifted=lifted.model.name if lifted else "",
        plan_seconds=round(planned.plan_seconds, 4),
        shape_seconds=round(planned.shape_seconds, 4),
        **outcome_columns(best, outcome),
    )


def plan(config: ClutterConfig, table: Tabletop, view: View, rng: np.random.Generator) -> Plan:
    """Make out things in a picture, make their shapes, and plan on each with all others in the way."""
    begin = time.process_time()
    cloud = view.cloud_world[view.bodies < len(table.bodies)]
    if len(cloud) < _LEAST_POINTS:
        return Plan([], 0.0, 0.0)
    if config.external_planner is not None:
        grasps = load_external_planner(config.external_planner)(cleaned(cloud))
        return Plan(list(grasps), 0.0, time.process_time() - begin)
    shape_seconds, grasps = 0.0, list[Grasp]()
    for crease_deg, tried in _TRIES:
        start = time.process_time()
        shapes = _true(table, rng) if config.cloud == "true" else _shapes(config, cleaned(cloud), view, crease_deg)
        shape_seconds += time.process_time() - start
        grasps = _planned(shapes, Planner(replace(tried, from_above=config.cloud == "top-down")))
        if grasps:
            break
    return Plan(grasps, shape_seconds, time.process_time() - begin - shape_seconds)


def _planned(shapes: Sequence[PlanningScene], planner: Planner) -> list[Grasp]:
    """Plan grasps on every shape, best first, with all others in the way."""
    grasps: list[Grasp] = []
    for number, shape in enumerate(shapes):
        around_it = [other.target for place, other in enumerate(shapes) if place != number]
        others = np.concatenate([NOTHING, *around_it, *(one.others for one in shapes)])
        try:
            grasps += planner.plan(PlanningScene(shape.target, shape.uncertainty, others))
        except CloudError:
            continue  # a crumb that cannot be a thing
    return sorted(grasps, key=lambda grasp: -grasp.score)


def _true(table: Tabletop, rng: np.random.Generator) -> list[PlanningScene]:
    surfaces = [transform_points(table.pose(body), body.model.surface(2048, rng)[0]) for body in table.bodies]
    return [PlanningScene(surface) for surface in surfaces]


def _shapes(config: ClutterConfig, cloud: np.ndarray, view: View, crease_deg: float) -> list[PlanningScene]:
    eye = view.T_world_cam[:3, 3]
    parts = [part for part in segments(cloud, eye, crease_deg) if len(part) >= _LEAST_POINTS][:_SEGMENTS]
    if config.cloud == "completed":
        from perception.completion.model import load_completion  # which loads torch

        completion = load_completion(config.completion)
        found = [completion.complete(part) for part in parts]
        return [PlanningScene(one.points, one.uncertainty, part) for one, part in zip(found, parts, strict=True)]
    make = WITHOUT_LEARNING[config.cloud]
    return [make(Observation(part, view.depth, view.T_world_cam, config.camera, part)) for part in parts]
