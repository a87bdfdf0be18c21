"""Kinematics of the legs, both ways, in closed form."""

from __future__ import annotations

from math import acos, atan2, cos, sin, sqrt

import numpy as np

from robots.compiled import compiled
from robots.quadruped import QuadrupedSpec

GEOMETRY = np.dtype(
    [
        ("hips", np.float64, (4, 3)),  # m, hip joints in the frame of the trunk
        ("sides", np.float64, 4),  # m, abduction links, negative for right legs
        ("thigh", np.float64),  # m
        ("calf", np.float64),  # m
        ("foot_radius", np.float64),  # m
    ]
)
"""The lengths of a body's legs as compiled functions take them."""


def geometry(spec: QuadrupedSpec) -> np.ndarray:
    """Return (1,) `GEOMETRY` of a body."""
    lengths = spec.hip_positions, spec.hip_sides, spec.thigh_m, spec.calf_m, spec.foot_radius_m
    return np.array([lengths], GEOMETRY)


def leg_ik(feet: np.ndarray, spec: QuadrupedSpec) -> np.ndarray:
    """Return joint angles that put the feet where they should be; closed form, knees bent backwards.

    Args:
        feet: (4, 3) m, each foot relative to its hip joint in axes of the trunk. Points out of reach are pulled in to
            the reachable shell along the leg.
        spec: the lengths of the legs.

    Returns:
        (4, 3) rad: hip abduction, thigh, calf.
    """
    return leg_ik_kernel(feet, geometry(spec))


def leg_fk(joints: np.ndarray, spec: QuadrupedSpec) -> np.ndarray:
    """Return where joint angles (12,) rad put the feet: (4, 3) m in the frame of the trunk."""
    return leg_fk_kernel(joints, geometry(spec))


@compiled
def leg_ik_kernel(feet: np.ndarray, legs: np.ndarray) -> np.ndarray:
    """Return `leg_ik` of feet and (1,) `GEOMETRY`."""
    angles = np.empty((4, 3))
    sides, upper, lower = legs[0].sides, legs[0].thigh, legs[0].calf
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
def leg_fk_kernel(joints: np.ndarray, legs: np.ndarray) -> np.ndarray:
    """Return `leg_fk` of joints and (1,) `GEOMETRY`."""
    feet, body = np.empty((4, 3)), legs[0]
    for leg in range(4):
        abduction, thigh, calf = joints[3 * leg], joints[3 * leg + 1], joints[3 * leg + 2]
        drop = body.thigh * cos(thigh) + body.calf * cos(thigh + calf)
        c, s = cos(abduction), sin(abduction)
        feet[leg, 0] = body.hips[leg, 0] - body.thigh * sin(thigh) - body.calf * sin(thigh + calf)
        feet[leg, 1] = body.hips[leg, 1] + c * body.sides[leg] + s * drop
        feet[leg, 2] = s * body.sides[leg] - c * drop
    return feet
