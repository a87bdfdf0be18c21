"""Every way to an embedding that the comparison knows: one function from a problem to the embedding of all items."""

from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from envs.trajectories.grid import split
from envs.trajectories.task import Trajectories, TrajectoryTask
from evaluation.similarity.metrics import draw_rewards
from learning.similarity import baselines
from learning.similarity.coordinates import CoordinatesConfig, Method, fit_coordinates
from learning.similarity.encoders import EncoderConfig
from learning.similarity.fit import (
    ON_DESCRIPTORS,
    ON_RELATIONS,
    ON_WAYPOINTS,
    PAPER,
    Similarity,
    SimilarityConfig,
    fit_inputs,
)
from learning.similarity.inputs import inputs_of
from learning.similarity.preferences import PreferenceConfig, ask_preferences, fit_preferences
from learning.trainer import Schedule
from policies.taste.choice import CLEAN, careless
from policies.taste.queries import Answers, random_queries
from policies.taste.representation import Inputs
from policies.taste.teachers import ScriptedTeacher

TRAJECTORIES, STYLE_CLIPS = 10_000, 2_400
CACHE = Path(__file__).resolve().parents[2] / "runs" / "cache"
"""Where clips of the dog are kept once they have been walked."""
FEW_ITEMS = 60
"""Items where methods without a map are compared: there, 300 answers name each of them fifteen times."""
TRAINING_PEOPLE = 10
"""Persons whose preferences the multi-preference baseline is trained on, as published."""
_TEACHER, _SPLIT, _TRAINED, _LOG = 1, 2, 3, 4
_SHARED: tuple[Inputs, ...] = ("descriptors", "encoded", "vector")
SMALL_MLP = EncoderConfig("mlp", "vector", (256, 256))
TASKS = ("grid-2", "grid-4", "arm", "style")


@lru_cache(maxsize=4)
def load_task(name: str) -> tuple[TrajectoryTask, Trajectories]:
    """A task and all trajectories that it is compared on, the same for every seed.

    Raises:
        ValueError: there is no such task.
    """
    if name not in TASKS:
        raise ValueError(f"task {name!r} came; allowed are {', '.join(TASKS)}")
    rng = np.random.default_rng(0)
    from envs.trajectories.registry import make_task

    task = make_task(name)
    if name != "style":
        return task, task.generate(TRAJECTORIES, rng)
    from envs.trajectories.style_library import load_clips

    return task, load_clips(STYLE_CLIPS, folder=CACHE, workers=1)


