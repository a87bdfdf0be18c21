"""How trials are judged, on tracks made by hand, and how they are counted, kept and gone on with."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from envs.companion.scenario import Scenario, Voice
from evaluation.companion.evaluate import LIBRARY, Companion, evaluate
from evaluation.companion.fetching import FetchResult, FetchTask
from evaluation.companion.trials import RoomTask, RoomTrial, Track, call, digest, has_done, judge, library
from policies.behaviour import default_table

BEATS = default_table().beats


def track(far, around=None, bearing=None, names="comfort", intended=True, touched=False, fallen=False) -> Track:
    """A dog at distances `far`, 50 a second."""
    far = np.asarray(far, float)
    size = len(far)
    return Track(
        (np.arange(size) + 1) / 50, far, np.zeros(size) if around is None else np.asarray(around, float),
        np.zeros(size) if bearing is None else np.asarray(bearing, float), np.full(size, names),
        np.full(size, intended), np.full(size, touched), np.full(size, fallen),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "seen", "done"),
    [
        ("comfort", track(np.linspace(4, 0.8, 100)), True),
        ("comfort", track(np.linspace(4, 1.4, 100)), False),
        ("give_space", track(np.linspace(2.0, 2.4, 100)), True),
        ("give_space", track(np.linspace(2.0, 2.1, 100)), False),
        ("give_space", track(np.full(100, 5.0)), True),
        ("amble", track(np.full(100, 1.6), np.linspace(0, 2, 100)), True),
        ("amble", track(np.full(100, 1.6), np.linspace(0, 0.5, 100)), False),
        ("amble", track(np.full(100, 4.0), np.linspace(0, 2, 100)), False),
        ("guard", track(np.full(100, 1.0), bearing=np.full(100, 3.0)), True),
        ("guard", track(np.full(100, 1.0), bearing=np.full(100, 0.1)), False),
        ("freeze", track(np.full(100, 3.0), bearing=np.full(100, 0.1)), True),
        ("freeze", track(np.full(100, 3.0), bearing=np.full(100, 1.0)), False),
        ("idle", track(np.full(100, 3.0)), True),
    ],
)
def test_a_behaviour_is_done_when_the_body_did_it(name, seen, done):
    assert has_done(BEATS[name], seen, np.ones(len(seen.far_m), bool)) is done


def test_a_trial_is_judged_from_the_voice_on():
    task = RoomTask(call("flat"), 7)
    seen = track(np.linspace(6, 0.7, 500), bearing=np.linspace(2.0, -0.1, 500))
    late = seen._replace(names=np.where(seen.time_s < 4.0, "idle", "comfort"))
    trial = judge(task, late, BEATS["comfort"], (1.0, 3.5))
    assert trial.shown and trial.done and trial.perceived and not trial.fell
    assert trial.reaction_s == 0.5
    assert trial.far_m == 0.7 and trial.bearing_deg == 5.7 and trial.came_from_deg == 114.6
    never = judge(
        task, seen._replace(names=np.full(500, "ask"), intended=np.zeros(500, bool)), BEATS["comfort"], (1, 3)
    )
    assert not never.shown and not never.done and not never.perceived and never.reaction_s is None


def test_the_library_has_twelve_scenarios_of_four_feelings_and_more():
    found = library(LIBRARY)
    expected = [next(voice.expects for voice in scenario.voices if voice.expects) for scenario in found]
    assert len(found) >= 12 and len({scenario.room.ground for scenario in found}) == 4
    assert set(expected) == {"amble", "comfort", "give_space", "guard"}


def made_up(task):
    if isinstance(task, FetchTask):
        good = task.shape == "true"
        stage = "delivered" if good else "lift"
        return FetchResult(
            task.name, task.seed, task.room.ground, task.shape, good, False, stage, "" if good else "it slipped", 1,
            0.4, 30.0,
        )  # fmt: skip
    odd = task.seed % 2 == 1
    return RoomTrial(
        task.scenario.name, task.seed, task.scenario.room.ground, "comfort", True, not odd, not odd, False, False, 0.5,
        1.5 if odd else 0.8, 4.0, 90.0, 40.0,
    )  # fmt: skip


def test_trials_are_counted_by_part_and_gone_on_with(tmp_path):
    done = []
    args = Companion(
        seeds=2, calls=4, errands=2, rough=1, things=("can",), out=tmp_path, workers=1, json=str(tmp_path / "a.json")
    )
    figures = evaluate(args, lambda task: done.append(task) or made_up(task))
    assert json.loads((tmp_path / "a.json").read_text()) == figures
    scenarios = len(library(LIBRARY))
    assert len(done) == 2 * scenarios + 4 + 2 * (2 + 1)
    assert all(row["n"] == 2 and row["intended"] == 0.5 and row["low"] < 0.5 < row["high"] for row in figures["rows"])
    assert figures["all"]["n"] == 2 * scenarios and figures["all"]["no_fall"]["mean"] == 1.0
    assert figures["approach"]["within_1m"]["mean"] == 0.5
    assert set(figures["approach"]["grounds"]) == {"flat", "patches", "step", "rough"}
    assert figures["approach"]["sides"]["beside"]["mean"] == 0.5 and figures["approach"]["sides"]["ahead"] == {}
    fetched = figures["fetch"]
    assert fetched["n"] == 3 and fetched["delivered"] == 0.0 and fetched["by_stage"] == {"lift": 3}
    assert [row["delivered"]["mean"] for row in fetched["rows"]] == [0.0, 1.0, 0.0, 1.0]
    again = evaluate(replace(args, calls=6, resume=True), lambda task: done.append(task) or made_up(task))
    assert len(done) == 2 * scenarios + 6 + 6 and again["approach"]["n"] == 6


def test_a_run_goes_on_with_other_parts_and_plays_a_scenario_again_that_was_changed(tmp_path):
    scenarios, done = tmp_path / "library", []
    scenarios.mkdir()
    for path in (LIBRARY / "sad_across_the_room.toml", LIBRARY / "angry_and_walking.toml"):
        (scenarios / path.name).write_text(path.read_text())
    args = Companion(library=scenarios, seeds=2, calls=3, parts=("approach",), out=tmp_path / "run", workers=1)
    play = lambda task: done.append(task) or made_up(task)  # noqa: E731
    evaluate(args, play)
    both = replace(args, parts=("scenarios", "approach"), resume=True)
    assert evaluate(both, play)["approach"]["n"] == 3
    assert len(done) == 3 + 2 * 2
    changed = scenarios / "angry_and_walking.toml"
    changed.write_text(changed.read_text().replace("seconds = ", "seconds = 1"))
    evaluate(both, play)
    assert [task.scenario.name for task in done[7:]] == ["Angry and walking"] * 2


def test_a_scenario_is_told_by_what_happens_and_by_its_sounds_wherever_they_lie(tmp_path):
    told = []
    for folder, sound in (("a", b"one"), ("b", b"one"), ("c", b"other")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "voice.wav").write_bytes(sound)
        said = Voice(1.0, file=str(tmp_path / folder / "voice.wav"), expects="comfort")
        told.append(digest(Scenario("One", 10.0, voices=(said,))))
    assert told[0] == told[1] != told[2]
    assert digest(Scenario("One", 11.0)) != digest(Scenario("One", 10.0))


def test_two_scenarios_of_one_name_are_told(tmp_path):
    for name in ("one.toml", "two.toml"):
        (tmp_path / name).write_text((LIBRARY / "sad_across_the_room.toml").read_text())
    with pytest.raises(ValueError, match=r"two files of .* are named"):
        library(tmp_path)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"errands": 0}, "--errands 0"),
        ({"things": ("sofa",)}, "no 'sofa_900'"),
        ({"things": ()}, "--things nothing"),
        ({"parts": ("scenarios", "scenarios")}, "--parts scenarios scenarios"),
        ({"shapes": ("guessed",)}, "--shapes guessed"),
    ],
)
def test_what_cannot_be_measured_is_refused_first(tmp_path, options, told):
    with pytest.raises(ValueError, match=told):
        evaluate(Companion(out=tmp_path, **options), made_up)
    assert not list(tmp_path.iterdir())


def test_a_folder_without_scenarios_is_told(tmp_path):
    with pytest.raises(ValueError, match="no scenario file"):
        library(tmp_path)
