from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from apps.config import SessionConfig
from apps.headless import Run, run
from apps.recording import KIND, SENSED, Event, Log, Recording, RecordingError
from apps.session import Session
from control.gait import VelocityCommand
from tests.conftest import ROOT, ScriptedEar, estimate

SAMPLE = ROOT / "assets" / "samples" / "angry.flac"


def poses_of(session: Session, seconds: float) -> np.ndarray:
    """Where every link was at every control step, to the last bit."""
    found = []
    session.run(seconds, lambda step: found.append(session.snapshot().poses.tobytes()))
    return np.array(found)


def eventful() -> tuple[np.ndarray, Recording]:
    """A session in which much is sensed and done, some of it in the middle of a control step."""
    with Session(seed=3, ear=ScriptedEar({20: estimate("sad", 0.9), 150: estimate("happy", 0.8)})) as session:
        found = [poses_of(session, 1.0)]
        session.advance(3)
        session.push()
        session.advance(2)
        found.append(poses_of(session, 2.0))
        session.drive(VelocityCommand(0.3, 0.0, 0.4))
        session.choose_gait("pace")
        found.append(poses_of(session, 1.5))
        session.choose_gait(None)
        session.choose_speed(None)
        session.feel("angry")
        found.append(poses_of(session, 1.0))
        return np.concatenate(found), session.recording


def test_what_is_played_again_moves_the_same_to_the_last_bit(tmp_path):
    poses, recording = eventful()
    assert {event.what for event in recording.events} == {
        "sensed", "push", "drive", "choose_gait", "choose_speed", "feel"}  # fmt: skip
    recording.save(tmp_path / "a.json")
    loaded = Recording.load(tmp_path / "a.json")
    assert loaded.seconds == pytest.approx(5.52)
    with Session(recording=loaded) as session:
        again = np.concatenate([poses_of(session, 1.0), (session.advance(5), poses_of(session, 4.5))[1]])
        assert np.array_equal(again, poses)
        assert session.recording.text() == recording.text()
        session.reset()
        assert np.array_equal(poses_of(session, 1.0), poses[:50])


def test_a_run_is_recorded_and_played_again_from_the_command_line(tmp_path):
    first = run(Run(speech=SAMPLE, seconds=4.0, seed=1, recording=tmp_path / "a.json", json=tmp_path / "first.json"))
    second = run(Run(replay=tmp_path / "a.json", recording=tmp_path / "b.json"))
    assert second.steps == first.steps
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert len((tmp_path / "a.json").read_bytes()) < 20_000


def test_a_recording_is_played_with_what_it_was_made_with(tmp_path):
    with Session(seed=0, ear=ScriptedEar()) as session:
        session.run(0.1)
        recording = session.recording
    with pytest.raises(RecordingError, match=r"none-.*--policy"):
        Session(config=SessionConfig(policy="none"), recording=recording)
    with pytest.raises(ValueError, match=r"--replay came with"):
        recording.save(tmp_path / "a.json")
        run(Run(replay=tmp_path / "a.json", emotion="sad"))


def changed(**changes: object) -> str:
    sensed = [[[*[0.125] * 8], 0.1, 0.1, 0.125, 1.0, "voice"]]
    head = {"kind": KIND, "version": 1, "seed": 0, "person": [2.0, 0.0], "made_with": "a-b", "substeps": 100}
    return json.dumps({**head, "events": [[5, "sensed", [sensed, 1.0, []]], [9, "feel", ["sad"]]], **changes})


def test_what_it_says_is_read_back(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(changed())
    assert Recording.load(path).events[1] == Event(9, "feel", ["sad"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no JSON", "no JSON"),
        ("[1]", "no recording"),
        (changed(kind="film"), "no recording"),
        (changed(version=2), "version 2"),
        (changed(seed="0"), "'0' came"),
        (changed(substeps=10**9), "1000000000 came"),
        (changed(person=[1]), "damaged"),
        (changed(events=[[3, "close", []]]), "'close' came"),
        (changed(events=[[3, "feel", "sad"]]), "'feel' came"),
        (changed(events=[[9, "feel", ["sad"]], [5, "feel", ["sad"]]]), "not in order"),
        (changed(events=[[101, "feel", ["sad"]]]), "not in order"),
        (changed(events=[[3, "sensed", [[], 1.0, []]]]), "where a control step begins"),
        (changed(events=[[5, "sensed", [[], 1.0, []]]] * 2), "two control steps"),
        (changed(events=[[5, "sensed", [[[[1.0] * 8, 0, 0, 1, 0, "voice"]], 1.0, []]]]), "no distribution"),
        (changed(events=[[5, "sensed", [[[[0.5, 0.5], 0, 0, 1, 0, "voice"]], 1.0, []]]]), "no distribution"),
        (changed(events=[[5, "sensed", [None, 1.0, []]]]), "damaged"),
        (changed(events=7), "damaged"),
    ],
)
def test_what_is_no_recording_is_refused_by_name(tmp_path, text, told):
    path: Path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(RecordingError, match=told) as problem:
        Recording.load(path)
    assert str(path) in str(problem.value)


@pytest.mark.parametrize("value", [["bored"], ["sad", 1, 2], [[1]]])
def test_what_a_hand_cannot_have_set_is_refused_when_it_comes(tmp_path, value):
    with Session(seed=0, ear=ScriptedEar()) as session:
        recording = session.recording
    parsed = Recording.parse(json.loads(changed(made_with=recording.made_with, events=[[9, "feel", value]])))
    with Session(recording=parsed) as session, pytest.raises(RecordingError, match="feel"):
        session.run(1.0)


def test_a_log_that_is_full_keeps_what_it_has():
    log = Log()
    log.note(Event(0, "feel", ["sad"]))
    log.note(Event(10**9, "feel", ["happy"]))
    log.note(Event(1, "feel", ["angry"]))
    assert log.full and len(log.events()) == 1
    log.clear()
    assert not log.full and not log.events()


def test_what_lasts_longer_than_an_hour_ends_after_an_hour():
    log, hour = Log(), 900_000
    assert log.end(hour + 10) == hour
    log.note(Event(hour + 5, "feel", ["sad"]))
    assert log.full and log.events() == () and log.end(hour + 10) == hour


def test_numbers_of_numpy_are_kept_and_what_cannot_be_is_refused_at_once():
    log = Log()
    with pytest.raises(TypeError):
        log.note(Event(0, "feel", [object()]))
    for number in range(200):
        log.note(Event(number, "choose_speed", [np.float32(0.25)]))
    assert log.events() == tuple(Event(number, "choose_speed", [0.25]) for number in range(200))
    early = log.copy()
    log.note(Event(300, "feel", ["sad"]))
    assert len(early.events()) == 200 and len(log.events()) == 201


def test_an_hour_of_talk_is_kept_whole_and_small():
    log, rng = Log(), np.random.default_rng(0)
    voices = [[[float(share) for share in rng.dirichlet(np.ones(8))], 0.1, 0.2, 0.3, 0.4, "voice"] for _ in range(200)]
    tracemalloc.start()
    for number in range(14_400):  # four windows a second
        log.note(Event(5 * number, SENSED, [[json.loads(json.dumps(voices[number % 200]))], 1.0, []]))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2e6, "more than ten megabytes as lists"
    kept = log.events()
    assert len(kept) == 14_400 and kept[0] == Event(0, SENSED, [[voices[0]], 1.0, []])
    assert kept[-1] == Event(5 * 14_399, SENSED, [[voices[-1]], 1.0, []])
