from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import create_autospec

import av
import cv2
import numpy as np
import pytest
import soundfile

from apps.config import SessionConfig
from apps.headless import Run, _show, run
from apps.mp4 import VideoError
from apps.session import Session
from apps.video import title
from benchmarks.media_files import write_video
from control.gait import VelocityCommand
from control.observation import OBSERVATION_SIZE
from geometry.transforms import about_vertical
from perception.speech.audio import Sound, SoundError
from policies.behaviour import default_table
from policies.locomotion.actor import Actor
from tests.conftest import HELD_OUT_FOLD, ROOT, ScriptedEar, estimate
from tests.faces import drawn_face

assert HELD_OUT_FOLD == 0
SAMPLE = ROOT / "assets" / "samples" / "hello.wav"


@pytest.fixture
def session():
    with Session(ear=ScriptedEar()) as made:
        yield made


def timeline_bytes(seed: int, clip: Path) -> bytes:
    with Session(seed=seed) as session:
        session.play_audio(clip)
        return json.dumps(session.run(5.0).as_json()["steps"]).encode()


def test_same_seed_and_clip_give_the_same_timeline_byte_for_byte():
    first = timeline_bytes(3, SAMPLE)
    assert timeline_bytes(3, SAMPLE) == first
    assert timeline_bytes(4, SAMPLE) != first


def test_filming_changes_nothing_that_happens(tmp_path):
    def steps(record: bool):
        with Session(ear=ScriptedEar({10: estimate("happy")})) as session:
            return (session.record(tmp_path / "film.mp4", 1.2) if record else session.run(1.2)).steps

    assert steps(record=True) == steps(record=False)


@pytest.mark.parametrize(("label", "gait"), [("happy", "trot"), ("calm", "walk"), ("angry", "trot"), ("sad", "walk")])
def test_a_feeling_that_is_heard_changes_how_the_dog_moves(label, gait):
    with Session(ear=ScriptedEar({20: estimate(label)})) as session:
        steps = session.run(5.0).steps
    assert steps[10].behaviour == "idle"
    assert steps[-1].behaviour == default_table().answers[label]
    assert (steps[-1].emotion, steps[-1].gait) == (label, gait)
    assert not any(step.fallen for step in steps)
    assert abs(steps[-1].vx) > 0.1


def test_what_is_shown_of_a_voice_fades_when_it_is_over():
    with Session(ear=ScriptedEar({10: estimate("angry")})) as session:
        session.run(0.3)
        fresh = session.snapshot()
        session.run(4.0)
        old = session.snapshot()
        steps = session.run(3.0).steps
        gone = session.snapshot()
    assert not fresh.unsure and fresh.step.emotion == old.step.emotion == "angry"
    assert old.unsure and old.step.confidence < 0.7 * fresh.step.confidence
    assert 0.7 * fresh.step.valence < old.step.valence < 0.0, "toward the middle"
    assert gone.unsure and gone.estimate is None
    assert {gone.step.emotion, gone.step.confidence, gone.step.valence, gone.step.arousal} == {None}
    assert "angry" in title(fresh) and "unsure" in title(old) and "unsure" in title(gone)
    assert steps[-1].emotion == "angry", "the timeline says what the behaviour answers"


def test_the_gait_is_that_of_the_legs_when_a_hand_sets_the_speed(session):
    session.choose_speed(0.4)
    step = session.run(0.5).steps[-1]
    assert (step.behaviour, step.gait) == ("idle", "trot")
    assert session.snapshot().step.gait == "trot"
    session.choose_speed(None)
    assert session.run(0.5).steps[-1].gait == "stand"


def test_whoever_drives_walks_any_way_and_the_dog_stands_when_they_say_no_more(session):
    start, yaw = session.state.position[:2], session.state.yaw
    for _ in range(10):
        session.drive(VelocityCommand(0.0, 0.25, 0.0))
        session.run(0.3)
    x, y = about_vertical(-yaw)[:2, :2] @ (session.state.position[:2] - start)
    assert y > 0.3 > 3 * abs(x)
    session.drive(VelocityCommand(wz=0.8))
    session.feel("happy")
    assert session.run(0.5).steps[-1].gait == "trot"
    session.run(1.0)
    assert session.decision.manual.velocity == VelocityCommand()
    assert abs(session.run(1.0).steps[-1].vx) < 0.05
    session.choose_speed(None)
    assert session.decision.manual.velocity is None


