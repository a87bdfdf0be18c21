"""Active selection of queries, compared: random, disagreement, round robin, grid of six, at equal answers and seconds.

Every strategy is judged by the same training: after each stage the encoder is fitted anew, from the same first weights,
to all answers so far. Seconds are assumed, not measured: people answer a triplet in `SECONDS_PER_CLIP` for each of its
clips, and a grid of a reference and six in as long for each of its seven.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np

from evaluation.similarity.comparison_methods import Problem, fit_problem, own_config
from evaluation.similarity.metrics import probe_features
from learning.similarity.fit import Similarity, fit_inputs, refit
from policies.taste.choice import CLEAN, careless
from policies.taste.queries import Answers, random_queries
from policies.taste.selection import RANDOM_SHARE, Strategy, choose_queries, random_grid_queries, triplets_of_grid
from policies.taste.teachers import ScriptedTeacher

Asking = Literal["random", "disagreement", "arr", "grid"]
STAGES = (25, 50, 100, 200)
RANDOM_STAGES = (*STAGES, 400, 600)
"""Random queries go on for longer, so that it can be read off how many of them are as good."""
SECONDS_PER_CLIP = 8.0 / 3
CLIPS = {"random": 3, "disagreement": 3, "arr": 3, "grid": 7}
_BATCH, _MEMBERS = 25, 3
_ACTIVE = 6


class Stage(NamedTuple):
    """After so many queries, which took so many assumed seconds: the fpe."""

    answers: int
    seconds: float
    fpe: float


@dataclass(frozen=True)
class ActiveProblem:
    """One strategy on one seed of a task."""

    task: str
    strategy: Asking
    seed: int
    wrong_share: float = 0.0
    stages: tuple[int, ...] = STAGES

    def __post_init__(self) -> None:
        if self.strategy not in get_args(Asking):
            raise ValueError(f"strategy {self.strategy!r} came; allowed are {', '.join(get_args(Asking))}")


def run_active(job: ActiveProblem) -> list[Stage]:
    """Ask stage after stage, and judge each by a fresh fit."""
    problem = Problem(job.task, job.seed, job.wrong_share)
    return _grid(job, problem) if job.strategy == "grid" else _triplets(job, problem)


def _teacher(problem: Problem, rng: np.random.Generator) -> ScriptedTeacher:
    person = careless(problem.wrong_share) if problem.wrong_share else CLEAN
    features = problem.features[problem.asked]
    return ScriptedTeacher(features, np.ones(features.shape[1]), person, rng)


def _ask(teacher: ScriptedTeacher, items: np.ndarray) -> Answers:
    return Answers(items, teacher.choose(items), np.zeros(len(items), np.int64))


def _joined(first: Answers, second: Answers) -> Answers:
    return replace(
        first,
        items=np.concatenate([first.items, second.items]),
        choice=np.concatenate([first.choice, second.choice]),
        person=np.concatenate([first.person, second.person]),
    )


def _probe(problem: Problem, fitted: Similarity) -> float:
    embedding = fitted.representation.embed(problem.inputs(fitted.representation.inputs))
    return probe_features(embedding, problem.features, *problem.parts).fpe


def _triplets(job: ActiveProblem, problem: Problem) -> list[Stage]:
    assert job.strategy != "grid"
    strategy: Strategy = job.strategy
    rng = problem.rng(_ACTIVE)
    teacher = _teacher(problem, rng)
    config = own_config(problem)
    inputs = problem.inputs(config.encoder.inputs)[problem.asked]
    start = random_queries(min(_BATCH, job.stages[0]), len(inputs), rng)
    answers = _ask(teacher, np.array([query.items for query in start]))
    members: list[Similarity] = []
    found: list[Stage] = []
    for stage in job.stages:
        while len(answers) < stage:
            n = min(_BATCH, stage - len(answers)) if strategy != "random" else stage - len(answers)
            if strategy != "random":
                # Members differ in their first weights and stay different: each goes on from itself.
                members = [
                    refit(members[index], inputs, answers, config, seed)
                    if members
                    else fit_inputs(inputs, answers, config, seed)
                    for index, seed in enumerate(range(problem.seed * _MEMBERS, (problem.seed + 1) * _MEMBERS))
                ]
            embeddings = [m.representation.embed(inputs) for m in members] or [inputs]
            persons = [member.persons[0] for member in members]
            chosen = choose_queries(strategy, n, embeddings, persons, rng, len(answers))
            answers = _joined(answers, _ask(teacher, np.array([query.items for query in chosen])))
        seconds = stage * CLIPS[strategy] * SECONDS_PER_CLIP
        found.append(Stage(stage, seconds, _probe(problem, fit_problem(problem, answers, config))))
    return found


def _grid(job: ActiveProblem, problem: Problem) -> list[Stage]:
    rng = problem.rng(_ACTIVE)
    teacher = _teacher(problem, rng)
    config = own_config(problem)
    inputs = problem.inputs(config.encoder.inputs)[problem.asked]
    found: list[Stage] = []
    triples: list[np.ndarray] = []
    nearer: list[np.ndarray] = []
    for stage in job.stages:
        plain = max(1, round(stage * RANDOM_SHARE))
        triples += [np.array(query.items) for query in random_queries(plain - len(triples), len(inputs), rng)]
        for query in random_grid_queries(stage - plain - len(nearer), len(inputs), rng):
            nearer.append(triplets_of_grid(query, teacher.pick(query)))
        answers = _plain_answers(problem, np.array(triples))
        fitted = fit_inputs(inputs, answers, config, problem.seed, nearer=np.concatenate(nearer))
        seconds = (plain * CLIPS["random"] + len(nearer) * CLIPS["grid"]) * SECONDS_PER_CLIP
        found.append(Stage(stage, seconds, _probe(problem, fitted)))
    return found


def _plain_answers(problem: Problem, items: np.ndarray) -> Answers:
    """The same answers to the first queries at every stage."""
    return _ask(_teacher(problem, problem.rng(_ACTIVE, 1)), items)


def fewer(random: list[Stage], other: list[Stage], by: Literal["answers", "seconds"]) -> float:
    """How many times fewer answers, or seconds, `other` needs for what it reached last than random queries need.

    By log-linear interpolation of the random curve; beyond its ends the ratio stops at what is known: nothing is
    extrapolated.
    """
    aim = other[-1]
    cost = np.log([getattr(stage, by) for stage in random])
    # What is learnt later is never worse in truth: chance may say otherwise, and interpolation needs an order.
    reached = np.minimum.accumulate(np.log([stage.fpe for stage in random]))
    needed = float(np.exp(np.interp(-np.log(aim.fpe), -reached, cost)))
    return needed / float(getattr(aim, by))
