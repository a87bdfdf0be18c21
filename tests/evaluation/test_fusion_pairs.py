import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cli.main import cli
from datasets.faces import Faces
from datasets.voices import Clip
from evaluation.fusion import evaluate as evaluation
from evaluation.fusion.evaluate import fuse_pairs, measure, merged
from evaluation.fusion.pairs import FACES, FEELINGS, VOICES, SensePredictions, judge_faces, judge_voices, mismatch, pair
from perception.emotion import LABELS
from perception.face.network import CLASSES
from perception.fusion.filter import FusionConfig, fuse
from perception.speech.model import Judgement

NEUTRAL, CALM, HAPPY, SAD = (LABELS.index(name) for name in ("neutral", "calm", "happy", "sad"))


def judged(rng: np.random.Generator, truth: np.ndarray, skill: float, reliability: float = 1.0) -> SensePredictions:
    """Probabilities that point at the truth with `skill`, calibrated by construction to be far from certain."""
    logits = rng.normal(0, 1, (len(truth), 8))
    logits[np.arange(len(truth)), truth] += skill
    logits[:, CALM] = -9.0
    p = np.exp(logits)
    return SensePredictions(p / p.sum(axis=1, keepdims=True), np.full(len(truth), reliability), truth)


@pytest.fixture
def truth():
    return np.repeat(np.array(FEELINGS), 30)


class OneFace:
    """Says what the mean brightness of a crop says."""

    def logits(self, crops):
        place = np.clip(crops.mean(axis=(1, 2)) / 32, 0, 6).astype(int)
        return 4.0 * np.eye(7)[place]


class OneVoice:
    """Happy, and speech as far as it is loud."""

    def judge(self, samples):
        return Judgement(3.0 * np.eye(8)[HAPPY], 0.9 if np.abs(samples).max() > 0.05 else 0.1, np.zeros(6))


def test_pairs_show_the_same_feeling_and_mismatches_another(truth):
    rng = np.random.default_rng(0)
    faces = np.repeat(np.array(FEELINGS), 5)
    rows, drawn = pair(truth, faces, 3, rng)
    assert len(rows) == 3 * len(truth)
    assert (truth[rows] == faces[drawn]).all()
    assert len(np.unique(drawn)) > 20
    rows, drawn = mismatch(truth, faces, 3, rng)
    assert (truth[rows] != faces[drawn]).all()
    assert set(faces[drawn]) == set(FEELINGS)
    with pytest.raises(ValueError, match="no faces that show"):
        pair(truth, faces[faces != SAD], 3, rng)


def test_fused_rows_are_what_the_filter_says(truth):
    rng = np.random.default_rng(1)
    voices, faces = judged(rng, truth, 2.0, 0.7), judged(rng, truth, 1.0)
    table = fuse_pairs(voices, faces, FusionConfig())
    for row in (0, 50, 200):
        once = fuse({"speech": (voices.probabilities[row], 0.7), "face": (faces.probabilities[row], 1.0)})
        assert table[row] == pytest.approx(once)


def test_two_senses_beat_one_and_a_silent_one_takes_nothing_away(truth):
    rng = np.random.default_rng(2)
    voices, faces = judged(rng, truth, 2.0), judged(rng, truth, 1.5)
    clips = np.arange(len(truth))
    both = measure("clear", "clear", voices, faces, clips, FusionConfig(), 0)
    assert both.ua.mean > max(both.ua_voice, both.ua_face) + 0.02
    assert both.difference.low <= both.difference.mean <= both.difference.high
    assert both.ua.low <= both.ua.mean <= both.ua.high
    silent = measure("clear", "missing", voices, faces._replace(reliability=0 * clips), clips, FusionConfig(), 0)
    assert (silent.ua_face, silent.agreement, silent.difference) == (None, None, (0.0, 0.0, 0.0))
    assert silent.as_json()["ua"]["mean"] == both.ua_voice


