"""Scripted people: they compare what they see by weighted features, and answer as the choice model says."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from policies.taste.choice import Person, choice_probabilities, pair_distances
from policies.taste.queries import CANNOT_TELL, PAIRS, Answer, SimilarityQuery
from policies.taste.selection import GridQuery


class ScriptedTeacher:
    """Somebody to whom two items are as far apart as their weighted features.

    Args:
        features: (N, F) in [0, 1], of all items that a query can name.
        weights: (F,) >= 0, how much each squared difference counts.
        person: how consistent they are.
        rng: draws their answers.
        name: stands in the answers.

    Attributes:
        answered: how many queries they have answered; fatigue grows with it.

    Raises:
        ValueError: shapes that do not fit, features outside [0, 1], or a weight below 0.
    """

    def __init__(
        self, features: np.ndarray, weights: np.ndarray, person: Person, rng: np.random.Generator, name: str = ""
    ) -> None:
        features, weights = np.asarray(features, float), np.asarray(weights, float)
        if features.ndim != 2 or weights.shape != features.shape[1:]:
            raise ValueError(f"features {features.shape} and weights {weights.shape} came; expected (N, F) and (F,)")
        if not np.isfinite(features).all() or features.min(initial=0) < -1e-6 or features.max(initial=0) > 1 + 1e-6:
            raise ValueError(f"features in [{features.min()}, {features.max()}] came; expected finite ones in [0, 1]")
        if not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise ValueError(f"weights {weights.tolist()} came; none may be below 0")
        self.features, self.weights, self.person, self.name = features, weights, person, name
        self.answered = 0
        self._rng = rng
        self._positions = features * np.sqrt(weights)

    def probabilities(self, items: np.ndarray) -> np.ndarray:
        """(N, 4) of the three pairs and "cannot tell", were queries (N, 3) asked one after the other from now on."""
        before = self.answered + np.arange(len(items))
        return choice_probabilities(pair_distances(self._positions, items), self.person, before)

    def choose(self, items: np.ndarray) -> np.ndarray:
        """(N,) choices for queries (N, 3) int: indices of `PAIRS`, or `CANNOT_TELL`."""
        reached = self.probabilities(items).cumsum(axis=1)
        found = (self._rng.random((len(items), 1)) * reached[:, -1:] >= reached).sum(axis=1)
        self.answered += len(items)
        return np.where(found >= len(PAIRS), CANNOT_TELL, found)

    def answer(self, query: SimilarityQuery) -> Answer:
        """Say which two are most alike, and how long it took."""
        choice = int(self.choose(np.array([query.items]))[0])
        seconds = self.person.seconds_median * np.exp(self.person.seconds_sigma * self._rng.standard_normal())
        return Answer(query, choice, self.name, float(seconds))

    def pick(self, query: GridQuery) -> tuple[int, ...]:
        """Say which of the items are most like the reference, as indices of `query.items`, ascending.

        Without a lapse one after the other is chosen by a softmax over -distance / tau (Plackett & Luce).
        """
        tau = self.person.temperature * (1 + self.person.fatigue * self.answered / 100)
        self.answered += 1
        apart = np.square(self._positions[list(query.items)] - self._positions[query.reference]).sum(axis=1)
        luck = self._rng.gumbel(size=len(query.items))
        careless = self._rng.random() < self.person.lapse
        ordered = np.argsort(-luck if careless else apart - tau * luck)
        return tuple(sorted(ordered[: query.choose].tolist()))

    def prefer(self, i: int, j: int, reward_weights: np.ndarray) -> bool:
        """Say whether item i is better than item j to somebody whose reward is features @ reward_weights, (F,).

        P = (1 - e) sigmoid((r_i - r_j) / tau) + e / 2 (Bradley & Terry 1952, with the person's lapse).
        """
        gain = float((self.features[i] - self.features[j]) @ np.asarray(reward_weights, float))
        tau = self.person.temperature * (1 + self.person.fatigue * self.answered / 100)
        likely = (1 - self.person.lapse) * expit(gain / tau) + self.person.lapse / 2
        self.answered += 1
        return bool(self._rng.random() < likely)
