"""Does fusion help, and does a spoiled sense do harm? Pairs of voices and faces that were never met."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.special import softmax

from datasets.voices import DatasetError
from evaluation.fusion.pairs import FACES, FEELINGS, VOICES, SensePredictions, judge_faces, judge_voices, mismatch, pair
from evaluation.metrics import confusion_tables, difference_in_recall, interval, mean_recall
from evaluation.statistics import Interval
from learning.metrics import expected_calibration_error, unweighted_accuracy
from perception.command import check_run
from perception.emotion import LABELS
from perception.fusion.filter import FusionConfig, agreement, likelihood
from policies.behaviour import default_table
from robots.io import check_writable, write_json
from robots.options import JsonOption, SeedOption, ThreadsOption

_WEIGHTS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
_CONTRADICTION = "contradicting"


@dataclass(frozen=True)
class EvaluateConfig(JsonOption, ThreadsOption, SeedOption):
    """Fuse voices and faces that show the same feeling, and compare with each sense alone.

    The voices are RAVDESS clips of the actors that the shipped network never heard. The faces that are tested are of
    FER2013's PrivateTest, or with --faces-of public of PublicTest, on which the face network was chosen. No set has
    both of one person, so a clip is paired with pictures of the same label. With --fit-weights the weights of the
    senses are fitted on PublicTest instead, and nothing is tested.
    """

    voices: Path
    """RAVDESS folder with Actor_XX inside."""
    faces: Path
    """FER2013, see empaw train face --help."""
    faces_of: Literal["private", "public"] = "private"
    """Which part of FER2013 is tested."""
    fit_weights: bool = False
    """Fit the weights of the senses on PublicTest and print them."""
    each: int = 8
    """Faces that every voice is paired with."""
    cache: Path = Path("runs/face/cache")
    """Folder that keeps the decoded pictures; may be deleted."""

    def __post_init__(self) -> None:
        if not 1 <= self.each <= 1_000:
            raise ValueError(f"each is {self.each}; allowed are 1 to 1000 faces for a voice.")


class Row(NamedTuple):
    """UA over the 7 feelings of one condition, with its interval, and what fusion adds to the better sense.

    `difference` is the fused UA minus that of the better sense alone. Intervals are 95 %, by bootstrap over the clips,
    so that pairs of one clip stay together; they know nothing of how few the actors are. `unsure` is the share that
    nobody should act on.
    """

    voice: str
    face: str
    n: int
    ua_voice: float | None
    ua_face: float | None
    ua: Interval
    difference: Interval
    ece: float
    unsure: float
    agreement: float | None

    def as_json(self) -> dict[str, Any]:
        """Lay out the row for JSON."""
        return self._asdict() | {"ua": self.ua.as_json(), "difference": self.difference.as_json()}


class Evaluation(NamedTuple):
    """The rows, or with `fit` the weights and the loss at every pair of weights."""

    part: str
    rows: list[Row]
    weights: dict[str, float]
    fit: list[tuple[float, float, float]]
    clips: int
    pictures: int
    seed: int

    def as_json(self) -> dict[str, Any]:
        """Lay out all figures for JSON; accuracies are shares, not percent."""
        return {
            "protocol": "label-matched pairs of real clips and pictures; nobody's voice and face are of one person",
            "voices": "RAVDESS, actors that the network never heard",
            "faces": f"FER2013 {self.part}",
            "labels": [LABELS[index] for index in FEELINGS],
            "clips": self.clips,
            "pictures": self.pictures,
            "weights": self.weights,
            "rows": [row.as_json() for row in self.rows],
            "fit": [list(entry) for entry in self.fit],
            "seed": self.seed,
        }


def main(config: EvaluateConfig) -> Evaluation:
    """Judge, pair, fuse and measure, and write JSON if asked for.

    Raises:
        DatasetError, SoundError, PictureError: the data cannot be used.
        WeightsError: the shipped weights cannot be used.
        CommandError: a setting or the output cannot be used; raised before the work.
    """
    check_run(config.threads, config.seed)
    check_writable(config.json)
    result = _fit(config) if config.fit_weights else _test(config)
    write_json(result.as_json(), config.json)
    return result


def _judge(config: EvaluateConfig, split: str) -> tuple[dict[str, SensePredictions], dict[str, SensePredictions]]:
    """Each sense under each of its conditions."""
    from datasets.faces import load_fer2013
    from datasets.voices import load_ravdess
    from perception.command import one_core
    from perception.face.model import FaceEmotionModel
    from perception.speech.model import SpeechEmotionModel, held_out_actors

    one_core(config.threads)
    held_out = held_out_actors()
    clips = [clip for clip in load_ravdess(config.voices) if clip.actor in held_out]
    if not clips:
        raise DatasetError(f"{config.voices} has none of the actors {held_out}, the ones that the network never heard.")
    faces = load_fer2013(config.faces, config.cache).of(split)
    speech, face = SpeechEmotionModel.load(), FaceEmotionModel.load()
    return (
        {name: judge_voices(speech, clips, name, config.seed) for name in VOICES},
        {name: judge_faces(face, faces, name, config.seed) for name in FACES},
    )


def fuse_pairs(voices: SensePredictions, faces: SensePredictions, config: FusionConfig) -> np.ndarray:
    """Fuse row by row what was said at one moment: probabilities (N, 8), as `perception.fusion.filter.fuse` does."""
    total = np.zeros_like(voices.probabilities)
    for judged, sense in ((voices, config.speech), (faces, config.face)):
        seen = np.array([likelihood(row, sense.knows_calm) for row in judged.probabilities])
        total += sense.weight * judged.reliability[:, None] * np.log(seen)
    return np.asarray(softmax(total, axis=1))


def merged(probabilities: np.ndarray) -> np.ndarray:
    """Count calm (N, 8) as neutral, so that seven feelings are equally frequent beforehand: 0 is left for calm."""
    neutral, calm = LABELS.index("neutral"), LABELS.index("calm")
    out = probabilities.copy()
    out[:, neutral] = 0.5 * (out[:, neutral] + out[:, calm])
    out[:, calm] = 0.0
    return np.asarray(out / out.sum(axis=1, keepdims=True))


def _pairs(
    voices: SensePredictions, faces: SensePredictions, config: EvaluateConfig, contradicting: bool = False
) -> tuple[SensePredictions, SensePredictions, np.ndarray]:
    """Rows of both senses that belong together, and the clip of each."""
    draw = mismatch if contradicting else pair
    rows, drawn = draw(voices.truth, faces.truth, config.each, np.random.default_rng(config.seed))
    return voices.take(rows), faces.take(drawn), rows


def _fit(config: EvaluateConfig) -> Evaluation:
    """Least negative log-likelihood over pairs under every condition that leaves both senses something to say."""
    voices, faces = _judge(config, "PublicTest")
    several = [_pairs(voices[v], faces[f], config) for v in ("clear", "noisy") for f in ("clear", "soft", "covered")]
    fusion, losses = FusionConfig(), []
    for speech in _WEIGHTS:
        for face in _WEIGHTS:
            senses = replace(fusion.speech, weight=speech), replace(fusion.face, weight=face)
            weighted = replace(fusion, speech=senses[0], face=senses[1])
            loss = np.mean([_loss(fuse_pairs(v, f, weighted), v.truth) for v, f, _ in several])
            losses.append((speech, face, round(float(loss), 5)))
    best = min(losses, key=lambda entry: entry[2])
    count = len(voices["clear"].truth), len(faces["clear"].truth)
    return Evaluation("PublicTest", [], {"speech": best[0], "face": best[1]}, losses, *count, config.seed)


def _loss(probabilities: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.log(merged(probabilities)[np.arange(len(truth)), truth]).mean())


def _test(config: EvaluateConfig) -> Evaluation:
    part = "PrivateTest" if config.faces_of == "private" else "PublicTest"
    voices, faces = _judge(config, part)
    fusion = FusionConfig(unsure_below=default_table().rules.unsure_below)
    rows = [
        measure(v, f, *_pairs(voices[v], faces[f], config), fusion, config.seed)
        for v in VOICES
        for f in FACES
        if (v, f) != ("missing", "missing")
    ]
    torn = _pairs(voices["clear"], faces["clear"], config, contradicting=True)
    rows.append(measure("clear", _CONTRADICTION, *torn, fusion, config.seed))
    weights = {"speech": fusion.speech.weight, "face": fusion.face.weight}
    count = len(voices["clear"].truth), len(faces["clear"].truth)
    return Evaluation(part, rows, weights, [], *count, config.seed)


def measure(
    voice: str,
    face: str,
    voices: SensePredictions,
    faces: SensePredictions,
    clips: np.ndarray,
    fusion: FusionConfig,
    seed: int,
) -> Row:
    """Measure one condition; `clips` (N,) says which pairs are of one clip. The truth is the voice's."""
    truth = voices.truth
    silent = replace(fusion.speech, weight=0.0), replace(fusion.face, weight=0.0)
    said = {
        "both": fuse_pairs(voices, faces, fusion),
        "voice": fuse_pairs(voices, faces, replace(fusion, face=silent[1])),
        "face": fuse_pairs(voices, faces, replace(fusion, speech=silent[0])),
    }
    there = {"voice": voices.reliability.any(), "face": faces.reliability.any()}
    right = {name: merged(p).argmax(axis=1) for name, p in said.items()}
    ua = {name: unweighted_accuracy(truth, found) for name, found in right.items()}
    better = max((name for name in there if there[name]), key=lambda name: ua[name], default="both")
    pairs = np.stack([confusion_tables(truth, right[name], clips, len(LABELS)) for name in ("both", better)], axis=1)
    heard = bool(there["voice"] and there["face"])
    confidence = merged(said["both"]).max(axis=1)
    return Row(
        voice,
        face,
        len(truth),
        round(ua["voice"], 4) if there["voice"] else None,
        round(ua["face"], 4) if there["face"] else None,
        interval(pairs[:, 0], mean_recall, seed),
        interval(pairs, difference_in_recall, seed),
        round(expected_calibration_error(truth, merged(said["both"])), 4),
        round(float(np.mean(confidence < fusion.unsure_below)), 4),
        round(float(np.mean(_agreements(voices, faces, fusion))), 4) if heard else None,
    )


