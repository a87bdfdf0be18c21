"""Train the completion network on rendered views; objects are held out by name, never by view."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from datasets.held_out import is_held_out
from datasets.views import Views, load_views
from geometry.files import reserve
from learning import checkpoint
from learning.completion.card import card
from learning.completion.fitting import CompletionTrainer, FitConfig
from learning.completion.judging import Metrics, calibration, judge, measure
from learning.device import pick_device
from learning.trainer import training_bar
from perception.command import CommandError, check_run
from perception.completion import weights
from perception.completion.network import CompletionNetwork, NetworkConfig
from perception.completion.weights import DEFAULT_FOLDER, Stored
from perception.weights import round_to_stored, training_of
from robots.options import DeviceOption, ResumeOption, SeedOption, ThreadsOption


@dataclass(frozen=True)
class TrainConfig(ThreadsOption, DeviceOption, ResumeOption, SeedOption):
    """Train on rendered views and write the weights.

    A twelfth of the objects, by name, is kept back to watch the training and to calibrate the uncertainty. The run is
    kept every --keep-every steps; --resume goes on after a kill. TensorBoard finds curves and pictures in --run.
    """

    rendered: Path
    """Folder of views, as export views rendered them."""
    out: Path = DEFAULT_FOLDER
    """Folder to write at the end: model.safetensors, config.json, CARD.md."""
    run: Path | None = None
    """Folder of the checkpoint and of TensorBoard's files; without it, runs/completion/NAME-run, NAME as in --out."""
    start_from: Path | None = None
    """Begin with the weights in this folder, of a network of the same shape: to train on, or on objects of your own."""
    pointr: bool = False
    """Train the baseline instead: a Transformer in the manner of PoinTr, of the same size, on the same data, with plain
    attention and no frame of its own."""
    ablate: Literal["nothing", "offset", "frame"] = "nothing"
    """Leave out offset-attention or the canonical frame."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Shape of the network."""
    fit: FitConfig = field(default_factory=FitConfig)
    """Training."""
    keep_every: int = 100
    """Steps between checkpoints."""
    picture_every: int = 500
    """Steps between pictures of completions for TensorBoard."""

    def __post_init__(self) -> None:
        if self.keep_every < 1 or self.picture_every < 1:
            raise ValueError(f"keep_every {self.keep_every}, picture_every {self.picture_every}; both at least 1.")
        if self.pointr and self.ablate != "nothing":
            raise ValueError("--pointr and --ablate came together; choose one.")

    @property
    def run_folder(self) -> Path:
        """Folder of the checkpoint: trainings of several networks do not meet in one."""
        return self.run or Path("runs/completion") / f"{self.out.resolve().name}-run"

    @property
    def shape(self) -> NetworkConfig:
        """The network that is trained."""
        shape = self.network
        if self.pointr or self.ablate == "offset":
            shape = replace(shape, attention="plain")
        if self.pointr or self.ablate == "frame":
            shape = replace(shape, frame="none")
        return shape


class TrainResult(NamedTuple):
    """Where the weights lie, and their metrics on the objects that were kept back."""

    folder: Path
    steps: int
    metrics: Metrics


def main(config: TrainConfig) -> TrainResult:
    """Train, calibrate and write the weights.

    Raises:
        CommandError: a setting, a folder or the views cannot be used; raised before the work.
        WeightsError: the checkpoint is damaged.
    """
    import torch

    check_run(config.threads, config.seed)
    torch.set_num_threads(config.threads)
    device = pick_device(config.device)
    checkpoint.check_folders(config.out, config.run_folder, config.resume)
    learned, validation = split(load_views(config.rendered))
    trainer = CompletionTrainer(config.fit, config.shape, config.seed, device)
    settings = _settings(config, learned)
    if config.start_from is not None:
        trainer.start_from(_same_shape(config.start_from, config.shape))
    config.run_folder.mkdir(parents=True, exist_ok=True)
    with reserve(config.run_folder):
        if config.resume:
            trainer.done = checkpoint.resume(config.run_folder, trainer.parts, settings)
        _train(trainer, learned, validation, config, settings)
    stored = Stored(round_to_stored(trainer.result()), 1.0)
    stored = Stored(stored.network, round(calibration(judge(stored, validation)), 4))
    metrics = measure(judge(stored, validation))
    notes = {"training": settings, "validation": metrics._asdict()}
    weights.save(config.out, stored, notes, card(stored, metrics, settings))
    return TrainResult(config.out, trainer.done, metrics)


def _same_shape(folder: Path, shape: NetworkConfig) -> CompletionNetwork:
    network = weights.load(folder).network
    if network.config != shape:
        raise CommandError(f"--start-from {folder} holds {network.config}, not {shape}. Make --network match it.")
    return network


def split(views: Views) -> tuple[Views, Views]:
    """Split views into those to learn from and those kept back, of a twelfth of the objects, by `is_held_out`.

    Raises:
        CommandError: one of the two would be empty.
    """
    back = np.array([is_held_out(str(name)) for name in views.names])
    if back.all() or not back.any():
        raise CommandError(
            f"{len(set(views.names))} objects came; some must be kept back by name. Render more objects (30 or more)."
        )
    return views.where(~back), views.where(back)


def _settings(config: TrainConfig, learned: Views) -> dict[str, Any]:
    return {
        "network": asdict(config.shape),
        "fit": asdict(config.fit),
        "seed": config.seed,
        "start_from": None if config.start_from is None else training_of(config.start_from),
        "objects": len(set(learned.names)),
        "views": len(learned.clouds),
    }


def _train(
    trainer: CompletionTrainer, learned: Views, validation: Views, config: TrainConfig, settings: dict[str, Any]
) -> None:
    from torch.utils.tensorboard import SummaryWriter

    from learning.completion.pictures import completions

    board = SummaryWriter(str(config.run_folder), purge_step=trainer.done)
    recent: list[float] = []
    with training_bar(config.fit.steps, trainer.done) as bar:
        while trainer.done < config.fit.steps:
            loss = trainer.step(learned)
            recent = [*recent[-99:], float(loss.fine)]
            bar.step(f"loss {np.mean(recent):.4f}")
            for name, value in loss._asdict().items():
                board.add_scalar(f"loss/{name}", float(value), trainer.done)
            if trainer.done % config.keep_every == 0 or trainer.done == config.fit.steps:
                checkpoint.write(config.run_folder, trainer.parts, trainer.done, settings)
            if trainer.done % config.picture_every == 0:
                picture = completions(trainer.result(), validation, 4)
                board.add_image("kept back", picture, trainer.done, dataformats="HWC")
    board.close()


def report(result: TrainResult) -> int:
    """Say where the weights are and how good they are, on stderr."""
    m = result.metrics
    print(f"wrote {result.folder} after {result.steps} steps", file=sys.stderr)
    print(
        f"objects kept back: CDL1 {m.cdl1_mm:.2f} mm (partial {m.cdl1_partial_mm:.2f}), far side off by "
        f"{m.extent_error_mm:.1f} mm. They calibrate the uncertainty; 'evaluate' judges objects of other sets.",
        file=sys.stderr,
    )
    return 0