def test_every_control_step_is_in_the_timeline(session):
    steps = session.run(1.0).steps
    assert [step.t for step in steps] == [round(0.02 * n, 2) for n in range(1, 51)]


def test_the_clip_is_heard_in_its_own_time(session):
    samples = np.linspace(-0.5, 0.5, 16000).astype(np.float32)
    assert session.play_audio(samples) == pytest.approx(1.0)
    session.run(1.5)
    heard = np.concatenate(session.senses.ear.heard)
    assert np.array_equal(heard[:16000], samples)
    assert not heard[16000:].any()


def test_microphone_sound_is_bounded_and_the_newest_is_kept(session):
    for number in range(100):
        session.push_audio(np.full(1600, number / 100, np.float32))
    session.run(2.0)
    heard = np.concatenate(session.senses.ear.heard)
    assert heard.max() == pytest.approx(0.99)
    assert np.count_nonzero(heard) <= 17600


def test_a_push_is_felt_and_survived(session):
    session.run(0.5)
    before = session.state.position[:2]
    session.push(np.pi / 2, 0.8)
    moved: list[float] = []
    steps = session.run(2.0, lambda step: moved.append(float(np.hypot(*(session.state.position[:2] - before))))).steps
    assert max(moved) > 0.04
    assert max(step.frequency for step in steps) > 1.0
    assert not any(step.fallen for step in steps)
    assert steps[-1].frequency < 0.1


def test_a_dog_that_lies_gets_up_again(session):
    session.run(0.2)
    session.push(np.pi / 2, 3.0)
    session.body.world.place(session.body.dog.body.body, (0, 0, 0.1), (0.7071, 0, 0, 0.7071))
    steps = session.run(4.0).steps
    assert any(step.fallen for step in steps)
    assert not steps[-1].fallen


def test_hands_can_set_everything_and_give_it_back(session):
    session.feel("happy")
    session.choose_gait("pace")
    session.choose_speed(0.5)
    steps = session.run(4.0).steps
    assert (steps[-1].emotion, steps[-1].gait, steps[-1].behaviour) == ("happy", "pace", "play")
    assert np.mean([step.vx for step in steps[100:]]) == pytest.approx(0.5, abs=0.1)
    session.feel(None)
    session.choose_gait(None)
    session.choose_speed(None)
    assert session.run(3.0).steps[-1].behaviour == "idle"


def test_what_cannot_be_set_is_refused_with_what_can(session):
    with pytest.raises(ValueError, match=r"'bored'.*happy"):
        session.feel("bored")
    with pytest.raises(ValueError, match=r"'gallop'.*trot"):
        session.choose_gait("gallop")
    for speed in (9.0, float("nan")):
        with pytest.raises(ValueError, match=r"-0.6 to 1.2"):
            session.choose_speed(speed)
    for velocity in ((0.0, 0.9, 0.0), (0.0, 0.0, float("inf"))):
        with pytest.raises(ValueError, match="outside what the body can do"):
            session.drive(VelocityCommand(*velocity))
    with pytest.raises(ValueError, match="0 to 3 m/s"):
        session.push(float("nan"))
    assert session.run(0.1).steps[-1].fallen is False


def test_reset_brings_back_the_beginning(session):
    first = session.run(1.0).steps
    session.feel("angry")
    session.run(2.0)
    session.reset()
    assert session.run(1.0).steps == first


def test_bad_sounds_are_refused_and_the_session_goes_on(session, tmp_path):
    text = tmp_path / "text.wav"
    text.write_text("not a sound")
    (tmp_path / "empty.wav").touch()
    for bad in (text, tmp_path / "empty.wav", tmp_path / "missing.wav", tmp_path):
        with pytest.raises(SoundError):
            session.play_audio(bad)
    long = tmp_path / "hour.wav"
    with soundfile.SoundFile(long, "w", 8000, 1, "PCM_U8") as file:
        for _ in range(36):
            file.write(np.zeros(8000 * 100))
    with pytest.raises(SoundError, match="600"):
        session.play_audio(long)
    assert session.playing is None
    assert len(session.run(0.2).steps) == 10


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"),
    [(8000, 1, "PCM_U8"), (96000, 2, "PCM_24"), (44100, 2, "FLOAT"), (16000, 1, "PCM_16")],
)
def test_unusual_sounds_work(session, tmp_path, rate, channels, subtype):
    path = tmp_path / "sound.wav"
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(rate) / rate)
    soundfile.write(path, np.tile(tone[:, None], (1, channels)), rate, subtype)
    assert session.play_audio(path) == pytest.approx(1.0, abs=0.01)


