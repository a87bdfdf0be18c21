"""Rollout workers: processes that own several environments and a copy of the policy, and ship whole rollouts.

A message per rollout instead of one per step: that is what makes them faster than vectorised environments which talk to
the learner at every step. They never import torch.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np
from gymnasium.utils import seeding
from threadpoolctl import threadpool_limits

from envs.locomotion.env import LocomotionConfig, LocomotionEnv
from envs.locomotion.terrain import LEVELS
from policies.locomotion.actor import Actor
from robots.lifetime import end_with


class BatchState(NamedTuple):
    """Where a worker's environments stand: a batch that is given it goes on bit for bit.

    Bullet's world cannot be saved to the last bit, but an episode that begins with the same draws and is given the same
    actions repeats to the last bit: that is kept.
    """

    exploration: Mapping[str, Any]  # state of the generator that actions are drawn with
    draws: list[Mapping[str, Any]]  # state of each environment's generator before its episode
    levels: list[int]  # difficulty of its ground
    actions: list[np.ndarray]  # (steps of its episode until now, 12) float32


class Rollout(NamedTuple):
    """T steps of n environments. Observations are normalised, with the privileged state behind them."""

    observations: np.ndarray  # (T, n, obs + privileged) float32
    actions: np.ndarray  # (T, n, 12) float32
    rewards: np.ndarray  # (T, n) float32
    starts: np.ndarray  # (T, n) bool: the observation is the first of its episode
    truncated: list[tuple[int, int, np.ndarray]]  # step, environment, normalised last observation
    last_observations: np.ndarray  # (n, obs + privileged)
    last_starts: np.ndarray  # (n,) bool
    raw_sum: np.ndarray  # (obs,) sums over raw observations, for the normaliser
    raw_square_sum: np.ndarray  # (obs,)
    episodes: list[tuple[float, int, bool]]  # return, length, fell
    terms: dict[str, float]  # mean of every reward term
    level: float  # mean difficulty of the ground, 0 where all is flat
    state: BatchState  # after the last step


class EnvSlot:
    """One environment of a batch, and how difficult its ground may be by now."""

    def __init__(self, config: LocomotionConfig, seed: np.random.SeedSequence) -> None:
        self.env = LocomotionEnv(config)
        self.uneven = config.terrain != "flat"
        self.level = 1
        self.env.np_random, _ = seeding.np_random(int(seed.generate_state(1)[0]))
        self.observation = self._begin()

    def next_episode(self, fell: bool) -> np.ndarray:
        """Start the next episode, on harder ground when the last was survived; (obs,) its first observation."""
        if self.uneven:
            self.level = min(max(self.level + (-1 if fell else 1), 1), LEVELS)
        return self._begin()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Step the environment, and remember the action."""
        self.actions.append(action.copy())
        done = self.env.step(action)
        self.total += done[1]
        return done

    def repeat(self, draws: Mapping[str, Any], level: int, actions: np.ndarray) -> None:
        """Walk an episode of before again: what it drew, and (n, 12) what was done in it."""
        self.env.np_random.bit_generator.state = draws
        self.level = level
        self.observation = self._begin()
        for action in actions:
            self.observation = self.step(action)[0]

    def _begin(self) -> np.ndarray:
        self.total = 0.0
        self.draws = self.env.np_random.bit_generator.state
        self.actions: list[np.ndarray] = []
        return self.env.reset(options={"level": self.level})[0]


