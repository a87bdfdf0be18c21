"""Representations that no answer has shaped: random networks, principal components, a variational autoencoder; CLEA."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from learning.similarity.encoders import DEEPSETS, Encoder, EncoderConfig
from learning.similarity.likelihood import triplet_margin
from learning.trainer import Schedule, Trainer, batches
from policies.taste.representation import Inputs, Representation


def random_encoder(inputs: np.ndarray, encoder: EncoderConfig, seed: int = 0) -> Representation:
    """An encoder with its first weights."""
    return Encoder(encoder, inputs, torch.Generator().manual_seed(seed)).representation({"objective": "none"})


def identity(inputs: np.ndarray, name: Inputs) -> Representation:
    """Inputs (M, ...) as they are, normalised."""
    width = int(np.prod(np.shape(inputs)[1:]))
    return _linear(inputs, np.eye(width), name)


def principal_components(inputs: np.ndarray, name: Inputs, dimensions: int = 6) -> Representation:
    """The `dimensions` directions of normalised inputs (M, ...) in which they vary most.

    Raises:
        ValueError: there are not as many directions.
    """
    from sklearn.decomposition import PCA

    plain = identity(inputs, name)
    if not 1 <= dimensions <= min(len(inputs), plain.n_inputs):
        raise ValueError(f"{dimensions} components were asked for; there are 1 to {min(len(inputs), plain.n_inputs)}")
    found = PCA(dimensions, svd_solver="full").fit(plain.embed(inputs))
    return _linear(inputs, found.components_, name)


def _linear(inputs: np.ndarray, weight: np.ndarray, name: Inputs) -> Representation:
    flat = np.asarray(inputs, float).reshape(len(inputs), -1)
    spread = flat.std(axis=0)
    return Representation(
        kind="linear",
        inputs=name,
        mean=flat.mean(axis=0),
        scale=np.where(spread > 1e-6, spread, 1.0),
        weights=(weight,),
        biases=(np.zeros(len(weight)),),
    )


@dataclass(frozen=True)
class VaeConfig:
    """A variational autoencoder (Kingma & Welling 2014): the encoder's shape, and the weight `beta` of its prior."""

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig("mlp", "encoded", (128,)))
    decoder: int = 128
    beta: float = 0.01
    schedule: Schedule = field(default_factory=lambda: Schedule(1000, 3e-3))
    batch: int = 128


def fit_vae(inputs: np.ndarray, config: VaeConfig, seed: int = 0) -> Representation:
    """Learn an autoencoder of inputs (M, ...), and keep the mean of its code, d numbers."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    encoder = Encoder(config.encoder, inputs, generator)
    prepared = encoder.prepare(inputs)
    flat = prepared.flatten(start_dim=1)
    d = config.encoder.dimensions
    shape = EncoderConfig("mlp", "encoded", (config.decoder,), flat.shape[1])
    decoder = Encoder(shape, np.random.default_rng(seed).standard_normal((8, d)), generator)
    log_variance = nn.Linear(d, d)
    with torch.no_grad():
        log_variance.weight.zero_()
        log_variance.bias.fill_(-2.0)

    def loss(step: int, drawing: torch.Generator) -> torch.Tensor:
        some = batches(len(flat), config.batch, drawing)
        code = encoder(prepared[some])
        spread = log_variance(code)
        drawn = code + (0.5 * spread).exp() * torch.randn(code.shape, generator=drawing)
        hidden = drawn
        for index, layer in enumerate(decoder.layers):
            hidden = layer(torch.relu(hidden) if index else hidden)
        divergence = 0.5 * (code.square() + spread.exp() - 1 - spread).sum(dim=1).mean()
        return functional.mse_loss(hidden, flat[some]) * flat.shape[1] * 0.5 + config.beta * divergence

    Trainer(nn.ModuleList([encoder, decoder, log_variance]), loss, config.schedule, seed).run()
    return encoder.representation({"objective": "vae"})


@dataclass(frozen=True)
class ExplorationLog:
    """People exploring a list of behaviours: (N,) int items that they tried, and as many that they passed over."""

    explored: np.ndarray
    ignored: np.ndarray


def simulate_exploration(
    features: np.ndarray,
    n: int,
    rng: np.random.Generator,
    people: int = 10,
    shown: int = 8,
    explored: int = 3,
    wrong_share: float = 0.0,
) -> ExplorationLog:
    """Simulate people who look for a motion they have in mind: of `shown` items they try the `explored` nearest to it.

    `n` counts the items tried, over all people, so that one trial costs as much as one answer; features (M, F).
    Of the items tried `wrong_share` are not what they looked for: each changes places with one of those passed over.
    """
    targets = rng.random((people, features.shape[1]))
    tried, passed = [], []
    for visit in range(-(-n // explored)):
        items = rng.choice(len(features), shown, replace=False)
        distance = np.square(features[items] - targets[visit % people]).sum(axis=1)
        order = items[distance.argsort()]
        if wrong_share:
            for slot in np.flatnonzero(rng.random(explored) < wrong_share):
                order[[slot, -1 - slot]] = order[[-1 - slot, slot]]
        tried.append(order[:explored])
        passed.append(order[-explored:])
    return ExplorationLog(np.array(tried), np.array(passed))


@dataclass(frozen=True)
class ContrastiveConfig:
    """How CLEA learns: triplets of two explored items and an ignored one (Dennler et al. 2025, arXiv 2501.01367)."""

    encoder: EncoderConfig = DEEPSETS
    schedule: Schedule = field(default_factory=lambda: Schedule(400))
    batch: int = 128
    margin: float = 1.0
    sparsity: float = 0.0


def fit_contrastive(
    inputs: np.ndarray, log: ExplorationLog, config: ContrastiveConfig, seed: int = 0
) -> Representation:
    """Learn an encoder of inputs (M, ...) that puts what was explored in one visit together, and the ignored apart.

    Args:
        inputs: of all items.
        log: explored (visits, e) and ignored (visits, i) items.
        config: how.
        seed: of the first weights and the triplets.
    """
    torch.set_num_threads(1)
    encoder = Encoder(config.encoder, inputs, torch.Generator().manual_seed(seed))
    prepared = encoder.prepare(inputs)
    encoder.rescale(prepared, 1.0)
    explored, ignored = torch.as_tensor(log.explored), torch.as_tensor(log.ignored)

    def loss(step: int, drawing: torch.Generator) -> torch.Tensor:
        visit = torch.randint(len(explored), (config.batch,), generator=drawing)
        pair = torch.rand(config.batch, explored.shape[1], generator=drawing).argsort(dim=1)[:, :2]
        other = torch.randint(ignored.shape[1], (config.batch, 1), generator=drawing)
        items = torch.cat([explored[visit].gather(1, pair), ignored[visit].gather(1, other)], dim=1)
        triples = encoder(prepared[items.flatten()]).unflatten(0, items.shape)
        apart = triplet_margin(triples, torch.zeros(config.batch, dtype=torch.long), config.margin).mean()
        return apart + encoder.prior(0.0, config.sparsity) / len(explored)

    Trainer(encoder, loss, config.schedule, seed).run()
    return encoder.representation({"objective": "contrastive"})
