"""The file of a run: what it keeps, gives back and refuses."""

from __future__ import annotations

import json

import pytest

from evaluation.grasping.ledger import Attempt, Done, Ledger, Row


def attempts(*numbers: int) -> list[Done[Attempt]]:
    grasp = [0.0] * 16
    return [
        Done(n, "x", [Attempt(n, 0, "pile", "true", 1, True, True, "", "x", 0.05, grasp, 0.1, 0.2)], "")
        for n in numbers
    ]


def test_a_ledger_of_before_is_kept_beside_the_new_one(tmp_path):
    path = tmp_path / "deep" / "trials.jsonl"
    for done in attempts(2, 0):
        Ledger(path, {"seed": 0}, False, Attempt).add(done)
    assert [one["task"] for one in map(json.loads, path.read_text().splitlines()[1:])] == [0]
    old = path.with_name("trials.old.jsonl").read_text().splitlines()
    assert json.loads(old[0]) == {"settings": {"seed": 0}} and json.loads(old[1])["task"] == 2


def test_a_ledger_gives_back_what_was_added_in_the_order_of_tasks(tmp_path):
    path = tmp_path / "trials.jsonl"
    ledger = Ledger(path, {"seed": 0}, True, Attempt)
    for done in [*attempts(2, 0), Done(1, "thing", [], "it rolls")]:
        ledger.add(done)
    again = Ledger(path, {"seed": 0}, True, Attempt)
    assert again.done == ledger.done and [row.task for row in again.rows] == [0, 2]
    assert list(again.left_out) == [("thing", "it rolls")]


@pytest.mark.parametrize(
    "text",
    [
        "no JSON\n",
        "[]\n",
        '{"settings": 3}\n',
        '{"settings": {"seed": 0}}\n{"task": 1}\n',
        '{"settings": {"seed": 0}}\n7\n',
    ],
)
def test_a_file_that_is_no_ledger_is_left_alone(tmp_path, text):
    path = tmp_path / "trials.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match="give another --out"):
        Ledger(path, {"seed": 0}, True, Row)
    assert path.read_text() == text


def test_what_was_there_is_never_overwritten(tmp_path):
    for number in range(4):
        Ledger(tmp_path / "trials.jsonl", {"seed": number}, False, Attempt)
    names = ("trials.old.jsonl", "trials.old2.jsonl", "trials.old3.jsonl", "trials.jsonl")
    assert [json.loads((tmp_path / name).read_text())["settings"]["seed"] for name in names] == [0, 1, 2, 3]


def test_a_damaged_line_is_told_by_its_number(tmp_path):
    path = tmp_path / "trials.jsonl"
    ledger = Ledger(path, {"seed": 0}, False, Attempt)
    for done in attempts(0, 1, 2):
        ledger.add(done)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], lines[2][:30] + "\n", lines[3]]))
    with pytest.raises(ValueError, match="line 3 of"):
        Ledger(path, {"seed": 0}, True, Attempt)
    path.write_text("".join([*lines[:2], lines[3]]))
    assert sorted(Ledger(path, {"seed": 0}, True, Attempt).done) == [0, 2]


@pytest.mark.parametrize("text", ["", '{"settings": {"se'], ids=["empty", "cut off"])
def test_a_ledger_that_was_cut_off_at_its_head_begins_anew(tmp_path, text):
    path = tmp_path / "trials.jsonl"
    path.write_text(text)
    Ledger(path, {"seed": 0}, True, Attempt).add(attempts(4)[0])
    assert list(Ledger(path, {"seed": 0}, True, Attempt).done) == [4]
