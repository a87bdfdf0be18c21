"""Where the links of a Panda arm are, for many poses of its joints at once."""

from __future__ import annotations

import numpy as np

JOINTS = 7
# Franka Emika's description, as the URDF that PyBullet ships has it: of each joint its place in the frame of the link
# before, m, and the turn about that link's x axis, rad. All joints turn about their own z.
_PLACES = np.array(
    [
        (0.0, 0.0, 0.333),
        (0.0, 0.0, 0.0),
        (0.0, -0.316, 0.0),
        (0.0825, 0.0, 0.0),
        (-0.0825, 0.384, 0.0),
        (0.0, 0.0, 0.0),
        (0.088, 0.0, 0.0),
    ]
)
_TURNS = np.array([0.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0]) * np.pi / 2
LOWER = np.array([-2.9671, -1.8326, -2.9671, -3.1416, -2.9671, -0.0873, -2.9671])
UPPER = np.array([2.9671, 1.8326, 2.9671, 0.0, 2.9671, 3.8223, 2.9671])
"""(7,) rad: limits of the joints."""
HAND_M = 0.21
"""How far along its z the grip of the hand is from the last link's frame: flange 0.107, fingers 0.103."""


def link_frames(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Forward kinematics of joints (..., 7) rad.

    Returns:
        Places (..., 7, 3) m and rotations (..., 7, 3, 3) of the frames of links 1 to 7, seen from the base.

    Raises:
        ValueError: the last axis is not 7 long.
    """
    angles = np.asarray(joints, np.float64)
    if angles.shape[-1:] != (JOINTS,):
        raise ValueError(f"a pose of the arm is {JOINTS} angles; got an array of shape {angles.shape}")
    places = np.empty((*angles.shape, 3))
    turns = np.empty((*angles.shape, 3, 3))
    place, turn = np.zeros((*angles.shape[:-1], 3)), np.broadcast_to(np.eye(3), (*angles.shape[:-1], 3, 3))
    for index in range(JOINTS):
        place = place + turn @ _PLACES[index]
        turn = turn @ _joint_rotation(_TURNS[index], angles[..., index])
        places[..., index, :], turns[..., index, :, :] = place, turn
    return places, turns


def _joint_rotation(twist: float, angle: np.ndarray) -> np.ndarray:
    """(..., 3, 3): about x by a fixed `twist`, then about the new z by `angle` (...)."""
    ca, sa, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    about_z = np.stack([ca, -sa, zero, sa, ca, zero, zero, zero, one], axis=-1).reshape(*angle.shape, 3, 3)
    c, s = np.cos(twist), np.sin(twist)
    rotation: np.ndarray = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ about_z
    return rotation


def hand_points(places: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """(..., 3) m: the grip of the hand, given `link_frames`."""
    points: np.ndarray = places[..., -1, :] + HAND_M * turns[..., -1, :, 2]
    return points
