from __future__ import annotations

import numpy as np
import pytest

from control.dog import CONTROL_HZ, standing_joints
from control.gait import GAITS
from control.reaching import Reach, Reacher, trunk_pose
from control.stance import Stance, stance_frame
from geometry.transforms import transform_points
from robots.kinematics import leg_fk

REACHER = Reacher()
NECK = np.array(REACHER.neck.rest)
STANDING = standing_joints(GAITS["stand"], REACHER.body)


def stance(rotation: np.ndarray | None = None, joints: np.ndarray = STANDING) -> Stance:
    return Stance(REACHER, joints, np.eye(3) if rotation is None else rotation, NECK)


def soles(step_legs: np.ndarray, reach: Reach) -> np.ndarray:
    return transform_points(reach.T_stance_trunk, leg_fk(step_legs, REACHER.body))


def test_planting_finds_the_trunk_above_the_feet():
    planted = stance()
    assert planted.T_stance_trunk[2, 3] == pytest.approx(GAITS["stand"].height_m + 0.02, abs=1e-6)
    np.testing.assert_allclose(planted.step().legs, STANDING, atol=1e-6)


def test_a_trunk_that_leans_is_planted_leaning():
    T = trunk_pose([0.0, 0.0, 0.3, 0.05, -0.08, 0.0])
    joints = REACHER.legs(T, REACHER.feet())
    planted = Stance(REACHER, joints, T[:3, :3], NECK)
    np.testing.assert_allclose(planted.T_stance_trunk, T, atol=1e-4)
    np.testing.assert_allclose(planted.step().legs, joints, atol=1e-4)


def test_heading_is_none_of_its_business():
    turned = trunk_pose([0.0, 0.0, 0.3, 0.05, -0.08, 1.2])[:3, :3]
    straight = trunk_pose([0.0, 0.0, 0.3, 0.05, -0.08, 0.0])[:3, :3]
    np.testing.assert_allclose(stance(turned).T_stance_trunk, stance(straight).T_stance_trunk, atol=1e-9)


def test_it_goes_evenly_along_the_way_and_says_when_it_is_through():
    planted = stance()
    start = planted.reach
    goal = Reach(np.array([0.02, 0.0, 0.26, 0.0, 0.1, 0.0]), NECK + 0.3)
    planted.follow([goal], 1.0)
    steps = [planted.step() for _ in range(CONTROL_HZ)]
    assert [step.done for step in steps] == [False] * (CONTROL_HZ - 1) + [True]
    np.testing.assert_allclose(planted.reach.trunk, goal.trunk)
    np.testing.assert_allclose(steps[-1].neck, goal.neck)
    moves = np.diff([start.neck[1], *(step.neck[1] for step in steps)])
    assert moves.max() < 1.6 * 0.3 / CONTROL_HZ
    assert moves[0] < 0.2 * moves.max()


def test_ways_are_gone_one_after_the_other():
    planted = stance()
    first = Reach(np.array([0.0, 0.0, 0.28, 0.0, 0.0, 0.0]), NECK)
    second = Reach(np.array([0.0, 0.0, 0.25, 0.0, 0.0, 0.0]), NECK)
    planted.follow([first], 0.2)
    planted.follow([second, first], 0.4)
    heights = [(planted.step(), float(planted.reach.trunk[2]))[1] for _ in range(30)]
    assert heights[9] == pytest.approx(0.28)
    assert min(heights[10:]) == pytest.approx(0.25, abs=0.002)
    assert heights[-1] == pytest.approx(0.28)


def test_feet_roll_as_the_calves_turn_and_nothing_else_moves_them():
    planted = stance()
    before = soles(planted.step().legs, planted.reach)
    goal = Reach(np.array([0.0, 0.0, 0.24, 0.0, 0.0, 0.0]), NECK)
    planted.follow([goal], 0.5)
    for _ in range(25):
        step = planted.step()
    after = soles(step.legs, planted.reach)
    angles, first = step.legs.reshape(4, 3), STANDING.reshape(4, 3)
    rolled = 0.02 * ((angles[:, 1] + angles[:, 2]) - (first[:, 1] + first[:, 2]))
    assert np.abs(rolled).max() > 1e-3
    np.testing.assert_allclose((after - before)[:, 0], rolled, atol=1e-4)
    np.testing.assert_allclose((after - before)[:, 1:], 0.0, atol=1e-4)


def test_the_frame_of_the_stance_lies_on_the_ground_below_the_trunk():
    planted = stance()
    T_world_trunk = trunk_pose([3.0, -1.0, 0.32, 0.0, 0.0, 0.7])
    frame = stance_frame(T_world_trunk, planted)
    np.testing.assert_allclose(frame @ planted.T_stance_trunk, T_world_trunk, atol=1e-12)
    assert frame[2, 3] == pytest.approx(0.32 - planted.T_stance_trunk[2, 3])


def test_ways_that_cannot_be_gone_are_refused():
    planted = stance()
    with pytest.raises(ValueError, match="takes time"):
        planted.follow([planted.reach], 0.0)
    with pytest.raises(ValueError, match="do not reach"):
        planted.follow([Reach(np.array([0.0, 0.0, 0.6, 0.0, 0.0, 0.0]), NECK)], 1.0)
