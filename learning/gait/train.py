"""Train the residual gait policy: rollouts in workers, PPO here, a checkpoint after every iteration."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.logger import configure

from geometry.files import read_json, reserve, whole, write_whole
from learning.gait.ppo import Learner, Normaliser
from learning.gait.train_config import Report, Train
from learning.gait.workers import Rollout, RolloutSource, Workers

_UNPACKING = (UnpicklingError, BadZipFile, struct.error)


def train(args: Train) -> Path:
    """Train and return the folder of the policy; with a sweep, that of the sweep.

    Raises:
        ValueError: a number out of range, nothing to resume, another task than before, or something to overwrite.
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
    learner.actor().save(folder / "policy", _about(args, args.iterations * args.per_iteration))
    console.print(f"policy: {folder / 'policy'}")
    return folder / "policy"


def run(args: Train, folder: Path, report: Callable[[Report], None]) -> Learner:
    """Go through the iterations that are left; `report` is called after each and may raise to break off."""
    torch.set_num_threads(1)
    learner = Learner(args.ppo, args.workers * args.envs, args.seed)
    learner.set_logger(configure(str(folder), ["tensorboard"]))
    save_task(args, folder)
    begun = restore(folder, learner) if args.resume and (folder / "checkpoint.pt").exists() else 0
    workers = _workers(args, begun)
    since = time.perf_counter()
    try:
        for iteration, rollouts, waited_s in ppo_iterations(args, learner, workers, begun):
            _checkpoint(folder, learner, iteration)
            _keep(args, folder, learner, iteration)
            took, since = time.perf_counter() - since, time.perf_counter()
            report(_log(learner, rollouts, iteration, waited_s / took, args.per_iteration / took))
    finally:
        workers.close()
    return learner


def save_task(args: Train, folder: Path) -> None:
    """Write the settings of the run to config.json, with the task as the recipe has it.

    Raises:
        ValueError: the run that is to go on learned another task.
    """
    path = folder / "config.json"
    settings = json.loads(json.dumps(asdict(replace(args, task=args.recipe_task)), default=str))
    if args.resume and path.exists():
        before = read_json(path)
        if any(before.get(name) != settings[name] for name in ("recipe", "task")):
            raise ValueError(
                f"{folder} learned another task, with --recipe {before.get('recipe')}; see its config.json. Go on with "
                f"the --recipe and --task options of then (--recipe {args.recipe} came), or begin in another folder"
            )
        return
    write_whole(path, json.dumps(settings, indent=1) + "\n")


class Iteration(NamedTuple):
    """An iteration that is over."""

    iteration: int  # how many have been done
    rollouts: list[Rollout]
    waited_s: float  # for the workers


def ppo_iterations(args: Train, learner: Learner, workers: RolloutSource, iteration: int = 0) -> Iterator[Iteration]:
    """Walk and learn until the training is over, and tell after every iteration.

    With `args.overlap` the workers walk on while the learner learns from what they did before. They act with a policy
    that is one update old, which the learner takes for the newest: both are as far apart as `desired_kl` lets an update
    move. (Weighing the difference would count the update before, and every change of the normaliser, as this one's.)
    """
    steps, total = args.ppo.n_steps, args.iterations

    def start(index: int) -> None:
        if index < total:
            learner.anneal_exploration(index / total)
            workers.start(learner.actor(), steps)

    start(iteration)
    while iteration < total:
        began = time.perf_counter()
        rollouts = workers.collect()
        waited_s = time.perf_counter() - began
        if args.overlap:
            start(iteration + 1)
        learner.learn(rollouts, iteration / total)
        if not args.overlap:
            start(iteration + 1)
        iteration += 1
        yield Iteration(iteration, rollouts, waited_s)


def _keep(args: Train, folder: Path, learner: Learner, iteration: int) -> None:
    """Save a copy of the policy whenever another `save_freq` steps are full."""
    steps, before = iteration * args.per_iteration, (iteration - 1) * args.per_iteration
    if args.save_freq and steps // args.save_freq > before // args.save_freq:
        learner.actor().save(folder / f"policy_{steps}", _about(args, steps))


def _about(args: Train, steps: int) -> dict[str, Any]:
    return {"timesteps": steps, "seed": args.seed, "recipe": args.recipe}


def _workers(args: Train, generation: int) -> RolloutSource:
    if args.engine == "processes":
        return Workers(args.env_configs(), args.seed, generation)
    from learning.gait.ray_workers import RayWorkers

    return RayWorkers(args.env_configs(), args.seed, generation, args.address)


def restore(folder: Path, learner: Learner) -> int:
    """Load the checkpoint of a run into a learner; returns the iterations that it took.

    Raises:
        ValueError: it is damaged or of another network.
    """
    path = folder / "checkpoint.pt"
    try:
        with ZipFile(path) as archive:  # torch writes the sums of the parts and does not look at them
            if damaged := archive.testzip():
                raise ValueError(f"{damaged} in it is not what was written")
        state: dict[str, Any] = torch.load(path, weights_only=True)
        learner.model.policy.load_state_dict(state["policy"])
        learner.model.policy.optimizer.load_state_dict(state["optimizer"])
        mean, variance = state["mean"].numpy(), state["variance"].numpy()
        learner.normaliser = Normaliser(float(state["count"]), mean, variance)
        learner.learning_rate = float(state["learning_rate"])
        return int(state["iteration"])
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, EOFError, OSError, *_UNPACKING) as problem:
        raise ValueError(
            f"{path} cannot be continued from ({_first_line(problem)}): it is damaged or of another network"
        ) from problem


def _first_line(problem: Exception) -> str:
    return str(problem).splitlines()[0][:200] if str(problem) else type(problem).__name__


def _checkpoint(folder: Path, learner: Learner, iteration: int) -> None:
    """Written beside its place first: a run that is killed, or finds the disk full, leaves the last whole one."""
    state = {
        "policy": learner.model.policy.state_dict(),
        "optimizer": learner.model.policy.optimizer.state_dict(),
        "mean": torch.from_numpy(learner.normaliser.mean),
        "variance": torch.from_numpy(learner.normaliser.variance),
        "count": learner.normaliser.count,
        "learning_rate": learner.learning_rate,
        "iteration": iteration,
    }
    try:
        with whole(folder / "checkpoint.pt") as draft:
            torch.save(state, draft)
    except (OSError, RuntimeError) as problem:
        raise OSError(
            f"cannot write {folder / 'checkpoint.pt'} ({_first_line(problem)}). The checkpoint of iteration "
            f"{iteration - 1} is whole: make room, then go on with --resume"
        ) from problem


def _log(learner: Learner, rollouts: list[Rollout], iteration: int, waiting: float, frames_per_s: float) -> Report:
    logger = learner.model.logger
    steps = iteration * sum(rollout.rewards.size for rollout in rollouts)
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
    logger.dump(steps)
    return Report(iteration, steps, mean, frames_per_s)
