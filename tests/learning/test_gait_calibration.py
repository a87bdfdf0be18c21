from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from control.gait import GAITS
from control.locomotion_controller import SlipCompensation
from control.observation import OBSERVATION_SIZE
from envs.locomotion.cases import SUITE, Case
from envs.locomotion.walks import Walker
from learning.gait.calibrate import CADENCES, SIDEWAYS, SPEEDS, Calibrate, Errors, calibrate, corrected
from policies.locomotion.actor import DEFAULT_FOLDER, Actor, ActorError


def idle() -> Actor:
    """A policy that adds nothing: the clocked gait."""
    size = ((12, OBSERVATION_SIZE),)
    return Actor(np.zeros(95), np.ones(95), tuple(map(np.zeros, size)), (np.zeros(12),), np.zeros(12))


def slipping(**by_gait: SlipCompensation) -> Actor:
    return replace(idle(), slip_compensation=by_gait)


def speed(actor: Actor, gait: str, command: float) -> float:
    walker = Walker(Case(gait, command), actor)
    try:
        return float(np.mean([walker.walk(4.0, seed).mean_speed for seed in range(3)]))
    finally:
        walker.close()


def test_legs_that_lose_more_are_told_to_go_faster():
    usual, hz = GAITS["trot"].drift_m_s, GAITS["trot"].frequency_hz
    slow, fast = (speed(slipping(trot=SlipCompensation(((hz, usual + more),))), "trot", 0.5) for more in (-0.1, 0.1))
    assert fast - slow == pytest.approx(0.2, abs=0.05)
    elsewhere = slipping(trot=SlipCompensation(((1.2, 0.3), (2.0, usual))))
    assert speed(elsewhere, "trot", 0.5) == speed(slipping(trot=SlipCompensation(((hz, usual),))), "trot", 0.5)
    other = slipping(pace=SlipCompensation(((3.0, 0.3),)))
    assert speed(other, "trot", 0.5) == speed(idle(), "trot", 0.5)


def test_calibration_undoes_a_loss_that_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr("learning.gait.calibrate.SPEEDS", {"trot": (0.4, 0.7), "walk": (0.3,)})
    monkeypatch.setattr("learning.gait.calibrate.CADENCES", (2.0,))
    wrong = slipping(
        trot=SlipCompensation(((2.0, 0.2),), ((0.0, 0.0), (1.0, 0.1))), walk=SlipCompensation(((1.6, -0.1),))
    )
    wrong.save(tmp_path, {"timesteps": 7})
    before = abs(speed(wrong, "trot", 0.5) - 0.5)
    calibrate(Calibrate(tmp_path, walks=2, passes=1, seconds=4.0, workers=1))
    mended = Actor.load(tmp_path)
    assert before > 0.1
    for command in (0.4, 0.5, 0.7):
        assert abs(speed(mended, "trot", command) - command) < 0.04
    assert [hz for hz, _ in mended.slip_compensation["trot"].by_cadence] == [2.0, GAITS["trot"].frequency_hz]
    assert abs(mended.slip_compensation["walk"].at(GAITS["walk"].frequency_hz, 0.3) - GAITS["walk"].drift_m_s) < 0.05
    assert json.loads((tmp_path / "config.json").read_text())["timesteps"] == 7
    again = dict(mended.slip_compensation)
    wrong.save(tmp_path, {})
    calibrate(Calibrate(tmp_path, walks=2, passes=1, seconds=4.0, workers=2))
    assert Actor.load(tmp_path).slip_compensation == again  # whatever the number of workers


def test_who_drifts_forward_when_going_sideways_is_told_less(tmp_path, monkeypatch):
    monkeypatch.setattr("learning.gait.calibrate.SPEEDS", {"trot": (0.4,)})
    monkeypatch.setattr("learning.gait.calibrate.CADENCES", ())
    usual = ((GAITS["trot"].frequency_hz, GAITS["trot"].drift_m_s),)
    wrong = slipping(trot=SlipCompensation(usual, by_sideways=((0.0, 0.0), (0.3, 0.1))))
    wrong.save(tmp_path, {})
    drifts = []
    calibrate(Calibrate(tmp_path, walks=2, passes=2, seconds=4.0, workers=1))
    for actor in (wrong, Actor.load(tmp_path)):
        walker = Walker(Case("trot", 0.0, vy=-0.3), actor)
        drifts.append(walker.walk(4.0, 5).mean_speed)
        walker.close()
    assert abs(drifts[1]) < 0.02 < 0.07 < drifts[0]


