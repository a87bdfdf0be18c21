"""The samples show the feeling that they are called after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apps.session import Session
from perception.emotion import LABELS
from perception.face.detector import FaceDetector
from perception.face.model import FaceEmotionModel
from perception.face.pictures import read_picture
from perception.face.stream import FaceStream
from perception.face.videos import read_video
from perception.speech.audio import read_sound
from perception.speech.enrol import EnrolConfig
from perception.speech.enrol import main as enrol
from perception.speech.model import SpeechEmotionModel
from perception.speech.stream import SpeechStream
from policies.behaviour import default_table
from tests.conftest import ROOT

SAMPLES = ROOT / "assets" / "samples"
SURE = default_table().rules.unsure_below


def test_there_is_one_for_every_feeling():
    assert {path.stem for path in [*SAMPLES.glob("*.flac"), *SAMPLES.glob("*.png")]} == set(LABELS)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.flac")), ids=lambda path: path.name)
def test_a_voice_is_heard_as_what_it_is_called(path: Path):
    stream = SpeechStream(SpeechEmotionModel.load(), hop_s=0.5)
    heard = stream.push(np.concatenate([read_sound(path).samples, np.zeros(8000, np.float32)]))
    assert len(heard) >= 6 and {one.label for one in heard} == {path.stem}
    assert min(one.confidence for one in heard) > SURE


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.png")), ids=lambda path: path.name)
def test_a_face_is_seen_as_what_it_is_called(path: Path):
    seen = FaceStream(FaceEmotionModel.load(), FaceDetector()).push(read_picture(path), 0.0).estimate
    assert seen is not None and seen.label == path.stem and seen.confidence > SURE


def test_the_voice_to_get_to_know_can_be_enrolled(tmp_path):
    known = enrol(EnrolConfig(out=tmp_path / "me.safetensors", neutral=(SAMPLES / "talk",)))
    assert known.failures == [] and known.speaker.neutral.clips == 2


def test_the_demo_comforts_and_then_plays():
    path = SAMPLES / "sad_then_happy.mp4"
    with Session() as session:
        session.play_audio(path)
        session.play_video(read_video(path))
        shown = list(dict.fromkeys(step.behaviour for step in session.run(11.0).steps))
    assert shown[0] == "idle" and shown[-2:] == ["comfort", "play"]
