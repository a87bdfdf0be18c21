"""Later works as methods of the closed loop: see `policies.taste.rivals` for what they compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from evaluation.similarity.closed_loop_learned import preference_embedding
from evaluation.similarity.closed_loop_methods import Proposal, StyleProblem
from evaluation.similarity.closed_loop_world import FEELINGS, Interview
from policies.taste.optimiser import StyleLibrary, StyleMap, best_style, trusted
from policies.taste.preferences import Comparisons, fit_reward, unit_size
from policies.taste.rivals import CmaEsIg

SetReward = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Rewards (n,) of embeddings (n, d), given the preferred ones (P, d)."""


@dataclass
class PreferredSet:
    """RAPL and SARA: an embedding aligned by the owner's own preferences, and a reward by nearness to what they liked.

    Attributes:
        name: of the method.
        problem: what it is given.
        reward: nearness to the preferred set.
        embeddings: (N, d) of the library's clips, of unit size, in place of one that is aligned.
    """

    name: str
    problem: StyleProblem
    reward: SetReward
    embeddings: np.ndarray | None = None

    def teach(
        self, interview: Interview, asked: Sequence[int], marks: Sequence[int], rng: np.random.Generator
    ) -> list[Proposal]:
        """Ask about random pairs; see `closed_loop_methods.Method`."""
        world = self.problem.world
        pairs: list[tuple[int, int]] = []
        proposals = []
        for n in range(max(marks) + 1):
            if n in marks:
                proposals.append(self._proposal(interview, pairs, asked, rng))
            if n < max(marks):
                first, second = (int(one) for one in rng.choice(world.size, 2, replace=False))
                liked = interview.prefer(world.features[first], world.features[second], asked[n])
                pairs.append((first, second) if liked else (second, first))
        return proposals

    def _proposal(
        self, interview: Interview, pairs: list[tuple[int, int]], asked: Sequence[int], rng: np.random.Generator
    ) -> Proposal:
        problem = self.problem
        shown = dict(enumerate(problem.defaults))
        if not pairs:
            return Proposal(interview.answers, interview.seconds, shown)
        better, worse = np.array(pairs).T
        about = np.array(asked[: len(pairs)])
        sized = self.embeddings
        if sized is None:
            aligned = preference_embedding(problem.world, better, worse, about, int(rng.integers(2**31)))
            sized = unit_size(aligned)
        style_map = StyleMap.fit(StyleLibrary(problem.world.styles, sized, problem.world.gaits), rng)
        for feeling in range(FEELINGS):
            # With no answer about a feeling, what was liked for the others is all there is to go by.
            preferred = sized[better[about == feeling] if (about == feeling).any() else better]
            gait = int(problem.gaits[feeling])
            worth = partial(self._worth, style_map, gait, preferred)
            shown[feeling] = best_style(worth, problem.defaults[feeling], rng, problem.radius)
        return Proposal(interview.answers, interview.seconds, shown)

    def _worth(self, style_map: StyleMap, gait: int, preferred: np.ndarray, styles: np.ndarray) -> np.ndarray:
        return self.reward(style_map.predict(styles, gait), preferred)


@dataclass
class RankedStrategy:
    """CMA-ES-IG: one strategy for each feeling, and a Bayesian belief of a reward that is linear in the style.

    The owner sees styles that were never walked, so their features are foretold from the library; what is shown in the
    end is walked like everybody's.

    Attributes:
        name: of the method.
        problem: what it is given.
        seen: foretells the true features of a style, for the owner's eyes only.
    """

    name: str
    problem: StyleProblem
    seen: StyleMap
    _scale: float = field(init=False)

    def __post_init__(self) -> None:
        styles = self.problem.world.styles
        self._scale = float(np.sqrt(((styles - styles.mean(axis=0)) ** 2).sum(axis=1).mean()))

    def teach(
        self, interview: Interview, asked: Sequence[int], marks: Sequence[int], rng: np.random.Generator
    ) -> list[Proposal]:
        """Ask for rankings; each counts as one answer and takes as long as it takes."""
        problem = self.problem
        strategies = [CmaEsIg(start, *trusted(start, problem.radius)) for start in problem.defaults]
        rows: list[np.ndarray] = []
        about: list[int] = []
        proposals = []
        for n in range(max(marks) + 1):
            if n in marks:
                proposals.append(self._proposal(interview, rows, about, rng))
            if n < max(marks):
                feeling = asked[n]
                items = strategies[feeling].query(rng)
                features = self.seen.predict(items, int(problem.gaits[feeling]))
                order = interview.rank(features, feeling)
                strategies[feeling].update(items, order)
                # An order of k items holds k - 1 comparisons of neighbours.
                rows.extend((items[order[:-1]] - items[order[1:]]) / self._scale)
                about.extend([feeling] * (len(items) - 1))
        return proposals

    def _proposal(
        self, interview: Interview, rows: list[np.ndarray], about: list[int], rng: np.random.Generator
    ) -> Proposal:
        problem = self.problem
        differences = np.array(rows).reshape(-1, problem.defaults.shape[1])
        belief = fit_reward(Comparisons(differences, np.array(about, np.int64)), FEELINGS)
        shown = dict(enumerate(problem.defaults))
        for feeling in range(FEELINGS) if rows else ():
            worth = partial(np.dot, b=belief.mean[feeling])
            shown[feeling] = best_style(worth, problem.defaults[feeling], rng, problem.radius)
        return Proposal(interview.answers, interview.seconds, shown)
