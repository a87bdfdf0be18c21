"""Networks from inputs to the embedding; what they learn is carried away as a `policies.taste` representation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from policies.taste.representation import Activation, Inputs, Kind, Representation

PUBLISHED_HIDDEN = (1024, 1024)
"""Hidden layers of Bobu et al. 2023, appendix."""


@dataclass(frozen=True)
class EncoderConfig:
    """The shape of an encoder.

    Attributes:
        kind: 'linear' over descriptors, 'mlp' over the whole, or 'deepsets' over each waypoint.
        inputs: what of a trajectory it takes.
        hidden: widths of hidden layers; none for 'linear'.
        dimensions: d of the embedding.
        activation: between layers.
        first: first weights, 'he' (He et al. 2015) or 'uniform', within 1 / sqrt(inputs), biases too, as published code
            leaves them to PyTorch.
    """

    kind: Kind = "linear"
    inputs: Inputs = "descriptors"
    hidden: tuple[int, ...] = ()
    dimensions: int = 6
    activation: Activation = "relu"
    first: Literal["he", "uniform"] = "he"


LINEAR = EncoderConfig()
DEEPSETS = EncoderConfig("deepsets", "encoded", (128,))
"""One wide hidden layer: on validation seeds it needs half the answers of two or three of 64."""
_SMOOTH = 1e-4
PUBLISHED = EncoderConfig("mlp", "vector", PUBLISHED_HIDDEN, first="uniform")


class Encoder(nn.Module):
    """Normalise, then layers; over waypoints they are averaged at the end.

    Args:
        config: its shape.
        inputs: (N, K), (N, T, K) or (N, ...) all training items, by which it normalises.
        generator: draws the first weights.

    Raises:
        ValueError: inputs that the kind cannot take.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: EncoderConfig, inputs: np.ndarray, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        if config.kind == "deepsets" and np.ndim(inputs) != 3:
            raise ValueError(f"inputs {np.shape(inputs)} came; 'deepsets' takes waypoints (N, T, K)")
        if config.kind == "linear" and config.hidden:
            raise ValueError(f"hidden layers {config.hidden} came; 'linear' has none")
        flat = np.asarray(inputs, np.float64)
        flat = flat.reshape(-1, flat.shape[-1]) if config.kind == "deepsets" else flat.reshape(len(flat), -1)
        spread = flat.std(axis=0)
        self.register_buffer("mean", torch.tensor(flat.mean(axis=0), dtype=torch.float32))
        # What never changes is left as it is: divided by its spread of nearly zero, noise would become a feature.
        self.register_buffer("scale", torch.tensor(np.where(spread > 1e-6, spread, 1.0), dtype=torch.float32))
        widths = (flat.shape[1], *config.hidden, config.dimensions)
        self.layers = nn.ModuleList(_layer(a, b, config.first, generator) for a, b in pairwise(widths))

    def prepare(self, inputs: np.ndarray) -> Tensor:
        """Inputs as `forward` takes them, float32, normalised."""
        values = torch.as_tensor(np.asarray(inputs, np.float32))
        if self.config.kind != "deepsets":
            values = values.reshape(len(values), -1)
        return (values - self.mean) / self.scale

    def forward(self, prepared: Tensor) -> Tensor:
        """(N, d) of prepared inputs."""
        hidden = prepared
        for index, layer in enumerate(self.layers):
            if index:
                hidden = torch.relu(hidden) if self.config.activation == "relu" else nn.functional.silu(hidden)
            hidden = layer(hidden)
        return hidden.mean(dim=1) if self.config.kind == "deepsets" else hidden

    def prior(self, decay: float, sparsity: float) -> Tensor:
        """A penalty of the weights, scalar: `decay` times their sum of squares, `sparsity` times the group lasso.

        The groups are the numbers that come in (Yuan & Lin 2006): one that tells nothing about what people compare, of
        many descriptors, is left out as a whole instead of adding its noise.
        """
        weights: list[Tensor] = [p for name, p in self.named_parameters() if name.endswith("weight")]
        total = decay * torch.stack([weight.square().sum() for weight in weights]).sum()
        if sparsity:
            total = total + sparsity * (weights[0].square().sum(dim=0) + _SMOOTH).sqrt().sum()
        return total

    def rescale(self, prepared: Tensor, spread: float) -> None:
        """Scale the last layer so that the root mean squared distance from the mean of (N, d) is `spread`."""
        with torch.no_grad():
            embedded = self(prepared)
            now = (embedded - embedded.mean(dim=0)).square().sum(dim=1).mean().sqrt()
            last: Any = self.layers[-1]
            last.weight.mul_(spread / now.clamp(min=1e-6))
            last.bias.mul_(0.0)

    def representation(self, about: dict[str, Any] | None = None) -> Representation:
        """Export the learnt map as it runs without torch."""
        layers: list[Any] = list(self.layers)
        return Representation(
            kind=self.config.kind,
            inputs=self.config.inputs,
            mean=self.mean.double().numpy(),
            scale=self.scale.double().numpy(),
            weights=tuple(layer.weight.detach().double().numpy().copy() for layer in layers),
            biases=tuple(layer.bias.detach().double().numpy().copy() for layer in layers),
            activation=self.config.activation,
            about=about or {},
        )


def _layer(inputs: int, outputs: int, first: Literal["he", "uniform"], generator: torch.Generator) -> nn.Linear:
    """One layer with its first weights, from a generator of its own."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    with torch.no_grad():
        if first == "he":
            layer.weight.normal_(0.0, (2.0 / inputs) ** 0.5, generator=generator)
            layer.bias.zero_()
        else:
            bound = inputs**-0.5
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.uniform_(-bound, bound, generator=generator)
    linear: nn.Linear = layer
    return linear
