"""Everything between sensors and observation, and between action and motors.

The task and the dog of the simulation share this, so that what was trained is what runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from math import cos, isfinite, pi, sin
from typing import NamedTuple

import numpy as np

from control.balance import CatchStep
from control.command import NO_SCAN, Footing, Order, numbers
from control.dog import CONTROL_HZ, standing_joints
from control.gait import GAITS, GaitGenerator, GaitStyle, VelocityCommand
from control.velocity_estimator import NO_ERROR, ImuError, VelocityEstimator
from robots.compiled import compiled
from robots.motion import Motion, Vector, pitch_of
from robots.quadruped import QuadrupedSpec, QuadrupedState

DT_S = 1 / CONTROL_HZ
RESIDUAL_M = np.tile([0.06, 0.05, 0.04], 4)
"""How far an action of 1 moves a foot, (12,) m. With 8 cm almost nothing is learned."""
SMOOTHING = 0.4
"""Weight of the newest action in the smoothed one; without smoothing almost nothing is learned either."""


TURN_GAIN, MAX_TRIM_RAD_S = 1.0, 0.3  # per second, of the integral that holds the heading; its bound
PITCH_GAIN, MAX_PITCH_TRIM_RAD = 1.0, 0.12  # likewise of the one that holds the pitch


class Block(NamedTuple):
    """A part of the observation: its size, its scale, and how it looks in a mirror (see `control.mirror`)."""

    name: str
    size: int
    mirror: str
    scale: float = 1.0


OBSERVATION = (
    Block("gravity", 3, "vector"),
    Block("gyroscope", 3, "axial", 0.25),
    Block("joint_positions", 12, "joints"),
    Block("joint_speeds", 12, "joints", 0.05),
    Block("motor_errors", 12, "joints", 3.0),
    Block("action", 12, "feet"),
    Block("clock_cosine", 4, "legs"),
    Block("clock_sine", 4, "legs"),
    Block("contacts", 4, "legs"),
    Block("order", 10, "order"),
    Block("velocity_error", 2, "plane", 2.0),
    Block("smooth_velocity_error", 2, "plane", 4.0),
    Block("smooth_turn_error", 1, "odd", 2.0),
    Block("caught", 2, "plane", 10.0),
    Block("scan", 12, "scan", 10.0),
)
OBSERVATION_SIZE = sum(block.size for block in OBSERVATION)
SCALES = np.concatenate([np.full(block.size, block.scale) for block in OBSERVATION])
SENSED = sum(block.size for block in OBSERVATION[:4])  # the first blocks come from sensors with noise
NO_NOISE = np.zeros(SENSED)


@lru_cache(maxsize=256)
def _steadier(style: GaitStyle) -> GaitStyle:
    """On uneven ground two feet are too few for half of the time; legs must have room to lift and to reach down.

    A foot that leaves a stepping stone early falls into the gap more often than one that leaves it late.
    """
    return replace(
        style,
        duty=max(style.duty, 0.65),
        swing_m=max(style.swing_m, 0.08),
        height_m=min(style.height_m, 0.29),
        reach_m=min(style.reach_m, 0.0),
        lift_lead_s=0.0,
    )


Table = tuple[tuple[float, float], ...]
"""Pairs of a place, rising, and a value there."""


class Losses(NamedTuple):
    """What legs lose to scuffing feet, forward, m/s: parts by cadence (Hz) and by speed forward and sideways (m/s).

    The parts are added; sideways, left is as right.
    """

    by_cadence: Table
    by_speed: Table = ((0.0, 0.0),)
    by_sideways: Table = ((0.0, 0.0),)

    def at(self, frequency_hz: float, forward: float, left: float = 0.0) -> float:
        """What is lost at a cadence and a velocity: interpolated, beyond the first and the last place as there."""
        places = frequency_hz, forward, abs(left)
        return sum(interpolated(table, place) for table, place in zip(self, places, strict=True))


def interpolated(table: Table, at: float) -> float:
    """The value at a place between those of the table; beyond its ends it is that of the end."""
    places, values = zip(*table, strict=True)
    return float(np.interp(at, places, values))


class Locomotor:
    """Gait, balance, estimate of velocity and smoothed action of one dog.

    `losses` says by gait what these legs lose to scuffing, where they are others than the clocked gait's own.
    """

    def __init__(self, spec: QuadrupedSpec, losses: Mapping[str, Losses] | None = None) -> None:
        self.spec = spec
        self.losses = losses or {}
        self.gait = GaitGenerator(spec, DT_S)
        self.balance = CatchStep(DT_S)
        self.estimator = VelocityEstimator(spec, DT_S)
        self._standing = standing_joints(GAITS["stand"], spec)
        self.reset(Order.stand(), self._standing)

    def reset(self, order: Order, targets: np.ndarray, clock: float = 0.0) -> None:
        """Start anew, standing with motors at `targets` (12,) rad and the gait's clock at `clock` cycles."""
        self.gait.reset(order.style, clock)
        self.balance.reset()
        self.estimator.reset()
        self.targets = targets
        self.action = self.last_action = np.zeros(12)
        self._trims = np.zeros(2)
        self._order, self._told = order, numbers(order)
        self._walked: tuple[GaitStyle, tuple[float, float], GaitStyle] | None = None

    def sense(
        self, state: QuadrupedState, contacts: list[bool], order: Order, error: ImuError = NO_ERROR, z: float = 0.0
    ) -> Motion:
        """Take a reading and work it out; `error` and the standard normal `z` spoil the accelerometer."""
        self._joints, self._contacts = state, contacts
        self._seen = self.estimator.update(state, contacts, error, z, order.style.frequency_hz)
        return self._seen

    def act(self, action: np.ndarray, order: Order, footing: Footing | None = None) -> np.ndarray:
        """Turn an action (12,) in [-1, 1] into joint targets (12,) rad, on flat ground or with regard to a footing.

        Raises:
            ValueError: the command is not finite; nothing moves then.
        """
        if not isfinite(sum(order.command)):  # one NaN would stay in the integrals for good
            raise ValueError(f"a velocity command is three finite numbers; got {order.command}")
        (vx, vy), (told_x, told_y, _) = self.estimator.velocity, self.gait.velocity
        style, caught, lean = self.balance.react(order.style, (vx - told_x, vy - told_y), self._seen.gravity)
        command = order.command
        if style.name in self.losses:
            style = self._losing(style, (round(command.vx, 2), round(command.vy, 2)))
        self.last_action = self.action
        self.action, residual, wz, pitch_trim = _prepared(
            np.asarray(action, np.float64),
            self.last_action,
            self._trims,
            self.gait.style,
            self.told(order),
            self._joints.angular_velocity,
            self._seen.gravity,
            footing is None and not (self.balance.shoved or self.balance.catching),
        )
        command = VelocityCommand(command.vx, command.vy, wz)
        if footing is None:
            self.targets = self.gait.step(command, style, caught, residual, lean=lean, pitch_trim=pitch_trim)
        else:
            residual += footing.nudges
            self.targets = self.gait.step(command, _steadier(style), caught, residual, footing.grounds, lean)
        return self.targets

    def _losing(self, style: GaitStyle, velocity: tuple[float, float]) -> GaitStyle:
        """The style of legs that lose what these do; worked out when style or velocity change, not at every step."""
        if self._walked is None or self._walked[0] is not style or self._walked[1] != velocity:
            lost = self.losses[style.name].at(style.frequency_hz, *velocity)
            self._walked = style, velocity, replace(style, drift_m_s=lost)
        return self._walked[2]

    def told(self, order: Order) -> np.ndarray:
        """(1,) `envs.locomotion.commands.TOLD`."""
        if order is not self._order:
            self._order, self._told = order, numbers(order)
        return self._told

    def observe(self, order: Order, scan: np.ndarray = NO_SCAN, noise: np.ndarray = NO_NOISE) -> np.ndarray:
        """(95,) float32: what `OBSERVATION` lists, scaled.

        `scan` (12,) m is the footing's; `noise` (30,) is added to what comes from sensors.
        """
        state, seen = self._joints, self._seen
        return _observation(
            (seen.gravity, seen.gyro),
            (state.joint_positions, self._standing, state.joint_velocities, self.targets, self.action),
            self.gait.memory,
            self.gait.style,
            self.told(order),
            self.estimator.memory,
            tuple(self._contacts),
            scan,
            noise,
        )


