from __future__ import annotations

import numpy as np
import pytest

from control.dog import SUBSTEPS, Dog
from control.gait import VelocityCommand, gait_style
from control.odometry import Odometry
from robots.world import World

CREPT_M = 0.05
"""In Bullet feet that stand creep by up to a centimetre a second, which no leg can feel."""


def walked(command: VelocityCommand, seconds: float, gait: str = "trot", gyro_bias: float = 0.0):
    """Odometry after a walk, and where the dog really is: place (2,) and heading, counted from where it began."""
    with World() as world:
        dog = Dog(world, np.random.default_rng(0))
        dog.reset((1.0, -0.5), 0.4)
        odometry, style = Odometry(dog.spec, gyro_bias=gyro_bias), gait_style(gait)
        odometry.reset((1.0, -0.5), 0.4)
        state, turned = dog.body.read(), 0.0
        for _ in range(round(seconds * 50)):
            before = state.yaw
            dog.control(command, style, state)
            world.step(SUBSTEPS)
            state = dog.body.read()
            turned += float((state.yaw - before + np.pi) % (2 * np.pi) - np.pi)
            odometry.update(state, dog.body.foot_contacts())
        return odometry, state.position[:2], 0.4 + turned


@pytest.mark.parametrize("command", [VelocityCommand(0.4), VelocityCommand(0.3, 0.0, 0.6), VelocityCommand(-0.2, 0.1)])
def test_after_a_walk_it_is_off_by_a_tenth_of_the_way_at_most(command):
    odometry, place, yaw = walked(command, 8.0)
    way = 8.0 * np.hypot(command.vx, command.vy)
    assert np.hypot(*(odometry.place - place)) < 0.1 * way + CREPT_M
    assert odometry.yaw == pytest.approx(yaw, abs=0.02)


def test_turns_are_counted_beyond_one_round():
    odometry, _, yaw = walked(VelocityCommand(0.0, 0.0, 1.0), 9.0)
    assert yaw > 2 * np.pi
    assert odometry.yaw == pytest.approx(yaw, abs=0.05)


def test_a_gyroscope_that_drifts_turns_the_world():
    odometry, _, yaw = walked(VelocityCommand(), 4.0, "stand", gyro_bias=0.01)
    assert odometry.yaw - yaw == pytest.approx(0.04, abs=2e-3)


def test_who_stands_believes_to_stand():
    odometry, place, _ = walked(VelocityCommand(), 4.0, "stand")
    assert np.hypot(*(odometry.place - place)) < CREPT_M
    assert np.hypot(*(odometry.place - (1.0, -0.5))) < 5e-3
