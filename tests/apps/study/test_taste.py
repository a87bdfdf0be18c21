from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from apps.study.config import ConfigError, load_config
from apps.study.init import TEMPLATE, InitStudy, about_feelings, init_study
from apps.study.stimuli import load_stimuli, load_trajectories
from apps.study.taste import LearnTaste, learn, preferences_of
from perception.emotion import LABELS
from policies.taste.taste import Taste

ITEMS = ("style-0000-a", "style-0001-b", "style-0002-c")


def answers(*rows: dict) -> pd.DataFrame:
    usual = {"participant": "ann", "trial_type": "preference", "task": "style", "block": "sad", "choice": 0,
             "items": list(ITEMS[:2]), "undone": False}  # fmt: skip
    return pd.DataFrame([{**usual, **row} for row in rows])


def test_what_was_chosen_is_better_than_what_stood_beside_it():
    events = answers({}, {"choice": 1, "items": [ITEMS[2], ITEMS[0]], "block": "happy"})
    found = preferences_of(events, ITEMS)
    assert [(one.better, one.worse, one.emotion) for one in found] == [(0, 1, "sad"), (0, 2, "happy")]


def test_undone_answers_doubts_and_other_trials_say_nothing():
    events = answers({}, {"undone": True}, {"choice": -1}, {"trial_type": "triplet", "choice": 2}, {"task": "arm"})
    assert len(preferences_of(events, ITEMS)) == 1


@pytest.mark.parametrize(
    ("rows", "options", "complaint"),
    [
        ([{}, {"participant": "bob"}], {}, "2 people"),
        ([{}], {"participant": "eve"}, "'eve'"),
        ([{"choice": -1}], {}, "0 people"),
        ([{"block": "first"}], {}, "--feeling"),
        ([{"items": ["style-0009-z", ITEMS[0]]}], {}, "style-0009-z"),
    ],
)
def test_answers_that_cannot_be_used_are_told(rows, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        preferences_of(answers(*rows), ITEMS, **options)


def test_a_block_without_a_feeling_takes_the_one_that_is_named():
    assert preferences_of(answers({"block": "first"}), ITEMS, feeling="calm")[0].emotion == "calm"


def test_a_study_of_preferences_asks_about_each_feeling(study):
    config = load_config(study / "study.toml")
    assert [(block.name, block.kind) for block in config.blocks] == [("sad", "preference"), ("disgust", "preference")]
    assert config.practice.trials == 0
    assert "You feel disgusted" in (study / "study.toml").read_text()
    assert "alike to you" not in (study / "study.toml").read_text()


@pytest.mark.parametrize(("feelings", "complaint"), [(("bored",), "bored"), (("sad", "sad"), "once")])
def test_feelings_must_be_known_and_different(feelings, complaint):
    with pytest.raises(ConfigError, match=complaint):
        about_feelings(TEMPLATE.read_text(), feelings)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("taste") / "study"
    yield init_study(InitStudy(folder, task="style", items=8, trials=4, feelings=("sad", "disgust")))


def test_whoever_likes_fast_dogs_gets_a_faster_one_than_whoever_likes_slow_ones(study, tmp_path):
    stimuli = load_stimuli(study / "stimuli")
    names = stimuli.tasks["style"].items
    speeds = load_trajectories(stimuli, "style").extras["style"][:, 0]
    pairs = [(a, b) for a in range(8) for b in range(a)]
    (tmp_path / "data").mkdir()
    found = {}
    for name, sign in (("slow", -1), ("fast", 1)):
        rows = [{"items": [names[a], names[b]], "choice": int(sign * speeds[b] > sign * speeds[a])} for a, b in pairs]
        answers(*rows).to_parquet(tmp_path / "data" / "events.parquet")
        out = tmp_path / f"{name}.json"
        learn(LearnTaste(study, tmp_path / "data", out, owner=name, clips=100, cache=tmp_path, workers=1))
        found[name] = Taste.load(out)
        assert found[name].owner == name
        assert found[name].likings["sad"].answers == len(pairs)
        assert set(found[name].likings) == set(LABELS)
    slow, fast = (found[name].likings["sad"].style.speed_m_s for name in ("slow", "fast"))
    assert fast > slow + 0.05


@pytest.mark.parametrize(
    ("option", "complaint"), [({"seed": -1}, "--seed -1 came"), ({"workers": 0}, "--workers 0 came")]
)
def test_bad_numbers_are_refused_before_anything_is_read(tmp_path, option, complaint):
    with pytest.raises(ValueError, match=complaint):
        learn(LearnTaste(tmp_path, tmp_path, tmp_path / "taste.json", **option))


def test_an_export_that_is_not_there_is_told(study, tmp_path):
    with pytest.raises(ValueError, match=r"events\.parquet"):
        learn(LearnTaste(study, tmp_path, tmp_path / "new" / "taste.json"))
    assert not (tmp_path / "new").exists()
