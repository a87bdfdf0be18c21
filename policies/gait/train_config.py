"""What a training run is told: one dataclass is the command line, the saved config and the documentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from envs.locomotion.env import LocomotionConfig


@dataclass(frozen=True)
class PPOConfig:
    """Settings of the learner; the names are stable-baselines3's."""

    n_steps: int = 256
    batch_size: int = 1024
    n_epochs: int = 5
    learning_rate: float = 4e-4
    gamma: float = 0.98
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    target_kl: float = 0.03
    ent_coef: float = 0.0
    vf_coef: float = 0.5
    max_grad_norm: float = 1.0
    log_std_init: float = -1.2
    hidden: tuple[int, ...] = (256, 128)
    final_learning_rate: float = 1e-4


@dataclass(frozen=True)
class Train:
    """Train the gait policy with PPO; continue a broken run with --resume."""

    out: Path = Path("runs/gait")
    """Folder for checkpoints, curves and the policy."""
    n_timesteps: int = 3_000_000
    """Control steps to learn from."""
    seed: int = 0
    """Seed of everything; the same seed and number of workers give the same policy."""
    workers: int = 2
    """Processes that walk."""
    envs: int = 8
    """Dogs in each of them."""
    resume: bool = False
    """Go on from the checkpoint in --out."""
    ppo: PPOConfig = field(default_factory=PPOConfig)
    """Settings of the learner."""
    task: LocomotionConfig = field(default_factory=LocomotionConfig)
    """Settings of the task."""
