"""What somebody who feels something would like a dog to do, told by where it is and how it moves, and by nothing else.

Kinds of company follow the behaviour table's own sources on what people read from gait and distance; which of them
comforts whom is this task's assumption, and each episode may have another (`CompanionConfig.wishes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Company(NamedTuple):
    """How a dog keeps somebody company at a moment.

    `far_m` from them, `bearing_rad` of them off the dog's nose, its `speed_m_s`, and whether what was fetched lies
    before them.
    """

    far_m: float
    bearing_rad: float
    speed_m_s: float
    brought: bool = False


class Wish(NamedTuple):
    """Ranges of distance, of the angle to the dog's nose, and of speed; the thing, where it is wished for."""

    far_m: tuple[float, float] = (0.0, np.inf)
    bearing_rad: tuple[float, float] = (0.0, np.pi)
    speed_m_s: tuple[float, float] = (0.0, np.inf)
    thing: bool = False

    def is_met(self, company: Company) -> bool:
        """Tell whether company is as wished."""
        measured = (
            (company.far_m, self.far_m),
            (abs(company.bearing_rad), self.bearing_rad),
            (company.speed_m_s, self.speed_m_s),
        )
        return all(low <= value <= high for value, (low, high) in measured) and (company.brought or not self.thing)


_TOWARDS, _AWAY = (0.0, 0.6), (2.0, np.pi)
WISHES: Mapping[str, Wish] = {
    "neutral": Wish((0.6, 1.6), _TOWARDS),
    "calm": Wish((0.9, 2.2), speed_m_s=(0.1, 0.5)),
    "happy": Wish((0.9, 2.5), speed_m_s=(0.35, 2.0)),
    "sad": Wish((0.0, 1.0), _TOWARDS, (0.0, 0.35)),
    "angry": Wish((2.4, np.inf)),
    "fearful": Wish((0.0, 1.4), _AWAY),
    "disgust": Wish((2.0, np.inf)),
    "surprised": Wish((0.8, np.inf), _TOWARDS, (0.0, 0.1)),
}
"""By feeling; the order is that in which an observation has them."""
