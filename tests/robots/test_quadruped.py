from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from control.dog import CONTROL_HZ, SUBSTEPS, Dog, has_fallen, standing_joints
from control.gait import GAITS, VelocityCommand
from robots.quadruped import Quadruped, QuadrupedSpec, quadruped_urdf
from robots.world import World, WorldConfig
from tests.control.test_gait import leg_fk
from tests.processes import run


@pytest.fixture
def world():
    with World() as made:
        yield made


@pytest.fixture
def dog(world, rng):
    return Dog(world, rng)


def walk(dog: Dog, command: VelocityCommand, gait: str, seconds: float) -> np.ndarray:
    speeds, state = [], dog.body.read()
    for _ in range(round(seconds * CONTROL_HZ)):
        dog.control(command, GAITS[gait], state)
        dog.world.step(SUBSTEPS)
        state = dog.body.read()
        assert not has_fallen(state.upright, state.position[2])
        speeds.append([*state.heading_velocity, state.angular_velocity[2]])
    return np.array(speeds)


def test_urdf_weighs_what_the_spec_says_and_has_no_fixed_joint():
    spec = QuadrupedSpec(trunk_mass=8.0)
    robot = ET.fromstring(quadruped_urdf(spec))
    assert sum(float(mass.get("value")) for mass in robot.iter("mass")) == pytest.approx(spec.mass)
    assert [joint.get("type") for joint in robot.iter("joint")] == ["revolute"] * 12


def test_bullet_puts_the_feet_where_our_kinematics_say(world):
    robot = Quadruped(world)
    joints = standing_joints(GAITS["trot"], robot.spec) + np.linspace(-0.1, 0.1, 12)
    robot.reset((0, 0, 1.0), 0.0, joints)
    poses = robot.link_poses()
    for leg, foot in enumerate(leg_fk(joints)):
        calf = poses[1 + 3 * leg + 2]
        x, y, z, w = calf[3:]
        down = -np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
        expected = np.array([0, 0, 1.0]) + robot.spec.hip_positions[leg] + foot
        assert np.allclose(calf[:3] + robot.spec.calf_m * down, expected, atol=1e-4)


def test_reads_are_in_the_frames_that_they_name(world):
    robot = Quadruped(world)
    robot.reset((1.0, 2.0, 1.0), np.pi / 2, standing_joints(GAITS["stand"], robot.spec))
    robot.push((0.0, 0.5, 0.0))
    state = robot.read()
    assert state.yaw == pytest.approx(np.pi / 2)
    assert state.heading_velocity == pytest.approx((0.5, 0.0), abs=1e-6)
    assert state.upright == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("gait", "command"),
    [
        ("trot", (0.5, 0, 0)),
        ("walk", (0.3, 0, 0)),
        ("pace", (0.5, 0, 0)),
        ("trot", (-0.3, 0, 0)),
        ("trot", (0, 0.2, 0)),
    ],
)
def test_it_walks_without_learning(dog, gait, command):
    speeds = walk(dog, VelocityCommand(*command), gait, 5.0)[100:].mean(axis=0)
    assert speeds[:2] == pytest.approx(command[:2], abs=0.08)
    assert abs(speeds[2]) < 0.06


def test_it_turns_as_told(dog):
    assert walk(dog, VelocityCommand(0.2, 0.0, 0.6), "trot", 5.0)[100:, 2].mean() == pytest.approx(0.6, abs=0.12)


@pytest.mark.parametrize("gait", ["bound", "pronk"])
def test_flight_gaits_leave_the_ground_and_land(dog, gait):
    walk(dog, VelocityCommand(0.3), gait, 2.0)
    contacts = []
    for _ in range(50):
        dog.control(VelocityCommand(0.3), GAITS[gait], dog.body.read())
        dog.world.step(SUBSTEPS)
        contacts.append(sum(dog.body.foot_contacts()))
    assert min(contacts) <= 2 < max(contacts)


@pytest.mark.parametrize("direction", np.linspace(0, 2 * np.pi, 6, endpoint=False))
def test_a_shoved_dog_catches_itself(dog, direction):
    walk(dog, VelocityCommand(), "stand", 0.5)
    dog.body.push((0.7 * np.cos(direction), 0.7 * np.sin(direction), 0.0))
    speeds = walk(dog, VelocityCommand(), "stand", 3.0)
    assert np.abs(speeds[-25:, :2]).max() < 0.15


def test_a_nan_target_is_refused_before_it_reaches_the_motors(dog):
    with pytest.raises(ValueError, match="finite"):
        dog.body.command(np.full(12, np.nan))
    walk(dog, VelocityCommand(), "stand", 0.2)


def test_a_snapshot_brings_back_the_same_future(world, dog):
    walk(dog, VelocityCommand(0.4), "trot", 0.5)
    remembered = world.snapshot()
    world.step(20)
    first = dog.body.read()
    world.restore(remembered)
    world.step(20)
    again = dog.body.read()
    world.forget(remembered)
    assert np.allclose(first.position, again.position, atol=1e-9)


def test_the_window_without_a_display_says_what_to_do(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    code = (
        "from robots.world import World, WorldConfig\n"
        "try: World(WorldConfig(window=True))\n"
        "except RuntimeError as problem: print(problem)"
    )
    done = run("python", "-c", code)
    assert "xvfb-run" in done.stdout
    assert WorldConfig().window is False


def test_nothing_but_our_own_words_on_the_standard_output():
    code = "from robots.world import World; World().close(); print('ours')"
    done = run("python", "-c", code)
    assert done.stdout == "ours\n"
