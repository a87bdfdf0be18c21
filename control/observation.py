"""The observation in one table: what is in it, how large, how scaled, and how it looks in a mirror.

Controller, mirror, task and learner all read it here; who adds a term adds a line, and fills it in by its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Term(NamedTuple):
    """A part of an observation: `size` numbers, each given as (value - offset) * scale.

    `mirror` names how they look in a mirror, see `control.mirror`.
    """

    name: str
    size: int
    mirror: str
    scale: float = 1.0
    offset: float = 0.0


OBSERVATION = (
    Term("projected_gravity", 3, "vector"),  # unit vector in the trunk's frame
    Term("angular_velocity", 3, "axial", 0.25),  # rad/s in the trunk's frame
    Term("joint_positions", 12, "joints"),  # rad, from those of standing
    Term("joint_velocities", 12, "joints", 0.05),  # rad/s
    Term("target_errors", 12, "joints", 3.0),  # rad, from joints to motor targets
    Term("action", 12, "feet"),  # the last, smoothed
    Term("clock_cosine", 4, "legs"),
    Term("clock_sine", 4, "legs"),
    Term("contacts", 4, "legs"),  # 1 or 0
    Term("command_lin_vel", 2, "plane", 2.0),  # m/s
    Term("command_ang_vel", 1, "odd"),  # rad/s
    Term("frequency", 1, "even", 1.0, 2.4),  # Hz
    Term("duty", 1, "even", 4.0, 0.6),  # as the gait stands now
    Term("swing", 1, "even", 20.0, 0.05),  # m
    Term("bounce", 1, "even"),
    Term("height", 1, "even", 20.0, 0.3),  # m, as the gait stands now
    Term("pitch", 1, "even", 4.0),  # rad
    Term("stepping", 1, "even"),  # 1 or 0
    Term("lin_vel_error", 2, "plane", 2.0),  # m/s, estimate minus command
    Term("lin_vel_error_stride", 2, "plane", 4.0),  # the same, averaged over a stride
    Term("ang_vel_error_stride", 1, "odd", 2.0),  # rad/s, likewise
    Term("caught", 2, "plane", 10.0),  # m, how far the feet are set aside
    Term("height_scan", 12, "scan", 10.0),  # m, around the mean
)
"""Terms of a policy's observation. The first `SENSED` numbers come from sensors with noise."""

PRIVILEGED = (
    Term("lin_vel_error", 2, "plane", 2.0),  # m/s, the truth minus command
    Term("lin_vel_error_stride", 2, "plane", 4.0),
    Term("ang_vel_error_stride", 1, "odd", 2.0),  # rad/s
    Term("lin_vel_z", 1, "even"),  # m/s
    Term("height", 1, "even", 10.0, 0.3),  # m, of the trunk over the ground
    Term("friction", 1, "even", 2.0, 0.7),
    Term("added_mass", 1, "even", 0.3, 2.0),  # kg
    Term("motor_strength", 1, "even", 5.0, 1.0),
    Term("latency", 1, "even", 0.5, 2.0),  # steps of the physics, 4 ms each
)
"""Terms that only a critic may see, behind the observation."""


def layout(terms: Sequence[Term]) -> np.dtype[np.void]:
    """Return the record of the terms by name, as compiled functions fill it in."""
    return np.dtype([(t.name, np.float64, t.size) if t.size > 1 else (t.name, np.float64) for t in terms])


def _column(terms: Sequence[Term], field: str) -> np.ndarray:
    return np.concatenate([np.full(term.size, getattr(term, field)) for term in terms])


SCALES, OFFSETS = _column(OBSERVATION, "scale"), _column(OBSERVATION, "offset")
PRIVILEGED_SCALES, PRIVILEGED_OFFSETS = _column(PRIVILEGED, "scale"), _column(PRIVILEGED, "offset")
OBSERVATION_SIZE, PRIVILEGED_SIZE = len(SCALES), len(PRIVILEGED_SCALES)
SENSED_SIZES = [term.size for term in OBSERVATION[:4]]
SENSED = sum(SENSED_SIZES)
