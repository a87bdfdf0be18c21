"""Whether a sound is speech at all: a logistic regression on the encoder's pooled states.

A voice gate by energy lets through whatever is loud, and a network that only ever heard voices finds an emotion in a
door that slams. The encoder was trained on 680,000 hours of sound (Radford et al. 2022) and knows the difference; one
linear layer reads it off.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from perception.weights import build, read_config

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "weights" / "speech_presence"
LEAST_SPEECH = 0.5
"""Windows that are less likely than this to be speech say nothing of feelings."""


@dataclass(frozen=True)
class SpeechDetectorConfig:
    """Shape of the layer; stored as config.json beside its weights."""

    inputs: int = 2304


class SpeechDetector(nn.Module):
    """Pooled encoder states (B, inputs) -> logit of being speech (B,)."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: SpeechDetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.inputs))
        self.register_buffer("scale", torch.ones(config.inputs))
        self.layer = nn.Linear(config.inputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs) -> (B,)."""
        out: Tensor = self.layer((features - self.mean) / self.scale)[..., 0]
        return out

    @torch.inference_mode()
    def probability(self, features: np.ndarray) -> float:
        """That pooled states (inputs,) are of speech, [0, 1]."""
        return float(torch.sigmoid(self(torch.from_numpy(features)[None]))[0])

    @classmethod
    def load(cls, folder: Path | str = DEFAULT_FOLDER) -> SpeechDetector:
        """Load the shipped weights, or others.

        Raises:
            WeightsError: a file is missing, damaged, or of another network.
        """
        config = read_config(Path(folder), SpeechDetectorConfig)
        return build(lambda: cls(config), Path(folder))
