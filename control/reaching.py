"""Reach with trunk and neck together, all feet on the ground: inverse kinematics of eleven joints, and the stance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from geometry.transforms import about_vertical, inverse, transform, transform_points
from robots.kinematics import leg_fk, leg_ik
from robots.neck import T_HEAD_HAND, NeckSpec, neck_fk, neck_jacobian
from robots.quadruped import QuadrupedSpec

_WEIGHTS = np.array([0.02, 0.02, 0.05, 0.3, 0.3, 0.3, 1.0, 1.0, 1.0, 1.0, 1.0])
"""How willingly each moves: the neck first, then the attitude of the trunk, then its place."""
_TURN_WEIGHT = 0.2
"""Metres that a radian off counts as."""
_DAMPING = 2e-6
_PULL, _FADE = 0.1, 0.93
"""The pull to the preferred pose, and how it fades from round to round."""
_MOST_STEP = 0.25


@dataclass(frozen=True)
class ReachSpec:
    """How far the trunk may go while the feet stand, and what it prefers; m, rad.

    The trunk's place is x, y, z in the frame of the stance: on the ground, midway between the feet, x ahead. Its
    attitude is roll, pitch (nose down), yaw.
    """

    lower: tuple[float, ...] = (-0.06, -0.05, 0.22, -0.15, -0.30, -0.25)
    upper: tuple[float, ...] = (0.06, 0.05, 0.34, 0.15, 0.30, 0.25)
    nominal: tuple[float, ...] = (0.0, 0.0, 0.24, 0.0, 0.15, 0.0)
    rounds: int = 60
    near_m: float = 0.001
    near_rad: float = 0.01


class Reach(NamedTuple):
    """A pose of trunk and neck: `trunk` (6,) x, y, z in m, roll, pitch, yaw in rad; `neck` (5,) rad."""

    trunk: np.ndarray
    neck: np.ndarray

    @property
    def T_stance_trunk(self) -> np.ndarray:  # noqa: N802 - the name of a transform
        """(4, 4)."""
        return trunk_pose(self.trunk)


class Placement(NamedTuple):
    """Where to stand, T_world_stance (4, 4), and the pose of trunk and neck there."""

    T_world_stance: np.ndarray
    reach: Reach


CHANGED_JAWS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""The same grasp with either jaw where the other was."""
_TURNS = tuple(np.radians([0, 30, -30, 60, -60, 90, -90, 120, -120, 150, -150, 180]).tolist())
_DISTANCES_M = (0.38, 0.33, 0.43)
"""From the middle of the stance to the mouth: here most grasps are reached."""


def trunk_pose(trunk: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return (4, 4) T_stance_trunk of x, y, z in m, and roll, pitch, yaw in rad."""
    return transform(_attitude(*np.asarray(trunk, float)[3:].tolist())[2], np.asarray(trunk, float)[:3])


def _attitude(roll: float, pitch: float, yaw: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the axes that pitch and roll turn about, and the rotation (3, 3): yaw, then pitch, then roll."""
    cr, sr, cp, sp, cy, sy = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw)
    across, ahead = np.array([-sy, cy, 0.0]), np.array([cy * cp, sy * cp, -sp])
    left = cr * across + sr * np.array([cy * sp, sy * sp, cp])
    return across, ahead, np.column_stack([ahead, left, np.cross(ahead, left)])


