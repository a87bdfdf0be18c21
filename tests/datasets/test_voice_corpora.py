import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

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


def test_boredom_is_left_out_and_other_corpora_are_refused(tmp_path):
    (tmp_path / "03a01Lb.wav").touch()
    with pytest.raises(DatasetError, match="holds no recordings"):
        load_corpus("emodb", tmp_path)
    (tmp_path / "03a01Nc.wav").touch()
    assert [recording.emotion for recording in load_corpus("emodb", tmp_path).recordings] == ["neutral"]
    with pytest.raises(DatasetError, match="no recordings of nemo"):
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
    (one,), (gone,) = load_corpus("iemocap", tmp_path)
    assert one.path.stem.endswith("F000") and gone.file.stem.endswith("M000") and "missing" in gone.reason
    (sounds / "Ses01F_impro01_M000.wav").touch()
    found = load_corpus("iemocap", tmp_path).recordings
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


@pytest.mark.parametrize("others", ["03-02-05-01-02-01-{}.wav", "01-01-05-01-02-01-{}.mp4"])
def test_songs_and_films_beside_the_speech_do_not_hide_ravdess(tmp_path, others):
    for name in ("03-01-05-01-02-01-01.mp3", others.format("01"), others.format("02")):
        (tmp_path / name).touch()
    assert recognise(tmp_path) == "ravdess"
    (clip,), left_out = load_corpus("ravdess", tmp_path)
    assert (clip.path.suffix, clip.emotion, clip.speaker) == (".mp3", "angry", "1")
    assert len(left_out) == 2 and all("expected 03-01" in one.reason for one in left_out)


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize(
    ("corpus", "good", "stray"),
    [
        ("cremad", ["AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1002_DFA_HAP_XX.wav"], "AudioWAV/1040_ITH_SAD_X.wav"),
        ("cremad", ["AudioWAV/1001_DFA_ANG_XX.wav"], "__MACOSX/AudioWAV/._1001_DFA_ANG_XX.wav"),
        ("tess", ["OAF_neutral/OAF_bath_neutral.wav", "OAF_neutral/OAF_bean_neutral.wav"],
         "OAF_neutral/OA_bite_neutral.wav"),
        ("nemo", ["samples/EB0_anger_1.wav"], "samples/._EB0_anger_1.wav"),
        ("emodb", ["wav/03a01Fa.wav", "wav/03a01Nc.wav"], "introduction.mp3"),
        ("ravdess", ["Actor_02/03-01-04-01-02-01-02.wav", "Actor_02/03-01-05-01-02-01-02.wav"], "Actor_02/take 2.wav"),
        ("savee", ["DC/a01.wav", "DC/sa01.wav", "JE/a01.wav"], "DC/silence.wav"),
    ],
)  # fmt: skip
def test_strays_are_named_and_do_not_hide_the_corpus(tmp_path, corpus, good, stray):
    make(tmp_path, *good, stray)
    assert recognise(tmp_path) == corpus
    recordings, left_out = load_corpus(corpus, tmp_path)
    assert [recording.path for recording in recordings] == [tmp_path / name for name in good]
    assert [failure.file for failure in left_out] == [tmp_path / stray] and left_out[0].reason


def test_second_copies_count_once(tmp_path):
    """One that goes round holds the whole corpus twice, the second time in a folder of the same name."""
    make(tmp_path, "TESS/OAF_Fear/OAF_back_fear.wav", "TESS/TESS/OAF_Fear/OAF_back_fear.wav")
    recordings, left_out = load_corpus("tess", tmp_path)
    assert len(recordings) == 1 and [failure.reason for failure in left_out] == ["a second copy"]


