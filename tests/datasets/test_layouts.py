import cv2
import numpy as np
import pytest
import soundfile

from datasets import face_corpora, voice_corpora
from datasets.layouts import DatasetError, by_folder, by_table, recognise_names

WAV = frozenset({".wav"})


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["Angry/x.wav", "pleasant surprise/x.wav"], {("angry", "", ""), ("surprised", "", "")}),
        (["data/anna/sad/x.wav", "data/ben/sad/x.wav"], {("sad", "anna", ""), ("sad", "ben", "")}),
        (["train/sad/x.wav", "Validation/sad/x.wav"], {("sad", "", "train"), ("sad", "", "val")}),
        (["images/train/sad/x.wav", "images/test/sad/x.wav"], {("sad", "", "train"), ("sad", "", "test")}),
        (["train/anna/sad/x.wav", "test/ben/sad/x.wav"], {("sad", "anna", "train"), ("sad", "ben", "test")}),
        (["sad/anna/x.wav", "sad/ben/x.wav"], {("sad", "anna", ""), ("sad", "ben", "")}),
        (
            [f"{emotion}/{who}/x.wav" for emotion in ("sad", "angry") for who in ("Joy", "Ang", "Anna")],
            {(emotion, who, "") for emotion in ("sad", "angry") for who in ("Joy", "Ang", "Anna")},
        ),
        (["Joy/sad/x.wav", "Ben/sad/x.wav"], {("sad", "Joy", ""), ("sad", "Ben", "")}),
        (["angry/train/x.wav", "angry/test/x.wav"], {("angry", "", "train"), ("angry", "", "test")}),
        (["sad/wav/x.wav", "angry/wav/x.wav"], {("sad", "", ""), ("angry", "", "")}),
        (["train/sad/anna/x.wav", "test/sad/1/ben/x.wav"], {("sad", "anna", "train"), ("sad", "1/ben", "test")}),
        (["sad/x.wav", "anna/sad/x.wav"], {("sad", "", ""), ("sad", "anna", "")}),
    ],
)
def test_folders_tell_emotion_person_and_split(tmp_path, names, found):
    listed, left_out = by_folder(make(tmp_path, *names, "notes/x.wav"), WAV)
    assert {(one.emotion, one.who, one.split) for one in listed} == found
    assert [one.reason for one in left_out] == ["in no folder that is named for an emotion"]


def test_a_file_of_two_emotions_is_left_out(tmp_path):
    listed, left_out = by_folder(make(tmp_path, "sad/joy/x.wav", "angry/x.wav", "anna/sad/x.wav"), WAV)
    assert [(one.emotion, one.who) for one in listed] == [("angry", ""), ("sad", "anna")]
    assert [one.reason for one in left_out] == ["sad and joy both name emotions"]


def test_content_and_not_the_ending_tells_what_belongs_to_a_corpus(tmp_path):
    make(tmp_path, "happy/notes.txt", "sad/notes.wma")
    for name, ending in (("happy/a", "jfif"), ("sad/b", "png")):
        picture = cv2.imencode(".jpg", np.zeros((9, 9), np.uint8))[1].tobytes()
        (tmp_path / f"{name}.{ending}").write_bytes(picture)
    soundfile.write(tmp_path / "happy" / "c.wave", np.zeros(900), 16_000, format="WAV")
    soundfile.write(tmp_path / "sad" / "d.wav", np.zeros(900), 16_000)
    assert face_corpora.recognise(tmp_path) == voice_corpora.recognise(tmp_path) == "folders"
    pictures = face_corpora.list_folders(tmp_path)[0]
    assert [one.path.name for one in pictures] == ["a.jfif", "b.png"]
    voices = voice_corpora.load_corpus("folders", tmp_path).recordings
    assert [(one.path.name, one.emotion) for one in voices] == [("c.wave", "happy"), ("d.wav", "sad")]


def test_splits_are_no_speakers(tmp_path):
    make(tmp_path, "train/sad/x.wav", "test/sad/x.wav")
    assert {one.speaker for one in voice_corpora.load_corpus("folders", tmp_path).recordings} == {"unknown"}


