"""How fast the trunk moves, from what a real dog can sense: an accelerometer, a gyroscope and its own legs."""

from __future__ import annotations

from math import cos, sin
from typing import NamedTuple

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
        self._last: tuple[list[float], list[float], float] | None = None

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
        feet = leg_feet(state.joint_positions.tolist(), self.spec)
        velocity = state.velocity.tolist()
        if self._last is not None:
            self._integrate(velocity, seen, error, z)
            legs = self._legs(feet, self._last[1], seen, contacts)
            if legs is not None:
                (vx, vy), gain = self.velocity, self.gain
                self.velocity = vx + gain * (legs[0] - vx), vy + gain * (legs[1] - vy)
        self._last = velocity, feet, seen.yaw

    def _integrate(self, velocity: list[float], seen: Motion, error: ImuError, z: float) -> None:
        assert self._last is not None
        before, _, last_yaw = self._last
        forward, left = seen.along_heading(velocity[0] - before[0], velocity[1] - before[1])
        turned, (vx, vy), dt = seen.yaw - last_yaw, self.velocity, self.dt_s
        ct, st = cos(turned), sin(turned)
        self.velocity = (
            ct * vx + st * vy + forward + (error.bias[0] + error.noise * z) * dt,
            ct * vy - st * vx + left + (error.bias[1] - error.noise * z) * dt,
        )

    def _legs(
        self, feet: list[float], before: list[float], seen: Motion, contacts: list[bool]
    ) -> tuple[float, float] | None:
        """(forward, left) m/s by the feet that touch, or None when none does."""
        standing = [leg for leg in range(4) if contacts[leg]]
        if not standing:
            return None
        wx, wy, wz = seen.gyro
        bx = by = bz = 0.0
        for leg in standing:
            x, y, z = feet[3 * leg : 3 * leg + 3]
            px, py, pz = before[3 * leg : 3 * leg + 3]
            # A foot that stands does not move in the world, so the trunk moves against it.
            bx -= (x - px) / self.dt_s + wy * z - wz * y
            by -= (y - py) / self.dt_s + wz * x - wx * z
            bz -= (z - pz) / self.dt_s + wx * y - wy * x
        share = 1 / len(standing)
        (r00, r01, r02), (r10, r11, r12), _ = seen.rows
        return seen.along_heading((r00 * bx + r01 * by + r02 * bz) * share, (r10 * bx + r11 * by + r12 * bz) * share)


def leg_feet(joints: list[float], spec: QuadrupedSpec) -> list[float]:
    """Forward kinematics: joint angles (12) rad -> feet (12) m as x, y, z leg by leg in the frame of the trunk."""
    feet: list[float] = []
    upper, lower = spec.thigh_m, spec.calf_m
    for leg, (side, (hip_x, hip_y, _)) in enumerate(zip(spec.hip_sides, spec.hips, strict=True)):
        abduction, thigh, calf = joints[3 * leg : 3 * leg + 3]
        both = thigh + calf
        drop = upper * cos(thigh) + lower * cos(both)
        c, s = cos(abduction), sin(abduction)
        feet += [hip_x - upper * sin(thigh) - lower * sin(both), hip_y + c * side + s * drop, s * side - c * drop]
    return feet
