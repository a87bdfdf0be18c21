"""Bayesian learning of a reward from a few answers to "which of these two do you like better?".

For each feeling e the reward of a behaviour with embedding z is theta_e . z. Before any answer theta is Gaussian: every
feeling has the same variance s^2, and two feelings share the part `sharing` of it, because somebody who likes a bouncy
dog when happy often likes one when calm as well. An answer is Bradley-Terry: P(i better than j) =
sigmoid(theta_e . (z_i - z_j)). The posterior is Laplace's approximation, found in the space of answers (Rasmussen &
Williams 2006, algorithms 3.1 and 3.2), so that its cost hangs on the answers and not on the size of the embedding.
Where several priors are given the posterior is averaged over them, each weighted by the probability of the answers
under it (the same, eq. 3.32).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import entr, expit, log_expit, softmax

_NEWTON_STEPS, _CONVERGED, _NEGLIGIBLE = 60, 1e-9, 0.01
RANDOM_SHARE = 0.15
"""Share of questions that are drawn blindly, so that a wrong belief cannot choose all that could correct it."""


class Preference(NamedTuple):
    """One answer: of two items, by index, `better` is liked more when the person feels `emotion`; it took `seconds`."""

    better: int
    worse: int
    emotion: str = ""
    person: str = ""
    seconds: float = float("nan")


@dataclass(frozen=True)
class Comparisons:
    """Answers as arrays: (N, d) embedding of the better minus that of the worse, and (N,) int which feeling."""

    differences: np.ndarray
    emotions: np.ndarray

    def __post_init__(self) -> None:
        if self.differences.ndim != 2 or self.emotions.shape != self.differences.shape[:1]:
            raise ValueError(
                f"differences {self.differences.shape} and emotions {self.emotions.shape} came; expected (N, d), (N,)"
            )
        if not np.isfinite(self.differences).all():
            raise ValueError("a difference of embeddings is not finite: look for damaged clips")

    def __len__(self) -> int:
        """How many."""
        return len(self.differences)

    @classmethod
    def of(cls, preferences: Sequence[Preference], embeddings: np.ndarray, labels: Sequence[str]) -> Comparisons:
        """Look answers up in embeddings (M, d).

        Raises:
            ValueError: an answer names an item or a feeling that does not exist.
        """
        for answer in preferences:
            if not (0 <= answer.better < len(embeddings) and 0 <= answer.worse < len(embeddings)):
                raise ValueError(f"{answer} came; there are {len(embeddings)} items, counted from 0")
            if answer.emotion not in labels:
                raise ValueError(f"emotion {answer.emotion!r} came; allowed are {', '.join(labels)}")
        better = np.array([answer.better for answer in preferences], np.int64)
        worse = np.array([answer.worse for answer in preferences], np.int64)
        emotions = np.array([labels.index(answer.emotion) for answer in preferences], np.int64)
        places = np.asarray(embeddings, float)
        return cls(places[better] - places[worse], emotions)


def unit_size(embeddings: np.ndarray) -> np.ndarray:
    """Centre embeddings (N, d) and give them root mean squared length 1, the size at which a `Prior` is believed."""
    centred = embeddings - embeddings.mean(axis=0)
    sized: np.ndarray = centred / max(float(np.sqrt((centred**2).sum(axis=1).mean())), 1e-12)
    return sized


class Prior(NamedTuple):
    """How strong likings are (`scale` s > 0) and how much of them all feelings share (`sharing`, 0 to 1).

    The default was chosen on scripted owners: a grid averaged by evidence did no better from a hundred answers.
    """

    scale: float = 2.0
    sharing: float = 0.5

    def covariance(self, feelings: int) -> np.ndarray:
        """(E, E) covariance between feelings of each of the reward's weights."""
        shared: np.ndarray = self.scale**2 * (self.sharing + (1 - self.sharing) * np.eye(feelings))
        return shared


