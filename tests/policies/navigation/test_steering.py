from __future__ import annotations

import numpy as np
import pytest

from control.gait import GAITS, VelocityCommand
from policies.behaviour import Behaviour
from policies.navigation.steering import bearing_to, movement, steer

PERSON = np.array([2.0, 1.0])


def behaviour(goal: str, speed: float = 0.4, distance: float = 1.0) -> Behaviour:
    return Behaviour("test", "", goal, GAITS["walk"], speed=speed, distance_m=distance)


def follow(goal: str, start=(0.0, 0.0), yaw=0.0, seconds=40.0, **kinds: float) -> list[tuple[np.ndarray, float]]:
    """Integrate a perfect unicycle that does as steered."""
    position, path, dt = np.array(start, float), [], 0.05
    for _ in range(round(seconds / dt)):
        vx, vy, wz = steer(behaviour(goal, **kinds), position, yaw, PERSON)
        position = position + dt * np.array([vx * np.cos(yaw) - vy * np.sin(yaw), vx * np.sin(yaw) + vy * np.cos(yaw)])
        yaw += wz * dt
        path.append((position, yaw))
    return path


@pytest.mark.parametrize("yaw", [0.0, 1.5, 3.1, -2.0])
def test_approach_ends_at_its_distance(yaw):
    position, _ = follow("approach", yaw=yaw)[-1]
    assert np.hypot(*(position - PERSON)) == pytest.approx(1.0, abs=0.12)


def test_retreat_backs_off_while_facing_the_person():
    path = follow("retreat", start=(1.2, 0.6), distance=3.0)
    position, yaw = path[-1]
    assert np.hypot(*(position - PERSON)) == pytest.approx(3.0, abs=0.12)
    assert bearing_to(PERSON, position, yaw) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("start", [(0.0, 0.0), (1.7, 1.0), (5.0, 4.0)])
def test_circling_settles_on_its_radius(start):
    path = follow("circle", start=start, distance=1.5, seconds=90)
    radii = [np.hypot(*(position - PERSON)) for position, _ in path[-400:]]
    assert np.mean(radii) == pytest.approx(1.5, abs=0.25)
    assert np.ptp(radii) < 0.1


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_one_circles_with_the_person_on_the_side_that_is_asked_for(side):
    place = PERSON + np.array([-1.5, 0.0])
    ahead = steer(behaviour("circle", distance=1.5), place, side * np.pi / 2, PERSON, side)
    assert abs(ahead.wz) < 0.05 and ahead.vx == pytest.approx(0.4, abs=0.01)
    back = steer(behaviour("circle", distance=1.5), place, -side * np.pi / 2, PERSON, side)
    assert abs(back.wz) == pytest.approx(0.8)


def test_shielding_ends_beside_the_person_looking_outward():
    position, yaw = follow("shield", distance=0.9)[-1]
    assert np.hypot(*(position - PERSON)) < 1.4
    assert abs(bearing_to(PERSON, position, yaw)) > 2.8


def test_staying_stays_and_facing_only_turns():
    assert steer(behaviour("stay"), np.zeros(2), 0.0, PERSON) == VelocityCommand()
    command = steer(behaviour("face"), np.zeros(2), 2.0, PERSON)
    assert command.vx == command.vy == 0.0
    assert command.wz < 0


def test_feet_rest_where_there_is_nowhere_to_go():
    command, style = movement(behaviour("approach"), VelocityCommand())
    assert not style.stepping
    assert command == VelocityCommand()


def test_what_is_set_by_hand_wins():
    command, style = movement(behaviour("approach"), VelocityCommand(0.4), gait="pace", velocity=VelocityCommand(0.7))
    assert (command.vx, style.name) == (0.7, "pace")
    command, style = movement(behaviour("approach"), VelocityCommand(0.4), gait="stand")
    assert command == VelocityCommand()
    assert not style.stepping
    standing = Behaviour("test", "", "stay", GAITS["stand"])
    command, style = movement(standing, VelocityCommand(), velocity=VelocityCommand(0.5))
    assert (command.vx, style.name, style.stepping) == (0.5, "trot", True)
    command, style = movement(standing, VelocityCommand(), velocity=VelocityCommand(vy=0.2))
    assert (command.vy, style.name, style.stepping) == (0.2, "trot", True)
