"""The comparison: every method on every task, at several numbers of answers, over seeds, in jobs that are resumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch

from evaluation.results import Key, ResultsStore
from evaluation.similarity.active import RANDOM_STAGES, STAGES, ActiveProblem, Asking, run_active
from evaluation.similarity.comparison_methods import PER_ITEM, WITHOUT_ANSWERS, Problem, timed
from evaluation.similarity.metrics import (
    LEAST_PEOPLE,
    draw_rewards,
    feature_space,
    predict_answers,
    preference_accuracy,
    probe_features,
)
from robots.parallel import Engine, in_order

_PEOPLE, _PAIRS, _HELD_OUT, _SPACE, _SCALING = 50, 51, 52, 53, 54
_HELD_OUT_ANSWERS, _SCALING_ANSWERS = 500, 200
_FEW_SEEDS = 2
_SLOW = "single_preference_mlp"
_RIVALS = ("margin", "multi_preference", "multi_preference_mlp", "single_preference", "single_preference_mlp", "clea")


class Job(NamedTuple):
    """One method on one seed of a task; `kind` 'row', 'space' (the four questions of CLEA), or 'active'."""

    kind: str
    task: str
    method: str
    answers: int
    wrong_share: float
    seed: int

    @property
    def key(self) -> Key:
        """Its name in the store."""
        return tuple(self)


class Condition(NamedTuple):
    """Methods on a task, at numbers of answers and shares of wrong ones; `seeds` where there are to be fewer."""

    task: str
    methods: tuple[str, ...]
    answers: tuple[int, ...]
    wrong_shares: tuple[float, ...] = (0.0,)
    seeds: int | None = None
    kind: str = "row"


_ARM_ONLY = ("relations", "vae_waypoints")
_FLOOR = tuple(name for name in WITHOUT_ANSWERS if name not in ("raw", *_ARM_ONLY))
_ASKING = ("random", "disagreement", "arr", "grid")
PLAN: tuple[Condition, ...] = (
    Condition("grid-2", (*_FLOOR, "raw"), (0,)),
    Condition("grid-2", ("similarity",), (50, 100, 200, 500, 1000)),
    Condition("grid-2", _RIVALS, (100, 500, 1000)),
    Condition("grid-2", ("similarity_mlp", "sirl_small"), (500, 1000)),
    Condition("grid-2", ("similarity_other_encoder",), (500,)),
    Condition("grid-2", ("similarity", "multi_preference", "multi_preference_mlp"), (500,), (0.15,)),
    # As published it takes a minute: a few seeds show that the smaller one is no straw man.
    Condition("grid-2", ("sirl",), (500, 1000), seeds=_FEW_SEEDS),
    Condition("grid-2-few", ("similarity", "margin", *PER_ITEM), (300,)),
    Condition("grid-4", (*_FLOOR, "raw"), (0,)),
    Condition("grid-4", ("similarity", *_RIVALS), (100,), (0.0, 0.15)),
    Condition("grid-4", ("similarity", "multi_preference", "multi_preference_mlp"), (500,)),
    Condition("grid-4", ("sirl_small", "similarity_mlp"), (100,)),
    Condition("arm", (*_FLOOR, *_ARM_ONLY), (0,)),
    Condition("arm", ("similarity", "multi_preference", "clea"), (100,)),
    Condition("arm", ("similarity", "similarity_other_encoder", *(r for r in _RIVALS if r != _SLOW)), (300,)),
    Condition("arm", ("similarity", "multi_preference"), (300,), (0.15,)),
    # Each waypoint has 97 numbers, so networks over the whole have 2,037 inputs: half a minute a fit.
    Condition("arm", ("raw",), (0,), seeds=_FEW_SEEDS),
    Condition("arm", ("sirl_small", "similarity_mlp", _SLOW), (300,), seeds=_FEW_SEEDS),
    Condition("style", (*_FLOOR, "raw"), (0,)),
    Condition("style", ("similarity", *(r for r in _RIVALS if r != _SLOW)), (30, 100, 300)),
    Condition("style", ("similarity", *(r for r in _RIVALS if r != _SLOW)), (300,), (0.15,)),
    Condition("style", ("similarity_other_encoder", "sirl_small", _SLOW), (300,)),
    Condition("style-few", ("similarity", "margin", *PER_ITEM), (300,)),
    Condition("style", ("random", "vae", "descriptors", "pca_6", "true_features"), (0,), kind="space"),
    Condition("style", ("similarity", "margin", "multi_preference", "clea"), (100,), kind="space"),
    Condition("grid-4", _ASKING, (0,), kind="active"),
    Condition("style", _ASKING, (0,), kind="active"),
)


def plan(seeds: int, first: int = 0, tasks: Sequence[str] | None = None) -> list[Job]:
    """All jobs, those of a task together: a worker then loads each task once.

    Args:
        seeds: how many.
        first: the first of them.
        tasks: only these, '-few' ones included with theirs; None: all.

    Raises:
        ValueError: no seed is asked for, or a task is unknown.
    """
    if seeds < 1:
        raise ValueError(f"{seeds} seeds came; at least 1 is needed")
    known = list(dict.fromkeys(condition.task.removesuffix("-few") for condition in PLAN))
    if bad := [task for task in tasks or () if task not in known]:
        raise ValueError(f"task {bad[0]!r} came; allowed are {', '.join(known)}")
    jobs = []
    for condition in PLAN:
        if tasks and condition.task.removesuffix("-few") not in tasks:
            continue
        wanted = range(first, first + min(seeds, condition.seeds or seeds))
        for n, wrong, method, seed in product(condition.answers, condition.wrong_shares, condition.methods, wanted):
            jobs.append(Job(condition.kind, condition.task, method, n, wrong, seed))
    unique = list(dict.fromkeys(jobs))
    return sorted(unique, key=lambda job: known.index(job.task.removesuffix("-few")))


def run_job(job: Job, people: int = LEAST_PEOPLE) -> dict[str, Any]:
    """Work at one job; what comes back is what JSON takes."""
    torch.set_num_threads(1)
    if job.kind == "active":
        return {"stages": [list(stage) for stage in run_active(_active(job))]}
    problem = Problem(job.task, job.seed, job.wrong_share)
    embedding, seconds = timed(job.method, problem, job.answers)
    rewards = draw_rewards(problem.features, people, problem.rng(_PEOPLE))
    if job.kind == "space":
        found = feature_space(embedding, problem.features, rewards, *problem.parts, problem.rng(_SPACE))
        return {name: float(value) for name, value in found._asdict().items()}
    probe = probe_features(embedding, problem.features, *problem.parts)
    tpa = preference_accuracy(embedding, rewards, *problem.parts, problem.rng(_PAIRS))
    row: dict[str, Any] = {
        "fpe": probe.fpe,
        "tpa20": tpa.tolist(),
        "r2": [float(value) for value in probe.r2],
        "seconds": seconds,
    }
    if job.answers:
        clean = Problem(job.task, job.seed)
        scaled_by, held_out = problem.answers(_SCALING_ANSWERS, _SCALING), clean.answers(_HELD_OUT_ANSWERS, _HELD_OUT)
        row |= predict_answers(embedding[problem.asked], scaled_by, held_out)._asdict()
    return row


def _run(work: tuple[Job, int]) -> dict[str, Any]:
    """`run_job` for one task of the map: Ray takes plain functions only."""
    return run_job(*work)


def _active(job: Job) -> ActiveProblem:
    strategy: Asking = job.method  # type: ignore[assignment]
    stages = RANDOM_STAGES if strategy == "random" else STAGES
    return ActiveProblem(job.task, strategy, job.seed, job.wrong_share, stages)


def open_store(out: Path, settings: dict[str, Any], resume: bool) -> ResultsStore:
    """The rows of a run, which belong to its settings.

    Raises:
        ValueError: `resume`, and the file is of another run or damaged.
        OSError: it cannot be written.
    """
    return ResultsStore(out / "similarity.jsonl", settings, resume)


def run_jobs(
    jobs: Sequence[Job], store: ResultsStore, people: int, workers: int, engine: Engine = "processes"
) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Do what the store does not hold yet, in order, and keep each as it is done; rows do not depend on the workers.

    Raises:
        RuntimeError: Ray is asked for and not there, or one of its workers died.
    """
    missing = [job for job in jobs if job.key not in store.done]
    work = [(job, people) for job in missing]
    for job, row in zip(missing, in_order(_run, work, workers, engine), strict=True):
        store.add(job.key, row)
        yield job, store.done[job.key]
