"""Catching oneself: where a trunk that was shoved moves, the feet must go too."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import asin, atan2, hypot
from typing import NamedTuple

from robots.gait import GAITS, GaitStyle

_LOW_M = 0.30  # m: a trunk that is carried higher topples more easily


class Reaction(NamedTuple):
    """What a disturbed gait shall do; see `robots.gait.GaitGenerator.step`."""

    style: GaitStyle
    velocity_error: tuple[float, float]  # forward, left, m/s: the part that is to be caught
    lean: tuple[float, float]  # pitch, roll, rad: what swinging feet are held level against


class CatchStep:
    """Turns errors of velocity and attitude into reactions of the gait; none while they are within the gait's own sway.

    A trunk that moves `stumble_m_s` off its command stumbles: for `steady_s` the feet follow it, then the gait is left
    alone for `rest_s`, since catching at every step would keep a swaying pace from ever settling.

    A trunk whose velocity jumps by `shove_m_s` within `sudden_steps` control steps was shoved, and one that leans by
    `lean_rad` is about to fall over its outer feet: `shoved` says so until `steady_s` after the last such moment,
    and meanwhile the dog trots with its swinging feet held level. Sway comes gradually and is never taken for a shove.
    """

    stumble_m_s = 0.5
    shove_m_s = 0.6
    sudden_steps = 2
    lean_rad = 0.3
    steady_s = 0.8
    rest_s = 0.8
    sway_m_s = 0.15

    def __init__(self, dt_s: float = 0.02) -> None:
        self.dt_s = dt_s
        self.reset()

    def reset(self) -> None:
        """Forget every shove."""
        self._left_s = -self.rest_s
        self._shoved_s = 0.0
        self._errors: list[tuple[float, float]] = []

    @property
    def catching(self) -> bool:
        """Whether the last error is being caught."""
        return self._left_s > 0

    @property
    def shoved(self) -> bool:
        """Whether the trunk was shoved, or leans too far, or did so a moment ago."""
        return self._shoved_s > 0

    def react(
        self, style: GaitStyle, error: tuple[float, float], gravity: tuple[float, float, float] = (0.0, 0.0, -1.0)
    ) -> Reaction:
        """Take one reading, and say what the gait shall do.

        Args:
            style: what it would do undisturbed.
            error: how much faster than told the trunk moves, forward and left, m/s.
            gravity: unit vector in the trunk's frame.
        """
        lean = _lean(gravity, style)
        self._notice(error, hypot(*lean))
        caught = self._caught(error)
        if self.shoved:
            return Reaction(_steadiest(style), caught, lean)
        return Reaction(replace(style, stepping=True) if self.catching else style, caught, (0.0, 0.0))

    def _notice(self, error: tuple[float, float], lean_rad: float) -> None:
        size = hypot(*error)
        self._errors = [*self._errors[-self.sudden_steps :], error]
        (x, y), (before_x, before_y) = error, self._errors[0]
        sudden = hypot(x - before_x, y - before_y) > self.shove_m_s < size
        self._shoved_s = self.steady_s if sudden or lean_rad > self.lean_rad else self._shoved_s - self.dt_s
        if size > self.stumble_m_s and self._left_s <= -self.rest_s:
            self._left_s = self.steady_s
        self._left_s -= self.dt_s

    def _caught(self, error: tuple[float, float]) -> tuple[float, float]:
        if not self.catching:
            return 0.0, 0.0
        share = max(0.0, 1.0 - self.sway_m_s / max(hypot(*error), 1e-9))
        return error[0] * share, error[1] * share


MAX_LEAN_RAD = 0.6


def _lean(gravity: tuple[float, float, float], style: GaitStyle) -> tuple[float, float]:
    """How far the trunk is pitched and rolled beyond what it was told, rad."""
    x, y, z = gravity
    pitch, roll = asin(min(1.0, max(-1.0, x))) - style.pitch_rad, atan2(-y, -z) - style.roll_rad
    return min(max(pitch, -MAX_LEAN_RAD), MAX_LEAN_RAD), min(max(roll, -MAX_LEAN_RAD), MAX_LEAN_RAD)


@lru_cache(maxsize=256)
def _steadiest(style: GaitStyle) -> GaitStyle:
    """Whoever is about to fall trots: a foot on either side of the body is always about to be set down anew."""
    trot = GAITS["trot"]
    return replace(
        trot, duty=0.60, height_m=min(style.height_m, _LOW_M), pitch_rad=style.pitch_rad, roll_rad=style.roll_rad
    )