def test_calm_counts_as_neutral():
    row = np.array([[0.3, 0.3, 0.35, 0.05, 0, 0, 0, 0]])
    assert merged(row)[0, NEUTRAL] == pytest.approx(0.3 / 0.7)
    assert merged(row)[0].sum() == pytest.approx(1.0)
    face = np.array([0.4, 0.0, 0.6, 0, 0, 0, 0, 0])  # knows no calm
    fused = merged(fuse({"face": (face, 1.0)})[None])[0]
    assert fused[[NEUTRAL, HAPPY]] == pytest.approx(face[[NEUTRAL, HAPPY]], abs=0.01)


def test_blurred_faces_are_trusted_less_and_then_not_at_all():
    rng = np.random.default_rng(3)
    pictures = np.kron(rng.integers(0, 256, (7, 6, 6)), np.ones((8, 8))).astype(np.uint8)
    faces = Faces(pictures, np.arange(7), np.array(["PublicTest"] * 7), np.array([""] * 7))
    found = {name: judge_faces(OneFace(), faces, name, 0) for name in FACES}
    assert (found["clear"].reliability == 1).all()
    assert (found["blurred"].reliability == 0).all()
    assert (found["missing"].reliability == 0).all()
    assert found["blurred"].probabilities.max() < found["clear"].probabilities.max()
    assert [LABELS[index] for index in found["clear"].truth] == list(CLASSES)


def test_voices_are_spoiled_and_what_is_no_speech_says_nothing(tmp_path):
    time = np.arange(16000) / 16000
    clips = []
    for number, loud in enumerate((0.3, 0.003)):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, loud * np.sin(2 * np.pi * 200 * time), 16000)
        clips.append(Clip(path, "calm", False, 1, 1, 1))
    found = {name: judge_voices(OneVoice(), clips, name, 0) for name in VOICES}
    assert found["clear"].reliability.tolist() == [0.9, 0.0]
    assert found["missing"].reliability.tolist() == [0.0, 0.0]
    assert (found["clear"].truth == NEUTRAL).all()
    again = judge_voices(OneVoice(), clips, "noisy", 0)
    assert np.array_equal(again.probabilities, found["noisy"].probabilities)


def test_the_command_tests_and_fits(monkeypatch, tmp_path, truth, capsys):
    def judge(config, split):
        rng = np.random.default_rng(4)
        voices = {name: judged(rng, truth, 2.0, float(name != "missing")) for name in VOICES}
        faces = {
            name: judged(rng, np.array(FEELINGS * 20), 1.5, float(name not in ("missing", "blurred"))) for name in FACES
        }
        asked.append(split)
        return voices, faces

    asked: list[str] = []
    monkeypatch.setattr(evaluation, "_judge", judge)
    command = ["evaluate", "fusion", "--voices", "v", "--faces", "f", "--each", "2"]
    assert cli([*command, "--json", str(tmp_path / "test.json")]) == 0
    figures = json.loads((tmp_path / "test.json").read_text())
    rows = {(row["voice"], row["face"]): row for row in figures["rows"]}
    assert len(rows) == len(VOICES) * len(FACES)  # without nothing at all, with the contradiction
    assert rows["clear", "clear"]["difference"]["mean"] > 0
    assert rows["clear", "blurred"]["difference"]["mean"] == 0
    assert rows["clear", "contradicting"]["agreement"] < rows["clear", "clear"]["agreement"]
    assert cli([*command, "--fit-weights", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["weights"]["speech"] > 0
    assert asked == ["PrivateTest", "PublicTest"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--each", "0"], "allowed are 1 to 1000"),
        (["--json", str(Path(__file__) / "x.json")], "File exists"),
        ([], "is no folder"),
    ],
)
def test_bad_settings_are_refused_in_one_line(options, said, tmp_path, capsys):
    assert cli(["evaluate", "fusion", "--voices", str(tmp_path / "v"), "--faces", str(tmp_path / "f"), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert said in error
