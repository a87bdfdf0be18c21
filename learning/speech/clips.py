"""Encoded clips of a corpus, as the ensembles learn from them and are judged on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from datasets.voice_corpora import Corpus, Recording, load_corpus
from datasets.voices import Clip, DatasetError, Folds, list_ravdess
from learning.speech.features import FeatureCache, FeatureTable, beginnings, encode_clips
from perception.command import Failure, check_folder
from perception.emotion import LABELS
from perception.speech.encoder import SpeechEncoder


class Data(NamedTuple):
    """Encoded clips: `table` of versions, `targets` (C,) emotion indices, `actors` (C,) numbers, `statements` (C,).

    `statements` says which sentence is spoken, 0 where that is not known.
    `clip_s` is how long a clip lasts on average. `beginnings` (C, inputs) are features of the first `BEGINNING_S` of
    each voice; None where nobody asks for them. `left_out` are files of the folder that are not among the clips.
    """

    table: FeatureTable
    targets: np.ndarray
    actors: np.ndarray
    statements: np.ndarray
    clip_s: float
    beginnings: np.ndarray | None = None
    left_out: tuple[Failure, ...] = ()


def load_data(data: Path, folds: Folds, cache: Path, encoder: Path, beginning_s: float | None = None) -> Data:
    """Encode the clips of a RAVDESS folder, or take them from the cache; with `beginning_s` how each begins, too.

    Raises:
        DatasetError: the folder is wrong, or an actor of the folds has no clips in it.
        SoundError: none of the clips is a usable sound.
        WeightsError: the encoder cannot be loaded.
        CommandError: the cache cannot be written.
    """
    clips, left_out = list_ravdess(data)
    actors = np.array([clip.actor for clip in clips])
    missing = sorted({actor for fold in folds.test_actors for actor in fold} - set(actors.tolist()))
    if missing:
        raise DatasetError(f"{data} has no clips of actors {missing}, which the folds test. Complete the folder.")
    found = _encoded(clips, actors, np.array([clip.statement for clip in clips]), cache, encoder, beginning_s)
    return found._replace(left_out=(*left_out, *found.left_out))


def load_other(corpus: Corpus, folder: Path, cache: Path, encoder: Path, labels: Path | None = None) -> Data:
    """Encode the clips of any corpus, or take them from the cache; its voices are numbered in the order of their names.

    Raises:
        DatasetError: the folder is wrong, or has one voice only.
        SoundError: none of the clips is a usable sound.
        WeightsError: the encoder cannot be loaded.
        CommandError: the cache cannot be written.
    """
    recordings, left_out = load_corpus(corpus, folder, labels)
    voices, numbers = np.unique([recording.speaker for recording in recordings], return_inverse=True)
    if len(voices) < 2:
        raise DatasetError(f"{folder} has one voice only, {voices[0]}; to judge voices never met takes two or more.")
    found = _encoded(recordings, numbers, np.zeros(len(recordings), int), cache, encoder)
    return found._replace(left_out=(*left_out, *found.left_out))


def _encoded(
    clips: Sequence[Clip | Recording],
    actors: np.ndarray,
    statements: np.ndarray,
    cache: Path,
    encoder: Path,
    beginning_s: float | None = None,
) -> Data:
    check_folder(cache)
    network = SpeechEncoder.load(encoder)
    table, kept, left_out = encode_clips(clips, FeatureCache(cache, network))
    clips = [clips[place] for place in kept]
    first = None if beginning_s is None else beginnings(clips, network, beginning_s)
    clip_s = float(np.mean([soundfile.info(clip.path).duration for clip in clips]))
    targets = np.array([LABELS.index(clip.emotion) for clip in clips])
    return Data(table, targets, actors[kept], statements[kept], clip_s, first, tuple(left_out))
