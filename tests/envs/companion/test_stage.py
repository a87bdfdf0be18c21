from __future__ import annotations

import numpy as np
import pytest

from envs.companion.person import Sit, WalkTo
from envs.companion.room import RoomConfig, furnish
from envs.companion.stage import Stage, Thing
from geometry.objects import ObjectModel
from geometry.solids import at, turned
from robots.world import World

CAN = at(turned([(0.03, 0.0), (0.03, 0.1)]), 0.0, 0.0, -0.05)
MODEL = ObjectModel("can", CAN.surface, tuple(CAN.parts))


@pytest.fixture
def world():
    with World() as made:
        yield made


def ray(world: World, start, end):
    """The body that a ray meets first, and where."""
    body, _, _, place, _ = world.client.rayTest(start, end)[0]
    return body, np.array(place)


def test_what_stands_is_where_the_room_says(world):
    room = furnish(RoomConfig(), np.random.default_rng(3))
    stage = Stage(world, room)
    table = next(piece for piece in room.furniture if piece.name == "low table")
    body, place = ray(world, (*table.place, 1.0), (*table.place, -1.0))
    assert body == stage.furniture[len(room.walls) + room.furniture.index(table)]
    assert place[2] == pytest.approx(0.20, abs=1e-6)
    for x, y in ((5.0, 0.0), (-5.0, 0.0), (0.0, 5.0), (0.0, -5.0)):
        assert ray(world, (0.9 * x, 0.9 * y, 1.1), (x, y, 1.1))[0] == -1, "nothing stands outside"
        start = (0.7 * x, 0.7 * y, 1.15)
        met = ray(world, start, (x, y, 1.15))
        assert met[0] in stage.furniture[:4] and np.abs(met[1]).max() == pytest.approx(4.0, abs=1e-3)


def test_the_person_can_be_touched_where_their_parts_are_and_walks_through_nothing(world):
    room = furnish(RoomConfig(pieces=(), apart_m=(2.0, 3.0)), np.random.default_rng(0))
    stage = Stage(world, room)
    x, y = stage.person.place
    _, place = ray(world, (x, y, 2.5), (x, y, 0.0))
    assert place[2] > 1.5, "the head"
    stage.person.ask(Sit())
    for _ in range(100):
        stage.step(0.02)
    _, seated = ray(world, (*stage.person.frames()[1][:2, 3], 2.5), (*stage.person.frames()[1][:2, 3], 0.0))
    assert seated[2] < place[2] - 0.3


def test_somebody_who_walks_into_a_thing_pushes_it_and_the_ground_holds_it(world):
    room = furnish(RoomConfig(pieces=(), apart_m=(2.0, 3.0)), np.random.default_rng(0))
    x, y, _ = room.person
    where = (x - 1.0 * np.sign(x), y + 0.09)  # in the way of one foot
    stage = Stage(world, room, [Thing(MODEL, where, yaw=0.4)])
    for _ in range(250):
        world.step()
    assert stage.thing_position(0) == pytest.approx((*where, 0.05), abs=2e-3)
    assert not stage.touches_person(stage.things[0])
    stage.person.ask(WalkTo((x - 1.6 * np.sign(x), y)))
    touched = False
    for _ in range(300):
        stage.step(0.02)
        world.step(5)
        touched |= stage.touches_person(stage.things[0])
    moved = stage.thing_position(0)
    assert touched and np.hypot(*(moved[:2] - where)) > 0.03 and moved[2] > 0.02


def test_things_lie_on_uneven_ground_and_the_person_stands_on_it(world):
    room = furnish(RoomConfig(ground="step", pieces=()), np.random.default_rng(5))
    assert room.heights is not None
    high = np.argwhere(room.heights > 0.07)
    row, column = high[len(high) // 2]
    n = len(room.heights)
    where = ((column - n // 2) * 0.05, (row - n // 2) * 0.05)
    stage = Stage(world, room, [Thing(MODEL, where)])
    for _ in range(100):
        world.step()
    assert stage.thing_position(0)[2] == pytest.approx(0.08 + 0.05, abs=5e-3)
    stage.person.reset(where, 0.0)
    stage.step(0.02)
    feet = [world.pose(limb)[0][2] for limb in (stage._limbs[8], stage._limbs[11])]
    assert min(feet) == pytest.approx(0.08 + 0.07, abs=0.01)
