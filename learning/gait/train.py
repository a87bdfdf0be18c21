"""Train the residual gait policy: rollouts in workers, PPO here, a checkpoint after every iteration."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.logger import configure

from geometry.files import read_json, reserve, write_whole
from learning.checkpoint import check_same
from learning.gait import checkpoint
from learning.gait.checkpoint import FRESH, Begun
from learning.gait.ppo import Learner
from learning.gait.train_config import Report, Train, deciding
from learning.gait.workers import Rollout, RolloutSource, Workers
from policies.locomotion.actor import Actor


def train(args: Train) -> Path:
    """Train and return the folder of the policy; with a sweep, that of the sweep.

    Raises:
        ValueError: a number out of range, nothing to resume, other settings than before, or something to overwrite.
        OSError: the folder cannot be written, or another process trains there.
        RuntimeError: a worker died, or Ray is missing.
    """
    args.check()
    folder = args.folder()
    folder.mkdir(parents=True, exist_ok=True)
    with reserve(folder):
        return _train_in(folder, args)


def _train_in(folder: Path, args: Train) -> Path:
    if args.sweep:
        from learning.gait.sweep import sweep

        save_task(args, folder)
        return sweep(args, folder, run)
    console = Console(stderr=True)
    console.print(f"run: {folder}")
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("training", total=args.iterations)

        def show(report: Report) -> None:
            bar.update(task, completed=report.iteration, description=str(report))
            if not console.is_terminal and report.iteration % 10 == 0:
                console.print(str(report))  # a log file sees no progress bar

        learner = run(args, folder, show)
    if not bar.tasks[task].completed:
        console.print(f"{learner.steps:,} steps were done before, so nothing is left: ask for more by --n-timesteps")
    learner.actor().save(folder / "policy", _about(args, learner))
    console.print(f"policy: {folder / 'policy'} ({learner.steps:,} steps)")
    return folder / "policy"


def run(args: Train, folder: Path, report: Callable[[Report], None]) -> Learner:
    """Go through the iterations that are left; `report` is called after each and may raise to break off."""
    torch.set_num_threads(1)
    learner = Learner(args.ppo, args.workers * args.envs, args.seed)
    learner.set_logger(configure(str(folder), ["tensorboard"]))
    save_task(args, folder)
    settings = deciding(args.as_json())
    begun = checkpoint.restore(folder, learner, settings) if args.begun(folder) else FRESH
    workers = _workers(args, begun)
    since = time.perf_counter()
    try:
        for iteration, rollouts, waited_s, actor in ppo_iterations(args, learner, workers, begun):
            states = [rollout.state for rollout in rollouts]
            checkpoint.save(folder, learner, Begun(iteration, actor, states), settings)
            _keep(args, folder, learner)
            took, since = time.perf_counter() - since, time.perf_counter()
            report(_log(learner, rollouts, iteration, waited_s / took, args.per_iteration / took))
    finally:
        workers.close()
    return learner


def save_task(args: Train, folder: Path) -> None:
    """Write the settings of the run to config.json, with the task as the recipe has it.

    Raises:
        ValueError: the run that is to go on was begun with others, of those that decide what is learned.
    """
    path, settings = folder / "config.json", args.as_json()
    if args.resume and path.exists():
        check_same(path, deciding(read_json(path)), deciding(settings))
    write_whole(path, json.dumps(settings, indent=1) + "\n")


class Iteration(NamedTuple):
    """An iteration that is over."""

    iteration: int  # how many have been done
    rollouts: list[Rollout]
    waited_s: float  # for the workers
    actor: Actor | None  # with whom the workers walk on; None after the last


def ppo_iterations(args: Train, learner: Learner, workers: RolloutSource, begun: Begun = FRESH) -> Iterator[Iteration]:
    """Walk and learn until the training is over, and tell after every iteration.

    With `args.overlap` the workers walk on while the learner learns from what they did before. They act with a policy
    that is one update old, which the learner takes for the newest: both are as far apart as `desired_kl` lets an update
    move. (Weighing the difference would count the update before, and every change of the normaliser, as this one's.)
    """
    steps, total, iteration = args.ppo.n_steps, args.iterations, begun.iteration

    def start(index: int, actor: Actor | None = None) -> Actor | None:
        if index >= total:
            return None
        learner.anneal_exploration(index / total)
        actor = learner.actor() if actor is None else actor
        workers.start(actor, steps)
        return actor

    start(iteration, begun.actor)
    while iteration < total:
        began = time.perf_counter()
        rollouts = workers.collect()
        waited_s = time.perf_counter() - began
        if args.overlap:
            actor = start(iteration + 1)
        learner.learn(rollouts, iteration / total)
        if not args.overlap:
            actor = start(iteration + 1)
        iteration += 1
        yield Iteration(iteration, rollouts, waited_s, actor)


def _keep(args: Train, folder: Path, learner: Learner) -> None:
    """Save a copy of the policy whenever another `save_freq` steps are full."""
    before = learner.steps - args.per_iteration
    if args.save_freq and learner.steps // args.save_freq > before // args.save_freq:
        learner.actor().save(folder / f"policy_{learner.steps}", _about(args, learner))


def _about(args: Train, learner: Learner) -> dict[str, Any]:
    return {"timesteps": learner.steps, "seed": args.seed, "recipe": args.recipe}


def _workers(args: Train, begun: Begun) -> RolloutSource:
    if args.engine == "processes":
        return Workers(args.env_configs(), args.seed, begun.states)
    from learning.gait.ray_workers import RayWorkers

    return RayWorkers(args.env_configs(), args.seed, begun.states, args.address)


def _log(learner: Learner, rollouts: list[Rollout], iteration: int, waiting: float, frames_per_s: float) -> Report:
    logger = learner.model.logger
    episodes = [episode for rollout in rollouts for episode in rollout.episodes]
    if episodes:
        logger.record("rollout/return", float(np.mean([value for value, _, _ in episodes])))
        logger.record("rollout/length", float(np.mean([length for _, length, _ in episodes])))
        logger.record("rollout/falls", float(np.mean([fell for _, _, fell in episodes])))
    for name in rollouts[0].terms:
        logger.record(f"reward/{name}", float(np.mean([rollout.terms[name] for rollout in rollouts])))
    logger.record("rollout/level", float(np.mean([rollout.level for rollout in rollouts])))
    mean = float(np.mean([rollout.rewards.mean() for rollout in rollouts]))
    logger.record("rollout/reward", mean)
    logger.record("time/frames_per_s", frames_per_s)
    logger.record("time/waiting_share", waiting)
    logger.dump(learner.steps)
    return Report(iteration, learner.steps, mean, frames_per_s)
