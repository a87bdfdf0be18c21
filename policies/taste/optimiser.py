"""From what somebody likes to how the dog should move: the best style near the table's, and how sure that is.

A reward is learnt on embeddings of clips, and a style has to be chosen before there is a clip of it. So a small
regressor is fitted to the library of clips once: ridge regression of the embedding on all products of two of the twelve
dimensions, with an intercept for each condition (a gait, or a feeling) under which clips were made. Its error on clips
that it has not seen is part of what is not known when a style is chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import ndtr

from policies.taste.preferences import RewardPosterior

Worth = Callable[[np.ndarray], np.ndarray]
"""(n,) of styles (n, 12) in [0, 1]: more is better."""

RIDGES = (0.01, 0.1, 1.0, 10.0, 100.0)
FOLDS = 5
TRUST_RADIUS = 0.5
"""How far each dimension may leave the table's default, as a share of its safe range."""
CAUTION = 0.0
"""Standard deviations of the gain over the default that are taken off before styles are compared; none by default,
since what is not sure is shown in part only."""


@dataclass(frozen=True)
class StyleLibrary:
    """Clips that were made once, with the styles that they were made in.

    Attributes:
        styles: (N, 12) in [0, 1], see `control.style`.
        embeddings: (N, d) of the clips, of unit size.
        conditions: (N,) int, the gait or feeling that each was made under.
    """

    styles: np.ndarray
    embeddings: np.ndarray
    conditions: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.styles) == len(self.embeddings) == len(self.conditions):
            raise ValueError(
                f"{len(self.styles)} styles, {len(self.embeddings)} embeddings and {len(self.conditions)} conditions "
                "came; expected as many of each"
            )


def _products(styles: np.ndarray) -> np.ndarray:
    """(N, 91) the dimensions about their middle, and all products of two of them."""
    centred = 2.0 * np.asarray(styles, float) - 1.0
    rows, columns = np.triu_indices(centred.shape[1])
    return np.concatenate([np.ones((len(centred), 1)), centred, centred[:, rows] * centred[:, columns]], axis=1)


