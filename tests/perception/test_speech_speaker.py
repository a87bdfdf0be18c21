import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from scipy.special import softmax

from cli.main import cli
from datasets.voices import load_ravdess
from learning.metrics import unweighted_accuracy
from perception.speech.audio import read_sound
from perception.speech.model import Judgement, held_out_actors
from perception.speech.speaker import HISTORY_DOUBT, MOST_HISTORY, NEUTRAL_DOUBT, Speaker
from perception.speech.stream import SpeechStream
from perception.speech.windows import trim_to_voice
from perception.weights import WeightsError

SAMPLE = Path(__file__).resolve().parents[2] / "assets" / "samples" / "hello.wav"
INPUTS, LAYERS = 12, 3  # two means and two deviations for each layer
USUAL, NEUTRAL = np.zeros(INPUTS), np.full(INPUTS, 0.5)
MEANS = np.tile([True, True, False, False], LAYERS)


def test_nothing_known_changes_nothing():
    assert not Speaker().offset(USUAL, NEUTRAL, LAYERS).any()


def test_neutral_clips_tell_of_means_and_a_history_of_all():
    neutral, history = Speaker(), Speaker()
    for _ in range(2):
        neutral.add(np.full(INPUTS, 1.5), neutral=True)
    offset = neutral.offset(USUAL, NEUTRAL, LAYERS)
    assert offset[MEANS] == pytest.approx(1.0 * 2 / (2 + NEUTRAL_DOUBT))
    assert not offset[~MEANS].any()
    for _ in range(16):
        history.add(np.full(INPUTS, 1.0))
    assert history.offset(USUAL, NEUTRAL, LAYERS) == pytest.approx(16 / (16 + HISTORY_DOUBT))


@given(st.integers(0, 40), st.integers(0, 200), st.floats(-3, 3))
def test_the_offset_never_overshoots_and_memory_is_bounded(neutral, history, shift):
    speaker = Speaker()
    for _ in range(neutral):
        speaker.add(NEUTRAL + shift, neutral=True)
    for _ in range(history):
        speaker.add(USUAL + shift)
    offset = speaker.offset(USUAL, NEUTRAL, LAYERS)
    assert np.abs(offset).max() <= abs(shift) + 1e-9
    assert speaker.history is None or speaker.history.clips <= MOST_HISTORY


def test_an_old_history_is_forgotten():
    speaker = Speaker()
    for _ in range(200):
        speaker.add(np.ones(INPUTS))
    for _ in range(100):
        speaker.add(-np.ones(INPUTS))
    assert speaker.history.mean.max() < -0.9


@pytest.mark.parametrize("bad", [np.zeros(5), np.full(INPUTS, np.nan), np.zeros((2, INPUTS))])
def test_features_that_do_not_fit_are_refused_and_change_nothing(bad):
    speaker = Speaker()
    speaker.add(np.ones(INPUTS))
    with pytest.raises(ValueError, match="expected"):
        speaker.add(bad)
    assert speaker.history.clips == 1


def test_a_voice_of_another_encoder_is_refused():
    speaker = Speaker()
    speaker.add(np.ones(6))
    with pytest.raises(ValueError, match="Enrol it again"):
        speaker.offset(USUAL, NEUTRAL, LAYERS)


def test_a_voice_survives_the_disk(tmp_path):
    speaker = Speaker()
    speaker.add(np.arange(INPUTS) / 7, neutral=True)
    speaker.add(np.arange(INPUTS) / 3)
    speaker.save(tmp_path / "me.safetensors")
    again = Speaker.load(tmp_path / "me.safetensors")
    assert again.offset(USUAL, NEUTRAL, LAYERS) == pytest.approx(speaker.offset(USUAL, NEUTRAL, LAYERS), abs=1e-6)


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"other": np.zeros(3, np.float32)},
        {"neutral": np.zeros(INPUTS, np.float32)},
        {"neutral": np.full(INPUTS, np.inf, np.float32), "neutral_count": np.array([2])},
        {"history": np.zeros(INPUTS, np.float32), "history_count": np.array([0])},
        {"history": np.zeros((2, INPUTS), np.float32), "history_count": np.array([3])},
    ],
    ids=["empty", "foreign", "no count", "infinite", "count 0", "shape"],
)
def test_files_that_are_no_voice_are_refused(tmp_path, tensors):
    save_file(tensors, tmp_path / "me.safetensors")
    with pytest.raises(WeightsError, match="Enrol it again"):
        Speaker.load(tmp_path / "me.safetensors")


def test_damaged_files_are_refused(tmp_path):
    for content in (b"", b"nonsense"):
        (tmp_path / "me.safetensors").write_bytes(content)
        with pytest.raises(WeightsError):
            Speaker.load(tmp_path / "me.safetensors")


