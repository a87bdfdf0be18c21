"""The quadruped: numbers from a datasheet -> generated URDF -> one read and one write per control step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from robots.shapes import Link, Shape
from robots.urdf import box_inertia, joint_text, link_text
from robots.world import POSITION_CONTROL, World

LEGS = ("FR", "FL", "RR", "RL")
JOINTS = ("abduction", "thigh", "calf")

_CALVES = (2, 5, 8, 11)  # links that end in a foot
_SHELL, _ACCENT, _DARK = "#e8e2d6", "#e08a3c", "#3a3d42"


@dataclass(frozen=True)
class QuadrupedSpec:
    """Sizes and masses of a dog of the Unitree A1's class; lengths in m, masses in kg, torques in N m.

    Leg lengths, hip places, limits and torques follow Unitree's published A1 data (thigh and calf 0.2 m, hip offset
    0.0838 m, 33.5 N m, 12 kg); the trunk is heavier by the head and the sound and camera kit, whose mass is lumped
    into it and balanced about its middle by the battery.
    """

    thigh_m: float = 0.20
    calf_m: float = 0.20
    hip_offset_m: float = 0.0838
    hip_x_m: float = 0.183
    hip_y_m: float = 0.047
    foot_radius_m: float = 0.02
    trunk_size_m: tuple[float, float, float] = (0.30, 0.194, 0.114)
    trunk_mass: float = 6.9
    hip_mass: float = 0.6
    thigh_mass: float = 0.9
    calf_mass: float = 0.2
    max_torque: float = 33.0
    max_joint_velocity: float = 21.0
    position_gain: float = 0.15
    velocity_gain: float = 0.6
    lower_limits: tuple[float, float, float] = (-0.80, -1.05, -2.70)
    upper_limits: tuple[float, float, float] = (0.80, 4.19, -0.30)

    @property
    def mass(self) -> float:
        """Total mass, kg."""
        return self.trunk_mass + 4 * (self.hip_mass + self.thigh_mass + self.calf_mass)

    @cached_property
    def leg_sides(self) -> np.ndarray:
        """(4,) -1 for right legs, +1 for left legs."""
        return np.array([-1.0, 1.0, -1.0, 1.0])

    @cached_property
    def hip_sides(self) -> np.ndarray:
        """(4,) m: the abduction links, negative for right legs."""
        return self.leg_sides * self.hip_offset_m

    @cached_property
    def hip_positions(self) -> np.ndarray:
        """(4, 3) m: the abduction joints in the trunk's frame."""
        x = np.array([1.0, 1.0, -1.0, -1.0]) * self.hip_x_m
        return np.stack([x, self.leg_sides * self.hip_y_m, np.zeros(4)], axis=1)


class QuadrupedState(NamedTuple):
    """One reading of the robot. World frame unless the name says body."""

    position: np.ndarray  # (3,) m
    quat_xyzw: np.ndarray  # (4,)
    velocity: np.ndarray  # (3,) m/s
    angular_velocity: np.ndarray  # (3,) rad/s
    joint_positions: np.ndarray  # (12,) rad
    joint_velocities: np.ndarray  # (12,) rad/s
    joint_torques: np.ndarray  # (12,) N m, applied by the motors in the last physics step

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3) R_world_trunk."""
        x, y, z, w = self.quat_xyzw
        return np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )

    @property
    def yaw(self) -> float:
        """Heading about the vertical, rad."""
        x, y, z, w = self.quat_xyzw
        return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))

    @property
    def heading_velocity(self) -> tuple[float, float]:
        """(forward, left) m/s in the level frame that turns with the heading."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        vx, vy = self.velocity[:2]
        return float(c * vx + s * vy), float(c * vy - s * vx)

    @property
    def upright(self) -> float:
        """Cosine of the trunk's tilt: 1 upright, 0 on its side."""
        x, y, _, _ = self.quat_xyzw.tolist()
        return float(1 - 2 * (x * x + y * y))


