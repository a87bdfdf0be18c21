"""PPO from stable-baselines3, fed with whole rollouts from our workers and with their mirror images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from envs.locomotion.env import OBSERVATION_SIZE
from policies.gait.actor import Actor
from policies.gait.mirror import mirror_action, mirror_observation
from policies.gait.workers import Rollout


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
    mirror: bool = True


class _Spaces(VecEnv):
    """Stands for environments that live in other processes: the learner asks it for spaces only."""

    def __init__(self, num_envs: int) -> None:
        super().__init__(
            num_envs,
            gym.spaces.Box(-np.inf, np.inf, (OBSERVATION_SIZE,), np.float32),
            gym.spaces.Box(-1.0, 1.0, (12,), np.float32),
        )

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """No attribute is set."""
        return [None] * self.num_envs

    def _elsewhere(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("the workers own the environments")

    reset = step_async = step_wait = env_method = set_attr = _elsewhere

    def close(self) -> None:
        """Nothing to close."""

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No wrappers here."""
        return [False] * self.num_envs


@dataclass
class Normaliser:
    """Running mean and variance of raw observations (Chan et al. 1979)."""

    count: float = 1e-2
    mean: np.ndarray = field(default_factory=lambda: np.zeros(OBSERVATION_SIZE))
    variance: np.ndarray = field(default_factory=lambda: np.ones(OBSERVATION_SIZE))

    def update(self, total: np.ndarray, square_total: np.ndarray, count: int) -> None:
        """Take sums over `count` observations."""
        mean = total / count
        variance = np.maximum(square_total / count - mean**2, 0.0)
        both = self.count + count
        gap = mean - self.mean
        self.variance = (self.variance * self.count + variance * count + gap**2 * self.count * count / both) / both
        self.mean = self.mean + gap * count / both
        self.count = both


class Learner:
    """The learner: turns rollouts into better weights."""

    def __init__(self, config: PPOConfig, envs: int, seed: int) -> None:
        self.config = config
        self.normaliser = Normaliser()
        torch.manual_seed(seed)
        self.model = PPO(
            "MlpPolicy",
            _Spaces(envs * (2 if config.mirror else 1)),
            n_steps=config.n_steps,
            batch_size=config.batch_size,
            n_epochs=config.n_epochs,
            learning_rate=config.learning_rate,
            gamma=config.gamma,
            gae_lambda=config.gae_lambda,
            clip_range=config.clip_range,
            target_kl=config.target_kl,
            ent_coef=config.ent_coef,
            vf_coef=config.vf_coef,
            max_grad_norm=config.max_grad_norm,
            policy_kwargs={
                "net_arch": list(config.hidden),
                "activation_fn": torch.nn.ELU,
                "log_std_init": config.log_std_init,
            },
            device="cpu",
            seed=seed,
        )
        with torch.no_grad():
            # Begin as the clocked gait itself: residuals near zero.
            self.model.policy.get_parameter("action_net.weight").mul_(0.05)

    def set_logger(self, logger: Logger) -> None:
        """Where the learner's figures go."""
        self.model.set_logger(logger)

    def actor(self) -> Actor:
        """The policy as it is now, for the workers."""
        policy = self.model.policy
        hidden = policy.mlp_extractor.policy_net
        layers = [layer for layer in (*hidden, policy.action_net) if isinstance(layer, torch.nn.Linear)]
        scale = np.sqrt(self.normaliser.variance + 1e-4)
        return Actor(
            self.normaliser.mean.astype(np.float32),
            scale.astype(np.float32),
            tuple(layer.weight.detach().numpy().copy() for layer in layers),
            tuple(layer.bias.detach().numpy().copy() for layer in layers),
            policy.log_std.detach().numpy().copy(),
        )

    def learn(self, rollouts: list[Rollout], progress: float) -> None:
        """One iteration; `progress` is the share of training that is done, for the learning rate's decay."""
        model = self.model
        model._current_progress_remaining = 1.0 - progress
        self._fill(rollouts)
        model.train()
        for rollout in rollouts:
            count = rollout.rewards.size
            self.normaliser.update(rollout.raw_sum, rollout.raw_square_sum, count)

    @torch.no_grad()
    def _fill(self, rollouts: list[Rollout]) -> None:
        buffer, policy, gamma = self.model.rollout_buffer, self.model.policy, self.config.gamma
        columns = [_columns(rollout) for rollout in rollouts]
        if self.config.mirror:
            columns += [_mirrored(column) for column in columns]
        observations = np.concatenate([column.observations for column in columns], axis=1)
        actions = np.concatenate([column.actions for column in columns], axis=1)
        rewards = np.concatenate([column.rewards for column in columns], axis=1)
        starts = np.concatenate([column.starts for column in columns], axis=1)
        offset = 0
        for column in columns:
            for step, index, last in column.truncated:
                value = policy.predict_values(torch.from_numpy(np.ascontiguousarray(last[None], np.float32)))
                rewards[step, offset + index] += gamma * float(value)
            offset += column.rewards.shape[1]
        buffer.reset()
        for step in range(len(rewards)):
            seen, done = torch.from_numpy(observations[step]), torch.from_numpy(actions[step])
            values, log_prob, _ = policy.evaluate_actions(seen, done)
            buffer.add(observations[step], actions[step], rewards[step], starts[step], values.flatten(), log_prob)
        last = np.concatenate([column.last_observations for column in columns])
        ended = np.concatenate([column.last_starts for column in columns])
        buffer.compute_returns_and_advantage(policy.predict_values(torch.from_numpy(last)), ended)


def _columns(rollout: Rollout) -> Rollout:
    return rollout._replace(rewards=rollout.rewards.copy())


def _mirrored(rollout: Rollout) -> Rollout:
    return rollout._replace(
        observations=mirror_observation(rollout.observations).astype(np.float32),
        actions=mirror_action(rollout.actions).astype(np.float32),
        last_observations=mirror_observation(rollout.last_observations).astype(np.float32),
        truncated=[(step, index, mirror_observation(last)) for step, index, last in rollout.truncated],
    )