class Model:
    """Remembers who was said to speak."""

    def __init__(self) -> None:
        self.asked: list[Speaker | None] = []

    def judge(self, samples: np.ndarray, speaker: Speaker | None = None) -> Judgement:
        self.asked.append(speaker)
        return Judgement(np.zeros(8), 0.9, np.full(INPUTS, float(len(samples))))


@pytest.mark.parametrize(("learn", "added"), [(True, 3), (False, 0)])
def test_a_stream_learns_one_window_after_the_other_and_forgets_it_at_a_reset(learn, added, rng):
    model, speaker = Model(), Speaker()
    speaker.add(np.ones(INPUTS), neutral=True)
    stream = SpeechStream(model, speaker=speaker, learn=learn)
    loud = np.where(np.arange(16000 * 10) % 9600 < 6400, 0.2, 1e-4)  # syllables: steady noise is no voice
    for _ in range(2):
        stream.push((1e-4 * rng.standard_normal(16000)).astype(np.float32))
        stream.push((loud * rng.standard_normal(len(loud))).astype(np.float32))
        used = model.asked[-1]
        assert (0 if used.history is None else used.history.clips) == added
        assert used.neutral.clips == 1
        stream.reset()
    assert speaker.history is None


def test_known_voices_are_judged_better(ravdess, model):
    """Two neutral clips of each of the four actors whom the shipped network never heard."""
    actors = held_out_actors()
    clips = [clip for clip in load_ravdess(ravdess) if clip.actor in actors]
    speakers = {actor: Speaker() for actor in actors}
    judged = []
    for clip in clips:
        features = model.features(trim_to_voice(read_sound(clip.path).samples))
        if clip.emotion == "neutral" and clip.repetition == 1:
            speakers[clip.actor].add(features, neutral=True)
        else:
            judged.append((clip, features))
    truth = np.array([clip.index for clip, _ in judged])

    def accuracy(known: bool) -> float:
        said = [
            softmax(model._log_probabilities(features, speakers[clip.actor] if known else None), axis=-1).argmax()
            for clip, features in judged
        ]
        return unweighted_accuracy(truth, np.array(said))

    assert accuracy(known=True) > accuracy(known=False) + 0.01


def test_the_command_enrols_adds_and_the_voice_can_be_used(tmp_path, capsys):
    out = tmp_path / "me.safetensors"
    assert cli(["enrol", "voice", "--neutral", str(SAMPLE), "--out", str(out)]) == 0
    assert "1 neutral clips and 0 others" in capsys.readouterr().err
    assert cli(["enrol", "voice", "--neutral", str(SAMPLE), "--out", str(out)]) == 2
    assert "--add" in capsys.readouterr().err
    assert cli(["enrol", "voice", "--neutral", str(SAMPLE), "--history", str(SAMPLE), "--out", str(out), "--add"]) == 0
    assert "2 neutral clips and 1 others" in capsys.readouterr().err
    assert cli(["predict", "speech", str(SAMPLE), "--csv", "-", "--speaker", str(out)]) == 0
    known = capsys.readouterr().out
    assert cli(["predict", "speech", str(SAMPLE), "--csv", "-"]) == 0
    unknown = capsys.readouterr().out
    assert len(known.splitlines()) == len(unknown.splitlines()) > 1
    assert known != unknown


def test_clips_that_cannot_be_used_are_told(tmp_path, capsys):
    out = tmp_path / "me.safetensors"
    (tmp_path / "bad.wav").write_text("no sound")
    soundfile.write(tmp_path / "hum.wav", 0.1 * np.sin(np.arange(32000) / 20), 16000)
    shutil.copy(SAMPLE, tmp_path / "good.wav")
    assert cli(["enrol", "voice", "--out", str(out)]) == 2
    assert "no clips came" in capsys.readouterr().err
    assert cli(["enrol", "voice", "--neutral", str(tmp_path / "bad.wav"), "--out", str(out)]) == 2
    assert not out.exists()
    assert cli(["enrol", "voice", "--neutral", str(tmp_path), "--out", str(out)]) == 2
    assert Speaker.load(out).neutral.clips == 1
    said = capsys.readouterr().err
    assert "hum.wav holds no speech" in said
    assert "bad.wav" in said


def test_clips_are_found_by_content_and_hidden_ones_left_out(tmp_path, capsys):
    clips, out = tmp_path / "clips", tmp_path / "me.safetensors"
    clips.mkdir()
    shutil.copy(SAMPLE, clips / "recording")
    shutil.copy(SAMPLE, clips / "._talk.wav")
    (clips / "notes.txt").write_text("what was said")
    assert cli(["enrol", "voice", "--neutral", str(clips), "--out", str(out)]) == 0
    assert "1 neutral clips and 0 others; left out: 1 .txt, 1 hidden" in capsys.readouterr().err
    (clips / "recording").unlink()
    assert cli(["enrol", "voice", "--history", str(clips), "--out", str(tmp_path / "other")]) == 2
    assert "left out: 1 .txt, 1 hidden" in capsys.readouterr().err
