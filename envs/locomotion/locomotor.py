"""Everything between sensors and observation, and between action and motors.

The task and the dog of the simulation share this, so that what was trained is what runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from math import asin, cos, pi, sin
from typing import NamedTuple

import numpy as np

from envs.locomotion.commands import Order
from envs.locomotion.footholds import NO_SCAN, Footing
from robots.balance import CatchStep
from robots.compiled import compiled
from robots.dog import CONTROL_HZ, standing_joints
from robots.estimator import NO_ERROR, ImuError, VelocityEstimator
from robots.gait import GAITS, GaitGenerator, GaitStyle, VelocityCommand
from robots.motion import Motion
from robots.quadruped import QuadrupedSpec, QuadrupedState

DT_S = 1 / CONTROL_HZ
RESIDUAL_M = np.tile([0.06, 0.05, 0.04], 4)
"""How far an action of 1 moves a foot, (12,) m. With 8 cm almost nothing is learned."""
SMOOTHING = 0.4
"""Weight of the newest action in the smoothed one; without smoothing almost nothing is learned either."""


TURN_GAIN, MAX_TRIM_RAD_S = 1.0, 0.3  # per second, of the integral that holds the heading; its bound
PITCH_GAIN, MAX_PITCH_TRIM_RAD = 1.0, 0.12  # likewise of the one that holds the pitch


class Block(NamedTuple):
    """A part of the observation: its size, its scale, and how it looks in a mirror (see `policies.gait.mirror`)."""

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


@lru_cache(maxsize=256)
def _steadier(style: GaitStyle) -> GaitStyle:
    """On uneven ground two feet are too few for half of the time; legs must have room to lift and to reach down."""
    return replace(
        style,
        duty=max(style.duty, 0.65),
        swing_m=max(style.swing_m, 0.08),
        height_m=min(style.height_m, 0.29),
        reach_m=min(style.reach_m, 0.0),
    )


Table = tuple[tuple[float, float], ...]
"""Pairs of a place, rising, and a value there."""


class Losses(NamedTuple):
    """What legs lose to scuffing feet, m/s: one part `by_cadence` (Hz) and one `by_speed` (m/s), which are added."""

    by_cadence: Table
    by_speed: Table = ((0.0, 0.0),)

    def at(self, frequency_hz: float, speed: float) -> float:
        """What is lost at a cadence and a commanded speed: interpolated, beyond the first and the last as there."""
        return interpolated(self.by_cadence, frequency_hz) + interpolated(self.by_speed, speed)


def interpolated(table: Table, at: float) -> float:
    """The value at a place between those of the table; beyond its ends it is that of the end."""
    places, values = zip(*table, strict=True)
    return float(np.interp(at, places, values))


@lru_cache(maxsize=1024)
def _losing(style: GaitStyle, losses: Losses, speed: float) -> GaitStyle:
    """The style of legs that lose another speed to scuffing feet."""
    return replace(style, drift_m_s=losses.at(style.frequency_hz, speed))


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
        self._smooth = [0.0, 0.0, 0.0]
        self._turn_trim = 0.0
        self._pitch_trim = 0.0

    @property
    def stance(self) -> tuple[bool, ...]:
        """Which feet (4) the clock holds to the ground."""
        if self.gait.frequency_hz == 0.0:
            return (True,) * 4
        duty = self.gait.duty
        return tuple([phase < duty for phase in self.gait.phases])

    def sense(
        self,
        state: QuadrupedState,
        seen: Motion,
        contacts: list[bool],
        order: Order,
        error: ImuError = NO_ERROR,
        z: float = 0.0,
    ) -> None:
        """Take a reading; `error` and the standard normal `z` spoil the accelerometer."""
        self.estimator.update(state, seen, contacts, error, z)
        self._contacts = contacts
        self._seen = seen
        self._joints = state
        share = min(1.0, DT_S * order.style.frequency_hz)
        now = (*self.estimator.velocity, float(state.angular_velocity[2]))
        self._smooth = [before + share * (new - before) for before, new in zip(self._smooth, now, strict=True)]

    def act(self, action: np.ndarray, order: Order, footing: Footing | None = None) -> np.ndarray:
        """Turn an action (12,) in [-1, 1] into joint targets (12,) rad, on flat ground or with regard to a footing."""
        (vx, vy), (told_x, told_y, _) = self.estimator.velocity, self.gait.velocity
        style, caught, lean = self.balance.react(order.style, (vx - told_x, vy - told_y), self._seen.gravity)
        if style.name in self.losses:
            style = _losing(style, self.losses[style.name], round(order.command.vx, 2))
        command = self._hold_heading(order.command)
        self.last_action = self.action
        self.action = _smoothed(action, self.last_action)
        residual = self.action * RESIDUAL_M
        if footing is None:
            trim = self._hold_pitch(order.style.pitch_rad)
            self.targets = self.gait.step(command, style, caught, residual, lean=lean, pitch_trim=trim)
        else:
            residual += footing.nudges
            style = _steadier(style)
            self.targets = self.gait.step(command, style, caught, residual, footing.grounds, lean)
        return self.targets

    def _hold_heading(self, command: VelocityCommand) -> VelocityCommand:
        """Turn a little more when the gyroscope says that the dog turns too little: drift comes to nothing."""
        wanted = command.wz - float(self._joints.angular_velocity[2]) if self.gait.frequency_hz else -self._turn_trim
        self._turn_trim = min(max(self._turn_trim + TURN_GAIN * wanted * DT_S, -MAX_TRIM_RAD_S), MAX_TRIM_RAD_S)
        return VelocityCommand(command.vx, command.vy, command.wz + self._turn_trim)

    def _hold_pitch(self, wanted: float) -> float:
        """Pitch a little more when gravity says that the trunk pitches too little, while walking undisturbed."""
        if self.gait.frequency_hz and not (self.balance.shoved or self.balance.catching):
            short = wanted - asin(min(1.0, max(-1.0, self._seen.gravity[0])))
            trim = self._pitch_trim + PITCH_GAIN * short * DT_S
            self._pitch_trim = min(max(trim, -MAX_PITCH_TRIM_RAD), MAX_PITCH_TRIM_RAD)
        return self._pitch_trim

    def observe(self, order: Order, scan: np.ndarray = NO_SCAN) -> np.ndarray:
        """(95,) what `OBSERVATION` lists, scaled; `scan` (12,) m is the footing's."""
        state, seen, gait = self._joints, self._seen, self.gait
        command, style = order
        vx, vy = self.estimator.velocity
        told = (
            *self._contacts,
            2.0 * command.vx,
            2.0 * command.vy,
            command.wz,
            style.frequency_hz - 2.4,
            4.0 * (gait.duty - 0.6),
            20 * (style.swing_m - 0.05),
            style.bounce,
            20 * (gait.height_m - 0.3),
            4.0 * style.pitch_rad,
            float(style.stepping),
            vx - command.vx,
            vy - command.vy,
            self._smooth[0] - command.vx,
            self._smooth[1] - command.vy,
            self._smooth[2] - command.wz,
            *gait.caught,
        )
        return _observation(
            (*seen.gravity, *seen.gyro),
            state.joint_positions,
            self._standing,
            state.joint_velocities,
            self.targets,
            self.action,
            gait.phases,
            np.array(told, np.float64),
            scan,
        )


