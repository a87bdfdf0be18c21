"""Accuracy and calibration of a classifier's probabilities; `evaluation.metrics` adds the intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax


class Scores(NamedTuple):
    """WA (share that is right), UA (mean recall) and ECE of n predictions."""

    n: int
    wa: float
    ua: float
    ece: float


def score(truth: np.ndarray, probabilities: np.ndarray) -> Scores:
    """Score probabilities (N, K) against indices (N,).

    Raises:
        ValueError: there is nothing to judge.
    """
    said = probabilities.argmax(axis=1)
    ua, ece = unweighted_accuracy(truth, said), expected_calibration_error(truth, probabilities)
    return Scores(len(truth), float(np.mean(truth == said)), ua, ece)


def unweighted_accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """UA: mean recall over the labels that occur in `truth` (N,), so that every emotion counts the same.

    Raises:
        ValueError: there is nothing to judge.
    """
    from sklearn.metrics import recall_score

    if len(truth) == 0:
        raise ValueError("no clips came; accuracy needs at least one.")
    return float(recall_score(truth, predicted, labels=np.unique(truth), average="macro"))


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


def negative_log_likelihood(truth: np.ndarray, logits: np.ndarray) -> float:
    """Mean of -log p(truth) for logits (N, K) and indices (N,), in nats."""
    return float(-log_softmax(logits, axis=1)[np.arange(len(logits)), truth].mean())


def fit_temperature(truth: np.ndarray, logits: np.ndarray) -> float:
    """Temperature T in [0.05, 20] for which softmax(logits / T) has the least negative log-likelihood.

    Args:
        truth: (N,) indices of labels, of clips or pictures that the logits were not trained on.
        logits: (N, K); log-probabilities of an ensemble serve as well.

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
