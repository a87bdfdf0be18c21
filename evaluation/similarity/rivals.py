"""Later works against ours in the closed loop: the same owners, clips, gait engine and trusted box.

What each learns from, beside the owner's own answers:

- ours: similarity answers of ten other people; then active pairs, a Bayesian linear reward and `best_style`; a second
  row puts four clips in order in each answer, which is the question of CMA-ES-IG;
- CLEA: as many behaviours that ten other people tried or passed over; then as ours;
- VICE: as many similarity answers, about 200 clips only, which it places without a map; then as ours;
- LGPL prior: the emotion table in the place of a language model; then active pairs, linear in the style;
- handshakes: nothing; ten random pairs and no more, linear in the style (arXiv 2406.19893);
- CMA-ES-IG: nothing; each answer puts four styles in order and takes twice as long or longer, linear in the style;
- RAPL, SARA: nothing; random pairs align the descriptors, the reward is nearness to what was preferred. Both stand
  there a second time with our embedding, which tells their reward from what it is computed on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from evaluation.similarity.closed_loop import OURS, ClosedLoopOptions, run_methods, table_prior
from evaluation.similarity.closed_loop_clips import clip_world
from evaluation.similarity.closed_loop_learned import exploration_embedding, item_coordinates, similarity_embedding
from evaluation.similarity.closed_loop_methods import LinearTaste, Method, StyleProblem
from evaluation.similarity.rival_methods import PreferredSet, RankedStrategy
from policies.taste.optimiser import StyleLibrary, StyleMap
from policies.taste.rivals import nearest_preferred, similarity_to_preferred

ANSWERS = (30, 100)


def rival_methods(problem: StyleProblem, options: ClosedLoopOptions) -> list[Method]:
    """Ours first, then the rivals."""
    world, seed, budget = problem.world, options.seed, options.similarity_answers
    rng = np.random.default_rng([seed, 37])
    styles = world.styles
    seen = StyleMap.fit(StyleLibrary(styles, world.features, world.gaits), rng)
    embedded = similarity_embedding(world, budget, seed)
    ours = LinearTaste.on(OURS, problem, embedded, rng)
    return [
        ours,
        replace(ours, name=f"{OURS}, four in order", shown=4),
        LinearTaste.on("CLEA", problem, exploration_embedding(world, budget, seed), rng),
        _placed(problem, budget, seed, rng),
        table_prior("LGPL prior", problem, rng),
        LinearTaste.on("handshakes", problem, styles, rng, active=False, most_answers=10, blended=False),
        RankedStrategy("CMA-ES-IG", problem, seen),
        PreferredSet("RAPL", problem, nearest_preferred),
        PreferredSet("RAPL, our embedding", problem, nearest_preferred, ours.embeddings),
        PreferredSet("SARA", problem, similarity_to_preferred),
        PreferredSet("SARA, our embedding", problem, similarity_to_preferred, ours.embeddings),
    ]


def _placed(problem: StyleProblem, answers: int, seed: int, rng: np.random.Generator) -> LinearTaste:
    """VICE: only the clips that it has placed can be asked about."""
    chosen, places = item_coordinates(problem.world, answers, seed)
    world = problem.world
    part = replace(
        world,
        styles=world.styles[chosen],
        feelings=world.feelings[chosen],
        gaits=world.gaits[chosen],
        features=world.features[chosen],
        descriptors=world.descriptors[chosen],
    )
    return LinearTaste.on("VICE", replace(problem, world=part), places, rng)


def run(options: ClosedLoopOptions | None = None) -> list[dict[str, Any]]:
    """Return a row for each method and number of answers, ours first; see `closed_loop.run`.

    Raises:
        ValueError: options out of range.
    """
    options = options or ClosedLoopOptions(answers=ANSWERS)
    return run_methods(options, rival_methods, clip_world(options.clips, options.workers, options.engine))
