"""Judge encoded clips by a trained ensemble: whole, streamed, and of voices that it knows something of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import softmax

from learning.metrics import score, unweighted_accuracy
from learning.speech.clips import Data
from learning.speech.features import CLEAN, STREAM, FeatureTable
from perception.emotion import LABELS
from perception.speech.model import HeadEnsemble
from perception.speech.speaker import Speaker


class ClipLogits(NamedTuple):
    """Clip numbers `clips` (K,) and what is said of each, `logits` (K, 8): log-probabilities before the temperature."""

    clips: np.ndarray
    logits: np.ndarray

    @staticmethod
    def join(parts: Sequence[ClipLogits]) -> ClipLogits:
        """Put judgements of different clips behind each other."""
        return ClipLogits(np.concatenate([p.clips for p in parts]), np.concatenate([p.logits for p in parts]))

    def last(self) -> ClipLogits:
        """Keep the last judgement of each clip; those of a clip must lie together."""
        ends = np.append(self.clips[1:] != self.clips[:-1], True)[: len(self.clips)]
        return ClipLogits(self.clips[ends], self.logits[ends])


@torch.inference_mode()
def judge_clips(head: HeadEnsemble, table: FeatureTable, clips: np.ndarray, kind: int = CLEAN) -> ClipLogits:
    """Judge one kind of version of the clips in a mask (C,): whole utterances unless told.

    Of STREAM there is each window that a stream hears, several for each clip, in order; clips in which the voice gate
    finds too little voice are absent.
    """
    rows = table.rows(clips, kind)
    return ClipLogits(table.clip[rows], head.log_probabilities(torch.from_numpy(table.features[rows]).float()).numpy())


@dataclass(frozen=True)
class VoiceMetrics:
    """Metrics of the clips of a mask, whole and streamed.

    `ece` is of the calibrated probabilities of whole clips. The `window` figures stream each clip from its start
    through 3 s windows every 0.5 s: `window_3s` is the last estimate of each clip, `every_window` all estimates, the
    first of which have heard 0.6 s of voice. `abstained` counts the clips in which the gate found too little voice.
    `ua_neutral_2` and `ua_history_16` are of whole clips of voices of which 2 neutral clips, or 16 clips of any label,
    are known.
    """

    n: int
    ua: float
    wa: float
    ece: float
    ua_window_3s: float
    ece_window_3s: float
    ua_every_window: float
    ece_every_window: float
    abstained: int
    ua_neutral_2: float
    ua_history_16: float
    confusion: list[list[int]]


def judge(head: HeadEnsemble, data: Data, clips: np.ndarray, seed: int = 0) -> VoiceMetrics:
    """Judge the clips in a mask (C,) whole and streamed; `seed` draws the clips that voices are known from."""
    from sklearn.metrics import confusion_matrix

    whole, windows = judge_clips(head, data.table, clips), judge_clips(head, data.table, clips, STREAM)
    last = windows.last()
    probabilities = softmax(whole.logits / head.config.temperature, axis=-1)
    every, final = (
        score(data.targets[judged.clips], softmax(judged.logits / head.config.window_temperature, axis=-1))
        for judged in (windows, last)
    )
    truth = data.targets[whole.clips]
    return VoiceMetrics(
        **score(truth, probabilities)._asdict(),
        ua_window_3s=final.ua,
        ece_window_3s=final.ece,
        ua_every_window=every.ua,
        ece_every_window=every.ece,
        abstained=int(clips.sum()) - final.n,
        ua_neutral_2=_enrolled(head, data, clips, 2, seed, neutral=True),
        ua_history_16=_enrolled(head, data, clips, 16, seed, neutral=False),
        confusion=confusion_matrix(truth, probabilities.argmax(axis=1), labels=range(len(LABELS))).tolist(),
    )


@torch.inference_mode()
def _enrolled(head: HeadEnsemble, data: Data, clips: np.ndarray, count: int, seed: int, *, neutral: bool) -> float:
    """UA of whole clips in a mask (C,) by voices that are known from `count` other clips of theirs, drawn at random.

    With `neutral` from neutral clips alone, which are known to be so; from fewer where a voice has not as many.
    """
    rng = np.random.default_rng(seed)
    known = data.targets == LABELS.index("neutral") if neutral else np.ones(len(data.targets), bool)
    features = torch.from_numpy(data.table.features[data.table.rows(np.ones(len(known), bool), CLEAN)]).float()
    heard = []
    for clip in np.flatnonzero(clips):
        others = np.flatnonzero(known & (data.actors == data.actors[clip]) & (np.arange(len(known)) != clip))
        speaker = Speaker()
        for other in rng.choice(others, min(count, len(others)), replace=False):
            speaker.add(features[other].numpy(), neutral)
        heard.append(features[clip] - head.offset(speaker))
    said = head.log_probabilities(torch.stack(heard)).argmax(dim=1).numpy()
    return unweighted_accuracy(data.targets[clips], said)
