"""Rigid transforms (4, 4), named T_to_from: `transform_points(T_world_hand, points_hand)` are in the world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np


def transform(rotation: np.ndarray, translation: Sequence[float] | np.ndarray) -> np.ndarray:
    """Put a (3, 3) rotation and a (3,) translation, m, together."""
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = rotation, translation
    return out


def transform_points(T: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Move points (..., 3) m by a transform `T` (4, 4)."""
    out: np.ndarray = points @ T[:3, :3].T + T[:3, 3]
    return out


def inverse(T: np.ndarray) -> np.ndarray:
    """Invert a rigid transform (4, 4)."""
    return transform(T[:3, :3].T, -T[:3, :3].T @ T[:3, 3])


def about_vertical(angle: float) -> np.ndarray:
    """Turn about z by `angle` rad: (3, 3)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


@overload
def wrap(angle: float) -> float: ...
@overload
def wrap(angle: np.ndarray) -> np.ndarray: ...
def wrap(angle: float | np.ndarray) -> float | np.ndarray:
    """Bring an angle, rad, or angles of any shape, into [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def euler_transform(xyz: Sequence[float], rpy: Sequence[float]) -> np.ndarray:
    """Read a URDF's origin: m, and roll, pitch, yaw in rad about fixed axes."""
    from scipy.spatial.transform import Rotation

    return transform(Rotation.from_euler("xyz", rpy).as_matrix(), xyz)


def quat_transform(position: Sequence[float], quat_xyzw: Sequence[float]) -> np.ndarray:
    """Make (4, 4) of a position, m, and a quaternion."""
    from scipy.spatial.transform import Rotation

    return transform(Rotation.from_quat(quat_xyzw).as_matrix(), position)


def to_quat(T: np.ndarray) -> tuple[tuple[float, float, float], tuple[float, float, float, float]]:
    """Give position, m, and quat_xyzw of a rigid transform."""
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(T[:3, :3]).as_quat().tolist()
    px, py, pz = T[:3, 3].tolist()
    return (px, py, pz), (x, y, z, w)


def look_at(eye: Sequence[float], target: Sequence[float]) -> np.ndarray:
    """Place T_world_cam at `eye` so that it looks at `target`, m: z forward, x right, y down (OpenCV)."""
    forward = np.subtract(target, eye).astype(float)
    length = np.linalg.norm(forward)
    if length < 1e-9:
        raise ValueError(f"the camera's place {tuple(eye)} is what it looks at; they must differ")
    forward /= length
    up = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.999 else np.array([0.0, 1.0, 0.0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    return transform(np.column_stack([right, np.cross(forward, right), forward]), eye)