def test_where_every_walk_fell_nothing_is_changed_and_no_correction_is_wild():
    faster = ((0.2, -0.02), (0.6, 0.02))
    before = {"pace": SlipCompensation(((1.0, 0.0), (3.0, 0.1)), faster)}
    assert corrected(before, "pace", Errors({2.0: []}, {})) == SlipCompensation(((2.0, 0.05),), faster)
    assert corrected({}, "pace", Errors({2.0: []}, {})) == SlipCompensation(((2.0, GAITS["pace"].drift_m_s),))
    assert corrected({}, "pace", Errors({2.0: [(0.3, -5.0)]}, {})) == SlipCompensation(((2.0, 0.3),))
    wild = Errors({3.0: [(0.3, -5.0), (0.9, 5.0)]}, {0.2: [5.0], 0.35: []})
    assert corrected({}, "pace", wild).by_speed == ((0.3, 0.3), (0.9, -0.3))
    assert corrected({}, "pace", wild).by_sideways == ((0.0, 0.0), (0.2, -0.3), (0.35, 0.0))


def test_what_depends_on_speed_is_told_from_what_depends_on_cadence():
    """A pace that is 0.01 m/s too fast at its own 3 Hz, 0.03 at 2 Hz, and 0.04 more at 0.9 m/s than at 0.3."""
    errors = {3.0: [(0.3, 0.01), (0.3, 0.03), (0.9, 0.06)], 2.0: [(0.3, 0.04), (0.6, 0.06)]}
    found = corrected({"pace": SlipCompensation(((3.0, 0.1),))}, "pace", Errors(errors, {}))
    assert np.allclose(found.by_speed, ((0.3, 0.02), (0.9, -0.02)))
    for hz, v, too_fast in ((3.0, 0.3, 0.02), (3.0, 0.9, 0.06), (2.0, 0.3, 0.04), (2.0, 0.6, 0.06)):
        assert found.at(hz, v) == pytest.approx(0.1 - too_fast, abs=0.007)


def test_what_is_lost_sideways_is_told_from_what_is_lost_anyway():
    """A pace that is 0.05 m/s too fast wherever it goes, and 0.02 more at 0.2 m/s to the left."""
    hz = GAITS["pace"].frequency_hz
    errors = Errors({hz: [(0.3, 0.05), (0.9, 0.05)]}, {0.2: [0.07], 0.35: [0.05]})
    found = corrected({"pace": SlipCompensation(((hz, 0.1),))}, "pace", errors)
    assert np.allclose(found.by_sideways, ((0.0, 0.0), (0.2, -0.02), (0.35, 0.0)))
    assert found.at(hz, 0.0, -0.2) == pytest.approx(0.03)


def test_calibration_and_evaluation_use_other_speeds_and_cadences():
    assert not {case.frequency for case in SUITE["cadence"]} & set(CADENCES)
    reported = {(case.gait, case.speed) for part in SUITE.values() for case in part if case.frequency is None}
    assert not reported & {(gait, one) for gait, speeds in SPEEDS.items() for one in speeds}
    assert not {abs(case.vy) for part in SUITE.values() for case in part} & set(SIDEWAYS)


def test_the_shipped_policy_is_calibrated_for_every_gait_that_steps():
    assert set(Actor.load(DEFAULT_FOLDER).slip_compensation) == {name for name in GAITS if name != "stand"}


@pytest.mark.parametrize(
    "tables",
    [
        {"gallop": {"by_cadence": [[2.0, 0.1]], "by_speed": [[0.3, 0.0]]}},
        {"trot": {"by_cadence": [[2.0, 2.0]], "by_speed": [[0.3, 0.0]]}},
        {"trot": {"by_cadence": [[2.0, 0.1]], "by_speed": [[0.3, 2.0]]}},
        {"trot": {"by_cadence": [[2.0, 0.1]], "by_speed": []}},
        {"trot": {"by_cadence": [[2.0, float("nan")]], "by_speed": [[0.3, 0.0]]}},
        {"trot": {"by_cadence": [[float("nan"), 0.1]], "by_speed": [[0.3, 0.0]]}},
        {"trot": {"by_cadence": [[3.0, 0.1], [2.0, 0.1]], "by_speed": [[0.3, 0.0]]}},
        {"trot": {"by_cadence": [], "by_speed": [[0.3, 0.0]]}},
        {"trot": {"by_cadence": [["much", 0.1]], "by_speed": [[0.3, 0.0]]}},
        {"trot": {"by_cadence": [[2.0, 0.1]]}},
        {"trot": 0.1},
        [0.1],
    ],
)
@pytest.mark.parametrize("key", ["slip_compensation", "losses"])
def test_a_slip_compensation_that_cannot_be_is_named(tmp_path, tables, key):
    idle().save(tmp_path, {})
    config = json.loads((tmp_path / "config.json").read_text())
    del config["slip_compensation"]
    (tmp_path / "config.json").write_text(json.dumps({**config, key: tables}))
    with pytest.raises(ActorError, match=str(tmp_path)):
        Actor.load(tmp_path)


@pytest.mark.parametrize("more", [{"walks": 0}, {"passes": 99}, {"seconds": 1.0}, {"workers": 0}])
def test_settings_out_of_range_are_named(tmp_path, more):
    with pytest.raises(ValueError, match="allowed are"):
        calibrate(Calibrate(tmp_path, **more))


def test_a_folder_without_a_policy_is_named(tmp_path):
    with pytest.raises(ActorError, match="no gait policy"):
        calibrate(Calibrate(tmp_path))