def _agreements(voices: SensePredictions, faces: SensePredictions, fusion: FusionConfig) -> list[float]:
    knows = fusion.speech.knows_calm, fusion.face.knows_calm
    return [
        agreement(likelihood(v, knows[0]), likelihood(f, knows[1]))
        for v, f in zip(voices.probabilities, faces.probabilities, strict=True)
    ]


def report(result: Evaluation) -> int:
    """Print the figures on stderr."""
    from rich.console import Console
    from rich.table import Table

    from evaluation.terminal import print_table

    console = Console(stderr=True)
    if result.fit:
        console.print(f"least loss with weights {result.weights}, on {result.clips} clips", highlight=False)
        return 0
    table = Table(
        "voice", "face", "voice alone", "face alone", "together, UA", "difference to the better", "ECE", "unsure"
    )
    for row in result.rows:
        table.add_row(
            row.voice,
            row.face,
            "-" if row.ua_voice is None else f"{row.ua_voice:.3f}",
            "-" if row.ua_face is None else f"{row.ua_face:.3f}",
            f"{row.ua:.3f}",
            f"{row.difference:+.3f}",
            f"{row.ece:.3f}",
            f"{row.unsure:.2f}",
        )
    print_table(console, table)
    pictures = f"{result.pictures} pictures of {result.part}"
    console.print(
        f"{result.clips} clips of actors never heard and {pictures}, paired by their labels: nobody's voice and face "
        "are of one person. Calm counts as neutral.",
        highlight=False,
    )
    return 0
