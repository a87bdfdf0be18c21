"""What every sense reports: the emotions, one estimate, and how good and how honest estimates are.

The labels are those of RAVDESS (Livingstone & Russo 2018) in its order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LABELS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


class Affect(NamedTuple):
    """A place on the circumplex: valence (unpleasant -1 .. pleasant 1) and arousal (asleep -1 .. excited 1)."""

    valence: float
    arousal: float


# Means of ratings: Russell & Mehrabian 1977, "Evidence for a three-factor theory of emotions", J. Research in
# Personality 11, 273-294 (happy, sad, angry, fearful, disgusted, surprised). Calm is not in that table: its angle is
# 316 degrees in Russell 1980, "A circumplex model of affect", JPSP 39(6), with the mean radius of the six others.
# Neutral is the origin by definition.
AFFECT: dict[str, Affect] = {
    "neutral": Affect(0.0, 0.0),
    "calm": Affect(0.55, -0.53),
    "happy": Affect(0.81, 0.51),
    "sad": Affect(-0.63, -0.27),
    "angry": Affect(-0.51, 0.59),
    "fearful": Affect(-0.64, 0.60),
    "disgust": Affect(-0.60, 0.35),
    "surprised": Affect(0.40, 0.67),
}
_PLACES = np.array([AFFECT[label] for label in LABELS])


@dataclass(frozen=True, eq=False)
class EmotionEstimate:
    """One estimate of a person's emotion.

    Attributes:
        probabilities: (8,) over `LABELS`, sum 1, read-only.
        valence: expectation of the valence of the labels, [-1, 1].
        arousal: expectation of the arousal of the labels, [-1, 1].
        confidence: calibrated probability that `label` is right: the largest entry of `probabilities`.
        time_s: end of the sound or picture that was judged, in seconds since the start of its stream.
        source: which sense or file it came from, for instance "speech".
    """

    probabilities: np.ndarray
    valence: float
    arousal: float
    confidence: float
    time_s: float
    source: str

    @classmethod
    def from_probabilities(cls, probabilities: np.ndarray, time_s: float, source: str) -> EmotionEstimate:
        """Build an estimate from calibrated probabilities (8,).

        Raises:
            ValueError: wrong shape, negative or non-finite entries, or a sum that is not 1.
        """
        array = np.array(probabilities, dtype=np.float64)
        if array.shape != (len(LABELS),):
            raise ValueError(
                f"probabilities of shape {array.shape} came; expected ({len(LABELS)},), one for each label."
            )
        if not np.isfinite(array).all() or array.min() < 0.0 or abs(array.sum() - 1.0) > 1e-3:
            raise ValueError(f"{array} is no distribution: entries must be finite, not negative, and sum to 1.")
        array /= array.sum()
        array.setflags(write=False)
        valence, arousal = (array @ _PLACES).tolist()
        return cls(array, valence, arousal, float(array.max()), float(time_s), source)

    @property
    def label(self) -> str:
        """The most probable label; the first in `LABELS` of those that are equally probable."""
        return LABELS[int(np.argmax(self.probabilities))]


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Count indices (N,) into `LABELS` in a matrix (8, 8): rows are the truth, columns the prediction."""
    matrix = np.zeros((len(LABELS), len(LABELS)), dtype=np.int64)
    np.add.at(matrix, (np.asarray(truth, int), np.asarray(predicted, int)), 1)
    return matrix


def unweighted_accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """UA: mean recall over the labels that occur in `truth` (N,), so that every emotion counts the same.

    Raises:
        ValueError: there is nothing to judge.
    """
    matrix = confusion_matrix(truth, predicted)
    counts = matrix.sum(axis=1)
    if counts.sum() == 0:
        raise ValueError("no clips came; accuracy needs at least one.")
    present = counts > 0
    return float((matrix.diagonal()[present] / counts[present]).mean())


def weighted_accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """WA: the share of clips (N,) that are right.

    Raises:
        ValueError: there is nothing to judge.
    """
    if len(truth) == 0:
        raise ValueError("no clips came; accuracy needs at least one.")
    return float(np.mean(np.asarray(truth) == np.asarray(predicted)))


def expected_calibration_error(truth: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """ECE of probabilities (N, K) for indices (N,): mean gap of confidence and accuracy over equal-width bins.

    Guo et al. 2017, "On calibration of modern neural networks", equation 3, with their 15 bins. Few clips make it too
    large: perfect confidence shows about 0.07 on 240 clips.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == np.asarray(truth)
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(which, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(probabilities))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (..., 8) from logits (..., 8)."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    out: np.ndarray = shifted / shifted.sum(axis=-1, keepdims=True)
    return out


def negative_log_likelihood(truth: np.ndarray, logits: np.ndarray) -> float:
    """Mean of -log p(truth) for logits (N, 8) and indices (N,), in nats."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_p[np.arange(len(log_p)), np.asarray(truth, int)].mean())


def fit_temperature(truth: np.ndarray, logits: np.ndarray) -> float:
    """Temperature T in [0.05, 20] for which softmax(logits / T) has the least negative log-likelihood.

    Args:
        truth: (N,) indices into `LABELS`, of clips that the logits were not trained on.
        logits: (N, 8); log-probabilities of an ensemble serve as well.

    Raises:
        ValueError: there are no clips.
    """
    from scipy.optimize import minimize_scalar

    if len(truth) == 0:
        raise ValueError("no clips came; a temperature needs validation clips.")
    result = minimize_scalar(
        lambda log_t: negative_log_likelihood(truth, logits / np.exp(log_t)),
        bounds=(np.log(0.05), np.log(20.0)),
        method="bounded",
    )
    return float(np.exp(result.x))
