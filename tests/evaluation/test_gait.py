from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from control.gait import GAITS
from envs.locomotion.cases import SUITE, Case
from envs.locomotion.walks import walks_fingerprint
from evaluation.gait import evaluate as gait_evaluate
from evaluation.gait.evaluate import Evaluate, evaluate
from evaluation.gait.metrics import Row
from tests.processes import run

WALKS = gait_evaluate._walks
CLOCKED = Evaluate(policy=("none",), seconds=3.0)


def test_figures_do_not_depend_on_the_number_of_workers():
    args = replace(CLOCKED, cells=("trot:0.5", "walk:0.3"), episodes=12)
    assert evaluate(replace(args, workers=1)) == evaluate(replace(args, workers=2))


def test_a_trot_tracks_its_speed_and_an_impossible_walk_does_not_pass():
    args = replace(CLOCKED, cells=("trot:0.5", "walk:1.2"), episodes=3, seconds=4.0, workers=1)
    good, bad = (row.metrics for row in evaluate(args))
    assert good.rmse is not None and good.rmse.mean < 0.06
    assert good.falls.mean == 0
    assert good.progress == pytest.approx(1.0, abs=0.1)
    assert bad.falls.mean > 0 or (bad.rmse is not None and bad.rmse.mean > 0.1)


def test_what_makes_a_walk_hard_makes_it_fall():
    def falls(**more) -> float:
        args = replace(CLOCKED, cells=("trot:0.4",), episodes=6, seconds=5.0, workers=1, **more)
        return evaluate(args)[0].metrics.falls.mean

    assert falls() == 0.0
    assert falls(kick=3.0) > 0.5
    assert falls(terrain="stones") > 0.0


def test_an_order_that_changes_is_measured_after_the_change():
    args = replace(CLOCKED, cells=("trot:0.4",), to_gait="walk", episodes=2, seconds=6.0, workers=1)
    metrics = evaluate(args)[0].metrics
    assert metrics.mean_speed == pytest.approx(0.4, abs=0.08)
    assert metrics.contact_match is not None and metrics.contact_match > 0.8


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [("gallop:0.5", "gallop"), ("trot:9", "-0.6 to 1.2"), ("trot", "gait:speed"), ("trot:nan", "-0.6 to 1.2")],
)
def test_bad_cells_are_named(cell, complaint):
    with pytest.raises(ValueError, match=complaint):
        evaluate(replace(CLOCKED, cells=(cell,), episodes=1))


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"terrain": "lava"}, "lava.*stairs"),
        ({"friction": -1.0}, "friction -1.0"),
        ({"latency_ms": 50.0}, "0.0 to 20.0"),
        ({"suite": ("nonsense",)}, "nonsense.*kicks"),
        ({"cells": ()}, "--cells came without one"),
        ({"cells": ("trot:0.5", "trot:0.50")}, "names a cell twice"),
        ({"policy": ()}, "policy"),
        ({"policy": ("/nowhere",)}, "/nowhere"),
        ({"episodes": 0}, "episodes 0"),
        ({"to_gait": "gallop"}, "gallop"),
    ],
)
def test_bad_options_are_named(more, complaint):
    with pytest.raises(ValueError, match=complaint):
        evaluate(replace(CLOCKED, **{"cells": ("trot:0.5",), "episodes": 1, **more}))


def test_the_suite_has_no_case_twice_and_every_gait():
    cases = [case for part in SUITE.values() for case in part]
    assert len(set(cases)) == len(cases)
    assert {case.gait for case in cases} == {"trot", "walk", "pace", "bound", "pronk"}
    assert Case("trot", 0.8) in SUITE["tracking"]


def test_titles_tell_all_cases_apart_and_round_speeds_stay_short():
    assert Case("trot", 0.1234567).title != Case("trot", 0.1234568).title
    assert [Case("trot", speed).title for speed in (1.0, -0.5, 0.1 + 0.2)] == [
        "trot 1 m/s",
        "trot -0.5 m/s",
        "trot 0.30000000000000004 m/s",
    ]


def test_the_script_writes_one_json_object_and_nothing_else(tmp_path):
    command = ["python", "train_gait.py", "evaluate", "--cells", "trot:0.5", "--episodes", "1", "--seconds", "3"]
    more = ["--policy", "none", "--json", "-", "--plots", str(tmp_path)]
    done = run(*command, *more)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)["rows"][0]
    assert {"policy", "gait", "speed", "terrain", "kick", "episodes", "rmse", "falls", "yaw_drift"} <= set(row)
    assert {path.name for path in tmp_path.iterdir()} == {"tracking.png", "contacts.png", "survival.png"}
    assert all(path.stat().st_size > 5000 for path in tmp_path.iterdir())


