"""One control step, as the reward and the evaluation look at it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from control.command import PackedCommand
from robots.compiled import compiled
from robots.motion import Vector, pitch_of, roll_of


class Transition(NamedTuple):
    """One control step as the reward terms see it. Velocities are in the level frame that turns with the heading.

    `smooth` values are averaged over a stride, which is what a person sees: every gait sways within one.
    """

    command: Vector  # vx, vy in m/s, wz in rad/s
    command_pitch: float  # rad
    command_roll: float
    velocity: tuple[float, float]  # forward, left, m/s
    smooth_velocity: tuple[float, float]
    smooth_turn: float  # rad/s about the vertical
    tilt_rate: float  # (rad/s)^2, squared norm about the horizontal axes
    roll: float  # rad
    pitch: float  # rad, positive nose down
    smooth_pitch: float
    height: float  # m, hips over the feet
    smooth_height: float
    target_height: float  # m, as the gait stands now: lower than commanded on uneven ground and after a shove
    contacts: tuple[bool, ...]  # feet (4) that touch
    stance: tuple[bool, ...]  # feet (4) that the clock holds to the ground
    reacting: bool  # whether a shove or a stumble is being caught
    torques: np.ndarray  # (12,) N m
    joint_speeds: np.ndarray  # (12,) rad/s
    action: np.ndarray  # (12,) smoothed, in [-1, 1]
    last_action: np.ndarray  # (12,) of the step before


@compiled
def average(
    smooth: np.ndarray,
    command: PackedCommand,
    trunk: tuple[tuple[float, float], Vector],
    place: tuple[np.ndarray, np.ndarray, float],
    dt: float,
) -> None:
    """Take a reading over into the averages over a stride, see `transition`; `dt` in s."""
    (forward, left), gravity = trunk
    position, turning, ground = place
    now = forward, left, turning[2], pitch_of(gravity), position[2] - ground
    share = min(1.0, dt * command[1][0].frequency_hz)
    for index in range(5):
        smooth[index] += share * (now[index] - smooth[index])


@compiled
def transition(
    command: PackedCommand,
    trunk: tuple[tuple[float, float], Vector],
    place: tuple[np.ndarray, np.ndarray, float],
    smooth: np.ndarray,
    gait: np.ndarray,
    style: np.ndarray,
    contacts: tuple[bool, ...],
    reacting: bool,
    joints: tuple[np.ndarray, np.ndarray],
    actions: tuple[np.ndarray, np.ndarray],
) -> Transition:
    """Put together what happened in a step.

    Args:
        command: as `control.command.GaitCommand.packed` gives it.
        trunk: its velocity, forward and left, m/s, and gravity in its frame.
        place: position (3,) m, angular velocity (3,) rad/s, and the height (m) of the trunk at which hips touch feet.
        smooth: (5,) forward, left (m/s), turn (rad/s), pitch (rad), height (m) over a stride.
        gait: (1,) `control.gait_kernel.STATE`.
        style: (1,) `control.gait.STYLE` as it stands now.
        contacts: which feet (4) touch.
        reacting: whether a shove or a stumble is being caught.
        joints: torques and speeds, (12,) both.
        actions: smoothed, of this step and of the last, (12,) both.
    """
    position, turning, ground = place
    velocity, gravity = trunk
    wanted, how, phases = command[1][0], style[0], gait[0].phases
    still, duty = how.frequency_hz * how.stepping == 0.0, how.effective_duty
    stance = (
        still or phases[0] < duty,
        still or phases[1] < duty,
        still or phases[2] < duty,
        still or phases[3] < duty,
    )
    return Transition(
        command[0],
        wanted.pitch_rad,
        wanted.roll_rad,
        velocity,
        (smooth[0], smooth[1]),
        smooth[2],
        turning[0] ** 2 + turning[1] ** 2,
        roll_of(gravity),
        pitch_of(gravity),
        smooth[3],
        position[2] - ground,
        smooth[4],
        how.height_m,
        contacts,
        stance,
        reacting,
        *joints,
        *actions,
    )
