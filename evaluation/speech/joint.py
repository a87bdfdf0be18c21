"""One network for two corpora beside a specialist for each, on voices that none of them has met."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from datasets.voice_corpora import Corpus, load_corpus
from datasets.voices import DatasetError, list_ravdess, load_folds
from evaluation.metrics import confusion_tables, difference_in_recall, interval, mean_recall
from evaluation.statistics import Interval
from learning.speech.features import DEFAULT_CACHE, FeatureCache, FeatureTable, encode_clips
from learning.speech.fitting import FitConfig, Loss, fit_ensemble
from learning.speech.judging import judge_clips
from perception.command import Failure, check_folder, check_run, left_out_lines
from perception.emotion import LABELS
from perception.progress import track
from perception.speech.encoder import DEFAULT_FOLDER as ENCODER_FOLDER
from perception.speech.encoder import SpeechEncoder
from robots.io import check_writable, write_json
from robots.options import JsonOption, SeedOption, ThreadsOption

_NEVER = -1e4  # logit of what is not asked for: finite, since 0 times infinity is no number


@dataclass(frozen=True)
class JointConfig(JsonOption, ThreadsOption, SeedOption):
    """Train one network on RAVDESS and another corpus together, and one on each alone; judge voices never met.

    Each of RAVDESS's folds holds out its actors and, in turn, some speakers of the other corpus. In the joint training
    both corpora weigh alike. Labels that a corpus lacks are not asked for there, neither in training nor when whole
    clips are judged.
    """

    ravdess: Path
    """RAVDESS speech folder with Actor_01 ... Actor_24."""
    folds: Path
    """JSON {"test_actors": [[1, 11, 20, 21], ...]}."""
    data: Path
    """Folder of the other corpus, as its owners lay it out."""
    corpus: Corpus = "nemo"
    """Which corpus it is."""
    fit: FitConfig = field(default_factory=FitConfig)
    """Training of the networks."""
    cache: Path = DEFAULT_CACHE
    """Folder that keeps the encoded clips between runs; may be deleted."""
    encoder: Path = ENCODER_FOLDER
    """Folder of the encoder weights."""

    def __post_init__(self) -> None:
        if self.corpus == "ravdess":
            raise ValueError("corpus ravdess came; it is one of the two already: name another.")


class Pooled(NamedTuple):
    """Clips of all corpora.

    `table` holds versions of them, `targets` (C,) their indices into `LABELS`; `corpus` (C,) is the number of each
    clip's corpus, `speakers` (C,) str who speaks, and `fold` (C,) in which it is judged. `left_out` are other files.
    """

    table: FeatureTable
    targets: np.ndarray
    corpus: np.ndarray
    speakers: np.ndarray
    fold: np.ndarray
    left_out: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """UAs of one corpus, shares and not percent; intervals are 95 %, by bootstrap over speakers."""

    corpus: str
    labels: list[str]
    n: int
    speakers: int
    specialist: Interval
    joint: Interval
    difference: Interval
    """The joint network less the specialist, on the same voices."""
    confusion_joint: list[list[int]]

    def as_json(self) -> dict[str, Any]:
        """Lay out all figures for JSON."""
        return {
            "data": self.corpus,
            "labels": self.labels,
            "n": self.n,
            "speakers": self.speakers,
            "ua": self.joint.as_json(),
            "ua_specialist": self.specialist.as_json(),
            "difference": self.difference.as_json(),
            "chance": round(1 / len(self.labels), 4),
            "confusion": self.confusion_joint,
        }


@dataclass(frozen=True)
class Evaluation:
    """The comparison of each corpus, and files that are in none of them, with the reasons."""

    corpora: tuple[Comparison, ...]
    folds: int
    seed: int
    left_out: tuple[Failure, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Lay out all figures for JSON."""
        return {
            "protocol": f"{self.folds} speaker-independent folds; whole clips; UA over the clips of all folds together",
            "corpora": [comparison.as_json() for comparison in self.corpora],
            "left_out": len(self.left_out),
            "seed": self.seed,
        }


def main(config: JointConfig) -> Evaluation:
    """Encode, train, judge; write JSON if asked for.

    Raises:
        DatasetError, SoundError, WeightsError: corpora or encoder cannot be used.
        CommandError: a setting, the cache or the output cannot be used; raised before the work.
    """
    check_run(config.threads, config.seed)
    check_writable(config.json)
    check_folder(config.cache)
    torch.set_num_threads(config.threads)
    result = evaluate(load_pooled(config), ("ravdess", config.corpus), config.fit, config.seed)
    write_json(result.as_json(), config.json)
    return result


