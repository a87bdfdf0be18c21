"""The same trial by the whole arm: the best grasp that it can reach, a collision-free path there, then as ever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from envs.grasping.execution import ExecutionConfig, Outcome, Watch, execute
from envs.grasping.objects import Tabletop
from geometry.transforms import transform
from robots.arm import HOME, Arm, ReachError
from robots.hand import Grasp

_PIECES = 12
_DETOURS = 30


class ByArm(NamedTuple):
    """A trial by the arm: the grasp it took, how many better ones it could not get to, and the outcome."""

    grasp: Grasp
    passed_over: int
    outcome: Outcome


def execute_by_arm(
    table: Tabletop,
    grasps: Sequence[Grasp],
    known: np.ndarray,
    rng: np.random.Generator,
    config: ExecutionConfig | None = None,
    watch: Watch | None = None,
) -> ByArm:
    """Try the first of the grasps that an arm beside the table can get to.

    Args:
        table: objects at rest.
        grasps: best first.
        known: (N, 3) m, what is known to be there; the arm keeps clear of its hull until it is before the object. On
            the last, straight piece the planner has kept the hand clear.
        rng: draws starts of the inverse kinematics and detours.
        config: of the trial.
        watch: called after every step.

    Raises:
        ReachError: the arm can get to none of them.
    """
    config = config or ExecutionConfig()
    arm = Arm(table.world, grasps[0].width_m if grasps else 0.0)
    for passed_over, grasp in enumerate(grasps):
        try:
            path = plan_path(table, arm, grasp, known, rng, config)
        except ReachError:
            continue
        arm.put(np.array(HOME), grasp.width_m)
        arm.open_to(grasp.width_m)
        for joints in path:
            for _ in arm.go(joints):
                table.world.step()
                if watch is not None:
                    watch(table, arm)
        return ByArm(grasp, passed_over, execute(table, grasp, config, watch, arm))
    table.world.remove(arm.body)
    raise ReachError(f"the arm can get to none of {len(grasps)} grasps")


def plan_path(
    table: Tabletop, arm: Arm, grasp: Grasp, known: np.ndarray, rng: np.random.Generator, config: ExecutionConfig
) -> list[np.ndarray]:
    """Plan a path from `HOME` to before the grasp; from there the arm can go on straight, close, lift and shake.

    Returns:
        joints (7,) rad, each to be reached on a straight line from the last.

    Raises:
        ReachError: there is none.
    """
    before = grasp.T_world_hand @ transform(np.eye(3), (0.0, 0.0, -config.approach_m))
    there = arm.reach(before, np.array(HOME), rng)
    arm.put(there, grasp.width_m)
    approach = arm.along(_straight(before, grasp.T_world_hand), there)
    raised = transform(np.eye(3), (0.0, 0.0, config.lift_m)) @ grasp.T_world_hand
    lift = arm.along(_straight(grasp.T_world_hand, raised), approach[-1])
    if not arm.is_collision_free([there, *approach, *lift], [table.world.ground]):
        raise ReachError("the arm would meet the table or itself on the last piece")
    block = table.world.add_body([known], 0.0, 0.5)
    try:
        return [*_detour(arm, there, [table.world.ground, block], rng), there]
    finally:
        table.world.remove(block)


def _straight(start: np.ndarray, end: np.ndarray) -> list[np.ndarray]:
    """Interpolate poses on a straight line between two of one attitude."""
    shares = np.arange(1, _PIECES + 1) / _PIECES
    return [transform(end[:3, :3], (1 - share) * start[:3, 3] + share * end[:3, 3]) for share in shares]


def _detour(arm: Arm, there: np.ndarray, others: Sequence[int], rng: np.random.Generator) -> list[np.ndarray]:
    """Find joints between `HOME` and `there` so that the path is free: none, or one pose about halfway."""
    home = np.array(HOME)
    if arm.is_collision_free([home, there], others):
        return []
    for wide in np.linspace(0.2, 1.5, _DETOURS):
        between = np.clip((home + there) / 2 + rng.normal(0.0, wide, 7), arm.low, arm.high)
        if arm.is_collision_free([home, between, there], others):
            return [between]
    raise ReachError("no path there is free")
