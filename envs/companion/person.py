"""An articulated person who stands, sits, walks and turns: where each part is, at every moment, and where the voice is.

The sizes are those of a person of 1.70 m (Winter 2009, "Biomechanics and Motor Control of Human Movement", figure 4.1).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy.spatial.transform import Rotation

from geometry.transforms import about_vertical, transform, wrap
from robots.shapes import Link, Shape

_THIGH_M, _SHANK_M, _FOOT_M = 0.42, 0.42, 0.07
_TORSO_M, _UPPER_ARM_M, _FOREARM_M = 0.50, 0.30, 0.26
_HIP_M, _SHOULDER_M = 0.09, 0.19
_HEAD_M = 0.16
"""From the shoulders to the middle of the head."""
_SHIRT, _TROUSERS, _SKIN, _SHOE = "#7d8ea3", "#4d5560", "#c9a58a", "#33353a"

WALKING_M_S, TURNING_RAD_S, SITTING_S = 0.8, 1.6, 1.2
_SWING_RAD, _BEND_RAD, _STRIDE_M = 0.40, 0.75, 1.2
_EASE_S = 0.25
_AROUND_M, _MINDS_M = 0.6, 1.5
"""So much room is left to a dog in the way, which is minded from there on."""


class WalkTo(NamedTuple):
    """Walk straight to a place (2,) m, turned that way first."""

    place: tuple[float, float]


class TurnTo(NamedTuple):
    """Turn on the spot to a heading, rad."""

    yaw: float


class Sit(NamedTuple):
    """Sit down where one stands: feet stay, hips go back."""


class Stand(NamedTuple):
    """Get up."""


class Wait(NamedTuple):
    """Do nothing for some seconds."""

    seconds: float


Action: TypeAlias = WalkTo | TurnTo | Sit | Stand | Wait


@dataclass(frozen=True)
class Posture:
    """How a body is held; angles in rad, positive forward.

    Thighs from straight down, knees from straight, arms from straight down; of right and left.
    """

    thighs: tuple[float, float] = (0.0, 0.0)
    knees: tuple[float, float] = (0.0, 0.0)
    arms: tuple[float, float] = (0.0, 0.0)
    elbows: tuple[float, float] = (0.15, 0.15)


class Person:
    """Somebody in the room. `step` moves them by what they were asked to do, one thing after the other."""

    def __init__(self, place: tuple[float, float], yaw: float) -> None:
        """Stand at a place (2,) m with a heading, rad."""
        self.links = person_links()
        self.reset(place, yaw)

    def reset(self, place: tuple[float, float], yaw: float) -> None:
        """Stand at a place, with nothing to do."""
        self.place, self.yaw = np.array(place, float), float(yaw)
        self.sitting = 0.0
        """0 stands, 1 sits."""
        self._speed, self._phase = 0.0, 0.0
        self._actions: deque[Action] = deque()
        self._waited = 0.0

    @property
    def busy(self) -> bool:
        """Whether there is something left to do."""
        return bool(self._actions)

    def ask(self, *actions: Action) -> None:
        """Do these after what is still to be done.

        Raises:
            ValueError: a place or heading that is not finite, or a negative time.
        """
        for action in actions:
            numbers = [number for part in action for number in np.atleast_1d(part)]
            if not np.isfinite(numbers).all() or (isinstance(action, Wait) and action.seconds < 0):
                raise ValueError(f"{action} came; places and headings must be finite, and a time 0 or more")
        self._actions.extend(actions)

    def step(self, dt_s: float, other: np.ndarray | None = None) -> None:
        """Let time pass; nobody walks into `other`, who is at (2,) m."""
        self._other, walking = other, 0.0
        if self._actions:
            walking = self._do(self._actions[0], dt_s)
        # Eased, so that nobody starts or stops at once; what is left of a step is stepped on the spot.
        self._speed += (walking - self._speed) * min(dt_s / _EASE_S, 1.0)
        self._phase += 2 * np.pi * self._speed / _STRIDE_M * dt_s

    def _do(self, action: Action, dt_s: float) -> float:
        """Go on with an action, and be done with it when it is; returns the speed of walking, m/s."""
        if isinstance(action, WalkTo):
            if self.sitting > 0.0:
                self._sit(-dt_s)
                return 0.0
            way = np.array(action.place) - self.place
            far = float(np.hypot(*way))
            if self._is_taken(action.place, far):
                self._actions.popleft()
                return 0.0
            way = self._round(way, far)
            if far < 1e-6 or not self._turn(float(np.arctan2(way[1], way[0])), dt_s):
                if far < 1e-6:
                    self._actions.popleft()
                return 0.0
            step = min(WALKING_M_S * dt_s, far)
            self.place = self.place + way / far * step
            if step == far:
                self._actions.popleft()
            return WALKING_M_S
        if isinstance(action, TurnTo):
            done = self._turn(action.yaw, dt_s)
        elif isinstance(action, Wait):
            self._waited += dt_s
            done = self._waited >= action.seconds - 1e-9
            self._waited = 0.0 if done else self._waited
        else:
            done = self._sit(dt_s if isinstance(action, Sit) else -dt_s)
        if done:
            self._actions.popleft()
        return 0.0

    def _is_taken(self, place: tuple[float, float], far: float) -> bool:
        """Whether the other stands where one wants to be; one stops before them."""
        if self._other is None or far > _AROUND_M:
            return False
        return float(np.hypot(*(self._other - place))) < _AROUND_M and far < np.hypot(*(self._other - self.place))

    def _round(self, way: np.ndarray, far: float) -> np.ndarray:
        """Turn a way (2,) m past the other, where they stand in it, to the side on which it is shorter."""
        if self._other is None:
            return way
        off = self._other - self.place
        gap = float(np.hypot(*off))
        beyond = gap > min(far, _MINDS_M) or gap < 1e-6
        aside = wrap(float(np.arctan2(way[1], way[0]) - np.arctan2(off[1], off[0])))
        needed = float(np.arcsin(min(_AROUND_M / max(gap, 1e-6), 1.0)))
        if beyond or abs(aside) >= needed:
            return way
        turn = (needed if aside >= 0.0 else -needed) - aside
        turned: np.ndarray = about_vertical(turn)[:2, :2] @ way
        return turned

    def _turn(self, yaw: float, dt_s: float) -> bool:
        """Turn towards a heading; returns whether that is reached."""
        left = wrap(yaw - self.yaw)
        step = float(np.clip(left, -TURNING_RAD_S * dt_s, TURNING_RAD_S * dt_s))
        self.yaw += step
        return step == left

    def _sit(self, dt_s: float) -> bool:
        """Sit down, or get up for negative times; returns whether that is done."""
        self.sitting = float(np.clip(self.sitting + dt_s / SITTING_S, 0.0, 1.0))
        return self.sitting == (1.0 if dt_s > 0 else 0.0)

    @property
    def _bent(self) -> float:
        """How far hips and knees are bent by sitting, rad, eased at both ends."""
        return np.pi / 2 * self.sitting * self.sitting * (3 - 2 * self.sitting)

    @property
    def posture(self) -> Posture:
        """How the body is held now."""
        share = min(self._speed / WALKING_M_S, 1.0)
        bent = self._bent
        swing = [share * _SWING_RAD * float(np.sin(self._phase + shift)) for shift in (0.0, np.pi)]
        lift = [share * _BEND_RAD * max(0.0, float(np.cos(self._phase + shift))) for shift in (0.0, np.pi)]
        return Posture(
            (bent + swing[0], bent + swing[1]),
            (bent + lift[0], bent + lift[1]),
            (0.6 * swing[1] + 0.35 * self.sitting, 0.6 * swing[0] + 0.35 * self.sitting),
            (0.15 + 0.9 * self.sitting, 0.15 + 0.9 * self.sitting),
        )

    def frames(self) -> np.ndarray:
        """Return (12, 4, 4) T_world_link in the order of `links`: each in the joint where the part begins."""
        posture = self.posture
        # The shank that stands carries the hips; feet stay where they are when somebody sits down.
        standing = max(
            _FOOT_M + _SHANK_M * np.cos(thigh - knee) + _THIGH_M * np.cos(thigh)
            for thigh, knee in zip(posture.thighs, posture.knees, strict=True)
        )
        pelvis = transform(about_vertical(self.yaw), (*self.place, standing)) @ transform(
            np.eye(3), (-_THIGH_M * np.sin(self._bent), 0.0, 0.0)
        )
        shoulders = pelvis @ transform(np.eye(3), (0.0, 0.0, _TORSO_M))
        head = shoulders @ transform(np.eye(3), (0.02, 0.0, _HEAD_M))
        frames = [pelvis, head]
        for side, arm, elbow in zip((-1.0, 1.0), posture.arms, posture.elbows, strict=True):
            upper = shoulders @ _hinge((0.0, side * _SHOULDER_M, -0.04), arm)
            frames += [upper, upper @ _hinge((0.0, 0.0, -_UPPER_ARM_M), elbow)]
        for side, thigh, knee in zip((-1.0, 1.0), posture.thighs, posture.knees, strict=True):
            upper = pelvis @ _hinge((0.0, side * _HIP_M, 0.0), thigh)
            lower = upper @ _hinge((0.0, 0.0, -_THIGH_M), -knee)
            frames += [upper, lower, lower @ _hinge((0.0, 0.0, -_SHANK_M), knee - thigh)]
        return np.stack(frames)

    def link_poses(self) -> np.ndarray:
        """Return (12, 7): position in m and quat_xyzw of every link."""
        frames = self.frames()
        return np.hstack([frames[:, :3, 3], Rotation.from_matrix(frames[:, :3, :3]).as_quat()])

    @property
    def mouth(self) -> np.ndarray:
        """(3,) m in the world: where the voice comes from."""
        place: np.ndarray = self.frames()[1][:3] @ (0.11, 0.0, -0.05, 1.0)
        return place


def _hinge(place: tuple[float, float, float], forward: float) -> np.ndarray:
    """Return (4, 4): a joint across the body; positive angles swing what hangs there forward."""
    return transform(Rotation.from_euler("y", -forward).as_matrix(), place)


def person_links() -> tuple[Link, ...]:
    """Return torso, head, and of right and left: upper arm, forearm; then thigh, shank and foot (12 links)."""
    torso = Link(
        "torso",
        (
            Shape("capsule", (0.13, _TORSO_M - 0.14), (0.0, 0.0, _TORSO_M / 2 + 0.03), color=_SHIRT),
            Shape("capsule", (0.11, 0.12), (0.0, 0.0, 0.02), (0.7071067811865476, 0, 0, 0.7071067811865476), _TROUSERS),
        ),
    )
    head = Link("person_head", (Shape("sphere", (0.115,), color=_SKIN), _down(0.05, 0.02, _SKIN, 0.10)))
    limbs = []
    for side in ("right", "left"):
        limbs += [
            Link(f"{side}_upper_arm", (_down(0.042, _UPPER_ARM_M, _SHIRT),)),
            Link(f"{side}_forearm", (_down(0.036, _FOREARM_M, _SKIN),)),
        ]
    for side in ("right", "left"):
        limbs += [
            Link(f"{side}_thigh", (_down(0.07, _THIGH_M, _TROUSERS),)),
            Link(f"{side}_shank", (_down(0.05, _SHANK_M, _TROUSERS),)),
            Link(f"{side}_foot", (Shape("box", (0.25, 0.09, _FOOT_M), (0.06, 0.0, -_FOOT_M / 2), color=_SHOE),)),
        ]
    return (torso, head, *limbs)


def _down(radius: float, length: float, color: str, start: float = 0.0) -> Shape:
    """A capsule that hangs from its joint."""
    return Shape("capsule", (radius, length), (0.0, 0.0, -start - length / 2), color=color)
