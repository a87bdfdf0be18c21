"""Kinematics of the legs, both ways, in closed form."""

from __future__ import annotations

from math import acos, atan2, cos, sin, sqrt

import numpy as np

from robots.compiled import compiled
from robots.quadruped import QuadrupedSpec


def leg_ik(feet: np.ndarray, spec: QuadrupedSpec) -> np.ndarray:
    """Joint angles that put the feet where they should be; closed form, knees bent backwards.

    Args:
        feet: (4, 3) m, each foot relative to its hip joint in axes of the trunk. Points out of reach are pulled in to
            the reachable shell along the leg.
        spec: the lengths of the legs.

    Returns:
        (4, 3) rad: hip abduction, thigh, calf.
    """
    return _inverse(feet, spec.hip_sides, spec.thigh_m, spec.calf_m)


def leg_fk(joints: np.ndarray, spec: QuadrupedSpec) -> np.ndarray:
    """Where joint angles (12,) rad put the feet: (4, 3) m in the frame of the trunk."""
    return _forward(joints, spec.hip_positions, spec.hip_sides, spec.thigh_m, spec.calf_m)


@compiled
def _inverse(feet: np.ndarray, sides: np.ndarray, upper: float, lower: float) -> np.ndarray:
    angles = np.empty((4, 3))
    for leg in range(4):
        x, y, z, side = feet[leg, 0], feet[leg, 1], feet[leg, 2], sides[leg]
        # In the plane across the trunk, the foot hangs at distance `drop` below the abduction link.
        drop = sqrt(max(y * y + z * z - side * side, 1e-6))
        reach = min(max(sqrt(x * x + drop * drop), abs(upper - lower) + 0.02), (upper + lower) * 0.998)
        knee = acos(min(1.0, max(-1.0, (reach**2 - upper**2 - lower**2) / (2 * upper * lower))))
        angles[leg, 0] = atan2(z, y) + atan2(drop, side)
        angles[leg, 1] = atan2(-x, drop) + atan2(lower * sin(knee), upper + lower * cos(knee))
        angles[leg, 2] = -knee
    return angles


@compiled
def _forward(joints: np.ndarray, hips: np.ndarray, sides: np.ndarray, upper: float, lower: float) -> np.ndarray:
    feet = np.empty((4, 3))
    for leg in range(4):
        abduction, thigh, calf = joints[3 * leg], joints[3 * leg + 1], joints[3 * leg + 2]
        drop = upper * cos(thigh) + lower * cos(thigh + calf)
        c, s = cos(abduction), sin(abduction)
        feet[leg, 0] = hips[leg, 0] - upper * sin(thigh) - lower * sin(thigh + calf)
        feet[leg, 1] = hips[leg, 1] + c * sides[leg] + s * drop
        feet[leg, 2] = s * sides[leg] - c * drop
    return feet