SHORT = replace(CLOCKED, cells=("trot:0.5", "walk:0.3"), episodes=2, workers=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Rows of two cases, and the folder that keeps them."""
    folder = tmp_path_factory.mktemp("gaits")
    return evaluate(replace(SHORT, out=folder)), folder


def kept(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "gait.jsonl").read_text().splitlines()]


def copied(folder: Path, lines: list[dict]) -> Path:
    (folder / "gait.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_a_broken_run_goes_on_where_it_was(whole, tmp_path, monkeypatch):
    rows, folder = whole
    walked = []
    monkeypatch.setattr(gait_evaluate, "_walks", lambda task: walked.append(task.case) or WALKS(task))
    assert evaluate(replace(SHORT, out=copied(tmp_path, kept(folder)[:2]), resume=True)) == rows
    assert set(walked) == {Case("walk", 0.3)}
    assert kept(tmp_path) == kept(folder)


def test_what_was_walked_is_kept_when_the_run_breaks(tmp_path, monkeypatch):
    def walks(task):
        if task.case.gait == "walk":
            raise KeyboardInterrupt
        return WALKS(task)

    monkeypatch.setattr(gait_evaluate, "_walks", walks)
    with pytest.raises(KeyboardInterrupt):
        evaluate(replace(SHORT, out=tmp_path))
    assert [line["row"]["gait"] for line in kept(tmp_path)[1:]] == ["trot"]


def test_another_policy_joins_the_rows_that_are_there(whole, tmp_path, monkeypatch):
    rows, folder = whole
    walked = []
    monkeypatch.setattr(gait_evaluate, "_walks", lambda task: walked.append(task.policy) or WALKS(task))
    both = replace(SHORT, policy=("none", "default"), out=copied(tmp_path, kept(folder)), resume=True)
    found = evaluate(replace(both, json=str(tmp_path / "both.json")))
    assert [(row.case.gait, row.policy) for row in found] == [
        ("trot", "none"), ("trot", "default"), ("walk", "none"), ("walk", "default"),
    ]  # fmt: skip
    assert [row for row in found if row.policy == "none"] == rows
    assert None not in walked, "the clocked gait had been walked"
    held = json.loads((tmp_path / "both.json").read_text())
    assert list(map(Row.read, held["rows"])) == found
    assert list(held["policies"]) == ["none", "default"]


def test_walks_of_other_weights_under_the_same_name_are_walked_anew(whole, tmp_path):
    header, trot, walk = kept(whole[1])
    trot["key"][1], trot["row"]["mean_speed"] = "other weights", 9.0
    assert evaluate(replace(SHORT, out=copied(tmp_path, [header, trot, walk]), resume=True)) == whole[0]


def spoilt(line: dict, **metrics) -> dict:
    return {**line, "row": line["row"] | metrics}


@pytest.mark.parametrize(
    ("change", "more", "complaint"),
    [
        (lambda lines: lines, {"seed": 1}, "seed 0 there, 1 now"),
        (lambda lines: lines, {"cells": ("trot:0.5",)}, "cells"),
        (lambda lines: lines[1:], {}, "holds no results"),
        (lambda lines: [lines[0], {}], {}, "line 2 .* damaged"),
        (lambda lines: [lines], {}, "holds no results"),
        (lambda lines: [lines[0], {**lines[1], "row": {}}], {}, "today's kind"),
        (lambda lines: [lines[0], spoilt(lines[1], falls=None)], {}, "falls None"),
        (lambda lines: [lines[0], spoilt(lines[1], falls="many")], {}, "today's kind"),
        (lambda lines: [lines[0], spoilt(lines[1], rmse_instant=float("nan"))], {}, "rmse_instant nan"),
        (lambda lines: [lines[0], spoilt(lines[1], mean_speed="fast")], {}, "mean_speed 'fast'"),
        (lambda lines: [{"settings": lines[0]["settings"] | {"walks_fingerprint": "another dog"}}], {}, "another dog"),
    ],
)
def test_metrics_of_other_walks_are_not_mixed_in(whole, tmp_path, change, more, complaint):
    copied(tmp_path, change(kept(whole[1])))
    text = (tmp_path / "gait.jsonl").read_text()
    with pytest.raises(ValueError, match=complaint):
        evaluate(replace(SHORT, out=tmp_path, resume=True, **more))
    assert (tmp_path / "gait.jsonl").read_text() == text


def test_walks_of_a_gait_that_was_changed_are_others(monkeypatch):
    before = walks_fingerprint()
    assert walks_fingerprint() == before
    monkeypatch.setitem(GAITS, "trot", replace(GAITS["trot"], drift_m_s=GAITS["trot"].drift_m_s + 0.01))
    assert walks_fingerprint() != before


def test_rows_that_were_there_are_put_aside(tmp_path):
    copied(tmp_path, [{"of": "another day"}])
    evaluate(replace(CLOCKED, cells=("walk:0.3",), episodes=1, workers=1, out=tmp_path))
    assert len(kept(tmp_path)) == 2
    assert json.loads((tmp_path / "gait.old.jsonl").read_text()) == {"of": "another day"}


def test_to_resume_takes_a_folder():
    with pytest.raises(ValueError, match="--out"):
        evaluate(replace(SHORT, resume=True))
