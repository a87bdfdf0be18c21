"""Reward terms, each a small function of one transition; their weights are in `RewardWeights` under the same names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
def velocity(t: Transition) -> float:
    """Follow the commanded velocity, over a stride."""
    (vx, vy), (told_vx, told_vy, _) = t.smooth_velocity, t.told
    return _near((vx - told_vx) ** 2 + (vy - told_vy) ** 2, 0.25)


@compiled
def steadiness(t: Transition) -> float:
    """Follow it at every instant as well."""
    (vx, vy), (told_vx, told_vy, _) = t.velocity, t.told
    return exp(-((vx - told_vx) ** 2 + (vy - told_vy) ** 2) / 0.02)


@compiled
def turning(t: Transition) -> float:
    """Follow the commanded turn rate."""
    return _near((t.smooth_turn - t.told[2]) ** 2, 0.25)


@compiled
def height(t: Transition) -> float:
    """Carry the trunk as high as the gait stands now."""
    return _near((t.smooth_height - t.told_height) ** 2, 0.04)


@compiled
def posture(t: Transition) -> float:
    """Hold the commanded pitch and no roll."""
    return _near((t.smooth_pitch - t.told_pitch) ** 2 + 0.25 * (t.roll - t.told_roll) ** 2, 0.15)


_MATCH_OF_A_STUMBLE = 0.5  # less than every gait reaches: with more, policies stumbled for its sake


@compiled
def schedule(t: Transition) -> float:
    """Share of the feet that do what the clock says; who is about to fall may step when and where they must."""
    if t.reacting:
        return _MATCH_OF_A_STUMBLE
    match = 0
    for leg in range(4):
        match += t.contacts[leg] == t.stance[leg]
    return match / 4


@compiled
def tilting(t: Transition) -> float:
    """Cost of rocking, (rad/s)^2."""
    return min(t.tilt_rate, 25.0)


@compiled
def power(t: Transition) -> float:
    """W, sum over joints of |torque x speed|."""
    return float(np.abs(t.torques * t.joint_speeds).sum())


@compiled
def effort(t: Transition) -> float:
    """Cost of power, in 100 W."""
    return min(power(t) / 100, 10.0)


@compiled
def change(t: Transition) -> float:
    """Cost of changing the action."""
    return float(((t.action - t.last_action) ** 2).sum())


@compiled
def size(t: Transition) -> float:
    """Cost of leaving the nominal gait."""
    return float((t.action**2).sum())


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

    @cached_property
    def in_order(self) -> tuple[float, ...]:
        """The weights in the order of `TERMS`."""
        return tuple(float(getattr(self, name)) for name in TERMS)


TERMS: dict[str, Callable[[Transition], float]] = {
    term.__name__: term
    for term in (velocity, steadiness, turning, height, posture, schedule, tilting, effort, change, size)
}


@compiled
def weighted(t: Transition, weights: tuple[float, ...]) -> tuple[float, ...]:
    """`TERMS` times their weights, in their order: one call into machine code instead of ten."""
    return (
        weights[0] * velocity(t),
        weights[1] * steadiness(t),
        weights[2] * turning(t),
        weights[3] * height(t),
        weights[4] * posture(t),
        weights[5] * schedule(t),
        weights[6] * tilting(t),
        weights[7] * effort(t),
        weights[8] * change(t),
        weights[9] * size(t),
    )


def reward(transition: Transition, weights: RewardWeights) -> tuple[float, dict[str, float]]:
    """Sum of the weighted terms, and each of them."""
    terms = dict(zip(TERMS, weighted(transition, weights.in_order), strict=True))
    return sum(terms.values()), terms
