"""Reward terms, each a small function of one transition; their weights are in `RewardWeights` under the same names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp
from typing import NamedTuple

import numpy as np

from envs.locomotion.commands import Order


class Transition(NamedTuple):
    """What the terms look at. Velocities are in the level frame that turns with the heading.

    `smooth` values are averaged over a stride, which is what a person sees: every gait sways within one.
    """

    order: Order
    velocity: tuple[float, float]  # forward, left, m/s
    smooth_velocity: tuple[float, float]
    smooth_turn: float  # rad/s about the vertical
    tilt_rate: float  # (rad/s)^2, squared norm about the horizontal axes
    roll: float  # rad
    pitch: float  # rad, positive nose down
    smooth_pitch: float
    height: float  # m, hips over the feet
    smooth_height: float
    told_height: float  # m, as the gait stands now: lower than ordered on uneven ground and after a shove
    contacts: list[bool]  # feet (4) that touch
    stance: list[bool]  # feet (4) that the clock holds to the ground
    reacting: bool  # whether a shove or a stumble is being caught
    power: float  # W, sum of |torque x joint speed|
    action: np.ndarray  # (12,) smoothed, in [-1, 1]
    last_action: np.ndarray  # (12,) of the step before


def _near(square_error: float, tolerance: float) -> float:
    """1 at no error, with one bell that pulls from afar and one, five times as narrow, that asks for precision."""
    wide = square_error / tolerance**2
    return 0.5 * exp(-wide) + 0.5 * exp(-25.0 * wide)


def velocity(t: Transition) -> float:
    """Follow the commanded velocity, over a stride."""
    (vx, vy), told = t.smooth_velocity, t.order.command
    return _near((vx - told.vx) ** 2 + (vy - told.vy) ** 2, 0.25)


def steadiness(t: Transition) -> float:
    """Follow it at every instant as well."""
    (vx, vy), told = t.velocity, t.order.command
    return exp(-((vx - told.vx) ** 2 + (vy - told.vy) ** 2) / 0.02)


def turning(t: Transition) -> float:
    """Follow the commanded turn rate."""
    return _near((t.smooth_turn - t.order.command.wz) ** 2, 0.25)


def height(t: Transition) -> float:
    """Carry the trunk as high as told."""
    return _near((t.smooth_height - t.told_height) ** 2, 0.04)


def posture(t: Transition) -> float:
    """Hold the commanded pitch and no roll."""
    style = t.order.style
    return _near((t.smooth_pitch - style.pitch_rad) ** 2 + 0.25 * (t.roll - style.roll_rad) ** 2, 0.15)


_MATCH_OF_A_STUMBLE = 0.5  # less than every gait reaches: with more, policies stumbled for its sake


def schedule(t: Transition) -> float:
    """Share of the feet that do what the clock says; who is about to fall may step when and where they must."""
    return _MATCH_OF_A_STUMBLE if t.reacting else sum(map(bool.__eq__, t.contacts, t.stance)) / 4


def tilting(t: Transition) -> float:
    """Cost of rocking, (rad/s)^2."""
    return min(t.tilt_rate, 25.0)


def effort(t: Transition) -> float:
    """Cost of power, in 100 W."""
    return min(t.power / 100, 10.0)


def change(t: Transition) -> float:
    """Cost of changing the action."""
    difference = t.action - t.last_action
    return float(difference @ difference)


def size(t: Transition) -> float:
    """Cost of leaving the nominal gait."""
    return float(t.action @ t.action)


@dataclass(frozen=True)
class RewardWeights:
    """Weight of each term; costs are negative."""

    velocity: float = 1.6
    steadiness: float = 0.5
    turning: float = 0.9
    height: float = 0.35
    posture: float = 0.4
    schedule: float = 1.7
    tilting: float = -0.03
    effort: float = -0.6
    change: float = -0.05
    size: float = -0.03


TERMS: dict[str, Callable[[Transition], float]] = {
    term.__name__: term
    for term in (velocity, steadiness, turning, height, posture, schedule, tilting, effort, change, size)
}


def reward(transition: Transition, weights: RewardWeights) -> tuple[float, dict[str, float]]:
    """Sum of the weighted terms, and each of them."""
    terms = {name: getattr(weights, name) * term(transition) for name, term in TERMS.items()}
    return sum(terms.values()), terms
