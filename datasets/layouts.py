"""Layouts that no corpus owns: a folder for each emotion, and a table of labels, for voices and faces alike."""

from __future__ import annotations

import csv
import io
import os
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from geometry.folders import files_below, is_hidden
from perception.command import Failure, opens
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
_SPLITS = {"train": "train", "test": "test", "val": "val", "valid": "val", "validation": "val"}
NOT_OURS = "their emotion is none that is known here"
_COLUMNS = "file,emotion or file,emotion,speaker (or person)"

LooksRight: TypeAlias = Callable[[Path], bool]
Name = TypeVar("Name", bound=str)


class DatasetError(ValueError):
    """A data folder, a table of labels or a folds file is not what it should be."""


class Labelled(NamedTuple):
    """A file, the emotion that it shows (one of `LABELS`), who shows it, and its split; "" where that is not told."""

    path: Path
    emotion: str
    who: str
    split: str = ""


def emotion_of(word: str) -> str | None:
    """Find the label that a word for an emotion means, as data sets write it; None where it is none of `LABELS`."""
    return _WORDS.get(word.strip().lower().replace(" ", "_").replace("-", "_"))


def split_of(name: str) -> str:
    """Tell which split a folder of this name holds: train, val, test, or "" for none."""
    return _SPLITS.get(name.lower(), "")


def visible_files(
    folder: Path, suffixes: Collection[str], looks_right: LooksRight = lambda path: False
) -> tuple[list[Path], list[Failure]]:
    """List the files in a folder and below that have one of the endings or look right, and the hidden ones left out."""
    found = [path for path in files_below(folder) if path.suffix.lower() in suffixes or opens(looks_right, path)]
    hidden = [path for path in found if is_hidden(path, folder)]
    left_out = [Failure(path, "hidden, as a Mac leaves them in archives") for path in hidden]
    return sorted(set(found) - set(hidden)), left_out


def by_folder(
    folder: Path, suffixes: Collection[str], looks_right: LooksRight = lambda path: False
) -> tuple[list[Labelled], list[Failure]]:
    """List files by the names of their folders: EMOTION/x.wav, WHO/EMOTION/x.wav or EMOTION/WHO/x.wav, maybe in train.

    Where two folders above a file name emotions (a person is called Joy), the level counts that names one for all. WHO
    is told from the first folder on in which they differ. Files in folders that name no emotion are left out, and
    those of which it is not plain which folder does.
    """
    files, left_out = visible_files(folder, suffixes, looks_right)
    places = {path: path.parent.relative_to(folder).parts for path in files}
    levels = {path: [at for at, name in enumerate(parts) if emotion_of(name)] for path, parts in places.items()}
    named = [path for path in files if levels[path]]
    often = Counter(at for path in named for at in levels[path])
    chosen: dict[Path, int] = {}
    for path in files:
        sure = [at for at in levels[path] if often[at] == len(named)] if len(levels[path]) > 1 else levels[path]
        if len(sure) == 1:
            chosen[path] = sure[0]
        else:
            words = " and ".join(places[path][at] for at in levels[path])
            reason = f"{words} both name emotions" if words else "in no folder that is named for an emotion"
            left_out.append(Failure(path, reason))
    above = _shared([places[path][:at] for path, at in chosen.items()])
    below = _shared([places[path][at + 1 :] for path, at in chosen.items()])
    return [_labelled(path, places[path], at, above, below) for path, at in chosen.items()], left_out


def _labelled(path: Path, parts: Sequence[str], at: int, above: int, below: int) -> Labelled:
    """Tell what a file's folders say, the one at `at` of its emotion; so many above and below are those of all."""
    before, after = parts[above:at], parts[at + 1 + below :]
    split = split_of(before[0] if before else "") or split_of(after[0] if after else "")
    who = [*before[bool(before and split_of(before[0])) :], *after[bool(after and split_of(after[0])) :]]
    return Labelled(path, str(emotion_of(parts[at])), "/".join(who), split)


def _shared(places: Sequence[Sequence[str]]) -> int:
    """Count the folders that all places begin with."""
    return len(PurePath(os.path.commonpath([PurePath(*parts) for parts in places])).parts) if places else 0


def recognise_names(
    folder: Path,
    suffixes: Collection[str],
    readers: Mapping[Name, Callable[[Path], object]],
    examples: Mapping[str, str],
    kind: str,
    looks_right: LooksRight = lambda path: False,
) -> Name | Literal["folders"]:
    """Tell which corpus a folder holds: the one whose names most of its files bear, else "folders" for emotions.

    Args:
        folder: with the files, or above them.
        suffixes: lower-case endings of the files.
        readers: of the names of each corpus; ValueError says that a file is named otherwise.
        examples: of all layouts that are known, for the error.
        kind: the word for such files.
        looks_right: tells of a file with another ending whether it is one all the same.

    Raises:
        DatasetError: there are no such files, or their names are mostly of none of them.
    """
    paths, _ = visible_files(folder, suffixes, looks_right)
    known = "; ".join(f"{corpus}: {example}" for corpus, example in examples.items())
    if not paths:
        raise DatasetError(f"{folder} holds no {kind} ({', '.join(sorted(suffixes))}). Known corpora are: {known}.")
    for corpus, parse in readers.items():
        if sum(_reads(parse, path) for path in paths) > len(paths) / 2:
            return corpus
    if len(by_folder(folder, suffixes, looks_right)[0]) > len(paths) / 2:
        return "folders"
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
    found: dict[Path, Labelled] = {}
    left_out = []
    for row in _rows(table):
        places = (folder / row["file"], table.parent / row["file"])
        path = next(filter(_is_file, places), None)
        emotion = emotion_of(row["emotion"])
        if path is None:
            left_out.append(Failure(places[0], f"{table} lists it, and it is missing"))
        elif emotion is None:
            left_out.append(Failure(path, NOT_OURS))
        elif found.setdefault(path.resolve(), labelled := Labelled(path, emotion, row["speaker"])) is not labelled:
            left_out.append(Failure(path, f"{table} lists it more than once; the first counts"))
    if not found:
        raise DatasetError(f"{table} lists no file in {folder} with one of the emotions {', '.join(LABELS)}. Check it.")
    return list(found.values()), left_out


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _rows(table: Path) -> Iterator[dict[str, str]]:
    """Read file, emotion and speaker of each row, as spreadsheets of any country and system write them."""
    if not table.is_file():
        raise DatasetError(f"{table} is missing; expected a CSV with the columns {_COLUMNS}.")
    try:
        text = _text(table.read_bytes())
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=text.partition("\n")[0].count))
        names = {name.strip().lower(): name for name in reader.fieldnames or () if name}
        if not {"file", "emotion"} <= set(names):
            raise DatasetError(f"{table} has the columns {ascii(sorted(names))[:200]}; expected {_COLUMNS}.")
        columns = {"file": "file", "emotion": "emotion", "speaker": "speaker" if "speaker" in names else "person"}
        for row in reader:
            found = {key: (row.get(names[name]) or "").strip() for key, name in columns.items() if name in names}
            yield {"speaker": "", **found, "file": found["file"].replace("\\", "/")}
    except (csv.Error, OSError) as error:
        raise DatasetError(f"{table} cannot be read ({error}); expected a CSV with the columns {_COLUMNS}.") from error


def _text(content: bytes) -> str:
    """Decode UTF-16 where it says so, else UTF-8, else Latin-1, which older spreadsheets write."""
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
