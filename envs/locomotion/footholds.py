"""Where to put the feet on uneven ground, as a map of heights tells: not on edges, and at the height that is there."""

from __future__ import annotations

from math import cos, sin

import numpy as np

from control.command import Footing
from control.gait import GaitGenerator
from envs.locomotion.terrain import TerrainMap
from robots.quadruped import QuadrupedSpec

# A foothold may be moved this far, forward and left, m; the first stays.
_MOVES = np.array(
    [(0.0, 0.0)] + [(x, y) for x in (-0.10, -0.05, 0.0, 0.05, 0.10) for y in (-0.05, 0.0, 0.05) if x or y]
)
# Moving a foothold by a metre is as bad as so much unevenness, m: small differences are not worth a detour.
_COST_OF_MOVING = 0.3 * np.hypot(_MOVES[:, 0], _MOVES[:, 1])
_AHEAD_M = np.array([-0.10, 0.0, 0.10])
_DECIDED = 0.7  # share of the swing after which a foot goes where it goes
_FOLLOW = 0.4  # share of a new nudge that is taken over in each step


class Footholds:
    """Chooses footholds on a map; a foot keeps its place from late in the swing until it is lifted again."""

    def __init__(self, terrain: TerrainMap, spec: QuadrupedSpec) -> None:
        self.map = terrain
        hips = spec.hip_positions
        self._under = np.stack([hips[:, 0], hips[:, 1] + spec.hip_sides], axis=1)
        self.reset()

    def reset(self) -> None:
        """Every foot under its hip."""
        self._nudges = np.zeros((4, 2))

    def look(self, gait: GaitGenerator, place: tuple[float, float, float], noise: np.ndarray | float = 0.0) -> Footing:
        """Look at the ground from `place` (x, y in m, heading in rad); `noise` (12,) m spoils the heights."""
        x, y, yaw = place
        c, s = cos(yaw), sin(yaw)
        nominal = self._under + self._strides(gait)
        points = nominal[:, None, :] + _MOVES
        cells = self.map.cells(x + c * points[..., 0] - s * points[..., 1], y + s * points[..., 0] + c * points[..., 1])
        wanted = _MOVES[np.argmin(self.map.unevenness[cells] + _COST_OF_MOVING, axis=1)]
        for leg, phase in enumerate(gait.phases):
            if gait.duty <= phase < gait.duty + _DECIDED * (1 - gait.duty):
                self._nudges[leg] += _FOLLOW * (wanted[leg] - self._nudges[leg])
        at = nominal + self._nudges
        ahead, left = at[:, :1] + _AHEAD_M, at[:, 1:]
        heights = self.map.height(x + c * ahead - s * left, y + s * ahead + c * left).ravel()
        mean = float(heights.mean())
        scan = heights - mean + noise
        nudges = np.zeros((4, 3))
        nudges[:, :2] = self._nudges
        return Footing(scan[1::3].copy(), nudges.ravel(), scan, mean)

    @staticmethod
    def _strides(gait: GaitGenerator) -> np.ndarray:
        """Return (4, 2) m from under the hip to where each foot stands or will land: until then the body goes on."""
        (vx, vy, _), (caught_x, caught_y), duty = gait.velocity, gait.caught, gait.duty
        cycle_s = 1.0 / max(gait.frequency_hz, 1.0)
        ahead_s = [
            (0.5 * duty - phase if phase < duty else 0.5 * duty + 1.0 - phase) * cycle_s for phase in gait.phases
        ]
        return np.array([(time_s * vx + caught_x, time_s * vy + caught_y) for time_s in ahead_s])
