"""Domain randomisation: friction, weight, motors, delay, shoves, errors of the sensors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from control.velocity_estimator import ImuError
from robots.quadruped import Quadruped


@dataclass(frozen=True)
class RandomizationConfig:
    """Ranges, each low, high; SI units. `NONE` switches everything off.

    `nominal_fraction` is the share of robots that have no added mass, full motors and no delay. Without them a
    policy makes up for delays and loads that such a robot does not have, and is too fast on it.
    `latency_substeps` is in physics steps of 4 ms; `push_m_s` is the velocity that a shove adds, once in
    `push_every_s` on average. Noises are standard deviations; that of `scan` is of each height under the dog, in m.
    """

    nominal_fraction: float = 0.5
    friction: tuple[float, float] = (0.3, 1.2)
    added_mass: tuple[float, float] = (-1.0, 5.0)
    motor_strength: tuple[float, float] = (0.85, 1.1)
    latency_substeps: tuple[int, int] = (0, 5)
    push_m_s: tuple[float, float] = (0.2, 1.5)
    push_every_s: float = 2.5
    gravity_noise: float = 0.02
    gyro_noise: float = 0.1
    joint_noise: float = 0.01
    joint_speed_noise: float = 0.5
    accelerometer_noise: float = 0.3
    accelerometer_bias: float = 0.1
    scan_noise: float = 0.01


NONE = RandomizationConfig(
    nominal_fraction=0.0,
    friction=(0.9, 0.9),
    added_mass=(0.0, 0.0),
    motor_strength=(1.0, 1.0),
    latency_substeps=(0, 0),
    push_m_s=(0.0, 0.0),
    push_every_s=1e9,
    gravity_noise=0.0,
    gyro_noise=0.0,
    joint_noise=0.0,
    joint_speed_noise=0.0,
    accelerometer_noise=0.0,
    accelerometer_bias=0.0,
    scan_noise=0.0,
)


class Dynamics(NamedTuple):
    """One robot on one ground, as drawn."""

    friction: float
    added_mass: float
    motor_strength: float
    latency_substeps: int
    accelerometer: ImuError


def draw(rng: np.random.Generator, config: RandomizationConfig) -> Dynamics:
    """Draw a robot and its ground."""
    if rng.random() < config.nominal_fraction:
        config = replace(config, added_mass=(0.0, 0.0), motor_strength=(1.0, 1.0), latency_substeps=(0, 0))
    low, high = config.latency_substeps
    bias = config.accelerometer_bias
    return Dynamics(
        float(rng.uniform(*config.friction)),
        float(rng.uniform(*config.added_mass)),
        float(rng.uniform(*config.motor_strength)),
        int(rng.integers(low, high + 1)),
        ImuError((float(rng.uniform(-bias, bias)), float(rng.uniform(-bias, bias))), config.accelerometer_noise),
    )


def apply(robot: Quadruped, drawn: Dynamics) -> None:
    """Make the robot and its ground what was drawn."""
    robot.world.set_ground_friction(drawn.friction)
    robot.set_trunk_mass(robot.spec.trunk_mass + drawn.added_mass)
    robot.set_motor_strength(drawn.motor_strength)


def maybe_push(robot: Quadruped, rng: np.random.Generator, config: RandomizationConfig, dt_s: float) -> None:
    """Shove the robot in a random direction, now and then."""
    if rng.random() < dt_s / config.push_every_s:
        angle, speed = rng.uniform(-np.pi, np.pi), rng.uniform(*config.push_m_s)
        robot.push((speed * np.cos(angle), speed * np.sin(angle), 0.0))
