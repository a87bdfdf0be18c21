"""The whole Panda arm, its hand standing where the floating one does: inverse kinematics, paths that touch nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from geometry.transforms import inverse, quat_transform
from robots.hand import MOUNT, Gripper
from robots.world import POSITION_CONTROL, World

JOINTS = tuple(range(7))
_WRIST, _FINGERS = 8, (9, 10)
_TORQUE_NM = (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)
"""Franka Emika, "Robot and interface specifications" (2017): limits of the joints' torques."""
HOME = (0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785)
"""Where the arm waits, rad: Franka's own ready pose."""
_NEAR_M, _NEAR_RAD = 0.002, 0.02
_STEP_RAD = 0.05
"""Paths are checked this finely, in the joint that turns most: 4 cm at the end of a stretched arm."""
_PARTED = 3
"""Links so many joints apart or more may meet; nearer ones cannot within their limits."""


class ReachError(RuntimeError):
    """The arm cannot get there; the message says why."""


@dataclass(frozen=True)
class ArmSpec:
    """Where the arm stands and how fast it goes; m, rad/s."""

    base: tuple[float, float, float] = (-0.5, 0.0, 0.02)
    """On a plate of 2 cm."""
    speed: float = 1.2
    """Of the joint that turns most."""
    tries: int = 12
    """Poses of the joints from which a solution is looked for."""