@dataclass(frozen=True)
class Problem:
    """A task, how its items are split, and who answers: all that a seed decides but the training itself.

    Attributes:
        task: its name, with '-few' behind it where only `FEW_ITEMS` items are asked about.
        seed: of everything.
        wrong_share: of the answers.
    """

    task: str
    seed: int
    wrong_share: float = 0.0

    @property
    def few(self) -> bool:
        """Whether only a few items are asked about."""
        return self.task.endswith("-few")

    @cached_property
    def _loaded(self) -> tuple[TrajectoryTask, Trajectories]:
        task, everything = load_task(self.task.removesuffix("-few"))
        if self.few:
            everything = everything.take(self.rng(9).choice(len(everything), FEW_ITEMS, replace=False))
        return task, everything

    @cached_property
    def features(self) -> np.ndarray:
        """(N, F) true features of all items."""
        return self._loaded[0].features(self._loaded[1])

    @cached_property
    def parts(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices to train on and to test on.

        Of few items all are asked about, since what has no map knows no others; the probe is still judged on a fifth.
        """
        return split(len(self.features), self.rng(_SPLIT))

    @cached_property
    def asked(self) -> np.ndarray:
        """Indices of the items that people are asked about."""
        return np.arange(len(self.features)) if self.few else self.parts[0]

    def rng(self, *purpose: int) -> np.random.Generator:
        """A generator for one purpose of this seed."""
        return np.random.default_rng([self.seed, *purpose])

    def inputs(self, name: Inputs) -> np.ndarray:
        """Return the inputs of encoders, of all items."""
        return _inputs(self.task.removesuffix("-few"), name) if not self.few else inputs_of(*self._loaded, name)

    def answers(self, n: int, purpose: int = _TEACHER) -> Answers:
        """`n` answers of one scripted teacher to random queries; items count within `asked`."""
        rng = self.rng(purpose)
        items = np.array([query.items for query in random_queries(n, len(self.asked), rng)])
        person = careless(self.wrong_share) if self.wrong_share else CLEAN
        teacher = ScriptedTeacher(self.features[self.asked], np.ones(self.features.shape[1]), person, rng)
        return Answers(items, teacher.choose(items), np.zeros(n, np.int64))


@lru_cache(maxsize=16)
def _inputs(task: str, name: Inputs) -> np.ndarray:
    return inputs_of(*load_task(task), name)


Embedder = Callable[[Problem, int], np.ndarray]
"""Given a problem and a number of answers: the embedding (N, d) of all its items."""


def own_config(problem: Problem) -> SimilarityConfig:
    """How we learn from answers on a task; chosen on seeds that no table holds."""
    if problem.task.startswith("style"):
        return ON_DESCRIPTORS
    return ON_RELATIONS if problem.task.startswith("arm") else ON_WAYPOINTS


def configs_hash() -> str:
    """Names how everything is learnt: rows of other settings must not be mixed with these."""
    configs = (
        ON_DESCRIPTORS,
        ON_RELATIONS,
        ON_WAYPOINTS,
        PAPER,
        SMALL_MLP,
        PUBLISHED_PREFERENCES,
        baselines.VaeConfig(),
    )
    source = "".join(inspect.getsource(method) for method in (margin, clea, own_preferences, similarity_mlp))
    return hashlib.sha256(f"{configs}{source}".encode()).hexdigest()[:12]


def own_encoder(problem: Problem) -> EncoderConfig:
    """The encoder that suits a task: motion descriptors of clips, waypoints of a grid, relations of an arm."""
    return own_config(problem).encoder


def _fitted(problem: Problem, n: int, config: SimilarityConfig) -> np.ndarray:
    return fit_problem(problem, problem.answers(n), config).representation.embed(problem.inputs(config.encoder.inputs))


def fit_problem(
    problem: Problem,
    answers: Answers,
    config: SimilarityConfig,
    warm: Similarity | None = None,
    seed: int | None = None,
) -> Similarity:
    """Fit to answers about the items that are asked about."""
    inputs = problem.inputs(config.encoder.inputs)[problem.asked]
    return fit_inputs(inputs, answers, config, problem.seed if seed is None else seed, warm)


def similarity(problem: Problem, n: int) -> np.ndarray:
    """Ours: the likelihood of answers, and the encoder that suits the task."""
    return _fitted(problem, n, own_config(problem))


def similarity_mlp(problem: Problem, n: int) -> np.ndarray:
    """The likelihood with an MLP over the whole."""
    return _fitted(problem, n, replace(ON_WAYPOINTS, encoder=SMALL_MLP, schedule=Schedule(600, 3e-3)))


def similarity_other(problem: Problem, n: int) -> np.ndarray:
    """The likelihood with another encoder: descriptors of a grid, waypoints as they are of an arm or the dog."""
    return _fitted(problem, n, ON_DESCRIPTORS if problem.task.startswith("grid") else ON_WAYPOINTS)


def margin(problem: Problem, n: int) -> np.ndarray:
    """The paper's loss with our encoder; margin and sparsity chosen as ours are, on the same seeds."""
    own = replace(own_config(problem), objective="paper")
    if problem.task.startswith("style"):
        return _fitted(problem, n, replace(own, batch=128, schedule=Schedule(400), sparsity=20.0))
    if problem.task.startswith("arm"):
        return _fitted(problem, n, replace(own, margin=1.0))
    return _fitted(problem, n, replace(own, batch=128, schedule=Schedule(400), margin=1.0))


def sirl_small(problem: Problem, n: int) -> np.ndarray:
    """The paper's loss and form, 256-256-6; as good as theirs in a twentieth of the time."""
    return _fitted(problem, n, replace(PAPER, encoder=replace(SMALL_MLP, first="uniform")))


def sirl(problem: Problem, n: int) -> np.ndarray:
    """The paper's loss and network as published, 1024-1024-6 and 3,000 steps."""
    return _fitted(problem, n, PAPER)


def _preferences(problem: Problem, n: int, people: int, config: PreferenceConfig) -> np.ndarray:
    rng = problem.rng(_TRAINED, people)
    rewards = draw_rewards(problem.features[problem.asked], people, rng)
    # A wrong answer of three is any of the other two; of two there is only one.
    answers = ask_preferences(rewards, n, rng, problem.wrong_share)
    inputs = problem.inputs(config.encoder.inputs)
    return fit_preferences(inputs[problem.asked], answers, config, problem.seed)[0].embed(inputs)


def own_preferences(problem: Problem) -> PreferenceConfig:
    """Preferences with the encoder and the sparsity that suit a task, chosen as ours are, on the same seeds."""
    own = own_config(problem)
    if problem.task.startswith("grid"):
        return PreferenceConfig(own.encoder)
    if problem.task.startswith("style"):
        return PreferenceConfig(own.encoder, decay=0.3, sparsity=6.0)
    return PreferenceConfig(own.encoder, own.schedule, own.batch, decay=0.3, sparsity=own.sparsity)


PUBLISHED_PREFERENCES = PreferenceConfig(SMALL_MLP, Schedule(600, 3e-3))
"""An MLP over the whole, as published, a quarter as wide."""


def multi_preference(problem: Problem, n: int) -> np.ndarray:
    """Preferences of ten people, with our encoder."""
    return _preferences(problem, n, TRAINING_PEOPLE, own_preferences(problem))


def multi_preference_mlp(problem: Problem, n: int) -> np.ndarray:
    """Preferences of ten people, with an MLP as published."""
    return _preferences(problem, n, TRAINING_PEOPLE, PUBLISHED_PREFERENCES)


def single_preference(problem: Problem, n: int) -> np.ndarray:
    """Preferences of one person, with our encoder."""
    return _preferences(problem, n, 1, own_preferences(problem))


def single_preference_mlp(problem: Problem, n: int) -> np.ndarray:
    """Preferences of one person, with an MLP as published."""
    return _preferences(problem, n, 1, PUBLISHED_PREFERENCES)


def clea(problem: Problem, n: int) -> np.ndarray:
    """Contrastive learning from what people explored and ignored, with our encoder; n counts what they explored."""
    encoder = own_encoder(problem)
    inputs = problem.inputs(encoder.inputs)
    features, wrong = problem.features[problem.asked], problem.wrong_share
    log = baselines.simulate_exploration(features, n, problem.rng(_LOG), wrong_share=wrong)
    sparsity = {"style": 10.0, "arm": 20.0}.get(problem.task.split("-")[0], 0.0)  # chosen on validation seeds
    config = baselines.ContrastiveConfig(encoder, sparsity=sparsity)
    return baselines.fit_contrastive(inputs[problem.asked], log, config, problem.seed).embed(inputs)


def vae(problem: Problem, n: int) -> np.ndarray:
    """A variational autoencoder of the waypoints, of an arm's relations."""
    return _autoencoded(problem, "relations" if problem.task.startswith("arm") else "encoded")


def vae_waypoints(problem: Problem, n: int) -> np.ndarray:
    """A variational autoencoder of an arm's waypoints as they are."""
    return _autoencoded(problem, "encoded")


def _autoencoded(problem: Problem, name: Inputs) -> np.ndarray:
    inputs = problem.inputs(name)
    config = baselines.VaeConfig()
    if name == "relations":
        config = replace(config, encoder=ON_RELATIONS.encoder)
    return baselines.fit_vae(inputs[problem.asked], config, problem.seed).embed(inputs)


def untrained(problem: Problem, n: int) -> np.ndarray:
    """Our encoder with its first weights."""
    encoder = own_encoder(problem)
    inputs = problem.inputs(encoder.inputs)
    return baselines.random_encoder(inputs[problem.asked], encoder, problem.seed).embed(inputs)


def _plain(problem: Problem, name: Inputs) -> np.ndarray:
    inputs = problem.inputs(name)
    return baselines.identity(inputs[problem.asked], name).embed(inputs)


def raw(problem: Problem, n: int) -> np.ndarray:
    """States as they are."""
    return _plain(problem, "vector")


def descriptors(problem: Problem, n: int) -> np.ndarray:
    """Motion descriptors as they are."""
    return _plain(problem, "descriptors")


def relations(problem: Problem, n: int) -> np.ndarray:
    """An arm's relations as they are, averaged over waypoints: what our encoder sees before any answer."""
    return problem.inputs("relations").mean(axis=1)


def pca(problem: Problem, n: int) -> np.ndarray:
    """Six principal components of the motion descriptors."""
    inputs = problem.inputs("descriptors")
    return baselines.principal_components(inputs[problem.asked], "descriptors").embed(inputs)


def true_features(problem: Problem, n: int) -> np.ndarray:
    """Return the true features, which nobody has."""
    return problem.features


def _coordinates(method: Method) -> Embedder:
    def embed(problem: Problem, n: int) -> np.ndarray:
        return fit_coordinates(len(problem.asked), problem.answers(n), CoordinatesConfig(method), problem.seed)

    embed.__doc__ = f"Coordinates of each item by {method}: no map to others."
    return embed


WITHOUT_ANSWERS: dict[str, Embedder] = {
    "random": untrained,
    "vae": vae,
    "raw": raw,
    "descriptors": descriptors,
    "pca_6": pca,
    "relations": relations,
    "vae_waypoints": vae_waypoints,
    "true_features": true_features,
}
FROM_ANSWERS: dict[str, Embedder] = {
    "similarity": similarity,
    "similarity_mlp": similarity_mlp,
    "similarity_other_encoder": similarity_other,
    "margin": margin,
    "sirl_small": sirl_small,
    "multi_preference": multi_preference,
    "multi_preference_mlp": multi_preference_mlp,
    "single_preference": single_preference,
    "single_preference_mlp": single_preference_mlp,
    "clea": clea,
}
PER_ITEM: dict[str, Embedder] = {name: _coordinates(name) for name in ("ste", "tste", "ckl", "soe", "vice")}
METHODS: dict[str, Embedder] = {**WITHOUT_ANSWERS, **FROM_ANSWERS, **PER_ITEM, "sirl": sirl}


def timed(method: str, problem: Problem, n: int) -> tuple[np.ndarray, float]:
    """The embedding (N, d) by a method, and the processor seconds that took; what all methods share is made before.

    Raises:
        ValueError: there is no such method, or it has no map and the problem needs one.
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r} came; allowed are {', '.join(METHODS)}")
    if method in PER_ITEM and not problem.few:
        raise ValueError(f"{method} places items and has no map to others: ask for the task with '-few'")
    assert len(problem.features)
    for name in _SHARED if not problem.task.startswith("arm") else (*_SHARED, "relations"):
        problem.inputs(name)
    began = time.process_time()
    embedding = METHODS[method](problem, n)
    return embedding, time.process_time() - began
