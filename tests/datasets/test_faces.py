import io
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from datasets.face_corpora import (
    LISTS,
    cut_faces,
    list_affectnet,
    list_ckplus,
    list_folders,
    list_jaffe,
    list_rafdb,
    load_corpus,
    recognise,
)
from datasets.faces import SPLITS, DatasetError, Faces, drop_train_test_duplicates, load_fer2013, read_fer2013
from datasets.layouts import NOT_OURS
from perception.face.detector import FaceDetector
from perception.face.model import CLASSES
from perception.face.pictures import PictureError
from tests.faces import crops, drawn_face

FOLDERS = {"neutral": "neutral", "happy": "happy", "sad": "sad", "angry": "angry", "fearful": "fear",
           "disgust": "disgust", "surprised": "surprise"}  # fmt: skip


def jpg(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


def write_tree(root: Path, per_class: int = 1) -> Faces:
    """FER2013 as Split/class/*.png; what was written, in the order of the folders."""
    pictures, targets = crops(7 * per_class * 3)
    for number, (picture, target) in enumerate(zip(pictures, targets, strict=True)):
        split = SPLITS[number // (7 * per_class)]
        place = root / split / FOLDERS[CLASSES[target]] / f"{split}_{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), picture)
    return Faces(pictures, targets, np.repeat(SPLITS, 7 * per_class), np.full(len(targets), ""))


def as_set(faces: Faces) -> set[tuple[bytes, int, str]]:
    return {(p.tobytes(), int(t), str(s)) for p, t, s in zip(faces.pictures, faces.targets, faces.splits, strict=True)}


def write_tar(root: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(root, "fer2013")
    return path


def write_zip(root: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in root.rglob("*"):
            archive.write(file, file.relative_to(root))
    return path


def write_csv(faces: Faces, path: Path) -> Path:
    numbers = ("angry", "disgust", "fearful", "happy", "sad", "surprised", "neutral")
    lines = ["emotion,pixels,Usage"]
    for picture, target, split in zip(faces.pictures, faces.targets, faces.splits, strict=True):
        lines.append(f"{numbers.index(CLASSES[target])},{' '.join(map(str, picture.ravel()))},{split}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_folder_archive_and_csv_give_the_same(tmp_path):
    wanted = write_tree(tmp_path / "tree")
    cache = tmp_path / "cache"
    folder = load_fer2013(tmp_path / "tree", cache)
    archive = load_fer2013(write_tar(tmp_path / "tree", tmp_path / "fer.tar.gz"), cache)
    zipped = load_fer2013(write_zip(tmp_path / "tree", tmp_path / "fer.zip"), cache)
    table = load_fer2013(write_csv(wanted, tmp_path / "fer.csv"), cache)
    assert as_set(folder) == as_set(archive) == as_set(zipped) == as_set(table) == as_set(wanted)
    happy = tmp_path / "tree" / "Training" / FOLDERS["happy"]
    (happy / "._x.jpg").write_bytes(b"\0")  # as a Mac leaves beside x.jpg
    (happy / "folder.jpg").mkdir()
    assert as_set(load_fer2013(tmp_path / "tree")) == as_set(wanted)
    assert as_set(load_fer2013(write_tar(tmp_path / "tree", tmp_path / "strays.tar"), None)) == as_set(wanted)
    marked = tmp_path / "marked.csv"
    marked.write_text((tmp_path / "fer.csv").read_text(), encoding="utf-8-sig")
    assert as_set(load_fer2013(marked, None)) == as_set(wanted)
    assert folder.pictures.dtype == np.uint8 and len(folder.of("PublicTest").targets) == 7


def test_what_shows_no_emotion_of_ours_is_told(tmp_path):
    write_tree(tmp_path)
    happy = tmp_path / "Training" / FOLDERS["happy"]
    some = next(iter(happy.glob("*.png")))
    some.rename(some.with_suffix(".jpeg"))
    (tmp_path / "Training" / "contempt").mkdir()
    (tmp_path / "Training" / "contempt" / "Training_9.png").write_bytes(some.with_suffix(".jpeg").read_bytes())
    faces, left_out = read_fer2013(tmp_path, None)
    assert len(faces.targets) == len(list(tmp_path.rglob("*_*.*"))) - 1
    assert [(one.file.name, one.reason) for one in left_out] == [("Training_9.png", NOT_OURS)]


def test_splits_in_file_names_win(tmp_path):
    """A copy that goes round has only train and test, and keeps the split in the file names."""
    write_tree(tmp_path / "tree")
    for old, new in (("PublicTest", "test"), ("Training", "train")):
        (tmp_path / "tree" / old).rename(tmp_path / "tree" / new)
    assert sorted(set(load_fer2013(tmp_path / "tree").splits.tolist())) == sorted(SPLITS)


def test_cache_is_used_repaired_and_follows_the_file(tmp_path, monkeypatch):
    write_tree(tmp_path / "tree")
    source, cache = write_tar(tmp_path / "tree", tmp_path / "fer.tar.gz"), tmp_path / "cache"
    first = load_fer2013(source, cache)
    kept = next(cache.iterdir())
    monkeypatch.setattr("datasets.faces._in_tar", lambda _: pytest.fail("read again"))
    again = load_fer2013(source, cache)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    monkeypatch.undo()
    kept.write_bytes(kept.read_bytes()[:200])
    assert as_set(load_fer2013(source, cache)) == as_set(first)
    write_csv(first, tmp_path / "fer.csv")
    load_fer2013(tmp_path / "fer.csv", cache)
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", "expected emotion, pixels, Usage"),
        ("emotion,pixels,Usage\n9,1 2,Training\n", "line 2: emotion '9' and Usage 'Training'; allowed are 0 to 6"),
        ("emotion,pixels,Usage\n3,1 2,Training\n", "line 2: it does not hold 2304 pixels"),
        ("emotion,pixels,Usage\n3," + "300 " * 2304 + ",Training\n", "line 2: it does not hold 2304 pixels"),
        ("emotion,pixels,Usage\n-1," + "3 " * 2304 + ",Training\n", "line 2: emotion '-1'"),
        ("emotion,pixels,Usage\n3,\udcff,Training\n", "line 2: it does not hold 2304 pixels"),
        ("emotion,pixels,Usage\n3," + "3" * 200_000 + ",Training\n", "field limit"),
        ("emotion,pixels,Usage\n", "holds no FER2013 pictures"),
    ],
)
def test_wrong_csv(tmp_path, content, said):
    path = tmp_path / "fer.csv"
    path.write_text(content, errors="surrogateescape")
    with pytest.raises(DatasetError, match=said):
        load_fer2013(path, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_wrong_sources(tmp_path):
    with pytest.raises(DatasetError, match="is missing"):
        load_fer2013(tmp_path / "none.csv")
    with pytest.raises(DatasetError, match="holds no FER2013 pictures"):
        load_fer2013(tmp_path)
    for content in (b"text", b"\x1f\x8b"):
        (tmp_path / "a.bin").write_bytes(content)
        with pytest.raises(DatasetError, match="neither a csv nor a tar or zip"):
            load_fer2013(tmp_path / "a.bin")
    whole = write_tar(tmp_path, tmp_path / "x.tar.gz")
    write_tree(tmp_path / "tree", 8)
    whole = write_tar(tmp_path / "tree", whole)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises((DatasetError, PictureError), match=r"damaged|truncated"):
        load_fer2013(whole, None)
    zipped = write_zip(tmp_path / "tree", tmp_path / "x.zip")
    content = bytearray(zipped.read_bytes())
    content[len(content) // 4 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 4)
    zipped.write_bytes(content)
    with pytest.raises(DatasetError, match=r"x.zip is damaged"):
        load_fer2013(zipped, None)


def test_damaged_pictures_and_sizes_are_named(tmp_path):
    for name, content, said in (("a.png", b"no picture", "a.png: "), ("b.png", jpg(drawn_face(50, 48)), "50 x 48")):
        path = tmp_path / "x.tar"
        with tarfile.open(path, "w") as archive:
            info = tarfile.TarInfo(f"f/Training/happy/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        with pytest.raises(ValueError, match=said):
            load_fer2013(path, None)


@pytest.mark.parametrize("form", ["folder", "tar", "csv"])
def test_what_is_damaged_is_left_out_by_name_every_time(tmp_path, form):
    wanted = write_tree(tmp_path / "tree")
    source = write_csv(wanted, tmp_path / "fer.csv")
    place = tmp_path / "tree" / "Training" / "happy"
    (place / "Training_a.png").write_bytes(b"no picture")
    (place / "Training_b.png").write_bytes(jpg(drawn_face(50, 48)))
    said = {"Training_a.png": "", "Training_b.png": "50 x 48 pixels; FER2013 has 48 x 48"}
    if form == "folder":
        source = tmp_path / "tree"
    elif form == "tar":
        source = write_tar(tmp_path / "tree", tmp_path / "fer.tar")
    else:
        with source.open("a") as table:
            table.write("3,1 2 3,Training\n7,,Training\n2\n")
        names = "allowed are 0 to 6, and Training, PublicTest, PrivateTest"
        said = {
            "fer.csv, line 23": "it does not hold 2304 pixels of 0 to 255",
            "fer.csv, line 24": f"emotion '7' and Usage 'Training'; {names}",
            "fer.csv, line 25": f"emotion '2' and Usage ''; {names}",
        }
    for _ in range(2):
        faces, left_out = read_fer2013(source, tmp_path / "cache")
        assert as_set(faces) == as_set(wanted)
        assert {one.file.name for one in left_out} == set(said)
        assert all(said[one.file.name] in one.reason and one.reason for one in left_out)


def test_leaks_leave_training_and_nothing_else():
    pictures, targets = crops(12)
    pictures[3], pictures[5] = pictures[8], pictures[10]  # two Training pictures stand in test parts
    pictures[0] = 77  # one shows nothing
    pictures[1] = pictures[2]  # twice in Training is no leak
    faces = Faces(pictures, targets, np.repeat(SPLITS, 4), np.full(12, ""))
    faces = faces._replace(splits=np.array(["Training"] * 6 + ["PublicTest"] * 3 + ["PrivateTest"] * 3))
    kept, dropped = drop_train_test_duplicates(faces)
    assert dropped == 3 and len(kept.targets) == 9
    assert (kept.splits == "Training").sum() == 3 and (kept.splits == "PrivateTest").sum() == 3


def test_the_real_archive(shared_data, tmp_path):
    """The official partition, read from a part of it to stay quick."""
    faces = _first(shared_data / "faces" / "fer2013.tar.gz", tmp_path, 600)
    assert set(faces.splits.tolist()) <= set(SPLITS) and faces.pictures.shape == (600, 48, 48)
    assert len(set(faces.targets.tolist())) >= 1


def _first(source: Path, tmp_path: Path, count: int) -> Faces:
    part = tmp_path / "part.tar"
    with tarfile.open(source) as archive, tarfile.open(part, "w") as out:
        for member in archive:
            if member.isfile():
                out.addfile(member, archive.extractfile(member))
                count -= 1
            if count == 0:
                break
    return load_fer2013(part, None)


def picture_at(path: Path, size: int = 120) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, drawn_face(size, size))[1].tobytes())


@pytest.fixture
def ckplus(tmp_path) -> Path:
    for subject, sequence, code, frames in (("S005", "001", 3, 5), ("S005", "002", 2, 4), ("S010", "001", 5, 3)):
        for number in range(1, frames + 1):
            name = f"{subject}_{sequence}_{number:08d}"
            picture_at(tmp_path / "cohn-kanade-images" / subject / sequence / f"{name}.png")
        label = tmp_path / "Emotion" / subject / sequence / f"{name}_emotion.txt"
        label.parent.mkdir(parents=True)
        label.write_text(f"   {code}.0000000e+00\n")
        for place in (label, tmp_path / "cohn-kanade-images" / subject / sequence / f"{name}.png"):
            place.with_name(f"._{place.name}").write_bytes(b"\0\5")  # as a Mac leaves beside them
    picture_at(tmp_path / "cohn-kanade-images" / "S011" / "001" / "S011_001_00000001.png")  # without a label
    return tmp_path


def test_ckplus_takes_peaks_and_one_neutral(ckplus):
    listed, left_out = list_ckplus(ckplus)
    names = [(entry.path.stem, CLASSES[entry.target], entry.subject) for entry in listed]
    assert names == [
        ("S005_001_00000003", "disgust", "S005"),
        ("S005_001_00000004", "disgust", "S005"),
        ("S005_001_00000005", "disgust", "S005"),
        ("S005_001_00000001", "neutral", "S005"),
        ("S010_001_00000002", "happy", "S010"),
        ("S010_001_00000003", "happy", "S010"),
        ("S010_001_00000001", "neutral", "S010"),
    ]
    assert [(one.file.name, one.reason) for one in left_out] == [
        ("S005_002_00000004_emotion.txt", "their emotion is none that is known here")  # contempt
    ]
    cut = cut_faces(listed, FaceDetector())
    assert cut.without_face == 0 and cut.faces.pictures.shape == (7, 48, 48)
    assert set(cut.faces.subjects.tolist()) == {"S005", "S010"}


def test_ck48(tmp_path):
    tmp_path = tmp_path / "data" / "CK+48"
    for name in ("anger/S010_004_00000017.png", "contempt/S011_001_00000003.png", "surprise/S042_001_00000002.png"):
        picture_at(tmp_path / name, 48)
    for folder in (tmp_path, tmp_path.parent):  # its parent's, too
        listed, left_out = list_ckplus(folder)
        assert [(CLASSES[entry.target], entry.subject) for entry in listed] == [
            ("angry", "S010"),
            ("surprised", "S042"),
        ]
        assert [one.file.name for one in left_out] == ["S011_001_00000003.png"] and recognise(folder) == "ckplus"
    assert len(cut_faces(listed, FaceDetector()).faces.targets) == 2


def test_jaffe(tmp_path):
    for name in ("KA.AN1.39.tiff", "KA.NE2.27.tiff", "YM.SU3.60.tiff"):
        picture_at(tmp_path / name)
    (tmp_path / "README.tiff").write_text("no picture of the set")
    listed, left_out = list_jaffe(tmp_path)
    assert [one.file.name for one in left_out] == ["README.tiff"]
    assert [(CLASSES[e.target], e.subject) for e in listed] == [("angry", "KA"), ("neutral", "KA"), ("surprised", "YM")]


def test_jaffe_as_jpeg_below_with_strays(tmp_path):
    for name in (
        "jaffedbase/KA.AN1.39.jpg",
        "jaffedbase/YM.SU3.60.jpg",
        "KA.NE2.27.tiff",
        "KA.NE2.27.jpg",
        "group.jpg",
    ):
        picture_at(tmp_path / name)
    (tmp_path / "jaffedbase" / "._KA.AN1.39.jpg").write_bytes(b"of a Mac")
    assert recognise(tmp_path) == "jaffe"
    listed, left_out = list_jaffe(tmp_path)
    assert [(CLASSES[e.target], e.subject) for e in listed] == [("neutral", "KA"), ("angry", "KA"), ("surprised", "YM")]
    assert sorted(one.file.name for one in left_out) == ["._KA.AN1.39.jpg", "KA.NE2.27.tiff", "group.jpg"]


def test_rafdb_in_numbered_folders(tmp_path):
    for name in ("train/1/train_00001_aligned.jpg", "train/5/train_00002_aligned.jpg", "test/7/test_0001_aligned.jpg"):
        picture_at(tmp_path / "DATASET" / name, 100)
    picture_at(tmp_path / "DATASET" / "train" / "8" / "odd.jpg", 100)
    assert recognise(tmp_path) == "rafdb"
    listed, left_out = list_rafdb(tmp_path)
    assert {(CLASSES[e.target], e.split) for e in listed} == {
        ("surprised", "train"),
        ("sad", "train"),
        ("neutral", "test"),
    }
    assert len(listed) == 3 and [one.file.name for one in left_out] == ["odd.jpg"]


@pytest.mark.parametrize(("above", "split", "subject"), [(("ann", "bob"), "", "ann"), (("test", "train"), "test", "")])
def test_folders_for_each_emotion_below_people_or_splits(tmp_path, above, split, subject):
    for name in ("anger/1.jpg", "happiness/2.png", "calm/3.jpg", "other/4.jpg"):
        for folder in above:
            picture_at(tmp_path / folder / name)
    assert recognise(tmp_path) == "folders"
    listed, left_out = list_folders(tmp_path)
    assert len(listed) == 4 and len(left_out) == 4
    assert [(CLASSES[e.target], e.split, e.subject) for e in listed[:2]] == [
        ("angry", split, subject),
        ("happy", split, subject),
    ]


def test_a_table_of_labels_tells_what_pictures_show(tmp_path):
    picture_at(tmp_path / "a.jpg")
    picture_at(tmp_path / "b.jpg")
    table = tmp_path / "labels.csv"
    table.write_text("File,Emotion,Person\na.jpg,Fear,ann\nb.jpg,calm,bob\nc.jpg,sad,bob\n")
    listed, left_out = load_corpus("table", tmp_path, table)
    assert [(e.path.name, CLASSES[e.target], e.subject) for e in listed] == [("a.jpg", "fearful", "ann")]
    assert sorted(one.file.name for one in left_out) == ["b.jpg", "c.jpg"]
    with pytest.raises(DatasetError, match="--labels"):
        load_corpus("table", tmp_path)


def test_an_unknown_layout_lists_the_known_ones(tmp_path):
    picture_at(tmp_path / "x" / "1.jpg")
    with pytest.raises(
        DatasetError, match=r"none of the corpora .*1 pictures.*fer2013.*ckplus.*jaffe.*rafdb.*--labels"
    ):
        recognise(tmp_path)


def test_fer2013_one_folder_up_is_no_other_corpus(tmp_path):
    """Judged as one, pictures that were learned from would count."""
    wanted = write_tree(tmp_path / "up" / "fer2013")
    assert recognise(tmp_path / "up") is None and recognise(tmp_path / "up" / "fer2013") is None
    assert as_set(load_fer2013(tmp_path / "up")) == as_set(wanted)


def test_rafdb(tmp_path):
    base = tmp_path / "basic"
    picture_at(base / "Image" / "aligned" / "train_00001_aligned.jpg", 100)
    picture_at(base / "Image" / "aligned" / "test_0001_aligned.jpg", 100)
    labels = base / "EmoLabel" / "list_patition_label.txt"
    labels.parent.mkdir()
    labels.write_text("train_00001.jpg 5\ntest_0001.jpg 7\n")
    listed, _ = list_rafdb(tmp_path)
    assert [(CLASSES[e.target], e.split) for e in listed] == [("sad", "train"), ("neutral", "test")]
    assert list_rafdb(base).pictures == listed
    assert cut_faces(listed, FaceDetector()).without_face == 0
    labels.write_text("train_00001.jpg 5\ntrain_00002.jpg 5\ntrain_00001.jpg 9\n")
    listed, left_out = list_rafdb(tmp_path)
    assert len(listed) == 1 and [one.file.name for one in left_out] == ["train_00002_aligned.jpg", labels.name]
    labels.write_text("train_00002.jpg 5\n")
    with pytest.raises(DatasetError, match="train_00002"):
        list_rafdb(tmp_path)
    labels.write_text("train_00001.jpg 9\n")
    with pytest.raises(DatasetError, match="no line such as"):
        list_rafdb(tmp_path)


def test_affectnet(tmp_path):
    tmp_path = tmp_path / "data" / "AffectNet"
    for split, number, code in (("train_set", 3, "1"), ("val_set", 7, "4"), ("val_set", 8, "7")):
        picture_at(tmp_path / split / "images" / f"{number}.jpg")
        place = tmp_path / split / "annotations" / f"{number}_exp.npy"
        place.parent.mkdir(exist_ok=True)
        np.save(place, np.array(code))
    assert list_affectnet(tmp_path.parent) == list_affectnet(tmp_path) and recognise(tmp_path.parent) == "affectnet"
    listed, left_out = list_affectnet(tmp_path)
    assert [(CLASSES[e.target], e.split) for e in listed] == [("happy", "train"), ("fearful", "test")]
    assert [one.file.name for one in left_out] == ["8_exp.npy"]  # contempt
    for content, said in ((np.array({"no": "number"}, dtype=object), "holds no label"), (np.array("11"), "label 11")):
        np.save(place, content, allow_pickle=True)
        listed, left_out = list_affectnet(tmp_path)
        assert len(listed) == 2 and left_out[0].file == place and said in left_out[0].reason


@pytest.mark.parametrize("corpus", sorted(LISTS))
def test_wrong_folders(corpus, tmp_path):
    with pytest.raises(DatasetError, match=str(tmp_path)):
        LISTS[corpus](tmp_path)
    with pytest.raises(DatasetError, match="nowhere"):
        LISTS[corpus](tmp_path / "nowhere")


def test_pictures_without_a_face_are_counted_and_damaged_ones_left_out(tmp_path):
    cv2.imwrite(str(tmp_path / "KA.AN1.1.tiff"), np.full((200, 200, 3), 90, np.uint8))
    picture_at(tmp_path / "KA.HA1.2.tiff")
    (tmp_path / "KB.HA1.3.tiff").write_bytes(b"no picture")
    cut = cut_faces(list_jaffe(tmp_path).pictures, FaceDetector())
    assert cut.without_face == 1 and cut.faces.targets.tolist() == [CLASSES.index("happy")]
    assert [one.file.name for one in cut.left_out] == ["KB.HA1.3.tiff"]
    assert "cannot be read as a picture" in cut.left_out[0].reason
