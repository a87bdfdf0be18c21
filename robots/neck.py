"""The neck that fetches: five joints and a head whose mouth is a parallel gripper; shapes, URDF text, kinematics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geometry.transforms import look_at, transform
from robots.hand import HandSpec, hand_links
from robots.shapes import Link, Shape
from robots.urdf import joint_text, link_text

NECK_JOINTS = ("neck_yaw", "neck_pitch", "neck_elbow", "head_pitch", "head_roll")
JAWS = ("lower_jaw", "upper_jaw")

MOUTH = HandSpec(
    opening_m=0.08,
    finger_m=0.07,
    pad_m=(0.024, 0.012, 0.035),
    root_m=(0.024, 0.014, 0.035),
    palm_m=(0.09, 0.10, 0.025),
    body_m=(0.12, 0.11, 0.08),
    mount_m=0.175,
    mass_kg=0.5,
    finger_mass_kg=0.08,
    closing_force_n=25.0,
)
"""The head as a hand: its fingers are the jaws, its palm the muzzle, its body the skull."""

_AXES = np.array([[0, 0, 1], [0, 1, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]], float)
T_HEAD_HAND = transform(np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]), (MOUTH.mount_m, 0.0, 0.0))
"""The hand's frame in the head's: it comes along the head's x, and its jaws close along the head's z."""
_CAMERA_DOWN = 0.35
T_HEAD_CAM = look_at((0.06, 0.0, 0.115), (0.06 + np.cos(_CAMERA_DOWN), 0.0, 0.115 - np.sin(_CAMERA_DOWN)))
"""The camera over the screen looks down by 20 degrees: on the floor before the feet, and still at a face."""
_SHELL, _ACCENT, _DARK = "#e8e2d6", "#e08a3c", "#22252a"


@dataclass(frozen=True)
class NeckSpec:
    """Sizes, masses and limits of the neck; m, kg, rad, N m.

    It is as long as it must be for the mouth to reach the floor from a trunk 22 cm high, with every attitude that a
    grasp from above has. Torques are those of servos of this size (assumed). All of it weighs 1.72 kg.
    """

    base: tuple[float, float, float] = (0.14, 0.0, 0.03)
    """Where the yaw joint is in the trunk's frame."""
    post_m: float = 0.02
    upper_m: float = 0.14
    lower_m: float = 0.14
    masses: tuple[float, ...] = (0.25, 0.33, 0.33, 0.15, MOUTH.mass_kg)
    lower_limits: tuple[float, ...] = (-1.0, -2.7, -0.6, -1.2, -1.75)
    upper_limits: tuple[float, ...] = (1.0, 1.2, 2.6, 2.2, 1.75)
    max_torques: tuple[float, ...] = (12.0, 16.0, 10.0, 6.0, 3.0)
    rest: tuple[float, ...] = (0.0, -2.0, 2.3, -0.3, 0.0)
    """Folded, the head level before the breast."""
    max_velocity: float = 6.0

    @property
    def mass(self) -> float:
        """Mass of neck, head and jaws, kg."""
        return sum(self.masses) + 2 * MOUTH.finger_mass_kg

    @property
    def origins(self) -> np.ndarray:
        """(5, 3) m: each joint in the frame of the one before, the first in the trunk's."""
        return np.array([self.base, (0, 0, self.post_m), (self.upper_m, 0, 0), (self.lower_m, 0, 0), (0, 0, 0)], float)


def neck_fk(joints: np.ndarray, spec: NeckSpec) -> np.ndarray:
    """Return where joint angles put the links and the hand.

    Args:
        joints: (5,) rad.
        spec: the lengths.

    Returns:
        (6, 4, 4): T_trunk_link of each joint's link, then T_trunk_hand of the mouth.
    """
    frames, T = np.empty((6, 4, 4)), np.eye(4)
    for index, (origin, axis, angle) in enumerate(zip(spec.origins, _AXES, joints, strict=True)):
        T = T @ transform(_turn(axis, float(angle)), origin)
        frames[index] = T
    frames[5] = T @ T_HEAD_HAND
    return frames


def gaze(point_trunk: np.ndarray, spec: NeckSpec) -> np.ndarray:
    """Return joints (5,) rad at which the neck is folded and the camera looks at a point (3,) m of the trunk's frame.

    What lies beyond the neck's limits is looked at as nearly as they allow.
    """
    joints = np.array(spec.rest)
    for _ in range(8):  # the camera moves as the head turns
        T_trunk_cam = neck_fk(joints, spec)[4] @ T_HEAD_CAM
        x, y, z = T_trunk_cam[:3, :3].T @ (np.asarray(point_trunk, float) - T_trunk_cam[:3, 3])
        joints[0] -= np.arctan2(x, max(z, 0.05))
        joints[3] += np.arctan2(y, max(z, 0.05))
        joints = np.clip(joints, spec.lower_limits, spec.upper_limits)
    return joints