class Quadruped:
    """A quadruped in a world: one read and one write per control step."""

    def __init__(self, world: World, spec: QuadrupedSpec | None = None, urdf: str | None = None) -> None:
        """Load the body; `urdf` is of one that carries more, and whose first twelve joints are those of the legs."""
        self.spec = spec or QuadrupedSpec()
        self.world = world
        self.body = world.load_urdf(urdf or quadruped_urdf(self.spec), (0, 0, 0.35), (0, 0, 0, 1))
        self._joints = list(range(12))
        client = world.client
        for link in range(-1, 12):
            client.changeDynamics(self.body, link, linearDamping=0.0, angularDamping=0.0, maxJointVelocity=100.0)
        for calf in _CALVES:
            client.changeDynamics(self.body, calf, lateralFriction=1.0, spinningFriction=0.0, restitution=0.0)
        self._read_base = client.getBasePositionAndOrientation
        self._read_velocity = client.getBaseVelocity
        self._read_joints = client.getJointStates
        self._read_contacts = client.getContactPoints
        self._write = client.setJointMotorControlArray
        self._forces = [self.spec.max_torque] * 12
        self._position_gains = [self.spec.position_gain] * 12
        self._velocity_gains = [self.spec.velocity_gain] * 12

    @property
    def mass(self) -> float:
        """Mass of all of it, kg."""
        return self.spec.mass

    def reset(self, position: Sequence[float], yaw: float, joints: np.ndarray) -> None:
        """Put the robot, at rest, at a position (3,) m with a heading and joint angles (12,) rad."""
        client = self.world.client
        quat = (0.0, 0.0, float(np.sin(yaw / 2)), float(np.cos(yaw / 2)))
        client.resetBasePositionAndOrientation(self.body, position, quat)
        client.resetBaseVelocity(self.body, (0, 0, 0), (0, 0, 0))
        for joint, angle in enumerate(joints):
            client.resetJointState(self.body, joint, float(angle), 0.0)
        self.command(joints)

    def read(self) -> QuadrupedState:
        """Read everything once."""
        position, quat = self._read_base(self.body)
        velocity, angular = self._read_velocity(self.body)
        angles, speeds, _, torques = zip(*self._read_joints(self.body, self._joints), strict=True)
        numbers = np.array((*position, *quat, *velocity, *angular, *angles, *speeds, *torques))
        return QuadrupedState(
            numbers[:3],
            numbers[3:7],
            numbers[7:10],
            numbers[10:13],
            numbers[13:25],
            numbers[25:37],
            numbers[37:],
        )

    def command(self, targets: np.ndarray) -> None:
        """Give the motors their target angles (12,) rad.

        Raises:
            ValueError: a target is NaN or infinite; nothing is written then.
        """
        if not np.isfinite(targets).all():
            raise ValueError(f"joint targets must be finite, got {targets}")
        self._write(
            self.body,
            self._joints,
            POSITION_CONTROL,
            targetPositions=targets,
            forces=self._forces,
            positionGains=self._position_gains,
            velocityGains=self._velocity_gains,
        )

    def set_trunk_mass(self, mass: float) -> None:
        """Load or unload the trunk: its mass in kg, the inertia growing with it."""
        inertia = box_inertia(mass, self.spec.trunk_size_m)
        self.world.client.changeDynamics(self.body, -1, mass=mass, localInertiaDiagonal=inertia)

    def set_motor_strength(self, share: float) -> None:
        """Give the motors a share of their torque and gains: below 1 they are weak, above strong."""
        self._forces = [share * self.spec.max_torque] * 12
        self._position_gains = [share * self.spec.position_gain] * 12

    def push(self, velocity_change: Sequence[float]) -> None:
        """Shove the trunk: add a velocity (3,) m/s in the world frame, as a kick of that many m/s does."""
        linear, angular = self._read_velocity(self.body)
        self.world.client.resetBaseVelocity(self.body, np.add(linear, velocity_change).tolist(), angular)

    def foot_contacts(self) -> list[bool]:
        """Return which feet (4) touch something."""
        touching = {point[3] for point in self._read_contacts(bodyA=self.body)}
        return [calf in touching for calf in _CALVES]

    def link_poses(self) -> np.ndarray:
        """Return (13, 7) position in m and quat_xyzw in the world frame: the trunk, then the links in joint order."""
        poses = np.empty((13, 7))
        position, quat = self._read_base(self.body)
        poses[0, :3], poses[0, 3:] = position, quat
        states = self.world.client.getLinkStates(self.body, self._joints, computeForwardKinematics=True)
        for row, state in enumerate(states, start=1):
            poses[row, :3], poses[row, 3:] = state[4], state[5]
        return poses


