"""Training: a warm-up and a cosine, augmented pictures, averaged weights.

Each epoch draws from a generator made of the seed and its number, so that a run that was killed and resumed gives the
weights of one that was not.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from datasets.faces import Faces
from learning.checkpoint import Part
from learning.face.augment import AugmentConfig, augment, mix
from learning.face.judging import judge
from learning.trainer import decay_groups, seeded, warmup_cosine
from perception.face.network import CLASSES, FaceNetwork, NetworkConfig


@dataclass(frozen=True)
class FitConfig:
    """How the network is trained."""

    epochs: int = 80
    """Passes over the pictures."""
    batch: int = 64
    """Pictures in a step."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW left the plateau at the start sooner in trials here; SGD with Nesterov momentum was the best of six for a
    VGG on FER2013 in Khaireddin & Chen 2021, arXiv 2105.03588."""
    learning_rate: float = 1e-3
    """Peak, after the warm-up; it falls to zero along a cosine. For sgd about 0.05."""
    momentum: float = 0.9
    """Of SGD."""
    weight_decay: float = 0.05
    """On convolutions and linear layers, not on norms, biases and gates. For sgd about 0.0005."""
    warm_up: float = 0.05
    """Share of all steps in which the rate rises from zero."""
    label_smoothing: float = 0.1
    """Share of the target spread over all labels: about a third of FER2013's labels are doubtful."""
    average: float = 0.998
    """Decay of the moving average of the weights, for each step; the average is what is judged and kept."""
    judge_every: int = 1
    """Epochs from one judgement of the validation pictures to the next; the last is always judged. Test-time
    augmentation makes each cost a fifth of an epoch."""
    teacher_share: float = 0.8
    """Share of the target that teachers give, where there are any (Hinton et al. 2015, "Distilling the knowledge in a
    neural network", arXiv 1503.02531); the rest is the label. They see each picture as augmented as the learner does
    (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and consistent", arXiv 2106.05237)."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Augmentation of training pictures."""

    def __post_init__(self) -> None:
        counts = (self.epochs, self.batch, self.judge_every)
        shares = (self.momentum, self.weight_decay, self.warm_up, self.label_smoothing, self.average)
        fits = all(1 <= count <= 100_000 for count in counts) and all(0.0 <= share < 1.0 for share in shares)
        if not fits or not 0.0 < self.learning_rate <= 10.0 or not 0.0 <= self.teacher_share <= 1.0:
            raise ValueError(
                f"{self} came; epochs, batch and judge_every must be 1 to 100000, momentum, weight_decay, warm_up, "
                "label_smoothing and average at least 0 and less than 1, teacher_share 0 to 1, and learning_rate more "
                "than 0, at most 10."
            )


Tensors: TypeAlias = tuple[Tensor, ...] | list[Tensor]


class Hardware(NamedTuple):
    """Where to compute, and in which format the convolutions do."""

    device: torch.device = torch.device("cpu")
    precision: torch.dtype = torch.float32

    def format(self) -> torch.autocast:
        """Context in which convolutions compute in that format."""
        return torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)


class Teacher(NamedTuple):
    """A trained network in evaluation mode, and the temperature that calibrates it."""

    network: FaceNetwork
    temperature: float


class Epoch(NamedTuple):
    """Figures of one epoch: mean training `loss`, share `right` of the validation pictures if judged, `seconds`."""

    number: int
    loss: float
    right: float | None
    seconds: float


