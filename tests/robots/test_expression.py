from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from scipy.spatial.transform import Rotation

from robots.expression import POSTURES, ExpressiveBody
from robots.face import FACES, FaceParameters, draw_face
from robots.sounds import CALLS, sound_seconds, sound_wav, synthesise

DT = 0.02


@pytest.fixture
def body(rng):
    return ExpressiveBody((0.3, 0.194, 0.114), rng)


def animate(body: ExpressiveBody, posture: str, seconds: float) -> np.ndarray:
    joints = []
    for _ in range(round(seconds / DT)):
        body.step(DT, POSTURES[posture], FACES["neutral"], 0.0, 0.0)
        joints.append(body.joints)
    return np.array(joints)


@pytest.mark.parametrize("posture", list(POSTURES))
def test_postures_are_reached_smoothly_and_without_overshoot(body, posture):
    joints = animate(body, posture, 4.0)
    target = POSTURES[posture].vector()
    assert np.allclose(joints[-1], target, atol=0.02)
    start = POSTURES["neutral"].vector()
    assert np.abs(np.diff(joints, axis=0)).max() < 0.35
    beyond = (joints - target) * np.sign(target - start)
    assert beyond.max() < 0.05 * max(np.abs(target - start).max(), 0.1)


def test_head_leads_and_tail_follows(body):
    joints = animate(body, "joyful", 0.3)[-1]
    start, target = POSTURES["neutral"].vector(), POSTURES["joyful"].vector()
    progress = (joints - start) / np.where(target == start, np.inf, target - start)
    assert progress[0] > progress[5] > 0


def test_the_dog_never_looks_dead(body):
    trunk = np.array([0, 0, 0.3, 0, 0, 0, 1.0])
    animate(body, "neutral", 2.0)
    before = body.link_poses(trunk)
    animate(body, "neutral", 0.8)
    assert np.abs(body.link_poses(trunk) - before).max() > 1e-3


def test_parts_move_rigidly_with_the_trunk(body):
    animate(body, "puzzled", 1.0)
    at_origin = body.link_poses(np.array([0, 0, 0, 0, 0, 0, 1.0]))
    turn = Rotation.from_euler("z", 90, degrees=True)
    moved = body.link_poses(np.array([1, 2, 3, *turn.as_quat()]))
    assert np.allclose(moved[:, :3], turn.apply(at_origin[:, :3]) + np.array([1, 2, 3]))


def test_blinking_comes_and_goes(body):
    openings = []
    for _ in range(1500):
        body.step(DT, POSTURES["neutral"], FACES["neutral"], 0.0, 0.0)
        openings.append(body.shown_face.eye_open)
    closed = np.array(openings) < 0.3
    assert 0 < closed.mean() < 0.2


@pytest.mark.parametrize("name", list(FACES))
def test_every_face_can_be_drawn_and_differs_from_neutral(name):
    picture = draw_face(FACES[name], 160, 120)
    assert picture.shape == (120, 160, 3)
    assert name == "neutral" or (picture != draw_face(FACES["neutral"], 160, 120)).any()


def test_faces_blend_from_one_to_the_other():
    start, end = FACES["neutral"], FACES["joyful"]
    assert start.toward(end, 0.0) == start
    assert start.toward(end, 1.0) == end
    assert start.toward(end, 0.5).smile == pytest.approx((start.smile + end.smile) / 2)
    assert FaceParameters(color="#000000").toward(FaceParameters(color="#ff8000"), 0.5).color == "#804000"


@pytest.mark.parametrize("name", list(CALLS))
def test_sounds_are_clean_wav_files_of_their_stated_length(name):
    samples, rate = soundfile.read(io.BytesIO(sound_wav(name)))
    assert len(samples) / rate == pytest.approx(sound_seconds(name), abs=0.02)
    assert np.isfinite(samples).all()
    assert 0.85 < np.abs(samples).max() <= 0.91
    assert abs(samples.mean()) < 0.02


def test_a_growl_is_lower_than_a_whine_and_a_whine_lower_than_a_yelp():
    def centre(name: str) -> float:
        spectrum = np.abs(np.fft.rfft(synthesise(name)))
        peak = np.argmax(spectrum)
        return peak * 22050 / (2 * (len(spectrum) - 1))

    assert centre("growl") < centre("whine") < centre("yelp")


def test_an_unknown_sound_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'moo'.*bark"):
        synthesise("moo")
