"""How good an embedding is: what it tells of the true features, and how soon a reward is learnt on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from policies.taste.choice import pair_distances
from policies.taste.preferences import Comparisons, Prior, fit_reward
from policies.taste.queries import CANNOT_TELL, PAIRS, Answers

LEAST_PEOPLE = 20
"""Test persons that a figure needs, none of whom was there in training."""
TEST_PAIRS = 4_000
GAIN = 100.0
"""Published rewards are 10 times a vector of about unit size, and preferences have an inverse temperature of 10."""
_PRIORS = tuple(Prior(scale, 0.0) for scale in (1.0, 2.0, 4.0, 8.0, 16.0))


class Probe(NamedTuple):
    """Errors of a linear probe: `fpe`, mean over test items of the summed squared error, and `r2` (F,)."""

    fpe: float
    r2: np.ndarray


def probe_features(embedding: np.ndarray, features: np.ndarray, train: np.ndarray, test: np.ndarray) -> Probe:
    """Predict true features (N, F) from a frozen embedding (N, d) by least squares (Bobu et al. 2023, section 5.1).

    Args:
        embedding: of all items.
        features: of all items.
        train: (n,) indices that the probe is fitted on.
        test: (m,) indices that it is judged on.

    Raises:
        ValueError: there is nothing to fit or to judge on, or the embedding is not finite.
    """
    if not len(train) or not len(test):
        raise ValueError(f"{len(train)} items to fit and {len(test)} to judge on came; both need at least one")
    if not np.isfinite(embedding).all():
        raise ValueError("the embedding is not finite: the training has run away")
    centre = embedding[train].mean(axis=0)
    known = np.column_stack([embedding - centre, np.ones(len(embedding))])
    weights = np.linalg.lstsq(known[train], features[train], rcond=None)[0]
    error = np.square(known[test] @ weights - features[test])
    spread = np.square(features[test] - features[test].mean(axis=0)).mean(axis=0)
    return Probe(float(error.sum(axis=1).mean()), 1 - error.mean(axis=0) / np.maximum(spread, 1e-12))


def draw_rewards(features: np.ndarray, people: int, rng: np.random.Generator) -> np.ndarray:
    """(people, N) true rewards: features times a direction that is drawn evenly, one for each person."""
    weights = rng.standard_normal((people, features.shape[1]))
    rewards: np.ndarray = weights / np.linalg.norm(weights, axis=1, keepdims=True) @ features.T
    return rewards


def normalised(embedding: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Shift and scale to a mean of zero and a mean squared length of one over the items at `train`."""
    centred = embedding - embedding[train].mean(axis=0)
    size = np.sqrt(np.square(centred[train]).sum(axis=1).mean())
    scaled: np.ndarray = centred / max(float(size), 1e-12)
    return scaled


def preference_accuracy(
    embedding: np.ndarray,
    rewards: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    rng: np.random.Generator,
    preferences: int = 20,
) -> np.ndarray:
    """(people,) TPA: share of held-out, noise-free preferences that a reward learnt from few foretells.

    The reward is linear on the embedding, the mean of the posterior of `policies.taste.preferences`; the strength of
    its prior is weighed by evidence, for every embedding in the same way.

    Args:
        embedding: (N, d) of all items.
        rewards: (people, N) true rewards; `LEAST_PEOPLE` persons or more, none of them seen in training.
        train: (n,) items that preferences are asked about.
        test: (m,) items that `TEST_PAIRS` pairs are drawn from.
        rng: draws the pairs.
        preferences: how many are asked.

    Raises:
        ValueError: too few people.
    """
    if len(rewards) < LEAST_PEOPLE:
        raise ValueError(f"{len(rewards)} test persons came; a figure needs {LEAST_PEOPLE}")
    scaled = normalised(embedding, train)
    found = np.empty(len(rewards))
    for person, reward in enumerate(rewards):
        first, second = rng.choice(train, (2, preferences))
        liked = rng.random(preferences) < expit(GAIN * (reward[first] - reward[second]))
        better, worse = np.where(liked, first, second), np.where(liked, second, first)
        asked = Comparisons(scaled[better] - scaled[worse], np.zeros(preferences, np.int64))
        learnt = scaled @ fit_reward(asked, 1, _PRIORS).mean[0]
        found[person] = ordering_accuracy(learnt, reward, test, rng)
    return found


