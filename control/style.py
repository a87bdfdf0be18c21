"""How the dog moves, in twelve numbers that people read feelings from, and what lays the lively ones over a gait.

The dimensions are those by which people tell how a walker feels: pace and amplitude (Montepare et al. 1987), posture
(Roether et al. 2009), rolling and wagging of the body, abruptness, regularity, and how it comes up to a person. The
gait itself is none of them: any style can be walked or trotted.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import cos, exp, hypot, pi, sin

import numpy as np

from control.gait import FREQUENCY_RANGE_HZ, GaitStyle, VelocityCommand, gait_style
from control.gait_kernel import STYLE_LAG_S, VELOCITY_LAG_S

STYLE_LIMITS: dict[str, tuple[float, float]] = {
    "speed_m_s": (0.12, 0.48),
    "cadence_hz": (1.9, 3.2),
    "duty": (0.54, 0.74),
    "swing_height_m": (0.035, 0.08),
    "body_height_m": (0.24, 0.315),
    "body_pitch_rad": (-0.12, 0.10),
    "wiggle_rad": (0.0, 0.10),
    "wiggle_hz": (0.6, 2.0),
    "smoothness": (0.0, 1.0),
    "regularity": (0.0, 1.0),
    "approach_distance_m": (0.5, 1.6),
    "approach_curvature_rad": (0.0, 0.9),
}
"""Lowest and highest value of each dimension. In walk and trot the dog keeps its feet whatever the others are."""

STYLE_GAITS = ("walk", "trot")
"""Gaits that can be walked in every style without learned legs; a clocked pace falls in one of fifty."""


@dataclass(frozen=True)
class ExpressiveStyle:
    """A way of moving.

    Attributes:
        speed_m_s: how fast the dog comes.
        cadence_hz: steps of a leg per second.
        duty: the part of the cycle that a foot spends on the ground; a gait may hold it longer, see
            `control.gait.GaitStyle.effective_duty`.
        swing_height_m: how high a foot is lifted.
        body_height_m: height of the hips over the feet.
        body_pitch_rad: pitch of the trunk, positive nose down: a bow; negative is proud.
        wiggle_rad: how far the trunk rolls to each side, and turns with it.
        wiggle_hz: how often it does.
        smoothness: 1 goes evenly, 0 in starts and stops.
        regularity: 1 steps like a clock, 0 hurries and tarries.
        approach_distance_m: how far from the person the dog stops.
        approach_curvature_rad: how far beside the person it aims while it comes; 0 is straight.

    Raises:
        ValueError: a value is not finite or outside `STYLE_LIMITS`.
    """

    speed_m_s: float = 0.35
    cadence_hz: float = 2.4
    duty: float = 0.62
    swing_height_m: float = 0.05
    body_height_m: float = 0.29
    body_pitch_rad: float = 0.0
    wiggle_rad: float = 0.0
    wiggle_hz: float = 1.2
    smoothness: float = 1.0
    regularity: float = 1.0
    approach_distance_m: float = 0.9
    approach_curvature_rad: float = 0.2

    def __post_init__(self) -> None:
        for name, (low, high) in STYLE_LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:  # NaN is in no range
                raise ValueError(f"{name} {value!r} is outside {low} to {high}")

    def vector(self) -> np.ndarray:
        """Return (12,): each dimension in [0, 1] of its limits, in the order of the fields."""
        values = np.array([getattr(self, item.name) for item in fields(self)])
        vector: np.ndarray = (values - _LOW) / (_HIGH - _LOW)
        return vector

    @classmethod
    def from_vector(cls, vector: np.ndarray) -> ExpressiveStyle:
        """Return the style at (12,) in [0, 1].

        Raises:
            ValueError: wrong shape, or an entry that is not finite or outside [0, 1].
        """
        shares = np.asarray(vector, np.float64)
        if shares.shape != _LOW.shape:
            raise ValueError(f"a style is {len(_LOW)} numbers; got an array of shape {shares.shape}")
        if not (np.isfinite(shares).all() and shares.min() >= -1e-6 and shares.max() <= 1 + 1e-6):
            raise ValueError(f"every entry of a style's vector lies in [0, 1]; got {shares}")
        values = np.clip(_LOW + np.clip(shares, 0.0, 1.0) * (_HIGH - _LOW), _LOW, _HIGH)
        return cls(*values.tolist())

    def gait(self, name: str) -> GaitStyle:
        """Return a gait stepped in this style; one of `STYLE_GAITS`, or any other at one's own risk.

        Raises:
            ValueError: the gait is not known.
        """
        return gait_style(
            name,
            frequency_hz=self.cadence_hz,
            duty=self.duty,
            swing_m=self.swing_height_m,
            height_m=self.body_height_m,
            pitch_rad=self.body_pitch_rad,
        )


STYLE_NAMES: tuple[str, ...] = tuple(item.name for item in fields(ExpressiveStyle))
_LOW, _HIGH = np.array([STYLE_LIMITS[name] for name in STYLE_NAMES]).T

# What people read from gait (Montepare et al. 1987, Roether et al. 2009, Karg et al. 2013) and from dogs: a companion
# answers a feeling and does not copy it.
DEFAULT_STYLES: dict[str, ExpressiveStyle] = {
    "neutral": ExpressiveStyle(0.35, 2.2, 0.64, 0.050, 0.295, 0.00, 0.02, 1.0, 0.9, 0.9, 1.1, 0.2),
    "calm": ExpressiveStyle(0.25, 1.9, 0.70, 0.045, 0.305, 0.00, 0.03, 0.7, 1.0, 1.0, 1.2, 0.5),
    "happy": ExpressiveStyle(0.48, 3.0, 0.56, 0.075, 0.310, -0.06, 0.08, 1.8, 0.7, 0.8, 0.7, 0.4),
    "sad": ExpressiveStyle(0.20, 1.9, 0.72, 0.040, 0.265, 0.08, 0.01, 0.7, 1.0, 0.9, 0.6, 0.7),
    "angry": ExpressiveStyle(0.18, 2.0, 0.70, 0.040, 0.250, 0.06, 0.00, 0.8, 0.9, 0.9, 1.5, 0.6),
    "fearful": ExpressiveStyle(0.30, 2.2, 0.66, 0.045, 0.290, 0.00, 0.01, 0.8, 1.0, 1.0, 0.7, 0.4),
    "disgust": ExpressiveStyle(0.22, 2.4, 0.66, 0.050, 0.290, -0.06, 0.00, 0.8, 0.6, 0.7, 1.4, 0.3),
    "surprised": ExpressiveStyle(0.40, 2.6, 0.60, 0.060, 0.315, -0.08, 0.02, 1.4, 0.3, 0.6, 1.0, 0.1),
}
"""A sensible style for each feeling of the person, before anything is known of what that person likes."""

_HOLD_S = (0.24, 0.52)  # a start or a stop lasts this long: longer than the velocity's lag, so that it is seen
_SURGE, _NOD_RAD = 0.5, 0.05  # share of the speed, and pitch, by which the roughest style starts and stops
_STRIDE_M = 0.26  # nothing that is laid over makes a stance longer than this
_JITTER = 0.25  # standard deviation of the log cadence of the most irregular style
_TURN_RAD_S = 1.2  # what turning is left to the wiggle, whatever its frequency
_ROLL_STEP_RAD, _RATE_STEP_HZ = 0.005, 0.05  # few distinct styles, so that the gait's cache of them serves


class StyleModulator:
    """Lays over a gait what a style does from moment to moment: wiggle, starts and stops, uneven timing.

    The gait eases whatever it is told (`control.gait_kernel`), so an oscillation is told larger by what the easing
    takes off. Draws from `rng` when it is made, and then only when a start, a stop or a change of cadence is due, which
    makes the same run from the same times. With `wiggle_rad` 0 and smoothness and regularity 1, nothing is changed.
    """

    def __init__(self, style: ExpressiveStyle, rng: np.random.Generator) -> None:
        self.style = style
        self._rng = rng
        self._surge = 1.0 if rng.random() < 0.5 else -1.0
        self._hurry = 0.0
        self._surge_until = self._hurry_until = -np.inf
        rate = 2 * pi * style.wiggle_hz
        self._start = 2 * pi * rng.random()
        self._roll = style.wiggle_rad * hypot(1.0, rate * STYLE_LAG_S)
        self._turn = min(style.wiggle_rad * rate * hypot(1.0, rate * VELOCITY_LAG_S), _TURN_RAD_S)

    def step(self, command: VelocityCommand, gait_style: GaitStyle, time_s: float) -> tuple[VelocityCommand, GaitStyle]:
        """Return what the gait shall be told at `time_s`, given what it would be told without the style's liveliness.

        Args:
            command: m/s and rad/s; standing stays standing.
            gait_style: how to step, as of `ExpressiveStyle.gait`.
            time_s: since any start; it must not run backwards.
        """
        self._draw(time_s, gait_style.frequency_hz)
        phase = 2 * pi * self.style.wiggle_hz * time_s + self._start
        roll = _ROLL_STEP_RAD * round(self._roll * sin(phase) / _ROLL_STEP_RAD)
        rough = (1.0 - self.style.smoothness) * self._surge
        moving = gait_style.stepping and (command.vx != 0.0 or command.vy != 0.0 or command.wz != 0.0)
        changed = replace(
            gait_style,
            roll_rad=gait_style.roll_rad + roll,
            pitch_rad=gait_style.pitch_rad - _NOD_RAD * rough if moving else gait_style.pitch_rad,
            frequency_hz=self._cadence(gait_style.frequency_hz),
        )
        if moving:
            speed = hypot(command.vx, command.vy)
            # Legs that tarry at full speed would be dragged behind, so the dog goes slower meanwhile.
            share = min(1.0 + _SURGE * rough, _longest_m_s(changed) / max(speed, 1e-9))
            command = VelocityCommand(command.vx * share, command.vy * share, command.wz + self._turn * cos(phase))
        return command, changed

    def _cadence(self, cadence_hz: float) -> float:
        """Return the cadence as hurried or tarried as it is now, Hz."""
        if self._hurry == 0.0:
            return cadence_hz
        wanted = _RATE_STEP_HZ * round(cadence_hz * exp(self._hurry) / _RATE_STEP_HZ)
        return min(max(wanted, FREQUENCY_RANGE_HZ[0]), FREQUENCY_RANGE_HZ[1])

    def _draw(self, time_s: float, cadence_hz: float) -> None:
        """Decide anew what is due: the next start or stop, and the next half cycle's cadence."""
        if self.style.smoothness < 1.0 and time_s >= self._surge_until:
            self._surge, self._surge_until = -self._surge, time_s + self._rng.uniform(*_HOLD_S)
        if self.style.regularity < 1.0 and time_s >= self._hurry_until:
            spread = _JITTER * (1.0 - self.style.regularity)
            self._hurry = float(np.clip(self._rng.normal(0.0, spread), -2 * spread, 2 * spread))
            self._hurry_until = time_s + 0.5 / cadence_hz


def _longest_m_s(gait_style: GaitStyle) -> float:
    """Return how fast a gait may go for a moment, m/s."""
    return _STRIDE_M * gait_style.frequency_hz / gait_style.effective_duty
