"""Reward terms, each a small function of one transition; their weights are in `RewardWeights` under the same names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from envs.locomotion.commands import Order


class Transition(NamedTuple):
    """What the terms look at. Body-frame quantities are in the level frame that turns with the heading."""

    order: Order
    velocity: tuple[float, float]  # forward, left, m/s
    smooth_velocity: tuple[float, float]  # the same, averaged over a stride
    smooth_turn: float  # rad/s about the vertical, averaged over a stride
    tilt_rate: float  # rad/s, norm about the horizontal axes
    roll: float  # rad
    pitch: float  # rad, positive nose down
    height: float  # m, trunk over the ground
    contacts: tuple[bool, ...]  # feet (4) that touch
    stance: tuple[bool, ...]  # feet (4) that the clock holds to the ground
    power: float  # W, sum of |torque x joint speed|
    action: np.ndarray  # (12,) smoothed, in [-1, 1]
    last_action: np.ndarray  # (12,) of the step before


def velocity(t: Transition) -> float:
    """Follow the commanded velocity, over a stride: what a person sees."""
    error = (t.smooth_velocity[0] - t.order.command.vx) ** 2 + (t.smooth_velocity[1] - t.order.command.vy) ** 2
    return float(np.exp(-error / 0.02))


def steadiness(t: Transition) -> float:
    """Follow it at every instant as well."""
    error = (t.velocity[0] - t.order.command.vx) ** 2 + (t.velocity[1] - t.order.command.vy) ** 2
    return float(np.exp(-error / 0.10))


def turning(t: Transition) -> float:
    """Follow the commanded turn rate."""
    return float(np.exp(-((t.smooth_turn - t.order.command.wz) ** 2) / 0.02))


def height(t: Transition) -> float:
    """Carry the trunk as high as told."""
    return float(np.exp(-((t.height - t.order.style.height_m) ** 2) / 4e-4))


def posture(t: Transition) -> float:
    """Hold the commanded pitch and no roll."""
    error = (t.pitch - t.order.style.pitch_rad) ** 2 + (t.roll - t.order.style.roll_rad) ** 2
    return float(np.exp(-error / 0.01))


def schedule(t: Transition) -> float:
    """Share of the feet that do what the clock says."""
    return sum(touch == stand for touch, stand in zip(t.contacts, t.stance, strict=True)) / 4


def tilting(t: Transition) -> float:
    """Cost of rocking, (rad/s)^2."""
    return min(t.tilt_rate**2, 25.0)


def effort(t: Transition) -> float:
    """Cost of power, in 100 W."""
    return min(t.power / 100, 10.0)


def change(t: Transition) -> float:
    """Cost of changing the action."""
    return float(np.sum((t.action - t.last_action) ** 2))


def size(t: Transition) -> float:
    """Cost of leaving the nominal gait."""
    return float(np.sum(t.action**2))


@dataclass(frozen=True)
class RewardWeights:
    """Weight of each term; costs are negative."""

    velocity: float = 1.5
    steadiness: float = 0.5
    turning: float = 0.9
    height: float = 0.3
    posture: float = 0.3
    schedule: float = 0.4
    tilting: float = -0.03
    effort: float = -0.10
    change: float = -0.05
    size: float = -0.02


TERMS: dict[str, Callable[[Transition], float]] = {
    term.__name__: term
    for term in (velocity, steadiness, turning, height, posture, schedule, tilting, effort, change, size)
}


def reward(transition: Transition, weights: RewardWeights) -> tuple[float, dict[str, float]]:
    """Sum of the weighted terms, and each of them."""
    terms = {name: getattr(weights, name) * term(transition) for name, term in TERMS.items()}
    return sum(terms.values()), terms
