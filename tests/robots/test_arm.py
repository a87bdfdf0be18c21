import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from geometry.transforms import transform
from robots.arm import HOME, Arm, ReachError
from robots.hand import HAND_WORLD, LEFT, RIGHT
from robots.world import World


@pytest.fixture
def world():
    with World(HAND_WORLD) as world:
        yield world


def from_above(x, y, z, yaw=0.0):
    return transform((Rotation.from_euler("z", yaw) * Rotation.from_euler("x", np.pi)).as_matrix(), (x, y, z))


def test_it_waits_at_home_with_its_fingers_as_told(world):
    arm = Arm(world, 0.06)
    world.step(120)
    assert np.abs(arm.joints - HOME).max() < 0.01
    assert arm.opening_m == pytest.approx(0.06, abs=0.002)
    assert not arm.touches(world.ground)


@pytest.mark.parametrize("yaw", [-2.0, 0.0, 1.0])
def test_joints_that_reach_a_pose_bring_the_hand_there_and_leave_the_arm_where_it_was(world, yaw):
    arm = Arm(world, 0.08)
    goal = from_above(0.05, 0.1, 0.12, yaw)
    joints = arm.reach(goal, np.array(HOME), np.random.default_rng(0))
    assert np.allclose(arm.joints, HOME), "looking for a way moves nothing"
    for _ in arm.go(joints):
        world.step()
    world.step(60)
    assert np.linalg.norm(arm.position - goal[:3, 3]) < 0.003
    assert (Rotation.from_matrix(arm.pose[:3, :3].T @ goal[:3, :3])).magnitude() < 0.03
    assert (arm.low <= joints).all() and (joints <= arm.high).all()


def test_what_is_out_of_reach_is_said(world):
    arm = Arm(world, 0.08)
    with pytest.raises(ReachError, match=r"1\.5"):
        arm.reach(from_above(1.5, 0.0, 0.1), np.array(HOME), np.random.default_rng(0))


def test_a_way_through_something_is_not_free_and_one_beside_it_is(world):
    arm = Arm(world, 0.08)
    goal = arm.reach(from_above(0.05, 0.0, 0.1), np.array(HOME), np.random.default_rng(0))
    corners = np.array([[x, y, z] for x in (-0.05, 0.05) for y in (-0.2, 0.2) for z in (-0.2, 0.2)])
    wall = world.add_body([corners], 0.0, 0.5)
    way = [np.array(HOME), goal]
    world.place(wall, (-0.1, 0.0, 0.3), (0, 0, 0, 1))
    assert not arm.is_collision_free(way, [wall])
    world.place(wall, (-0.1, 0.9, 0.3), (0, 0, 0, 1))
    assert arm.is_collision_free(way, [wall])
    assert arm.is_collision_free(way, [world.ground])


def test_it_holds_what_it_closes_on(world):
    arm = Arm(world, 0.08)
    cube = np.array([[x, y, z] for x in (-0.02, 0.02) for y in (-0.02, 0.02) for z in (-0.02, 0.02)])
    body = world.add_body([cube], 0.2, 0.5)
    world.place(body, (0.0, 0.0, 0.02), (0, 0, 0, 1))
    above = arm.reach(from_above(0.0, 0.0, 0.12), np.array(HOME), np.random.default_rng(0))
    for _ in arm.go(above):
        world.step()
    for height in np.linspace(0.12, 0.01, 200):
        arm.move_to(from_above(0.0, 0.0, height))
        world.step()
    arm.open_to(0.0)
    world.step(120)
    assert arm.touches(body) == {LEFT, RIGHT}
    for height in np.linspace(0.01, 0.2, 200):
        arm.move_to(from_above(0.0, 0.0, height))
        world.step()
    assert world.pose(body)[0][2] > 0.15