def test_silence_is_heard_and_believed_to_be_nothing():
    with Session() as session:
        session.play_audio(np.zeros(32000, np.float32))
        steps = session.run(2.5).steps
    assert {step.emotion for step in steps} == {None}
    assert {step.behaviour for step in steps} == {"idle"}


@pytest.mark.parametrize(
    "samples",
    [np.full(32000, np.nan, np.float32), np.zeros(0, np.float32), np.zeros(16000, np.int16), np.full(16000, 1e6)],
    ids=["nan", "empty", "integers", "far too loud"],
)
def test_samples_that_are_no_sound_are_refused(session, samples):
    with pytest.raises(SoundError):
        session.play_audio(samples)
    assert session.playing is None


def test_nan_at_the_microphone_is_survived():
    with Session() as session:
        session.push_audio(np.full(16000, np.nan, np.float32))
        assert session.run(2.0).steps[-1].behaviour == "idle"


def test_sounds_at_other_rates_last_as_long_as_they_last(session):
    assert session.play_audio(Sound(np.zeros(48000, np.float32), 48000)) == pytest.approx(1.0, abs=0.01)
    assert session.play_audio(np.zeros(8000), rate_hz=8000) == pytest.approx(1.0, abs=0.01)


def test_a_film_has_picture_and_sound_of_the_right_length(tmp_path):
    path = tmp_path / "film.mp4"
    timeline = run(Run(speech=SAMPLE, seconds=1.2, record=path, json=str(tmp_path / "steps.json")))
    with av.open(str(path)) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert (len(frames), frames[0].shape) == (30, (360, 800, 3))
    assert frames[0][:, :480].std() > 10
    with av.open(str(path)) as film:
        sound = np.concatenate([frame.to_ndarray().ravel() for frame in film.decode(audio=0)])
    assert np.abs(sound).max() > 0.05
    saved = json.loads((tmp_path / "steps.json").read_text())
    assert saved["steps"] == [step._asdict() for step in timeline.steps]
    assert {"clip", "seed", "steps", "real_time_factor"} == set(saved)


def test_a_film_that_cannot_be_written_leaves_the_old_one(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("kept")
    with Session(ear=ScriptedEar()) as session, pytest.raises(VideoError, match="writable"):
        session.record(blocked / "film.mp4", 0.1)
    assert blocked.read_text() == "kept"


def test_foreign_weights_are_named(tmp_path):
    with pytest.raises(ValueError, match=str(tmp_path)):
        Session(config=SessionConfig(weights=tmp_path))


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), 1e9])
def test_impossible_lengths_are_refused(seconds):
    with pytest.raises(ValueError, match="3600"):
        run(Run(seconds=seconds))


def test_a_dog_walks_with_a_policy_that_was_trained(tmp_path):
    """Random residuals disturb its legs, and it still goes where it should; a folder without a policy is named."""
    rng = np.random.default_rng(0)
    sizes = ((16, OBSERVATION_SIZE), (12, 16))
    weights = tuple(0.05 * rng.standard_normal(size) for size in sizes)
    actor = Actor(np.zeros(95), np.ones(95), weights, (np.zeros(16), np.zeros(12)), np.zeros(12))
    actor.save(tmp_path / "policy", {})
    ways = []
    for gait in ("none", str(tmp_path / "policy")):
        with Session(config=SessionConfig(policy=gait), ear=ScriptedEar()) as session:
            session.choose_gait("trot")
            session.run(3.0)
            ways.append(np.array(session.state.position))
    assert np.abs(ways[0] - ways[1]).max() > 1e-4, "the policy does nothing"
    assert ways[1][2] > 0.2
    with pytest.raises(ValueError, match="no gait policy"):
        Session(config=SessionConfig(policy=str(tmp_path)))


@pytest.mark.parametrize("name", ["seen", "seen.jpg", "seen.mp4"])
@pytest.mark.parametrize("asked", ["show_image", "play_video"])
def test_content_tells_what_the_dog_is_to_see(asked, name, tmp_path):
    made = tmp_path / "made"
    if asked == "show_image":
        made.write_bytes(cv2.imencode(".png", drawn_face(240, 240))[1].tobytes())
    else:
        made = write_video(tmp_path / "made.mp4", [drawn_face(240, 240)] * 3)
    session = create_autospec(Session, instance=True)
    _show(session, made.rename(tmp_path / name), with_sound=False)
    assert [call[0] for call in session.method_calls] == [asked]