def neck_jacobian(frames: np.ndarray) -> np.ndarray:
    """Return (6, 5): velocity, m/s, and turn rate, rad/s, of the hand in the trunk's frame per rad/s of each joint.

    Args:
        frames: (6, 4, 4) from `neck_fk`.
    """
    axes = np.einsum("nij,nj->ni", frames[:5, :3, :3], _AXES)
    arms = frames[5, :3, 3] - frames[:5, :3, 3]
    return np.concatenate([np.cross(axes, arms).T, axes.T])


def _turn(axis: np.ndarray, angle: float) -> np.ndarray:
    """Turn about an axis of the frame by an angle, rad: (3, 3)."""
    c, s = np.cos(angle), np.sin(angle)
    x, y, z = axis * s
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]) + c * np.eye(3) + (1 - c) * np.outer(axis, axis)


def neck_links(spec: NeckSpec) -> tuple[Link, ...]:
    """Return what one sees: post, upper and lower neck, the hinge of the head, the head with its screen, both jaws."""
    along_x = (0.0, 0.7071067811865476, 0.0, 0.7071067811865476)
    across = (0.7071067811865476, 0.0, 0.0, 0.7071067811865476)
    hinge = Shape("cylinder", (0.026, 0.062), (0, 0, 0), across, _ACCENT)
    upper = Shape("capsule", (0.021, spec.upper_m - 0.03), (spec.upper_m / 2, 0, 0), along_x, _SHELL)
    lower = Shape("capsule", (0.019, spec.lower_m - 0.03), (spec.lower_m / 2, 0, 0), along_x, _SHELL)
    skull, muzzle = (_in_head(shape) for shape in hand_links(MOUTH)[0].shapes[::-1])
    screen = Shape("box", (0.006, 0.110, 0.062), (0.072, 0, 0.088), (0, -0.13, 0, 0.9915), _DARK, "screen")
    return (
        Link("neck_yaw", (Shape("cylinder", (0.038, 0.03), (0, 0, 0.0), color=_DARK, material="dark"),)),
        Link("neck_pitch", (hinge, upper)),
        Link("neck_elbow", (hinge, lower)),
        Link("head_pitch", (Shape("cylinder", (0.024, 0.05), (0, 0, 0), across, _DARK, "dark"),)),
        Link("head_roll", (skull, muzzle, Shape("box", (0.05, 0.10, 0.05), (0.045, 0, 0.078), color=_SHELL), screen)),
        *(Link(name, tuple(map(_in_head, link.shapes))) for name, link in zip(JAWS, _jaws(), strict=True)),
    )


def _jaws() -> tuple[Link, Link]:
    """Lower and upper jaw in the hand's frame: its right and left finger, shut."""
    _, left, right = hand_links(MOUTH)
    return right, left


def _in_head(shape: Shape) -> Shape:
    """Move a box from the hand's frame to the head's, which are turned by right angles."""
    across, up, along = shape.size
    x, y, z = (T_HEAD_HAND[:3, :3] @ shape.position + T_HEAD_HAND[:3, 3]).tolist()
    return Shape("box", (along, across, up), (x, y, z), color=shape.color, material=shape.material)


def neck_urdf(spec: NeckSpec, parent: str = "trunk") -> str:
    """Write links and joints as URDF text, to stand among those of the body whose link `parent` carries them.

    Only head and jaws collide. Links follow their joints: five of the neck, the lower and the upper jaw.
    """
    links = neck_links(spec)
    boxes = (
        (0.06, 0.06, 0.04),
        (spec.upper_m, 0.05, 0.05),
        (spec.lower_m, 0.05, 0.05),
        (0.05,) * 3,
        (0.08, 0.12, 0.11),
    )
    centres = ((0, 0, 0), (spec.upper_m / 2, 0, 0), (spec.lower_m / 2, 0, 0), (0, 0, 0), (0.05, 0, 0.01))
    parts = []
    for index, name in enumerate(NECK_JOINTS):
        solid = links[index].shapes[:2] if name == "head_roll" else ()
        parts.append(link_text(links[index], spec.masses[index], centres[index], boxes[index], solid))
        limits = spec.lower_limits[index], spec.upper_limits[index]
        before = NECK_JOINTS[index - 1] if index else parent
        most = spec.max_torques[index], spec.max_velocity
        parts.append(
            joint_text(f"{name}_joint", "revolute", before, name, spec.origins[index], _AXES[index], limits, most)
        )
    for link, side in zip(links[5:], (-1.0, 1.0), strict=True):
        # The inertia of a ball of 5 cm rather than of a finger: a light link on a strong motor would jitter.
        parts.append(link_text(link, MOUTH.finger_mass_kg, (0.14, 0, 0), (0.1, 0.1, 0.1), link.shapes))
        limits, most = (0.0, MOUTH.opening_m / 2), (MOUTH.closing_force_n, MOUTH.finger_speed)
        axis = (0.0, 0.0, side)
        parts.append(
            joint_text(f"{link.name}_joint", "prismatic", "head_roll", link.name, (0, 0, 0), axis, limits, most)
        )
    return "".join(parts)
