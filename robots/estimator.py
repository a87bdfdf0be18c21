"""How fast the trunk moves, from what a real dog can sense: an accelerometer, a gyroscope and its own legs."""

from __future__ import annotations

from math import asin, cos, sin
from typing import NamedTuple

import numpy as np

from robots.compiled import compiled
from robots.kinematics import leg_fk
from robots.motion import Motion
from robots.quadruped import QuadrupedSpec, QuadrupedState


class ImuError(NamedTuple):
    """What is wrong with an accelerometer: a constant (forward, left) and the spread of its noise, both m/s^2."""

    bias: tuple[float, float] = (0.0, 0.0)
    noise: float = 0.0


NO_ERROR = ImuError()


class VelocityEstimator:
    """A complementary filter: the accelerometer is integrated, and feet that stand pull the sum to what the legs say.

    Legs alone are late and wrong when feet slip, and say nothing in flight; the accelerometer alone drifts. (The
    structure of Bloesch et al. 2013, "State estimation for legged robots", with a fixed gain for the Kalman gain.)
    The estimate is in the level frame that turns with the heading.
    """

    gain = 0.12  # share of the difference to the legs that is taken over in a step of 20 ms

    def __init__(self, spec: QuadrupedSpec, dt_s: float = 0.02) -> None:
        self.spec = spec
        self.dt_s = dt_s
        self.velocity = (0.0, 0.0)
        self._last: tuple[list[float], list[float], float, list[bool]] | None = None

    def reset(self) -> None:
        """Start from standing still."""
        self.velocity = (0.0, 0.0)
        self._last = None

    def update(
        self, state: QuadrupedState, seen: Motion, contacts: list[bool], error: ImuError = NO_ERROR, z: float = 0.0
    ) -> None:
        """Take one reading.

        Args:
            state: its velocity is used only as what an accelerometer integrates to, between this reading and the last.
            seen: the same reading, worked out; its velocity is not used.
            contacts: which feet (4) touch.
            error: of the accelerometer.
            z: a standard normal draw for its noise.
        """
        feet = ground_marks(state.joint_positions, seen, self.spec)
        velocity = state.velocity.tolist()
        if self._last is not None:
            self._integrate(velocity, seen, error, z)
            # A foot that came down since the last reading was still swinging for a part of the time.
            stood = [now and before for now, before in zip(contacts, self._last[3], strict=True)]
            legs = self._legs(feet, self._last[1], seen, stood)
            if legs is not None:
                (vx, vy), gain = self.velocity, self.gain
                self.velocity = vx + gain * (legs[0] - vx), vy + gain * (legs[1] - vy)
        self._last = velocity, feet, seen.yaw, contacts

    def _integrate(self, velocity: list[float], seen: Motion, error: ImuError, z: float) -> None:
        assert self._last is not None
        before, _, last_yaw, _ = self._last
        forward, left = seen.along_heading(velocity[0] - before[0], velocity[1] - before[1])
        turned, (vx, vy), dt = seen.yaw - last_yaw, self.velocity, self.dt_s
        ct, st = cos(turned), sin(turned)
        self.velocity = (
            ct * vx + st * vy + forward + (error.bias[0] + error.noise * z) * dt,
            ct * vy - st * vx + left + (error.bias[1] - error.noise * z) * dt,
        )

    def _legs(
        self, feet: list[float], before: list[float], seen: Motion, stood: list[bool]
    ) -> tuple[float, float] | None:
        """(forward, left) m/s by the feet that stood since the last reading, or None when none did.

        A foot that stands does not move in the world, so the trunk moves against it. How far the trunk has turned
        between the readings is known; its turn rate at the moment of a reading is not that of the time between.
        """
        standing = [leg for leg in range(4) if stood[leg]]
        if not standing:
            return None
        x = sum(before[2 * leg] - feet[2 * leg] for leg in standing)
        y = sum(before[2 * leg + 1] - feet[2 * leg + 1] for leg in standing)
        share = 1 / (len(standing) * self.dt_s)
        return seen.along_heading(x * share, y * share)


def ground_marks(joints: np.ndarray, seen: Motion, spec: QuadrupedSpec) -> list[float]:
    """Where the feet touch, (8) m as x, y leg by leg from the trunk in axes of the world, but for a constant.

    A foot is a ball that rolls as the leg turns over it: at 1.2 m/s that is 0.08 m/s, which the legs would miss.
    """
    forward, left, _ = seen.rows
    pitch = asin(min(1.0, max(-1.0, seen.gravity[0])))
    marks = _marks(leg_fk(joints, spec), joints, forward, left, seen.heading, pitch, spec.foot_radius_m)
    found: list[float] = marks.tolist()
    return found


@compiled
def _marks(
    feet: np.ndarray,
    joints: np.ndarray,
    forward: tuple[float, float, float],
    left: tuple[float, float, float],
    heading: tuple[float, float],
    pitch: float,
    radius: float,
) -> np.ndarray:
    marks = np.empty(8)
    for leg in range(4):
        x, y, z = feet[leg, 0], feet[leg, 1], feet[leg, 2]
        rolled = radius * (joints[3 * leg + 1] + joints[3 * leg + 2] + pitch)
        marks[2 * leg] = forward[0] * x + forward[1] * y + forward[2] * z - heading[0] * rolled
        marks[2 * leg + 1] = left[0] * x + left[1] * y + left[2] * z - heading[1] * rolled
    return marks
