"""Step to a pose and stop there: the last half metre, where a way's end is not near enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from control.dog import CONTROL_HZ
from control.gait import VelocityCommand
from geometry.transforms import wrap

_LEAST_RAD_S = 0.12
"""Slower turns are lost in the scuffing of the feet."""


@dataclass(frozen=True)
class PlacingConfig:
    """How near is near enough, and how fast it goes; m, rad, s."""

    near_m: float = 0.030
    """A centimetre is never reached for sure, two and a half are; neck and trunk take up the rest."""
    near_rad: float = 0.07
    gain: float = 1.5
    integral: float = 0.6
    """Feet that scuff fall short of what they are told by a part that stays."""
    most_m_s: float = 0.30
    most_sideways_m_s: float = 0.15
    most_rad_s: float = 0.6
    run_on_m: float = 0.025
    """A trot runs on so far after it is told to stop, and is told so much before the place; learned from each stop."""
    settle_s: float = 0.6
    """Standing still after stepping, before it looks whether it is near enough."""
    patience_s: float = 12.0

    def __post_init__(self) -> None:
        numbers = self.near_m, self.near_rad, self.gain, self.most_m_s, self.most_rad_s, self.settle_s, self.patience_s
        if min(numbers) <= 0.0 or self.integral < 0.0 or self.most_sideways_m_s < 0.0 or self.run_on_m < 0.0:
            raise ValueError(f"{self} came; distances, speeds and times must be positive")


class Placed(NamedTuple):
    """The velocity to step with, and whether the dog stands there (`there`) or its patience is over (`late`)."""

    command: VelocityCommand
    there: bool
    late: bool


class Placer:
    """Steps to one pose after the other; set one by `go_to`."""

    def __init__(self, config: PlacingConfig | None = None) -> None:
        self.config = config or PlacingConfig()
        self.go_to(np.zeros(2), 0.0)

    def go_to(self, place: np.ndarray, yaw: float) -> None:
        """Set out for a place (2,) m and a heading, rad."""
        self._place, self._yaw = np.asarray(place, float), float(yaw)
        self._sum = np.zeros(2)
        self._run_on_m = self.config.run_on_m
        self._began_s: float | None = None
        self._still_since: float | None = None
        self._left_at_stop = np.zeros(2)

    def off(self, position: np.ndarray, yaw: float) -> tuple[np.ndarray, float]:
        """Return what is left: forward and left (2,) m in the dog's own frame, and how far to turn, rad."""
        c, s = np.cos(yaw), np.sin(yaw)
        left = np.array([[c, s], [-s, c]]) @ (self._place - position)
        return left, wrap(self._yaw - yaw)

    def step(self, position: np.ndarray, yaw: float, time_s: float) -> Placed:
        """Return the next velocity.

        Args:
            position: (2,) m, the dog in the world.
            yaw: its heading, rad.
            time_s: now.
        """
        config = self.config
        self._began_s = time_s if self._began_s is None else self._began_s
        left, turn = self.off(np.asarray(position, float), yaw)
        near = float(np.hypot(*left)) <= config.near_m and abs(turn) <= config.near_rad
        late = time_s - self._began_s > config.patience_s
        if self._still_since is not None:  # it stood still to see where it came to rest
            if time_s - self._still_since < config.settle_s:
                return Placed(VelocityCommand(), False, False)
            if near or late:
                return Placed(VelocityCommand(), near, late and not near)
            self._learn(left)
            self._still_since, self._sum = None, np.zeros(2)
        stops = float(np.hypot(*self._short(left))) <= config.near_m and abs(turn) <= config.near_rad
        if near or stops or late:
            self._still_since, self._left_at_stop = time_s, left
            return Placed(VelocityCommand(), False, False)
        return Placed(self._toward(left, turn), False, False)

    def _learn(self, left: np.ndarray) -> None:
        """See how far it ran on after it was told to stop."""
        far = float(np.hypot(*self._left_at_stop))
        if far > 1e-3:
            ran = float((self._left_at_stop - left) @ self._left_at_stop) / far
            self._run_on_m = float(np.clip(ran, 0.0, 2 * self.config.run_on_m))

    def _short(self, left: np.ndarray) -> np.ndarray:
        """Aim short of the place along the way that is left."""
        far = float(np.hypot(*left))
        short: np.ndarray = left * max(far - self._run_on_m, 0.0) / max(far, 1e-9)
        return short

    def _toward(self, left: np.ndarray, turn: float) -> VelocityCommand:
        config = self.config
        aim = self._short(left)
        self._sum = np.clip(self._sum + aim / CONTROL_HZ, -0.2, 0.2)
        vx, vy = config.gain * aim + config.integral * self._sum
        wz = float(np.clip(config.gain * turn, -config.most_rad_s, config.most_rad_s))
        if abs(turn) > config.near_rad and abs(wz) < _LEAST_RAD_S:
            wz = float(np.copysign(_LEAST_RAD_S, turn))
        return VelocityCommand(
            float(np.clip(vx, -config.most_m_s, config.most_m_s)),
            float(np.clip(vy, -config.most_sideways_m_s, config.most_sideways_m_s)),
            wz,
        )
