"""PPO from stable-baselines3, fed with whole rollouts from our workers, for a policy that knows no left or right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv

from control.mirror import (
    ACTION_ORDER,
    ACTION_SIGNS,
    CRITIC_ORDER,
    CRITIC_SIGNS,
    OBSERVATION_ORDER,
    mirror_observation,
)
from control.observation import OBSERVATION_SIZE, PRIVILEGED_SIZE
from learning.gait.train_config import PPOConfig
from learning.gait.workers import Rollout
from policies.locomotion.actor import Actor

CRITIC_SIZE = OBSERVATION_SIZE + PRIVILEGED_SIZE
_SIGNS = torch.from_numpy(CRITIC_SIGNS)
_ACTION_SIGNS = torch.from_numpy(ACTION_SIGNS)


class AsymmetricExtractor(torch.nn.Module):
    """Two networks: the actor's sees the observation, the critic's the privileged state behind it as well."""

    def __init__(self, hidden: Sequence[int], activation: type[torch.nn.Module]) -> None:
        super().__init__()
        self.latent_dim_pi = self.latent_dim_vf = hidden[-1]
        self.policy_net = _layers(OBSERVATION_SIZE, hidden, activation)
        self.value_net = _layers(CRITIC_SIZE, hidden, activation)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: torch.Tensor) -> torch.Tensor:
        """Return (n, latent) of (n, 106), from the first 95."""
        latent: torch.Tensor = self.policy_net(features[:, :OBSERVATION_SIZE])
        return latent

    def forward_critic(self, features: torch.Tensor) -> torch.Tensor:
        """Return (n, latent) of (n, 106)."""
        latent: torch.Tensor = self.value_net(features)
        return latent


def _layers(inputs: int, hidden: Sequence[int], activation: type[torch.nn.Module]) -> torch.nn.Sequential:
    layers: list[torch.nn.Module] = []
    for outputs in hidden:
        layers += [torch.nn.Linear(inputs, outputs), activation()]
        inputs = outputs
    return torch.nn.Sequential(*layers)


class SymmetricPolicy(ActorCriticPolicy):
    """An actor that treats left and right alike: see `control.mirror`."""

    def _build_mlp_extractor(self) -> None:
        assert isinstance(self.net_arch, list)
        self.mlp_extractor = AsymmetricExtractor(self.net_arch, self.activation_fn)  # type: ignore[assignment]

    def forward(
        self, obs: torch.Tensor, deterministic: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return actions (n, 12), values (n, 1) and log-probabilities (n,) for observations (n, 106)."""
        normal = self.get_distribution(obs)
        actions = normal.get_actions(deterministic=deterministic)
        return actions, self.predict_values(obs), normal.log_prob(actions)

    def evaluate_actions(  # type: ignore[override]
        self, obs: torch.Tensor, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return values (n, 1), log-probabilities and entropy (n,) of actions (n, 12) given observations (n, 106)."""
        normal = self.get_distribution(obs)
        return self.predict_values(obs), normal.log_prob(actions), normal.entropy()

    def get_distribution(self, obs: torch.Tensor) -> DiagGaussianDistribution:  # type: ignore[override]
        """Return the Gaussian over actions given observations (n, 106): the mean of both sides of the mirror."""
        straight, reflected = self._means(obs), self._means(_mirror(obs))
        mean = 0.5 * (straight + reflected[:, ACTION_ORDER] * _ACTION_SIGNS)
        log_std = 0.5 * (self.log_std + self.log_std[ACTION_ORDER])
        return DiagGaussianDistribution(mean.shape[1]).proba_distribution(mean, log_std)

    def predict_values(self, obs: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Return values (n, 1) of observations (n, 106)."""
        values: torch.Tensor = self.value_net(self.mlp_extractor.forward_critic(obs))
        return values

    def _means(self, obs: torch.Tensor) -> torch.Tensor:
        means: torch.Tensor = self.action_net(self.mlp_extractor.forward_actor(obs))
        return means


def _mirror(obs: torch.Tensor) -> torch.Tensor:
    return obs[:, CRITIC_ORDER] * _SIGNS


def make_ppo(config: PPOConfig, envs: VecEnv, seed: int) -> PPO:
    """Make stable-baselines3's learner for environments that give the privileged state behind the observation."""
    ours = ("desired_kl", "log_std_init", "log_std_final", "annealing", "hidden")
    model = PPO(
        SymmetricPolicy,
        envs,
        **{name: value for name, value in vars(config).items() if name not in ours},
        policy_kwargs={
            "net_arch": list(config.hidden),
            "activation_fn": torch.nn.ELU,
            "log_std_init": config.log_std_init,
        },
        device="cpu",
        seed=seed,
    )
    model.policy.log_std.requires_grad_(False)
    with torch.no_grad():
        # Begin as the clocked gait itself: residuals near zero.
        model.policy.get_parameter("action_net.weight").mul_(0.05)
    return model


class _Spaces(VecEnv):
    """Stands for environments that live in other processes: the learner asks it for spaces only."""

    def __init__(self, num_envs: int) -> None:
        super().__init__(
            num_envs,
            gym.spaces.Box(-np.inf, np.inf, (CRITIC_SIZE,), np.float32),
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
        # Sums over the mirrored observations too: the normaliser must not know left from right either.
        total = 0.5 * (total + mirror_observation(total))
        square_total = 0.5 * (square_total + square_total[OBSERVATION_ORDER])
        mean = total / count
        variance = np.maximum(square_total / count - mean**2, 0.0)
        both = self.count + count
        gap = mean - self.mean
        self.variance = (self.variance * self.count + variance * count + gap**2 * self.count * count / both) / both
        self.mean = self.mean + gap * count / both
        self.count = both


class Learner:
    """Turns rollouts into better weights."""

    def __init__(self, config: PPOConfig, envs: int, seed: int) -> None:
        self.config = config
        self.normaliser = Normaliser()
        self.learning_rate = config.learning_rate
        self.steps = 0
        """Control steps that were learned from."""
        torch.manual_seed(seed)
        self.model = make_ppo(config, _Spaces(envs), seed)
        self.model.lr_schedule = lambda _: self.learning_rate

    def _adapt(self) -> None:
        """Move the learning rate toward updates of the desired size."""
        moved = float(self.model.logger.name_to_value["train/approx_kl"])
        desired = self.config.desired_kl
        if moved > 1.5 * desired:
            self.learning_rate = max(self.learning_rate / 1.3, 1e-5)
        elif moved < desired / 1.5:
            self.learning_rate = min(self.learning_rate * 1.3, 2e-3)

    def anneal_exploration(self, progress: float) -> None:
        """Set the size of exploration for this share of the training.

        It must end small: feet that are shaken slow a trot down by 0.1 m/s, and a policy that made up for that would be
        too fast as soon as nothing shakes them.
        """
        first, last = self.config.log_std_init, self.config.log_std_final
        begin, end = self.config.annealing
        share = min(1.0, max(0.0, (progress - begin) / (end - begin)))
        with torch.no_grad():
            self.model.policy.log_std.fill_(first + (last - first) * share)

    def set_logger(self, logger: Logger) -> None:
        """Set where the learner's figures go."""
        self.model.set_logger(logger)

    def actor(self) -> Actor:
        """Return the policy as it is now."""
        policy = self.model.policy
        hidden = policy.mlp_extractor.policy_net
        layers = [layer for layer in (*hidden, policy.action_net) if isinstance(layer, torch.nn.Linear)]
        scale = np.sqrt(self.normaliser.variance + 1e-4)
        return Actor(
            self.normaliser.mean.astype(np.float32),
            scale.astype(np.float32),
            tuple(layer.weight.detach().numpy().copy() for layer in layers),
            tuple(layer.bias.detach().numpy().copy() for layer in layers),
            0.5 * (policy.log_std + policy.log_std[ACTION_ORDER]).detach().numpy(),
        )

    def learn(self, rollouts: list[Rollout], progress: float) -> None:
        """Do one iteration; `progress` is the share of training that was done when the rollouts began."""
        model = self.model
        self.anneal_exploration(progress)
        model._current_progress_remaining = 1.0 - progress
        self._fill(rollouts)
        model.train()
        self._adapt()
        for rollout in rollouts:
            count = rollout.rewards.size
            self.normaliser.update(rollout.raw_sum, rollout.raw_square_sum, count)
            self.steps += count

    @torch.no_grad()
    def _fill(self, rollouts: list[Rollout]) -> None:
        buffer, policy, gamma = self.model.rollout_buffer, self.model.policy, self.config.gamma
        observations, actions, rewards, starts = (
            np.concatenate([getattr(rollout, name) for rollout in rollouts], axis=1)
            for name in ("observations", "actions", "rewards", "starts")
        )
        offset = 0
        for rollout in rollouts:
            # An episode that was cut, not lost, goes on to be worth what the critic expects.
            for step, index, last in rollout.truncated:
                rewards[step, offset + index] += gamma * float(policy.predict_values(torch.from_numpy(last[None])))
            offset += rollout.rewards.shape[1]
        seen = torch.from_numpy(observations.reshape(-1, CRITIC_SIZE))
        values, log_probs, _ = policy.evaluate_actions(seen, torch.from_numpy(actions.reshape(-1, actions.shape[-1])))
        values, log_probs = values.reshape(rewards.shape), log_probs.reshape(rewards.shape)
        buffer.reset()
        for step in range(len(rewards)):
            buffer.add(observations[step], actions[step], rewards[step], starts[step], values[step], log_probs[step])
        last = np.concatenate([rollout.last_observations for rollout in rollouts])
        ended = np.concatenate([rollout.last_starts for rollout in rollouts])
        buffer.compute_returns_and_advantage(policy.predict_values(torch.from_numpy(last)), ended)
