from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from perception.emotion import LABELS
from policies.behaviour import DEFAULT_TABLE, BehaviourSelector, BehaviourTable, default_table
from tests.conftest import estimate

DT = 0.02


def play(selector: BehaviourSelector, script: list[tuple[float, str | None, float]]) -> list[tuple[float, str]]:
    """Feed (seconds, label, confidence) in turn; the behaviours shown, with the time at which each began."""
    shown: list[tuple[float, str]] = []
    step = 0
    for seconds, label, confidence in script:
        for _ in range(round(seconds / DT)):
            time_s = step * DT
            beat = selector.step(None if label is None else estimate(label, confidence, time_s), time_s)
            if not shown or shown[-1][1] != beat.name:
                shown.append((round(time_s, 2), beat.name))
            step += 1
    return shown


@pytest.mark.parametrize("label", LABELS)
def test_every_feeling_gets_its_own_answer(label):
    table = default_table()
    assert play(BehaviourSelector(), [(3.0, label, 0.9)])[-1][1] == table.answers[label]
    assert len(set(table.answers.values())) == len(LABELS)


def test_a_low_confidence_is_no_reason_to_act():
    assert play(BehaviourSelector(), [(3.0, "angry", 0.3)])[-1][1] == "ask"


def test_a_flicker_shorter_than_the_confirmation_changes_nothing():
    shown = play(BehaviourSelector(), [(4.0, "sad", 0.9), (0.3, "happy", 0.9), (3.0, "sad", 0.9)])
    assert [name for _, name in shown] == ["idle", "comfort"]


def test_a_behaviour_lasts_its_dwell_time():
    rules = default_table().rules
    shown = play(BehaviourSelector(), [(0.6, "sad", 0.9), (5.0, "happy", 0.9)])
    assert [name for _, name in shown] == ["idle", "comfort", "play"]
    assert shown[2][0] - shown[1][0] >= rules.dwell_s - 1e-9


def test_a_near_tie_keeps_what_is_shown():
    probabilities = np.full(8, 0.02)
    probabilities[LABELS.index("sad")] = 0.41
    probabilities[LABELS.index("fearful")] = 0.47
    near = replace(estimate("fearful"), probabilities=probabilities, confidence=0.47)
    selector = BehaviourSelector()
    play(selector, [(4.0, "sad", 0.9)])
    for step in range(200):
        assert selector.step(replace(near, time_s=4 + step * DT), 4 + step * DT).name == "comfort"


def test_an_old_estimate_is_forgotten():
    rules = default_table().rules
    selector = BehaviourSelector()
    heard = estimate("happy", 0.9, 0.0)
    names = [selector.step(heard, step * DT).name for step in range(round((rules.memory_s + 2) / DT))]
    assert "play" in names
    assert names[-1] == "idle"


def test_beats_follow_each_other_and_the_last_one_stays():
    selector = BehaviourSelector()
    beats = [selector.step(estimate("happy", 0.9, step * DT), step * DT) for step in range(400)]
    order = [beat for before, beat in pairwise(beats) if beat is not before and beat.name == "play"]
    assert order == list(default_table().beats["play"])


def stepped(selector: BehaviourSelector, label: str | None, begins_s: float, seconds: float) -> list[str]:
    """Let time pass with one feeling; the names that were shown."""
    times = begins_s + DT * np.arange(round(seconds / DT))
    return [selector.step(None if label is None else estimate(label, 0.9, t), t).name for t in times.tolist()]


def test_what_has_been_begun_is_done_first_and_then_gone_on_from():
    selector = BehaviourSelector()
    assert stepped(selector, "sad", 0.0, 3.0)[-1] == "comfort"
    selector.hold("fetch", 3.0)
    assert set(stepped(selector, "angry", 3.0, 5.0)) == {"fetch"}
    selector.go_on(8.0)
    assert selector.name == "celebrate"
    assert stepped(selector, "sad", 8.0, 4.0)[-1] == "celebrate"  # the sadness is answered already
    assert stepped(selector, "angry", 12.0, 3.0)[-1] == "give_space"


