"""CK+, JAFFE, RAF-DB and AffectNet as they are given out, a folder for each emotion, and tables of labels.

The four need their owners' consent; none is stored here. Faces are found and aligned as in the live stream, so that
what is measured is what a user gets.

- CK+: Lucey et al. 2010, "The extended Cohn-Kanade dataset", CVPR workshops; 123 people, posed.
- JAFFE: Lyons et al. 1998, FG; 10 women, posed.
- RAF-DB: Li, Deng & Du 2017, CVPR; pictures from the web, about 40 judges each.
- AffectNet: Mollahosseini, Hasani & Mahoor 2017, IEEE TAC 10(1), arXiv 1708.03985; pictures from the web.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from datasets import layouts
from datasets.faces import DatasetError, Faces, class_index, is_fer2013, pack
from datasets.layouts import NOT_OURS, by_folder, by_table, recognise_names, split_of, visible_files
from perception.command import Failure
from perception.face.detector import CROP, FaceDetector, align
from perception.face.network import CLASSES
from perception.face.pictures import SUFFIXES, PictureError, is_picture, read_picture

Corpus = Literal["ckplus", "jaffe", "rafdb", "affectnet", "folders", "table"]
_CK = ("neutral", "anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
_CK_PEAKS = 3  # the last three frames of a sequence, as nearly all work on CK+ takes them
_JAFFE = {
    "AN": "angry",
    "DI": "disgust",
    "FE": "fearful",
    "HA": "happy",
    "SA": "sad",
    "SU": "surprised",
    "NE": "neutral",
}
_RAF = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
_RAF_CODES = tuple("1234567")
_AFFECT = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")


_EXAMPLES: dict[str, str] = {
    "fer2013": "Training/angry/x.jpg, or the file fer2013.csv itself",
    "ckplus": "Emotion/S005/001/*_emotion.txt with cohn-kanade-images/S005/001/*.png, or anger/S010_004_00000017.png",
    "jaffe": "KA.AN1.39.tiff",
    "rafdb": "basic/EmoLabel/list_patition_label.txt with basic/Image, or train/1/train_00001_aligned.jpg",
    "affectnet": "train_set/images/1.jpg with train_set/annotations/1_exp.npy",
    "folders": "angry/x.jpg, WHO/angry/x.jpg, angry/WHO/x.jpg, or train/angry/x.jpg",
    "table": "a CSV with the columns file, emotion and maybe person, given as --labels FILE",
}


class Labelled(NamedTuple):
    """A picture file, its `target` in `CLASSES`, its split (empty where the owners made none), and who is in it."""

    path: Path
    target: int
    split: str
    subject: str


class Listed(NamedTuple):
    """What a corpus holds, and what lies among it and is no part of it, with the reasons."""

    pictures: list[Labelled]
    left_out: list[Failure]


def list_ckplus(folder: Path | str) -> Listed:
    """List CK+: the last three frames of each labelled sequence, and its first as neutral; contempt is left out.

    Takes the owners' layout (cohn-kanade-images/S005/001/*.png beside Emotion/S005/001/*_emotion.txt), or the cropped
    CK+48 that goes round (anger/S010_004_00000017.png), which has no neutral; in the folder or in one inside it.

    Raises:
        DatasetError: the folder is neither.
    """
    folder = Path(folder)
    images = _first_dir(folder, "cohn-kanade-images", "images")
    labels = _first_dir(folder, "Emotion", "Emotion_labels")
    if images is None or labels is None:
        return _checked("ckplus", folder, _by_name(folder, _ck48, "ckplus"))
    found: list[Labelled] = []
    left_out: list[Failure] = []
    for path in sorted(labels.glob("S*/*/S*_emotion.txt")):  # and no ._S005_..., as a Mac leaves them
        subject, sequence = path.parts[-3], path.parts[-2]
        frames = sorted((images / subject / sequence).glob("S*.png"))
        index = _index(path, _CK, left_out)
        if index is None or not frames:
            left_out += [] if index is None else [Failure(path, "no pictures belong to it")]
            continue
        found += [Labelled(frame, index, "", subject) for frame in frames[1:][-_CK_PEAKS:]]
        found.append(Labelled(frames[0], CLASSES.index("neutral"), "", subject))
    return _checked("ckplus", folder, Listed(found, left_out))


def _ck48(path: Path) -> Labelled | None:
    index, subject = class_index(path.parent.name), re.match(r"S\d+(?=_)", path.name.upper())
    if subject is None or (index is None and path.parent.name.lower() != "contempt"):
        raise ValueError
    return None if index is None else Labelled(path, index, "", subject.group())


def list_jaffe(folder: Path | str) -> Listed:
    """List JAFFE: KA.AN1.39.tiff and so on in a folder and below, or as JPEG; the first two letters are the person.

    Raises:
        DatasetError: no such files.
    """
    return _checked("jaffe", Path(folder), _by_name(Path(folder), _jaffe, "jaffe"))


def _jaffe(path: Path) -> Labelled:
    match = re.fullmatch(r"([A-Z]{2})\.([A-Z]{2})\d+\.\d+(\.tiff?)?", path.stem, re.IGNORECASE)
    if match is None or match[2].upper() not in _JAFFE:
        raise ValueError
    return Labelled(path, CLASSES.index(_JAFFE[match[2].upper()]), "", match[1].upper())


def list_rafdb(folder: Path | str) -> Listed:
    """List RAF-DB, basic emotions: EmoLabel/list_patition_label.txt with Image/aligned (or original), or train/1 to 7.

    Raises:
        DatasetError: the folder is neither, or the list names nothing that is there.
    """
    folder = Path(folder)
    lists = _raf_lists(folder)
    if not lists:
        return _checked("rafdb", folder, _by_name(folder, _raf_folder, "rafdb"))
    base = lists[0].parents[1]
    found: list[Labelled] = []
    left_out: list[Failure] = []
    for line in lists[0].read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, code = line.strip().partition(" ")
        if not name:
            continue
        places = (base / "Image" / "original" / name, base / "Image" / "aligned" / name.replace(".jpg", "_aligned.jpg"))
        path = next((place for place in places if place.is_file()), None)
        index = class_index(_RAF[int(code) - 1]) if code.strip() in _RAF_CODES else None
        if index is None:
            left_out.append(Failure(lists[0], f"{line!r} is no line such as 'train_00001.jpg 5'"))
        elif path is None:
            left_out.append(Failure(places[1], f"{lists[0].name} lists it, and it is missing"))
        else:
            found.append(Labelled(path, index, name.split("_")[0], ""))
    return _checked("rafdb", folder, Listed(found, left_out))


def _raf_lists(folder: Path) -> list[Path]:
    return [
        path for start in ("", "basic/", "*/basic/") for path in folder.glob(f"{start}EmoLabel/list_pa*ition_label.txt")
    ]


def _raf_folder(path: Path) -> Labelled:
    code, split = path.parent.name, split_of(path.parents[1].name)
    index = class_index(_RAF[int(code) - 1]) if code in _RAF_CODES else None
    # AffectNet goes round in folders of numbers as well, and others count from 0: their numbers mean something else.
    named = re.match(r"(train|test)_\d+", path.name) is not None and not path.parents[1].joinpath("0").exists()
    if index is None or not split or not named:
        raise ValueError
    return Labelled(path, index, split, "")


def list_affectnet(folder: Path | str) -> Listed:
    """List AffectNet-8: train_set and val_set with images/N.jpg and annotations/N_exp.npy; contempt is left out.

    In the folder or in one inside it.

    Raises:
        DatasetError: no such folders, or nothing in them that can be used.
    """
    found: list[Labelled] = []
    left_out: list[Failure] = []
    for split in ("train_set", "val_set"):
        for path in sorted(Path(folder).glob(f"{split}/annotations/*_exp.npy")) or sorted(
            Path(folder).glob(f"*/{split}/annotations/*_exp.npy")
        ):
            index = _index(path, _AFFECT, left_out)
            picture = path.parents[1] / "images" / path.name.replace("_exp.npy", ".jpg")
            if index is not None and picture.is_file():
                found.append(Labelled(picture, index, "test" if split == "val_set" else "train", ""))
            elif index is not None:
                left_out.append(Failure(picture, "annotated, and missing"))
    return _checked("affectnet", Path(folder), Listed(found, left_out))


def list_folders(folder: Path | str) -> Listed:
    """List pictures by the emotions that their folders are named for: angry/x.jpg, below a person or a split or not.

    Raises:
        DatasetError: no such folders.
    """
    return _checked("folders", Path(folder), _of_layout(*by_folder(Path(folder), SUFFIXES, _pictures)))


def list_table(table: Path, folder: Path | str) -> Listed:
    """List the pictures of a CSV with the columns file, emotion and maybe person.

    Raises:
        DatasetError: it is no such table, or lists nothing that can be used.
    """
    return _checked("table", Path(folder), _of_layout(*by_table(table, Path(folder))))


def _of_layout(found: list[layouts.Labelled], left_out: list[Failure]) -> Listed:
    """Sort out labels that faces do not have (calm)."""
    pictures, left_out = [], list(left_out)
    for path, emotion, who, split in found:
        index = class_index(emotion)
        if index is None:
            left_out.append(Failure(path, NOT_OURS))
        else:
            pictures.append(Labelled(path, index, split, who))
    return Listed(pictures, left_out)


def _by_name(folder: Path, parse: Callable[[Path], Labelled | None], corpus: Corpus) -> Listed:
    """Read the names of all pictures; others, those of no label of ours, and second copies are left out."""
    found: dict[tuple[str, str, str], Labelled] = {}
    files, left_out = visible_files(folder, SUFFIXES, _pictures)
    for path in files:
        try:
            labelled = parse(path)
        except ValueError:
            left_out.append(Failure(path, f"not named as {corpus}'s files are, such as {_EXAMPLES[corpus]}"))
            continue
        if labelled is None:
            left_out.append(Failure(path, NOT_OURS))
        elif found.setdefault((labelled.split, labelled.subject, path.stem), labelled) is not labelled:
            left_out.append(Failure(path, "a second copy"))
    return Listed(list(found.values()), left_out)


def _index(path: Path, names: Sequence[str], left_out: list[Failure]) -> int | None:
    """Read one number from a text or .npy file: the place in `CLASSES` of what it stands for, else None and why."""
    try:
        raw = np.load(path, allow_pickle=False).item() if path.suffix == ".npy" else path.read_text(encoding="ascii")
        number = int(float(raw))
    except (ValueError, TypeError, OverflowError, OSError, EOFError) as error:
        left_out.append(Failure(path, f"holds no label ({error})"))
        return None
    if not 0 <= number < len(names):
        left_out.append(Failure(path, f"holds label {number}; allowed are 0 to {len(names) - 1}"))
        return None
    index = class_index(names[number])
    if index is None:
        left_out.append(Failure(path, NOT_OURS))
    return index


def _first_dir(folder: Path, *names: str) -> Path | None:
    """Find a folder of one of the names in a folder, or one deeper."""
    places = (place for name in names for place in (folder / name, *sorted(folder.glob(f"*/{name}"))))
    return next((place for place in places if place.is_dir()), None)


def _checked(corpus: Corpus, folder: Path, listed: Listed) -> Listed:
    if not listed.pictures:
        first = next((f" {one.file}: {one.reason}." for one in listed.left_out), "")
        raise DatasetError(
            f"{folder} holds no pictures of {corpus}, such as {_EXAMPLES[corpus]}.{first} Check the path."
        )
    return listed


LISTS: dict[Corpus, Callable[[Path | str], Listed]] = {
    "ckplus": list_ckplus,
    "jaffe": list_jaffe,
    "rafdb": list_rafdb,
    "affectnet": list_affectnet,
    "folders": list_folders,
}


def load_corpus(corpus: Corpus, folder: Path, labels: Path | None = None) -> Listed:
    """List the pictures of a corpus; `labels` is the CSV that tells what they show, for "table".

    Raises:
        DatasetError: the folder holds none of them.
    """
    if corpus != "table":
        return LISTS[corpus](folder)
    if labels is None:
        raise DatasetError(f"corpus table came without its labels; give {_EXAMPLES['table']}.")
    return list_table(labels, folder)


def recognise(folder: Path) -> Corpus | None:
    """Tell which corpus a folder holds, by how its owners lay it out or how most pictures are named; None: FER2013.

    Raises:
        DatasetError: it is laid out like none of them.
    """
    if _raf_lists(folder):
        return "rafdb"
    if _first_dir(folder, "train_set/annotations", "val_set/annotations") is not None:
        return "affectnet"
    if _first_dir(folder, "Emotion", "Emotion_labels") is not None:
        return "ckplus"
    if is_fer2013(folder):
        return None
    readers: dict[Corpus, Callable[[Path], object]] = {"jaffe": _jaffe, "ckplus": _ck48, "rafdb": _raf_folder}
    return recognise_names(folder, SUFFIXES, readers, _EXAMPLES, "pictures", _pictures)


class Cut(NamedTuple):
    """Crops of the pictures in which a face was found, how many had none, and which could not be read."""

    faces: Faces
    without_face: int
    left_out: list[Failure]


def cut_faces(pictures: Sequence[Labelled], detector: FaceDetector) -> Cut:
    """Find and align the largest face of each picture; damaged pictures are left out."""
    from perception.progress import track

    rows, without_face, left_out = [], 0, []
    for one in track(pictures, "finding faces"):
        try:
            crop = crop_of(one.path, detector)
        except PictureError as error:
            left_out.append(Failure.of(one.path, error))
            continue
        if crop is None:
            without_face += 1
        else:
            rows.append((crop, one.target, one.split, one.subject))
    return Cut(pack(rows), without_face, left_out)


def _pictures(path: Path) -> bool:
    """Tell of a file with any ending, as .jfif, whether it is a picture."""
    with path.open("rb") as file:
        return is_picture(file.read(12))


def crop_of(path: Path, detector: FaceDetector) -> np.ndarray | None:
    """Crop (48, 48) of the largest face of a picture file, or None.

    Small pictures that are nothing but a face (CK+48, RAF-DB aligned) are enlarged and framed first: YuNet wants some
    room around a face. Pictures of 48 x 48 are cropped like those of FER2013 already and are taken as they are if no
    face is found.

    Raises:
        PictureError: the picture is damaged.
    """
    import cv2

    picture = read_picture(path)
    seen = picture
    if max(picture.shape[:2]) <= 128:
        big = cv2.resize(picture, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
        border = max(big.shape[:2]) // 3
        seen = np.asarray(cv2.copyMakeBorder(big, border, border, border, border, cv2.BORDER_REPLICATE))
    faces = detector.detect(seen)
    crop = align(seen, faces[0].landmarks) if faces else None
    if crop is None and picture.shape[:2] == (CROP, CROP):
        crop = np.ascontiguousarray(picture[..., 0])
    return crop