def ordering_accuracy(
    learnt: np.ndarray, reward: np.ndarray, test: np.ndarray, rng: np.random.Generator, pairs: int = TEST_PAIRS
) -> float:
    """Share of random pairs among `test` that a learnt reward (N,) orders as the true one (N,); ties are left out."""
    first, second = rng.choice(test, (2, pairs))
    untied = reward[first] != reward[second]
    right = (learnt[first] > learnt[second]) == (reward[first] > reward[second])
    return float(right[untied].mean()) if untied.any() else float("nan")


class FeatureSpace(NamedTuple):
    """The four questions that CLEA asks of a feature space (Dennler et al. 2025, arXiv 2501.01367), as measured here.

    Attributes:
        completeness: accuracy of a linear reward from 300 preferences: is all there that people care for?
        simplicity: mean accuracy over 5, 10, 20 and 40 preferences: how soon is it found?
        minimality: mean completeness over the first 1 to d principal axes: how few of them are enough?
        explainability: mean over true features of the largest correlation with one principal axis.
    """

    completeness: float
    simplicity: float
    minimality: float
    explainability: float


def feature_space(
    embedding: np.ndarray,
    features: np.ndarray,
    rewards: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    rng: np.random.Generator,
) -> FeatureSpace:
    """Ask the four questions of an embedding (N, d); see `FeatureSpace` and `preference_accuracy`."""
    scaled = normalised(embedding, train)
    axes = np.linalg.svd(scaled[train], full_matrices=False)[2]
    turned = scaled @ axes.T
    widths = range(1, turned.shape[1] + 1)
    kept = [_completeness(turned[:, :width], rewards, train, test, rng) for width in widths]
    few = [preference_accuracy(embedding, rewards, train, test, rng, n).mean() for n in (5, 10, 20, 40)]
    count = features.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        related = np.abs(np.corrcoef(features[test].T, turned[test].T)[:count, count:])
    explained = np.nan_to_num(related).max(axis=1).mean()
    return FeatureSpace(kept[-1], float(np.mean(few)), float(np.mean(kept)), float(explained))


def _completeness(
    turned: np.ndarray, rewards: np.ndarray, train: np.ndarray, test: np.ndarray, rng: np.random.Generator
) -> float:
    from sklearn.linear_model import LogisticRegression

    found = []
    for reward in rewards:
        first, second = rng.choice(train, (2, 300))
        first, second = first[reward[first] != reward[second]], second[reward[first] != reward[second]]
        better = reward[first] > reward[second]
        model = LogisticRegression(C=100.0, fit_intercept=False).fit(turned[first] - turned[second], better)
        found.append(ordering_accuracy(turned @ model.coef_[0], reward, test, rng))
    return float(np.mean(found))


class Prediction(NamedTuple):
    """How well held-out answers are foretold: mean -log2 p (guessing: log2 3 = 1.585), and the share of right ones."""

    bits: float
    accuracy: float


def predict_answers(embedding: np.ndarray, fitted: Answers, held_out: Answers) -> Prediction:
    """Foretell which pair is chosen, from any embedding (N, d).

    Its scale and the share of lapses are fitted to other answers than it was learnt from, so that methods without a
    likelihood of their own can be compared, and none is judged by how sure it was of what it had learnt by heart.

    Raises:
        ValueError: no answer names a pair.
    """
    fitted, held_out = (a.take(a.choice != CANNOT_TELL) for a in (fitted, held_out))
    if not len(fitted) or not len(held_out):
        raise ValueError("no answers came that name a pair, to fit or to judge on")
    unit = max(float(np.median(pair_distances(embedding, fitted.items))), 1e-12)

    def likely(parameters: np.ndarray, answers: Answers) -> np.ndarray:
        distances = pair_distances(embedding, answers.items) / unit
        sure = np.exp(log_softmax(-distances * np.exp(parameters[0]), axis=1))
        lapse = expit(parameters[1])
        mixed: np.ndarray = (1 - lapse) * sure + lapse / len(PAIRS)
        return mixed

    def cost(parameters: np.ndarray) -> float:
        chosen = likely(parameters, fitted)[np.arange(len(fitted)), fitted.choice]
        return float(-np.log(chosen).mean()) + 0.5 * float((parameters[1] + 3) ** 2) / len(fitted)

    best = minimize(cost, np.array([1.0, -3.0]), method="Nelder-Mead").x
    found = likely(best, held_out)
    chosen = found[np.arange(len(held_out)), held_out.choice]
    return Prediction(float(-np.log2(chosen).mean()), float((found.argmax(axis=1) == held_out.choice).mean()))
