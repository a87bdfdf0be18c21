"""One errand in Bullet: real legs, a neck that has mass, jaws that hold by friction, and the shipped networks."""

from __future__ import annotations

import numpy as np
import pytest

from envs.companion.room import RoomConfig
from evaluation.companion import fetching
from evaluation.companion.fetching import FetchTask, TrueShape, bring, run, world_of
from perception.completion.model import CompletionModel

ROOM = RoomConfig(side_m=5.0, pieces=(), apart_m=(1.5, 2.5))


@pytest.mark.slow
def test_a_thing_is_brought_to_somebodys_feet_and_lies_there():
    with world_of(FetchTask("can_900", 0, ROOM)) as world:
        fetcher = bring(world, CompletionModel.load())
        position = world.stage.thing_position(0)
        assert fetcher.stage == "delivered" and not world.fallen, fetcher.events
        assert np.hypot(*(position[:2] - world.person)) < 0.75
        assert position[2] < 0.08
        assert world.state.legs.upright > 0.95 and world.time_s < 90.0


def test_an_errand_that_fails_says_at_which_stage_and_why(monkeypatch):
    monkeypatch.setattr(fetching, "MOST_S", 1.0)
    done = run(FetchTask("can_900", 1, ROOM))
    assert not done.delivered and not done.fell
    assert (done.stage, done.why, done.tries) == ("search", "it took too long", 1)


def test_the_true_shape_is_where_the_dog_believes_the_thing_to_be():
    task = FetchTask("can_900", 1, RoomConfig(side_m=5.0, pieces=()))
    with world_of(task) as world:
        world.odometry.reset((0.3, 0.2), world.room.dog[2] + 0.1)
        shape = TrueShape(world, 0)
        cloud = np.zeros((200, 3))
        whole = shape.complete(cloud)
        x, y, _ = world.room.dog
        away = world.stage.thing_position(0)[:2] - (x, y)
        c, s = np.cos(0.1), np.sin(0.1)
        expected = np.add([c * away[0] - s * away[1], s * away[0] + c * away[1]], (0.3, 0.2))
        assert np.abs(whole.points[:, :2].mean(axis=0) - expected).max() < 0.03
        assert whole.points[:, 2].min() == pytest.approx(0.0, abs=2e-3)
