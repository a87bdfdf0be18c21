"""The hand, objects as bodies, scenes, trials and the environment."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs  # noqa: F401 - registers
from envs.grasping.env import GraspConfig, GraspEnv
from envs.grasping.execution import execute
from envs.grasping.objects import Tabletop, height, lowest, resting
from envs.grasping.scenes import RestlessError, clutter, look, rest_single, side_camera, within
from geometry.cameras import DepthCamera
from geometry.meshes import convex_hull
from geometry.objects import ObjectModel, household_object
from geometry.transforms import about_vertical, to_quat, transform
from robots.hand import HAND_WORLD, LEFT, PANDA_HAND, RIGHT, Grasp, Hand
from robots.world import World

DOWN = np.diag([1.0, -1.0, -1.0])  # the hand comes from above and closes along y


def block(x: float, y: float, z: float, name: str = "block") -> ObjectModel:
    corners = np.array([[i, j, k] for i in (-x / 2, x / 2) for j in (-y / 2, y / 2) for k in (-z / 2, z / 2)])
    hull = convex_hull(corners)
    assert hull is not None
    return ObjectModel(name, hull, (hull,))


def standing(model: ObjectModel) -> np.ndarray:
    return transform(np.eye(3), (0.0, 0.0, -lowest(model, np.eye(3))))


def attempt(model: ObjectModel, grasp: Grasp, friction: float = 0.5):
    with resting([model], [standing(model)], friction) as table:
        return execute(table, grasp)


def test_the_hand_opens_closes_and_goes_where_it_is_told():
    with World(HAND_WORLD) as world:
        hand = Hand(world, transform(DOWN, (0.0, 0.0, 0.3)), 0.08)
        world.step(60)
        assert hand.opening_m == pytest.approx(0.08, abs=1e-3)
        np.testing.assert_allclose(hand.position, (0.0, 0.0, 0.3), atol=2e-3)
        hand.move_to(transform(DOWN, (0.02, 0.0, 0.32)))
        hand.open_to(0.0)
        world.step(240)
        assert hand.opening_m == pytest.approx(0.0, abs=1e-3)
        np.testing.assert_allclose(hand.position, (0.02, 0.0, 0.32), atol=2e-3)


def test_the_boxes_that_plan_are_the_boxes_that_touch():
    with World(HAND_WORLD) as world:
        hand = Hand(world, transform(np.eye(3), (0.0, 0.0, 0.5)), 0.05)
        for link, name in ((-1, "palm"), (LEFT, "left"), (RIGHT, "right")):
            low, high = (np.array(corner) for corner in world.client.getAABB(hand.body, link))
            mine = [(c - s / 2, c + s / 2) for n, c, s in PANDA_HAND.boxes(0.05) if n == name]
            expected = np.min([a for a, _ in mine], axis=0), np.max([b for _, b in mine], axis=0)
            np.testing.assert_allclose(low - (0, 0, 0.5), expected[0], atol=3e-3)
            np.testing.assert_allclose(high - (0, 0, 0.5), expected[1], atol=3e-3)


def test_a_block_between_the_fingers_is_lifted_cleanly():
    model = block(0.05, 0.05, 0.1)
    outcome = attempt(model, Grasp(transform(DOWN, (0.0, 0.0, 0.07)), 0.07))
    assert (outcome.held, outcome.strict, outcome.cause) == (True, True, "")
    assert outcome.opening_m == pytest.approx(0.05, abs=3e-3)


@pytest.mark.parametrize(
    ("place", "friction", "causes"),
    [
        ((0.0, 0.2, 0.07), 0.5, {"missed"}),
        ((0.0, 0.0, -0.15), 0.5, {"blocked"}),
        ((0.11, 0.0, 0.098), 0.1, {"slipped", "shaken"}),
    ],
    ids=["beside it", "starting inside it", "slippery, by the edge"],
)
def test_a_failure_has_its_cause(place, friction, causes):
    outcome = attempt(block(0.24, 0.05, 0.1), Grasp(transform(DOWN, place), 0.08), friction)
    assert not outcome.held and not outcome.strict
    assert outcome.cause in causes


def test_what_a_finger_touches_on_its_way_is_not_clean():
    model = block(0.05, 0.05, 0.1)
    outcome = attempt(model, Grasp(transform(DOWN, (0.0, 0.012, 0.07)), 0.07))
    assert outcome.touched_early and not outcome.strict


def test_a_ball_stays_until_it_is_touched():
    ball = household_object("ball_0")
    with resting([ball], [transform(np.eye(3), (0.0, 0.0, -lowest(ball, np.eye(3)) + 0.001))]) as table:
        before = table.pose(table.bodies[0])
        outcome = execute(table, Grasp(transform(DOWN, (0.0, 0.2, 0.05)), 0.08))
        assert outcome.cause == "missed"
        np.testing.assert_allclose(table.pose(table.bodies[0]), before, atol=1e-6)


def test_the_same_trial_gives_the_same_outcome():
    model = household_object("bottle_1")
    grasp = Grasp(transform(DOWN, (0.003, 0.002, 0.1)), 0.08)
    assert attempt(model, grasp) == attempt(model, grasp)


def test_poses_are_those_of_the_object_not_of_its_centre_of_mass():
    model = household_object("hammer_0")
    assert np.linalg.norm(model.centre_of_mass) > 0.01
    T = transform(about_vertical(0.7), (0.1, -0.05, 0.3))
    with resting([model], [T]) as table:
        np.testing.assert_allclose(table.pose(table.bodies[0]), T, atol=1e-6)


def test_an_object_comes_to_rest_on_the_table_in_the_middle(rng):
    placed = rest_single(household_object("box_0"), rng)
    np.testing.assert_allclose(placed.T_world_object[:2, 3], 0.0)
    assert lowest(placed.model, placed.T_world_object[:3, :3]) + placed.T_world_object[2, 3] == pytest.approx(
        0, abs=2e-3
    )
    assert placed.height_m == pytest.approx(height(placed.model, placed.T_world_object))


def test_an_object_that_never_rests_is_told(rng, monkeypatch):
    monkeypatch.setattr(Tabletop, "settle", lambda *_: False)
    with pytest.raises(RestlessError, match="box_0 still moves"):
        rest_single(household_object("box_0"), rng)


@pytest.mark.parametrize("scene", ["packed", "pile"])
def test_clutter_lies_within_its_square_and_is_the_same_for_a_seed(scene):
    models = [household_object(name) for name in ("can_0", "box_1", "jar_0", "ball_0", "soap_0", "cup_0")]
    poses = []
    for _ in range(2):
        with clutter(models, scene, 5, np.random.default_rng(3)) as table:
            assert 3 <= len(table.bodies) <= 5
            assert all(within(pose) for pose in table.poses())
            poses.append(np.array(table.poses()))
    np.testing.assert_array_equal(*poses)


def test_a_camera_sees_objects_and_table(rng):
    model = block(0.05, 0.05, 0.1)
    with resting([model], [standing(model)]) as table:
        view = look(table, side_camera((0, 0, 0.05), 40.0, rng), DepthCamera(noise_m=0, dropout=0, flying=0), rng)
    assert set(np.unique(view.body)) == {0, 1}
    assert np.abs(view.of(1)[:, 2]).max() < 1e-5
    assert view.of(0)[:, 2].max() == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("observation", ["cloud", "depth"])
def test_gymnasium_is_content(observation):
    env = gymnasium.make("Empaw/Grasp-v0", config=GraspConfig("household/test", observation=observation))
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


def test_a_good_action_is_rewarded():
    env = GraspEnv(GraspConfig("household/test", upright=1.0))
    cloud, info = env.reset(seed=4, options={"object": "can_900"})
    assert info["object"] == "can_900"
    _, quat = to_quat(transform(DOWN, (0, 0, 0)))
    _, reward, terminated, _, info = env.step(np.array([0, 0, cloud[:, 2].max() - 0.03, *quat, 0.08]))
    assert terminated and reward == 1.0 and info["held"]
    with pytest.raises(RuntimeError, match="reset"):
        env.step(env.action_space.sample())
    env.close()


def test_bad_actions_and_objects_are_refused():
    env = GraspEnv(GraspConfig("household/test"))
    with pytest.raises(ValueError, match="can_900"):
        env.reset(options={"object": "unicorn"})
    env.reset(seed=0)
    with pytest.raises(ValueError, match="8 finite"):
        env.step(np.full(8, np.nan))
    env.close()


@pytest.mark.parametrize(("scene", "low", "high"), [("packed", 0.7, 0.9), ("pile", 0.8, 1.0)])
def test_clutter_is_smaller_than_its_models_all_around(scene, low, high):
    model = household_object("box_0")
    with clutter([model], scene, 3, np.random.default_rng(0)) as table:
        scales = np.array([body.model.mesh.extents / model.mesh.extents for body in table.bodies])
    assert len(scales) and np.allclose(scales, scales[:, :1])
    assert ((low <= scales) & (scales <= high)).all()
    assert len(set(scales[:, 0].round(6))) == len(scales)
