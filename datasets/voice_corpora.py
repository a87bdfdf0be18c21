"""Corpora of acted speech as their owners lay them out: file names, or lists beside them, tell who speaks and how.

nEMO: Christop 2024, arXiv 2404.06292, CC BY-NC-SA 4.0. CREMA-D: Cao et al. 2014, ODbL. EMO-DB: Burkhardt et al. 2005.
TESS: Pichora-Fuller & Dupuis 2020, CC BY-NC-ND 4.0. SAVEE: Haq & Jackson 2010, for research only. IEMOCAP: Busso et al.
2008, for research only, under a licence that its owners sign. The files are read where they are; nothing of them is
stored in the project.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from datasets.voices import DatasetError, load_ravdess
from perception.command import find_files
from perception.emotion import LABELS
from perception.speech.audio import SUFFIXES

Corpus = Literal["ravdess", "nemo", "cremad", "emodb", "tess", "savee", "iemocap"]


class Recording(NamedTuple):
    """A file, the emotion that it shows (one of `LABELS`), and who speaks."""

    path: Path
    emotion: str
    speaker: str


def _named(pattern: str, emotions: dict[str, str]) -> Callable[[Path], Recording | None]:
    """Read `speaker` and `emotion` out of the folder and name of a file; None for emotions that are not ours."""
    form = re.compile(pattern, re.IGNORECASE)

    def read(path: Path) -> Recording | None:
        found = form.fullmatch(f"{path.parent.name}/{path.stem}")
        if found is None:
            raise ValueError
        emotion = emotions.get(found["emotion"].lower())
        return None if emotion is None else Recording(path, emotion, found["speaker"].upper())

    return read


_WORDS = {"anger": "angry", "fear": "fearful", "happiness": "happy", "sadness": "sad", "ps": "surprised"} | {
    name: name for name in LABELS
}
_CODES = {"ang": "angry", "dis": "disgust", "fea": "fearful", "hap": "happy", "neu": "neutral", "sad": "sad"}
# Excitement counts as happiness, as most who use the corpus have it; frustration is not ours.
_IEMOCAP = _CODES | {"exc": "happy", "sur": "surprised"}
_GERMAN = {"w": "angry", "e": "disgust", "a": "fearful", "f": "happy", "n": "neutral", "t": "sad"}
_SHORT = {"a": "angry", "d": "disgust", "f": "fearful", "h": "happy", "n": "neutral", "sa": "sad", "su": "surprised"}
PARSERS: dict[Corpus, Callable[[Path], Recording | None]] = {
    "nemo": _named(r".*/(?P<speaker>[a-z]{2}\d)_(?P<emotion>[a-z]+)_\d+", _WORDS),
    "cremad": _named(r".*/(?P<speaker>\d{4})_[a-z]{3}_(?P<emotion>[a-z]{3})_[a-z]{2}", _CODES),
    "emodb": _named(r".*/(?P<speaker>\d{2})[a-z]\d{2}(?P<emotion>[a-z])[a-z]?", _GERMAN),
    "tess": _named(r".*/(?P<speaker>[oy]af)_[a-z]+_(?P<emotion>[a-z]+)", _WORDS),
    "savee": _named(r"(?:.*/)?(?P<speaker>dc|je|jk|kl)[/_](?P<emotion>[a-z]{1,2})\d{2}", _SHORT),
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
}
# [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]; the letter of the turn tells who speaks it.
_TURN = re.compile(
    r"\[[\d. -]+\]\s+(?P<turn>Ses(?P<pair>\d\d)[FM]_\w+_(?P<sex>[FM])\w*\d{3})\s+(?P<emotion>[a-z]{3})\s.*"
)


def load_corpus(corpus: Corpus, folder: Path | str) -> list[Recording]:
    """List the recordings of a corpus in a folder and below, sorted, without emotions that are not ours (boredom).

    Raises:
        DatasetError: no folder, no sounds in it, a file whose name is not of this corpus, or a listed one that is not
            there.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder. Give the one that holds {corpus}'s {_EXAMPLES[corpus]} and others.")
    if corpus == "ravdess":
        return [Recording(clip.path, clip.emotion, str(clip.actor)) for clip in load_ravdess(folder)]
    recordings = list(_iemocap(folder) if corpus == "iemocap" else _by_name(corpus, folder))
    if not recordings:
        raise DatasetError(f"{folder} holds no recordings of {corpus}, such as {_EXAMPLES[corpus]}.")
    return recordings


def recognise(folder: Path | str) -> Corpus:
    """Tell which corpus a folder holds, by how its owners lay it out.

    Raises:
        DatasetError: no folder, no sounds in it, or names that are of none of the corpora, or not all of one.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"{folder} is {'a file' if folder.exists() else 'missing'}; expected a folder of voices.")
    if any(folder.glob("Actor_*")):
        return "ravdess"
    if any(folder.rglob("EmoEvaluation")):
        return "iemocap"
    paths = find_files(folder, SUFFIXES)
    for corpus, parse in PARSERS.items():
        if paths and all(_reads(parse, path) for path in paths):
            return corpus
    known = "; ".join(f"{corpus} {example}" for corpus, example in _EXAMPLES.items())
    raise DatasetError(
        f"{folder} is laid out like none of the corpora that are known here. Their files are named as follows: {known}."
    )


def _reads(parse: Callable[[Path], Recording | None], path: Path) -> bool:
    try:
        parse(path)
    except ValueError:
        return False
    return True


def _by_name(corpus: Corpus, folder: Path) -> Iterator[Recording]:
    for path in find_files(folder, SUFFIXES):
        try:
            recording = PARSERS[corpus](path)
        except ValueError:
            raise DatasetError(
                f"{path} is not named as {corpus}'s files are; expected names such as {_EXAMPLES[corpus]}. Move it "
                "away, or name another corpus."
            ) from None
        if recording is not None:
            yield recording


def _iemocap(folder: Path) -> Iterator[Recording]:
    """Read the lists of turns, one for each dialog, in Session*/dialog/EmoEvaluation.

    A turn is Session*/sentences/wav/DIALOG/TURN.wav; its speaker is the number of the pair and the letter of the sex.
    """
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
            if not path.is_file():
                raise DatasetError(f"{path} is missing, and {listed} lists it. Unpack the sessions whole.")
            yield Recording(path, emotion, found["pair"] + found["sex"])