def test_what_came_to_nothing_is_not_celebrated():
    selector = BehaviourSelector()
    stepped(selector, "sad", 0.0, 3.0)
    selector.hold("fetch", 3.0)
    selector.go_on(8.0, done=False)
    assert stepped(selector, "sad", 8.0, 1.0)[-1] == "comfort"


def test_a_table_without_fetching_goes_on_showing_what_it_shows(tmp_path):
    text = DEFAULT_TABLE.read_text()
    begins, idle, new = (text.index(word) for word in ("\n[then]", "[behaviour.idle]", "[behaviour.greet]"))
    path = tmp_path / "old.toml"
    path.write_text(text[:begins] + "\n" + text[idle:new])
    selector = BehaviourSelector(BehaviourTable.load(path))
    selector.hold("fetch", 1.0)
    assert stepped(selector, None, 1.0, 1.0)[-1] == "idle"
    selector.go_on(2.0)
    assert stepped(selector, "sad", 2.0, 3.0)[-1] == "comfort"


def test_an_errand_out_of_nothing_ends_in_idling():
    selector = BehaviourSelector()
    selector.hold("fetch", 1.0)
    selector.go_on(9.0)
    names = stepped(selector, None, 9.0, 8.0)
    assert names[0] == "celebrate" and names[-1] == "idle"


def test_what_is_noticed_is_shown_once_and_gives_way_to_a_feeling():
    selector = BehaviourSelector()
    selector.notice("met", 0.0)
    names = stepped(selector, None, 0.0, 4.0)
    assert names[0] == "greet" and names[-1] == "idle"
    selector.notice("sound", 4.0)
    assert stepped(selector, "happy", 4.0, 1.0)[-1] == "play"
    selector.notice("met", 5.0)
    assert selector.name == "play"


def changed(tmp_path, old: str, new: str):
    path = tmp_path / "table.toml"
    text = DEFAULT_TABLE.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('gait = "walk"', 'gait = "gallop"', r"'gallop'.*trot"),
        ('face = "neutral"', 'face = "smug"', r"'smug'.*neutral"),
        ('goal = "circle"', 'goal = "orbit"', r"'orbit'.*circle"),
        ("speed = 0.35", "speed = 9", "outside -0.6 to 1.2"),
        ("height_m = 0.32", "height_m = 0.5", "outside 0.18 to 0.34"),
        ("distance_m = 1.1", "distance = 1.1", r"unknown key \['distance'\]"),
        ('happy = "play"', "", r"\[answers\] lacks happy"),
        ('sad = "comfort"', 'sad = "hug"', "'hug' is used and not defined"),
        ("seconds = 0.9, ", "", "needs `seconds`"),
        ("dwell_s = 1.6", "dwell = 1.6", "dwell"),
        ('says = "', 'says = 1979-05-27T07:32:00Z # "', "says datetime.*a text in quotation marks is needed"),
        ("dwell_s = 1.6", "dwell_s = 1979-05-27", "dwell_s datetime.*is outside 0.0 to 60.0"),
        ("[rules]", "[rules", r"cannot be read as TOML.*line \d+"),
        ('comfort = "fetch"', 'comfort = "hug"', "'hug' is used and not defined"),
        ('met = "greet"', 'left = "greet"', r"\[events\] has left; known are met, sound"),
        ('met = "greet"', 'met = "celebrate"', "'celebrate' answers an event: its last beat needs `seconds`"),
    ],
)
def test_a_mistake_in_the_table_is_named(tmp_path, old, new, complaint):
    with pytest.raises(ValueError, match=complaint):
        BehaviourTable.load(changed(tmp_path, old, new))


def test_tables_that_lie_too_deep_are_refused_by_name(tmp_path):
    path = tmp_path / "deep.toml"
    for text in ("deep = " + "[" * 3_000 + "]" * 3_000, ".".join(["deep"] * 3_000) + " = 1"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"deep.toml: .* more than 20 deep"):
            BehaviourTable.load(path)


def test_a_binary_file_is_no_table(tmp_path):
    path = tmp_path / "table.toml"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ValueError, match="cannot be read as TOML"):
        BehaviourTable.load(path)
