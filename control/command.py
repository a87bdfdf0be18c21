"""What legs are told: a velocity, the style to follow it in, and where the ground is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from control.gait import GAITS, GaitStyle, VelocityCommand

NO_SCAN = np.zeros(12)


class Order(NamedTuple):
    """A command and the style to follow it in."""

    command: VelocityCommand
    style: GaitStyle

    @classmethod
    def stand(cls) -> Order:
        """Stand still."""
        return cls(VelocityCommand(), GAITS["stand"])


TOLD = np.dtype(
    [
        ("vx", np.float64),  # m/s
        ("vy", np.float64),
        ("wz", np.float64),  # rad/s
        ("frequency", np.float64),  # Hz
        ("swing", np.float64),  # m
        ("bounce", np.float64),
        ("pitch", np.float64),  # rad
        ("roll", np.float64),
        ("stepping", np.float64),  # 1 or 0
    ]
)
"""An order as numbers: what an observation and a reward know of it."""


def numbers(order: Order) -> np.ndarray:
    """(1,) `TOLD`."""
    style = order.style
    said = style.frequency_hz, style.swing_m, style.bounce, style.pitch_rad, style.roll_rad, style.stepping
    return np.array([(*order.command, *said)], TOLD)


class Footing(NamedTuple):
    """The ground as the feet meet it."""

    grounds: np.ndarray  # (4,) m, height where each foot stands or will land, around their mean
    nudges: np.ndarray  # (12,) m, how far each foothold is moved
    scan: np.ndarray  # (12,) m, heights behind, at and before each foothold, around their mean
    ground_m: float  # height of the ground under the dog, in the world
