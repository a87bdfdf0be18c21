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
from control.command import NO_SCAN, Footing, GaitCommand, PackedCommand
from control.dog import CONTROL_HZ, standing_joints
from control.gait import GAITS, GaitGenerator, GaitStyle
from control.observation import OBSERVATION, OFFSETS, SCALES, SENSED, layout
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


class SlipCompensation(NamedTuple):
    """Speed to add for what scuffing feet lose, forward, m/s: parts by cadence (Hz) and by speed both ways (m/s).

    The parts are added; sideways, left is as right.
    """

    by_cadence: Table
    by_speed: Table = ((0.0, 0.0),)
    by_sideways: Table = ((0.0, 0.0),)

    def at(self, frequency_hz: float, forward: float, left: float = 0.0) -> float:
        """Return m/s to add at a cadence and a velocity: interpolated, beyond the first and the last place as there."""
        places = frequency_hz, forward, abs(left)
        return sum(interpolated(table, place) for table, place in zip(self, places, strict=True))


def interpolated(table: Table, at: float) -> float:
    """Return the value at a place between those of the table; beyond its ends it is that of the end."""
    places, values = zip(*table, strict=True)
    return float(np.interp(at, places, values))


@lru_cache(maxsize=1024)
def _compensated(style: GaitStyle, slip: SlipCompensation, velocity: tuple[float, float]) -> GaitStyle:
    """Return the style of legs that lose so much."""
    return replace(style, drift_m_s=slip.at(style.frequency_hz, *velocity))


class LocomotionController:
    """Gait, balance, estimate of velocity and smoothed action of one dog.

    `slip_compensation` holds by gait what these legs lose to scuffing, where they are others than the clocked gait's.
    """

    def __init__(self, spec: QuadrupedSpec, slip_compensation: Mapping[str, SlipCompensation] | None = None) -> None:
        self.spec = spec
        self.slip_compensation = slip_compensation or {}
        self.gait = GaitGenerator(spec, DT_S)
        self.balance = CatchStep(DT_S)
        self.estimator = VelocityEstimator(spec, DT_S)
        self._standing = standing_joints(GAITS["stand"], spec)
        self._observed = np.zeros(1, layout(OBSERVATION))
        self._values = self._observed.view(np.float64)
        self.reset(GaitCommand.stand(), self._standing)

    def reset(self, command: GaitCommand, targets: np.ndarray, clock: float = 0.0) -> None:
        """Start anew, standing with motors at `targets` (12,) rad and the gait's clock at `clock` cycles."""
        self.gait.reset(command.style, clock)
        self.balance.reset()
        self.estimator.reset()
        self.targets = targets
        self.action = self.last_action = np.zeros(12)
        self._trims = np.zeros(2)

    def sense(
        self,
        state: QuadrupedState,
        contacts: list[bool],
        command: GaitCommand,
        error: ImuError = NO_ERROR,
        z: float = 0.0,
    ) -> Motion:
        """Take a reading and work it out; `error` and the standard normal `z` spoil the accelerometer."""
        self._joints, self._contacts = state, contacts
        self._seen = self.estimator.update(state, contacts, error, z, command.style.frequency_hz)
        return self._seen

    def act(self, action: np.ndarray, command: GaitCommand, footing: Footing | None = None) -> np.ndarray:
        """Turn an action (12,) in [-1, 1] into joint targets (12,) rad, on flat ground or with regard to a footing.

        Raises:
            ValueError: the command is not finite; nothing moves then.
        """
        if not isfinite(sum(command.velocity)):  # one NaN would stay in the integrals for good
            raise ValueError(f"a velocity command is three finite numbers; got {command.velocity}")
        (vx, vy), (walks_x, walks_y, _) = self.estimator.velocity, self.gait.velocity
        style, caught, lean = self.balance.react(command.style, (vx - walks_x, vy - walks_y), self._seen.gravity)
        velocity = command.velocity
        if style.name in self.slip_compensation:
            slip = self.slip_compensation[style.name]
            style = _compensated(style, slip, (round(velocity.vx, 2), round(velocity.vy, 2)))
        self.last_action = self.action
        self.action, residual, wz, pitch_trim = _prepare_action(
            np.asarray(action, np.float64),
            self.last_action,
            self._trims,
            self.gait.style,
            command.packed,
            self._joints.angular_velocity,
            self._seen.gravity,
            footing is None and not (self.balance.shoved or self.balance.catching),
        )
        velocity = velocity._replace(wz=wz)
        if footing is None:
            self.targets = self.gait.step(velocity, style, caught, residual, lean=lean, pitch_trim=pitch_trim)
        else:
            residual += footing.nudges
            self.targets = self.gait.step(velocity, _steadier(style), caught, residual, footing.grounds, lean)
        return self.targets

    def observe(self, command: GaitCommand, scan: np.ndarray = NO_SCAN, noise: np.ndarray = NO_NOISE) -> np.ndarray:
        """Return (95,) float32: what `control.observation.OBSERVATION` lists.

        `scan` (12,) m is the footing's; `noise` (30,) is added to what comes from sensors.
        """
        state, seen = self._joints, self._seen
        return _observation(
            self._observed,
            self._values,
            (seen.gravity, seen.gyro),
            (state.joint_positions, self._standing, state.joint_velocities, self.targets, self.action),
            self.gait.memory,
            self.gait.style,
            command.packed,
            self.estimator.memory,
            tuple(self._contacts),
            scan,
            noise,
        )


