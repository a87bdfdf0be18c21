"""Layouts that no corpus owns: a folder for each emotion, and a table of labels, for voices and faces alike."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from perception.command import Failure, find_files, search_files
from perception.emotion import LABELS

_WORDS = {name: name for name in LABELS} | {
    "anger": "angry",
    "ang": "angry",
    "disgusted": "disgust",
    "dis": "disgust",
    "fear": "fearful",
    "fea": "fearful",
    "happiness": "happy",
    "hap": "happy",
    "joy": "happy",
    "neu": "neutral",
    "sadness": "sad",
    "surprise": "surprised",
    "pleasant_surprise": "surprised",
    "ps": "surprised",
    "sur": "surprised",
}
NOT_OURS = "their emotion is none that is known here"
_COLUMNS = "file,emotion or file,emotion,speaker (or person)"

Name = TypeVar("Name", bound=str)


class DatasetError(ValueError):
    """A data folder, a table of labels or a folds file is not what it should be."""


class Labelled(NamedTuple):
    """A file, the emotion that it shows (one of `LABELS`), and who shows it (empty where that is not told)."""

    path: Path
    emotion: str
    who: str


def emotion_of(word: str) -> str | None:
    """Find the label that a word for an emotion means, as data sets write it; None where it is none of `LABELS`."""
    return _WORDS.get(word.strip().lower().replace(" ", "_").replace("-", "_"))


def visible_files(folder: Path, suffixes: Collection[str]) -> tuple[list[Path], list[Failure]]:
    """List the files with one of the endings in a folder and below, and the hidden ones that are left out."""
    files = search_files([folder], suffixes).files
    hidden = sorted(set(find_files(folder, suffixes)) - set(files))
    return files, [Failure(path, "hidden, as a Mac leaves them in archives") for path in hidden]


def by_folder(folder: Path, suffixes: Collection[str]) -> tuple[list[Labelled], list[Failure]]:
    """List files by the names of their folders: EMOTION/x.wav, or WHO/EMOTION/x.wav where there are several of them.

    Files in folders that name no emotion are left out.
    """
    found = []
    files, left_out = visible_files(folder, suffixes)
    for path in files:
        emotion = emotion_of(path.parent.name)
        if emotion is None or path.parent == folder:
            left_out.append(Failure(path, "in no folder that is named for an emotion"))
        else:
            above = path.parents[1]
            found.append(Labelled(path, emotion, "" if above == folder else above.relative_to(folder).as_posix()))
    several = len({labelled.who for labelled in found}) > 1
    return [labelled if several else labelled._replace(who="") for labelled in found], left_out


def recognise_names(
    folder: Path,
    suffixes: Collection[str],
    readers: Mapping[Name, Callable[[Path], object]],
    examples: Mapping[str, str],
    kind: str,
) -> Name | Literal["folders"]:
    """Tell which corpus a folder holds: the one whose names most of its files bear, else "folders" for emotions.

    Args:
        folder: with the files, or above them.
        suffixes: lower-case endings of the files.
        readers: of the names of each corpus; ValueError says that a file is named otherwise.
        examples: of all layouts that are known, for the error.
        kind: the word for such files.

    Raises:
        DatasetError: the names are mostly of none of them.
    """
    paths, _ = visible_files(folder, suffixes)
    for corpus, parse in readers.items():
        if sum(_reads(parse, path) for path in paths) > len(paths) / 2:
            return corpus
    if len(by_folder(folder, suffixes)[0]) > len(paths) / 2:
        return "folders"
    known = "; ".join(f"{corpus}: {example}" for corpus, example in examples.items())
    raise DatasetError(
        f"{folder} is laid out like none of the corpora that are known here, in most of its {len(paths)} {kind}. Known "
        f"are: {known}."
    )


def _reads(parse: Callable[[Path], object], path: Path) -> bool:
    try:
        parse(path)
    except ValueError:
        return False
    return True


def by_table(table: Path, folder: Path) -> tuple[list[Labelled], list[Failure]]:
    """List the files of a CSV with the columns file (below `folder`, or beside the table), emotion and maybe speaker.

    The last may be called person as well.

    Raises:
        DatasetError: it is missing, is no such table, or lists nothing that is there.
    """
    found, left_out = [], []
    for row in _rows(table):
        places = (folder / row["file"], table.parent / row["file"])
        path = next((place for place in places if place.is_file()), None)
        emotion = emotion_of(row["emotion"])
        if path is None:
            left_out.append(Failure(places[0], f"{table} lists it, and it is missing"))
        elif emotion is None:
            left_out.append(Failure(path, NOT_OURS))
        else:
            found.append(Labelled(path, emotion, row["speaker"]))
    if not found:
        raise DatasetError(f"{table} lists no file in {folder} with one of the emotions {', '.join(LABELS)}. Check it.")
    return found, left_out


def _rows(table: Path) -> Iterator[dict[str, str]]:
    if not table.is_file():
        raise DatasetError(f"{table} is missing; expected a CSV with the columns {_COLUMNS}.")
    try:
        with table.open(newline="", encoding="utf-8-sig") as handle:
            # Spreadsheets of half of Europe write semicolons.
            head = handle.readline()
            handle.seek(0)
            reader = csv.DictReader(handle, delimiter=";" if head.count(";") > head.count(",") else ",")
            names = {name.strip().lower(): name for name in reader.fieldnames or () if name}
            names.setdefault("speaker", names.get("person", ""))
            if not {"file", "emotion"} <= set(names):
                raise DatasetError(f"{table} has the columns {sorted(reader.fieldnames or ())}; expected {_COLUMNS}.")
            for row in reader:
                yield {key: (row.get(names.get(key, "")) or "").strip() for key in ("file", "emotion", "speaker")}
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise DatasetError(f"{table} cannot be read ({error}); expected a CSV with the columns {_COLUMNS}.") from error
