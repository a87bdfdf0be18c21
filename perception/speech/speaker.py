"""Normalisation by speaker, so that a voice's habits are not taken for feelings.

Some voices are always high, fast or rough. The offset of a voice from the average one is estimated from clips that
were spoken in a neutral mood, or from whatever was heard of it so far, shrunk towards none while little is known, and
taken off the pooled features before the ensemble judges them. Nothing but two sums of features is kept of a voice.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from geometry.files import write_whole
from perception.weights import WeightsError, read_tensor_file

# Doubt: so many clips weigh as much as knowing nothing. Chosen by cross-validation over the training actors of fold 0:
# UA there .795 without, .822 with 2 neutral clips, .837 with 16 others. Neutral clips say nothing of the deviations
# over time (.822 falls to .807 with them): few moods are as even.
NEUTRAL_DOUBT = 2.0
HISTORY_DOUBT = 4.0
MOST_HISTORY = 30
"""A history longer than this forgets the oldest, gradually: a voice changes with the room and the day."""


class RunningMean(NamedTuple):
    """Mean features (inputs,) of so many clips."""

    clips: int
    mean: np.ndarray


class Speaker:
    """One voice; give it to `SpeechEmotionModel.judge`.

    >>> owner = Speaker()
    >>> owner.add(model.features(samples), neutral=True)  # doctest: +SKIP
    >>> model.judge(samples, owner)  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self.neutral: RunningMean | None = None
        self.history: RunningMean | None = None

    def add(self, features: np.ndarray, neutral: bool = False) -> None:
        """Take the pooled features (inputs,) of a clip or window; `neutral` ones are known to be calm talk.

        Raises:
            ValueError: not finite, or not as long as those before.
        """
        array = np.asarray(features, np.float64)
        known = self.neutral or self.history
        if array.ndim != 1 or not np.isfinite(array).all() or (known is not None and array.shape != known.mean.shape):
            expected = "(inputs,)" if known is None else str(known.mean.shape)
            raise ValueError(f"features of shape {array.shape} came; expected {expected}, finite.")
        if neutral:
            self.neutral = _one_more(self.neutral, array, 10**6)
        else:
            self.history = _one_more(self.history, array, MOST_HISTORY)

    def offset(self, mean: np.ndarray, neutral_mean: np.ndarray, layers: int) -> np.ndarray:
        """Estimate how this voice differs from the average one, (inputs,), shrunk towards 0 for what is not known.

        Args:
            mean: (inputs,) of all training voices.
            neutral_mean: (inputs,) of their neutral clips.
            layers: of the encoder; the features of each are as many means as deviations over time.

        Raises:
            ValueError: this voice was encoded with another encoder.
        """
        total, weight = np.zeros(mean.shape), np.ones(mean.shape)
        means_only = np.tile(np.repeat([1.0, 0.0], len(mean) // (2 * layers)), layers)
        for heard, usual, doubt, where in (
            (self.neutral, neutral_mean, NEUTRAL_DOUBT, means_only),
            (self.history, mean, HISTORY_DOUBT, np.ones(mean.shape)),
        ):
            if heard is None:
                continue
            if heard.mean.shape != mean.shape:
                raise ValueError(
                    f"this voice has {heard.mean.size} features; the network takes {mean.size}. Enrol it again."
                )
            share = where * heard.clips / doubt
            total += share * (heard.mean - usual)
            weight += share
        return total / weight

    def save(self, path: Path) -> None:
        """Write the voice to a safetensors file, whole or not at all."""
        from safetensors.numpy import save

        tensors = {}
        for name in ("neutral", "history"):
            heard: RunningMean | None = getattr(self, name)
            if heard is not None:
                tensors[name] = heard.mean.astype(np.float32)
                tensors[f"{name}_count"] = np.array([heard.clips], np.int64)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, save(tensors))

    @classmethod
    def load(cls, path: Path) -> Speaker:
        """Read a voice that `save` wrote.

        Raises:
            WeightsError: missing, damaged, or something else.
        """
        tensors = {name: tensor.numpy() for name, tensor in read_tensor_file(path).items()}
        speaker = cls()
        for name in ("neutral", "history"):
            mean, count = tensors.pop(name, None), tensors.pop(f"{name}_count", None)
            if mean is None and count is None:
                continue
            if mean is None or count is None or mean.ndim != 1 or count.shape != (1,) or count.dtype.kind != "i":
                raise _foreign(path)
            if not np.isfinite(mean).all() or not 1 <= int(count[0]) <= 10**6:
                raise _foreign(path)
            setattr(speaker, name, RunningMean(int(count[0]), mean.astype(np.float64)))
        if tensors or (speaker.neutral is None and speaker.history is None):
            raise _foreign(path)
        return speaker


def _foreign(path: Path) -> WeightsError:
    return WeightsError(f"{path} is no voice that empaw enrol voice wrote. Enrol it again.")


def _one_more(heard: RunningMean | None, features: np.ndarray, most: int) -> RunningMean:
    if heard is None:
        return RunningMean(1, features)
    count = min(heard.clips + 1, most)
    return RunningMean(count, heard.mean + (features - heard.mean) / count)
