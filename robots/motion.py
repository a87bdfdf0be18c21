"""Kinematics of the trunk: how it is turned and moves, derived once of a reading for all who want to know."""

from __future__ import annotations

from math import asin, atan2, sqrt
from typing import NamedTuple

import numpy as np

from robots.compiled import compiled
from robots.quadruped import QuadrupedState

Vector = tuple[float, float, float]


class Motion(NamedTuple):
    """Motion of a trunk: where it heads, how it leans and turns, and how fast it goes.

    Velocities in the level frame that turns with the heading are forward and left.
    """

    rows: tuple[Vector, Vector, Vector]  # of R_world_trunk
    heading: tuple[float, float]  # cosine and sine of the yaw
    yaw: float  # rad
    velocity: tuple[float, float]  # forward, left, m/s: the truth, which no sensor tells
    gravity: Vector  # unit vector in the trunk's frame
    gyro: Vector  # rad/s in the trunk's frame


def motion(state: QuadrupedState) -> Motion:
    """Return the motion of a reading."""
    return trunk_kinematics(state.quat_xyzw, state.velocity, state.angular_velocity)


@compiled
def trunk_kinematics(quat_xyzw: np.ndarray, velocity: np.ndarray, angular_velocity: np.ndarray) -> Motion:
    """Return the `motion` of a quaternion, m/s and rad/s in the world."""
    x, y, z, w = quat_xyzw[0], quat_xyzw[1], quat_xyzw[2], quat_xyzw[3]
    vx, vy = velocity[0], velocity[1]
    gx, gy, gz = angular_velocity[0], angular_velocity[1], angular_velocity[2]
    r00, r01, r02 = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    r10, r11, r12 = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    r20, r21, r22 = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
    along = sqrt(r00 * r00 + r10 * r10)
    c, s = (r00 / along, r10 / along) if along > 0.0 else (1.0, 0.0)
    return Motion(
        ((r00, r01, r02), (r10, r11, r12), (r20, r21, r22)),
        (c, s),
        atan2(r10, r00),
        (c * vx + s * vy, c * vy - s * vx),
        (-r20, -r21, -r22),
        (r00 * gx + r10 * gy + r20 * gz, r01 * gx + r11 * gy + r21 * gz, r02 * gx + r12 * gy + r22 * gz),
    )


@compiled
def pitch_of(gravity: Vector) -> float:
    """Return the pitch, rad, positive nose down, of a trunk that feels gravity (a unit vector in its frame) so."""
    return asin(min(1.0, max(-1.0, gravity[0])))


@compiled
def roll_of(gravity: Vector) -> float:
    """Return the roll, rad, positive right side down, likewise."""
    return atan2(-gravity[1], -gravity[2])
