"""Settings of a training run: one dataclass is the command line, the saved config and the documentation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from envs.locomotion.env import LocomotionConfig
from envs.locomotion.randomization import RandomizationConfig
from envs.locomotion.terrain import HARDEST
from learning import checkpoint
from robots.options import EngineOption, ResumeOption, SeedOption, check_ranges


@dataclass(frozen=True)
class PPOConfig:
    """Settings of the learner; the names are stable-baselines3's.

    `learning_rate` is where the rate begins: from then on it is moved so that an update changes the policy by
    `desired_kl` (rsl_rl's rule), and `target_kl` breaks off updates that run away. Exploration shrinks from
    `log_std_init` to `log_std_final` between the shares `annealing` of the training.
    """

    n_steps: int = 512
    batch_size: int = 2048
    n_epochs: int = 5
    learning_rate: float = 5e-4
    gamma: float = 0.98
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    target_kl: float = 0.05
    desired_kl: float = 0.015
    ent_coef: float = 0.0
    vf_coef: float = 0.5
    max_grad_norm: float = 1.0
    log_std_init: float = -1.5
    log_std_final: float = -3.2
    annealing: tuple[float, float] = (0.5, 0.85)
    hidden: tuple[int, ...] = (256, 128)


ENV_ID = "Empaw-Locomotion-v0"
TIMESTEPS = {"full": 5_000_000, "quick": 1_146_880}


@dataclass(frozen=True)
class Train(EngineOption, ResumeOption, SeedOption):
    """Train the gait policy with PPO; continue a broken run with --resume.

    A run that goes on, with the same options, ends bit for bit as one that was never broken off. Only --n-timesteps (to
    train longer: exploration then shrinks later), --save-freq, --engine, --address and the folders may be others.

    Flags and folders are named as in rl-baselines3-zoo: a run lies in LOG_FOLDER/ppo/Empaw-Locomotion-v0_N.
    """

    recipe: Literal["full", "quick"] = "full"
    """'full' learns everything on all kinds of ground (5 M steps, half an hour on 2 cores); 'quick' learns flat ground
    only (1.15 M steps, eight to ten minutes), with more and harder shoves, and falls that cost more."""
    n_timesteps: int | None = None
    """Control steps to learn from, instead of the recipe's."""
    log_folder: Path = Path("runs")
    """Where runs are kept."""
    out: Path | None = None
    """Folder of this run instead of the next free one in --log-folder; with --resume, instead of the newest."""
    save_freq: int = 500_000
    """Keep a copy of the policy every so many control steps; 0 keeps none but the last."""
    envs: int = 8
    """Dogs in each of them."""
    overlap: bool = True
    """Let the dogs walk on while the learner learns from what they did before: faster, with a policy that is one update
    old."""
    address: str | None = None
    """Address of the Ray cluster; without one, Ray is started on this machine."""
    sweep: int = 0
    """Instead of training once, let Optuna try so many settings; more can be tried later with --resume."""
    uneven: float | None = None
    """Share of the dogs that walk on uneven ground instead of the recipe's; the others walk on the flat."""
    ppo: PPOConfig = field(default_factory=PPOConfig)
    """Settings of the learner."""
    task: LocomotionConfig = field(default_factory=LocomotionConfig)
    """Settings of the task; the terrain and its seed are chosen for each dog."""

    @property
    def timesteps(self) -> int:
        """Control steps to learn from."""
        return TIMESTEPS[self.recipe] if self.n_timesteps is None else self.n_timesteps

    @property
    def per_iteration(self) -> int:
        """Control steps between two updates."""
        return self.workers * self.envs * self.ppo.n_steps

    @property
    def iterations(self) -> int:
        """Updates in all."""
        return -(-self.timesteps // self.per_iteration)

    def check(self) -> None:
        """Complain about what cannot be.

        Raises:
            ValueError: a number out of its range.
        """
        self.check_seed()
        self.check_workers()
        check_ranges(self, timesteps=(1, 10**10), envs=(1, 1024), sweep=(0, 10_000))
        if self.uneven is not None and not 0.0 <= self.uneven <= 1.0:
            raise ValueError(f"--uneven {self.uneven} came; allowed are 0 to 1")
        if self.address is not None and self.engine != "ray":
            raise ValueError("--address is for --engine ray")

    def folder(self) -> Path:
        """Folder of the run.

        Raises:
            ValueError: nothing to resume, or something to overwrite.
        """
        found = self._numbered() if self.out is None else self.out
        begun = (found / checkpoint.NAME).exists() or (found / "sweep.db").exists()
        if begun and not self.resume:
            raise ValueError(f"{found} holds a run already: continue it with --resume, or give another --out")
        if self.resume and not begun:
            raise ValueError(f"there is no checkpoint in {found}: start without --resume, or give the folder of a run")
        return found

    def begun(self, folder: Path) -> bool:
        """Whether the run goes on from a checkpoint in its folder."""
        return self.resume and (folder / checkpoint.NAME).exists()

    def as_json(self) -> dict[str, Any]:
        """The options as config.json keeps them, with the task as the recipe has it."""
        options = asdict(replace(self, task=self.recipe_task))
        return dict(json.loads(json.dumps(options, default=str)))

    def _numbered(self) -> Path:
        """Return the newest run to go on with, or the next free place for a new one."""
        runs = self.log_folder / "ppo"
        numbers = [int(end) for path in runs.glob(f"{ENV_ID}_*") if (end := path.name.rsplit("_", 1)[1]).isdigit()]
        newest = max(numbers, default=0)
        if self.resume and not newest:
            raise ValueError(f"there is no run in {runs}: start without --resume, or give --out")
        return runs / f"{ENV_ID}_{newest + (not self.resume)}"

    @property
    def recipe_task(self) -> LocomotionConfig:
        """The task as the recipe has it; what differs from the default stays.

        In nine minutes, what shoves teach gets lost behind speed and effort unless they are many and falls are dear.
        """
        if self.recipe == "full":
            return self.task
        usual, shoves = RandomizationConfig(), self.task.randomization
        if (shoves.push_m_s, shoves.push_every_s) == (usual.push_m_s, usual.push_every_s):
            shoves = replace(shoves, push_m_s=(0.2, 1.7), push_every_s=1.7)
        dear = 10.0 if self.task.fall_penalty == LocomotionConfig().fall_penalty else self.task.fall_penalty
        return replace(self.task, fall_penalty=dear, randomization=shoves)

    def env_configs(self) -> list[list[LocomotionConfig]]:
        """Return the task of every dog of every worker; kinds of uneven ground take turns, the hardest come first."""
        task = self.recipe_task
        uneven = {"full": 0.375, "quick": 0.0}[self.recipe] if self.uneven is None else self.uneven
        share = round(uneven * self.envs)
        kinds = tuple(reversed(HARDEST))
        return [
            [
                replace(task, terrain=kinds[(worker * share + dog) % len(kinds)], terrain_seed=1000 * worker + dog)
                if dog < share
                else task
                for dog in range(self.envs)
            ]
            for worker in range(self.workers)
        ]


_MAY_CHANGE = ("n_timesteps", "log_folder", "out", "save_freq", "engine", "address", "sweep", "resume")


def deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """Those options of a config.json that decide what is learned, under the names of their flags."""
    left = {name: value for name, value in config.items() if name not in _MAY_CHANGE}
    while any(isinstance(value, dict) for value in left.values()):
        nested = [(n, v if isinstance(v, dict) else {"": v}) for n, v in left.items()]
        left = {f"{n}.{key}".rstrip("."): value for n, inner in nested for key, value in inner.items()}
    return left


class Report(NamedTuple):
    """Figures of an iteration."""

    iteration: int
    steps: int
    reward: float
    frames_per_s: float

    def __str__(self) -> str:
        return f"{self.steps / 1e6:.2f} M steps, {self.frames_per_s:.0f} a second, reward {self.reward:.3f}"
