"""Let Optuna look for settings of the learner. Every trial is a short run; the study lies in a file and can go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from learning.gait.train_config import PPOConfig, Report, Train

if TYPE_CHECKING:
    import optuna

TRIAL_TIMESTEPS = 300_000
LAST = 10
"""A trial is worth the mean reward of its last iterations."""


Training = Callable[[Train, Path, Callable[[Report], None]], object]


def sweep(args: Train, folder: Path, run: Training) -> Path:
    """Try `args.sweep` settings, keep the study in `sweep.db` and the best settings in `best.json`.

    Args:
        args: the training, of which the learner's settings vary.
        folder: of the study.
        run: `learning.gait.train.run`.

    Raises:
        RuntimeError: Optuna is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError as problem:
        raise RuntimeError("--sweep needs Optuna: pip install 'empaw[scale]'") from problem
    console = Console(stderr=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # a trial that fails is told by what it raises, once
    study = optuna.create_study(
        study_name="gait",
        storage=f"sqlite:///{folder / 'sweep.db'}",
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=args.seed),
        pruner=optuna.pruners.MedianPruner(n_warmup_steps=LAST),
    )
    timesteps = TRIAL_TIMESTEPS if args.n_timesteps is None else args.n_timesteps
    plain = replace(args, n_timesteps=timesteps, resume=False)

    def attempt(trial: optuna.Trial) -> float:
        value = _attempt(replace(plain, ppo=_settings(trial, args.ppo)), folder / f"trial_{trial.number}", trial, run)
        console.print(f"trial {trial.number}: reward {value:.3f} with {trial.params}")
        return value

    study.optimize(attempt, n_trials=args.sweep)
    best = {"reward": study.best_value, "ppo": asdict(_settings(study.best_trial, args.ppo))}
    (folder / "best.json").write_text(json.dumps(best, indent=1) + "\n", encoding="utf-8")
    console.print(f"best of {len(study.trials)}: {folder / 'best.json'}")
    return folder


def _settings(trial: optuna.Trial | optuna.trial.FrozenTrial, ppo: PPOConfig) -> PPOConfig:
    """Draw what may be varied, as far as it may."""
    return replace(
        ppo,
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-3, log=True),
        gamma=trial.suggest_float("gamma", 0.95, 0.995),
        gae_lambda=trial.suggest_float("gae_lambda", 0.9, 0.98),
        clip_range=trial.suggest_categorical("clip_range", [0.1, 0.2, 0.3]),
        n_epochs=trial.suggest_int("n_epochs", 3, 10),
        log_std_init=trial.suggest_float("log_std_init", -1.8, -0.7),
    )


def _attempt(args: Train, folder: Path, trial: optuna.Trial, run: Training) -> float:
    import optuna

    folder.mkdir(parents=True, exist_ok=True)
    rewards: list[float] = []

    def note(report: Report) -> None:
        rewards.append(report.reward)
        trial.report(report.reward, report.iteration)
        if trial.should_prune():
            raise optuna.TrialPruned

    run(args, folder, note)
    return float(np.mean(rewards[-LAST:]))
