from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from control.command import GaitCommand
from control.gait import GaitGenerator, VelocityCommand, gait_style
from envs.locomotion.env import LocomotionConfig, LocomotionEnv
from envs.locomotion.footholds import Footholds
from envs.locomotion.randomization import NONE
from envs.locomotion.rewards import base_height
from envs.locomotion.terrain import CELL_M, HARDEST, LEVELS, PATCH_M, Patch, TerrainMap, build
from robots.quadruped import QuadrupedSpec

SPEC = QuadrupedSpec()


def around(terrain: TerrainMap, patch: Patch, inner: float = 0.0) -> np.ndarray:
    """Heights on a patch, from `inner` m off its middle outwards."""
    line = np.arange(-PATCH_M / 2 + 0.3, PATCH_M / 2 - 0.3, CELL_M)
    x, y = np.meshgrid(line, line)
    keep = np.maximum(abs(x), abs(y)) >= inner
    return terrain.height(patch.center[0] + x[keep], patch.center[1] + y[keep])


@pytest.mark.parametrize("kind", HARDEST)
def test_levels_grow_harder_and_the_same_seed_builds_the_same(kind):
    terrain = build(kind, 3)
    assert [patch.level for patch in terrain.patches] == list(range(1, LEVELS + 1))
    assert np.array_equal(terrain.heights, build(kind, 3).heights)
    unevenness = [terrain.unevenness[terrain.cells(*np.array(patch.center)[:, None])] for patch in terrain.patches]
    assert len(unevenness) == LEVELS
    if kind != "stones":  # whose ditches grow wider, not deeper
        heights = [np.ptp(around(terrain, patch)) for patch in terrain.patches]
        assert all(lower < higher for lower, higher in pairwise(heights))


def test_the_fourth_level_is_what_the_figures_say():
    rough, slopes, stairs = (build(kind, 0) for kind in ("rough", "slopes", "stairs"))
    assert np.ptp(around(rough, rough.patches[3])) == pytest.approx(0.08, abs=0.005)
    gradient = np.abs(np.diff(slopes.heights, axis=1)).max(axis=1)
    rows = slopes.cells(np.zeros(1), np.array([slopes.patches[3].center[1] + 1.5]))[0]
    assert np.degrees(np.arctan(gradient[rows[0]] / CELL_M)) == pytest.approx(15.0, abs=0.2)
    steps = np.unique(np.round(around(stairs, stairs.patches[3]), 6))
    assert np.allclose(np.diff(steps), 0.10)


def test_mixed_ground_has_every_kind_at_every_level():
    terrain = build("mixed", 0)
    assert {(patch.kind, patch.level) for patch in terrain.patches} == {
        (kind, level) for kind in HARDEST for level in range(1, LEVELS + 1)
    }
    with pytest.raises(ValueError, match=r"lava.*stairs"):
        build("lava", 0)
    with pytest.raises(ValueError, match="lava"):
        LocomotionEnv(LocomotionConfig(terrain="lava"))


@pytest.mark.parametrize("kind", ["slopes", "stairs"])
def test_the_map_is_the_ground_that_bullet_has(kind):
    """A ray from above meets the ground where the map says it is: axes, centre and heights are right."""
    env = LocomotionEnv(LocomotionConfig(terrain=kind, terrain_seed=1))
    assert env.map is not None
    rng = np.random.default_rng(0)
    patch = env.map.patches[2]
    # On grid points, where triangles and map agree exactly.
    x, y = (np.round((center + rng.uniform(-2.5, 2.5, 40)) / CELL_M) * CELL_M for center in patch.center)
    half_x, half_y = env.map.half_size
    x, y = x - half_x % CELL_M, y - half_y % CELL_M
    hits = env.world.client.rayTestBatch(
        [(a, b, 5.0) for a, b in zip(x, y, strict=True)], [(a, b, -5.0) for a, b in zip(x, y, strict=True)]
    )
    heights = np.array([hit[3][2] for hit in hits])
    env.close()
    assert np.abs(heights - env.map.height(x, y)).max() < 0.01
    assert np.ptp(heights) > 0.1


