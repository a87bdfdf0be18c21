from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from apps.config import SessionConfig
from apps.gui.messages import state_message
from apps.headless import Run, run
from apps.session import Session
from control.style import ExpressiveStyle
from perception.emotion import LABELS
from policies.behaviour import default_table
from policies.taste.taste import Liking, Taste
from tests.conftest import ScriptedEar

LIVELY = ExpressiveStyle.from_vector(np.array([0.9, 0.8, 0.2, 0.9, 0.95, 0.3, 0.7, 0.7, 0.8, 0.9, 0.4, 0.0]))


def taste(sureness: float = 0.95, style: ExpressiveStyle = LIVELY, labels=("sad",)) -> Taste:
    return Taste("Ana", {label: Liking(style, sureness, 12) for label in labels})


def walked(liked: Taste | Path | str | None, emotion: str = "sad", seconds: float = 4.0):
    with Session(seed=2, ear=ScriptedEar(), taste=liked) as session:
        session.feel(emotion)
        rolls: list[float] = []
        steps = session.run(seconds, lambda step: rolls.append(float(session.state.quat_xyzw[0]))).steps
        return steps, rolls, session.snapshot()


def test_what_an_owner_likes_is_how_the_dog_moves():
    before, level, _ = walked(None)
    after, rolling, snapshot = walked(taste())
    going = slice(100, 160)
    assert np.mean([s.vx for s in after[going]]) > np.mean([s.vx for s in before[going]]) + 0.12
    assert np.mean([s.frequency for s in after[going]]) > np.mean([s.frequency for s in before[going]]) + 0.8
    assert np.mean([s.height for s in after[going]]) > np.mean([s.height for s in before[going]]) + 0.02
    assert np.std(rolling[100:160]) > np.std(level[100:160]) + 0.01
    assert not any(step.fallen for step in after)
    assert {step.behaviour for step in after} == {step.behaviour for step in before} == {"idle", "comfort"}
    assert "Ana" in snapshot.says
    assert state_message(snapshot, (2.0, 0.0))["says"] == snapshot.says


def test_a_taste_that_is_unsure_changes_nothing():
    assert walked(taste(0.5))[0] == walked(None)[0]


def test_a_taste_that_is_half_sure_lies_between():
    speeds = [np.mean([s.vx for s in walked(liked)[0][100:160]]) for liked in (None, taste(0.6), taste(0.95))]
    assert speeds[0] + 0.05 < speeds[1] < speeds[2] - 0.05


def test_other_feelings_are_left_alone():
    assert walked(taste(), "calm", 2.0)[0] == walked(None, "calm", 2.0)[0]


def test_the_same_taste_and_seed_move_the_same():
    assert walked(taste(), seconds=2.5)[0] == walked(taste(), seconds=2.5)[0]


@pytest.mark.parametrize("end", [0.0, 1.0])
@pytest.mark.parametrize("label", LABELS)
def test_the_ends_of_what_can_be_liked_are_walked_without_a_fall(label, end):
    extreme = ExpressiveStyle.from_vector(np.full(12, end))
    steps = walked(taste(1.0, extreme, LABELS), label, 3.0)[0]
    assert not any(step.fallen for step in steps)
    assert steps[-1].behaviour == default_table().answers[label]


def test_a_run_takes_the_file_and_tells_whose_taste_it_shows(tmp_path, capsys):
    taste().save(tmp_path / "ana.json")
    place = tmp_path / "steps.json"
    liked = run(Run(emotion="sad", seconds=2.5, seed=2, taste=tmp_path / "ana.json", json=str(place)))
    assert liked.steps == walked(taste(), seconds=2.5)[0]
    assert json.loads(place.read_text())["steps"][-1]["gait"] == "walk"
    assert walked(str(tmp_path / "ana.json"), seconds=2.5)[0] == liked.steps
    assert "The way Ana likes it" in " ".join(capsys.readouterr().err.split())


def test_hands_overrule_a_taste():
    def steps(liked):
        with Session(seed=2, ear=ScriptedEar(), taste=liked) as session:
            session.feel("sad")
            session.choose_gait("trot")
            session.choose_speed(0.4)
            return session.run(2.0).steps

    assert steps(taste()) == steps(None)


def test_a_file_that_is_no_taste_is_named(tmp_path):
    (tmp_path / "no.json").write_text("{}")
    with pytest.raises(ValueError, match=r"no\.json is no taste"):
        Session(config=SessionConfig(taste=tmp_path / "no.json"), ear=ScriptedEar())
