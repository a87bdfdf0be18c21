"""The frame of every training: a seed, a schedule, a checkpoint to go on from, and a log."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from geometry.files import reserve, write_whole
from learning import checkpoint
from learning.checkpoint import Part

Loss = Callable[[int, torch.Generator], Tensor]
"""Given the step, counted from 0, and a generator to draw with: a scalar to be made small."""


@dataclass(frozen=True)
class Schedule:
    """How long to train, and how fast.

    Attributes:
        steps: of the optimiser, at least 1.
        learning_rate: its highest value.
        final: share of it that is left at the end, by half a cosine (Loshchilov & Hutter 2017).
        warmup: share of the steps in which it rises from 0.
        weight_decay: of AdamW; the loss may hold priors beside it.
        checkpoint_every: steps between checkpoints, where a folder is given.
    """

    steps: int = 600
    learning_rate: float = 1e-2
    final: float = 0.02
    warmup: float = 0.02
    weight_decay: float = 0.0
    checkpoint_every: int = 200

    def __post_init__(self) -> None:
        if self.steps < 1 or self.checkpoint_every < 1:
            raise ValueError(f"{self.steps} steps, {self.checkpoint_every} to a checkpoint came; each is at least 1")
        if not (self.learning_rate > 0 and 0 <= self.final <= 1 and 0 <= self.warmup < 1 and self.weight_decay >= 0):
            raise ValueError(f"{self} came; learning_rate > 0, final 0 to 1, warmup 0 to below 1, weight_decay >= 0")

    def factor(self, step: int) -> float:
        """Share of the learning rate at a step."""
        warm = self.warmup * self.steps
        if step < warm:
            return (step + 1) / (warm + 1)
        return self.final + (1 - self.final) * half_cosine((step - warm) / max(self.steps - warm, 1))


def half_cosine(done: float) -> float:
    """Share that is left of a rate, 1 to 0, when that share of the way is done (Loshchilov & Hutter 2017)."""
    return 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))


def warmup_cosine(progress: float, warm_up: float) -> float:
    """Share of the peak rate at a point of the training, progress in (0, 1]: a rising line, then a cosine to 0."""
    if progress < warm_up:
        return progress / warm_up
    return half_cosine((progress - warm_up) / max(1.0 - warm_up, 1e-9))


def decay_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups of an optimiser: weight decay on matrices and kernels, none on norms, biases and gates."""
    kernels = [p for p in module.parameters() if p.ndim >= 2]
    others = [p for p in module.parameters() if p.ndim < 2]
    return [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


@contextmanager
def seeded(seed: int, device: torch.device = torch.device("cpu")) -> Iterator[None]:  # noqa: B008
    """Seed torch's own numbers (dropout has no generator argument) and give the caller's back afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


class Bar(NamedTuple):
    """Functions of a bar: one moves it on by a step, with a word beside it, one prints a line above it."""

    step: Callable[[str], None]
    say: Callable[[str], None]


@contextmanager
def training_bar(total: int, done: int) -> Iterator[Bar]:
    """Show a bar of steps with the time left on stderr, and a line every two minutes where that is a file."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True, soft_wrap=True)
    printed, start, begun = time.monotonic(), time.monotonic(), done
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=total, completed=done)

        def say(line: str) -> None:
            progress.console.print(line, highlight=False)

        def step(word: str) -> None:
            nonlocal printed, done
            done += 1
            progress.update(task, advance=1, description=word)
            if not console.is_terminal and time.monotonic() - printed > 120.0:
                printed = time.monotonic()
                left_s = (printed - start) / (done - begun) * (total - done)
                say(f"step {done}/{total}  {word}  left {left_s / 60:.0f} min")

        yield Bar(step, say)


class Step(NamedTuple):
    """One line of the log."""

    step: int
    loss: float
    learning_rate: float


class Trainer:
    """Make a loss small by AdamW.

    Args:
        module: whose parameters move; several may be put into an `nn.ModuleList`.
        loss: called once a step.
        schedule: how long and how fast.
        seed: of the generator that the loss draws with.
        folder: where the checkpoint, config.json and log.jsonl go; None: nothing is written.
        resume: go on from the checkpoint in `folder`, where there is one.

    Raises:
        ValueError: `resume`, and the checkpoint is damaged (`WeightsError`) or of another training (`CommandError`).
        OSError: the folder cannot be written, or another process trains there.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        schedule: Schedule,
        seed: int,
        folder: Path | None = None,
        resume: bool = False,
    ) -> None:
        self.module, self.loss, self.schedule, self.folder = module, loss, schedule, folder
        self.generator = torch.Generator().manual_seed(seed)
        # One call for all tensors at once: ours are small, and a call for each would take longer than the arithmetic.
        self.optimiser = torch.optim.AdamW(
            module.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay, foreach=True
        )
        self.rate = torch.optim.lr_scheduler.LambdaLR(self.optimiser, schedule.factor)
        self.done = 0
        self.log: list[Step] = []
        self._settings: dict[str, Any] = {"seed": seed, "schedule": asdict(schedule)}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._reserved = reserve(folder)
            if resume and (folder / checkpoint.NAME).exists():
                self._restore(folder)
            write_whole(folder / "config.json", json.dumps(self._settings, indent=1) + "\n")

    def run(self, until: int | None = None, each: Callable[[Step], None] | None = None) -> list[Step]:
        """Train to the end, or to a step; `each` is called after every step. The whole log is returned.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        self.module.train()
        for _ in range(self.done, self.schedule.steps if until is None else min(until, self.schedule.steps)):
            loss = self.loss(self.done, self.generator)
            value, rate = float(loss.detach()), float(self.rate.get_last_lr()[0])
            if not math.isfinite(value):
                raise FloatingPointError(f"the loss is {value} at step {self.done}: try a smaller learning rate")
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            self.rate.step()
            self.log.append(Step(self.done, value, rate))
            self.done += 1
            if each is not None:
                each(self.log[-1])
            if self.folder is not None and (self.done % self.schedule.checkpoint_every == 0):
                self.checkpoint()
        if self.folder is not None:
            self.checkpoint()
        self.module.eval()
        return self.log

    def checkpoint(self) -> None:
        """Write all that is needed to go on; a run that is killed meanwhile leaves the last whole one.

        Raises:
            ValueError: there is no folder to write to.
        """
        if self.folder is None:
            raise ValueError("a trainer without a folder has nowhere to write a checkpoint: give it one")
        checkpoint.write(self.folder, self._parts, [tuple(step) for step in self.log], self._settings)
        lines = "".join(json.dumps(step._asdict()) + "\n" for step in self.log)
        write_whole(self.folder / "log.jsonl", lines)

    @property
    def _parts(self) -> dict[str, Part]:
        return {"module": self.module, "optimiser": self.optimiser, "generator": self.generator}

    def _restore(self, folder: Path) -> None:
        self.log = [Step(*line) for line in checkpoint.resume(folder, self._parts, self._settings)]
        self.done = len(self.log)
        self.rate.last_epoch = self.done
        for group, rate in zip(self.optimiser.param_groups, self.rate.base_lrs, strict=True):
            group["lr"] = rate * self.schedule.factor(self.done)
        self.rate._last_lr = [group["lr"] for group in self.optimiser.param_groups]


def batches(count: int, size: int, generator: torch.Generator) -> Tensor:
    """(min(size, count),) indices out of `count`, all of them in order where there are no more than `size`."""
    if count <= size:
        return torch.arange(count)
    return torch.randint(count, (size,), generator=generator)
