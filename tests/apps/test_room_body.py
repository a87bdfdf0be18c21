from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from apps.config import SessionConfig
from apps.headless import Run, run
from apps.recording import RecordingError
from apps.session import Session
from envs.companion.scenario import Scenario, ScenarioError
from policies.behaviour import default_table
from tests.conftest import ROOT

LIBRARY = sorted((ROOT / "assets" / "scenarios").glob("*.toml"))
SMALL = """
name = "Small"
seconds = 6.0

[room]
side_m = 4.5
pieces = []
apart_m = [1.5, 2.5]
"""
SAD = SMALL + '[[voices]]\nat = 0.4\nfeeling = "sad"\nexpects = "comfort"\n'


@pytest.fixture
def scenario(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "one.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_the_library_can_be_played_and_expects_what_there_is(path):
    found = Scenario.load(path)
    samples = {sample.stem for sample in (ROOT / "assets" / "samples").glob("*.flac")}
    table = default_table()
    for voice in found.voices:
        assert voice.feeling in samples
        assert not voice.expects or voice.expects == table.answers[voice.feeling]
    assert found.says and found.errands + found.voices


def test_a_voice_across_the_room_is_heard_answered_and_gone_to(scenario, tmp_path):
    timeline = run(Run(scenario=scenario(SAD), seed=2, json=str(tmp_path / "a.json")))
    told = json.loads((tmp_path / "a.json").read_text())
    assert told["scenario"] == "Small" and len(told["steps"]) == 300
    assert told["events"][0] == {"t": 0.4, "stage": "voice", "what": "sad", "ok": True, "why": ""}
    assert timeline.steps[-1].behaviour == "comfort"
    assert not any(step.fallen for step in timeline.steps)


def test_the_same_seed_gives_the_same_steps_and_a_reset_the_beginning(scenario):
    config = SessionConfig(scenario=scenario(SAD), seed=1)
    with Session(config=config) as one, Session(config=config) as other:
        first = one.run(1.5).steps
        assert other.run(1.5).steps == first
        one.reset()
        assert one.run(1.5).steps == first
        assert len(one.body.links) == len(one.body.link_poses())
        assert np.isfinite(one.picture(64, 48)).all()


def test_an_errand_of_the_scenario_is_begun_and_told(scenario):
    text = SMALL + '[[toys]]\nname = "can_900"\n[[errands]]\nat = 0.2\nfetch = "red"\n'
    with Session(config=SessionConfig(scenario=scenario(text))) as session:
        session.run(0.5)
        assert session.body.fetcher.busy
        assert session.happened["events"][0]["what"] == "red"
        with pytest.raises(ValueError, match="'green' came; things lie here in red"):
            session.fetch("green")
        with pytest.raises(ValueError, match="fetches something already"):
            session.fetch("red")
    with Session() as session, pytest.raises(ValueError, match="--scenario FILE"):
        session.fetch("red")


def test_what_is_not_there_is_sought_in_vain_and_a_second_errand_waits_for_nobody(scenario):
    errands = '[[errands]]\nat = 0.1\nfetch = "violet"\n[[errands]]\nat = 0.3\nfetch = "red"\n'
    with Session(config=SessionConfig(scenario=scenario(SMALL + errands))) as session:
        session.run(0.5)
        told = session.happened["events"]
        assert [(event["what"], event["ok"]) for event in told] == [("violet", True), ("red", False)]


def test_music_turns_no_more_than_the_head(scenario):
    sound = '[[sounds]]\nat = 0.2\nkind = "music"\nplace = [1.5, 1.5]\nseconds = 3.0\n'
    with Session(config=SessionConfig(scenario=scenario(SMALL + sound))) as session:
        begun = session.state.yaw
        steps = session.run(4.0).steps
        assert {step.behaviour for step in steps} <= {"idle", "ask", "curious"}
        assert steps[-1].behaviour == "idle"
        assert abs(np.sin(session.state.yaw - begun)) < 0.2


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        (SMALL + '[[toys]]\nname = "sofa"\n', {}, "no object 'sofa'"),
        (SMALL, {"policy": "none"}, "policy 'none' came; a policy that minds the ground"),
        (SMALL + "[weather]\nrain = true\n", {}, "weather"),
    ],
)
def test_what_cannot_be_played_is_refused_by_name(scenario, text, options, told):
    with pytest.raises((ScenarioError, ValueError), match=told):
        Session(config=SessionConfig(scenario=scenario(text), **options))


def test_a_scenario_is_its_own_recording(scenario):
    with (
        Session(config=SessionConfig(scenario=scenario(SMALL))) as session,
        pytest.raises(RecordingError, match="seed 0"),
    ):
        session.recording  # noqa: B018
