"""Stand with all feet planted and move trunk and neck along poses: what the dog does while it reaches.

Feet are balls: while the trunk leans they roll, and their middles move by the arc. Targets are for feet that were
planted where encoders and inertial unit found them, so nothing but what the dog itself can sense is used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from control.dog import CONTROL_HZ
from control.reaching import Reach, Reacher
from geometry.transforms import inverse, transform, transform_points
from robots.kinematics import leg_fk


class StanceStep(NamedTuple):
    """Targets of one control step: `legs` (12,) rad and `neck` (5,) rad, and whether the way is at its end."""

    legs: np.ndarray
    neck: np.ndarray
    done: bool


class Stance:
    """Feet on level ground, and the way that trunk and neck go above them."""

    def __init__(self, reacher: Reacher, joints: np.ndarray, rotation: np.ndarray, neck: np.ndarray) -> None:
        """Plant the feet where they are.

        Args:
            reacher: whose body it is.
            joints: (12,) rad of the legs, as the encoders say.
            rotation: (3, 3) R_world_trunk of the inertial unit, of which roll and pitch are used: the stance heads as
                the trunk does.
            neck: (5,) rad.
        """
        self._reacher = reacher
        roll, pitch = float(np.arctan2(rotation[2, 1], rotation[2, 2])), float(-np.arcsin(rotation[2, 0]))
        leaning = transform(_attitude(roll, pitch), (0.0, 0.0, 0.0))
        feet = transform_points(leaning, leg_fk(joints, reacher.body))
        middle = feet[:, :2].mean(axis=0)
        # Feet that stand are all as low as their radius; after steps some hang a little above the ground.
        self.T_stance_trunk = transform(leaning[:3, :3], (*-middle, reacher.body.foot_radius_m - feet[:, 2].min()))
        self._feet = feet - (*middle, 0.0)
        self._feet[:, 2] = reacher.body.foot_radius_m
        self._turned = _turned(joints, pitch)
        self.reach = Reach(np.array([*self.T_stance_trunk[:3, 3], roll, pitch, 0.0]), np.array(neck, float))
        self._way: deque[Reach] = deque()

    def follow(self, poses: Sequence[Reach], seconds: float) -> None:
        """Go on along poses after what is left of the way, evenly from one to the next, eased at both ends.

        Args:
            poses: where to go, in order.
            seconds: how long all of it takes.

        Raises:
            ValueError: no time, or legs that do not reach from one of the poses.
        """
        if not seconds > 0.0:
            raise ValueError(f"{seconds} s came for a way; it takes time")
        if bad := [pose for pose in poses if not self._reacher.stands(pose, self._feet)]:
            raise ValueError(f"the legs do not reach the ground from {np.round(bad[0].trunk, 3).tolist()}")
        places = np.stack([np.concatenate(pose) for pose in (self._way[-1] if self._way else self.reach, *poses)])
        count = max(round(seconds * CONTROL_HZ), 1)
        share = np.arange(1, count + 1) / count
        at = share * share * (3 - 2 * share) * len(poses)
        for row in np.stack([np.interp(at, range(len(places)), column) for column in places.T], axis=1):
            self._way.append(Reach(row[:6], row[6:]))

    def step(self) -> StanceStep:
        """Return the next targets; at the end of the way those of its end."""
        if self._way:
            self.reach = self._way.popleft()
        return StanceStep(self._legs(self.reach), self.reach.neck, not self._way)

    def _legs(self, reach: Reach) -> np.ndarray:
        """Return (12,) rad: legs whose feet have rolled as far as their calves have turned."""
        T, feet = reach.T_stance_trunk, self._feet
        radius = self._reacher.body.foot_radius_m
        joints = self._reacher.legs(T, feet)
        for _ in range(2):
            rolled = radius * (_turned(joints, float(reach.trunk[4])) - self._turned)
            feet = self._feet + np.stack([rolled, np.zeros(4), np.zeros(4)], axis=1)
            joints = self._reacher.legs(T, feet)
        return joints

    def hand(self) -> np.ndarray:
        """Return T_stance_hand (4, 4) that the targets ask for."""
        return self._reacher.hand(self.reach)


def _attitude(roll: float, pitch: float) -> np.ndarray:
    """Return (3, 3): pitch, nose down, then roll."""
    from scipy.spatial.transform import Rotation

    attitude: np.ndarray = Rotation.from_euler("YX", (pitch, roll)).as_matrix()
    return attitude


def _turned(joints: np.ndarray, pitch: float) -> np.ndarray:
    """Return (4,) rad: how far each calf is turned about the world's lateral axis."""
    angles = joints.reshape(4, 3)
    turned: np.ndarray = angles[:, 1] + angles[:, 2] + pitch
    return turned


def stance_frame(T_world_trunk: np.ndarray, stance: Stance) -> np.ndarray:
    """Return T_world_stance (4, 4) where the trunk was at T_world_trunk (4, 4) when the feet were planted."""
    frame: np.ndarray = T_world_trunk @ inverse(stance.T_stance_trunk)
    return frame