@dataclass(frozen=True)
class RewardPosterior:
    """Gaussian posterior of the reward's weights, given the answers.

    Attributes:
        mean: (E, d) weights for each feeling.
        covariance: (E, d, d) of them.
        answers: (E,) int, how many answers there were about each feeling.
        prior: the one under which the answers were most probable.
        log_evidence: natural logarithm of that probability.
    """

    mean: np.ndarray
    covariance: np.ndarray
    answers: np.ndarray
    prior: Prior
    log_evidence: float = 0.0

    def value(self, emotion: int, embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) mean and (N,) standard deviation of the reward of embeddings (N, d)."""
        spread = np.einsum("ni,ij,nj->n", embeddings, self.covariance[emotion], embeddings)
        return embeddings @ self.mean[emotion], np.sqrt(np.maximum(spread, 0.0))

    def samples(self, emotion: int, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n, d) weights drawn from the posterior: an ensemble that agrees where the answers were clear."""
        values, vectors = np.linalg.eigh(self.covariance[emotion])
        factor = vectors * np.sqrt(np.maximum(values, 0.0))
        drawn: np.ndarray = self.mean[emotion] + rng.standard_normal((n, len(values))) @ factor.T
        return drawn


class _Mode(NamedTuple):
    """Where Newton came to rest: gradient (N,) and curvature (N,) of the answers' likelihood, and the evidence."""

    gradient: np.ndarray
    curvature: np.ndarray
    log_evidence: float


def fit_reward(
    comparisons: Comparisons, feelings: int, priors: Sequence[Prior] | None = None, mean: np.ndarray | None = None
) -> RewardPosterior:
    """Find the posterior of the reward of each feeling.

    Args:
        comparisons: the answers; none is allowed, and gives the prior back.
        feelings: E, how many feelings there are.
        priors: those to average over, each weighted by its evidence; the default one when left out.
        mean: (E, d) weights believed before any answer; zero when left out.

    Raises:
        ValueError: an answer is about a feeling beyond E, or `mean` does not fit.
    """
    priors = priors or [Prior()]
    d = comparisons.differences.shape[1]
    if len(comparisons) and not 0 <= comparisons.emotions.min() <= comparisons.emotions.max() < feelings:
        raise ValueError(f"feelings {np.unique(comparisons.emotions)} came; there are {feelings}, counted from 0")
    before = np.zeros((feelings, d)) if mean is None else np.asarray(mean, float)
    if before.shape != (feelings, d):
        raise ValueError(f"a mean of shape {before.shape} came; expected ({feelings}, {d})")
    if not len(comparisons):
        covariance = np.stack([priors[0].scale ** 2 * np.eye(d)] * feelings)
        return RewardPosterior(before, covariance, np.zeros(feelings, np.int64), priors[0])
    offset = (before[comparisons.emotions] * comparisons.differences).sum(axis=1)
    inner = comparisons.differences @ comparisons.differences.T
    pairs = np.ix_(comparisons.emotions, comparisons.emotions)
    tried = [(prior, _mode(offset, prior.covariance(feelings)[pairs] * inner)) for prior in priors]
    weights = softmax([mode.log_evidence for _, mode in tried])
    likely = [n for n in np.argsort(-weights) if weights[n] > _NEGLIGIBLE * weights.max()]
    found = [_posterior(comparisons, before, *tried[n]) for n in likely]
    return _averaged(found, weights[likely] / weights[likely].sum())


def _mode(offset: np.ndarray, covariance: np.ndarray) -> _Mode:
    """Most probable utilities of N answers, "the first" each, given their prior mean (N,) and covariance (N, N)."""

    def fit(weights: np.ndarray) -> float:
        deviation = covariance @ weights
        return float(log_expit(offset + deviation).sum() - 0.5 * weights @ deviation)

    weights = np.zeros(len(offset))
    reached = fit(weights)
    for _ in range(_NEWTON_STEPS):
        deviation = covariance @ weights
        likely = expit(offset + deviation)
        root = np.sqrt(np.maximum(likely * (1 - likely), 1e-12))
        factor = cho_factor(np.eye(len(offset)) + root[:, None] * covariance * root, lower=True)
        aim = root**2 * deviation + (1 - likely)
        move = aim - root * cho_solve(factor, root * (covariance @ aim)) - weights
        now = fit(weights + move)
        while now < reached - _CONVERGED and np.abs(move).max() > _CONVERGED:  # too far: the likelihood bends
            move = 0.5 * move
            now = fit(weights + move)
        weights = weights + move
        if now - reached < _CONVERGED * (1 + abs(now)):
            break
        reached = now
    return _Mode(weights, root**2, now - float(np.log(np.diag(factor[0])).sum()))