class EnvBatch:
    """Environments of one worker, stepped one after the other; with a `state`, from there on."""

    def __init__(
        self, configs: list[LocomotionConfig], seeds: list[np.random.SeedSequence], state: BatchState | None = None
    ) -> None:
        self._rng = np.random.default_rng(seeds[0].spawn(1)[0])
        self._slots = [EnvSlot(config, seed) for config, seed in zip(configs, seeds, strict=True)]
        if state is not None:
            self._rng.bit_generator.state = state.exploration
            for slot, draws, level, actions in zip(self._slots, state.draws, state.levels, state.actions, strict=True):
                slot.repeat(draws, level, actions)
        self._raw = np.stack([slot.observation for slot in self._slots])
        self._privileged = np.stack([slot.env.privileged() for slot in self._slots])
        self._starts = np.array([not slot.actions for slot in self._slots])

    def roll(self, actor: Actor, steps: int) -> Rollout:
        """Act for `steps` steps in every environment."""
        n, size = self._raw.shape
        observations = np.empty((steps, n, size + self._privileged.shape[1]), np.float32)
        actions = np.empty((steps, n, 12), np.float32)
        rewards = np.empty((steps, n), np.float32)
        starts = np.empty((steps, n), bool)
        raw_sum, raw_square_sum = np.zeros(size), np.zeros(size)
        log = _Log()
        for step in range(steps):
            raw_sum += self._raw.sum(axis=0)
            raw_square_sum += (self._raw.astype(np.float64) ** 2).sum(axis=0)
            observations[step] = self._seen(actor)
            starts[step] = self._starts
            actions[step] = actor.sample(observations[step, :, :size], self._rng)
            for index in range(n):
                rewards[step, index] = self._act(index, actions[step, index], actor, step, log)
        return Rollout(
            observations,
            actions,
            rewards,
            starts,
            log.truncated,
            self._seen(actor),
            self._starts.copy(),
            raw_sum,
            raw_square_sum,
            log.episodes,
            {name: total / (steps * n) for name, total in log.terms.items()},
            float(np.mean([slot.level if slot.uneven else 0.0 for slot in self._slots])),
            self._state(),
        )

    def _state(self) -> BatchState:
        return BatchState(
            self._rng.bit_generator.state,
            [slot.draws for slot in self._slots],
            [slot.level for slot in self._slots],
            [np.array(slot.actions, np.float32).reshape(-1, 12) for slot in self._slots],
        )

    def _seen(self, actor: Actor) -> np.ndarray:
        return np.concatenate([actor.normalise(self._raw), self._privileged], axis=1).astype(np.float32)

    def _act(self, index: int, action: np.ndarray, actor: Actor, step: int, log: _Log) -> float:
        slot = self._slots[index]
        observation, value, fell, ended, info = slot.step(action)
        for name, term in info["reward_terms"].items():
            log.terms[name] = log.terms.get(name, 0.0) + term
        self._starts[index] = fell or ended
        if fell or ended:
            if ended:
                last = np.concatenate([actor.normalise(observation), slot.env.privileged()])
                log.truncated.append((step, index, last.astype(np.float32)))
            log.episodes.append((slot.total, len(slot.actions), fell))
            observation = slot.next_episode(fell)
        self._raw[index] = observation
        self._privileged[index] = slot.env.privileged()
        return value


class _Log:
    """Notes of a rollout besides its arrays."""

    def __init__(self) -> None:
        self.truncated: list[tuple[int, int, np.ndarray]] = []
        self.episodes: list[tuple[float, int, bool]] = []
        self.terms: dict[str, float] = {}


def _work(parent: int, pipe: Connection, *batch: Any) -> None:
    end_with(parent)
    # One core for each worker. Numpy's BLAS would set a thread on every core at the policy of eight dogs, and wait for
    # it spinning: two such workers then take turns at being in each other's way, and walk at a quarter of their speed.
    with threadpool_limits(1, user_api="blas"):
        envs = EnvBatch(*batch)
        while (work := pipe.recv()) is not None:
            pipe.send(envs.roll(*work))


class RolloutSource(ABC):
    """A source of rollouts."""

    @abstractmethod
    def start(self, actor: Actor, steps: int) -> None:
        """Let all workers act at once, and do not wait for them.

        Raises:
            RuntimeError: a worker has died.
        """

    @abstractmethod
    def collect(self) -> list[Rollout]:
        """Wait for what was started; the rollouts in the order of the workers.

        Raises:
            RuntimeError: a worker has died.
        """

    @abstractmethod
    def close(self) -> None:
        """End the workers."""

    def roll(self, actor: Actor, steps: int) -> list[Rollout]:
        """Start and collect."""
        self.start(actor, steps)
        return self.collect()


def env_seeds(seed: int, worker: int, envs: int) -> list[np.random.SeedSequence]:
    """Return the seeds of a worker's environments."""
    return [np.random.SeedSequence(seed, spawn_key=(0, worker, env)) for env in range(envs)]


class Workers(RolloutSource):
    """A number of processes, each with an `EnvBatch`. The same seed and number of workers give the same rollouts."""

    def __init__(
        self, configs: list[list[LocomotionConfig]], seed: int, states: Sequence[BatchState] | None = None
    ) -> None:
        """One worker for each list of configurations, one environment for each of them; `states` to go on from."""
        context = mp.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        self._walking = False
        for worker, some in enumerate(configs):
            ours, theirs = context.Pipe()
            batch = (some, env_seeds(seed, worker, len(some)), states and states[worker])
            process = context.Process(target=_work, args=(os.getpid(), theirs, *batch), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def start(self, actor: Actor, steps: int) -> None:
        """Let all workers act at once, and do not wait for them."""
        self._walking = True  # some may, even if not all can be told
        with _noticing_death():
            for pipe in self._pipes:
                pipe.send((actor, steps))

    def collect(self) -> list[Rollout]:
        """Wait for what was started; the rollouts in the order of the workers."""
        with _noticing_death():
            rollouts = [pipe.recv() for pipe in self._pipes]
        self._walking = False
        return rollouts

    def close(self) -> None:
        """End the processes; what they walk just now is lost."""
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            if self._walking:
                process.terminate()
                continue
            with contextlib.suppress(OSError):  # it is gone already
                pipe.send(None)
        for process in self._processes:
            process.join(timeout=5)
            if process.is_alive():
                process.terminate()
                process.join()


@contextlib.contextmanager
def _noticing_death() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError) as problem:
        raise RuntimeError("a rollout worker died (out of memory?): start again with --resume") from problem
