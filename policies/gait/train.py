"""Train the residual gait policy: rollouts in workers, PPO here, a checkpoint after every iteration."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.logger import configure

from policies.gait.ppo import Learner, Normaliser
from policies.gait.train_config import Train
from policies.gait.workers import Rollout, Workers


def train(args: Train) -> Path:
    """Train and return the folder of the policy.

    Raises:
        ValueError: nothing to resume, or something to overwrite.
        OSError: the folder cannot be written.
    """
    torch.set_num_threads(1)
    learner = Learner(args.ppo, args.workers * args.envs, args.seed)
    learner.set_logger(configure(str(args.out), ["tensorboard"]))
    iteration = _restore(args, learner)
    per_iteration = args.workers * args.envs * args.ppo.n_steps
    iterations = -(-args.n_timesteps // per_iteration)
    workers = Workers(args.task, args.workers, args.envs, args.seed, generation=iteration)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("training", total=iterations, completed=iteration)
            while iteration < iterations:
                began = time.perf_counter()
                rollouts = workers.roll(learner.actor(), args.ppo.n_steps)
                rolled = time.perf_counter()
                learner.learn(rollouts, iteration / iterations)
                iteration += 1
                figures = _log(learner, rollouts, iteration, per_iteration, rolled - began, time.perf_counter() - began)
                _checkpoint(args, learner, iteration)
                bar.update(task, completed=iteration, description=figures)
                if not console.is_terminal and iteration % 10 == 0:
                    console.print(figures)  # a log file sees no progress bar
    finally:
        workers.close()
    learner.actor().save(args.out / "policy", {"timesteps": iteration * per_iteration, "seed": args.seed})
    console.print(f"policy: {args.out / 'policy'}")
    return args.out / "policy"


def _restore(args: Train, learner: Learner) -> int:
    path = args.out / "checkpoint.pt"
    if not args.resume:
        if path.exists():
            raise ValueError(f"{args.out} holds a run already: continue it with --resume, or give another --out")
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "config.json").write_text(json.dumps(asdict(args), default=str, indent=1) + "\n")
        return 0
    if not path.exists():
        raise ValueError(f"there is no checkpoint in {args.out}: start without --resume, or give the folder of a run")
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
        learner.model.policy.load_state_dict(state["policy"])
        learner.model.policy.optimizer.load_state_dict(state["optimizer"])
        mean, variance = state["mean"].numpy(), state["variance"].numpy()
        learner.normaliser = Normaliser(float(state["count"]), mean, variance)
        return int(state["iteration"])
    except (KeyError, RuntimeError, EOFError, OSError, UnpicklingError) as problem:
        raise ValueError(
            f"{path} cannot be continued from ({_first_line(problem)}): it is damaged or of another network"
        ) from problem


def _first_line(problem: Exception) -> str:
    return str(problem).splitlines()[0][:200] if str(problem) else type(problem).__name__


def _checkpoint(args: Train, learner: Learner, iteration: int) -> None:
    """Written beside its place first: a run that is killed leaves the last whole one."""
    draft = args.out / ".checkpoint.part"
    torch.save(
        {
            "policy": learner.model.policy.state_dict(),
            "optimizer": learner.model.policy.optimizer.state_dict(),
            "mean": torch.from_numpy(learner.normaliser.mean),
            "variance": torch.from_numpy(learner.normaliser.variance),
            "count": learner.normaliser.count,
            "iteration": iteration,
        },
        draft,
    )
    draft.replace(args.out / "checkpoint.pt")


def _log(
    learner: Learner, rollouts: list[Rollout], iteration: int, per_iteration: int, rolling_s: float, total_s: float
) -> str:
    logger = learner.model.logger
    steps = iteration * per_iteration
    episodes = [episode for rollout in rollouts for episode in rollout.episodes]
    if episodes:
        logger.record("rollout/return", float(np.mean([value for value, _, _ in episodes])))
        logger.record("rollout/length", float(np.mean([length for _, length, _ in episodes])))
        logger.record("rollout/falls", float(np.mean([fell for _, _, fell in episodes])))
    for name in rollouts[0].terms:
        logger.record(f"reward/{name}", float(np.mean([rollout.terms[name] for rollout in rollouts])))
    mean = float(np.mean([rollout.rewards.mean() for rollout in rollouts]))
    logger.record("rollout/reward", mean)
    logger.record("time/frames_per_s", per_iteration / total_s)
    logger.record("time/rolling_share", rolling_s / total_s)
    logger.dump(steps)
    return f"{steps / 1e6:.2f} M steps, {per_iteration / total_s:.0f} a second, reward {mean:.3f}"