def quadruped_links(spec: QuadrupedSpec) -> tuple[Link, ...]:
    """Return what one sees of the body: the trunk, then abduction, thigh and calf of every leg (13 links)."""
    length, width, height = spec.trunk_size_m
    trunk = Link(
        "trunk",
        (
            Shape("box", spec.trunk_size_m, color=_SHELL),
            Shape("box", (length * 0.72, width * 0.62, 0.02), (0, 0, height / 2 + 0.008), color=_ACCENT),
            Shape("box", (0.03, width * 0.8, height * 0.7), (-length / 2 - 0.012, 0, 0), color=_DARK, material="dark"),
        ),
    )
    return (trunk, *(link for leg, side in zip(LEGS, spec.leg_sides, strict=True) for link in _leg(spec, leg, side)))


# Rotation by 90 degrees about x: turns a shape's z axis onto -y, across the trunk.
_ACROSS = (0.7071067811865476, 0.0, 0.0, 0.7071067811865476)


def _leg(spec: QuadrupedSpec, leg: str, side: float) -> tuple[Link, Link, Link]:
    hip = Shape("cylinder", (0.046, 0.05), (0, side * 0.03, 0), _ACROSS, _DARK, "dark")
    motor = Shape("cylinder", (0.042, 0.034), (0, side * 0.012, 0), _ACROSS, _ACCENT, "shell")
    thigh = Shape("capsule", (0.024, spec.thigh_m - 0.04), (0, 0, -spec.thigh_m / 2), color=_SHELL)
    calf = Shape("capsule", (0.013, spec.calf_m - 0.03), (0, 0, -spec.calf_m / 2), color=_DARK, material="metal")
    foot = Shape("sphere", (spec.foot_radius_m,), (0, 0, -spec.calf_m), color="#26282b", material="rubber")
    return Link(f"{leg}_hip", (hip,)), Link(f"{leg}_thigh", (motor, thigh)), Link(f"{leg}_calf", (calf, foot))


def quadruped_urdf(spec: QuadrupedSpec, more: str = "", back_m: float = 0.0) -> str:
    """Write the URDF: a box trunk, twelve revolute joints, sphere feet, and no fixed joint.

    Only trunk and feet collide. A fixed joint would cost Bullet a link, so the foot is a second shape of the calf.

    Args:
        spec: sizes and masses.
        more: links and joints that stand on the trunk.
        back_m: how far behind its middle the trunk's centre of mass is.
    """
    links = {link.name: link for link in quadruped_links(spec)}

    def part(name: str, mass: float, center: Sequence[float], box: Sequence[float], *solid: Shape) -> str:
        return link_text(links[name], mass, center, box, solid, links[name].shapes)

    parts = [part("trunk", spec.trunk_mass, (0.0 - back_m, 0, 0), spec.trunk_size_m, Shape("box", spec.trunk_size_m))]
    for leg, side, hip in zip(LEGS, spec.leg_sides, spec.hip_positions, strict=True):
        foot = Shape("sphere", (spec.foot_radius_m,), (0, 0, -spec.calf_m))
        names = (f"{leg}_hip", f"{leg}_thigh", f"{leg}_calf")
        parts += [
            part(names[0], spec.hip_mass, (0, side * 0.02, 0), (0.08, 0.06, 0.08)),
            part(names[1], spec.thigh_mass, (0, 0, -0.03), (0.05, 0.05, spec.thigh_m)),
            part(names[2], spec.calf_mass, (0, 0, -0.11), (0.03, 0.03, spec.calf_m), foot),
        ]
        origins = (tuple(hip), (0, side * spec.hip_offset_m, 0), (0, 0, -spec.thigh_m))
        limits = zip(spec.lower_limits, spec.upper_limits, strict=True)
        axes = ((1, 0, 0), (0, 1, 0), (0, 1, 0))
        most = spec.max_torque, spec.max_joint_velocity
        rows = zip(JOINTS, ("trunk", *names[:2]), names, origins, axes, limits, strict=True)
        parts += [
            joint_text(f"{leg}_{joint}", "revolute", parent, child, origin, axis, span, most)
            for joint, parent, child, origin, axis, span in rows
        ]
    return f'<?xml version="1.0"?>\n<robot name="empaw">\n{"".join(parts)}{more}</robot>\n'