class Arm(Gripper):
    """A Panda arm on the table, whose hand a trial uses as it does a floating one.

    The model is the one that PyBullet ships (Franka Emika's, Apache-2.0).
    """

    def __init__(self, world: World, opening_m: float, spec: ArmSpec | None = None) -> None:
        """Appear at rest, at `HOME`."""
        self.spec = spec or ArmSpec()
        super().__init__(world, world.load_shipped("franka_panda/panda.urdf", self.spec.base), _FINGERS)
        limits = np.array([world.client.getJointInfo(self.body, joint)[8:10] for joint in JOINTS])
        self.low, self.high = limits.T
        self._goal = np.array(HOME)
        self.put(self._goal, opening_m)
        self.open_to(opening_m)

    def move_to(self, T_world_hand: np.ndarray) -> None:
        """Drive the joints towards a pose of the hand near where it is."""
        self._goal = self._solve(T_world_hand, self._goal)
        self._drive()

    @property
    def pose(self) -> np.ndarray:
        """(4, 4): the pose of the hand now, as `Grasp.T_world_hand`."""
        state = self.world.client.getLinkState(self.body, _WRIST, computeForwardKinematics=True)
        T: np.ndarray = quat_transform(state[4], state[5]) @ inverse(MOUNT)
        return T

    @property
    def joints(self) -> np.ndarray:
        """(7,) rad, now."""
        return np.array([state[0] for state in self.world.client.getJointStates(self.body, JOINTS)])

    def put(self, joints: np.ndarray, opening_m: float) -> None:
        """Be at a pose of the joints (7,) rad, at once and at rest."""
        client = self.world.client
        for joint, value in zip((*JOINTS, *_FINGERS), (*joints, *[opening_m / 2] * 2), strict=True):
            client.resetJointState(self.body, joint, float(value))
        self._goal = np.asarray(joints, float)

    def reach(self, T_world_hand: np.ndarray, near: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Solve for joints (7,) rad that bring the hand to a pose, from `near` and, with `rng`, from elsewhere.

        Raises:
            ReachError: none is found within the limits.
        """
        for attempt in range(self.spec.tries if rng is not None else 1):
            start = near if attempt == 0 or rng is None else rng.uniform(self.low, self.high)
            found = self._solve(T_world_hand, start, rounds=20)
            if self._is_at(found, T_world_hand):
                return found
        raise ReachError(f"the arm does not reach {np.round(T_world_hand[:3, 3], 3).tolist()} m that way round")

    def _solve(self, T_world_hand: np.ndarray, start: np.ndarray, rounds: int = 3) -> np.ndarray:
        """Iterate damped least squares on Bullet's Jacobian (Buss 2004), clipped to the limits of the joints."""
        client = self.world.client
        joints = np.clip(start, self.low, self.high)
        goal = T_world_hand @ MOUNT
        opening = self.opening_m / 2
        with self._trying():
            for _ in range(rounds):
                self._pose(joints)
                state = client.getLinkState(self.body, _WRIST, computeForwardKinematics=True)
                off = goal @ inverse(quat_transform(state[4], state[5]))
                miss = np.concatenate([goal[:3, 3] - state[4], _turn_of(off[:3, :3])])
                if np.linalg.norm(miss) < 1e-5:
                    break
                local = inverse(quat_transform(state[0], state[1])) @ np.append(state[4], 1.0)
                values = [*joints.tolist(), opening, opening]
                linear, angular = client.calculateJacobian(
                    self.body, _WRIST, tuple(local[:3]), values, [0.0] * 9, [0.0] * 9
                )
                jacobian = np.concatenate([linear, angular])[:, :7]
                damped = jacobian @ jacobian.T + 1e-4 * np.eye(6)
                step = jacobian.T @ np.linalg.solve(damped, miss)
                joints = np.clip(joints + step * min(1.0, 0.5 / max(np.abs(step).max(), 1e-9)), self.low, self.high)
        return joints

    def _is_at(self, joints: np.ndarray, T_world_hand: np.ndarray) -> bool:
        with self._trying():
            self._pose(joints)
            off = inverse(T_world_hand) @ self.pose
        return bool(np.linalg.norm(off[:3, 3]) < _NEAR_M and np.linalg.norm(_turn_of(off[:3, :3])) < _NEAR_RAD)

    def along(self, poses: Iterable[np.ndarray], start: np.ndarray) -> list[np.ndarray]:
        """Solve for each pose of a path, each near the last.

        Raises:
            ReachError: one cannot be reached, or only with a jump of the joints.
        """
        found = [start]
        for pose in poses:
            joints = self.reach(pose, found[-1])
            if np.abs(joints - found[-1]).max() > 0.6:
                raise ReachError("the arm would have to turn round on the way")
            found.append(joints)
        return found[1:]

    def is_collision_free(self, path: Sequence[np.ndarray], others: Iterable[int]) -> bool:
        """Tell whether the arm, going straight from joints to joints, meets neither a body of `others`, nor itself."""
        bodies = list(others)
        with self._trying():
            for start, end in pairwise(path):
                steps = max(int(np.ceil(np.abs(end - start).max() / _STEP_RAD)), 1)
                for share in np.arange(1, steps + 1) / steps:
                    self._pose((1 - share) * start + share * end)
                    if any(self._meets(body) for body in bodies) or self._meets_itself():
                        return False
        return True

    def _meets(self, body: int) -> bool:
        """Tell whether anything but the foot overlaps a body."""
        found = self.world.client.getClosestPoints(self.body, body, 0.0)
        return any(one[3] > 0 and one[8] < -1e-3 for one in found)

    def _meets_itself(self) -> bool:
        client = self.world.client
        return any(
            one[8] < -1e-3
            for link in range(4)
            for other in range(max(link + _PARTED, 5), _WRIST + 1)
            for one in client.getClosestPoints(self.body, self.body, 0.0, link, other)
        )

    def go(self, joints: np.ndarray) -> Iterable[None]:
        """Drive evenly to joints (7,) rad; step the world once for each item."""
        start = self._goal
        longest = float(np.abs(joints - start).max())
        steps = max(int(np.ceil(longest / self.spec.speed / self.world.config.time_step_s)), 1)
        for share in np.arange(1, steps + 1) / steps:
            self._goal = (1 - share) * start + share * joints
            self._drive()
            yield

    def _drive(self) -> None:
        self.world.client.setJointMotorControlArray(
            self.body, JOINTS, POSITION_CONTROL, targetPositions=self._goal.tolist(), forces=_TORQUE_NM
        )

    @contextmanager
    def _trying(self) -> Iterator[None]:
        """Bring the joints back, places and speeds, after they were put elsewhere."""
        held = self.world.client.getJointStates(self.body, JOINTS)
        try:
            yield
        finally:
            for joint, (value, speed, *_) in zip(JOINTS, held, strict=True):
                self.world.client.resetJointState(self.body, joint, value, speed)

    def _pose(self, joints: np.ndarray) -> None:
        for joint, value in zip(JOINTS, joints, strict=True):
            self.world.client.resetJointState(self.body, joint, float(value))


def _turn_of(rotation: np.ndarray) -> np.ndarray:
    """Give axis times angle of a rotation (3, 3): (3,) rad."""
    from scipy.spatial.transform import Rotation

    turn: np.ndarray = Rotation.from_matrix(rotation).as_rotvec()
    return turn
