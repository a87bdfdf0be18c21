"""Judge faces that were never met: the test parts of FER2013, other corpora, and people held out in turn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.special import softmax

from datasets.face_corpora import Corpus, cut_faces, load_corpus, recognise
from datasets.faces import DEFAULT_CACHE, DatasetError, Faces, read_fer2013
from evaluation import plots
from evaluation.metrics import Metrics, Predictions, measure, rounded
from learning.device import pick_device, pick_precision
from learning.face.augment import AugmentConfig
from learning.face.fitting import FaceTrainer, FitConfig, Hardware
from learning.face.judging import fit_temperature, probabilities
from perception.command import CommandError, Failure, check_folder, check_run, left_out_lines, one_core
from perception.face.detector import FaceDetector
from perception.face.model import DEFAULT_FOLDER, FaceEmotionModel
from perception.face.network import CLASSES, FaceNetwork
from perception.progress import track
from robots.io import check_writable, write_json
from robots.options import DeviceOption, JsonOption, SeedOption, ThreadsOption

Protocol = Literal["public", "private", "transfer", "subjects"]


def _fine_tuning() -> FitConfig:
    """A few gentle epochs: the posed corpora are small, and the network knows faces already."""
    return FitConfig(epochs=12, batch=32, learning_rate=3e-4, average=0.98, augment=AugmentConfig(cutout_share=0.2))


@dataclass(frozen=True)
class EvaluateConfig(JsonOption, ThreadsOption, DeviceOption, SeedOption):
    """Judge pictures that the network has not met and say how good and how honest it is.

    Give any corpus as its owners lay it out: it is recognised. Protocols: "public" and "private" judge a part of
    FER2013 as it is (private once, at the very end). "transfer" judges another corpus, its test part where it has one,
    without having learned from it. "subjects" fine-tunes on CK+ or JAFFE with people held out in turn, and prints
    beside it what a split over pictures would show, where the same people are on both sides: that figure is a warning,
    not a result.
    """

    data: Path
    """FER2013 (csv, .tar.gz or folder), or the folder of CK+, JAFFE, RAF-DB or AffectNet, or with a folder for each
    emotion."""
    protocol: Protocol | None = None
    """Protocol of the evaluation, see above; if left out, public for FER2013, transfer for the others."""
    corpus: Corpus | None = None
    """Which of the others it is, instead of the one recognised."""
    weights: Path = DEFAULT_FOLDER
    """Folder of the trained weights."""
    retrain: bool = False
    """Fine-tune for each fold instead of judging the weights as they are: --protocol subjects."""
    plots: Path | None = None
    """Folder for confusion.png, reliability.png and coverage.png."""
    n_folds: int = 10
    """Groups of people that take turns, for subjects."""
    fit: FitConfig = field(default_factory=_fine_tuning)
    """Fine-tuning, for subjects."""
    cache: Path = DEFAULT_CACHE
    """Folder that keeps the decoded pictures of FER2013; may be deleted."""
    labels: Path | None = None
    """CSV with the columns file, emotion and maybe person, for pictures that are laid out in another way."""

    def __post_init__(self) -> None:
        if self.retrain and self.protocol not in (None, "subjects"):
            raise ValueError(
                f"protocol {self.protocol} and retrain came; it judges the weights as they are. Leave out one of them."
            )
        if self.protocol in ("public", "private") and (self.corpus or self.labels) is not None:
            raise ValueError(
                f"protocol {self.protocol} and {self.corpus or self.labels} came; public and private are of FER2013: "
                "leave out --corpus and --labels, or use transfer or subjects."
            )
        if not 3 <= self.n_folds <= 1_000:
            raise ValueError(
                f"n_folds is {self.n_folds}; allowed are 3 to 1000: one tests, one calibrates, the rest train."
            )


def settled(config: EvaluateConfig) -> EvaluateConfig:
    """The same with corpus and protocol filled in, by what lies in the folder.

    Raises:
        CommandError: the protocol is not for this corpus.
        DatasetError: the folder is laid out like none of the corpora.
    """
    corpus = "table" if config.labels is not None else config.corpus
    if corpus is None and config.protocol not in ("public", "private") and config.data.is_dir():
        corpus = recognise(config.data)
    protocol = config.protocol
    if protocol is None:
        usual: Protocol = "public" if corpus is None else "transfer"
        protocol = "subjects" if config.retrain else usual
    if corpus is None and protocol not in ("public", "private"):
        raise CommandError(
            f"{config.data} is FER2013, or a file; {protocol} is for folders of the other corpora. FER2013 has one "
            "official split: public and private judge it, the command train learns from it."
        )
    if protocol == "subjects" and corpus in ("rafdb", "affectnet"):
        raise CommandError(f"{corpus} does not tell who is in a picture; ckplus and jaffe do, for subjects.")
    return replace(config, protocol=protocol, corpus=corpus, retrain=False)


class Judged(NamedTuple):
    """Calibrated predictions, how many pictures had no face, and for `subjects` UA of the leaky split over pictures.

    `left_out` are files that are no part of the corpus or could not be read.
    """

    predictions: Predictions
    without_face: int = 0
    ua_random_split: float | None = None
    left_out: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """Metrics, and what they are of."""

    protocol: str
    data: str
    metrics: Metrics
    judged: Judged
    seed: int

    def as_json(self) -> dict[str, Any]:
        """Lay out all figures for JSON; accuracies are shares, not percent."""
        leaky = self.judged.ua_random_split
        return rounded(
            {
                "protocol": self.protocol,
                "data": self.data,
                **self.metrics.as_json(),
                "without_face": self.judged.without_face,
                "left_out": len(self.judged.left_out),
                "ua_random_split": leaky,
                "random_split_is": "a warning: split over pictures, so every test person was met in training"
                if leaky is not None
                else "null: there is one official split, or nothing was trained",
                "chance": 1 / len(self.metrics.labels),
                "seed": self.seed,
            }
        )


_SAYS = {
    "public": "PublicTest of FER2013 as it is; epoch and temperature were chosen on it, so it flatters",
    "private": "PrivateTest of FER2013 as it is, no part in training or choice; with test-time augmentation",
    "transfer": "another corpus, nothing learned from it; faces found by YuNet, largest of each picture",
    "subjects": "people held out in turn: one group tests, one fits the temperature, the others fine-tune",
}


def main(config: EvaluateConfig) -> Evaluation:
    """Evaluate, and write JSON and plots if asked for.

    Raises:
        DatasetError, PictureError: the data cannot be used.
        WeightsError: the weights cannot be used.
        CommandError: a setting or an output cannot be used; raised before the work.
    """
    check_run(config.threads, config.seed)
    check_writable(config.json)
    if config.plots is not None:
        check_folder(config.plots)
    one_core(config.threads)
    device = pick_device(config.device)
    config = settled(config)
    assert config.protocol is not None
    model = FaceEmotionModel.load(config.weights)
    model.network.to(device)
    judged = _judge(config, model, Hardware(device, pick_precision("auto", device)))
    metrics = measure(judged.predictions, CLASSES, config.seed)
    result = Evaluation(_SAYS[config.protocol], config.corpus or "FER2013", metrics, judged, config.seed)
    if config.plots is not None:
        plots.draw(config.plots, metrics, judged.predictions, f"{result.data}: {result.protocol}")
    write_json(result.as_json(), config.json)
    return result


def _judge(config: EvaluateConfig, model: FaceEmotionModel, hardware: Hardware) -> Judged:
    if config.corpus is None:
        part = "PublicTest" if config.protocol == "public" else "PrivateTest"
        whole, damaged = read_fer2013(config.data, config.cache)
        return Judged(_as_it_is(model, whole.of(part)), left_out=tuple(damaged))
    pictures, strays = load_corpus(config.corpus, config.data, config.labels)
    tests = [labelled for labelled in pictures if labelled.split == "test"] or pictures
    faces, missing, unread = cut_faces(tests, FaceDetector(most_side=640))
    left_out = (*strays, *unread)
    if len(faces.targets) == 0:
        first = next((f" {one.file}: {one.reason}" for one in unread), "")
        raise DatasetError(
            f"no face was found in any of the {len(tests)} pictures of {config.data}. Check the pictures.{first}"
        )
    if config.protocol == "transfer":
        return Judged(_as_it_is(model, faces), missing, left_out=left_out)
    groups = subject_groups(faces.subjects, config.n_folds, config.seed)
    random = np.random.default_rng(config.seed).permutation(len(faces.targets)) % config.n_folds
    held_out, leaky = (cross_validate(faces, split, config, model, hardware) for split in (groups, random))
    return Judged(held_out, missing, leaky.ua, left_out)


def _as_it_is(model: FaceEmotionModel, faces: Faces) -> Predictions:
    return Predictions(faces.targets, softmax(model.logits(faces.pictures), axis=-1), faces.subjects)


def subject_groups(subjects: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Deal the people out to groups in random order: group (N,) of each picture, all of one person in one group.

    Raises:
        CommandError: there are fewer people than groups.
    """
    people, who = np.unique(subjects, return_inverse=True)
    if len(people) < folds:
        raise CommandError(f"{folds} folds of {len(people)} people came; --n-folds allows 3 to {len(people)}.")
    group: np.ndarray = np.random.default_rng(seed).permutation(len(people)) % folds
    return group[who]


