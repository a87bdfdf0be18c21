"""The style task as a world of the closed loop: its library of clips, and more of them from the gait engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from control.style import STYLE_GAITS, ExpressiveStyle
from envs.trajectories.style_clip import draw_spec
from envs.trajectories.style_library import load_clips, walked
from envs.trajectories.style_measures import descriptors, features
from envs.trajectories.task import DEFAULT_CACHE
from evaluation.similarity.closed_loop_methods import StyleProblem
from evaluation.similarity.closed_loop_world import StyleWorld
from policies.taste.priors import table_gaits, table_styles
from robots.parallel import Engine, in_order

CIRCUMSTANCES = 2
"""Clips of a style, of different phase, heading and side, over whose features what is shown is averaged."""
_TRIES = 8


def shown_features(work: tuple[np.ndarray, int, int]) -> np.ndarray:
    """(F,) features of what is shown: a style (12,), a feeling and a seed become clips in the gait of the table.

    Raises:
        RuntimeError: the dog falls again and again.
    """
    vector, feeling, seed = work
    style, gait = ExpressiveStyle.from_vector(vector), STYLE_GAITS[int(table_gaits()[feeling])]
    found: list[np.ndarray] = []
    for trial in range(_TRIES):
        rng = np.random.default_rng([seed, feeling, trial])
        states = walked(replace(draw_spec(rng, feeling, style), gait=gait))
        if states is not None:
            found.append(features(states[None])[0])
        if len(found) == CIRCUMSTANCES:
            return np.asarray(np.mean(found, axis=0))
    raise RuntimeError(f"the dog fell in {_TRIES - len(found)} of {_TRIES} clips of {style}")


def clip_world(clips: int, workers: int = 2, engine: Engine = "processes", folder: Path = DEFAULT_CACHE) -> StyleWorld:
    """Return the world of real clips; the library is made where `folder` does not hold it."""
    library = load_clips(clips, folder=folder, workers=workers)

    def simulate(styles: np.ndarray, feelings: np.ndarray, seed: int) -> np.ndarray:
        work = [(style, int(feeling), seed) for style, feeling in zip(styles, feelings, strict=True)]
        return np.stack(list(in_order(shown_features, work, workers, engine)))

    extras = library.extras
    return StyleWorld(
        extras["style"],
        extras["emotion"],
        extras["gait"],
        features(library.states),
        descriptors(library.states).astype(float),
        simulate,
    )


def table_problem(world: StyleWorld, radius: float) -> StyleProblem:
    """Return what every method is given: the world, the shipped behaviour table, and the trusted box."""
    defaults = np.stack([style.vector() for style in table_styles().values()])
    return StyleProblem(world, defaults, table_gaits(), radius)