@compiled
def _prepare_action(
    action: np.ndarray,
    last: np.ndarray,
    trims: np.ndarray,
    style: np.ndarray,
    command: PackedCommand,
    turning: np.ndarray,
    gravity: Vector,
    calm: bool,
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return what goes into a step of the gait.

    Two integrals, `trims` (turn rate, rad/s, and pitch, rad), are moved: the dog turns a little more when the gyroscope
    says that it turns too little, so that drift comes to nothing, and pitches a little more when gravity says so; the
    latter only while it walks `calm`.

    Returns:
        the action kept within [-1, 1] and eased in, the residuals that it asks for (m), both (12,), the turn rate to
        give to the gait (rad/s), and the trim of the pitch (rad).
    """
    (_, _, wz), asked = command
    stepping = style[0].frequency_hz * style[0].stepping > 0.0
    gap = wz - turning[2] if stepping else -trims[0]
    trims[0] = min(max(trims[0] + TURN_GAIN * gap * DT_S, -MAX_TRIM_RAD_S), MAX_TRIM_RAD_S)
    if calm and stepping:
        short = asked[0].pitch_rad - pitch_of(gravity)
        trims[1] = min(max(trims[1] + PITCH_GAIN * short * DT_S, -MAX_PITCH_TRIM_RAD), MAX_PITCH_TRIM_RAD)
    smooth = last + SMOOTHING * (np.minimum(np.maximum(action, -1.0), 1.0) - last)
    return smooth, smooth * RESIDUAL_M, wz + trims[0], trims[1]


@compiled
def _observation(
    observed: np.ndarray,
    values: np.ndarray,
    imu: tuple[Vector, Vector],
    legs: tuple[np.ndarray, ...],
    gait: np.ndarray,
    style: np.ndarray,
    command: PackedCommand,
    estimate: np.ndarray,
    contacts: tuple[bool, ...],
    scan: np.ndarray,
    noise: np.ndarray,
) -> np.ndarray:
    """Fill in the record `observed` by name, of which `values` is the view as numbers, and scale it as its table says.

    One call into machine code instead of a concatenation of many pieces.
    """
    (gravity, gyro), (joints, standing, speeds, targets, action) = imu, legs
    (vx, vy, wz), asked = command
    now, how, wanted, found, out = gait[0], style[0], asked[0], estimate[0], observed[0]
    for axis in range(3):
        out.projected_gravity[axis], out.angular_velocity[axis] = gravity[axis], gyro[axis]
    for joint in range(12):
        out.joint_positions[joint] = joints[joint] - standing[joint]
        out.joint_velocities[joint] = speeds[joint]
        out.target_errors[joint] = targets[joint] - joints[joint]
        out.action[joint] = action[joint]
        out.height_scan[joint] = scan[joint]
    for leg in range(4):
        out.clock_cosine[leg] = cos(2 * pi * now.phases[leg])
        out.clock_sine[leg] = sin(2 * pi * now.phases[leg])
        out.contacts[leg] = contacts[leg]
    out.command_lin_vel[0], out.command_lin_vel[1], out.command_ang_vel = vx, vy, wz
    out.frequency, out.swing, out.bounce = wanted.frequency_hz, wanted.swing_m, wanted.bounce
    out.pitch, out.stepping = wanted.pitch_rad, wanted.stepping
    out.duty, out.height = how.effective_duty, how.height_m
    out.lin_vel_error[0], out.lin_vel_error[1] = found.velocity[0] - vx, found.velocity[1] - vy
    out.lin_vel_error_stride[0], out.lin_vel_error_stride[1] = found.smooth[0] - vx, found.smooth[1] - vy
    out.ang_vel_error_stride = found.smooth[2] - wz
    out.caught[0], out.caught[1] = now.caught[0], now.caught[1]
    scaled = (values - OFFSETS) * SCALES
    scaled[:SENSED] += noise
    return scaled.astype(np.float32)