def test_a_folder_without_such_files_says_so(tmp_path):
    with pytest.raises(DatasetError, match=r"holds no sounds \(.wav\). Known corpora are: own: x"):
        recognise_names(make(tmp_path, "a.txt"), WAV, {}, {"own": "x"}, "sounds")


TABLE = "file,emotion,speaker\nsub/ä.wav,angry,anna\nb.wav,happy,ben\n"


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode(),
        TABLE.encode("utf-8-sig"),
        TABLE.encode("utf-16"),
        TABLE.encode("latin-1"),
        TABLE.replace(",", ";").replace("\n", "\r\n").encode(),
        TABLE.replace(",", "\t").encode(),
        TABLE.replace("/", "\\").encode(),
        TABLE.replace("speaker", "Person").replace("file,", '"File", ').encode(),
        f",{TABLE}".replace("\n", "\n0,").removesuffix("0,").encode(),
    ],
)
def test_a_table_is_read_as_any_program_writes_it(tmp_path, content):
    make(tmp_path, "sub/ä.wav", "b.wav")
    table = tmp_path / "labels.csv"
    table.write_bytes(content)
    listed, left_out = by_table(table, tmp_path)
    assert [(one.path, one.emotion, one.who) for one in listed] == [
        (tmp_path / "sub" / "ä.wav", "angry", "anna"),
        (tmp_path / "b.wav", "happy", "ben"),
    ]
    assert not left_out


def test_the_numbers_that_pandas_puts_before_rows_are_no_speakers(tmp_path):
    make(tmp_path, "a.wav", "b.wav")
    (tmp_path / "labels.csv").write_text(",file,emotion\n0,a.wav,sad\n1,b.wav,sad\n")
    assert [one.who for one in by_table(tmp_path / "labels.csv", tmp_path)[0]] == ["", ""]


def test_a_file_counts_once_and_rows_without_a_file_or_emotion_are_told(tmp_path):
    make(tmp_path, "a.wav", "b.wav")
    rows = ["a.wav,sad", "./a.wav,happy", "b.wav,bored", "c.wav,sad", f"{'x' * 300}.wav,sad", ",sad"]
    (tmp_path / "labels.csv").write_text("\n".join(["file,emotion", *rows]))
    (one,), left_out = by_table(tmp_path / "labels.csv", tmp_path)
    assert (one.path.name, one.emotion) == ("a.wav", "sad")
    said = ("more than once", "emotion is none", "is missing", "is missing", "is missing")
    assert all(word in one.reason for word, one in zip(said, left_out, strict=True))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has the columns"),
        (b"PK\x03\x04" + bytes(range(256)) * 9, "has the columns"),
        (b"a.wav,sad\n", "expected file,emotion"),
        (b"file,emotion\n", "lists no file"),
        (b"file,emotion\n" + b"x" * 200_000, "cannot be read"),
    ],
)
def test_what_is_no_table_of_labels_is_refused_in_a_short_sentence(tmp_path, content, said):
    table = tmp_path / "labels.csv"
    table.write_bytes(content)
    with pytest.raises(DatasetError, match=said) as told:
        by_table(table, tmp_path)
    assert str(table) in str(told.value) and len(str(told.value)) < len(str(table)) + 500


def test_numbers_of_another_corpus_are_not_taken_for_those_of_rafdb(tmp_path):
    rafdb = make(tmp_path / "rafdb", "train/1/train_00001_aligned.jpg", "test/4/test_0002_aligned.jpg")
    assert face_corpora.recognise(rafdb) == "rafdb"
    from_zero = make(tmp_path / "zero", "train/0/train_00001_aligned.jpg", "train/1/train_00002_aligned.jpg")
    affectnet = make(tmp_path / "affectnet", "train/1/image0000006.jpg", "train/2/image0000007.jpg")
    for folder in (from_zero, affectnet):
        with pytest.raises(DatasetError, match="like none of the corpora"):
            face_corpora.recognise(folder)
