"""Clips to ask about and a gait engine to show behaviours with, and simulated owners who like some of them better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from perception.emotion import LABELS
from policies.taste.choice import Person, Population, draw_person

FEELINGS = len(LABELS)
Simulate = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""Styles (n, 12), feelings (n,) int and a seed of the circumstances become true features (n, F) of real clips."""


@dataclass(frozen=True)
class StyleWorld:
    """A library of clips, and what makes more.

    Attributes:
        styles: (N, 12) in [0, 1] of the library's clips.
        feelings: (N,) int, which of `LABELS` each clip is an answer to.
        gaits: (N,) int, which of `control.style.STYLE_GAITS` each clip was walked in.
        features: (N, F) in [0, 1], the true features of each clip.
        descriptors: (N, K) of each clip: what the robot may know of it.
        simulate: makes clips by the gait engine.
    """

    styles: np.ndarray
    feelings: np.ndarray
    gaits: np.ndarray
    features: np.ndarray
    descriptors: np.ndarray
    simulate: Simulate

    @property
    def size(self) -> int:
        """N, how many clips."""
        return len(self.styles)


@dataclass(frozen=True)
class Owner:
    """A simulated person whose reward of a clip is its true features times the weights of the feeling.

    Attributes:
        name: of the owner.
        weights: (E, F), each row of unit length.
        person: how consistently they answer.
    """

    name: str
    weights: np.ndarray
    person: Person


def draw_owner(name: str, features: int, sharing: float, rng: np.random.Generator) -> Owner:
    """Draw an owner: weights are normal, a share `sharing` of their variance common to all feelings.

    Nobody is drawn near the table's default, and nobody away from it: what an owner likes is as likely as its opposite.
    """
    common, own = rng.standard_normal((1, features)), rng.standard_normal((FEELINGS, features))
    weights = np.sqrt(sharing) * common + np.sqrt(1.0 - sharing) * own
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return Owner(name, weights, draw_person(Population(), rng))


class Interview:
    """Asks one owner, and keeps count.

    Attributes:
        answers: how many were given.
        seconds: how long that took, by what a query of each kind is assumed to take.
    """

    def __init__(self, owner: Owner, rng: np.random.Generator) -> None:
        self.owner = owner
        self.answers = 0
        self.seconds = 0.0
        self._rng = rng

    def _temperature(self) -> float:
        person = self.owner.person
        return person.temperature * (1 + person.fatigue * self.answers / 100)

    def prefer(self, first: np.ndarray, second: np.ndarray, feeling: int) -> bool:
        """Say whether the clip with features `first` (F,) is better than that with `second`: Bradley-Terry, lapses."""
        gain = float((first - second) @ self.owner.weights[feeling])
        likely = (1 - self.owner.person.lapse) * expit(gain / self._temperature()) + self.owner.person.lapse / 2
        self._count(2)
        return bool(self._rng.random() < likely)

    def rank(self, clips: np.ndarray, feeling: int) -> np.ndarray:
        """(k,) order of clips with features (k, F), best first: Plackett-Luce, of which Bradley-Terry is the pair."""
        gains = clips @ self.owner.weights[feeling] / self._temperature() + self._rng.gumbel(size=len(clips))
        careless = self._rng.random() < self.owner.person.lapse
        self._count(len(clips))
        return self._rng.permutation(len(clips)) if careless else np.argsort(-gains)

    def _count(self, items: int) -> None:
        self.answers += 1
        self.seconds += query_seconds(items)


def query_seconds(items: int) -> float:
    """Seconds that a query of so many clips is assumed to take; nobody was timed.

    Two clips 6 s and three 8 s (clips of some 3 s play side by side), and 4 s for each one more to put into order.
    """
    return 6.0 + 2.0 * (items > 2) + 4.0 * max(items - 3, 0)


def turns(answers: int, feelings: Sequence[int]) -> list[int]:
    """Which feeling each of so many questions is about: in turn, so that they are spread evenly."""
    return [feelings[n % len(feelings)] for n in range(answers)]


def synthetic_world(clips: int, rng: np.random.Generator, noise: float = 0.03) -> StyleWorld:
    """Return a world without a gait engine, for tests: features bend the style a little, descriptors mix them."""
    bend, mixing = rng.normal(size=(12, 12)) * 0.15, rng.normal(size=(12, 40))

    def features(styles: np.ndarray, feelings: np.ndarray, seed: int) -> np.ndarray:
        shaken = np.random.default_rng([seed, 5]).normal(0, noise, styles.shape)
        shifted = styles + np.tanh((styles - 0.5) @ bend) * 0.3 + 0.02 * feelings[:, None] + shaken
        found: np.ndarray = np.clip(shifted, 0.0, 1.0)
        return found

    styles, feelings = rng.random((clips, 12)), rng.integers(FEELINGS, size=clips)
    true = features(styles, feelings, 0)
    descriptors = np.tanh((true - 0.5) @ mixing * 0.5) + rng.normal(0, noise, (clips, 40))
    return StyleWorld(styles, feelings, rng.integers(2, size=clips), true, descriptors, features)