class FaceTrainer:
    """Network, averaged network, optimizer and the best average so far; one call of `epoch` after another."""

    def __init__(
        self,
        config: FitConfig,
        shape: NetworkConfig,
        seed: int,
        hardware: Hardware = Hardware(),  # noqa: B008
        teachers: Sequence[Teacher] = (),
    ) -> None:
        self.config, self.seed, self.hardware = config, seed, hardware
        with seeded(seed, hardware.device):  # torch's modules draw weights of their own, which are thrown away
            self.network = FaceNetwork(shape)
        self.network.initialise(torch.Generator().manual_seed(seed))
        self.teachers = tuple(teachers)
        # Channels last: torch's convolutions on a core need not turn the maps around, a sixth of an epoch (measured).
        for network in (self.network, *(teacher.network for teacher in self.teachers)):
            network.to(hardware.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = AveragedModel(self.network, multi_avg_fn=self._average, use_buffers=True)
        self.averaged.requires_grad_(False).eval()
        self.averaged.n_averaged.fill_(1)  # it begins as a copy of the network
        self.best = copy.deepcopy(self.averaged.module)
        self.optimizer = make_optimizer(self.network, config)
        self._generator = torch.Generator(hardware.device)
        self.epochs: list[Epoch] = []

    def start_from(self, network: FaceNetwork) -> None:
        """Take the weights of another network of the same shape, to train on from there."""
        for mine in (self.network, self.averaged.module, self.best):
            mine.load_state_dict(network.state_dict())

    @property
    def best_right(self) -> float:
        """Best share of right validation pictures so far; 0 before the first epoch."""
        return max((epoch.right for epoch in self.epochs if epoch.right is not None), default=0.0)

    def epoch(self, training: Faces, validation: Faces | None, tick: Callable[[], None] = lambda: None) -> Epoch:
        """Train on all pictures once, judge the averaged network, and keep it if it is the best so far.

        Args:
            training: pictures to learn from.
            validation: pictures to choose by; without them the last epoch counts as the best.
            tick: called after each step.
        """
        number, start, device = len(self.epochs), time.monotonic(), self.hardware.device
        pictures = torch.from_numpy(training.pictures).to(device)
        targets = functional.one_hot(torch.from_numpy(training.targets), len(CLASSES)).float().to(device)
        rng = np.random.default_rng((self.seed, number))
        steps = -(-len(training.targets) // self.config.batch)
        size = len(training.targets) // steps  # all steps alike; the few pictures over are others in each epoch
        rows = torch.from_numpy(rng.permutation(len(training.targets))[: steps * size].reshape(steps, size))
        alpha = self.config.augment.mixup
        shares = torch.from_numpy(rng.beta(alpha, alpha, steps) if alpha > 0.0 else np.ones(steps)).float()
        rows, shares = rows.to(device), shares.to(device)
        losses = []
        with seeded(int(rng.integers(1 << 62)), device):
            self.network.train()
            self._generator.manual_seed(int(rng.integers(1 << 62)))
            for step in range(steps):
                self._set_rate((number * steps + step + 1) / (self.config.epochs * steps))
                losses.append(self._gradients(pictures[rows[step]], targets[rows[step]], shares[step]))
                self.optimizer.step()
                self.averaged.update_parameters(self.network)
                tick()
        loss = self._finite(torch.stack(losses))
        last = number + 1 == self.config.epochs
        judged = validation is not None and (last or (number + 1) % self.config.judge_every == 0)
        right = self._right(validation) if validation is not None and judged else None
        if validation is None or number == 0 or (right is not None and right > self.best_right):
            self.best.load_state_dict(self.averaged.module.state_dict())
        done = Epoch(number, loss, right, time.monotonic() - start)
        self.epochs.append(done)
        return done

    def _gradients(self, pictures: Tensor, wanted: Tensor, share: Tensor) -> Tensor:
        """Leave the gradients of a batch in the parameters and give its loss ().

        Args:
            pictures: (B, 48, 48) brightness 0 to 255.
            wanted: (B, 7) shares of the labels.
            share: () of mixup.
        """
        config, generator = self.config, self._generator
        pictures = augment(pictures.float()[:, None] / 255.0, config.augment, generator)
        if config.augment.mixup > 0.0:
            pictures, wanted = mix(pictures, wanted, share, generator)
        if self.teachers:
            wanted = torch.lerp(wanted, self._taught(pictures), config.teacher_share)
        with self.hardware.format():
            logits = self.network(pictures)
        loss = functional.cross_entropy(logits.float(), wanted, label_smoothing=config.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        return loss.detach()

    @torch.no_grad()
    def _taught(self, pictures: Tensor) -> Tensor:
        """Mean of the calibrated probabilities (B, 7) of the teachers."""
        with self.hardware.format():
            answers = [teacher.network(pictures).float() / teacher.temperature for teacher in self.teachers]
        return torch.stack(answers).softmax(dim=-1).mean(dim=0)

    def _finite(self, losses: Tensor) -> float:
        """Mean loss of an epoch; looked at once, since each look makes a GPU wait."""
        value = float(losses.mean())
        if not math.isfinite(value):
            raise ValueError(
                f"the loss became {value} in epoch {len(self.epochs) + 1}. Lower --fit.learning-rate (it is "
                f"{self.config.learning_rate:g}) or use --precision float32."
            )
        return value

    def _set_rate(self, progress: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * warmup_cosine(progress, self.config.warm_up)

    def _average(self, averaged: Tensors, new: Tensors, _count: Tensor | int) -> None:
        """Move averaged tensors, all of one type, towards the new ones."""
        if not averaged[0].is_floating_point():
            torch._foreach_copy_(averaged, new)
            return
        # Early on the average would be that of the random start: it begins short and grows.
        count = int(self.averaged.n_averaged)  # lies on the CPU: a GPU need not wait for it
        torch._foreach_lerp_(averaged, new, 1.0 - min(self.config.average, count / (9 + count)))

    def _right(self, faces: Faces) -> float:
        # With test-time augmentation, as in use: late in a training it still improves, and the plain logits do not
        # (epoch 17 of 40: 0.672 and 0.664; epoch 40: 0.684 and 0.661).
        with self.hardware.format():
            said = judge(self.averaged.module, faces.pictures, tta=True).argmax(axis=1)
        return float(np.mean(said == faces.targets))

    def best_network(self) -> FaceNetwork:
        """Copy the best averaged network to the CPU, in evaluation mode."""
        network = FaceNetwork(self.network.config)
        network.load_state_dict(self.best.state_dict())
        return network.eval()

    @property
    def parts(self) -> dict[str, Part]:
        """All that a checkpoint keeps beside `epochs`."""
        return {"network": self.network, "averaged": self.averaged, "best": self.best, "optimizer": self.optimizer}


def make_optimizer(network: FaceNetwork, config: FitConfig) -> torch.optim.Optimizer:
    """Optimizer with weight decay on matrices and kernels only."""
    groups = decay_groups(network, config.weight_decay)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, config.learning_rate)
    return torch.optim.SGD(groups, config.learning_rate, config.momentum, nesterov=config.momentum > 0.0)
