"""The cheapest way over a map: Dijkstra on its cells (scipy), wide berths preferred, corners cut where it is free."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from policies.navigation.occupancy import OccupancyMap


@dataclass(frozen=True)
class RouteConfig:
    """How wide a berth the dog gives, m, and how it weighs it."""

    radius_m: float = 0.26
    """Nothing may be nearer to the middle of the trunk: half of the body's width, and swinging feet."""
    berth_m: float = 0.55
    """From here on, farther away is not better."""
    berth_weight: float = 3.0
    """A way along an obstacle counts as so much longer than a free one."""
    unknown_weight: float = 0.5
    """Likewise through what was never seen."""

    def __post_init__(self) -> None:
        if not 0.0 < self.radius_m < self.berth_m or min(self.berth_weight, self.unknown_weight) < 0.0:
            raise ValueError(f"{self} came; 0 < radius_m < berth_m, and no weight may be negative")


_STEPS = ((0, 1, 1.0), (1, 0, 1.0), (1, 1, 2**0.5), (1, -1, 2**0.5))
"""Half of the eight neighbours of a cell, rows and columns, and how far they are: the others are these backwards."""


_SAME = 1.02
"""A straight line may cost so much more than the steps along the cells."""


def plan_route(
    occupancy: OccupancyMap, start: np.ndarray, goals: np.ndarray, config: RouteConfig | None = None
) -> np.ndarray | None:
    """Find the cheapest way from a place to the nearest of some cells.

    A dog that stands too near to something already may leave, though nothing nearer than `radius_m` is entered.

    Args:
        occupancy: what is known of the room.
        start: (2,) m.
        goals: (ny, nx) bool, cells of which any will do.
        config: berth and weights.

    Returns:
        (N, 2) m, places from the start to the goal, straight lines between them; None where there is no way.
    """
    config = config or RouteConfig()
    cost = _cost(occupancy, start, config)
    row, column = (int(index) for index in occupancy.cell(start))
    first, columns = row * cost.shape[1] + column, cost.shape[1]
    reached, before = dijkstra(_graph(cost), directed=False, indices=first, return_predecessors=True)
    there = np.where((goals & np.isfinite(cost)).ravel(), reached, np.inf)
    last = int(there.argmin())
    if not np.isfinite(there[last]):
        return None
    cells = [last]
    while cells[-1] != first:
        cells.append(int(before[cells[-1]]))
    places = occupancy.place(np.stack(np.divmod(cells[::-1], columns), axis=1))
    places[0] = start
    return _straightened(occupancy, places, cost)


def _cost(occupancy: OccupancyMap, start: np.ndarray, config: RouteConfig) -> np.ndarray:
    """Return (ny, nx): how long a metre counts in each cell; infinite where the body does not fit."""
    clearance = occupancy.clearance()
    near = np.clip((config.berth_m - clearance) / (config.berth_m - config.radius_m), 0.0, 1.0)
    cost = 1.0 + config.berth_weight * near + config.unknown_weight * ~occupancy.known
    here = float(clearance[occupancy.cell(start)])
    too_near = clearance < config.radius_m
    if here < config.radius_m:  # out of a tight spot, never nearer to what makes it tight
        too_near &= ~(occupancy.within(start, 2 * config.radius_m) & (clearance >= here - 1e-9))
    return np.where(too_near, np.inf, cost)


def _graph(cost: np.ndarray) -> coo_array:
    """Join neighbouring cells, as far apart as their mean cost says."""
    number = np.arange(cost.size).reshape(cost.shape)
    ny, nx = cost.shape
    starts, ends, lengths = [], [], []
    for down, right, far in _STEPS:
        here = slice(0, ny - down), slice(max(-right, 0), nx - max(right, 0))
        there = slice(down, ny), slice(max(right, 0), nx + min(right, 0))
        length = far * (cost[here] + cost[there]) / 2
        joined = np.isfinite(length)
        starts.append(number[here][joined])
        ends.append(number[there][joined])
        lengths.append(length[joined])
    rows, columns = np.concatenate(starts), np.concatenate(ends)
    return coo_array((np.concatenate(lengths), (rows, columns)), shape=(cost.size, cost.size)).tocsr()


def _straightened(occupancy: OccupancyMap, places: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Leave out places between which a straight line costs no more than the way along them."""
    pieces = [_along(occupancy, cost, a, b) for a, b in pairwise(places)]
    costs = np.concatenate([[0.0], np.cumsum(pieces)])
    kept = [0]
    while (here := kept[-1]) < len(places) - 1:
        far = len(places) - 1 - here
        while far > 1 and _along(occupancy, cost, places[here], places[here + far]) > _SAME * (
            costs[here + far] - costs[here]
        ):
            far //= 2  # a search of all would take longer than finding the way
        kept.append(here + far)
    return places[kept]


def _along(occupancy: OccupancyMap, cost: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    """Return what a straight line costs; infinite through what is too narrow."""
    length = float(np.hypot(*(end - start)))
    count = max(int(np.ceil(2 * length / occupancy.config.cell_m)), 1)
    shares = (np.arange(count) + 0.5)[:, None] / count
    return float(cost[occupancy.cell(start + shares * (end - start))].mean() * length)
