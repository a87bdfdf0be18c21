"""FER2013 in each of its forms, as one array of crops.

FER2013: Goodfellow et al. 2013, "Challenges in representation learning: a report on three machine learning contests",
arXiv 1307.0414. Its owners state no licence: the pictures are read where they are, and the cache belongs under runs/.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from datasets.layouts import NOT_OURS, DatasetError, emotion_of
from geometry.files import write_whole
from perception.command import Failure
from perception.face.detector import CROP
from perception.face.network import CLASSES
from perception.face.pictures import PictureError, read_picture

__all__ = [
    "DEFAULT_CACHE",
    "SPLITS",
    "DatasetError",
    "Faces",
    "drop_train_test_duplicates",
    "is_fer2013",
    "load_fer2013",
    "read_fer2013",
]

SPLITS = ("Training", "PublicTest", "PrivateTest")
DEFAULT_CACHE = Path("runs/face/cache")
# Numbers of the original csv.
_CSV_LABELS = dict(zip("0123456", ("angry", "disgust", "fearful", "happy", "sad", "surprised", "neutral"), strict=True))
_WHERE = (
    "Give the original fer2013.csv, a .tar.gz or .zip with Split/class/*.jpg, or a folder with Training, PublicTest "
    "and PrivateTest that hold angry, disgust, fear, happy, neutral, sad, surprise."
)
_VERSION = 1  # of the cache
_ENDINGS = (".jpg", ".jpeg", ".png")
_MOST_BYTES = 1_000_000
"""No crop of 48 x 48 pixels is larger."""
_DAMAGES = (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError, zlib.error)
"""What comes of reading an archive that is cut off or damaged."""


Row: TypeAlias = tuple[np.ndarray, int, str, str]
"""Crop (48, 48) uint8, index in `CLASSES`, split, subject."""


class Faces(NamedTuple):
    """Crops `pictures` (N, 48, 48) uint8, `targets` (N,) into `CLASSES`, `splits` (N,) and `subjects` (N,) str.

    A subject is the person in the picture where the data tell, and empty where they do not.
    """

    pictures: np.ndarray
    targets: np.ndarray
    splits: np.ndarray
    subjects: np.ndarray

    def of(self, split: str) -> Faces:
        """Keep the pictures of one split.

        Raises:
            DatasetError: there are none.
        """
        mask = self.splits == split
        if not mask.any():
            raise DatasetError(f"there are no {split} pictures; there are {sorted(set(self.splits.tolist()))}.")
        return self.where(mask)

    def where(self, mask: np.ndarray) -> Faces:
        """Keep the pictures in a mask or list of places."""
        return Faces(*(column[mask] for column in self))


def class_index(name: str) -> int | None:
    """Index in `CLASSES` of a label as data sets write it; None for labels that the project does not have."""
    known = emotion_of(name)
    return CLASSES.index(known) if known in CLASSES else None


def pack(table: Sequence[Row]) -> Faces:
    """Put rows behind each other."""
    pictures = np.stack([row[0] for row in table]) if table else np.zeros((0, CROP, CROP), np.uint8)
    columns = (np.array([row[i] for row in table], kind) for i, kind in ((1, np.int64), (2, np.str_), (3, np.str_)))
    return Faces(pictures, *columns)


def load_fer2013(source: Path | str, cache: Path | None = DEFAULT_CACHE) -> Faces:
    """Read the faces of `read_fer2013`, without what it leaves out.

    Raises:
        DatasetError: as there.
    """
    return read_fer2013(source, cache)[0]


def read_fer2013(source: Path | str, cache: Path | None = DEFAULT_CACHE) -> tuple[Faces, list[Failure]]:
    """Read FER2013 from a .tar.gz or .zip, the original csv, or a folder; archives and csv are kept decoded in `cache`.

    Pictures that are damaged or of another size, and lines of the csv that hold none, are left out, with a reason; what
    they come from is then not kept, so that it is told every time.

    Raises:
        DatasetError: the source is missing or damaged as a whole, is none of these, or holds no pictures.
    """
    source = Path(source)
    if source.is_dir():
        return _checked(_read_folder(source), source)
    if not source.is_file():
        raise DatasetError(f"{source} is missing. {_WHERE}")
    if cache is None:
        return _checked(_read_file(source), source)
    state = source.stat()
    key = f"{source.resolve()}:{state.st_size}:{state.st_mtime_ns}:{_VERSION}"
    place = cache / f"fer2013-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    kept = _from_cache(place)
    if kept is not None:
        return kept, []
    faces, left_out = _checked(_read_file(source), source)
    if not left_out:
        _to_cache(place, faces)
    return faces, left_out


def _checked(found: Iterator[Row | Failure], source: Path) -> tuple[Faces, list[Failure]]:
    rows: list[Row] = []
    left_out: list[Failure] = []
    for one in found:
        if isinstance(one, Failure):
            left_out.append(one)
        else:
            rows.append(one)
    if not rows:
        first = next((f" {one.file}: {one.reason}." for one in left_out), "")
        raise DatasetError(f"{source} holds no FER2013 pictures. {_WHERE}{first}")
    return pack(rows), left_out


def _from_cache(place: Path) -> Faces | None:
    """Read a cached table; a damaged one counts as none and is written again."""
    try:
        with np.load(place, allow_pickle=False) as kept:
            faces = Faces(*(kept[name] for name in Faces._fields))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    lengths = {len(column) for column in faces}
    return faces if len(lengths) == 1 and faces.pictures.shape[1:] == (CROP, CROP) else None


def _to_cache(place: Path, faces: Faces) -> None:
    import io

    content = io.BytesIO()
    np.savez_compressed(content, **faces._asdict())
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, content.getvalue())


def _read_file(source: Path) -> Iterator[Row | Failure]:
    if source.suffix.lower() == ".csv":
        return _read_csv(source)
    with contextlib.suppress(*_DAMAGES):
        if tarfile.is_tarfile(source):
            return _read_archive(source, _in_tar(source))
        if zipfile.is_zipfile(source):
            return _read_archive(source, _in_zip(source))
    raise DatasetError(f"{source} is neither a csv nor a tar or zip archive. {_WHERE}")


def _read_archive(source: Path, members: Iterator[tuple[str, bytes]]) -> Iterator[Row | Failure]:
    """Decode the pictures of an archive straight from it; nothing is unpacked to the disk."""
    try:
        for name, content in members:
            row = _row(Path(name), content)
            if row is not None:
                yield row
    except _DAMAGES as error:
        raise DatasetError(f"{source} is damaged ({error}). Copy it again.") from error


def _in_tar(source: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(source, "r:*") as archive:
        for member in archive:
            if member.isfile() and member.size < _MOST_BYTES:
                handle = archive.extractfile(member)
                if handle is not None:
                    yield member.name, handle.read()


def _in_zip(source: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(source) as archive:
        for member in archive.infolist():
            if not member.is_dir() and member.file_size < _MOST_BYTES:
                with archive.open(member) as handle:
                    yield member.filename, handle.read(_MOST_BYTES)


def _read_folder(source: Path) -> Iterator[Row | Failure]:
    for path in sorted(_in_splits(source)):
        row = _row(path, path.read_bytes()) if path.suffix.lower() in _ENDINGS and path.is_file() else None
        if row is not None:
            yield row


def is_fer2013(folder: Path) -> bool:
    """Tell whether a folder holds pictures as FER2013 has them: a split in their folder or name, and an emotion."""
    return any(_split_of(path) and class_index(path.parts[-2]) is not None for path in _in_splits(folder))


def _in_splits(folder: Path) -> Iterator[Path]:
    """List what may be Split/class/file, in the folder or in one inside it."""
    return chain(folder.glob("*/*/*"), folder.glob("*/*/*/*"))


def _split_of(path: Path) -> str | None:
    return next((name for name in (path.name.split("_")[0], path.parts[-3]) if name in SPLITS), None)


def _row(path: Path, content: bytes) -> Row | Failure | None:
    """Read one picture named .../Split/class/file; some copies have train and test, and the split in the file name.

    Hidden files, as a Mac leaves them, are none.
    """
    if len(path.parts) < 3 or path.suffix.lower() not in _ENDINGS or path.name.startswith("."):
        return None
    index = class_index(path.parts[-2])
    split = _split_of(path)
    if split is None:
        return None
    if index is None:
        return Failure(path, NOT_OURS)
    try:
        picture = read_picture(content)
    except PictureError as error:
        return Failure.of(path, error)
    if picture.shape[:2] != (CROP, CROP):
        return Failure(path, f"{picture.shape[1]} x {picture.shape[0]} pixels; FER2013 has {CROP} x {CROP}")
    return picture[..., 0], index, split, ""


def _read_csv(source: Path) -> Iterator[Row | Failure]:
    """Read the original file: emotion (0 to 6), pixels (2304 numbers), Usage."""
    with source.open(newline="", encoding="utf-8-sig", errors="replace") as handle:
        reader = csv.DictReader(handle)
        try:
            names = {name.strip().lower(): name for name in reader.fieldnames or ()}
            if not {"emotion", "pixels", "usage"} <= set(names):
                columns = ascii(sorted(names))[:200]
                raise DatasetError(f"{source} has the columns {columns}; expected emotion, pixels, Usage. {_WHERE}")
            for row in reader:
                place = Path(f"{source}, line {reader.line_num}")
                yield _csv_row(place, *((row[names[name]] or "").strip() for name in ("emotion", "pixels", "usage")))
        except csv.Error as error:
            line = f"{source}, line {reader.line_num}"
            raise DatasetError(f"{line} cannot be read ({str(error)[:200]}). Copy the file again.") from error


def _csv_row(place: Path, emotion: str, pixels: str, split: str) -> Row | Failure:
    if emotion not in _CSV_LABELS or split not in SPLITS:
        wrong = f"emotion {emotion[:20]!a} and Usage {split[:20]!a}"
        return Failure(place, f"{wrong}; allowed are 0 to 6, and {', '.join(SPLITS)}")
    try:
        picture = np.array(pixels.split(), dtype=np.uint8).reshape(CROP, CROP)
    except (ValueError, OverflowError):
        return Failure(place, f"it does not hold {CROP * CROP} pixels of 0 to 255")
    return picture, CLASSES.index(_CSV_LABELS[emotion]), split, ""


def drop_train_test_duplicates(faces: Faces) -> tuple[Faces, int]:
    """Drop Training pictures that stand, pixel for pixel, in PublicTest or PrivateTest too; tell how many.

    FER2013 holds many pictures twice: of the 3,589 of PrivateTest, 288 are in Training, and of PublicTest 280. A
    network that has learned them by heart scores without seeing any emotion. Pictures of one colour teach nothing and
    go too.
    """
    prints = np.array([hashlib.blake2b(picture.tobytes(), digest_size=16).hexdigest() for picture in faces.pictures])
    training = faces.splits == "Training"
    flat = faces.pictures.reshape(len(prints), -1).std(axis=1) < 2.0
    drop = training & (np.isin(prints, prints[~training]) | flat)
    return faces.where(~drop), int(drop.sum())
