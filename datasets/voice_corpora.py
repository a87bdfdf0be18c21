"""Corpora of acted speech as their owners lay them out: file names, or lists beside them, tell who speaks and how.

nEMO: Christop 2024, arXiv 2404.06292, CC BY-NC-SA 4.0. CREMA-D: Cao et al. 2014, ODbL. EMO-DB: Burkhardt et al. 2005.
TESS: Pichora-Fuller & Dupuis 2020, CC BY-NC-ND 4.0. SAVEE: Haq & Jackson 2010, for research only. IEMOCAP: Busso et al.
2008, for research only, under a licence that its owners sign. The files are read where they are; nothing of them is
stored in the project.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from datasets.layouts import (
    NOT_OURS,
    DatasetError,
    Labelled,
    by_folder,
    by_table,
    emotion_of,
    recognise_names,
    visible_files,
)
from datasets.voices import list_ravdess, numbers_in, sounds
from perception.command import Failure
from perception.speech.audio import SUFFIXES

Corpus = Literal["ravdess", "nemo", "cremad", "emodb", "tess", "savee", "iemocap", "folders", "table"]


class Recording(NamedTuple):
    """A file, the emotion that it shows (one of `LABELS`), and who speaks."""

    path: Path
    emotion: str
    speaker: str


class Listed(NamedTuple):
    """What a corpus holds, sorted, and what lies among it and is no part of it, with the reasons."""

    recordings: list[Recording]
    left_out: list[Failure]


def _named(pattern: str, emotions: Callable[[str], str | None]) -> Callable[[Path], Recording | None]:
    """Read `speaker` and `emotion` out of the folder and name of a file; None for emotions that are not ours."""
    form = re.compile(pattern, re.IGNORECASE)

    def read(path: Path) -> Recording | None:
        found = form.fullmatch(f"{path.parent.name}/{path.stem}")
        if found is None:
            raise ValueError
        emotion = emotions(found["emotion"].lower())
        return None if emotion is None else Recording(path, emotion, found["speaker"].upper())

    return read


_CODES = {"ang": "angry", "dis": "disgust", "fea": "fearful", "hap": "happy", "neu": "neutral", "sad": "sad"}
# Excitement counts as happiness, as most who use the corpus have it; frustration is not ours.
_IEMOCAP = _CODES | {"exc": "happy", "sur": "surprised"}
_GERMAN = {"w": "angry", "e": "disgust", "a": "fearful", "f": "happy", "n": "neutral", "t": "sad"}
_SHORT = {"a": "angry", "d": "disgust", "f": "fearful", "h": "happy", "n": "neutral", "sa": "sad", "su": "surprised"}
PARSERS: dict[Corpus, Callable[[Path], Recording | None]] = {
    "nemo": _named(r".*/(?P<speaker>[a-z]{2}\d)_(?P<emotion>[a-z]+)_\d+", emotion_of),
    "cremad": _named(r".*/(?P<speaker>\d{4})_[a-z]{3}_(?P<emotion>[a-z]{3})_[a-z]{2}", _CODES.get),
    "emodb": _named(r".*/(?P<speaker>\d{2})[a-z]\d{2}(?P<emotion>[a-z])[a-z]?", _GERMAN.get),
    "tess": _named(r".*/(?P<speaker>[oy]af)_[a-z]+_(?P<emotion>[a-z]+)", emotion_of),
    "savee": _named(r"(?:.*/)?(?P<speaker>dc|je|jk|kl)[/_](?P<emotion>[a-z]{1,2})\d{2}", _SHORT.get),
}
"""How the files of each corpus are named, seen with the folder that they lie in."""
_EXAMPLES = {
    "ravdess": "Actor_12/03-01-05-01-02-01-12.wav",
    "nemo": "EB0_anger_1.wav",
    "cremad": "1001_DFA_ANG_XX.wav",
    "emodb": "03a01Fa.wav",
    "tess": "OAF_back_angry.wav",
    "savee": "DC/a01.wav",
    "iemocap": "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt",
    "folders": "angry/x.wav, WHO/angry/x.wav, or angry/WHO/x.wav",
    "table": "a CSV with the columns file, emotion and maybe speaker, given as --labels FILE",
}
# [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]; the letter of the turn tells who speaks it.
_TURN = re.compile(
    r"\[[\d. -]+\]\s+(?P<turn>Ses(?P<pair>\d\d)[FM]_\w+_(?P<sex>[FM])\w*\d{3})\s+(?P<emotion>[a-z]{3})\s.*"
)


def load_corpus(corpus: Corpus, folder: Path | str, labels: Path | None = None) -> Listed:
    """List the recordings of a corpus in a folder and below, without emotions that are not ours (boredom).

    Args:
        corpus: how they are laid out.
        folder: where they lie.
        labels: the CSV that tells what they show, for "table".

    Raises:
        DatasetError: no folder, or no recordings of this corpus in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder. Give the one that holds {corpus}'s {_EXAMPLES[corpus]} and others.")
    if corpus == "ravdess":
        clips, left_out = list_ravdess(folder)
        return Listed([Recording(clip.path, clip.emotion, str(clip.actor)) for clip in clips], left_out)
    if corpus == "table":
        if labels is None:
            raise DatasetError(f"corpus table came without its labels; give {_EXAMPLES['table']}.")
        return _anonymous(*by_table(labels, folder))
    if corpus == "folders":
        listed = _anonymous(*by_folder(folder, SUFFIXES, sounds))
    else:
        listed = _iemocap(folder) if corpus == "iemocap" else _by_name(corpus, folder)
    if not listed.recordings:
        first = next((f" {one.file}: {one.reason}." for one in listed.left_out), "")
        raise DatasetError(f"{folder} holds no recordings of {corpus}, such as {_EXAMPLES[corpus]}.{first}")
    return listed


