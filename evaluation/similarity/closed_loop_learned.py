"""Embeddings learnt from other people's answers before an owner comes: ours and those of later works."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evaluation.similarity.closed_loop_world import StyleWorld
from learning.similarity.baselines import ContrastiveConfig, ExplorationLog, fit_contrastive, simulate_exploration
from learning.similarity.coordinates import CoordinatesConfig, fit_coordinates
from learning.similarity.encoders import LINEAR
from learning.similarity.fit import SimilarityConfig, fit_inputs
from learning.trainer import Schedule
from policies.taste.choice import Population, draw_person
from policies.taste.queries import Answers, random_queries
from policies.taste.teachers import ScriptedTeacher

PEOPLE = 10
"""Other people, none of them an owner, who answered before."""
_EXPLORED = ContrastiveConfig(encoder=LINEAR, sparsity=30.0)
_PREFERRED = ContrastiveConfig(encoder=LINEAR, schedule=Schedule(150), sparsity=10.0)
"""CLEA, RAPL and SARA get the same sparse encoder of descriptors as ours: what differs is what they learn from."""


def similarity_answers(
    world: StyleWorld, answers: int, rng: np.random.Generator, items: np.ndarray | None = None
) -> Answers:
    """Ask `PEOPLE` scripted people which two of three clips are most alike, `answers` times in all.

    They compare by the true features, each with tastes of their own: weights are log-normal about 1 with deviation .3.
    `items` (M,) int are the clips that can be asked about; all when left out. The answers name clips of the library.
    """
    items = np.arange(world.size) if items is None else items
    given = []
    for one in range(PEOPLE):
        weights = np.exp(0.3 * rng.standard_normal(world.features.shape[1]))
        teacher = ScriptedTeacher(world.features, weights, draw_person(Population(), rng), rng, f"person {one}")
        for query in random_queries(answers // PEOPLE + (one < answers % PEOPLE), len(items), rng):
            first, second, third = (int(items[item]) for item in query.items)
            given.append(teacher.answer(query._replace(items=(first, second, third))))
    return Answers.of(given)


def similarity_embedding(world: StyleWorld, answers: int, seed: int, dimensions: int = 6) -> np.ndarray:
    """(N, d) of the library's clips, by what was learnt from so many similarity answers: ours."""
    given = similarity_answers(world, answers, np.random.default_rng([seed, 41]))
    config = SimilarityConfig(encoder=replace(LINEAR, dimensions=dimensions))
    return fit_inputs(world.descriptors, given, config, seed).representation.embed(world.descriptors)


def exploration_embedding(world: StyleWorld, trials: int, seed: int) -> np.ndarray:
    """(N, d) as CLEA learns it (arXiv 2501.01367): from what people tried and passed over, one trial for an answer."""
    log = simulate_exploration(world.features, trials, np.random.default_rng([seed, 43]), PEOPLE)
    return fit_contrastive(world.descriptors, log, _EXPLORED, seed).embed(world.descriptors)


def item_coordinates(world: StyleWorld, answers: int, seed: int, items: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """(M,) clips and their (M, d) places, as VICE learns them (arXiv 2205.00756) from similarity answers.

    It has no map, so the answers are spent on `items` clips only.
    """
    rng = np.random.default_rng([seed, 47])
    chosen = rng.choice(world.size, min(items, world.size), replace=False)
    given = similarity_answers(world, answers, rng, chosen)
    place = np.full(world.size, -1)
    place[chosen] = np.arange(len(chosen))
    about_chosen = replace(given, items=place[given.items])
    return chosen, fit_coordinates(len(chosen), about_chosen, CoordinatesConfig("vice"), seed)


def preference_embedding(
    world: StyleWorld, better: np.ndarray, worse: np.ndarray, about: np.ndarray, seed: int
) -> np.ndarray:
    """(N, d) aligned by one owner's own preferences, as RAPL makes triplets of them (arXiv 2310.07932).

    Two clips that were preferred for the same feeling are to be near each other, and far from one that was not. Where a
    feeling has fewer than two answers, all feelings count as one.

    Args:
        world: the library.
        better: (n,) clips that were preferred.
        worse: (n,) those that were not.
        about: (n,) int, the feelings.
        seed: of the first weights and the triplets.
    """
    if len(better) < 2:
        return world.descriptors
    groups = [np.flatnonzero(about == feeling) for feeling in np.unique(about)]
    least = min(len(group) for group in groups)
    rows = np.stack([group[:least] for group in groups]) if least >= 2 else np.arange(len(better))[None]
    log = ExplorationLog(better[rows], worse[rows])
    return fit_contrastive(world.descriptors, log, _PREFERRED, seed).embed(world.descriptors)