@compiled
def _prepared(
    action: np.ndarray,
    last: np.ndarray,
    trims: np.ndarray,
    style: np.ndarray,
    told: np.ndarray,
    turning: np.ndarray,
    gravity: Vector,
    calm: bool,
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """What goes into a step of the gait.

    Two integrals, `trims` (turn rate, rad/s, and pitch, rad), are moved: the dog turns a little more when the gyroscope
    says that it turns too little, so that drift comes to nothing, and pitches a little more when gravity says so; the
    latter only while it walks `calm`.

    Returns:
        the action kept within [-1, 1] and eased in, the residuals that it asks for (m), both (12,), the turn rate to
        give to the gait (rad/s), and the trim of the pitch (rad).
    """
    order, stepping = told[0], style[0].frequency * style[0].activity > 0.0
    gap = order.wz - turning[2] if stepping else -trims[0]
    trims[0] = min(max(trims[0] + TURN_GAIN * gap * DT_S, -MAX_TRIM_RAD_S), MAX_TRIM_RAD_S)
    if calm and stepping:
        short = order.pitch - pitch_of(gravity)
        trims[1] = min(max(trims[1] + PITCH_GAIN * short * DT_S, -MAX_PITCH_TRIM_RAD), MAX_PITCH_TRIM_RAD)
    smooth = last + SMOOTHING * (np.minimum(np.maximum(action, -1.0), 1.0) - last)
    return smooth, smooth * RESIDUAL_M, order.wz + trims[0], trims[1]


@compiled
def _observation(
    imu: tuple[Vector, Vector],
    legs: tuple[np.ndarray, ...],
    gait: np.ndarray,
    style: np.ndarray,
    told: np.ndarray,
    estimate: np.ndarray,
    contacts: tuple[bool, ...],
    scan: np.ndarray,
    noise: np.ndarray,
) -> np.ndarray:
    """Fill in what `OBSERVATION` lists; one call into machine code instead of a concatenation of many pieces."""
    (gravity, gyro), (joints, standing, speeds, targets, action) = imu, legs
    now, how, order, found = gait[0], style[0], told[0], estimate[0]
    values = np.empty(95)
    for axis in range(3):
        values[axis], values[3 + axis] = gravity[axis], gyro[axis]
    for joint in range(12):
        values[6 + joint] = joints[joint] - standing[joint]
        values[18 + joint] = speeds[joint]
        values[30 + joint] = targets[joint] - joints[joint]
        values[42 + joint] = action[joint]
        values[83 + joint] = scan[joint]
    for leg in range(4):
        values[54 + leg] = cos(2 * pi * now.phases[leg])
        values[58 + leg] = sin(2 * pi * now.phases[leg])
        values[62 + leg] = contacts[leg]
    values[66], values[67], values[68] = 2.0 * order.vx, 2.0 * order.vy, order.wz
    values[69], values[70] = order.frequency - 2.4, 4.0 * (how.duty - 0.6)
    values[71], values[72] = 20 * (order.swing - 0.05), order.bounce
    values[73], values[74], values[75] = 20 * (how.height - 0.3), 4.0 * order.pitch, order.stepping
    values[76], values[77] = found.velocity[0] - order.vx, found.velocity[1] - order.vy
    values[78], values[79] = found.smooth[0] - order.vx, found.smooth[1] - order.vy
    values[80], values[81], values[82] = found.smooth[2] - order.wz, now.caught[0], now.caught[1]
    values *= SCALES
    values[:SENSED] += noise
    return values.astype(np.float32)
