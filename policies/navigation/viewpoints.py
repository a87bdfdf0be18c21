"""Where to look from next: a free place from which much is seen that never was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import uniform_filter

from policies.navigation.occupancy import OccupancyMap

_ROOM_M = 0.35
"""A place to look from is so far from everything."""
_AROUND_M = 3.0
"""What is unknown in a square of this side counts."""
_APART_M = 1.2
_WORTH_M2 = 0.5
"""Less that is unknown is not worth a walk."""
_METRE_COSTS_M2 = 0.25


def next_viewpoint(
    occupancy: OccupancyMap, position: np.ndarray, visited: Sequence[np.ndarray] = ()
) -> np.ndarray | None:
    """Choose a place (2,) m that was seen to be free and has much around it that was not seen; None where is none.

    Frontiers after Yamauchi (1997), "A frontier-based approach for autonomous exploration", but for the walk's length,
    which counts against them.

    Args:
        occupancy: what is known of the room.
        position: (2,) m, the dog.
        visited: places (2,) m that were looked from already; it keeps away from them.
    """
    cells = round(_AROUND_M / occupancy.config.cell_m)
    unknown_m2 = uniform_filter((~occupancy.known).astype(float), cells, mode="constant") * _AROUND_M**2
    good = occupancy.known & (occupancy.clearance() >= _ROOM_M) & (unknown_m2 >= _WORTH_M2)
    for place in visited:
        good &= ~occupancy.within(place, _APART_M)
    if not good.any():
        return None
    worth = np.where(good, unknown_m2 - _METRE_COSTS_M2 * occupancy.distances(position), -np.inf)
    best: np.ndarray = occupancy.place(np.array(np.unravel_index(int(worth.argmax()), worth.shape)))
    return best
