"""Representations from preferences, the rivals of similarity: one person's (single), or many people's (multi).

Bradley-Terry: P(i better than j | person u) = sigmoid(w_u . (z_i - z_j)) with an encoder that all share. The loss is
-mean log p. (Code published with the paper makes -mean p small instead, whose gradient vanishes where the model is most
wrong.)
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from learning.similarity.encoders import DEEPSETS, Encoder, EncoderConfig
from learning.trainer import Schedule, Trainer, batches
from policies.taste.representation import Representation


@dataclass(frozen=True)
class PreferenceAnswers:
    """Who liked which of two better: `better`, `worse` (N,) item indices and `person` (N,), all int."""

    better: np.ndarray
    worse: np.ndarray
    person: np.ndarray

    def __post_init__(self) -> None:
        if not (self.better.shape == self.worse.shape == self.person.shape and self.better.ndim == 1):
            raise ValueError(
                f"better {self.better.shape}, worse {self.worse.shape}, person {self.person.shape} came; expected (N,)"
            )
        if not len(self.better):
            raise ValueError("no preferences came; at least one is needed")

    def __len__(self) -> int:
        """How many."""
        return len(self.better)


@dataclass(frozen=True)
class PreferenceConfig:
    """How a representation is learnt from preferences; `decay` and `sparsity` are priors as of similarity."""

    encoder: EncoderConfig = DEEPSETS
    schedule: Schedule = field(default_factory=lambda: Schedule(400))
    batch: int = 128
    decay: float = 0.01
    sparsity: float = 0.0


def ask_preferences(
    rewards: np.ndarray, n: int, rng: np.random.Generator, wrong_share: float = 0.0
) -> PreferenceAnswers:
    """Simulate `n` preferences of persons with rewards (people, M) over items, each asked as often as the others.

    Raises:
        ValueError: the share is not within 0 to 1/2.
    """
    if not 0 <= wrong_share <= 0.5:
        raise ValueError(f"a share of {wrong_share} wrong answers came; allowed is 0 to 1/2")
    people, items = rewards.shape
    person = np.arange(n) % people
    first = rng.integers(items, size=n)
    second = (first + rng.integers(1, items, size=n)) % items
    better = (rewards[person, first] > rewards[person, second]) ^ (rng.random(n) < wrong_share)
    return PreferenceAnswers(np.where(better, first, second), np.where(better, second, first), person)


def preference_loss(embedded_better: torch.Tensor, embedded_worse: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """(N,) -log p of Bradley-Terry, for embeddings (N, d) and the persons' weights (N, d)."""
    return functional.softplus(-((embedded_better - embedded_worse) * weights).sum(dim=1))


def fit_preferences(
    inputs: np.ndarray, answers: PreferenceAnswers, config: PreferenceConfig, seed: int = 0
) -> tuple[Representation, float]:
    """Learn an encoder of inputs (M, ...) that explains preferences; returns it and the seconds that took.

    Raises:
        ValueError: an answer names an item that is not there.
    """
    began = time.perf_counter()
    torch.set_num_threads(1)
    if max(answers.better.max(), answers.worse.max()) >= len(inputs):
        raise ValueError(f"an answer names item {max(answers.better.max(), answers.worse.max())} of {len(inputs)}")
    generator = torch.Generator().manual_seed(seed)
    encoder = Encoder(config.encoder, inputs, generator)
    prepared = encoder.prepare(inputs)
    encoder.rescale(prepared, 1.0)
    heads = nn.Embedding(int(answers.person.max()) + 1, config.encoder.dimensions)
    with torch.no_grad():
        heads.weight.normal_(0.0, 1.0, generator=generator)
    better, worse, person = (torch.as_tensor(a) for a in (answers.better, answers.worse, answers.person))

    def loss(step: int, drawing: torch.Generator) -> torch.Tensor:
        some = batches(len(answers), config.batch, drawing)
        first, second = encoder(prepared[torch.cat([better[some], worse[some]])]).chunk(2)
        prior = encoder.prior(config.decay, config.sparsity) + config.decay * heads.weight.square().sum()
        return preference_loss(first, second, heads(person[some])).mean() + prior / len(answers)

    Trainer(nn.ModuleList([encoder, heads]), loss, config.schedule, seed).run()
    about = {"preferences": len(answers), "people": int(answers.person.max()) + 1}
    return encoder.representation(about), time.perf_counter() - began
