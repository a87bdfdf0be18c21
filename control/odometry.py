"""Where the dog believes to be: its velocity, as legs and inertial unit tell it, summed up from where it began."""

from __future__ import annotations

import numpy as np

from control.velocity_estimator import NO_ERROR, ImuError, VelocityEstimator
from geometry.transforms import wrap
from robots.quadruped import QuadrupedSpec, QuadrupedState


class Odometry:
    """Dead reckoning: it drifts by up to a tenth of the way, which whoever goes by it must bear with.

    Attributes:
        place: (2,) m, in a world in which the dog began at `place` and `yaw` of the last `reset`.
        yaw: rad; it is not wrapped, so that turns can be counted.
    """

    def __init__(self, spec: QuadrupedSpec, dt_s: float = 0.02, gyro_bias: float = 0.0) -> None:
        """Begin at the origin; `gyro_bias` rad/s is what the gyroscope reads too much about the vertical."""
        self._estimator, self._dt_s, self._gyro_bias = VelocityEstimator(spec, dt_s), dt_s, gyro_bias
        self.reset()

    def reset(self, place: tuple[float, float] = (0.0, 0.0), yaw: float = 0.0) -> None:
        """Begin anew, standing still at a place, m, with a heading, rad."""
        self._estimator.reset()
        self.place, self.yaw = np.array(place, float), float(yaw)
        self._last_yaw: float | None = None

    @property
    def velocity(self) -> tuple[float, float]:
        """(forward, left) m/s, as estimated."""
        return self._estimator.velocity

    def update(self, state: QuadrupedState, contacts: list[bool], error: ImuError = NO_ERROR, z: float = 0.0) -> None:
        """Take one reading, as `VelocityEstimator.update`; of the heading only its change since the last is used."""
        seen = self._estimator.update(state, contacts, error, z)
        turned = 0.0
        if self._last_yaw is not None:
            turned = wrap(seen.yaw - self._last_yaw) + self._gyro_bias * self._dt_s
        self._last_yaw = seen.yaw
        ahead, left = self.velocity
        middle = self.yaw + turned / 2
        c, s = np.cos(middle), np.sin(middle)
        self.place = self.place + self._dt_s * np.array([c * ahead - s * left, s * ahead + c * left])
        self.yaw += turned
