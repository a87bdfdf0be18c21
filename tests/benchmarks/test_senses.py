from __future__ import annotations

import numpy as np
import pytest

from benchmarks.senses import SAMPLE_EVERY, Args, Belief, Scene, figures, film_of, scenes, sound_of
from control.dog import CONTROL_HZ
from datasets.faces import Faces
from perception.face.network import CLASSES

PER_S = CONTROL_HZ // SAMPLE_EVERY


@pytest.fixture
def faces(rng):
    pictures = rng.integers(0, 255, (14, 48, 48)).astype(np.uint8)
    return Faces(pictures, np.arange(14) % 7, np.array(["PublicTest"] * 14), np.array([""] * 14))


def test_ten_minutes_hold_every_kind_of_scene():
    script = scenes(10.0, np.random.default_rng(0))
    assert sum(scene.seconds for scene in script) >= 600
    assert {scene.people for scene in script} == {0, 1, 2}
    assert {"speech", "silence"} < {scene.sound for scene in script}
    assert len({scene.sound for scene in script}) > 5
    empty = sum(scene.seconds for scene in script if scene.empty)
    assert 0.3 < empty / 600 < 0.75


@pytest.mark.parametrize("sound", ["silence", "melody", "fan"])
def test_sounds_last_as_long_as_their_scene(sound, rng):
    samples = sound_of(Scene(sound, 0, "happy", 2.5), [], rng)
    assert samples.shape == (40000,)
    assert np.isfinite(samples).all()
    assert (np.abs(samples).max() < 0.01) == (sound == "silence")


def test_a_film_shows_as_many_people_as_its_scene(faces, rng):
    nobody, one, two = (
        next(iter(film_of(Scene("silence", people, "sad", 1.0), faces, rng))).picture for people in (0, 1, 2)
    )
    assert nobody.shape == (240, 320, 3)
    detail = [float(picture[:, :200].std()) for picture in (nobody, one, two)]
    assert detail[0] < 10 < detail[1]
    assert two[:, 220:].std() > 10 > one[:, 220:].std()


def test_being_unsure_is_counted_where_there_is_nothing_to_judge():
    script = [Scene("speech", 1, "happy", 2.0), Scene("melody", 0, "happy", 2.0), Scene("fan", 1, "sad", 2.0)]
    beliefs = [Belief(0, "happy", False, True)] * 2 * PER_S
    beliefs += [Belief(1, "happy", False, False)] * PER_S + [Belief(1, "happy", True, False)] * PER_S
    beliefs += [Belief(2, "sad", False, False)] * 2 * PER_S
    found = figures(script, beliefs, 1.0)
    assert found["abstention_when_empty"] == 0.5
    assert found["abstention_when_empty_settled"] == 1.0
    assert found["abstention_when_occupied"] == 0.0
    assert found["voice_false_alarm_share"] == 0.0
    assert found["labels"] == ["happy", "sad"]
    assert found["longest_on_one_label_s"] == 3.0
    assert found["right_at_the_end_of_scenes"] == 1.0
    stuck = figures(script, [Belief(index, "happy", False, True) for index in (0, 1, 2) for _ in range(20)], 0.0)
    assert stuck["labels"] == ["happy"]
    assert stuck["abstention_when_empty"] == 0.0
    assert stuck["right_at_the_end_of_scenes"] == 0.5


def test_impossible_lengths_are_refused(tmp_path):
    with pytest.raises(ValueError, match="allowed are"):
        Args(tmp_path, tmp_path, minutes=0.0)


def test_feelings_are_those_of_faces():
    assert {scene.feeling for scene in scenes(5.0, np.random.default_rng(1))} <= set(CLASSES)
