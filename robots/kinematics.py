"""Kinematics of the legs, both ways, in closed form."""

from __future__ import annotations

from math import acos, atan2, cos, sin, sqrt

import numpy as np

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
    sides = spec.hip_sides
    return np.array([leg_angles(x, y, z, side, spec) for (x, y, z), side in zip(feet.tolist(), sides, strict=True)])


def leg_angles(x: float, y: float, z: float, side: float, spec: QuadrupedSpec) -> tuple[float, float, float]:
    """Angles of one leg; `side` is the signed length of its abduction link. Four floats beat numpy's overhead."""
    # In the plane across the trunk, the foot hangs at distance `drop` below the abduction link.
    drop = sqrt(max(y * y + z * z - side * side, 1e-6))
    abduction = atan2(z, y) + atan2(drop, side)
    upper, lower = spec.thigh_m, spec.calf_m
    reach = min(max(sqrt(x * x + drop * drop), abs(upper - lower) + 0.02), (upper + lower) * 0.998)
    knee = acos(min(1.0, max(-1.0, (reach**2 - upper**2 - lower**2) / (2 * upper * lower))))
    thigh = atan2(-x, drop) + atan2(lower * sin(knee), upper + lower * cos(knee))
    return abduction, thigh, -knee


def leg_feet(joints: list[float], spec: QuadrupedSpec) -> list[float]:
    """Forward kinematics: joint angles (12) rad -> feet (12) m as x, y, z leg by leg in the frame of the trunk."""
    feet: list[float] = []
    upper, lower = spec.thigh_m, spec.calf_m
    for leg, (side, (hip_x, hip_y, _)) in enumerate(zip(spec.hip_sides, spec.hips, strict=True)):
        abduction, thigh, calf = joints[3 * leg : 3 * leg + 3]
        both = thigh + calf
        drop = upper * cos(thigh) + lower * cos(both)
        c, s = cos(abduction), sin(abduction)
        feet += [hip_x - upper * sin(thigh) - lower * sin(both), hip_y + c * side + s * drop, s * side - c * drop]
    return feet