class Reacher:
    """Finds poses of trunk and neck that bring the mouth to where a grasp wants it."""

    def __init__(
        self, body: QuadrupedSpec | None = None, neck: NeckSpec | None = None, spec: ReachSpec | None = None
    ) -> None:
        self.body, self.neck, self.spec = body or QuadrupedSpec(), neck or NeckSpec(), spec or ReachSpec()
        self._low = np.array([*self.spec.lower, *self.neck.lower_limits])
        self._high = np.array([*self.spec.upper, *self.neck.upper_limits])

    @cached_property
    def _longest_m(self) -> float:
        """From the preferred place of the trunk to the mouth of a neck stretched out, m."""
        neck, shift = self.neck, np.maximum(self.spec.upper[:3], np.negative(self.spec.lower[:3]))
        lengths = np.linalg.norm(neck.base), neck.post_m, neck.upper_m, neck.lower_m, T_HEAD_HAND[0, 3]
        return float(sum(lengths) + np.linalg.norm(shift))

    @cached_property
    def nominal(self) -> Reach:
        """The pose that is preferred where nothing asks for another: low, nose down, neck stretched ahead."""
        return Reach(np.array(self.spec.nominal), np.array([0.0, -0.6, 1.2, 0.6, 0.0]))

    def reach(self, T_stance_hand: np.ndarray, near: Reach | None = None) -> Reach | None:
        """Find a pose that brings the mouth to T_stance_hand (4, 4), from near another or from anywhere.

        Returns:
            The pose; None where none is found that is near enough, within all limits, and stands.
        """
        if np.linalg.norm(T_stance_hand[:3, 3] - self.spec.nominal[:3]) > self._longest_m:
            return None
        starts = [near] if near is not None else self._starts(T_stance_hand)
        for start in starts:
            found = self._solve(T_stance_hand, np.concatenate(start))
            if found is not None and self.stands(found):
                return found
        return None

    def places(
        self,
        T_world_hand: np.ndarray,
        heading: float | None = None,
        is_free: Callable[[np.ndarray], bool] = lambda place: True,
        most_turn: float = np.pi,
    ) -> Iterator[Placement]:
        """Find where one can stand for a grasp on flat ground, and the poses there.

        A mouth that comes at a slant comes best from the dog's own side: headings begin with the way that it comes, or
        with the `heading`, rad, that is asked for. A grasp is as good with the jaws changed. `is_free` tells whether
        one may stand at a place (2,) m; headings differ from the first by `most_turn`, rad, at most.
        """
        x, y, _ = T_world_hand[:3, 3]
        first = float(np.arctan2(T_world_hand[1, 2], T_world_hand[0, 2])) if heading is None else heading
        for turn in [turn for turn in _TURNS if abs(turn) <= most_turn + 1e-9]:
            for distance in _DISTANCES_M:
                c, s = np.cos(first + turn), np.sin(first + turn)
                T_world_stance = transform(about_vertical(first + turn), (x - distance * c, y - distance * s, 0.0))
                if not is_free(T_world_stance[:2, 3]):
                    continue
                for jaws in (np.eye(4), CHANGED_JAWS):
                    found = self.reach(inverse(T_world_stance) @ T_world_hand @ jaws)
                    if found is not None:
                        yield Placement(T_world_stance, found)
                        break

    def along(self, poses: Sequence[np.ndarray], start: Reach) -> list[Reach] | None:
        """Follow poses of the mouth (4, 4), each reached from near the last; None where one is out of reach."""
        path, last = [], start
        for pose in poses:
            found = self.reach(pose, last)
            if found is None or np.abs(found.neck - last.neck).max() > 0.5:
                return None
            path.append(found)
            last = found
        return path

    def hand(self, reach: Reach) -> np.ndarray:
        """Return T_stance_hand (4, 4) of a pose."""
        pose: np.ndarray = reach.T_stance_trunk @ neck_fk(reach.neck, self.neck)[5]
        return pose

    def legs(self, T_stance_trunk: np.ndarray, feet: np.ndarray) -> np.ndarray:
        """Return joints (12,) rad that keep the middles of the feet (4, 3) m, in the stance's frame, where they are."""
        in_trunk = transform_points(inverse(T_stance_trunk), feet)
        return leg_ik(in_trunk - self.body.hip_positions, self.body).ravel()

    def feet(self) -> np.ndarray:
        """Return (4, 3) m: where the middles of the feet are when the dog stands square, in the stance's frame."""
        places = self.body.hip_positions + np.stack([np.zeros(4), self.body.hip_sides, np.zeros(4)], axis=1)
        places[:, 2] = self.body.foot_radius_m
        return places

    def stands(self, reach: Reach, feet: np.ndarray | None = None) -> bool:
        """Tell whether the legs reach the ground from there, within their limits."""
        feet = self.feet() if feet is None else feet
        joints = self.legs(reach.T_stance_trunk, feet)
        low, high = np.tile(self.body.lower_limits, 4), np.tile(self.body.upper_limits, 4)
        if (joints < low).any() or (joints > high).any():
            return False
        there = transform_points(reach.T_stance_trunk, leg_fk(joints, self.body))
        return bool(np.abs(there - feet).max() < 1e-3)

    def _starts(self, T_stance_hand: np.ndarray) -> list[Reach]:
        """Poses to begin from: the neck's yaw and the head's roll towards the grasp, the neck high and stretched."""
        trunk = np.array(self.spec.nominal)
        local = inverse(trunk_pose(trunk)) @ T_stance_hand
        yaw = float(np.arctan2(local[1, 3], local[0, 3] - self.neck.base[0]))
        across = about_vertical(-yaw) @ local[:3, :3]
        # With the mouth pointing down, its jaws close along x at roll 0: the roll is what turns x to where they close.
        roll = float(np.arctan2(-across[1, 1], across[0, 1]))
        rolls = [one for one in (roll, roll - np.pi, roll + np.pi) if abs(one) <= self.neck.upper_limits[4]]
        necks = ((-1.6, 1.9, 1.0), (-0.6, 1.2, 0.8), (-2.4, 2.2, 1.4))
        return [
            Reach(trunk, np.clip([yaw, *pitches, one], self.neck.lower_limits, self.neck.upper_limits))
            for pitches in necks
            for one in sorted(rolls, key=abs) or [0.0]
        ]

    def _solve(self, goal: np.ndarray, x: np.ndarray) -> Reach | None:
        """Damped least squares, weighted (Nakamura 1991), that leaves out for a step what is at its limit."""
        nominal = np.concatenate([self.spec.nominal, x[6:]])
        pull = _PULL
        for _ in range(self.spec.rounds):
            miss, jacobian = self._miss(goal, x)
            if np.linalg.norm(miss[:3]) < self.spec.near_m and np.linalg.norm(miss[3:]) < self.spec.near_rad:
                return Reach(x[:6], x[6:])
            x = np.clip(x + self._step(jacobian, miss, x, pull * (nominal - x)), self._low, self._high)
            pull *= _FADE
        return None

    def _miss(self, goal: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what is left to the goal, (6,) m and rad, and the Jacobian (6, 11), both in the stance's frame."""
        across, ahead, rotation = _attitude(*x[3:6].tolist())
        frames = neck_fk(x[6:], self.neck)
        hand = transform(rotation, x[:3]) @ frames[5]
        axes = np.stack([ahead, across, (0.0, 0.0, 1.0)])
        trunk = np.block([[np.eye(3), np.cross(axes, hand[:3, 3] - x[:3]).T], [np.zeros((3, 3)), axes.T]])
        by_neck = neck_jacobian(frames)
        jacobian = np.hstack([trunk, np.concatenate([rotation @ by_neck[:3], rotation @ by_neck[3:]])])
        turn = Rotation.from_matrix(goal[:3, :3] @ hand[:3, :3].T).as_rotvec()
        return np.concatenate([goal[:3, 3] - hand[:3, 3], turn]), jacobian

    def _step(self, jacobian: np.ndarray, miss: np.ndarray, x: np.ndarray, pull: np.ndarray) -> np.ndarray:
        rows = np.array([1.0, 1.0, 1.0, *[_TURN_WEIGHT] * 3])
        jacobian, miss = rows[:, None] * jacobian, rows * miss
        weights, step = _WEIGHTS.copy(), np.zeros(11)
        for _ in range(4):
            free = jacobian * weights
            pulled = pull * weights
            step = free.T @ np.linalg.solve(free @ jacobian.T + _DAMPING * np.eye(6), miss - jacobian @ pulled) + pulled
            stuck = ((x >= self._high - 1e-6) & (step > 0)) | ((x <= self._low + 1e-6) & (step < 0))
            if not (stuck & (weights > 0)).any():
                break
            weights[stuck] = 0.0
        return step * min(1.0, _MOST_STEP / max(float(np.abs(step).max()), 1e-9))
