"""Who chooses comparisons while people answer: at random, by coverage, or a lab's own way."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from apps.study.config import Block
from apps.study.schedule import SIZES, Given, draw_items
from apps.study.stimuli import TaskStimuli


class Asked(NamedTuple):
    """Inputs of an adaptive policy: the block's stimuli and this person's answers in the block so far.

    `descriptors` are (items, K) statistics of each animation's motion, without the true features among them.
    """

    block: Block
    stimuli: TaskStimuli
    answers: tuple[Given, ...]
    descriptors: np.ndarray


class QueryPolicy(Protocol):
    """Chooses the next comparison. It must follow from its arguments alone; what it chose is kept in the log."""

    def choose(self, asked: Asked, rng: np.random.Generator) -> tuple[str, ...]:
        """Ids of different items: 3 of a triplet, 2 of a preference, 7 of a grid (reference first)."""


class RandomPolicy:
    """Any items with equal chance."""

    def choose(self, asked: Asked, rng: np.random.Generator) -> tuple[str, ...]:
        """See `QueryPolicy`."""
        return draw_items(asked.stimuli.items, SIZES[asked.block.kind], rng)


class CoveragePolicy:
    """Items that were shown least often so far; among equals, at random."""

    def choose(self, asked: Asked, rng: np.random.Generator) -> tuple[str, ...]:
        """See `QueryPolicy`."""
        shown = dict.fromkeys(asked.stimuli.items, 0)
        for given in asked.answers:
            for item in given.items:
                shown[item] += 1
        shuffled = rng.permutation(np.array(asked.stimuli.items))
        least = sorted(shuffled, key=lambda item: shown[item])[: SIZES[asked.block.kind]]
        return tuple(map(str, rng.permutation(np.array(least))))


POLICIES: dict[str, QueryPolicy] = {"random": RandomPolicy(), "coverage": CoveragePolicy()}
