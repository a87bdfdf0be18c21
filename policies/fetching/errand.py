"""Words of an errand: its distances, its stages, and how each went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Stage = Literal[
    "search", "approach", "look", "place", "look again", "reach", "close", "lift", "carry", "put down", "delivered",
    "given up",
]  # fmt: skip


@dataclass(frozen=True)
class FetchConfig:
    """Distances in m, times in s, angles in rad."""

    view_m: float = 0.85
    """From the thing when it is looked at first."""
    deliver_m: float = 0.65
    """From the person when it is put down."""
    look_s: float = 0.6
    """Between two looks on the way; each costs some 10 ms of a core."""
    still_s: float = 0.5
    """Standing still before a look that counts."""
    spots: int = 4
    """Places from which the room is searched."""
    tries: int = 3
    """Grasps, before it gives up."""
    held_m: float = 0.003
    """Jaws that shut further than this hold nothing."""
    turn_rad_s: float = 0.6
    speed_m_s: float = 0.35
    carrying_m_s: float = 0.30

    def __post_init__(self) -> None:
        numbers = self.view_m, self.deliver_m, self.look_s, self.turn_rad_s, self.speed_m_s, self.carrying_m_s
        if min(numbers) <= 0.0 or self.still_s < 0.0 or self.held_m < 0.0 or min(self.spots, self.tries) < 1:
            raise ValueError(f"{self} came; distances, times and speeds must be positive, spots and tries 1 or more")


class FetchEvent(NamedTuple):
    """The end of a stage: when, how it went, and why not."""

    t: float
    stage: Stage
    ok: bool
    why: str = ""
