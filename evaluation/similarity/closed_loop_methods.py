"""Ways to find out what an owner likes: each asks, and after so many answers proposes a style for every feeling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from evaluation.similarity.closed_loop_world import FEELINGS, Interview, StyleWorld
from policies.taste.applied import blend
from policies.taste.optimiser import StyleLibrary, StyleMap, choose_style
from policies.taste.preferences import Comparisons, Prior, RewardPosterior, choose_question, fit_reward, unit_size


class Proposal(NamedTuple):
    """After `answers`, which took `seconds`: the style (12,) in [0, 1] that is shown for each feeling."""

    answers: int
    seconds: float
    shown: Mapping[int, np.ndarray]


@dataclass(frozen=True)
class StyleProblem:
    """What every method is given: where it may ask, and from where and how far it may change styles.

    Attributes:
        world: clips to ask about.
        defaults: (E, 12) in [0, 1], the table's style for each feeling.
        gaits: (E,) int, the gait that the table walks in for each feeling.
        radius: of the trusted box, which binds every method.
    """

    world: StyleWorld
    defaults: np.ndarray
    gaits: np.ndarray
    radius: float

    def bounded(self, style: np.ndarray, feeling: int) -> np.ndarray:
        """(12,) the nearest style inside the trusted box of a feeling."""
        default = self.defaults[feeling]
        near: np.ndarray = np.clip(style, np.maximum(default - self.radius, 0), np.minimum(default + self.radius, 1))
        return near


class Method(Protocol):
    """A way to find out what an owner likes."""

    name: str

    def teach(
        self, interview: Interview, asked: Sequence[int], marks: Sequence[int], rng: np.random.Generator
    ) -> list[Proposal]:
        """Ask one question about each feeling of `asked` in turn, and propose after as many answers as `marks` say."""


@dataclass
class LinearTaste:
    """Bayesian linear reward on an embedding, active questions, and the style with the best lower bound.

    Attributes:
        name: of the method.
        problem: what it is given.
        embeddings: (N, d) of the library's clips, of unit size.
        style_map: foretells them from styles.
        priors: to average over; None: the default one.
        mean: (E, d) weights believed before any answer.
        active: whether questions are chosen by what they tell; otherwise they are random.
        most_answers: it stops asking after so many.
        blended: whether what is unsure is shown in part only.
        shown: clips of a question: 2 are compared, more are put in order.

    Raises:
        ValueError: a question would need more clips than there are.
    """

    name: str
    problem: StyleProblem
    embeddings: np.ndarray
    style_map: StyleMap
    priors: Sequence[Prior] | None = None
    mean: np.ndarray | None = None
    active: bool = True
    most_answers: int = 10**9
    blended: bool = True
    shown: int = 2

    def __post_init__(self) -> None:
        if not 2 <= self.shown <= len(self.embeddings):
            raise ValueError(
                f"a question about {self.shown} of {len(self.embeddings)} clips came; it compares 2 or more"
            )

    @classmethod
    def on(
        cls, name: str, problem: StyleProblem, embeddings: np.ndarray, rng: np.random.Generator, **more: object
    ) -> LinearTaste:
        """Make one on embeddings (N, d) of the library; its style map is fitted here."""
        sized = unit_size(embeddings)
        library = StyleLibrary(problem.world.styles, sized, problem.world.gaits)
        return cls(name, problem, sized, StyleMap.fit(library, rng), **more)  # type: ignore[arg-type]

    def teach(
        self, interview: Interview, asked: Sequence[int], marks: Sequence[int], rng: np.random.Generator
    ) -> list[Proposal]:
        """See `Method`."""
        differences: list[np.ndarray] = []
        about: list[int] = []
        posterior = self._fit(differences, about)
        proposals = []
        for n in range(max(marks) + 1):
            if n in marks:
                proposals.append(self._proposal(interview, self._fit(differences, about), rng))
            if n == max(marks) or n >= self.most_answers:
                continue
            order = self._answer(interview, self._question(posterior, asked[n], rng), asked[n])
            # An order of k clips holds k - 1 comparisons of neighbours.
            differences.extend(self.embeddings[order[:-1]] - self.embeddings[order[1:]])
            about.extend([asked[n]] * (len(order) - 1))
            if self.active:
                posterior = self._fit(differences, about)
        return proposals

    def _question(self, posterior: RewardPosterior, feeling: int, rng: np.random.Generator) -> np.ndarray:
        """(k,) different clips to ask about."""
        if not self.active:
            return rng.choice(len(self.embeddings), self.shown, replace=False)
        items: list[int] = []
        while len(items) < self.shown:
            question = choose_question(posterior, feeling, self.embeddings, rng)
            items.extend(one for one in question[:2] if one not in items)
        return np.array(items[: self.shown])

    def _answer(self, interview: Interview, items: np.ndarray, feeling: int) -> np.ndarray:
        """(k,) the clips, best first."""
        features = self.problem.world.features[items]
        if len(items) == 2:
            return items if interview.prefer(features[0], features[1], feeling) else items[::-1]
        return items[interview.rank(features, feeling)]

    def _fit(self, differences: list[np.ndarray], about: list[int]) -> RewardPosterior:
        rows = np.array(differences).reshape(-1, self.embeddings.shape[1])
        given = Comparisons(rows, np.array(about, np.int64))
        return fit_reward(given, FEELINGS, self.priors, self.mean)

    def _proposal(self, interview: Interview, posterior: RewardPosterior, rng: np.random.Generator) -> Proposal:
        problem = self.problem
        shown = {}
        for feeling in range(FEELINGS):
            default = problem.defaults[feeling]
            gait = int(problem.gaits[feeling])
            chosen = choose_style(posterior, feeling, self.style_map, gait, default, rng, problem.radius)
            share = blend(chosen.sureness) if self.blended else 1.0
            shown[feeling] = default + share * (chosen.vector - default)
        return Proposal(interview.answers, interview.seconds, shown)


@dataclass
class RandomSearch:
    """Keep a style until the owner likes a random one better: the plainest use of the same question."""

    name: str
    problem: StyleProblem

    def teach(
        self, interview: Interview, asked: Sequence[int], marks: Sequence[int], rng: np.random.Generator
    ) -> list[Proposal]:
        """See `Method`; what is compared with the default is the clip of the library that is nearest to it."""
        world, problem = self.problem.world, self.problem
        held = [int(((world.styles - default) ** 2).sum(axis=1).argmin()) for default in problem.defaults]
        shown = dict(enumerate(problem.defaults))
        proposals = []
        for n in range(max(marks) + 1):
            if n in marks:
                proposals.append(Proposal(interview.answers, interview.seconds, dict(shown)))
            if n == max(marks):
                break
            feeling = asked[n]
            other = int(rng.integers(world.size))
            if interview.prefer(world.features[other], world.features[held[feeling]], feeling):
                held[feeling] = other
                shown[feeling] = problem.bounded(world.styles[other], feeling)
        return proposals
