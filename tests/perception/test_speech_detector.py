import shutil
from pathlib import Path

import numpy as np
import pytest

from cli.main import cli
from datasets import nonspeech
from datasets.voices import DatasetError
from learning.speech import speech_detector as speech_detector_training
from learning.speech.speech_detector import SpeechDetectorTraining
from perception.speech.audio import RATE_HZ
from perception.speech.speech_detector import DEFAULT_FOLDER, SpeechDetector
from perception.speech.stream import SpeechStream
from perception.weights import WeightsError


@pytest.mark.parametrize("kind", list(nonspeech.KINDS))
@pytest.mark.parametrize("seconds", [0.05, 1.0, 4.0])
def test_sounds_can_be_made_again_and_are_bounded(kind, seconds):
    sound = nonspeech.make(kind, seconds, np.random.default_rng(1))
    assert sound.dtype == np.float32
    assert len(sound) == round(seconds * RATE_HZ)
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= 1.0
    assert 10 ** (-41 / 20) < np.sqrt(np.mean(sound.astype(np.float64) ** 2)) < 10 ** (-13 / 20)
    assert np.array_equal(sound, nonspeech.make(kind, seconds, np.random.default_rng(1)))
    assert not np.array_equal(sound, nonspeech.make(kind, seconds, np.random.default_rng(2)))


def test_an_unknown_kind_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'whale'.*melody"):
        nonspeech.make("whale", 1.0, np.random.default_rng(0))


@pytest.mark.parametrize("kind", list(nonspeech.KINDS))
def test_the_stream_says_nothing_about_what_is_no_speech(model, kind):
    sound = nonspeech.make(kind, 6.0, np.random.default_rng(7))
    gated, open_ = SpeechStream(model), SpeechStream(model, least_speech=0.0)
    heard = open_.push(sound)
    assert len(gated.push(sound)) <= 0.1 * max(len(heard), 10)


def test_voices_are_let_through(model, held_out):
    for _, samples in held_out[:6]:
        assert len(SpeechStream(model).push(samples)) == len(SpeechStream(model, least_speech=0.0).push(samples))


def test_the_last_window_is_told(model, held_out):
    stream = SpeechStream(model)
    assert stream.speech is None
    stream.push(held_out[0][1])
    assert stream.speech > 0.9
    stream.reset()
    assert stream.speech is None


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(model, share):
    with pytest.raises(ValueError, match="least_speech"):
        SpeechStream(model, least_speech=share)


def test_training_makes_the_same_layer_again(tmp_path, capsys):
    voices = tmp_path / "voices"
    voices.mkdir()
    import soundfile

    for index in range(2):
        # Not voices, but another kind than all others: enough to see that the command works from end to end.
        chirp = nonspeech.make("birds", 3.0, np.random.default_rng(index))
        soundfile.write(voices / f"{index}.wav", chirp, RATE_HZ)
    arguments = ["train", "speech-detector", "--voices", str(voices), "--other-voices", str(voices)]
    arguments += ["--clips", "2", "--sounds", "2"]
    for name in ("a", "b"):
        assert cli([*arguments, "--out", str(tmp_path / name)]) == 0
    assert "other voices" in capsys.readouterr().err
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b"))
    assert first == second
    assert "never heard one" in (tmp_path / "a" / "CARD.md").read_text()
    assert SpeechDetector.load(tmp_path / "a").config.inputs == 2304


def test_bad_input(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no recordings"):
        speech_detector_training.main(SpeechDetectorTraining(tmp_path / "empty", out=tmp_path / "out"))
    with pytest.raises(ValueError, match="clips"):
        SpeechDetectorTraining(Path("x"), clips=0)
    folder = tmp_path / "weights"
    shutil.copytree(DEFAULT_FOLDER, folder)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(WeightsError, match="cannot be read"):
        SpeechDetector.load(folder)
