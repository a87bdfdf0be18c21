"""Commands for the legs: a velocity, the style to follow it in, and where the ground is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from control.gait import GAITS, GaitStyle, VelocityCommand, pack
from robots.motion import Vector

NO_SCAN = np.zeros(12)


class GaitCommand(NamedTuple):
    """A velocity and the style to follow it in."""

    velocity: VelocityCommand
    style: GaitStyle

    @classmethod
    def stand(cls) -> GaitCommand:
        """Stand still."""
        return cls(VelocityCommand(), GAITS["stand"])

    @property
    def packed(self) -> PackedCommand:
        """The command as compiled functions take it: vx, vy (m/s), wz (rad/s), and (1,) `control.gait.STYLE`."""
        vx, vy, wz = self.velocity
        return (float(vx), float(vy), float(wz)), pack(self.style).record


PackedCommand = tuple[Vector, np.ndarray]


class Footing(NamedTuple):
    """The ground as the feet meet it."""

    grounds: np.ndarray  # (4,) m, height where each foot stands or will land, around their mean
    nudges: np.ndarray  # (12,) m, how far each foothold is moved
    scan: np.ndarray  # (12,) m, heights behind, at and before each foothold, around their mean
    ground_m: float  # height of the ground under the dog, in the world
