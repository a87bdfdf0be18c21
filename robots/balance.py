"""Catching oneself: where a trunk that was shoved moves, the feet must go too."""

from __future__ import annotations

from math import hypot


class CatchStep:
    """Turns an error of velocity into what the gait shall catch; nothing while it is within the gait's own sway.

    A trunk that moves `stumble_m_s` off its command has been shoved: for `steady_s` the feet follow it, then the gait
    is left alone for `rest_s`, since catching at every step would keep a swaying pace from ever settling.
    """

    stumble_m_s = 0.5
    steady_s = 0.8
    rest_s = 0.8
    sway_m_s = 0.15

    def __init__(self, dt_s: float = 0.02) -> None:
        self.dt_s = dt_s
        self.reset()

    def reset(self) -> None:
        """Forget every shove."""
        self._left_s = -self.rest_s

    @property
    def catching(self) -> bool:
        """Whether the last error is being caught."""
        return self._left_s > 0

    def update(self, forward: float, left: float) -> tuple[float, float]:
        """How much faster than told the trunk moves (m/s) -> the part of it that is to be caught."""
        size = hypot(forward, left)
        if size > self.stumble_m_s and self._left_s <= -self.rest_s:
            self._left_s = self.steady_s
        self._left_s -= self.dt_s
        if self._left_s <= 0:
            return 0.0, 0.0
        share = max(0.0, 1.0 - self.sway_m_s / max(size, 1e-9))
        return forward * share, left * share