@compiled
def _smoothed(action: np.ndarray, last: np.ndarray) -> np.ndarray:
    """(12,) the action kept within [-1, 1] and eased in."""
    return last + SMOOTHING * (np.minimum(np.maximum(action, -1.0), 1.0) - last)


@compiled
def _observation(
    imu: tuple[float, ...],
    joints: np.ndarray,
    standing: np.ndarray,
    speeds: np.ndarray,
    targets: np.ndarray,
    action: np.ndarray,
    phases: tuple[float, ...],
    contacts_and_order: np.ndarray,
    scan: np.ndarray,
) -> np.ndarray:
    """Fill in what `OBSERVATION` lists; one call into machine code instead of a concatenation of many pieces."""
    values = np.empty(95)
    for index, value in enumerate(imu):
        values[index] = value
    for joint in range(12):
        values[6 + joint] = joints[joint] - standing[joint]
        values[18 + joint] = speeds[joint]
        values[30 + joint] = targets[joint] - joints[joint]
        values[42 + joint] = action[joint]
        values[83 + joint] = scan[joint]
    for leg in range(4):
        values[54 + leg] = cos(2 * pi * phases[leg])
        values[58 + leg] = sin(2 * pi * phases[leg])
    values[62:83] = contacts_and_order
    return values * SCALES