def _anonymous(found: list[Labelled], left_out: list[Failure]) -> Listed:
    return Listed([Recording(path, emotion, who or "unknown") for path, emotion, who, _ in found], left_out)


def recognise(folder: Path | str) -> Corpus:
    """Tell which corpus a folder holds: the one whose names most of its sounds bear, else folders named for emotions.

    Raises:
        DatasetError: no folder, no sounds in it, or names that are mostly of none of the corpora.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"{folder} is {'a file' if folder.exists() else 'missing'}; expected a folder of voices.")
    if any(folder.rglob("EmoEvaluation")):
        return "iemocap"
    readers: dict[Corpus, Callable[[Path], object]] = {"ravdess": numbers_in, **PARSERS}
    return recognise_names(folder, SUFFIXES, readers, _EXAMPLES, "sounds", sounds)


def _by_name(corpus: Corpus, folder: Path) -> Listed:
    """Read the names; what is named otherwise, shows what is not ours, or is there twice is left out."""
    recordings: dict[tuple[str, str], Recording] = {}
    files, left_out = visible_files(folder, SUFFIXES, sounds)
    for path in files:
        try:
            recording = PARSERS[corpus](path)
        except ValueError:
            left_out.append(Failure(path, f"not named as {corpus}'s files are, such as {_EXAMPLES[corpus]}"))
            continue
        if recording is None:
            left_out.append(Failure(path, NOT_OURS))
        elif (recording.speaker, path.stem) in recordings:
            left_out.append(Failure(path, "a second copy"))
        else:
            recordings[recording.speaker, path.stem] = recording
    return Listed(list(recordings.values()), left_out)


def _iemocap(folder: Path) -> Listed:
    """Read the lists of turns, one for each dialog, in Session*/dialog/EmoEvaluation; leave out sounds that are gone.

    A turn is Session*/sentences/wav/DIALOG/TURN.wav; its speaker is the number of the pair and the letter of the sex.
    """
    recordings, left_out = [], []
    for listed in sorted(folder.rglob("EmoEvaluation/*.txt")):
        if listed.name.startswith("."):  # left behind by the Mac on which the corpus was packed
            continue
        sounds = listed.parents[2] / "sentences" / "wav" / listed.stem
        for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
            found = _TURN.fullmatch(line.strip())
            emotion = None if found is None else _IEMOCAP.get(found["emotion"])
            if found is None or emotion is None:
                continue
            path = sounds / f"{found['turn']}.wav"
            if path.is_file():
                recordings.append(Recording(path, emotion, found["pair"] + found["sex"]))
            else:
                left_out.append(Failure(path, f"{listed.name} lists it, and it is missing"))
    return Listed(recordings, left_out)
