"""From crops of faces to calibrated probabilities.

Test-time augmentation: logits at three sizes and of their mirror images are averaged, and divided by a temperature that
was fitted on pictures that the network was not trained on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax

from perception.emotion import LABELS
from perception.face import weights
from perception.face.detector import CROP
from perception.face.network import CLASSES, FaceNetwork, logits_tta
from perception.face.weights import DEFAULT_FOLDER
from perception.weights import WeightsError

__all__ = ["CLASSES", "DEFAULT_FOLDER", "FaceEmotionModel", "WeightsError", "to_labels"]

_PLACES = [LABELS.index(name) for name in CLASSES]
_MOST_AT_ONCE = 64  # crops in one pass; more would take memory and no less time


def to_labels(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities (..., 7) over `CLASSES` -> (..., 8) over `LABELS`, with 0 for calm.

    There are no pictures of calm in FER2013, and a still face shows neutral and calm alike. 0 therefore means "not
    judged", not "ruled out": whoever joins this estimate with that of the voice must not multiply by it, but compare
    neutral here with the sum of neutral and calm there.

    Raises:
        ValueError: the last axis is not 7 long.
    """
    array = np.asarray(probabilities, np.float64)
    if array.ndim == 0 or array.shape[-1] != len(CLASSES):
        raise ValueError(f"probabilities of shape {array.shape} came; expected (..., {len(CLASSES)}) over {CLASSES}.")
    out = np.zeros((*array.shape[:-1], len(LABELS)))
    out[..., _PLACES] = array
    return out


class FaceEmotionModel:
    """Crops of faces -> calibrated probabilities. One call at a time; no state is kept."""

    def __init__(self, network: FaceNetwork, temperature: float = 1.0) -> None:
        if not (np.isfinite(temperature) and temperature > 0.0):
            raise ValueError(f"temperature is {temperature}; it must be more than 0.")
        self.network = network.eval()
        self.temperature = temperature

    @classmethod
    def load(cls, folder: Path | str = DEFAULT_FOLDER) -> FaceEmotionModel:
        """Load the shipped weights, or others that `empaw train face` wrote.

        Raises:
            WeightsError: a file is missing, damaged, of another network, or its numbers cannot judge a face.
        """
        stored = weights.load(Path(folder))
        model = cls(stored.network, stored.temperature)
        noise = np.random.default_rng(0).integers(0, 256, (1, CROP, CROP), np.uint8)
        if not np.isfinite(model.logits(noise)).all():
            raise WeightsError(f"{folder}: the network judges noise as NaN or infinity; these weights are damaged.")
        return model

    @torch.inference_mode()
    def logits(self, crops: np.ndarray) -> np.ndarray:
        """Calibrated logits (B, 7) over `CLASSES` of aligned grey crops (B, 48, 48); B may be 0 or thousands.

        Raises:
            ValueError: another shape or type, or NaN or infinity.
        """
        array = np.asarray(crops)
        if array.ndim != 3 or array.shape[1:] != (CROP, CROP) or array.dtype.kind not in "uf":
            raise ValueError(
                f"crops of shape {array.shape} and type {array.dtype} came; expected grey (B, {CROP}, {CROP}) uint8 or "
                "float. Cut faces out with perception.face.detector.align."
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError("crops with NaN or infinity came; expected finite brightness. Repair the picture first.")
        device = next(self.network.parameters()).device
        parts = [np.zeros((0, len(CLASSES)))]
        for start in range(0, len(array), _MOST_AT_ONCE):
            part = torch.from_numpy(array[start : start + _MOST_AT_ONCE].astype(np.float32)).to(device)[:, None]
            parts.append(logits_tta(self.network, part).double().cpu().numpy() / self.temperature)
        return np.concatenate(parts)

    def predict(self, crops: np.ndarray) -> np.ndarray:
        """Calibrated probabilities (B, 8) over `LABELS` of aligned grey crops (B, 48, 48); see `to_labels` for calm.

        Raises:
            ValueError: another shape or type, or NaN or infinity.
        """
        return to_labels(softmax(self.logits(crops), axis=-1))