def cross_validate(
    faces: Faces, groups: np.ndarray, config: EvaluateConfig, model: FaceEmotionModel, hardware: Hardware
) -> Predictions:
    """Judge each group by a network that was fine-tuned without it.

    The next group is kept from the training too, and fits the temperature.
    """
    count = int(groups.max()) + 1
    out = np.zeros((len(groups), len(CLASSES)))
    for group in track(range(count), "folds"):
        test, calibration = groups == group, groups == (group + 1) % count
        network = fine_tune(faces.where(~test & ~calibration), model.network, config.fit, config.seed, hardware)
        temperature = fit_temperature(network, faces.where(calibration))
        out[test] = probabilities(network, faces.where(test), temperature)
    return Predictions(faces.targets, out, faces.subjects)


def fine_tune(faces: Faces, start: FaceNetwork, fit: FitConfig, seed: int, hardware: Hardware) -> FaceNetwork:
    """Train on from the weights of another network and return the average at the end; nothing is chosen."""
    trainer = FaceTrainer(fit, start.config, seed, hardware)
    trainer.start_from(start)
    for _ in range(fit.epochs):
        trainer.epoch(faces, None)
    return trainer.best_network()


def report(result: Evaluation) -> int:
    """Print the figures on stderr."""
    from rich.console import Console
    from rich.table import Table

    from evaluation.terminal import print_table

    f, judged = result.metrics, result.judged
    console = Console(stderr=True)
    table = Table("truth \\ said", *f.labels, "recall")
    for name, row in zip(f.labels, f.confusion, strict=True):
        place, total = f.labels.index(name), sum(row)
        table.add_row(name, *map(str, row), f"{row[place] / total:.2f}" if total else "-")
    print_table(console, table)
    console.print(f"{result.data}, {f.n} pictures: {result.protocol}", highlight=False)
    if judged.without_face:
        console.print(f"In {judged.without_face} more no face was found; they are not counted.", highlight=False)
    console.print(
        f"WA {f.wa:.3f}, UA {f.ua:.3f}, macro F1 "
        f"{f.f1_macro:.3f}, ECE {f.ece:.3f} (chance UA {1 / len(f.labels):.3f}, commonest WA {f.wa_majority:.3f})",
        highlight=False,
    )
    curve = f.accuracy_at_coverage
    console.print(
        f"Right among the surest 80 / 60 / 40 %: {curve['0.8']:.3f} / {curve['0.6']:.3f} / {curve['0.4']:.3f}"
    )
    if judged.ua_random_split is not None:
        console.print(f"Warning: a split over pictures would show UA {judged.ua_random_split:.3f}. It leaks people.")
    for line in left_out_lines(judged.left_out):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return 0
