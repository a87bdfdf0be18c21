"""The RAVDESS speech folder and its speaker-independent folds.

RAVDESS: Livingstone & Russo 2018, PLoS ONE 13(5), https://zenodo.org/records/1188976, CC BY-NC-SA 4.0. The files are
read where they are; nothing of them is stored in the project.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.layouts import DatasetError, visible_files
from perception.command import Failure
from perception.emotion import LABELS
from perception.media import holds
from perception.speech.audio import SUFFIXES

__all__ = ["ACTORS", "Clip", "DatasetError", "Folds", "list_ravdess", "load_folds", "load_ravdess", "parse_name"]

# The same recording twice in the published set; the second name is dropped so that it cannot sit on two sides.
DUPLICATES = frozenset({"03-01-03-01-02-02-07"})
ACTORS = range(1, 25)
_WHERE = (
    "Unpack the speech files of RAVDESS (https://zenodo.org/records/1188976) so that it holds "
    "Actor_01 ... Actor_24 with files such as 03-01-05-01-02-01-12.wav."
)


@dataclass(frozen=True, order=True)
class Clip:
    """One recording, read from its name `modality-channel-emotion-intensity-statement-repetition-actor`."""

    path: Path
    emotion: str
    strong: bool
    statement: int
    repetition: int
    actor: int

    @property
    def index(self) -> int:
        """Index of the emotion in `LABELS`."""
        return LABELS.index(self.emotion)

    @property
    def female(self) -> bool:
        """Whether the actor is a woman (even numbers)."""
        return self.actor % 2 == 0


@dataclass(frozen=True)
class Folds:
    """Test actors of each fold; the other actors train."""

    test_actors: tuple[tuple[int, ...], ...]

    def actors_of(self, fold: int) -> tuple[int, ...]:
        """List the test actors of a fold.

        Raises:
            DatasetError: there is no such fold.
        """
        if not 0 <= fold < len(self.test_actors):
            raise DatasetError(f"fold {fold} was asked for; the file has folds 0 to {len(self.test_actors) - 1}.")
        return self.test_actors[fold]

    def test_mask(self, actors: np.ndarray, fold: int) -> np.ndarray:
        """Tell for each clip, by its actor (N,), whether it is in the test part of a fold: bool (N,).

        Raises:
            DatasetError: there is no such fold.
        """
        return np.isin(actors, self.actors_of(fold))


def numbers_in(path: Path) -> list[int]:
    """Read the seven numbers in a name of RAVDESS, which songs and films have as well.

    Raises:
        DatasetError: the name is not seven two-digit numbers.
    """
    parts = path.stem.split("-")
    if len(parts) != 7 or not all(part.isdecimal() and len(part) == 2 for part in parts):
        raise DatasetError(f"{path} is no RAVDESS name; expected seven two-digit numbers such as 03-01-05-01-02-01-12.")
    return list(map(int, parts))


def parse_name(path: Path) -> Clip:
    """Read the code in the name of a clip of RAVDESS speech.

    Raises:
        DatasetError: the name is not seven two-digit numbers, one of them is out of range, or it is a song or a film.
    """
    modality, channel, emotion, intensity, statement, repetition, actor = numbers_in(path)
    if (modality, channel) != (3, 1):
        raise DatasetError(
            f"{path} has modality {modality} and channel {channel}; expected 03-01 (sound only, speech)."
        )
    if not (1 <= emotion <= 8 and {intensity, statement, repetition} <= {1, 2} and actor in ACTORS):
        raise DatasetError(f"{path}: a number is out of range (emotion 1-8, the next three 1-2, actor 1-24).")
    return Clip(path, LABELS[emotion - 1], intensity == 2, statement, repetition, actor)


def sounds(path: Path) -> bool:
    """Tell of a file with any ending, as .wma, whether there is a sound in it."""
    return holds(path, "audio")


def load_ravdess(folder: Path | str) -> list[Clip]:
    """List the clips of `list_ravdess`, without what it leaves out.

    Raises:
        DatasetError: as there.
    """
    return list_ravdess(folder)[0]


def list_ravdess(folder: Path | str) -> tuple[list[Clip], list[Failure]]:
    """List the clips of RAVDESS speech in a folder and below, sorted, without the one known duplicate (1439 of 1440).

    They lie in Actor_XX, as they are given out, or all in one folder. What is no such clip is left out, with a reason:
    other names, a folder of another actor, a second copy.

    Raises:
        DatasetError: the folder is missing, or holds none of them.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder. {_WHERE}")
    clips: dict[str, Clip] = {}
    files, left_out = visible_files(folder, SUFFIXES, sounds)
    for path in files:
        try:
            clip = parse_name(path)
        except DatasetError as error:
            left_out.append(Failure.of(path, error))
            continue
        if path.parent.name.startswith("Actor_") and path.parent.name != f"Actor_{clip.actor:02d}":
            left_out.append(Failure(path, f"names actor {clip.actor} but lies in {path.parent.name}"))
        elif path.stem in clips:
            left_out.append(Failure(path, "a second copy"))
        elif path.stem not in DUPLICATES:
            clips[path.stem] = clip
    if not clips:
        raise DatasetError(f"{folder} holds no clips of RAVDESS speech. {_WHERE}")
    return list(clips.values()), left_out


def load_folds(path: Path | str) -> Folds:
    """Read a folds file such as the EmoBox split (arXiv 2406.07162): JSON {"test_actors": [[1, 11, 20, 21], ...]}.

    Raises:
        DatasetError: the file is missing, is no such JSON, or tests an actor twice.
    """
    path = Path(path)
    if not path.is_file():
        raise DatasetError(f"{path} is missing; expected JSON such as {{'test_actors': [[1, 11, 20, 21], ...]}}.")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        folds = Folds(tuple(tuple(int(actor) for actor in fold) for fold in raw["test_actors"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path} is no folds file ({error!r}); expected JSON such as {{'test_actors': [[1, 11, 20, 21], ...]}}."
        ) from error
    tested = [actor for fold in folds.test_actors for actor in fold]
    if len(folds.test_actors) < 2 or not all(folds.test_actors) or len(set(tested)) != len(tested):
        raise DatasetError(f"{path}: expected at least two folds, none empty, and each actor tested in one fold only.")
    return folds