def test_feet_are_moved_off_the_edge_of_a_stair():
    heights = np.zeros((81, 81))
    heights[:, 45:] = 0.1
    terrain = TerrainMap(heights, ())
    gait = GaitGenerator(SPEC)
    gait.reset(gait_style("trot"))
    footholds = Footholds(terrain, SPEC)
    edge = (45 - 40.5) * CELL_M
    for _ in range(60):
        gait.step(VelocityCommand(), gait_style("trot"))
        footing = footholds.look(gait, (edge - SPEC.hip_x_m, 0.0, 0.0))
    nudges = footing.nudges.reshape(4, 3)
    assert np.abs(nudges[:2, 0]).min() > 0.03, "the front feet would stand on the edge"
    assert np.abs(nudges[2:]).max() < 1e-9, "the hind feet stand well"
    assert footing.grounds == pytest.approx((np.array(footing.grounds)).tolist())


def test_feet_take_the_height_of_the_ground():
    heights = np.zeros((81, 81))
    heights[:, 41:] = 0.08
    footholds = Footholds(TerrainMap(heights, ()), SPEC)
    gait = GaitGenerator(SPEC)
    gait.reset(gait_style("walk"))
    flat = gait.step(VelocityCommand(), gait_style("walk"))
    for _ in range(80):
        footing = footholds.look(gait, (0.0, 0.0, 0.0))
        stepped = gait.step(VelocityCommand(), gait_style("walk"), ground=footing.grounds)
    assert footing.grounds[0] - footing.grounds[2] == pytest.approx(0.08)
    assert footing.ground_m == pytest.approx(0.04)
    assert np.abs(stepped - flat).max() > 0.1


def test_walking_on_uneven_ground_is_deterministic_and_ends_at_the_edge():
    config = LocomotionConfig(terrain="rough", randomization=NONE)
    command = GaitCommand(VelocityCommand(0.5), gait_style("trot"))
    first, second = LocomotionEnv(config), LocomotionEnv(config)

    def walk(env: LocomotionEnv) -> np.ndarray:
        seen = [env.reset(seed=4, options={"command": command, "level": 2})[0]]
        seen += [env.step(np.full(12, 0.1))[0] for _ in range(50)]
        return np.array(seen)

    assert np.array_equal(walk(first), walk(second))
    assert np.array_equal(walk(first), walk(second)), "ground that was walked on must not remember"
    assert first.map is not None
    first.reset(seed=0, options={"command": command})
    first.robot.reset((first.map.half_size[0], 0.0, 0.5), 0.0, first.controller.targets)
    _, _, fell, ended, _ = first.step(np.zeros(12))
    assert ended and not fell


def test_a_scan_is_noisy_only_when_told():
    command = GaitCommand(VelocityCommand(), gait_style("trot"))
    scans = []
    for noise in (0.0, 0.02):
        env = LocomotionEnv(LocomotionConfig(terrain="rough", randomization=replace(NONE, scan_noise=noise)))
        scans.append(env.reset(seed=1, options={"command": command, "level": 1})[0][-12:])
        env.close()
    assert np.abs(scans[0] - scans[1]).max() > 0.05


def test_on_uneven_ground_the_dog_crouches_lifts_its_feet_higher_and_is_paid_for_that():
    env = LocomotionEnv(LocomotionConfig(terrain="stones", randomization=NONE))
    try:
        command = GaitCommand(VelocityCommand(0.3), gait_style("trot"))
        env.reset(seed=0, options={"command": command, "level": 1})
        for _ in range(60):
            env.step(np.zeros(12))
        target = env.transition.target_height
        assert target == pytest.approx(0.29, abs=0.005)
        assert target < command.style.height_m
        lower, as_commanded = (env.transition._replace(smooth_height=h) for h in (target, command.style.height_m))
        assert base_height(lower) > base_height(as_commanded)
        assert env.controller.gait.duty == pytest.approx(0.65, abs=0.01)
    finally:
        env.close()
