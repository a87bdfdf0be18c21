"""Train the network on FER2013: learn from Training, choose and calibrate on PublicTest, never look at PrivateTest."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from datasets.faces import DEFAULT_CACHE, Faces, drop_train_test_duplicates, read_fer2013
from geometry.files import reserve
from learning import checkpoint
from learning.device import Precision, pick_device, pick_precision
from learning.face.fitting import Epoch, FaceTrainer, FitConfig, Hardware, Teacher
from learning.face.judging import fit_temperature, probabilities
from learning.metrics import Scores, score
from learning.trainer import training_bar
from perception.command import CommandError, Failure, check_run, left_out_lines, one_core
from perception.face import weights
from perception.face.network import FaceNetwork, NetworkConfig, net2net_deepen
from perception.face.weights import DEFAULT_FOLDER, Stored
from perception.weights import count_parameters, round_to_stored, training_of
from robots.options import DeviceOption, ResumeOption, SeedOption, ThreadsOption


@dataclass(frozen=True)
class TrainConfig(ThreadsOption, DeviceOption, ResumeOption, SeedOption):
    """Train on FER2013 and write the weights.

    Learns from Training, picks the best epoch and fits the temperature on PublicTest, and leaves PrivateTest alone:
    that is judged once, by "evaluate --protocol private". The run is kept after each epoch; --resume goes on after a
    kill.
    """

    data: Path
    """FER2013: fer2013.csv, a .tar.gz with Split/class/*.jpg, or such a folder."""
    out: Path = DEFAULT_FOLDER
    """Folder to write at the end: model.safetensors, config.json, CARD.md."""
    run: Path = Path("runs/face/train")
    """Folder of the checkpoint."""
    start_from: Path | None = None
    """Weights of a smaller network to begin with: the same widths, and as many blocks or fewer. It knows most of what
    the larger one is to learn, and an epoch of it costs half."""
    teacher: tuple[Path, ...] = ()
    """Weights of larger networks to learn from beside the labels; see --fit.teacher-share. About a third of FER2013's
    labels are doubtful, and what several networks make of a picture is a better target than one of those."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Shape of the network; --network.mixer conv is the ablation."""
    fit: FitConfig = field(default_factory=FitConfig)
    """Training."""
    keep_leaks: bool = False
    """Learn also from Training pictures that stand in PublicTest or PrivateTest too. They flatter the figures."""
    limit: int | None = None
    """Learn from so many Training pictures only: for a trial."""
    cache: Path = DEFAULT_CACHE
    """Folder that keeps the decoded pictures; may be deleted, must not be given to others."""
    precision: Precision = "auto"
    """Of the convolutions; auto takes bfloat16 where the hardware computes with it, which halves the time."""

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit is {self.limit}; it must be at least 1. Leave it out to use all pictures.")


class Material(NamedTuple):
    """Pictures to learn from and to choose by, how many of Training were dropped as leaks, and what is damaged."""

    training: Faces
    validation: Faces
    dropped: int
    left_out: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class TrainResult:
    """The best network with its temperature, where it lies, how long it took, and its figures on PublicTest."""

    stored: Stored
    folder: Path
    epochs: int
    best_epoch: int
    figures: Scores
    left_out: tuple[Failure, ...] = ()


def main(config: TrainConfig) -> TrainResult:
    """Train, calibrate and write the weights.

    Raises:
        DatasetError, PictureError: the data cannot be used.
        WeightsError: the checkpoint is damaged.
        CommandError: a setting or a folder cannot be used; raised before the work.
    """
    check_run(config.threads, config.seed)
    hardware = _hardware(config)
    checkpoint.check_folders(config.out, config.run, config.resume)
    one_core(config.threads)
    teachers = [Teacher(*weights.load(folder)) for folder in config.teacher]
    material = load_material(config)
    trainer = FaceTrainer(config.fit, config.network, config.seed, hardware, teachers)
    if config.start_from is not None:
        trainer.start_from(_deepened(config.start_from, config.network))
    settings = _settings(config, material)
    config.run.mkdir(parents=True, exist_ok=True)
    with reserve(config.run):
        if config.resume:
            trainer.epochs = [Epoch(*row) for row in checkpoint.resume(config.run, trainer.parts, settings)]
        _train(
            trainer,
            material,
            lambda: checkpoint.write(config.run, trainer.parts, [tuple(one) for one in trainer.epochs], settings),
        )
    network = round_to_stored(trainer.best_network().to(hardware.device))
    stored = Stored(network, round(fit_temperature(network, material.validation), 4))
    best = max(trainer.epochs, key=lambda epoch: -1.0 if epoch.right is None else epoch.right).number
    judged = probabilities(stored.network, material.validation, stored.temperature)
    stored.network.cpu()
    figures = score(material.validation.targets, judged)
    result = TrainResult(stored, config.out, len(trainer.epochs), best, figures, material.left_out)
    judged_on = {name: round(getattr(figures, name), 4) for name in ("n", "wa", "ua", "ece")}
    notes = {"training": settings, "best_epoch": best + 1, "public_test": judged_on}
    weights.save(config.out, stored, notes, card(result, material, config))
    return result


def _deepened(folder: Path, shape: NetworkConfig) -> FaceNetwork:
    try:
        return net2net_deepen(weights.load(folder).network, shape)
    except ValueError as error:
        raise CommandError(f"--start-from {folder}: {error}") from error


def _hardware(config: TrainConfig) -> Hardware:
    device = pick_device(config.device)
    return Hardware(device, pick_precision(config.precision, device))


def load_material(config: TrainConfig) -> Material:
    """Read FER2013, drop leaks from Training, and cut it to the limit."""
    (faces, left_out), dropped = read_fer2013(config.data, config.cache), 0
    if not config.keep_leaks:
        faces, dropped = drop_train_test_duplicates(faces)
    training = faces.of("Training")
    if config.limit is not None:
        training = training.where(np.random.default_rng(config.seed).permutation(len(training.targets))[: config.limit])
    return Material(training, faces.of("PublicTest"), dropped, tuple(left_out))


def _settings(config: TrainConfig, material: Material) -> dict[str, Any]:
    return {
        "network": asdict(config.network),
        "fit": asdict(config.fit),
        "seed": config.seed,
        "training_pictures": len(material.training.targets),
        "leaks_dropped": material.dropped,
        "start_from": None if config.start_from is None else training_of(config.start_from),
        "teachers": [training_of(folder) for folder in config.teacher],
    }


def _train(trainer: FaceTrainer, material: Material, keep: Callable[[], None]) -> None:
    """Run the epochs that are left, with a line for each."""
    steps = -(-len(material.training.targets) // trainer.config.batch)
    total, begun, start = trainer.config.epochs, len(trainer.epochs), time.monotonic()
    with training_bar(steps * total, steps * begun) as bar:
        for number in range(begun, total):
            epoch = trainer.epoch(material.training, material.validation, lambda: bar.step("training"))
            keep()
            left_s = (time.monotonic() - start) / (number + 1 - begun) * (total - number - 1)
            judged = "-" if epoch.right is None else f"{epoch.right:.4f} (best {trainer.best_right:.4f})"
            bar.say(
                f"epoch {number + 1}/{total}  loss {epoch.loss:.4f}  PublicTest {judged}  {epoch.seconds:.0f} s  left "
                f"{left_s / 60:.0f} min"
            )


def report(result: TrainResult) -> int:
    """Say where the weights are and how good they are, on stderr."""
    f = result.figures
    print(f"wrote {result.folder}: epoch {result.best_epoch + 1} of {result.epochs}", file=sys.stderr)
    print(
        f"PublicTest: WA {f.wa:.3f}, UA {f.ua:.3f}, ECE {f.ece:.3f}. Epoch and temperature were chosen on it, so it "
        "flatters; 'evaluate --protocol private' does not.",
        file=sys.stderr,
    )
    for line in left_out_lines(result.left_out):
        print(line, file=sys.stderr)
    return 0


def card(result: TrainResult, material: Material, config: TrainConfig) -> str:
    """Describe the weights: data, licence, figures, limits."""
    f = result.figures
    leaks = (
        "Training pictures that stand in a test part too were kept: the figures are flattered."
        if config.keep_leaks
        else f"{material.dropped} Training pictures that stand in a test part too, or show nothing, were left out."
    )
    return CARD.format(
        parameters=count_parameters(result.stored.network),
        mixer="gated positional self-attention (ConViT)" if config.network.mixer == "gpsa" else "a convolution",
        temperature=result.stored.temperature,
        training=len(material.training.targets),
        leaks=leaks,
        n=f.n, wa=f.wa, ua=f.ua, ece=f.ece, epoch=result.best_epoch + 1, epochs=result.epochs,
    )  # fmt: skip


CARD = """# Emotion from the face: small network on FER2013

- What: a convolutional network of {parameters:,} parameters that ends in {mixer}; temperature {temperature}.
- Input: grey crops of 48 x 48 pixels, aligned by `perception.face.detector.align`.
- Labels: neutral, happy, sad, angry, fearful, disgust, surprised. Calm has no pictures: its probability is always 0,
  which means "not judged"; a calm face counts as neutral.
- Use: `perception.face.model.FaceEmotionModel.load()`.
- Made by: `empaw train face --data FER2013`.

## Data and licence

Trained on {training:,} Training pictures of FER2013 (Goodfellow et al. 2013, arXiv 1307.0414). {leaks}
PrivateTest was not used. The owners of FER2013 state no licence and the pictures come from the web: use these weights
for **non-commercial research and education only**. The code of the project has its own licence; a product needs weights
trained on data that allow it.

## Figures

| judged | n | WA | UA | ECE |
|---|---|---|---|---|
| PublicTest | {n} | {wa:.3f} | {ua:.3f} | {ece:.3f} |

Epoch {epoch} of {epochs} and the temperature were chosen on PublicTest, so it flatters. PrivateTest is judged by
`empaw evaluate face --protocol private`; for the weights of this project, `benchmarks/results/face.json` says
which part was. Chance is 0.143, always saying happy 0.245, people reach about 0.65.

## Limits

- Labels are what others saw in a picture from the web, not what its owner felt. People agree on two thirds of them.
- Pictures of FER2013 are mostly of adults looking into a camera. Turned heads, masks, hands and low light are harder.
- Small data sets do not transfer well: on other cameras expect less, and a confidence that is too high.
- A face shows an expression, not a feeling. Not for judging people: not for hiring, education, policing, medicine or
  insurance, and not at work or in school, where the EU AI Act forbids inferring emotion.
"""
