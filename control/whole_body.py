"""Words between what decides for the companion and its body: what is sensed in a control step, what shall be done."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from control.gait import GaitStyle, VelocityCommand
from robots.head_camera import Look


class BodySensing(NamedTuple):
    """What the dog knows of itself in a control step, and what its camera saw if it was asked to look.

    `position` (2,) m and `yaw` rad are its own estimate; `rotation` (3, 3) R_world_trunk of the inertial unit, of which
    roll and pitch are used; `legs` (12,) and `neck` (5,) rad of the encoders; `opening_m` of the jaws. The pose of
    `look` is not used: it is worked out from the others.
    """

    time_s: float
    position: np.ndarray
    yaw: float
    rotation: np.ndarray
    legs: np.ndarray
    neck: np.ndarray
    opening_m: float
    look: Look | None = None


class BodyAction(NamedTuple):
    """What body, neck and jaws shall do; with `legs` (12,) rad the feet stay planted, else the gait walks."""

    velocity: VelocityCommand
    style: GaitStyle
    neck: np.ndarray
    opening_m: float
    legs: np.ndarray | None = None
    look: bool = False
