"""Judge faces by a network: logits, a temperature that calibrates them, probabilities."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import softmax
from torch import nn

from datasets.faces import Faces
from learning import metrics
from perception.face.network import CLASSES, FaceNetwork, logits_tta


@torch.inference_mode()
def judge(network: nn.Module, pictures: np.ndarray, tta: bool = False) -> np.ndarray:
    """Logits (N, 7) of pictures (N, 48, 48) uint8, before the temperature; with `tta` as the model does it."""
    device = next(network.parameters()).device
    parts = [np.zeros((0, len(CLASSES)))]
    at_once = 64 if device.type == "cpu" else 512
    for start in range(0, len(pictures), at_once):
        part = torch.from_numpy(pictures[start : start + at_once]).to(device).float()[:, None]
        logits = logits_tta(network, part) if tta else network(part)
        parts.append(logits.double().cpu().numpy())
    return np.concatenate(parts)


def fit_temperature(network: FaceNetwork, faces: Faces) -> float:
    """Fit the temperature of a network on pictures that it was not trained on."""
    return metrics.fit_temperature(faces.targets, judge(network, faces.pictures, tta=True))


def probabilities(network: FaceNetwork, faces: Faces, temperature: float) -> np.ndarray:
    """Calibrated probabilities (N, 7) of answers as the model gives them."""
    return softmax(judge(network, faces.pictures, tta=True) / temperature, axis=-1)
