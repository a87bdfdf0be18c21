"""How the shipped network does on a corpus that it never learned from, with and without knowing the voices."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.special import softmax

from datasets.voice_corpora import Corpus, Recording, load_corpus
from evaluation.metrics import Metrics, Predictions, measure, rounded
from learning.metrics import unweighted_accuracy
from perception.command import Failure, check_run, left_out_lines
from perception.emotion import LABELS
from perception.progress import track
from perception.speech.audio import SoundError, read_sound
from perception.speech.model import DEFAULT_FOLDER, SpeechEmotionModel
from perception.speech.speaker import Speaker
from perception.speech.windows import trim_to_voice
from robots.io import check_writable, write_json
from robots.options import JsonOption, SeedOption, ThreadsOption

ENROLLED = {"neutral_4": 4, "history_16": 16}
DRAWS = 5
"""How often the clips that a voice is known from are drawn; the figures are means."""


@dataclass(frozen=True)
class TransferConfig(JsonOption, ThreadsOption, SeedOption):
    """Judge a corpus that the network never learned from: another language, other actors, other rooms.

    Only the labels that the corpus has can be right, so the others are not asked for.
    """

    data: Path
    """Folder of the corpus, as its owners lay it out."""
    corpus: Corpus = "nemo"
    """Which corpus it is."""
    labels: Path | None = None
    """CSV with the columns file, emotion and maybe speaker, for --corpus table."""
    weights: Path = DEFAULT_FOLDER
    """Folder of the trained weights."""


class Transfer(NamedTuple):
    """Features (N, inputs), truth (N,) indices into `LABELS`, speaker (N,) of every clip, and files left out."""

    features: np.ndarray
    truth: np.ndarray
    speakers: np.ndarray
    left_out: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """Metrics with nothing known of the voices, and `enrolled`: mean UAs by how voices are known.

    None where that takes all clips that there are, and leaves none to judge.
    """

    corpus: str
    metrics: Metrics
    speakers: int
    enrolled: dict[str, float | None]
    seed: int
    predictions: Predictions
    """Over the labels of the metrics."""
    left_out: tuple[Failure, ...] = ()
    """Files of the folder that were not judged."""

    @property
    def protocol(self) -> str:
        """Name what was judged, with a warning where the shipped weights know the voices."""
        met = (
            "a warning: the shipped weights learned from these very clips, only --retrain tells about voices never met"
        )
        new = "nothing learned from this corpus"
        return f"cross-corpus: {met if self.corpus == 'ravdess' else new}; labels that it lacks are not asked for"

    def as_json(self) -> dict[str, Any]:
        """Lay out all figures for JSON; accuracies are shares, not percent, intervals 95 % over speakers."""
        return rounded(
            {
                "protocol": self.protocol,
                "data": self.corpus,
                "speakers": self.speakers,
                **self.metrics.as_json(),
                **{f"ua_{name}": ua for name, ua in self.enrolled.items()},
                "ua_random_split": None,
                "chance": 1 / len(self.metrics.labels),
                "left_out": len(self.left_out),
                "seed": self.seed,
            }
        )


def main(config: TransferConfig) -> Evaluation:
    """Encode, judge and measure; write JSON if asked for.

    Raises:
        DatasetError, SoundError, WeightsError: corpus or weights cannot be used.
        CommandError: a setting or the output cannot be used; raised before the work.
    """
    check_run(config.threads, config.seed)
    check_writable(config.json)
    torch.set_num_threads(config.threads)
    recordings, left_out = load_corpus(config.corpus, config.data, config.labels)
    model = SpeechEmotionModel.load(config.weights)
    data = encode(model, recordings)
    data = data._replace(left_out=(*left_out, *data.left_out))
    result = evaluate(model, data, config.corpus, config.seed)
    write_json(result.as_json(), config.json)
    return result


def encode(model: SpeechEmotionModel, recordings: Sequence[Recording]) -> Transfer:
    """Features of the recordings; one that is no usable sound is left out, with its reason.

    Raises:
        SoundError: none of them can be used.
    """
    features, kept, left_out = [], [], []
    for recording in track(recordings, "encoding clips"):
        try:
            samples = read_sound(recording.path, max_seconds=30.0).samples
        except SoundError as error:
            left_out.append(Failure.of(recording.path, error))
        else:
            features.append(model.features(trim_to_voice(samples)))
            kept.append(recording)
    if not kept:
        raise SoundError(f"none of {len(recordings)} clips can be used; {left_out[0].file}: {left_out[0].reason}")
    truth = np.array([LABELS.index(recording.emotion) for recording in kept])
    return Transfer(np.stack(features), truth, np.array([recording.speaker for recording in kept]), tuple(left_out))


def evaluate(model: SpeechEmotionModel, data: Transfer, corpus: str, seed: int) -> Evaluation:
    """Measure with nothing known of the voices, and with some clips of each known."""
    asked = np.unique(data.truth)
    probabilities = _judge(model, data.features, asked)[:, asked]
    labels = [LABELS[index] for index in asked]
    enrolled: dict[str, float | None] = {}
    for name in ENROLLED:
        drawn = [_enrolled(model, data, asked, name, (seed, draw)) for draw in range(DRAWS)]
        found = [ua for ua in drawn if ua is not None]
        enrolled[name] = float(np.mean(found)) if found else None
    predictions = Predictions(np.searchsorted(asked, data.truth), probabilities, data.speakers)
    metrics = measure(predictions, labels, seed)
    return Evaluation(corpus, metrics, len(np.unique(data.speakers)), enrolled, seed, predictions, data.left_out)


@torch.inference_mode()
def _judge(model: SpeechEmotionModel, features: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Calibrated probabilities (N, 8), 0 for labels that are not asked for."""
    logits = model.head.log_probabilities(torch.from_numpy(features.astype(np.float32))).numpy()
    shut = np.full(logits.shape, -np.inf)
    shut[:, asked] = logits[:, asked] / model.head.config.temperature
    return softmax(shut, axis=-1)


