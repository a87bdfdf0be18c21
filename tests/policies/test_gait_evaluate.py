from __future__ import annotations

import json
import subprocess
import sys

import pytest

from policies.gait.evaluate import Evaluate, evaluate
from tests.conftest import ROOT


def test_figures_do_not_depend_on_the_number_of_workers():
    args = {"cells": ("trot:0.5", "walk:0.3"), "episodes": 12, "seconds": 3.0}
    assert evaluate(Evaluate(**args, workers=1)) == evaluate(Evaluate(**args, workers=2))


def test_a_trot_tracks_its_speed_and_an_impossible_walk_does_not_pass():
    good, bad = evaluate(Evaluate(cells=("trot:0.5", "walk:1.2"), episodes=3, seconds=4.0, workers=1))
    assert good.rmse is not None and good.rmse < 0.06
    assert good.falls == 0
    assert bad.falls > 0 or (bad.rmse is not None and bad.rmse > 0.1)


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [("gallop:0.5", "gallop"), ("trot:9", "-0.6 to 1.2"), ("trot", "gait:speed"), ("trot:nan", "-0.6 to 1.2")],
)
def test_bad_cells_are_named(cell, complaint):
    with pytest.raises(ValueError, match=complaint):
        evaluate(Evaluate(cells=(cell,), episodes=1))


def test_the_script_writes_one_json_object_and_nothing_else():
    command = [sys.executable, "train_gait.py", "evaluate", "--cells", "trot:0.5", "--episodes", "1", "--seconds", "3"]
    done = subprocess.run([*command, "--json", "-"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    row = json.loads(done.stdout)["rows"][0]
    assert {"gait", "speed", "episodes", "rmse", "falls", "yaw_drift"} <= set(row)
