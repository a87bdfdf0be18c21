from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from control.gait import GAITS
from envs.locomotion.cases import SUITE, Case
from envs.locomotion.walks import walks_fingerprint
from evaluation.gait import evaluate as gait_evaluate
from evaluation.gait.evaluate import Evaluate, evaluate
from tests.conftest import PATIENCE_S, ROOT

WALKS = gait_evaluate._walks
CLOCKED = Evaluate(policy=("none",), seconds=3.0)


def test_figures_do_not_depend_on_the_number_of_workers():
    args = replace(CLOCKED, cells=("trot:0.5", "walk:0.3"), episodes=12)
    assert evaluate(replace(args, workers=1)) == evaluate(replace(args, workers=2))


def test_a_trot_tracks_its_speed_and_an_impossible_walk_does_not_pass():
    args = replace(CLOCKED, cells=("trot:0.5", "walk:1.2"), episodes=3, seconds=4.0, workers=1)
    good, bad = (row.metrics for row in evaluate(args))
    assert good.rmse is not None and good.rmse < 0.06
    assert good.falls == 0
    assert good.progress == pytest.approx(1.0, abs=0.1)
    assert bad.falls > 0 or (bad.rmse is not None and bad.rmse > 0.1)


def test_what_makes_a_walk_hard_makes_it_fall():
    def falls(**more) -> float:
        args = replace(CLOCKED, cells=("trot:0.4",), episodes=6, seconds=5.0, workers=1, **more)
        return evaluate(args)[0].metrics.falls

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
        ({"policy": ()}, "policy"),
        ({"policy": ("/nowhere",)}, "/nowhere"),
        ({"episodes": 0}, "episodes 0"),
        ({"to_gait": "gallop"}, "gallop"),
    ],
)
def test_bad_options_are_named(more, complaint):
    with pytest.raises(ValueError, match=complaint):
        evaluate(replace(CLOCKED, cells=("trot:0.5",), **{"episodes": 1, **more}))


def test_the_suite_has_no_case_twice_and_every_gait():
    cases = [case for part in SUITE.values() for case in part]
    assert len(set(cases)) == len(cases)
    assert {case.gait for case in cases} == {"trot", "walk", "pace", "bound", "pronk"}
    assert Case("trot", 0.8) in SUITE["tracking"]


def test_the_script_writes_one_json_object_and_nothing_else(tmp_path):
    command = [sys.executable, "train_gait.py", "evaluate", "--cells", "trot:0.5", "--episodes", "1", "--seconds", "3"]
    more = ["--policy", "none", "--json", "-", "--plots", str(tmp_path)]
    done = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    row = json.loads(done.stdout)["rows"][0]
    assert {"policy", "gait", "speed", "terrain", "kick", "episodes", "rmse", "falls", "yaw_drift"} <= set(row)
    assert {path.name for path in tmp_path.iterdir()} == {"tracking.png", "contacts.png", "survival.png"}
    assert all(path.stat().st_size > 5000 for path in tmp_path.iterdir())


SHORT = replace(CLOCKED, cells=("trot:0.5", "walk:0.3"), episodes=2, workers=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Figures of two cases, and their file."""
    path = tmp_path_factory.mktemp("figures") / "all.json"
    return evaluate(replace(SHORT, json=str(path))), path


def test_a_broken_run_goes_on_where_it_was(whole, tmp_path, monkeypatch):
    rows, path = whole
    held = json.loads(path.read_text())
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({**held, "rows": held["rows"][:1]}))
    walked = []
    monkeypatch.setattr(gait_evaluate, "_walks", lambda *args: walked.append(args[0]) or WALKS(*args))
    assert evaluate(replace(SHORT, json=str(broken), resume=True)) == rows
    assert set(walked) == {Case("walk", 0.3)}
    assert json.loads(broken.read_text()) == held


def test_what_was_walked_is_in_the_file_when_the_run_breaks(tmp_path, monkeypatch):
    def walks(one, *args):
        if one.gait == "walk":
            raise KeyboardInterrupt
        return WALKS(one, *args)

    monkeypatch.setattr(gait_evaluate, "_walks", walks)
    path = tmp_path / "half.json"
    with pytest.raises(KeyboardInterrupt):
        evaluate(replace(SHORT, json=str(path)))
    assert [row["gait"] for row in json.loads(path.read_text())["rows"]] == ["trot"]


def test_another_policy_joins_the_rows_that_are_there(whole, tmp_path):
    _, path = whole
    copy = tmp_path / "both.json"
    copy.write_text(path.read_text())
    evaluate(replace(SHORT, policy=("default",), json=str(copy), resume=True))
    rows = json.loads(copy.read_text())["rows"]
    assert [(row["gait"], row["policy"]) for row in rows] == [
        ("trot", "none"), ("trot", "default"), ("walk", "none"), ("walk", "default"),
    ]  # fmt: skip
    assert [row for row in rows if row["policy"] == "none"] == json.loads(path.read_text())["rows"]


def spoilt(held: dict, **metrics) -> dict:
    return {**held, "rows": [held["rows"][0] | metrics, *held["rows"][1:]]}


@pytest.mark.parametrize(
    ("change", "more", "complaint"),
    [
        (lambda held: held, {"seed": 1}, "seed 0 there, 1 now"),
        (lambda held: held, {"cells": ("trot:0.5",)}, "cells"),
        (lambda held: {**held, "policies": {"none": "other"}}, {}, "other weights of none"),
        (lambda held: {"rows": held["rows"]}, {}, "holds no figures"),
        (lambda held: {**held, "rows": [{}]}, {}, "holds no figures"),
        (lambda held: [held], {}, "holds no figures"),
        (lambda held: spoilt(held, falls=None), {}, "falls None"),
        (lambda held: spoilt(held, falls="many"), {}, "falls 'many'"),
        (lambda held: spoilt(held, rmse=float("nan")), {}, "rmse nan"),
        (lambda held: spoilt(held, episodes=999), {}, "999 walks"),
        (lambda held: spoilt(held, policy="stranger"), {}, "stranger"),
        (lambda held: {**held, "settings": {**held["settings"], "walks": "of another dog"}}, {}, "of another dog"),
    ],
)
def test_figures_of_other_walks_are_not_mixed_in(whole, tmp_path, change, more, complaint):
    held = tmp_path / "held.json"
    held.write_text(text := json.dumps(change(json.loads(whole[1].read_text()))))
    with pytest.raises(ValueError, match=complaint):
        evaluate(replace(SHORT, json=str(held), resume=True, **more))
    assert held.read_text() == text


def test_walks_of_a_gait_that_was_changed_are_others(monkeypatch):
    before = walks_fingerprint()
    assert walks_fingerprint() == before
    monkeypatch.setitem(GAITS, "trot", replace(GAITS["trot"], drift_m_s=GAITS["trot"].drift_m_s + 0.01))
    assert walks_fingerprint() != before


def test_figures_that_were_there_are_put_aside(tmp_path):
    place = tmp_path / "figures.json"
    place.write_text("of another day")
    evaluate(replace(CLOCKED, cells=("walk:0.3",), episodes=1, workers=1, json=str(place)))
    assert len(json.loads(place.read_text())["rows"]) == 1
    assert (tmp_path / "figures.old.json").read_text() == "of another day"


@pytest.mark.parametrize("place", [None, "-"])
def test_to_resume_takes_a_file(place):
    with pytest.raises(ValueError, match="--json"):
        evaluate(replace(SHORT, json=place, resume=True))
