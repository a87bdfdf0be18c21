"""A run of trials: what it keeps, goes on with and refuses."""

from __future__ import annotations

import csv
import json
from typing import NamedTuple

import pytest

from evaluation.grasping import score_trials
from evaluation.grasping.single import TrialConfig
from evaluation.grasping.trials import Attempt, Done, GraspOptions, Trial, left_out_views, run_tasks, write_table
from geometry.objects import ObjectSet, Skipped, household_object


class Item(NamedTuple):
    number: int


def attempt(number: int) -> Attempt:
    outcome = {
        "held": True,
        "strict": True,
        "cause": "",
        "width_m": 0.05,
        "T_world_hand": [0.0] * 16,
        "plan_seconds": 0.1,
    }
    more = {"attempt": 0, "scene": "pile", "left": 1, "lifted": "x", "shape_seconds": 0.2}
    return Attempt(task=number, cloud="true", **outcome, **more)


def done(item: Item) -> Done[Attempt]:
    if item.number == 1:
        return Done(1, "thing", [], "it rolls")
    return Done(item.number, "x", [attempt(item.number)], "")


@pytest.fixture
def options(tmp_path) -> GraspOptions:
    (tmp_path / "trials.jsonl").touch()  # of a run that was killed at once
    return GraspOptions(out=tmp_path, workers=1, resume=True)


def test_a_run_gives_what_came_of_each_task_in_their_order(options):
    found = run_tasks(done, [Item(2), Item(0), Item(1)], Attempt, options, {"seed": 0})
    assert found == [done(Item(number)) for number in (2, 0, 1)]
    assert run_tasks(pytest.fail, [Item(1), Item(2)], Attempt, options, {"seed": 0}) == [found[2], found[0]]


def test_a_run_does_what_is_missing_and_only_that(options):
    run_tasks(done, [Item(0), Item(1)], Attempt, options, {"seed": 0})
    tried: list[int] = []
    found = run_tasks(
        lambda item: tried.append(item.number) or done(item), [Item(n) for n in range(4)], Attempt, options, {"seed": 0}
    )
    assert tried == [2, 3] and [one.task for one in found] == [0, 1, 2, 3]


def test_rows_of_another_kind_are_refused_before_any_work(options):
    run_tasks(done, [Item(0)], Attempt, options, {"seed": 0})
    kept = (options.out / "trials.jsonl").read_text()
    with pytest.raises(ValueError, match=r"holds no trials of today's kind.*give another --out"):
        run_tasks(pytest.fail, [Item(0), Item(2)], Trial, options, {"seed": 0})
    with pytest.raises(ValueError, match="seed 0 there, 1 now"):
        run_tasks(pytest.fail, [Item(0)], Attempt, options, {"seed": 1})
    assert (options.out / "trials.jsonl").read_text() == kept


@pytest.mark.parametrize("row", [7, None, {}, {"task": 1}], ids=str)
def test_what_is_no_trial_is_refused(options, row):
    path = options.out / "trials.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in ({"settings": {}}, {"key": [1], "row": row})))
    with pytest.raises(ValueError, match="give another --out"):
        run_tasks(pytest.fail, [Item(1)], Attempt, options, {})


def test_a_table_has_a_line_for_each_trial(tmp_path):
    write_table([attempt(0), attempt(3)], tmp_path / "trials.csv")
    with (tmp_path / "trials.csv").open() as file:
        assert [(row["task"], row["lifted"], row["held"]) for row in csv.DictReader(file)] == [
            ("0", "x", "True"), ("3", "x", "True"),
        ]  # fmt: skip
    write_table([], tmp_path / "trials.csv")
    assert (tmp_path / "trials.csv").read_text() == "task\n"


def test_views_that_were_left_out_are_told_by_reason_with_their_objects():
    reasons = {"cup": ["only 3 points of it are seen", "only 21 points of it are seen", ""], "mug": ["it rolls"]}
    tried = [Done[Attempt](0, name, [], reason) for name, several in reasons.items() for reason in several]
    tried += [Done(0, f"thing {number}", [], "it rolls") for number in range(3)]
    assert left_out_views(tried, most=2) == [
        "left out 2 views (only few points of it are seen): of cup (2)",
        "left out 4 views (it rolls): of mug, thing 0 and of 2 more objects",
    ]


def test_learning_the_score_tells_what_it_leaves_out(tmp_path, monkeypatch, capsys):
    things = household_object("box_900"), household_object("mug_900")
    monkeypatch.setattr(score_trials, "load_bodies", lambda *given: ObjectSet([*things], [Skipped("bad", "no mesh")]))
    monkeypatch.setattr(score_trials, "is_held_out", lambda name: name == "mug_900")
    monkeypatch.setattr(score_trials, "run_tasks", lambda *given: [Done(0, "mug_900", [], "no grasp is found")])
    with pytest.raises(ValueError, match="0 trials of 0 objects"):
        score_trials.fit(score_trials.Fit(out=tmp_path, trial=TrialConfig(clouds=("true",))))
    assert capsys.readouterr().err.splitlines() == [
        "left out bad: no mesh",
        "1 objects",
        "passed over 1 objects: the completion network was trained on them",
        "left out 1 views (no grasp is found): of mug_900",
    ]
