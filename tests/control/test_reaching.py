from __future__ import annotations

import numpy as np
import pytest

from control.reaching import CHANGED_JAWS, Reach, Reacher, trunk_pose
from geometry.transforms import inverse, transform, transform_points
from robots.kinematics import leg_fk
from robots.neck import neck_fk


@pytest.fixture(scope="module")
def reacher() -> Reacher:
    return Reacher()


def grasp(rng: np.random.Generator, tilt_deg: float) -> np.ndarray:
    """A mouth that comes from above, tilted any way, its jaws closing any way, near the world's origin."""
    tilt, azimuth, closing = np.radians(tilt_deg), rng.uniform(0, 2 * np.pi), rng.uniform(-np.pi / 2, np.pi / 2)
    z = -np.array([np.sin(tilt) * np.cos(azimuth), np.sin(tilt) * np.sin(azimuth), np.cos(tilt)])
    y = np.array([np.cos(closing), np.sin(closing), 0.0])
    y -= (y @ z) * z
    y /= np.linalg.norm(y)
    return transform(np.column_stack([np.cross(y, z), y, z]), (0.0, 0.0, rng.uniform(0.01, 0.08)))


@pytest.mark.parametrize("tilt_deg", [0.0, 15.0, 35.0, 55.0])
def test_every_grasp_from_above_has_a_place_to_stand(reacher, tilt_deg):
    rng = np.random.default_rng(round(tilt_deg))
    for _ in range(6):
        T_world_hand = grasp(rng, tilt_deg)
        found = next(reacher.places(T_world_hand))
        there = found.T_world_stance @ reacher.hand(found.reach)
        np.testing.assert_allclose(there[:3, 3], T_world_hand[:3, 3], atol=2e-3)
        either = [np.abs(there[:3, :3] - (T_world_hand @ jaws)[:3, :3]).max() for jaws in (np.eye(4), CHANGED_JAWS)]
        assert min(either) < 0.02
        assert reacher.stands(found.reach)


def test_poses_keep_all_limits(reacher):
    rng = np.random.default_rng(5)
    for _ in range(5):
        found = next(reacher.places(grasp(rng, 20.0)))
        assert (found.reach.neck >= reacher.neck.lower_limits).all()
        assert (found.reach.neck <= reacher.neck.upper_limits).all()
        assert (found.reach.trunk >= reacher.spec.lower).all()
        assert (found.reach.trunk <= reacher.spec.upper).all()


@pytest.mark.parametrize("heading", [0.0, 2.0, -2.5])
def test_what_is_grasped_from_above_is_grasped_with_the_heading_that_the_dog_has(reacher, heading):
    T_world_hand = transform(np.diag([1.0, -1.0, -1.0]), (0.5, 0.2, 0.03))
    placed = next(reacher.places(T_world_hand, heading))
    ahead = placed.T_world_stance[:2, 0]
    np.testing.assert_allclose(ahead, (np.cos(heading), np.sin(heading)), atol=1e-9)


def test_a_straight_way_down_is_followed_from_pose_to_pose(reacher):
    T_world_hand = grasp(np.random.default_rng(3), 10.0)
    placed = next(reacher.places(T_world_hand))
    goal = reacher.hand(placed.reach)
    way = [goal @ transform(np.eye(3), (0.0, 0.0, -back)) for back in np.linspace(0.0, 0.08, 9)]
    path = reacher.along(way, placed.reach)
    assert path is not None
    for pose, wanted in zip(path, way, strict=True):
        np.testing.assert_allclose(reacher.hand(pose)[:3, 3], wanted[:3, 3], atol=1e-3)


def test_legs_keep_the_feet_where_they_are_while_the_trunk_leans(reacher):
    feet = reacher.feet()
    T = trunk_pose([0.03, -0.02, 0.25, 0.1, 0.2, -0.1])
    joints = reacher.legs(T, feet)
    np.testing.assert_allclose(transform_points(T, leg_fk(joints, reacher.body)), feet, atol=1e-6)


def test_a_trunk_too_high_for_the_legs_does_not_stand(reacher):
    high = np.array([0.0, 0.0, 0.50, 0.0, 0.0, 0.0])
    assert not reacher.stands(Reach(high, reacher.nominal.neck))


def test_what_is_far_away_is_not_reached(reacher):
    assert reacher.reach(transform(np.diag([1.0, -1.0, -1.0]), (1.5, 0.0, 0.05))) is None


def test_pitch_is_nose_down_and_yaw_to_the_left():
    np.testing.assert_allclose(trunk_pose([0, 0, 0, 0, 0.2, 0])[:3, 0], (np.cos(0.2), 0, -np.sin(0.2)), atol=1e-12)
    np.testing.assert_allclose(trunk_pose([0, 0, 0, 0, 0, 0.2])[:3, 0], (np.cos(0.2), np.sin(0.2), 0), atol=1e-12)
    np.testing.assert_allclose(trunk_pose([0, 0, 0, 0.2, 0, 0])[:3, 2], (0, -np.sin(0.2), np.cos(0.2)), atol=1e-12)


def test_the_hand_is_that_of_the_neck_on_the_trunk(reacher):
    pose = reacher.nominal
    expected = trunk_pose(pose.trunk) @ neck_fk(pose.neck, reacher.neck)[5]
    np.testing.assert_allclose(inverse(expected) @ reacher.hand(pose), np.eye(4), atol=1e-12)