def load_pooled(config: JointConfig) -> Pooled:
    """Encode both corpora, or take them from the cache, and deal the voices out to folds.

    Raises:
        DatasetError: a corpus cannot be read, or has actors in no fold, or the other has fewer than two voices.
        SoundError, WeightsError: a clip or the encoder cannot be used.
    """
    folds = load_folds(config.folds)
    clips, left_out = list_ravdess(config.ravdess)
    recordings, others = load_corpus(config.corpus, config.data)
    fold_of = {actor: number for number, actors in enumerate(folds.test_actors) for actor in actors}
    if lost := sorted({clip.actor for clip in clips} - set(fold_of)):
        raise DatasetError(f"actors {lost} of {config.ravdess} are in no fold of {config.folds}. Complete the folds.")
    voices = sorted({recording.speaker for recording in recordings})
    if len(voices) < 2:
        raise DatasetError(f"{config.data} has one voice only, {voices}; to judge voices never met takes two or more.")
    fold_of_voice = {voice: number % len(folds.test_actors) for number, voice in enumerate(voices)}
    cache = FeatureCache(config.cache, SpeechEncoder.load(config.encoder))
    table, kept, unusable = encode_clips([*clips, *recordings], cache)
    emotions = [clip.emotion for clip in clips] + [recording.emotion for recording in recordings]
    return Pooled(
        table,
        np.array([LABELS.index(emotion) for emotion in emotions])[kept],
        np.repeat([0, 1], [len(clips), len(recordings)])[kept],
        np.array([str(clip.actor) for clip in clips] + [recording.speaker for recording in recordings])[kept],
        np.array([fold_of[c.actor] for c in clips] + [fold_of_voice[r.speaker] for r in recordings])[kept],
        (*left_out, *others, *unusable),
    )


def evaluate(data: Pooled, names: tuple[str, ...], config: FitConfig, seed: int) -> Evaluation:
    """Train a specialist for each corpus and one network for all, fold by fold, and judge what was held out."""
    alone, together = (np.full(len(data.targets), -1) for _ in range(2))
    asked = [np.unique(data.targets[data.corpus == number]) for number in range(len(names))]
    folds = np.unique(data.fold)
    for fold in track(folds, "speaker-independent folds"):
        test = data.fold == fold
        joint = fit_ensemble(data.table, data.targets, ~test, config, seed, joint_loss(data, ~test, config))
        for number in range(len(names)):
            own = data.corpus == number
            if not (test & own).any():
                continue
            specialist = fit_ensemble(data.table, data.targets, ~test & own, config, seed)
            for head, guess in ((specialist, alone), (joint, together)):
                judged = judge_clips(head, data.table, test & own)
                guess[judged.clips] = asked[number][judged.logits[:, asked[number]].argmax(axis=1)]
    compared = tuple(
        _compare(name, data, data.corpus == number, alone, together, seed) for number, name in enumerate(names)
    )
    return Evaluation(compared, len(folds), seed, data.left_out)


def joint_loss(data: Pooled, clips: np.ndarray, config: FitConfig) -> Loss:
    """Cross-entropy in which the corpora weigh alike, and a clip says nothing about labels that its corpus lacks.

    A clip of a corpus without calm is no evidence that calm sounds otherwise; and three Polish clips for each English
    one would teach Polish.
    """
    wanted, corpus = torch.from_numpy(data.targets), torch.from_numpy(data.corpus)
    asked = torch.zeros(len(corpus.unique()), len(LABELS), dtype=torch.bool)
    asked[corpus, wanted] = True
    counts = torch.from_numpy(np.bincount(data.corpus[clips], minlength=len(asked)))
    smoothed = asked * (config.label_smoothing / asked.sum(dim=1, keepdim=True))

    def loss(logits: Tensor, numbers: Tensor) -> Tensor:
        own = corpus[numbers]
        log_p = functional.log_softmax(logits.masked_fill(~asked[own], _NEVER), dim=-1)
        target = smoothed[own] + (1.0 - config.label_smoothing) * functional.one_hot(wanted[numbers], len(LABELS))
        weight = 1.0 / counts[own]
        return -(weight[:, None] * target * log_p).sum() / (weight.sum() * len(logits))

    return loss


def _compare(
    name: str, data: Pooled, own: np.ndarray, alone: np.ndarray, together: np.ndarray, seed: int
) -> Comparison:
    truth, speakers = data.targets[own], data.speakers[own]
    first, second = (confusion_tables(truth, said[own], speakers, len(LABELS)) for said in (alone, together))
    asked = np.unique(truth)
    return Comparison(
        name,
        [LABELS[index] for index in asked],
        len(truth),
        len(first),
        interval(first, mean_recall, seed),
        interval(second, mean_recall, seed),
        interval(np.stack([second, first], axis=1), difference_in_recall, seed),
        second.sum(axis=0)[np.ix_(asked, asked)].astype(int).tolist(),
    )


def report(result: Evaluation) -> int:
    """Print the figures on stderr."""
    from rich.console import Console
    from rich.table import Table

    from evaluation.terminal import print_table

    table = Table("corpus", "clips", "voices", "specialist UA [95 %]", "joint UA [95 %]", "joint less specialist")
    for c in result.corpora:
        table.add_row(
            c.corpus,
            str(c.n),
            str(c.speakers),
            f"{c.specialist:.3f}",
            f"{c.joint:.3f}",
            f"{c.difference:+.3f}",
        )
    console = Console(stderr=True)
    print_table(console, table)
    for line in left_out_lines(result.left_out):
        console.print(line, highlight=False, markup=False)
    return 0
