"""Learn a map from scripted answers and save it as the simulation runs it; the dog's own, in assets, is made so.

empaw train similarity --out runs/taste
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from envs.trajectories.grid import split
from envs.trajectories.registry import TASKS, make_task
from envs.trajectories.task import DEFAULT_CACHE, Trajectories, TrajectoryTask
from learning.similarity.fit import ON_DESCRIPTORS, ON_RELATIONS, ON_WAYPOINTS, Similarity, fit_similarity
from policies.taste.choice import Population, draw_person
from policies.taste.queries import Answer, Answers, random_queries
from policies.taste.teachers import ScriptedTeacher
from robots.io import check_writable, write_json
from robots.options import JsonOption, SeedOption, WorkersOption

CONFIGS = {"descriptors": ON_DESCRIPTORS, "waypoints": ON_WAYPOINTS, "relations": ON_RELATIONS}
MOST_ITEMS, MOST_ANSWERS = 10_000, 1_000_000
_SPLIT, _PEOPLE = 2, 11


@dataclass(frozen=True)
class TrainSimilarity(JsonOption, WorkersOption, SeedOption):
    """Learn a representation from scripted people's answers about which two of three trajectories are most alike."""

    out: Path | None = None
    """Folder for the representation; one that holds a representation already is refused."""
    task: str = "style"
    """Which trajectories: grid-2, grid-4, arm or style."""
    answers: int = 300
    """Answers of all people together."""
    people: int = 10
    """Scripted people, drawn from the population of the choice model; each answers as many as the others."""
    encoder: Literal["descriptors", "waypoints", "relations"] = "descriptors"
    """A sparse linear map of motion descriptors, a network over each waypoint, or one over an arm's relations."""
    clips: int = 2400
    """Clips of the dog, where the task is style; they are walked once, three minutes, and kept in --cache."""
    cache: Path = DEFAULT_CACHE
    """Where those clips are kept."""

    def check(self) -> None:
        """Refuse what would fail only after long work.

        Raises:
            ValueError: an option out of its range, or an --out that would be written over.
        """
        self.check_seed()
        self.check_workers()
        if self.task not in TASKS:
            raise ValueError(f"--task {self.task} came; allowed are {', '.join(TASKS)}")
        if not 1 <= self.people <= self.answers <= MOST_ANSWERS:
            raise ValueError(
                f"--people {self.people} and --answers {self.answers} came; each person answers at least one, all "
                f"together {MOST_ANSWERS} at most"
            )
        if self.encoder == "relations" and self.task != "arm":
            raise ValueError(f"--encoder relations came with --task {self.task}; only the arm has relations")
        if self.out is not None and self.out.exists() and not self.out.is_dir():
            raise ValueError(f"--out {self.out} came, which is a file; give a folder")
        if self.out is not None and (self.out / "config.json").exists():
            raise ValueError(f"--out {self.out} came, which holds a representation already: delete it, or give another")
        if self.clips < 10:
            raise ValueError(f"--clips {self.clips} came; at least 10 are needed")


class Trained(NamedTuple):
    """A training's result: the map, and the fpe and r2 of each feature on trajectories that nobody was asked about."""

    similarity: Similarity
    fpe: float
    r2: dict[str, float]


def held_out(items: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices that are asked about, and those that are kept for judging, of a training with this seed."""
    return split(items, np.random.default_rng([seed, _SPLIT]))


def scripted_answers(features: np.ndarray, answers: int, people: int, rng: np.random.Generator) -> Answers:
    """Ask scripted people, to whom all features (M, F) matter as much, random queries about M items in turn."""
    equal = np.ones(features.shape[1])
    population = Population()
    asked = [
        ScriptedTeacher(features, equal, draw_person(population, rng), rng, f"scripted-{one}") for one in range(people)
    ]
    queries = random_queries(answers, len(features), rng)
    given: list[Answer] = [asked[index % people].answer(query) for index, query in enumerate(queries)]
    return Answers.of(given)


def train(args: TrainSimilarity) -> Trained:
    """Learn a representation, judge it on a fifth of the trajectories, and save it to --out.

    Raises:
        ValueError: an option out of its range, or an --out that would be written over.
        OSError: the result cannot be written.
    """
    args.check()
    check_writable(args.json)
    if args.out is not None:
        check_writable(args.out / "config.json")
    task, items = load_items(args)
    rng = np.random.default_rng([args.seed, _PEOPLE])
    seen, unseen = held_out(len(items), args.seed)
    features = task.features(items)
    answers = scripted_answers(features[seen], args.answers, args.people, rng)
    found = fit_similarity(task, items.take(seen), answers, CONFIGS[args.encoder], args.seed)
    fpe, r2 = _held_out_metrics(found.embed, items, features, seen, unseen)
    trained = Trained(found, fpe, dict(zip(task.feature_names, r2, strict=True)))
    about = {
        "task": args.task,
        "items": len(items),
        "answers": args.answers,
        "people": args.people,
        "teachers": "scripted; no person has answered",
        "seed": args.seed,
        "fpe": round(fpe, 4),
        "r2": {name: round(value, 3) for name, value in trained.r2.items()},
    }
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        found.encoder.representation(about).save(args.out)
    if args.json:
        write_json(about, args.json)
    if args.json != "-":
        print(json.dumps(about, indent=1))
    return trained


def load_items(args: TrainSimilarity) -> tuple[TrajectoryTask, Trajectories]:
    """The task and the trajectories that are asked about."""
    if args.task == "style":
        task = make_task("style", args.cache, args.clips, workers=args.workers)
        return task, task.generate(args.clips, np.random.default_rng(args.seed))
    task = make_task(args.task)
    return task, task.generate(MOST_ITEMS, np.random.default_rng(args.seed))


def _held_out_metrics(
    embed: Callable[[Trajectories], np.ndarray],
    items: Trajectories,
    features: np.ndarray,
    seen: np.ndarray,
    unseen: np.ndarray,
) -> tuple[float, list[float]]:
    """FPE and R2 as `evaluation.similarity.metrics` has them, which learning does not import."""
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import r2_score

    embedding = embed(items)
    foretold = LinearRegression().fit(embedding[seen], features[seen]).predict(embedding[unseen])
    fpe = float(np.square(foretold - features[unseen]).sum(axis=1).mean())
    return fpe, [float(one) for one in r2_score(features[unseen], foretold, multioutput="raw_values")]
