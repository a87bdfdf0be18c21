"""Judge a saved representation on a task: what it tells of the true features, and how soon a reward is learnt on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from envs.trajectories.registry import TASKS
from envs.trajectories.task import DEFAULT_CACHE
from evaluation.similarity import metrics
from evaluation.statistics import Interval, cluster_bootstrap
from learning.similarity.baselines import principal_components
from learning.similarity.inputs import inputs_of
from learning.similarity.train import TrainSimilarity, held_out, load_items
from policies.taste.representation import DEFAULT_FOLDER, Representation
from robots.io import check_writable, write_json
from robots.options import JsonOption, SeedOption, WorkersOption


@dataclass(frozen=True)
class Evaluate(JsonOption, WorkersOption, SeedOption):
    """Judge a representation that was trained with the same --seed on trajectories that nobody was asked about."""

    representation: Path = DEFAULT_FOLDER
    """Folder with model.safetensors and config.json."""
    task: str = ""
    """Which trajectories; the task that it was trained on when left out."""
    people: int = 40
    """Simulated test persons."""
    clips: int = 2400
    """Clips of the dog, where the task is style."""
    cache: Path = DEFAULT_CACHE
    """Where those clips are kept."""

    def check(self) -> None:
        """Refuse what would fail only after long work.

        Raises:
            ValueError: an option out of its range.
        """
        self.check_seed()
        self.check_workers()
        if self.task and self.task not in TASKS:
            raise ValueError(f"--task {self.task} came; allowed are {', '.join(TASKS)}")
        if self.people < metrics.LEAST_PEOPLE:
            raise ValueError(f"--people {self.people} came; a figure needs at least {metrics.LEAST_PEOPLE}")


class Judged(NamedTuple):
    """One embedding: `fpe`, `r2` by feature, and `tpa20` over test persons."""

    fpe: float
    r2: dict[str, float]
    tpa20: Interval


def evaluate(args: Evaluate) -> dict[str, Judged]:
    """Judge the representation beside its own inputs, their principal components, and the true features.

    Raises:
        ValueError: an option out of its range, a representation that cannot be used on the task, or trajectories other
            than it was trained on: what is held out of these it may have been asked about.
        OSError: the result cannot be written.
    """
    args.check()
    check_writable(args.json)
    representation = Representation.load(args.representation)
    name = args.task or str(representation.about.get("task", "style"))
    _check_same(representation, name, "seed", args.seed)
    load = TrainSimilarity(seed=args.seed, workers=args.workers, task=name, clips=args.clips, cache=args.cache)
    task, items = load_items(load)
    _check_same(representation, name, "items", len(items))
    features = task.features(items)
    parts = held_out(len(items), args.seed)
    inputs = inputs_of(task, items, representation.inputs)
    flat = inputs.reshape(len(inputs), -1)
    components = principal_components(flat[parts[0]], "vector", representation.dimensions)
    embeddings = {
        "representation": representation.embed(inputs),
        "inputs": metrics.normalised(flat, parts[0]),
        f"pca_{representation.dimensions}": components.embed(flat),
        "true_features": features,
    }
    found = {one: _judge(z, features, parts, args, task.feature_names) for one, z in embeddings.items()}
    if args.json:
        figures = {one: _as_json(judged) for one, judged in found.items()}
        write_json({"task": name, "seed": args.seed, **figures}, args.json)
    if args.json != "-":
        for one, judged in found.items():
            print(f"{one:16} fpe {judged.fpe:.4f}  tpa20 {judged.tpa20.mean:.3f} "
                  f"[{judged.tpa20.low:.3f}, {judged.tpa20.high:.3f}]")  # fmt: skip
    return found


def _check_same(representation: Representation, task: str, name: str, given: int) -> None:
    known = representation.about.get(name, given)
    if representation.about.get("task") == task and known != given:
        raise ValueError(
            f"{name} {given} came; this representation was trained with {name} {known}: what is held out must be what "
            "was held out then"
        )


def _judge(
    embedding: np.ndarray,
    features: np.ndarray,
    parts: tuple[np.ndarray, np.ndarray],
    args: Evaluate,
    names: tuple[str, ...],
) -> Judged:
    probe = metrics.probe_features(embedding, features, *parts)
    rewards = metrics.draw_rewards(features, args.people, np.random.default_rng([args.seed, 50]))
    tpa = metrics.preference_accuracy(embedding, rewards, *parts, np.random.default_rng([args.seed, 51]))
    r2 = dict(zip(names, map(float, probe.r2), strict=True))
    return Judged(probe.fpe, r2, cluster_bootstrap(tpa, np.random.default_rng(args.seed)))


def _as_json(judged: Judged) -> dict[str, Any]:
    return {"fpe": round(judged.fpe, 5), "r2": judged.r2, "tpa20": judged.tpa20.as_json()}