def _inputs(styles: np.ndarray, conditions: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([_products(styles), np.eye(count)[conditions]], axis=1)


@dataclass(frozen=True)
class StyleMap:
    """Predicts the embedding of a clip from the style that it would be made in.

    Attributes:
        weights: (K + C, d) of products and conditions.
        conditions: C, how many there are.
        error: (d,) root mean square error on clips that were held out.
        r2: (d,) share of the variance that it foretells there.
    """

    weights: np.ndarray
    conditions: int
    error: np.ndarray
    r2: np.ndarray

    @classmethod
    def fit(cls, library: StyleLibrary, rng: np.random.Generator) -> StyleMap:
        """Fit to a library, with the ridge that foretells held-out clips best in a five-fold cross-validation.

        Raises:
            ValueError: fewer clips than folds.
        """
        if len(library.styles) < FOLDS:
            raise ValueError(f"{len(library.styles)} clips came; at least {FOLDS} are needed, and hundreds are better")
        count = int(library.conditions.max()) + 1
        inputs = _inputs(library.styles, library.conditions, count)
        fold = rng.permutation(len(inputs)) % FOLDS
        residuals = {ridge: _held_out(inputs, library.embeddings, fold, ridge) for ridge in RIDGES}
        ridge = min(RIDGES, key=lambda one: float((residuals[one] ** 2).sum()))
        error = np.sqrt((residuals[ridge] ** 2).mean(axis=0))
        spread = np.maximum(library.embeddings.std(axis=0), 1e-12)
        return cls(_ridge(inputs, library.embeddings, ridge), count, error, 1.0 - (error / spread) ** 2)

    def predict(self, styles: np.ndarray, condition: int) -> np.ndarray:
        """(N, d) embeddings expected of styles (N, 12) in [0, 1] under a condition.

        Raises:
            ValueError: there is no such condition.
        """
        if not 0 <= condition < self.conditions:
            raise ValueError(f"condition {condition} came; there are {self.conditions}, counted from 0")
        styles = np.atleast_2d(styles)
        found: np.ndarray = _inputs(styles, np.full(len(styles), condition), self.conditions) @ self.weights
        return found


def _ridge(inputs: np.ndarray, targets: np.ndarray, ridge: float) -> np.ndarray:
    factor = cho_factor(inputs.T @ inputs + ridge * np.eye(inputs.shape[1]), lower=True)
    weights: np.ndarray = cho_solve(factor, inputs.T @ targets)
    return weights


def _held_out(inputs: np.ndarray, targets: np.ndarray, fold: np.ndarray, ridge: float) -> np.ndarray:
    """(N, d) what is left of each clip when it is foretold from the other folds."""
    left = np.empty(targets.shape)
    for one in range(FOLDS):
        out = fold == one
        left[out] = targets[out] - inputs[out] @ _ridge(inputs[~out], targets[~out], ridge)
    return left


def trusted(default: np.ndarray, radius: float = TRUST_RADIUS) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest (12,) of the styles that may be shown instead of a default (12,), all in [0, 1]."""
    return np.clip(default - radius, 0.0, 1.0), np.clip(default + radius, 0.0, 1.0)


def candidates(default: np.ndarray, rng: np.random.Generator, n: int = 512, radius: float = TRUST_RADIUS) -> np.ndarray:
    """(n, 12) styles inside the trusted box: the default first, the others spread evenly over it."""
    return np.vstack([default[None], rng.uniform(*trusted(default, radius), (n - 1, len(default)))])


class Chosen(NamedTuple):
    """A style for a feeling.

    Attributes:
        vector: (12,) in [0, 1].
        gain: how much better than the default it is expected to be liked, in units of the log odds.
        gain_sd: how uncertain that is.
        sureness: the probability, [0.5, 1], that it is liked better than the default.
    """

    vector: np.ndarray
    gain: float
    gain_sd: float
    sureness: float


def best_style(
    worth: Worth, default: np.ndarray, rng: np.random.Generator, radius: float = TRUST_RADIUS, rounds: int = 12
) -> np.ndarray:
    """(12,) the style in the trusted box that is worth most; the default (12,), in [0, 1], where nothing is better.

    Starts from styles spread over the box, then samples ever closer about the best of them (cross-entropy method,
    Rubinstein 1999); with a worth that is smooth in the style, twelve rounds are plenty.
    """
    low, high = trusted(default, radius)
    found = candidates(default, rng, radius=radius)
    best, reached = default, -np.inf
    for _ in range(rounds):
        worths = worth(found)
        order = np.argsort(-worths, kind="stable")[:24]
        if worths[order[0]] > reached:
            best, reached = found[order[0]], float(worths[order[0]])
        middle, width = found[order].mean(axis=0), found[order].std(axis=0) + 0.01
        found = np.clip(middle + width * rng.standard_normal((128, len(default))), low, high)
    return best


def choose_style(
    posterior: RewardPosterior,
    emotion: int,
    style_map: StyleMap,
    condition: int,
    default: np.ndarray,
    rng: np.random.Generator,
    radius: float = TRUST_RADIUS,
    caution: float = CAUTION,
) -> Chosen:
    """Find the style with the highest (lower confidence bound of the) gain over the default.

    Args:
        posterior: of the reward.
        emotion: which of its feelings.
        style_map: foretells the embedding of a style.
        condition: under which the behaviour will be shown.
        default: (12,) in [0, 1], what the table shows.
        rng: spreads and samples.
        radius: of the trusted box.
        caution: standard deviations that are taken off.
    """
    origin = style_map.predict(default, condition)

    def bound(styles: np.ndarray) -> np.ndarray:
        gain, spread = posterior.value(emotion, style_map.predict(styles, condition) - origin)
        return gain - caution * spread

    best = best_style(bound, default, rng, radius)
    return judged(posterior, emotion, style_map, condition, default, best)


def judged(
    posterior: RewardPosterior,
    emotion: int,
    style_map: StyleMap,
    condition: int,
    default: np.ndarray,
    vector: np.ndarray,
) -> Chosen:
    """Say how sure it is that a style (12,) is liked better than the default (12,), both in [0, 1]."""
    step = style_map.predict(vector, condition) - style_map.predict(default, condition)
    gain, spread = posterior.value(emotion, step)
    # What the map does not foretell of two clips moves their rewards apart as well.
    noise = 2.0 * float(posterior.mean[emotion] ** 2 @ style_map.error**2)
    spread_all = float(np.sqrt(spread[0] ** 2 + noise))
    moved = bool(np.abs(vector - default).max() > 1e-9)
    sureness = float(ndtr(gain[0] / max(spread_all, 1e-12))) if moved else 0.5
    return Chosen(np.asarray(vector, float), float(gain[0]), spread_all, max(sureness, 0.5))
