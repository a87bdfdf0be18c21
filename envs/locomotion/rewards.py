"""Reward terms, each a small function of one transition; their weights are in `RewardWeights` under the same names."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import cached_property
from math import exp

import numpy as np

from envs.locomotion.transition import Transition
from robots.compiled import compiled


@compiled
def _near(square_error: float, tolerance: float) -> float:
    """1 at no error, with one bell that pulls from afar and one, five times as narrow, that asks for precision."""
    wide = square_error / tolerance**2
    return 0.5 * exp(-wide) + 0.5 * exp(-25.0 * wide)


@compiled
def tracking_lin_vel(t: Transition) -> float:
    """Follow the commanded velocity, over a stride."""
    (vx, vy), (wanted_x, wanted_y, _) = t.smooth_velocity, t.command
    return _near((vx - wanted_x) ** 2 + (vy - wanted_y) ** 2, 0.25)


@compiled
def tracking_lin_vel_instant(t: Transition) -> float:
    """Follow it at every instant as well."""
    (vx, vy), (wanted_x, wanted_y, _) = t.velocity, t.command
    return exp(-((vx - wanted_x) ** 2 + (vy - wanted_y) ** 2) / 0.02)


@compiled
def tracking_ang_vel(t: Transition) -> float:
    """Follow the commanded turn rate."""
    return _near((t.smooth_turn - t.command[2]) ** 2, 0.25)


@compiled
def base_height(t: Transition) -> float:
    """Carry the trunk as high as the gait stands now."""
    return _near((t.smooth_height - t.target_height) ** 2, 0.04)


@compiled
def orientation(t: Transition) -> float:
    """Hold the commanded pitch and no roll."""
    return _near((t.smooth_pitch - t.command_pitch) ** 2 + 0.25 * (t.roll - t.command_roll) ** 2, 0.15)


_MATCH_OF_A_STUMBLE = 0.5  # less than every gait reaches: with more, policies stumbled for its sake


@compiled
def contact_schedule(t: Transition) -> float:
    """Share of the feet that do what the clock says; who is about to fall may step when and where they must."""
    if t.reacting:
        return _MATCH_OF_A_STUMBLE
    match = 0
    for leg in range(4):
        match += t.contacts[leg] == t.stance[leg]
    return match / 4


@compiled
def ang_vel_xy(t: Transition) -> float:
    """Cost of rocking about the horizontal axes, (rad/s)^2."""
    return min(t.tilt_rate, 25.0)


@compiled
def power(t: Transition) -> float:
    """Return W: the sum over joints of |torque x speed|."""
    return float(np.abs(t.torques * t.joint_speeds).sum())


@compiled
def energy(t: Transition) -> float:
    """Cost of energy: power in 100 W."""
    return min(power(t) / 100, 10.0)


@compiled
def action_rate(t: Transition) -> float:
    """Cost of changing the action: squared norm of the change."""
    return float(((t.action - t.last_action) ** 2).sum())


@compiled
def action_l2(t: Transition) -> float:
    """Cost of leaving the nominal gait: squared norm of the action."""
    return float((t.action**2).sum())


@dataclass(frozen=True)
class RewardWeights:
    """Weight of each term; costs are negative."""

    tracking_lin_vel: float = 1.6
    tracking_lin_vel_instant: float = 0.5
    tracking_ang_vel: float = 0.9
    base_height: float = 0.35
    orientation: float = 0.4
    contact_schedule: float = 1.7
    ang_vel_xy: float = -0.03
    energy: float = -0.6
    action_rate: float = -0.05
    action_l2: float = -0.03

    @cached_property
    def in_order(self) -> tuple[float, ...]:
        """The weights in the order of `TERMS`."""
        return tuple(map(float, astuple(self)))


TERMS = tuple(RewardWeights.__annotations__)
"""Names of the terms."""


@compiled
def weighted(t: Transition, weights: tuple[float, ...]) -> tuple[float, ...]:
    """`TERMS` times their weights, in their order: one call into machine code instead of ten."""
    return (
        weights[0] * tracking_lin_vel(t),
        weights[1] * tracking_lin_vel_instant(t),
        weights[2] * tracking_ang_vel(t),
        weights[3] * base_height(t),
        weights[4] * orientation(t),
        weights[5] * contact_schedule(t),
        weights[6] * ang_vel_xy(t),
        weights[7] * energy(t),
        weights[8] * action_rate(t),
        weights[9] * action_l2(t),
    )
