from pathlib import Path

import numpy as np
import pytest

from cli.main import cli
from datasets.voice_corpora import PARSERS, load_corpus, recognise
from datasets.voices import DatasetError
from evaluation.speech.joint import JointConfig
from evaluation.speech.transfer import Transfer, evaluate
from perception.emotion import LABELS


@pytest.mark.parametrize(
    ("corpus", "name", "emotion", "speaker"),
    [
        ("nemo", "samples/EB0_anger_1.wav", "angry", "EB0"),
        ("nemo", "x/KD0_surprised_90.ogg", "surprised", "KD0"),
        ("nemo", "x/KD0_sadness_90.ogg", "sad", "KD0"),
        ("cremad", "AudioWAV/1001_DFA_FEA_XX.wav", "fearful", "1001"),
        ("emodb", "wav/03a01Fa.wav", "happy", "03"),
        ("emodb", "wav/16b10Wb.wav", "angry", "16"),
        ("tess", "OAF_Fear/OAF_back_fear.wav", "fearful", "OAF"),
        ("tess", "YAF_pleasant_surprised/YAF_youth_ps.wav", "surprised", "YAF"),
        ("savee", "AudioData/DC/sa01.wav", "sad", "DC"),
        ("savee", "ALL/JK_n12.wav", "neutral", "JK"),
    ],
)
def test_names_as_their_owners_write_them(corpus, name, emotion, speaker):
    found = PARSERS[corpus](Path("/data") / name)
    assert (found.emotion, found.speaker) == (emotion, speaker)


def test_boredom_is_left_out_and_foreign_names_are_refused(tmp_path):
    (tmp_path / "03a01Lb.wav").touch()
    with pytest.raises(DatasetError, match="holds no recordings"):
        load_corpus("emodb", tmp_path)
    (tmp_path / "03a01Nc.wav").touch()
    assert [recording.emotion for recording in load_corpus("emodb", tmp_path)] == ["neutral"]
    with pytest.raises(DatasetError, match="not named as nemo"):
        load_corpus("nemo", tmp_path)
    with pytest.raises(DatasetError, match="is no folder"):
        load_corpus("tess", tmp_path / "missing")


TURNS = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
[10.01 - 11.3925]\tSes01F_impro01_M000\texc\t[4.0000, 3.0000, 3.0000]
[12.10 - 13.00]\tSes01F_impro01_M001\tfru\t[2.0000, 3.0000, 3.0000]
[14.10 - 15.00]\tSes01F_impro01_F001\txxx\t[2.0000, 3.0000, 3.0000]
"""


def test_iemocap_lists_its_turns_beside_the_sounds(tmp_path):
    session = tmp_path / "IEMOCAP_full_release" / "Session1"
    lists, sounds = session / "dialog" / "EmoEvaluation", session / "sentences" / "wav" / "Ses01F_impro01"
    lists.mkdir(parents=True)
    sounds.mkdir(parents=True)
    (lists / "Ses01F_impro01.txt").write_text(TURNS)
    (lists / "._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07")
    (sounds / "Ses01F_impro01_F000.wav").touch()
    with pytest.raises(DatasetError, match=r"M000\.wav is missing"):
        load_corpus("iemocap", tmp_path)
    (sounds / "Ses01F_impro01_M000.wav").touch()
    found = load_corpus("iemocap", tmp_path)
    assert [(one.path.stem[-4:], one.emotion, one.speaker) for one in found] == [
        ("F000", "neutral", "01F"),
        ("M000", "happy", "01M"),
    ]
    with pytest.raises(DatasetError, match="no recordings of iemocap"):
        load_corpus("iemocap", sounds)


@pytest.mark.parametrize(
    ("corpus", "names"),
    [
        ("ravdess", ["Actor_02/03-01-05-01-02-01-02.wav"]),
        ("nemo", ["samples/EB0_anger_1.wav", "samples/KD0_sadness_90.wav"]),
        ("cremad", ["AudioWAV/1001_DFA_FEA_XX.wav"]),
        ("emodb", ["wav/03a01Fa.wav", "wav/03a01Lb.wav"]),
        ("tess", ["OAF_Fear/OAF_back_fear.wav"]),
        ("savee", ["DC/sa01.wav"]),
        ("iemocap", ["Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"]),
    ],
)
def test_a_corpus_is_recognised_by_its_names(tmp_path, corpus, names):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert recognise(tmp_path) == corpus


@pytest.mark.parametrize("names", [[], ["holiday.wav"], ["a/03a01Fa.wav", "a/1001_DFA_FEA_XX.wav"]])
def test_what_is_no_corpus_is_told_what_was_expected(tmp_path, names):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(DatasetError, match=r"none of the corpora.*1001_DFA_ANG_XX"):
        recognise(tmp_path)


def test_a_file_or_nothing_is_no_corpus(tmp_path):
    (tmp_path / "a.wav").touch()
    for name, said in (("missing", "is missing"), ("a.wav", "is a file")):
        with pytest.raises(DatasetError, match=said):
            recognise(tmp_path / name)


def test_ravdess_is_a_corpus_too(tmp_path):
    for actor in (1, 2):
        (tmp_path / f"Actor_{actor:02d}").mkdir()
        (tmp_path / f"Actor_{actor:02d}" / f"03-01-05-01-02-01-{actor:02d}.wav").touch()
    assert [(one.emotion, one.speaker) for one in load_corpus("ravdess", tmp_path)] == [("angry", "1"), ("angry", "2")]
    with pytest.raises(ValueError, match="one of the two already"):
        JointConfig(tmp_path, tmp_path / "folds.json", tmp_path, "ravdess")


def test_every_label_of_every_corpus_is_ours():
    assert PARSERS["cremad"](Path("a/1001_DFA_BOR_XX.wav")) is None
    with pytest.raises(ValueError):
        PARSERS["cremad"](Path("a/nonsense.wav"))


def test_voices_with_habits_are_judged_better_once_they_are_known(model):
    """Features of the shipped network's own scale, each voice shifted its own way."""
    rng = np.random.default_rng(0)
    head = model.head
    truth = np.tile(np.arange(4), 60)
    speakers = np.repeat(np.array(["A", "B", "C", "D"]), 60)
    directions = (head.w1[0] @ head.w2[0]).detach().numpy()[:, [0, 1, 2, 3]].T  # towards each label, roughly
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    scale = head.scale.numpy()
    moods = 12.0 * directions[truth] + rng.normal(0, 0.3, (240, len(scale)))
    habit = {name: 10.0 * directions[place] for place, name in enumerate("ABCD")}
    shifted = moods + np.array([habit[name] for name in speakers])
    data = Transfer(head.mean.numpy() + scale * shifted, truth, speakers)
    found = evaluate(model, data, "toy", 0)
    assert found.metrics.labels == list(LABELS[:4])
    assert found.metrics.ua.low <= found.metrics.ua.mean <= found.metrics.ua.high
    assert found.enrolled["history_16"] > found.metrics.ua.mean
    assert np.sum(found.metrics.confusion) == found.metrics.n == 240


def test_the_command_refuses_in_one_line(tmp_path, capsys):
    for options, said in (
        (["--data", str(tmp_path / "missing")], "is no folder"),
        (["--data", str(tmp_path), "--seed", "-1"], "seed"),
    ):
        assert cli(["evaluate", "speech-transfer", *options]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
