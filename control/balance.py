"""Catching oneself: where a trunk that was shoved moves, the feet must go too."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import hypot
from typing import NamedTuple

import numpy as np

from control.gait import GAITS, GaitStyle
from robots.compiled import compiled
from robots.motion import pitch_of, roll_of

STUMBLE_M_S = 0.5
SHOVE_M_S, SUDDEN_STEPS = 0.6, 2
LEAN_RAD, MAX_LEAN_RAD = 0.3, 0.6
STEADY_S, REST_S = 0.8, 0.8
SWAY_M_S = 0.15  # errors up to here are a gait's own
_LOW_M = 0.30  # m: a trunk that is carried higher topples more easily


class Reaction(NamedTuple):
    """Reaction of a disturbed gait; see `control.gait.GaitGenerator.step`."""

    style: GaitStyle
    velocity_error: tuple[float, float]  # forward, left, m/s: the part that is to be caught
    lean: tuple[float, float]  # pitch, roll, rad: what swinging feet are held level against


class CatchStep:
    """Turns errors of velocity and attitude into reactions of the gait; none while they are within the gait's own sway.

    A trunk that moves `STUMBLE_M_S` off its command stumbles: for `STEADY_S` the feet follow it, which is what
    `catching` says; then the gait is left alone for `REST_S`, since catching at every step would keep a swaying pace
    from ever settling.

    A trunk whose velocity jumps by `SHOVE_M_S` within `SUDDEN_STEPS` control steps was shoved, and one that leans by
    `LEAN_RAD` is about to fall over its outer feet: `shoved` says so until `STEADY_S` after the last such moment,
    and meanwhile the dog trots with its swinging feet held level. Sway comes gradually and is never taken for a shove.
    """

    def __init__(self, dt_s: float = 0.02) -> None:
        self.dt_s = dt_s
        self.reset()

    def reset(self) -> None:
        """Forget every shove."""
        self._memory = np.zeros(1, _MEMORY)
        self._memory["left_s"] = -REST_S
        self.catching = self.shoved = False

    def react(
        self, style: GaitStyle, error: tuple[float, float], gravity: tuple[float, float, float] = (0.0, 0.0, -1.0)
    ) -> Reaction:
        """Take one reading, and say what the gait shall do.

        Args:
            style: what it would do undisturbed.
            error: how much faster than told the trunk moves, forward and left, m/s.
            gravity: unit vector in the trunk's frame.
        """
        posture = float(style.pitch_rad), float(style.roll_rad)
        self.catching, self.shoved, caught, lean = _notice(self._memory, error, gravity, posture, self.dt_s)
        if self.shoved:
            return Reaction(_steadiest(style), caught, lean)
        if self.catching and not style.stepping:
            style = replace(style, stepping=True)
        return Reaction(style, caught, (0.0, 0.0))


_MEMORY = np.dtype(
    [
        ("left_s", np.float64),  # of catching; below 0 it rests
        ("shoved_s", np.float64),
        ("readings", np.float64),
        ("errors", np.float64, (SUDDEN_STEPS + 1, 2)),  # the last ones, the oldest first
    ]
)


@compiled
def _notice(
    memory: np.ndarray,
    error: tuple[float, float],
    gravity: tuple[float, float, float],
    posture: tuple[float, float],
    dt: float,
) -> tuple[bool, bool, tuple[float, float], tuple[float, float]]:
    """Take one reading of a trunk that is to pitch and roll by `posture`, rad.

    Returns:
        whether an error is being caught, whether the trunk was shoved or leans too far, or did so a moment ago, the
        part of the error that is to be caught, and how far the trunk is pitched and rolled beyond `posture`.
    """
    now = memory[0]
    pitch = min(max(pitch_of(gravity) - posture[0], -MAX_LEAN_RAD), MAX_LEAN_RAD)
    roll = min(max(roll_of(gravity) - posture[1], -MAX_LEAN_RAD), MAX_LEAN_RAD)
    x, y = error
    size = hypot(x, y)
    if now.readings == 0:
        now.errors[:, 0], now.errors[:, 1] = x, y
    for index in range(SUDDEN_STEPS):
        now.errors[index] = now.errors[index + 1]
    now.errors[SUDDEN_STEPS, 0], now.errors[SUDDEN_STEPS, 1] = x, y
    now.readings += 1
    sudden = hypot(x - now.errors[0, 0], y - now.errors[0, 1]) > SHOVE_M_S < size
    now.shoved_s = STEADY_S if sudden or hypot(pitch, roll) > LEAN_RAD else now.shoved_s - dt
    if size > STUMBLE_M_S and now.left_s <= -REST_S:
        now.left_s = STEADY_S
    now.left_s -= dt
    catching = now.left_s > 0
    share = max(0.0, 1.0 - SWAY_M_S / max(size, 1e-9)) if catching else 0.0
    return catching, now.shoved_s > 0, (x * share, y * share), (pitch, roll)


@lru_cache(maxsize=256)
def _steadiest(style: GaitStyle) -> GaitStyle:
    """Whoever is about to fall trots: a foot on either side of the body is always about to be set down anew."""
    trot = GAITS["trot"]
    return replace(
        trot, duty=0.60, height_m=min(style.height_m, _LOW_M), pitch_rad=style.pitch_rad, roll_rad=style.roll_rad
    )
