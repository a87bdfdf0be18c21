"""Training: a warm-up and a cosine, chamfer distances by KD-trees, an average of the last checkpoints.

Each step draws from a generator made of the seed and its number, so that a run that was killed and resumed gives the
weights of one that was not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import numpy as np
import torch
import tyro
from scipy.spatial import cKDTree
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from datasets.views import Views
from learning.checkpoint import Part
from learning.trainer import decay_groups, seeded, warmup_cosine
from perception.completion.frames import Frame, normalise
from perception.completion.network import CompletionNetwork, CompletionOutput, NetworkConfig


@dataclass(frozen=True)
class FitConfig:
    """How the network is trained."""

    steps: int = 6000
    """Batches."""
    batch: int = 16
    """Views in each."""
    learning_rate: float = 6e-4
    """Peak, after the warm-up; it falls to zero along a cosine."""
    weight_decay: float = 0.02
    warm_up: float = 0.04
    """Share of the steps in which the rate rises from zero."""
    clip: float = 1.0
    """Longest gradient."""
    truth: int = 2048
    """Points of the true surface that a step compares with."""
    cut: float = 0.25
    """Share of views of which a part is cut off, as if something stood in front."""
    scale_weight: float = 0.02
    """Weight of the likelihood of the uncertainty beside the distances, in radii."""
    averaged_checkpoints: Annotated[int, tyro.conf.arg(aliases=["--fit.soup"])] = 4
    """Checkpoints, evenly over the last tenth of the steps, whose weights are averaged; 1 takes the last alone."""

    def __post_init__(self) -> None:
        counts = (self.steps, self.batch, self.truth, self.averaged_checkpoints)
        shares = (self.weight_decay, self.warm_up, self.cut, self.scale_weight)
        fits = all(1 <= count <= 10_000_000 for count in counts) and all(0.0 <= share <= 1.0 for share in shares)
        if not fits or not 0.0 < self.learning_rate <= 1.0 or self.clip <= 0.0 or self.truth > 8192:
            raise ValueError(
                f"{self} came; steps, batch, truth (at most 8192) and averaged_checkpoints must be at least 1, "
                "weight_decay, warm_up, cut and scale_weight 0 to 1, learning_rate above 0, at most 1, clip above 0."
            )


class Batch(NamedTuple):
    """Canonical clouds (B, points, 3), hints (B, 2), and true surfaces (B, truth, 3) in the same frames."""

    points: Tensor
    hints: Tensor
    truth: Tensor


class Example(NamedTuple):
    """One view as the network sees it, with the truth in the same frame, in radii."""

    points: np.ndarray
    hints: np.ndarray
    truth: np.ndarray
    frame: Frame


def example(views: Views, view: int, shape: NetworkConfig, truth: int, rng: np.random.Generator, cut: float) -> Example:
    """Draw points of a view and of its truth; in training it may be mirrored, and a part of it be cut off."""
    cloud, whole = views.clouds[view].astype(np.float64), views.truth(view)
    whole = whole[rng.choice(len(whole), truth, replace=False)]
    if cut > 0.0:
        mirror = np.array([rng.choice([-1.0, 1.0]), 1.0, 1.0])
        turn = rng.uniform(-np.pi, np.pi)
        cloud, whole = (_turned(points * mirror, turn) for points in (cloud, whole))
        if rng.random() < cut:
            cloud = _cut(cloud, rng)
        cloud = cloud[rng.permutation(len(cloud))[: max(64, int(len(cloud) * rng.uniform(0.6, 1.0)))]]
    given = normalise(cloud, shape.points, shape.frame)
    return Example(given.points, given.hints, given.frame.enter(whole).astype(np.float32), given.frame)


def _turned(points: np.ndarray, angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def _cut(cloud: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Leave out what lies beyond a random plane, up to a third of the points."""
    direction = rng.standard_normal(3)
    along = cloud @ (direction / np.linalg.norm(direction))
    kept = cloud[along <= np.quantile(along, rng.uniform(0.67, 1.0))]
    return kept if len(kept) >= 64 else cloud


def draw(views: Views, shape: NetworkConfig, fit: FitConfig, rng: np.random.Generator) -> Batch:
    """Draw a batch: every object alike, whatever the number of its views."""
    objects = rng.integers(len(views.surfaces), size=fit.batch)
    chosen = [int(rng.choice(np.flatnonzero(views.surface == one))) for one in objects]
    drawn = [example(views, view, shape, fit.truth, rng, fit.cut) for view in chosen]
    points, hints, truth = (
        torch.from_numpy(np.stack([getattr(one, name) for one in drawn])) for name in ("points", "hints", "truth")
    )
    return Batch(points, hints, truth)


