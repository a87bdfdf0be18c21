from __future__ import annotations

import numpy as np
import pytest

from perception.people import PeopleConfig, PersonTracker, Somebody, find_people
from perception.things import ThingsError

EYE = np.zeros(2)


def column(x: float, y: float, low: float, high: float, wide: float, points: int = 400, seed: int = 0) -> np.ndarray:
    """Points on something upright."""
    rng = np.random.default_rng(seed)
    return np.column_stack(
        [
            x + wide * rng.uniform(-0.5, 0.5, points),
            y + wide * rng.uniform(-0.5, 0.5, points),
            rng.uniform(low, high, points),
        ]
    )


def test_who_stands_and_who_sits_is_found_and_furniture_is_not():
    standing, sitting = column(2.0, 1.0, 0.0, 1.7, 0.4), column(3.0, -2.0, 0.3, 1.26, 0.4, 3000)
    shelf, wall = (
        column(1.0, -1.0, 0.0, 1.1, 0.8),
        np.vstack([column(4.0, y, 0, 1.2, 0.1) for y in np.arange(-3, 3, 0.1)]),
    )
    found = find_people(np.vstack([standing, sitting, shelf, wall]), np.array([2.0, 0.0]))
    assert len(found) == 2
    places = sorted(tuple(one.place.round(1).tolist()) for one in found)
    assert places == [(2.0, 1.0), (3.0, -2.0)]
    assert sorted(round(one.top_m, 1) for one in found) == [1.3, 1.7]


def test_what_is_too_tall_too_wide_or_too_little_is_nobody():
    lamp, crowd, speck = column(1, 1, 0, 2.3, 0.3), column(3, 0, 0, 1.7, 1.5, 4000), column(0, 3, 1.2, 1.6, 0.2, 8)
    assert find_people(np.vstack([lamp, crowd, speck]), EYE) == []
    assert find_people(np.empty((0, 3)), EYE) == []


def test_what_is_no_cloud_is_refused():
    with pytest.raises(ThingsError, match=r"\(5, 2\)"):
        find_people(np.zeros((5, 2)), EYE)
    for wrong in ({"above_m": 1.3}, {"least_points": 0}, {"cell_m": 0.0}):
        with pytest.raises(ValueError, match="came"):
            PeopleConfig(**wrong)


def somebody(x: float, y: float) -> Somebody:
    return Somebody(np.array([x, y]), 1.7)


def test_the_person_is_who_speaks_and_stays_that_one():
    tracker, eye = PersonTracker(), np.zeros(2)
    left, right = somebody(2.0, 2.0), somebody(2.0, -2.0)
    assert tracker.see([left, right], eye, 0.0, voice_azimuth=-0.7) is right.place
    assert tracker.see([left, somebody(2.2, -1.6)], eye, 1.0) == pytest.approx((2.2, -1.6))
    assert tracker.see([left], eye, 2.0) == pytest.approx((2.2, -1.6)), "nobody jumps across a room"
    assert tracker.seen_s == 1.0
    assert tracker.see([left, right], eye, 3.0, voice_azimuth=0.8) is left.place, "now somebody else speaks"
    tracker.reset()
    assert tracker.place is None and tracker.see([], eye, 0.0) is None


def test_a_small_shift_is_believed_in_part_and_a_step_at_once():
    tracker, eye = PersonTracker(), np.zeros(2)
    tracker.see([somebody(2.0, 0.0)], eye, 0.0)
    assert tracker.see([somebody(2.2, 0.0)], eye, 1.0) == pytest.approx((2.08, 0.0))
    assert tracker.see([somebody(2.2, 0.0)], eye, 2.0) == pytest.approx((2.128, 0.0))
    assert tracker.see([somebody(2.128, 0.5)], eye, 3.0) == pytest.approx((2.128, 0.5))


def test_what_is_far_must_be_taller_and_who_sits_in_silence_is_not_met():
    far, near = column(7.0, 0.0, 0.3, 1.26, 0.4, 3000), column(1.5, 0.0, 0.3, 1.26, 0.4, 3000)
    assert find_people(far, EYE) == [] and len(find_people(near, EYE)) == 1
    assert PersonTracker().see(find_people(near, EYE), EYE, 0.0) is None
    assert PersonTracker().see(find_people(near, EYE), EYE, 0.0, voice_azimuth=0.1) is not None


def test_nobody_is_taken_for_the_person_while_the_voice_comes_from_elsewhere():
    tracker = PersonTracker()
    assert tracker.see([somebody(2.0, 2.0)], np.zeros(2), 0.0, voice_azimuth=-2.0) is None
    assert tracker.see([somebody(2.0, 2.0)], np.zeros(2), 0.0) is not None
