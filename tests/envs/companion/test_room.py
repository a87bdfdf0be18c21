from __future__ import annotations

import numpy as np
import pytest

from envs.companion.room import GROUNDS, PIECES, RoomConfig, furnish
from envs.locomotion.terrain import CELL_M

SEEDS = range(12)


def rooms(config: RoomConfig | None = None):
    return [furnish(config or RoomConfig(), np.random.default_rng(seed)) for seed in SEEDS]


def test_dog_and_person_stand_free_within_the_walls_and_as_far_apart_as_was_said():
    config = RoomConfig()
    for room in rooms():
        dog, person = np.array(room.dog[:2]), np.array(room.person[:2])
        assert config.apart_m[0] <= np.hypot(*(dog - person)) <= config.apart_m[1]
        for place in (dog, person):
            assert room.clearance(place) >= config.passage_m / 2
            assert np.abs(place).max() < config.side_m / 2


def test_the_person_faces_the_dog():
    for room in rooms():
        away = np.array(room.dog[:2]) - room.person[:2]
        assert np.cos(room.person[2] - np.arctan2(away[1], away[0])) == pytest.approx(1.0)


def test_things_leave_passages_and_stand_within_the_walls():
    config = RoomConfig()
    for room in rooms():
        assert len(room.furniture) >= 3
        for index, piece in enumerate(room.furniture):
            assert np.abs(piece.corners).max() <= config.side_m / 2 + 1e-9
            for other in room.furniture[:index]:
                assert other.distance(np.array(piece.place)) >= config.passage_m
                assert min(other.distance(corner) for corner in piece.corners) >= config.passage_m


def test_walls_close_the_room():
    room = furnish(RoomConfig(side_m=6.0), np.random.default_rng(0))
    for place in ((3.05, 0.0), (-3.05, 0.0), (0.0, 3.05), (0.0, -3.05), (3.05, 3.05)):
        assert room.clearance(np.array(place)) == 0.0
    assert min(wall.distance(np.zeros(2)) for wall in room.walls) == pytest.approx(3.0)


@pytest.mark.parametrize("ground", GROUNDS)
def test_the_ground_is_as_asked_and_level_under_furniture(ground):
    for room in rooms(RoomConfig(ground=ground)):
        if ground == "flat":
            assert room.heights is None
            assert room.height(np.zeros(2)) == 0.0
            continue
        assert room.heights.min() >= 0.0
        assert room.heights.max() == pytest.approx({"step": 0.08, "patches": 0.05, "rough": 0.04}[ground], abs=0.005)
        half = (room.heights.shape[0] - 1) * CELL_M / 2
        assert half >= room.side_m / 2 + 0.5
        for piece in room.furniture:
            assert room.height(np.array(piece.place)) == 0.0


def test_same_seed_same_room():
    one, other = (furnish(RoomConfig(ground="patches"), np.random.default_rng(7)) for _ in range(2))
    assert one.furniture == other.furniture
    assert one.dog == other.dog
    np.testing.assert_array_equal(one.heights, other.heights)


@pytest.mark.parametrize("name", PIECES)
def test_the_extent_of_each_piece_is_that_of_its_shapes(name):
    shapes, size = PIECES[name](np.random.default_rng(0))
    for axis in (0, 1):
        reach = [
            abs(shape.position[axis]) + (shape.size[axis] / 2 if shape.kind == "box" else shape.size[0])
            for shape in shapes
        ]
        assert max(reach) == pytest.approx(size[axis] / 2, abs=1e-9)
    lowest = [shape.position[2] - (shape.size[2] / 2 if shape.kind == "box" else shape.size[1] / 2) for shape in shapes]
    assert min(lowest) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ground": "lava"}, "flat, patches"),
        ({"pieces": ("piano",)}, "low table"),
        ({"side_m": 1.0}, "side_m"),
        ({"apart_m": (3.0, 2.0)}, "apart_m"),
        ({"side_m": 4.0, "apart_m": (3.0, 4.0)}, "apart"),
    ],
)
def test_what_cannot_be_is_refused(changes, named):
    with pytest.raises(ValueError, match=named):
        RoomConfig(**changes)


def test_a_room_too_full_for_anybody_says_so():
    with pytest.raises(RuntimeError, match="leave out pieces"):
        furnish(
            RoomConfig(side_m=3.0, pieces=("sofa",) * 4, passage_m=0.9, apart_m=(1.0, 1.0)), np.random.default_rng(0)
        )