@pytest.mark.parametrize(
    ("names", "speakers"),
    [
        (["Angry/a.wav", "happiness/b.mp3", "Pleasant_Surprise/c.wav", "calm/d.wav"], ["unknown"] * 4),
        (["0011/Angry/a.wav", "0012/joy/b.wav", "0012/surprise/c.wav", "0012/Calm/d.wav"],
         ["0011", "0012", "0012", "0012"]),
    ],
)  # fmt: skip
def test_a_folder_for_each_emotion(tmp_path, names, speakers):
    make(tmp_path, *names, "boredom/e.wav")
    assert recognise(tmp_path) == "folders"
    recordings, left_out = load_corpus("folders", tmp_path)
    found = {recording.path: (recording.emotion, recording.speaker) for recording in recordings}
    emotions = ("angry", "happy", "surprised", "calm")
    assert found == {tmp_path / n: pair for n, pair in zip(names, zip(emotions, speakers, strict=True), strict=True)}
    assert [failure.file.name for failure in left_out] == ["e.wav"]


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_table_of_labels(tmp_path, separator):
    make(tmp_path, "x/one.wav", "two.wav", "three.wav")
    rows = ["File,Emotion,Speaker", "x/one.wav,Anger,ann", "two.wav,joy,bob", "three.wav,bored,bob", "four.wav,sad,bob"]
    table = tmp_path / "labels.csv"
    table.write_text("\ufeff" + "\n".join(row.replace(",", separator) for row in rows), encoding="utf-8")
    recordings, left_out = load_corpus("table", tmp_path, table)
    assert [(r.path.name, r.emotion, r.speaker) for r in recordings] == [
        ("one.wav", "angry", "ann"),
        ("two.wav", "happy", "bob"),
    ]
    assert [failure.file.name for failure in left_out] == ["three.wav", "four.wav"]
    assert "missing" in left_out[1].reason


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing; expected a CSV"),
        ("name,label\na.wav,sad", "columns.*expected file,emotion"),
        ("file,emotion\nb.wav,sad", "lists no file"),
        (b"\xff\xfe\x00", "has the columns"),
    ],
)
def test_wrong_tables(tmp_path, content, said):
    make(tmp_path, "a.wav")
    table = tmp_path / "labels.csv"
    if content is not None:
        table.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DatasetError, match=said):
        load_corpus("table", tmp_path, table)


def spoken(path: Path, seconds: float = 1.0) -> None:
    t = np.arange(round(16_000 * seconds)) / 16_000
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, 0.2 * np.sin(2 * np.pi * 180 * t) * np.sin(2 * np.pi * 2 * t) ** 2, 16_000)


def test_an_evaluation_leaves_out_what_cannot_be_used_and_says_so(tmp_path, capsys):
    for name in ("1001_DFA_ANG_XX", "1002_DFA_HAP_XX", "1040_ITH_SAD_X"):
        spoken(tmp_path / f"{name}.wav")
    spoken(tmp_path / "1003_DFA_SAD_XX.wav", 31.0)
    (tmp_path / "1004_DFA_SAD_XX.wav").write_bytes(b"no sound")
    said = ["evaluate", "speech", "--data", str(tmp_path)]
    assert cli([*said, "--json", str(tmp_path / "o.json")]) == 0
    error = capsys.readouterr().err
    for name in ("1040_ITH_SAD_X", "1003_DFA_SAD_XX", "1004_DFA_SAD_XX"):
        assert f"{name}.wav" in error
    assert "longer than the allowed 30 s" in error and "max_seconds" not in error
    result = json.loads((tmp_path / "o.json").read_text())
    assert (result["n"], result["left_out"]) == (2, 3)
    for name in ("1001_DFA_ANG_XX", "1002_DFA_HAP_XX"):
        (tmp_path / f"{name}.wav").write_bytes(b"no sound")
    assert cli(said) == 2
    assert "none of 4 clips can be used" in capsys.readouterr().err


@pytest.mark.parametrize("names", [[], ["holiday.wav"], ["a/03a01Fa.wav", "a/1001_DFA_FEA_XX.wav"]])
def test_what_is_no_corpus_is_told_what_was_expected(tmp_path, names):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(DatasetError, match=r"(none of the corpora|holds no sounds).*1001_DFA_ANG_XX"):
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
    assert [(one.emotion, one.speaker) for one in load_corpus("ravdess", tmp_path).recordings] == [
        ("angry", "1"),
        ("angry", "2"),
    ]
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
