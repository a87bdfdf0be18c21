"""The frame of every training: a seed, a schedule, a checkpoint to go on from, and a log."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

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
        done = (step - warm) / max(self.steps - warm, 1)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


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
        folder: where config.json, checkpoint.pt and log.jsonl go; None: nothing is written.
        resume: go on from the checkpoint in `folder`, where there is one.

    Raises:
        ValueError: `resume`, and the checkpoint is damaged or of another training.
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
        self._told: dict[str, Any] = {"seed": seed, "schedule": asdict(schedule)}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            if resume and (folder / "checkpoint.pt").exists():
                self._restore()
            (folder / "config.json").write_text(json.dumps(self._told, indent=1) + "\n")

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
        draft = self.folder / ".checkpoint.part"
        state = {
            "told": json.dumps(self._told),
            "module": self.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "done": self.done,
            "log": [tuple(step) for step in self.log],
        }
        torch.save(state, draft)
        draft.replace(self.folder / "checkpoint.pt")
        lines = "".join(json.dumps(step._asdict()) + "\n" for step in self.log)
        (self.folder / "log.jsonl").write_text(lines)

    def _restore(self) -> None:
        assert self.folder is not None
        path = self.folder / "checkpoint.pt"
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True)
            if state["told"] != json.dumps(self._told):
                raise ValueError(f"{path} is of a training with {state['told']}; give another folder, or do not resume")
            self.module.load_state_dict(state["module"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.generator.set_state(state["generator"])
            self.done = int(state["done"])
            self.log = [Step(*line) for line in state["log"]]
        except (KeyError, RuntimeError, EOFError, OSError, UnpicklingError) as problem:
            raise ValueError(f"{path} is damaged or of another model ({problem}): do not resume from it") from problem
        self.rate.last_epoch = self.done
        for group, rate in zip(self.optimiser.param_groups, self.rate.base_lrs, strict=True):
            group["lr"] = rate * self.schedule.factor(self.done)
        self.rate._last_lr = [group["lr"] for group in self.optimiser.param_groups]


def batches(count: int, size: int, generator: torch.Generator) -> Tensor:
    """(min(size, count),) indices out of `count`, all of them in order where there are no more than `size`."""
    if count <= size:
        return torch.arange(count)
    return torch.randint(count, (size,), generator=generator)
