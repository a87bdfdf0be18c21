"""How fast the trunk moves, from what a real dog can sense: an accelerometer, a gyroscope and its own legs."""

from __future__ import annotations

from math import cos, sin
from typing import NamedTuple

import numpy as np

from robots.compiled import compiled
from robots.kinematics import geometry, leg_fk_kernel
from robots.motion import Motion, Vector, pitch_of, trunk_kinematics
from robots.quadruped import QuadrupedSpec, QuadrupedState


class ImuError(NamedTuple):
    """Errors of an accelerometer: a constant (forward, left) and the spread of its noise, both m/s^2."""

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
        self.dt_s = dt_s
        self._legs = geometry(spec)
        self.reset()

    def reset(self) -> None:
        """Start from standing still."""
        self.memory = np.zeros(1, MEMORY)
        self._velocity = self.memory["velocity"][0]

    @property
    def velocity(self) -> tuple[float, float]:
        """(forward, left) m/s."""
        ahead, left = self._velocity.tolist()
        return ahead, left

    def update(
        self,
        state: QuadrupedState,
        contacts: list[bool],
        error: ImuError = NO_ERROR,
        z: float = 0.0,
        frequency_hz: float = 3.0,
    ) -> Motion:
        """Take one reading.

        Args:
            state: its velocity is used only as what an accelerometer integrates to, between this reading and the last.
            contacts: which feet (4) touch.
            error: of the accelerometer.
            z: a standard normal draw for its noise.
            frequency_hz: of the strides that the smooth estimate is taken over.

        Returns:
            the reading, worked out; its velocity is the truth, not the estimate.
        """
        bias_x, bias_y = error.bias
        return _update(
            self.memory,
            state.quat_xyzw,
            state.velocity,
            state.angular_velocity,
            state.joint_positions,
            tuple(contacts),
            (bias_x + error.noise * z, bias_y - error.noise * z),
            self._legs,
            min(1.0, self.dt_s * frequency_hz),
            self.gain,
            self.dt_s,
        )


MEMORY = np.dtype(
    [
        ("readings", np.float64),
        ("velocity", np.float64, 2),  # the estimate: forward, left, m/s
        ("smooth", np.float64, 3),  # the same over a stride, and the turn rate, rad/s
        ("last_velocity", np.float64, 3),  # m/s in the world, as it was read last
        ("marks", np.float64, (4, 2)),  # m, see `_mark`
        ("yaw", np.float64),  # rad
        ("contacts", np.float64, 4),
    ]
)


@compiled
def _update(
    memory: np.ndarray,
    quat_xyzw: np.ndarray,
    velocity: np.ndarray,
    angular_velocity: np.ndarray,
    joints: np.ndarray,
    contacts: tuple[bool, ...],
    wrong: tuple[float, float],
    legs: np.ndarray,
    stride: float,
    gain: float,
    dt: float,
) -> Motion:
    """Take one reading.

    `wrong` m/s^2 is what the accelerometer reads too much, forward and left; `stride` and `gain` are the shares of a
    new reading in the smooth estimate, and of the legs in the estimate.
    """
    last, seen = memory[0], trunk_kinematics(quat_xyzw, velocity, angular_velocity)
    feet = leg_fk_kernel(joints, legs)
    rows, (c, s), yaw = seen.rows, seen.heading, seen.yaw
    if last.readings > 0:
        x, y = velocity[0] - last.last_velocity[0], velocity[1] - last.last_velocity[1]
        turned, (vx, vy) = yaw - last.yaw, (last.velocity[0], last.velocity[1])
        last.velocity[0] = cos(turned) * vx + sin(turned) * vy + c * x + s * y + wrong[0] * dt
        last.velocity[1] = cos(turned) * vy - sin(turned) * vx + c * y - s * x + wrong[1] * dt
    pitch = pitch_of(seen.gravity)
    # A foot that stands does not move in the world, so the trunk moves against it. How far the trunk has turned between
    # the readings is known; its turn rate at the moment of a reading is not that of the time between.
    standing, x, y = 0, 0.0, 0.0
    for leg in range(4):
        turned_by = joints[3 * leg + 1] + joints[3 * leg + 2] + pitch
        mark_x, mark_y = _mark(feet[leg], turned_by, rows, seen.heading, legs[0].foot_radius)
        # A foot that came down since the last reading was still swinging for a part of the time.
        if contacts[leg] and last.contacts[leg] > 0:
            standing += 1
            x += last.marks[leg, 0] - mark_x
            y += last.marks[leg, 1] - mark_y
        last.marks[leg, 0], last.marks[leg, 1] = mark_x, mark_y
        last.contacts[leg] = contacts[leg]
    if standing and last.readings > 0:
        share = 1 / (standing * dt)
        last.velocity[0] += gain * (share * (c * x + s * y) - last.velocity[0])
        last.velocity[1] += gain * (share * (c * y - s * x) - last.velocity[1])
    for axis in range(2):
        last.smooth[axis] += stride * (last.velocity[axis] - last.smooth[axis])
    last.smooth[2] += stride * (angular_velocity[2] - last.smooth[2])
    last.readings += 1
    last.yaw = yaw
    last.last_velocity[:] = velocity
    return seen


@compiled
def _mark(
    foot: np.ndarray,
    turned: float,
    rows: tuple[Vector, Vector, Vector],
    heading: tuple[float, float],
    radius: float,
) -> tuple[float, float]:
    """Return where a foot touches, (x, y) m from the trunk in axes of the world, but for a constant.

    It is a ball that rolls as the leg turns over it: at 1.2 m/s that is 0.08 m/s, which the legs would miss.
    """
    (r00, r01, r02), (r10, r11, r12), _ = rows
    x, y, z = foot[0], foot[1], foot[2]
    rolled = radius * turned
    return r00 * x + r01 * y + r02 * z - heading[0] * rolled, r10 * x + r11 * y + r12 * z - heading[1] * rolled