def _posterior(comparisons: Comparisons, before: np.ndarray, prior: Prior, mode: _Mode) -> RewardPosterior:
    """Carry the mode over answers back to the weights of every feeling."""
    feelings, d = before.shape
    between = prior.covariance(feelings)[:, comparisons.emotions]
    inner = comparisons.differences @ comparisons.differences.T
    total = between[comparisons.emotions] * inner + np.diag(1 / mode.curvature)
    factor = cho_factor(total, lower=True)
    mean, covariance = before.copy(), np.empty((feelings, d, d))
    for one in range(feelings):
        reach = between[one][:, None] * comparisons.differences
        mean[one] += reach.T @ mode.gradient
        covariance[one] = prior.scale**2 * np.eye(d) - reach.T @ cho_solve(factor, reach)
    answers = np.bincount(comparisons.emotions, minlength=feelings)
    return RewardPosterior(mean, covariance, answers, prior, mode.log_evidence)


def _averaged(found: list[RewardPosterior], weights: np.ndarray) -> RewardPosterior:
    """One Gaussian with the mean and covariance of a mixture (Hoeting et al. 1999); the likeliest prior comes first."""
    mean = np.einsum("p,ped->ed", weights, [one.mean for one in found])
    apart = np.stack([one.mean for one in found]) - mean
    covariance = np.einsum("p,peij->eij", weights, [one.covariance for one in found])
    covariance += np.einsum("p,pei,pej->eij", weights, apart, apart)
    first = found[0]
    return RewardPosterior(mean, covariance, first.answers, first.prior, first.log_evidence)


def information_gain(differences: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """(N,) bits that an answer about each of N differences (N, d) is expected to tell of the reward.

    The mutual information of answer and weights, over weights (S, d) drawn from the posterior (Houlsby et al. 2011; for
    preferences Biyik et al. 2019).
    """
    likely = expit(differences @ samples.T)
    mean = likely.mean(axis=1)
    of_mean, of_each = (entr(p) + entr(1 - p) for p in (mean, likely))
    gain: np.ndarray = (of_mean - of_each.mean(axis=1)) / np.log(2)
    return gain


class Question(NamedTuple):
    """Which of two items, by index, is better where the person feels `emotion`; `purpose` tells what chose it."""

    first: int
    second: int
    emotion: int
    purpose: str = "random"


def choose_question(
    posterior: RewardPosterior,
    emotion: int,
    embeddings: np.ndarray,
    rng: np.random.Generator,
    samples: int = 64,
    pool: int = 256,
) -> Question:
    """Choose what to ask next about a feeling, among items with embeddings (N, d) that may be shown for it.

    One in seven questions is random. The others are the most informative of `pool` pairs, half of whose items are best
    under some weights drawn from the posterior: what will never be shown need not be ranked.

    Raises:
        ValueError: there are fewer than two items.
    """
    if len(embeddings) < 2:
        raise ValueError(f"{len(embeddings)} items came; a question compares two")
    if rng.random() < RANDOM_SHARE:
        first, second = rng.choice(len(embeddings), 2, replace=False)
        return Question(int(first), int(second), emotion)
    drawn = posterior.samples(emotion, samples, rng)
    best = np.unique((embeddings @ drawn.T).argmax(axis=0))
    first = np.where(rng.random(pool) < 0.5, rng.choice(best, pool), rng.integers(len(embeddings), size=pool))
    second = np.where(rng.random(pool) < 0.5, rng.choice(best, pool), rng.integers(len(embeddings), size=pool))
    gain = information_gain(embeddings[first] - embeddings[second], drawn)
    one = int(np.where(first == second, -np.inf, gain).argmax())
    if first[one] == second[one]:  # a belief so firm that every pair was of one item
        return choose_question(posterior, emotion, embeddings, rng, samples, pool)
    return Question(int(first[one]), int(second[one]), emotion, "active")
