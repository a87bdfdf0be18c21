"""CK+, JAFFE, RAF-DB and AffectNet, in the folders in which their owners give them out.

Each of them needs its owners' consent; none is stored here. Faces are found and aligned as in the live stream, so that
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

from datasets.faces import DatasetError, Faces, class_index, pack
from perception.face.detector import CROP, FaceDetector, align
from perception.face.network import CLASSES
from perception.face.pictures import PictureError, read_picture

Corpus = Literal["ckplus", "jaffe", "rafdb", "affectnet"]
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
_AFFECT = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")


class Labelled(NamedTuple):
    """A picture file, its `target` in `CLASSES`, its split (empty where the owners made none), and who is in it."""

    path: Path
    target: int
    split: str
    subject: str


def list_ckplus(folder: Path | str) -> list[Labelled]:
    """List CK+: the last three frames of each labelled sequence, and its first as neutral; contempt is left out.

    Takes the owners' layout (cohn-kanade-images/S005/001/*.png beside Emotion/S005/001/*_emotion.txt), or the cropped
    CK+48 that goes round (anger/S010_004_00000017.png), which has no neutral.

    Raises:
        DatasetError: the folder is neither.
    """
    folder = Path(folder)
    images = _first_dir(folder, "cohn-kanade-images", "images")
    labels = _first_dir(folder, "Emotion", "Emotion_labels")
    if images is None or labels is None:
        return _named(folder, _ck48(folder), "cohn-kanade-images and Emotion or anger, happy, ... (CK+48)")
    found = []
    for path in sorted(labels.glob("S*/*/*_emotion.txt")):
        index = class_index(_code(path, _CK))
        subject, sequence = path.parts[-3], path.parts[-2]
        frames = sorted((images / subject / sequence).glob("*.png"))
        if index is None or not frames:
            continue
        found += [Labelled(frame, index, "", subject) for frame in frames[1:][-_CK_PEAKS:]]
        found.append(Labelled(frames[0], CLASSES.index("neutral"), "", subject))
    return _named(folder, found, "Emotion/S005/001/*_emotion.txt and cohn-kanade-images/S005/001/*.png")


def _ck48(folder: Path) -> list[Labelled]:
    found = []
    for path in sorted(folder.glob("*/*.png")):
        index, subject = class_index(path.parent.name), re.match(r"S\d+(?=_)", path.name)
        if index is not None and subject is not None:
            found.append(Labelled(path, index, "", subject.group()))
    return found


def list_jaffe(folder: Path | str) -> list[Labelled]:
    """List JAFFE: KA.AN1.39.tiff and so on in one folder; the first two letters are the person.

    Raises:
        DatasetError: no such files.
    """
    found = []
    for path in sorted(Path(folder).glob("*.tif*")):
        match = re.match(r"([A-Z]{2})\.([A-Z]{2})\d+\.\d+\.", path.name)
        if match is not None and match.group(2) in _JAFFE:
            found.append(Labelled(path, CLASSES.index(_JAFFE[match.group(2)]), "", match.group(1)))
    return _named(Path(folder), found, "files such as KA.AN1.39.tiff")


def list_rafdb(folder: Path | str) -> list[Labelled]:
    """List RAF-DB, basic emotions: basic/EmoLabel/list_patition_label.txt and basic/Image/aligned (or original).

    Raises:
        DatasetError: the list is missing or damaged, or names pictures that are not there.
    """
    folder = Path(folder)
    base = folder / "basic" if (folder / "basic").is_dir() else folder
    lists = sorted(base.glob("EmoLabel/list_pa*ition_label.txt"))
    if not lists:
        raise DatasetError(
            f"{folder} has no basic/EmoLabel/list_patition_label.txt. Unpack RAF-DB as its owners give it."
        )
    found = []
    for line in lists[0].read_text(encoding="utf-8").splitlines():
        name, _, code = line.strip().partition(" ")
        if not name:
            continue
        if not code.strip().isdecimal() or not 1 <= int(code) <= len(_RAF):
            raise DatasetError(f"{lists[0]}: {line!r} is no line such as 'train_00001.jpg 5'. Copy the list again.")
        index = class_index(_RAF[int(code) - 1])
        places = (base / "Image" / "original" / name, base / "Image" / "aligned" / name.replace(".jpg", "_aligned.jpg"))
        path = next((place for place in places if place.is_file()), None)
        if path is None or index is None:
            raise DatasetError(f"{places[0]} and {places[1]} are missing, though {lists[0].name} names them.")
        found.append(Labelled(path, index, name.split("_")[0], ""))
    return _named(folder, found, "basic/EmoLabel and basic/Image")


def list_affectnet(folder: Path | str) -> list[Labelled]:
    """List AffectNet-8: train_set and val_set with images/N.jpg and annotations/N_exp.npy; contempt is left out.

    Raises:
        DatasetError: no such folders, or a damaged annotation.
    """
    found = []
    for split in ("train_set", "val_set"):
        for path in sorted((Path(folder) / split / "annotations").glob("*_exp.npy")):
            index = class_index(_code(path, _AFFECT))
            picture = path.parents[1] / "images" / path.name.replace("_exp.npy", ".jpg")
            if index is not None and picture.is_file():
                found.append(Labelled(picture, index, "test" if split == "val_set" else "train", ""))
    return _named(Path(folder), found, "train_set and val_set with images and annotations")


def _code(path: Path, names: Sequence[str]) -> str:
    """Read one number from a text or .npy file and look its name up."""
    try:
        raw = np.load(path, allow_pickle=False).item() if path.suffix == ".npy" else path.read_text(encoding="ascii")
        number = int(float(raw))
    except (ValueError, OSError, EOFError) as error:
        raise DatasetError(f"{path} holds no label ({error}). Copy it again.") from error
    if not 0 <= number < len(names):
        raise DatasetError(f"{path} holds label {number}; allowed are 0 to {len(names) - 1}.")
    return names[number]


def _first_dir(folder: Path, *names: str) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _named(folder: Path, found: list[Labelled], expected: str) -> list[Labelled]:
    if not found:
        raise DatasetError(f"{folder} holds no labelled pictures; expected {expected}. Check the path.")
    return found


LISTS: dict[str, Callable[[Path | str], list[Labelled]]] = {
    "ckplus": list_ckplus,
    "jaffe": list_jaffe,
    "rafdb": list_rafdb,
    "affectnet": list_affectnet,
}


def recognise(folder: Path) -> Corpus | None:
    """Tell which corpus a folder holds, by how its owners lay it out; None where it is none of these."""
    if any(folder.glob("EmoLabel")) or any(folder.glob("basic/EmoLabel")):
        return "rafdb"
    if any(folder.glob("train_set/annotations")) or any(folder.glob("val_set/annotations")):
        return "affectnet"
    if any(folder.glob("*.tif*")):
        return "jaffe"
    if _first_dir(folder, "Emotion", "Emotion_labels") is not None or _ck48(folder):
        return "ckplus"
    return None


class Cut(NamedTuple):
    """Crops of the pictures in which a face was found, and how many had none."""

    faces: Faces
    without_face: int


def cut_faces(pictures: Sequence[Labelled], detector: FaceDetector) -> Cut:
    """Find and align the largest face of each picture.

    Raises:
        PictureError: a picture is damaged.
    """
    from perception.progress import track

    rows = [
        (crop, one.target, one.split, one.subject)
        for one in track(pictures, "finding faces")
        if (crop := crop_of(one.path, detector)) is not None
    ]
    return Cut(pack(rows), len(pictures) - len(rows))


def crop_of(path: Path, detector: FaceDetector) -> np.ndarray | None:
    """Crop (48, 48) of the largest face of a picture file, or None.

    Small pictures that are nothing but a face (CK+48, RAF-DB aligned) are enlarged and framed first: YuNet wants some
    room around a face. Pictures of 48 x 48 are cropped like those of FER2013 already and are taken as they are if no
    face is found.

    Raises:
        PictureError: the picture is damaged.
    """
    import cv2

    try:
        picture = read_picture(path)
    except PictureError as error:
        raise PictureError(f"{error} It is listed as part of the data.") from error
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