class Loss(NamedTuple):
    """Mean CDL1 of coarse and fine points in radii, and the likelihood of the uncertainty."""

    coarse: Tensor
    fine: Tensor
    likelihood: Tensor

    def total(self, scale_weight: float) -> Tensor:
        """Add them up: what the training minimises."""
        return self.coarse + self.fine + scale_weight * self.likelihood


def loss_of(output: CompletionOutput, truth: Tensor) -> Loss:
    """Compare outputs with true surfaces (B, n, 3).

    Nearest neighbours come from KD-trees of detached points, and distances to them are taken again where gradients
    flow: a fortieth of the work of a matrix of distances (measured at 16 x 2048 x 2048).
    """
    coarse, fine, likelihood = [], [], []
    for k in range(len(truth)):
        whole = truth[k]
        tree = cKDTree(whole.numpy())
        there, _ = _both_ways(output.coarse[k], whole, tree)
        coarse.append(there)
        near, off = _both_ways(output.fine[k], whole, tree)
        fine.append(near)
        # Laplace: the mean absolute error is the scale that makes the data likeliest.
        log_scale = output.log_scale[k]
        likelihood.append((off.detach() * (-log_scale).exp() + log_scale).mean())
    return Loss(*(torch.stack(part).mean() for part in (coarse, fine, likelihood)))


def _both_ways(points: Tensor, whole: Tensor, tree: cKDTree) -> tuple[Tensor, Tensor]:
    """CDL1 of two clouds, and the distance of each of `points` (n, 3) to the other."""
    found = points.detach().numpy()
    nearest = torch.from_numpy(tree.query(found)[1])
    back = torch.from_numpy(cKDTree(found).query(whole.numpy())[1])
    there = _length(points - whole[nearest])
    return 0.5 * (there.mean() + _length(points[back] - whole).mean()), there


def _length(vectors: Tensor) -> Tensor:
    return (vectors.square().sum(dim=-1) + 1e-12).sqrt()  # the root has no slope at 0


@dataclass
class CompletionTrainer:
    """Network, optimizer and the sum of the weights to average; one call of `step` after another."""

    fit: FitConfig
    shape: NetworkConfig
    seed: int
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    done: int = 0

    def __post_init__(self) -> None:
        with seeded(self.seed):  # torch's modules draw weights of their own, which are thrown away
            self.network = CompletionNetwork(self.shape)
        self.network.initialise(torch.Generator().manual_seed(self.seed))
        self.network.to(self.device)
        groups = decay_groups(self.network, self.fit.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, self.fit.learning_rate)
        # Summed here, and divided once by `result`.
        self.summed = AveragedModel(self.network, avg_fn=lambda total, new, _: total + new)

    def start_from(self, network: CompletionNetwork) -> None:
        """Take the weights of another network of the same shape, to train on from there."""
        self.network.load_state_dict(network.state_dict())

    def step(self, views: Views) -> Loss:
        """Learn from one batch.

        Raises:
            ValueError: the loss is no number any more.
        """
        rng = np.random.default_rng([self.seed, self.done])
        batch = draw(views, self.shape, self.fit, rng)
        for group in self.optimizer.param_groups:
            group["lr"] = self.fit.learning_rate * warmup_cosine((self.done + 1) / self.fit.steps, self.fit.warm_up)
        output = self.network.train()(batch.points.to(self.device), batch.hints.to(self.device))
        loss = loss_of(CompletionOutput(*(part.cpu() for part in output)), batch.truth)
        self.optimizer.zero_grad(set_to_none=True)
        loss.total(self.fit.scale_weight).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.fit.clip)
        self.optimizer.step()
        if not math.isfinite(loss.fine.item()):
            raise ValueError(f"the loss became {loss.fine.item()} at step {self.done}; lower --fit.learning-rate")
        self.done += 1
        if self._is_averaged():
            self.summed.update_parameters(self.network)
        return Loss(*(part.detach() for part in loss))

    def _is_averaged(self) -> bool:
        apart = max(1, round(0.1 * self.fit.steps / self.fit.averaged_checkpoints))
        left = self.fit.steps - self.done
        return left % apart == 0 and left // apart < self.fit.averaged_checkpoints

    def result(self) -> CompletionNetwork:
        """The average of the checkpoints so far, or the network as it is before there is one."""
        network = CompletionNetwork(self.shape)
        count = int(self.summed.n_averaged)
        state = self.summed.module.state_dict() if count else self.network.state_dict()
        network.load_state_dict({name: tensor / max(count, 1) for name, tensor in state.items()})
        return network.eval()

    @property
    def parts(self) -> dict[str, Part]:
        """All that a checkpoint keeps beside `done`."""
        return {"network": self.network, "summed": self.summed, "optimizer": self.optimizer}
