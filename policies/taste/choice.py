"""How people answer "which two are most alike?": a softmax over three pairs with lapses, habits and doubt.

P(pair p | person) = (1 - e - c) softmax_p((b_p - d_p) / tau) + e / 3 and P(cannot tell | person) = c, where d_p is the
squared distance of the pair, e the lapse, b_p the habit of choosing a position, and c = k sigmoid(a - margin / tau) the
doubt, with the margin between the nearest pair and the second. Without e, c and b it is the softmax over pairs of
Zheng et al. (SPoSE, 2019); the lapse is that of psychometric functions (Wichmann & Hill 2001).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit, softmax

from policies.taste.queries import PAIRS


@dataclass(frozen=True)
class Person:
    """Parameters of one person's choices.

    Attributes:
        temperature: tau > 0, in the unit of the squared distances; small is consistent.
        lapse: e, share of answers that are given at random.
        cannot_tell: k, share of "cannot tell" where nothing is nearer than anything else.
        indifference_margin: a, in units of tau: how large a margin still leaves doubt.
        position_bias: (3,) b, what is taken off the squared distance of each of `PAIRS` by habit.
        fatigue: relative growth of tau in a hundred answers.
        seconds_median: of an answer.
        seconds_sigma: of the logarithm of the seconds.
    """

    temperature: float = 0.05
    lapse: float = 0.05
    cannot_tell: float = 0.0
    indifference_margin: float = 1.0
    position_bias: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fatigue: float = 0.0
    seconds_median: float = 8.0
    seconds_sigma: float = 0.4

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"temperature {self.temperature} came; it must be above 0")
        if not (0 <= self.lapse <= 1 and 0 <= self.cannot_tell <= 1 and self.lapse + self.cannot_tell <= 1):
            raise ValueError(
                f"lapse {self.lapse} and cannot_tell {self.cannot_tell} came; each is 0 to 1, and so is their sum"
            )
        if len(self.position_bias) != len(PAIRS):
            raise ValueError(f"{len(self.position_bias)} position biases came; expected {len(PAIRS)}")
        if self.fatigue < 0 or self.seconds_median <= 0 or self.seconds_sigma < 0:
            raise ValueError(
                f"fatigue {self.fatigue}, seconds_median {self.seconds_median} and seconds_sigma {self.seconds_sigma} "
                "came; the median is above 0, the others not below"
            )


CLEAN = Person(temperature=1e-9, lapse=0.0)
"""Always the nearest pair: an answer without error."""


def careless(wrong_share: float) -> Person:
    """Somebody who knows the nearest pair and gives `wrong_share` of wrong answers: a lapse is right one time in 3.

    Raises:
        ValueError: the share is not within 0 to 2/3.
    """
    if not 0 <= wrong_share <= 2 / 3:
        raise ValueError(f"a share of {wrong_share} wrong answers came; random ones are 2/3, so 0 to 2/3 is allowed")
    return replace(CLEAN, lapse=min(1.5 * wrong_share, 1.0))


@dataclass(frozen=True)
class Population:
    """Distributions that persons are drawn from: log-normal, logit-normal and normal (median or mean, and deviation).

    `position_bias` is a deviation in units of the median temperature.
    """

    temperature: float = 0.05
    temperature_sigma: float = 0.5
    lapse: float = 0.05
    lapse_sigma: float = 1.0
    cannot_tell: float = 0.1
    cannot_tell_sigma: float = 1.0
    indifference_margin: float = 1.0
    indifference_margin_sigma: float = 0.5
    position_bias: float = 0.2
    fatigue: float = 0.1
    fatigue_sigma: float = 0.5
    seconds_median: float = 8.0
    seconds_median_sigma: float = 0.3
    seconds_sigma: float = 0.4


def draw_person(population: Population, rng: np.random.Generator) -> Person:
    """One person out of a population; the same generator gives the same person."""
    temperature, fatigue, seconds = (
        float(median * np.exp(sigma * rng.standard_normal()))
        for median, sigma in (
            (population.temperature, population.temperature_sigma),
            (population.fatigue, population.fatigue_sigma),
            (population.seconds_median, population.seconds_median_sigma),
        )
    )
    lapse = float(expit(logit(population.lapse) + population.lapse_sigma * rng.standard_normal()))
    doubt = float(expit(logit(population.cannot_tell) + population.cannot_tell_sigma * rng.standard_normal()))
    first, second, third = (population.position_bias * population.temperature * rng.standard_normal(3)).tolist()
    margin = population.indifference_margin + population.indifference_margin_sigma * rng.standard_normal()
    return Person(
        temperature=temperature,
        lapse=lapse,
        cannot_tell=min(doubt, 1.0 - lapse),
        indifference_margin=float(margin),
        position_bias=(first, second, third),
        fatigue=fatigue,
        seconds_median=seconds,
        seconds_sigma=population.seconds_sigma,
    )


def pair_distances(positions: np.ndarray, items: np.ndarray) -> np.ndarray:
    """(N, 3) squared distances in the order of `PAIRS`, of items (N, 3) int at positions (M, d)."""
    return np.stack([((positions[items[:, i]] - positions[items[:, j]]) ** 2).sum(axis=1) for i, j in PAIRS], axis=1)


def choice_probabilities(squared_distances: np.ndarray, person: Person, answered: float | np.ndarray = 0) -> np.ndarray:
    """(N, 4) probabilities of the three pairs and of "cannot tell"; rows sum to 1.

    Args:
        squared_distances: (N, 3) in the order of `PAIRS`.
        person: who answers.
        answered: how many questions they have answered before: a number, or (N,).

    Raises:
        ValueError: the distances are not (N, 3).
    """
    distances = np.asarray(squared_distances, float)
    if distances.ndim != 2 or distances.shape[1] != len(PAIRS):
        raise ValueError(f"squared distances of shape {distances.shape} came; expected (N, {len(PAIRS)})")
    tau = person.temperature * (1 + person.fatigue * np.asarray(answered, float) / 100)
    tau = np.broadcast_to(tau, len(distances))[:, None]
    ordered = np.sort(distances, axis=1)
    doubt = person.cannot_tell * expit(person.indifference_margin - (ordered[:, 1:2] - ordered[:, :1]) / tau)
    sure = softmax((np.asarray(person.position_bias) - distances) / tau, axis=1)
    return np.concatenate([(1 - person.lapse - doubt) * sure + person.lapse / len(PAIRS), doubt], axis=1)
