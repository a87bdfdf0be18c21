"""Embeddings of the items themselves, without a map: STE, t-STE, CKL, SOE and VICE/SPoSE.

They place the items that were asked about and no others, so they cannot say anything of a trajectory that nobody has
compared. They tell how much of the answers any embedding could explain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from learning.trainer import Schedule, Trainer, batches
from policies.taste.queries import CANNOT_TELL, PAIRS, Answers

Method = Literal["ste", "tste", "ckl", "soe", "vice"]
DECAYS: dict[Method, float] = {"ste": 0.2, "tste": 0.0, "ckl": 0.5, "soe": 0.2, "vice": 0.002}
"""The best of .002 to 1 for each, on GridRobot-2 with seeds that no table holds."""


@dataclass(frozen=True)
class CoordinatesConfig:
    """How items are placed.

    Attributes:
        method: which likelihood or loss.
        dimensions: d.
        schedule: of the training.
        batch: answers in a step.
        decay: weight of a prior for small coordinates (for 'vice', for few that are not zero); None takes `DECAYS`.
    """

    method: Method = "ste"
    dimensions: int = 6
    schedule: Schedule = field(default_factory=lambda: Schedule(1000, 3e-2))
    batch: int = 512
    decay: float | None = None


def triplets(answers: Answers) -> np.ndarray:
    """(2 N, 3) items a, b, c with "a is nearer to b than to c", two for each answer that names a pair."""
    decided = answers.take(answers.choice != CANNOT_TELL)
    order = np.array([(i, j, 3 - i - j) for i, j in PAIRS])[decided.choice]
    first, second, third = np.take_along_axis(decided.items, order, axis=1).T
    return np.concatenate([np.stack([first, second, third], 1), np.stack([second, first, third], 1)])


def _squared(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().sum(dim=1)


def ste_loss(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """(N,) -log p of stochastic triplet embedding (van der Maaten & Weinberger 2012, eq. 4): a Gaussian kernel."""
    return functional.softplus(_squared(a, b) - _squared(a, c))


def tste_loss(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """(N,) -log p with a Student kernel of d - 1 degrees of freedom (the same, eq. 6)."""
    freedom = max(a.shape[1] - 1, 1)
    near, far = ((1 + _squared(a, other) / freedom).log() * (freedom + 1) / 2 for other in (b, c))
    return functional.softplus(near - far)


def ckl_loss(a: Tensor, b: Tensor, c: Tensor, mu: float = 0.05) -> Tensor:
    """(N,) -log p of the crowd kernel (Tamuz et al. 2011, eq. 1): p = (mu + |a-c|^2) / (2 mu + |a-b|^2 + |a-c|^2)."""
    near, far = _squared(a, b), _squared(a, c)
    return -((mu + far) / (2 * mu + near + far)).log()


def soe_loss(a: Tensor, b: Tensor, c: Tensor, margin: float = 0.1) -> Tensor:
    """(N,) soft ordinal embedding (Terada & von Luxburg 2014, eq. 2): squared shortfall of |a-c| - |a-b|."""
    near, far = ((_squared(a, other) + 1e-9).sqrt() for other in (b, c))
    return functional.relu(near + margin - far).square()


def vice_loss(triples: Tensor, choice: Tensor) -> Tensor:
    """(N,) -log softmax over the dot products of pairs, of non-negative (N, 3, d) (Zheng et al. 2019; VICE 2022)."""
    dots = torch.stack([(triples[:, i] * triples[:, j]).sum(dim=1) for i, j in PAIRS], dim=1)
    return functional.cross_entropy(dots, choice, reduction="none")


_LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "ste": ste_loss,
    "tste": tste_loss,
    "ckl": ckl_loss,
    "soe": soe_loss,
}


def fit_coordinates(items: int, answers: Answers, config: CoordinatesConfig, seed: int = 0) -> np.ndarray:
    """(items, d) coordinates of each item; those that no answer names stay where chance has put them.

    VICE is fitted by its posterior mode under an exponential prior, which leaves few dimensions (as SPoSE does), not by
    the variational pruning of the paper.

    Raises:
        ValueError: no answer names a pair, or one names an item that is not there.
    """
    torch.set_num_threads(1)
    decided = answers.take(answers.choice != CANNOT_TELL)
    if not len(decided):
        raise ValueError("no answers came that name a pair; at least one is needed")
    if decided.items.max() >= items:
        raise ValueError(f"an answer names item {decided.items.max()}; there are {items}")
    places = nn.Embedding(items, config.dimensions)
    vice = config.method == "vice"
    decay = DECAYS[config.method] if config.decay is None else config.decay
    with torch.no_grad():
        places.weight.normal_(0.0, 0.3, generator=torch.Generator().manual_seed(seed))
        if vice:
            places.weight.abs_()
    choice = torch.as_tensor(decided.choice)
    asked = torch.as_tensor(decided.items if vice else triplets(decided))

    def loss(step: int, drawing: torch.Generator) -> Tensor:
        some = batches(len(asked), config.batch, drawing)
        triples = places(asked[some])
        if vice:
            found = vice_loss(triples.relu(), choice[some])
            return found.mean() + decay * triples.relu().sum(dim=(1, 2)).mean() / 3
        found = _LOSSES[config.method](*triples.unbind(dim=1))
        return found.mean() + decay / len(asked) * triples.square().sum(dim=(1, 2)).mean() * items / 3

    Trainer(places, loss, config.schedule, seed).run()
    found = places.weight.detach()
    return (found.relu() if vice else found).double().numpy()
