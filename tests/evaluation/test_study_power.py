from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.study_power import Args, Rehearsal, rehearse
from evaluation.statistics import Interval
from evaluation.study.plan import default_plan, parse_plan
from evaluation.study.power import Power, PowerRow, _sensitivity, planned_test, power, registered_p
from evaluation.study.simulated import StudyDesign, draw_study, effect_for, planted_difference

PLAN = parse_plan(default_plan())
RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "study_power.json"


def test_planted_difference_is_the_one_that_is_drawn():
    design = StudyDesign(people=150, trials=40, inattentive=0.0)
    effect = effect_for(design, -0.1)
    rows = [draw_study(design, effect, np.random.default_rng(seed)) for seed in range(2)]
    shares = []
    for one in rows:
        asked = one[(one["choice"] >= 0) & (one["purpose"] == "random")]
        right = (asked["alike"] == asked["predicted"]).groupby(asked["block"]).mean()
        shares.append(right["second"] - right["first"])
    assert np.mean(shares) == pytest.approx(-0.1, abs=0.03)


def test_no_effect_is_no_difference_and_more_is_more():
    design = StudyDesign()
    assert planted_difference(design, 0.0, people=20) == 0
    assert effect_for(design, 0.0) == 0
    found = [planted_difference(design, size, people=100) for size in (-1.0, -0.5, 0.5)]
    assert found == sorted(found)
    with pytest.raises(ValueError, match="can be reached"):
        effect_for(design, 0.5)


def test_the_registered_test_finds_much_and_not_nothing():
    hypothesis, level = planned_test(PLAN)
    design = StudyDesign(people=20, trials=24)
    found = {
        effect: [
            registered_p(draw_study(design, effect, (rng := np.random.default_rng((1, k)))), PLAN, hypothesis, rng)[0]
            for k in range(8)
        ]
        for effect in (0.0, -2.5)
    }
    assert level == 0.05
    assert np.mean(np.array(found[-2.5]) <= level) > 0.9
    assert np.mean(np.array(found[0.0]) <= level) <= 0.25


def test_a_study_is_rehearsed_over_http():
    jobs = [Rehearsal(Args(people=8, trials=16), effect, (0, 1, 7, 0)) for effect in (-3.0, 0.0)]
    (found, excluded), (null, _) = (rehearse(job) for job in jobs)
    assert found < 0.05 < null <= 1 and excluded <= 1 / 8


def test_power_is_the_same_after_a_break(tmp_path):
    args = Power(people=(8,), differences=(0.0, -0.2), trials=16, studies=3, workers=1, out=tmp_path / "a")
    first = power(args)
    assert [row.difference for row in first.rows] == [0.0, -0.2]
    assert first.rows[0].effect == 0
    assert first.rows[1].effect < -1
    assert all(0 <= row.found.low <= row.found.mean <= row.found.high <= 1 for row in first.rows)
    rows = (tmp_path / "a" / "power.jsonl").read_text().splitlines()
    (tmp_path / "a" / "power.jsonl").write_text("\n".join(rows[:3]) + "\n")
    made = tmp_path / "power.json"
    again = power(replace(args, resume=True, json=str(made)))
    assert again == first
    assert json.loads(made.read_text())["rows"][1]["found"] == first.rows[1].found.as_json()


def test_sensitivity_lies_between_the_rows_that_miss_and_find():
    def row(difference, share):
        return PowerRow(40, difference, 0.0, Interval(share, 0.0, 1.0), 0.0, 100)

    rows = [row(0.0, 0.05), row(-0.05, 0.6), row(-0.1, 1.0), row(0.02, 0.3)]
    assert _sensitivity(40, rows) == (40, -0.075)
    assert _sensitivity(40, rows[:2]).difference is None


def test_what_power_cannot_do_is_told(tmp_path):
    with pytest.raises(ValueError, match="--people 1 came"):
        power(Power(people=(1,)))
    with pytest.raises(ValueError, match="--studies 0 came"):
        power(Power(studies=0))
    path = tmp_path / "analysis.toml"
    path.write_text('[sample]\nn = 4\nstopping = ""\n')
    with pytest.raises(ValueError, match="power knows no other"):
        power(Power(plan=path))
    with pytest.raises(ValueError, match="at least 1, 4, 10 and 1"):
        StudyDesign(people=0)
    with pytest.raises(ValueError, match="sum to 1"):
        StudyDesign(golden_share=0.9, repeat_share=0.9)


@pytest.mark.skipif(not RESULTS.is_file(), reason="the instrument has not been held against its foretold power yet")
def test_the_instrument_keeps_what_power_promises():
    results = json.loads(RESULTS.read_text())
    assert results["scripted"] is True
    assert results["people"] == 40
    assert results["rehearsed"]["type_1_error"]["studies"] >= 500
    assert results["rehearsed"]["type_1_error"]["found"]["mean"] <= 0.06
    assert abs(results["rehearsed"]["power"]["found"]["mean"] - results["foretold"]["power"]["mean"]) <= 0.1
