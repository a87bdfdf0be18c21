from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from envs.trajectories.arm import SIZE, ArmTask, hands_of, states_of
from envs.trajectories.arm_kinematics import JOINTS, LOWER, UPPER, hand_points, link_frames
from envs.trajectories.arm_paths import WAYPOINTS, draw_paths, draw_scene, minimum_jerk_kernel
from envs.trajectories.task import Trajectories
from robots.arm import HOME
from robots.world import World

FAR = np.array([5.0, 5.0, 0.0])


@pytest.fixture(scope="module")
def drawn() -> Trajectories:
    return ArmTask().generate(250, np.random.default_rng(0))


def held(joints, human=FAR, laptop=FAR) -> Trajectories:
    """One way that stays at a pose of the joints (7,)."""
    return Trajectories(states_of(np.tile(joints, (1, WAYPOINTS, 1)), np.asarray(human), np.asarray(laptop)))


def feature(name: str, way: Trajectories) -> float:
    task = ArmTask()
    return float(task.features(way)[0, task.feature_names.index(name)])


def test_kinematics_and_limits_are_those_of_the_arm_in_bullet(rng):
    joints = rng.uniform(LOWER, UPPER, (20, JOINTS))
    places, turns = link_frames(joints)
    with World() as world:
        body = world.load_shipped("franka_panda/panda.urdf", (0, 0, 0))
        limits = [world.client.getJointInfo(body, joint)[8:10] for joint in range(JOINTS)]
        assert np.allclose(limits, np.stack([LOWER, UPPER], axis=1))
        for pose, place, turn in zip(joints, places, turns, strict=True):
            for joint in range(JOINTS):
                world.client.resetJointState(body, joint, pose[joint])
            for link in range(JOINTS):
                state = world.client.getLinkState(body, link, computeForwardKinematics=True)
                assert np.allclose(place[link], state[4], atol=1e-5)
                assert np.allclose(turn[link], Rotation.from_quat(state[5]).as_matrix(), atol=1e-5)


def test_trajectories_have_the_promised_shapes_and_sizes(drawn):
    task = ArmTask()
    assert drawn.states.shape == (250, WAYPOINTS, SIZE) == (250, 21, 97)
    assert drawn.states.dtype == task.encode(drawn).dtype == task.descriptors(drawn).dtype == np.float32
    assert np.bincount(drawn.extras["scene"]).tolist() == [100, 100, 50]
    found = task.features(drawn)
    assert found.shape == (250, len(task.feature_names))
    assert found.min() >= 0.0
    assert found.max() <= 1.0
    assert task.descriptors(drawn).shape == (250, 70)
    for size in (task.encode(drawn), task.descriptors(drawn)):
        assert np.isfinite(size).all()
        assert 0.5 < size.std() < 2.0


def test_the_numbers_of_a_waypoint_are_of_one_pose(drawn):
    joints = drawn.states[:, :, :JOINTS]
    assert np.allclose(
        states_of(joints[:1], drawn.states[0, 0, -6:-3], drawn.states[0, 0, -3:]), drawn.states[:1], atol=1e-5
    )
    hand, turns = hands_of(drawn.states)
    assert np.allclose(hand, hand_points(*link_frames(joints)), atol=1e-5)
    assert np.allclose(turns @ turns.swapaxes(2, 3), np.eye(3), atol=1e-5)


def test_trajectories_of_a_scene_share_their_ends_keep_the_limits_stay_off_the_table_and_differ():
    rng = np.random.default_rng(3)
    scene = draw_scene(rng)
    paths = draw_paths(scene, 100, rng)
    assert np.allclose(paths[:, 0], scene.start)
    assert np.allclose(paths[:, -1], scene.goal)
    assert ((paths > LOWER) & (paths < UPPER)).all()
    assert hand_points(*link_frames(paths))[..., 2].min() > 0.0
    apart = np.sqrt(((paths[:, None] - paths[None]) ** 2).mean(axis=(2, 3))) + np.eye(100)
    assert apart.min() > 0.05
    assert np.abs(np.diff(paths, axis=1)).max() < 0.6


def test_the_kernel_bends_one_waypoint_by_one_holds_the_ends_and_is_smooth():
    kernel = minimum_jerk_kernel()
    assert np.allclose(np.diag(kernel)[1:-1], 1.0)
    assert np.allclose(kernel[[0, -1]], 0.0)
    middle = kernel[:, 10]
    assert np.allclose(middle, middle[::-1])
    assert np.abs(np.diff(middle, n=3)).max() < 0.05


def test_features_go_the_way_that_their_names_say():
    low, home = np.array(HOME), np.array(HOME)
    low[1] += 0.4
    assert feature("table", held(home)) > feature("table", held(low))
    hand = hand_points(*link_frames(home))
    for name, place in (("laptop", {"laptop": hand}), ("human", {"human": hand}), ("proxemics", {"human": hand})):
        assert feature(name, held(home)) == 0.0
        assert feature(name, held(home, **place)) > 0.9
    # Personal space reaches further along y than along x.
    ahead, aside = hand + np.array([0.4, 0, 0]), hand + np.array([0, 0.4, 0])
    assert feature("proxemics", held(home, human=ahead)) == 0.0 < feature("proxemics", held(home, human=aside))
    assert feature("human", held(home, human=aside)) == 0.0
    tilted = home.copy()
    tilted[5] += 0.8
    assert feature("cup", held(home)) < 0.02 < feature("cup", held(tilted))


def test_the_same_seed_gives_the_same_ways_and_more_of_them_begin_with_the_same():
    task = ArmTask()
    few, more = (task.generate(n, np.random.default_rng(1)) for n in (30, 120))
    assert np.array_equal(few.states, more.states[:30])
    assert not np.array_equal(few.states, task.generate(30, np.random.default_rng(2)).states)


def test_an_animation_is_finite_has_unit_quaternions_and_runs_from_start_to_goal(drawn):
    shown = ArmTask().render(drawn, 7)
    assert shown.kind == "arm"
    assert shown.fps >= 25
    assert shown.poses.dtype == np.float32
    assert shown.poses.shape == (76, len(shown.scene["links"]), 7)
    assert np.isfinite(shown.poses).all()
    assert np.allclose(np.linalg.norm(shown.poses[..., 3:], axis=2), 1.0, atol=1e-5)
    json.dumps(shown.scene)
    places = drawn.states[7, :, 70:91].reshape(WAYPOINTS, JOINTS, 3)
    assert np.allclose(shown.poses[[0, -1], 1:8, :3], places[[0, -1]], atol=1e-4)
    assert np.allclose(shown.poses[:, 8, :3], drawn.states[7, 0, -3:])
    assert shown.scene == ArmTask().render(drawn, 200).scene


def test_bad_input_is_told(drawn, rng):
    with pytest.raises(ValueError, match="0 trajectories"):
        ArmTask().generate(0, rng)
    with pytest.raises(ValueError, match="7 angles"):
        link_frames(np.zeros((3, 6)))
    for index in (250, -1):
        with pytest.raises(IndexError, match="0 to 249"):
            ArmTask().render(drawn, index)
