from __future__ import annotations

import numpy as np

from policies.navigation.occupancy import OccupancyMap
from policies.navigation.viewpoints import next_viewpoint


def seen(low: tuple[float, float], high: tuple[float, float]) -> OccupancyMap:
    """A map of a room of which the ground within a rectangle was seen."""
    occupancy = OccupancyMap()
    x, y = np.meshgrid(np.arange(low[0], high[0], 0.03), np.arange(low[1], high[1], 0.03))
    occupancy.look_at_points(np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1), 0.0)
    return occupancy


def test_it_goes_to_the_edge_of_what_was_seen():
    place = next_viewpoint(seen((-1.0, -3.0), (2.0, 3.0)), np.array([-0.5, 0.0]))
    assert place is not None
    assert min(abs(place[0] - 2.0), abs(place[0] + 1.0), abs(abs(place[1]) - 3.0)) < 0.5


def test_it_keeps_away_from_where_it_was_and_from_what_stands_there():
    occupancy = seen((-1.0, -1.0), (2.0, 1.0))
    first = next_viewpoint(occupancy, np.zeros(2))
    second = next_viewpoint(occupancy, np.zeros(2), [first])
    assert np.hypot(*(second - first)) >= 1.2
    occupancy.block(first, 0.3)
    other = next_viewpoint(occupancy, np.zeros(2))
    assert np.hypot(*(other - first)) > 0.5


def test_a_room_that_is_known_and_one_that_is_not_have_no_viewpoint():
    assert next_viewpoint(seen((-5.0, -5.0), (5.0, 5.0)), np.zeros(2)) is None
    assert next_viewpoint(OccupancyMap(), np.zeros(2)) is None
