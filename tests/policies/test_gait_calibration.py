from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from envs.locomotion.locomotor import OBSERVATION_SIZE
from policies.gait.actor import DEFAULT_FOLDER, Actor, ActorError
from policies.gait.calibrate import SPEEDS, Calibrate, calibrate, corrected
from policies.gait.cases import SUITE, Case
from policies.gait.rollout import Walker
from robots.gait import GAITS


def idle() -> Actor:
    """A policy that adds nothing: the clocked gait."""
    size = ((12, OBSERVATION_SIZE),)
    return Actor(np.zeros(95), np.ones(95), tuple(map(np.zeros, size)), (np.zeros(12),), np.zeros(12))


def speed(actor: Actor, gait: str, told: float) -> float:
    walker = Walker(Case(gait, told), actor)
    try:
        return float(np.mean([walker.walk(4.0, seed).mean_speed for seed in range(3)]))
    finally:
        walker.close()


def test_legs_that_lose_more_are_told_to_go_faster():
    usual = GAITS["trot"].drift_m_s
    slow, fast = (speed(replace(idle(), drift_m_s={"trot": usual + more}), "trot", 0.5) for more in (-0.1, 0.1))
    assert fast - slow == pytest.approx(0.2, abs=0.05)
    other = replace(idle(), drift_m_s={"pace": 0.3})
    assert speed(other, "trot", 0.5) == speed(idle(), "trot", 0.5)


def test_calibration_undoes_a_loss_that_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr("policies.gait.calibrate.SPEEDS", {"trot": (0.4, 0.7), "walk": (0.3,)})
    wrong = replace(idle(), drift_m_s={"trot": 0.2, "walk": -0.1})
    wrong.save(tmp_path, {"timesteps": 7})
    before = abs(speed(wrong, "trot", 0.5) - 0.5)
    calibrate(Calibrate(tmp_path, walks=2, rounds=1, seconds=4.0, workers=1))
    mended = Actor.load(tmp_path)
    assert before > 0.1
    assert abs(speed(mended, "trot", 0.5) - 0.5) < 0.03
    assert abs(mended.drift_m_s["walk"] - GAITS["walk"].drift_m_s) < 0.05
    assert json.loads((tmp_path / "config.json").read_text())["timesteps"] == 7
    again = dict(mended.drift_m_s)
    wrong.save(tmp_path, {})
    calibrate(Calibrate(tmp_path, walks=2, rounds=1, seconds=4.0, workers=2))
    assert Actor.load(tmp_path).drift_m_s == again  # whatever the number of workers


def test_where_every_walk_fell_nothing_is_changed_and_no_correction_is_wild():
    assert corrected({"pace": 0.05}, "pace", []) == 0.05
    assert corrected({}, "pace", []) == GAITS["pace"].drift_m_s
    assert corrected({}, "pace", [-5.0]) == 0.3


def test_calibration_and_evaluation_use_other_speeds():
    reported = {(case.gait, case.speed) for case in SUITE["tracking"]}
    assert not reported & {(gait, one) for gait, speeds in SPEEDS.items() for one in speeds}


def test_the_shipped_policy_is_calibrated_for_every_gait_that_steps():
    assert set(Actor.load(DEFAULT_FOLDER).drift_m_s) == {name for name in GAITS if name != "stand"}


@pytest.mark.parametrize("drift", [{"gallop": 0.1}, {"trot": 2.0}, {"trot": float("nan")}, [0.1], {"trot": "much"}])
def test_losses_that_cannot_be_are_named(tmp_path, drift):
    idle().save(tmp_path, {"drift_m_s": drift})
    with pytest.raises(ActorError, match=str(tmp_path)):
        Actor.load(tmp_path)


@pytest.mark.parametrize("more", [{"walks": 0}, {"rounds": 99}, {"seconds": 1.0}, {"workers": 0}])
def test_settings_out_of_range_are_named(tmp_path, more):
    with pytest.raises(ValueError, match="allowed are"):
        calibrate(Calibrate(tmp_path, **more))


def test_a_folder_without_a_policy_is_named(tmp_path):
    with pytest.raises(ActorError, match="no gait policy"):
        calibrate(Calibrate(tmp_path))
