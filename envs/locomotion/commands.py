"""Commands of a walk: a velocity and a style. Drawn anew within an episode, so that changes are met."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import hypot

import numpy as np

from control.command import GaitCommand
from control.gait import GaitStyle, VelocityCommand, gait_style

LONGEST_STEP_M = 0.29
"""How far the ground may pass under a foot while it stands; the legs reach 15 cm to either side of the hip."""


@dataclass(frozen=True)
class CommandConfig:
    """Ranges of what may be commanded; every pair is low, high. SI units.

    `still_share` of the commands ask for stepping in place, `default_share` for the gait's default style, which is what
    most people will use. `top_speed` bounds vx by gait: a walk cannot run.
    """

    gaits: tuple[str, ...] = ("trot", "walk", "pace", "bound", "pronk", "stand")
    gait_shares: tuple[float, ...] = (0.28, 0.18, 0.2, 0.17, 0.13, 0.04)
    speed_m_s: tuple[float, float] = (-0.6, 1.25)
    top_speed_m_s: tuple[float, ...] = (1.25, 0.6, 1.1, 1.1, 0.5, 0.0)
    sideways_m_s: tuple[float, float] = (-0.35, 0.35)
    turn_rad_s: tuple[float, float] = (-0.9, 0.9)
    frequency_hz: tuple[float, float] = (1.2, 3.5)
    height_m: tuple[float, float] = (0.23, 0.34)
    pitch_rad: tuple[float, float] = (-0.25, 0.25)
    swing_m: tuple[float, float] = (0.03, 0.09)
    still_share: float = 0.1
    straight_share: float = 0.5
    default_share: float = 0.5
    hold_s: tuple[float, float] = (2.0, 6.0)


UNEVEN = CommandConfig(
    gait_shares=(0.55, 0.2, 0.12, 0.06, 0.04, 0.03),
    speed_m_s=(-0.4, 0.7),
    sideways_m_s=(-0.2, 0.2),
    turn_rad_s=(-0.5, 0.5),
    frequency_hz=(1.6, 3.2),
    height_m=(0.26, 0.32),
    pitch_rad=(-0.1, 0.1),
    swing_m=(0.04, 0.09),
)
"""Commands that make sense on uneven ground."""


def sample_command(rng: np.random.Generator, config: CommandConfig) -> GaitCommand:
    """Draw a command that legs can follow: a slow cadence goes with a low speed."""
    index = int(rng.choice(len(config.gaits), p=config.gait_shares))
    vx, vy, wz = sample_velocity(rng, config, config.top_speed_m_s[index])
    style = sample_style(rng, config, index)
    share = min(1.0, LONGEST_STEP_M * style.frequency_hz / (style.effective_duty * max(hypot(vx, vy), 1e-6)))
    return GaitCommand(VelocityCommand(vx * share, vy * share, wz), style)


def sample_velocity(rng: np.random.Generator, config: CommandConfig, top_speed: float) -> VelocityCommand:
    """Draw a velocity: in place, straight ahead, or any."""
    if rng.random() < config.still_share or top_speed == 0.0:
        return VelocityCommand()
    low, high = config.speed_m_s
    vx = float(rng.uniform(low, min(high, top_speed)))
    if rng.random() < config.straight_share:
        return VelocityCommand(vx)
    return VelocityCommand(vx, float(rng.uniform(*config.sideways_m_s)), float(rng.uniform(*config.turn_rad_s)))


def sample_style(rng: np.random.Generator, config: CommandConfig, gait: int) -> GaitStyle:
    """Draw a style of a gait: its default, or one with everything varied."""
    style = gait_style(config.gaits[gait])
    if rng.random() < config.default_share:
        return style
    return replace(
        style,
        frequency_hz=float(rng.uniform(*config.frequency_hz)),
        height_m=float(rng.uniform(*config.height_m)),
        pitch_rad=float(rng.uniform(*config.pitch_rad)),
        swing_m=float(rng.uniform(*config.swing_m)),
    )
