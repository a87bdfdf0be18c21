"""Scripted participants: the same numbers give the same person, whose answers follow from what is true of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apps.study.participants import Effect, Habits, ScriptedParticipant, Stimuli, draw_truth, external_id
from policies.taste.choice import CLEAN, Population

STIMULI = {"line": Stimuli(tuple("abcdefg"), np.linspace(0, 1, 7)[:, None] ** 2)}
TRIPLET = {
    "kind": "triplet",
    "trial_id": "calm.001",
    "task": "line",
    "items": ["g", "a", "b"],
    "min_watch_s": 2.0,
    "ask_confidence": True,
    "allow_cannot_tell": True,
}
LIKERT = {"kind": "likert", "low": 1, "high": 5, "step": 1}


def truth(number=0, **options):
    return draw_truth(number, 7, Population(), {"line": 1}, **options)


def person(what=None, effect=Effect(), **more) -> ScriptedParticipant:  # noqa: B008
    clean = replace(truth(), person=CLEAN, attentive=True)
    return ScriptedParticipant(what or clean, STIMULI, np.random.default_rng(0), effect, **more)


def test_a_number_is_a_person_whoever_else_takes_part():
    assert truth(3) == truth(3)
    assert truth(3) != truth(4)
    assert sum(np.array(truth(3).weights["line"])) == pytest.approx(1)
    assert external_id(7, 3, "prolific") == external_id(7, 3, "prolific") != external_id(7, 4, "prolific")
    assert external_id(7, 3, "none") == {}
    assert len(external_id(7, 3, "prolific")["ids"]["PROLIFIC_PID"]) == 24


def test_shares_of_people_are_kept():
    people = [truth(n, inattentive=0.3, withdraw=0.2) for n in range(400)]
    assert 0.2 < np.mean([not p.attentive for p in people]) < 0.4
    assert 0.1 < np.mean([p.leaves_after is not None for p in people]) < 0.3
    assert all(truth(n).attentive for n in range(20))


def test_who_answers_cleanly_finds_the_nearest_pair_and_keeps_the_least_watching_time():
    data, took_ms = person().respond(TRIPLET)
    assert data["choice"] == 2
    assert data["rt_ms"] == took_ms > 2000
    assert data["since_all_seen_ms"] == pytest.approx(took_ms - 2000)
    assert all(seconds >= 2 for seconds in data["watched_s"])
    assert data["confidence"] in range(1, 6)


def test_a_grid_is_answered_with_the_nearest_two():
    grid = {**TRIPLET, "kind": "grid", "reference": "a", "items": list("gfbedc"), "choose": 2}
    assert person().respond(grid)[0]["choice"] == [2, 5]


def test_a_preference_follows_the_reward():
    two = {**TRIPLET, "kind": "preference", "items": ["a", "g"]}
    for reward, choice in ((1.0, 1), (-1.0, 0)):
        one = person(replace(truth(), person=CLEAN, reward={"calm": (reward,)}))
        assert one.respond(two)[0]["choice"] == choice


def test_each_block_of_preferences_has_a_taste_of_its_own():
    one = truth(preferences={"sad": "line", "happy": "line"})
    assert set(one.reward) == {"sad", "happy"} and one.reward["sad"] != one.reward["happy"]
    assert one.weights == truth().weights and one.person == truth().person


def test_nobody_says_cannot_tell_where_it_is_not_allowed():
    doubtful = replace(truth(), person=replace(CLEAN, temperature=100.0, cannot_tell=1.0))
    allowed = [person(doubtful).respond(TRIPLET)[0]["choice"] for _ in range(5)]
    asked = [person(doubtful).respond({**TRIPLET, "allow_cannot_tell": False})[0]["choice"] for _ in range(5)]
    assert -1 in allowed and -1 not in asked


def test_the_planted_effect_makes_people_consistent_in_its_block_only():
    noisy = replace(truth(), person=replace(CLEAN, temperature=5.0))
    one = person(noisy, Effect("calm", 20.0))
    here = [one.respond(TRIPLET)[0]["choice"] for _ in range(60)]
    there = [one.respond({**TRIPLET, "trial_id": "wild.001"})[0]["choice"] for _ in range(60)]
    assert set(here) == {2}
    assert set(there) == {0, 1, 2}


def test_questionnaires_follow_the_attitude_and_their_wording():
    ids = [f"q{n}" for n in range(40)]
    step = {"kind": "questionnaire", "instrument": {"id": "x", "items": [{"id": name, **LIKERT} for name in ids]}}
    fond = replace(truth(), person=CLEAN, attentive=True, attitude=2.5)
    responses = person(fond, reverse={"x": frozenset(ids[20:])}).respond(step)[0]["responses"]
    assert set(responses.values()) <= {1, 2, 3, 4, 5}
    straight, turned = (np.mean([responses[name] for name in part]) for part in (ids[:20], ids[20:]))
    assert straight > 3.8 and turned < 2.2


def test_attentive_people_answer_the_check_as_it_asks():
    step = {"kind": "questionnaire", "instrument": {"id": "x", "items": [{"id": "check", **LIKERT}]}}
    for attitude in (-3.0, 3.0):
        one = person(replace(truth(), attentive=True, attitude=attitude), checks={"x": ("check", 2)})
        assert one.respond(step)[0]["responses"] == {"check": 2}


@pytest.mark.parametrize(("step", "low", "high"), [(0.0, 0.0, 1.0), (5.0, 0.0, 100.0), (1.0, 1.0, 7.0)])
def test_answers_stand_on_the_scale(step, low, high):
    item = {"id": "s", "kind": "slider", "low": low, "high": high, "step": step}
    one = person()
    for _ in range(30):
        value = one.respond({"kind": "questionnaire", "instrument": {"id": "x", "items": [item]}})[0]["responses"]["s"]
        assert low <= value <= high
        assert step == 0 or (value - low) % step == pytest.approx(0)


def test_whoever_clicks_through_is_quick():
    hasty = truth(0, inattentive=1.0)
    assert not hasty.attentive
    times = [person(hasty).respond({**TRIPLET, "min_watch_s": 0.0})[1] for _ in range(20)]
    assert np.median(times) < 1500


def test_unknown_steps_and_habits_are_refused():
    with pytest.raises(ValueError, match="lab"):
        person().respond({"kind": "puzzle"})
    with pytest.raises(ValueError, match=r"--habits.second-tab 2.0 came"):
        Habits(second_tab=2.0).check()