def _enrolled(
    model: SpeechEmotionModel, data: Transfer, asked: np.ndarray, how: str, seed: tuple[int, int]
) -> float | None:
    """UA of the clips that no voice is known from, when every voice is known from a few of its clips."""
    rng = np.random.default_rng(seed)
    neutral = how.startswith("neutral")
    allowed = data.truth == LABELS.index("neutral") if neutral else np.ones(len(data.truth), bool)
    features, judged = data.features.astype(np.float32), np.ones(len(data.truth), bool)
    for who in np.unique(data.speakers):
        own = np.flatnonzero(data.speakers == who)
        known = rng.permutation(own[allowed[own]])[: ENROLLED[how]]
        speaker = Speaker()
        for row in known:
            speaker.add(data.features[row], neutral)
        features[own] -= model.head.offset(speaker).numpy()
        judged[known] = False
    if not judged.any():
        return None
    return unweighted_accuracy(data.truth[judged], _judge(model, features[judged], asked).argmax(axis=1))


def report(result: Evaluation) -> int:
    """Print the figures on stderr."""
    from rich.console import Console
    from rich.table import Table

    from evaluation.terminal import print_table

    console, f = Console(stderr=True), result.metrics
    table = Table("truth \\ said", *f.labels)
    for name, row in zip(f.labels, f.confusion, strict=True):
        table.add_row(name, *map(str, row))
    print_table(console, table)
    console.print(result.protocol, highlight=False)
    known = ", ".join(
        f"{'-' if ua is None else f'{ua:.3f}'} with {name.replace('_', ' ')}" for name, ua in result.enrolled.items()
    )
    console.print(
        f"{result.corpus}, {f.n} clips of {result.speakers} voices: UA {f.ua:.3f}, "
        f"{known} clips of each voice known (chance {1 / len(f.labels):.3f}); macro F1 {f.f1_macro:.3f}, ECE "
        f"{f.ece:.3f}",
        highlight=False,
    )
    for line in left_out_lines(result.left_out):
        print(line, file=sys.stderr)
    return 0
