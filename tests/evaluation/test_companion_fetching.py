"""One errand in Bullet: real legs, a neck that has mass, jaws that hold by friction, and the shipped networks."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from envs.companion.room import RoomConfig
from evaluation.companion import errands
from evaluation.companion.errands import Errands, evaluate_errands
from evaluation.companion.fetching import FetchResult, FetchTask, TrueShape, run, world_of


def made_up(task: FetchTask) -> FetchResult:
    """Cans are brought, and whatever has its true shape; the rest slips, or the dog falls on rough ground."""
    good, rough = task.name.startswith("can") or task.shape == "true", task.room.ground == "rough"
    stage = "delivered" if good else "fell" if rough else "lift"
    why = "it slipped" if stage == "lift" else ""
    return FetchResult(
        task.name, task.seed, task.room.ground, task.shape, good, stage == "fell", stage, why, 1, 0.4, 30.0
    )


def test_errands_are_counted_by_ground_shape_and_stage_and_gone_on_with(tmp_path, monkeypatch):
    done: list[FetchTask] = []
    monkeypatch.setattr(errands, "run", lambda task: done.append(task) or made_up(task))
    args = Errands(runs=4, things=("can", "mug"), out=tmp_path, workers=1, json=str(tmp_path / "a.json"))
    figures = evaluate_errands(args)
    assert json.loads((tmp_path / "a.json").read_text()) == figures
    shares = {(row["ground"], row["shape"]): row for row in figures["rows"]}
    assert {key: row["delivered"]["mean"] for key, row in shares.items()} == {
        ("flat", "completed"): 0.5, ("flat", "true"): 1.0, ("rough", "completed"): 0.5, ("rough", "true"): 1.0,
    }  # fmt: skip
    assert shares["flat", "completed"]["why"] == {"lift: it slipped": 2}
    assert shares["rough", "completed"]["falls"] == 2
    assert figures["things"]["mug"]["n"] == 4 and figures["things"]["mug"]["delivered"]["mean"] == 0.0
    assert [task.name for task in done[:4]] == ["can_900", "mug_900", "can_901", "mug_901"]
    again = evaluate_errands(replace(args, runs=6, resume=True))
    assert len(done) == 4 * 6 and again["rows"][0]["n"] == 6


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"runs": 0}, "--runs 0"),
        ({"things": ("sofa",)}, "no 'sofa_900'"),
        ({"things": ()}, "--things nothing"),
        ({"grounds": ("flat", "flat")}, "--grounds flat flat"),
        ({"shapes": ("guessed",)}, "--shapes guessed"),
    ],
)
def test_what_cannot_be_sent_for_is_refused_first(tmp_path, options, told):
    with pytest.raises(ValueError, match=told):
        evaluate_errands(Errands(out=tmp_path, **options))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_thing_is_brought_to_somebodys_feet_and_lies_there():
    task = FetchTask("can_900", 0, RoomConfig(side_m=5.0, pieces=(), apart_m=(1.5, 2.5)))
    done = run(task)
    assert done.delivered and done.stage == "delivered" and done.why == "", done
    assert done.off_m < 0.9 and done.seconds < 90.0


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
