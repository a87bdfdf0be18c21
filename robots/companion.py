"""The dog that fetches: the quadruped with a neck, a head that looks and hears, and a mouth that holds.

The trunk is lighter by what neck and head weigh, and its battery sits further back: so it walks as fast as without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from geometry.transforms import transform
from robots.neck import MOUTH, T_HEAD_CAM, NeckSpec, neck_fk, neck_links, neck_urdf
from robots.quadruped import Quadruped, QuadrupedSpec, QuadrupedState, quadruped_links, quadruped_urdf
from robots.shapes import Link
from robots.world import POSITION_CONTROL, World

BACK_M = 0.05
"""So far behind the middle of the trunk is its centre of mass."""
_NECK, _JAWS, _CALVES = tuple(range(12, 17)), (17, 18), (2, 5, 8, 11)
_POSITION_GAIN, _VELOCITY_GAIN = 0.3, 0.8
_JAW_STIFFNESS, _JAW_DAMPING = 30_000.0, 1_000.0


class CompanionState(NamedTuple):
    """One reading of everything. `legs` is what the gait wants: its position is that of the trunk's centre of mass."""

    legs: QuadrupedState
    T_world_trunk: np.ndarray  # (4, 4), of the trunk's frame
    neck: np.ndarray  # (5,) rad
    opening_m: float  # between the jaws

    @property
    def head_frame(self) -> np.ndarray:
        """T_world_head (4, 4), x forward."""
        turned: np.ndarray = self.T_world_trunk @ neck_fk(self.neck, NeckSpec())[4]
        return turned

    @property
    def camera_frame(self) -> np.ndarray:
        """T_world_cam (4, 4), z forward, x right, y down."""
        seen: np.ndarray = self.head_frame @ T_HEAD_CAM
        return seen


def companion_spec(neck: NeckSpec) -> QuadrupedSpec:
    """Return the quadruped that carries a neck: as heavy with it as without."""
    return replace(QuadrupedSpec(), trunk_mass=QuadrupedSpec().trunk_mass - neck.mass)


def companion_urdf(spec: QuadrupedSpec, neck: NeckSpec) -> str:
    """Write the URDF of a quadruped with a neck on its trunk, whose centre of mass has moved back."""
    return quadruped_urdf(spec, neck_urdf(neck), BACK_M)


def companion_links(spec: QuadrupedSpec, neck: NeckSpec) -> tuple[Link, ...]:
    """Return what one sees: the 13 links of the quadruped, then the 7 of neck, head and jaws."""
    return (*quadruped_links(spec), *neck_links(neck))


class Companion(Quadruped):
    """The quadruped with neck and mouth in a world: one read and one write per control step."""

    def __init__(self, world: World) -> None:
        self.neck, self.mouth = NeckSpec(), MOUTH
        spec = companion_spec(self.neck)
        super().__init__(world, spec, companion_urdf(spec, self.neck))
        client = world.client
        for link in (*_NECK, *_JAWS):
            client.changeDynamics(self.body, link, linearDamping=0.0, angularDamping=0.0)
        for jaw in _JAWS:
            client.changeDynamics(
                self.body, jaw, lateralFriction=1.0, spinningFriction=0.1, contactStiffness=_JAW_STIFFNESS,
                contactDamping=_JAW_DAMPING, frictionAnchor=1,
            )  # fmt: skip
        # Both jaws move alike, as a screw with two threads moves them.
        lower, upper = _JAWS
        gear = client.createConstraint(
            self.body, upper, self.body, lower, client.JOINT_GEAR, (1, 0, 0), (0, 0, 0), (0, 0, 0)
        )
        client.changeConstraint(gear, gearRatio=-1, erp=0.1, maxForce=2 * self.mouth.closing_force_n)

    @property
    def mass(self) -> float:
        """Mass of legs, trunk, neck and head, kg."""
        return self.spec.mass + self.neck.mass

    def reset(self, position: Sequence[float], yaw: float, joints: np.ndarray) -> None:
        """Put the trunk, at rest, at a position (3,) m with a heading and joint angles (12,) rad, the neck folded."""
        x, y, z = position
        super().reset((x - BACK_M * np.cos(yaw), y - BACK_M * np.sin(yaw), z), yaw, joints)
        for joint, angle in zip((*_NECK, *_JAWS), (*self.neck.rest, 0.0, 0.0), strict=True):
            self.world.client.resetJointState(self.body, joint, angle, 0.0)
        self.command_head(np.array(self.neck.rest), 0.0)

    def read_all(self) -> CompanionState:
        """Read legs, neck and jaws once."""
        legs = self.read()
        found = self.world.client.getJointStates(self.body, [*_NECK, *_JAWS])
        angles = np.array([joint[0] for joint in found])
        T_world_trunk = transform(legs.rotation, legs.position + legs.rotation @ (BACK_M, 0.0, 0.0))
        return CompanionState(legs, T_world_trunk, angles[:5], float(angles[5:].sum()))

    def command_head(self, neck: np.ndarray, opening_m: float) -> None:
        """Give the neck its target angles (5,) rad, and the jaws how far to open, m.

        Raises:
            ValueError: a target is NaN or infinite; nothing is written then.
        """
        if not np.isfinite(neck).all() or not np.isfinite(opening_m):
            raise ValueError(f"targets of neck and jaws must be finite, got {neck} rad and {opening_m} m")
        drive = self.world.client.setJointMotorControlArray
        drive(
            self.body, _NECK, POSITION_CONTROL, targetPositions=list(neck), forces=self.neck.max_torques,
            positionGains=[_POSITION_GAIN] * 5, velocityGains=[_VELOCITY_GAIN] * 5,
        )  # fmt: skip
        forces = [self.mouth.closing_force_n] * 2
        drive(self.body, _JAWS, POSITION_CONTROL, targetPositions=[opening_m / 2] * 2, forces=forces)

    def plant(self, planted: bool) -> None:
        """Hold the feet where they touch, or let them go: Bullet's friction alone lets a still dog creep."""
        for calf in _CALVES:
            self.world.client.changeDynamics(self.body, calf, frictionAnchor=int(planted))

    def link_poses(self) -> np.ndarray:
        """Return (20, 7) position in m and quat_xyzw in the world, in the order of `companion_links`."""
        client = self.world.client
        poses = np.empty((20, 7))
        position, quat = client.getBasePositionAndOrientation(self.body)
        forward = np.array(client.getMatrixFromQuaternion(quat)).reshape(3, 3)[:, 0]
        poses[0, :3], poses[0, 3:] = position + BACK_M * forward, quat
        states = client.getLinkStates(self.body, list(range(19)), computeForwardKinematics=True)
        for row, state in enumerate(states, start=1):
            poses[row, :3], poses[row, 3:] = state[4], state[5]
        return poses
