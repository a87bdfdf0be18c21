"""Rollout workers: processes that own several environments and a copy of the policy, and ship whole rollouts.

A message per rollout instead of one per step: that is what makes them faster than vectorised environments which talk to
the learner at every step. They never import torch.
"""

from __future__ import annotations

import multiprocessing as mp
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np

from envs.locomotion.env import LocomotionConfig, LocomotionEnv
from policies.gait.actor import Actor


class Rollout(NamedTuple):
    """What n environments did for T steps. Observations are normalised."""

    observations: np.ndarray  # (T, n, obs) float32
    actions: np.ndarray  # (T, n, 12) float32
    rewards: np.ndarray  # (T, n) float32
    starts: np.ndarray  # (T, n) bool: the observation is the first of its episode
    truncated: list[tuple[int, int, np.ndarray]]  # step, environment, normalised last observation
    last_observations: np.ndarray  # (n, obs)
    last_starts: np.ndarray  # (n,) bool
    raw_sum: np.ndarray  # (obs,) sums over raw observations, for the normaliser
    raw_square_sum: np.ndarray  # (obs,)
    episodes: list[tuple[float, int, bool]]  # return, length, fell
    terms: dict[str, float]  # mean of every reward term


class Crew:
    """The environments of one worker, stepped one after the other."""

    def __init__(self, config: LocomotionConfig, seeds: list[np.random.SeedSequence]) -> None:
        self._envs = [LocomotionEnv(config) for _ in seeds]
        self._rng = np.random.default_rng(seeds[0].spawn(1)[0])
        first = [env.reset(seed=int(seed.generate_state(1)[0]))[0] for env, seed in zip(self._envs, seeds, strict=True)]
        self._raw = np.stack(first)
        self._starts = np.ones(len(first), bool)
        self._returns = np.zeros(len(first))
        self._lengths = np.zeros(len(first), int)

    def roll(self, actor: Actor, steps: int) -> Rollout:
        """Act for `steps` steps in every environment."""
        n, size = self._raw.shape
        observations = np.empty((steps, n, size), np.float32)
        actions = np.empty((steps, n, 12), np.float32)
        rewards = np.empty((steps, n), np.float32)
        starts = np.empty((steps, n), bool)
        raw_sum, raw_square_sum = np.zeros(size), np.zeros(size)
        truncated: list[tuple[int, int, np.ndarray]] = []
        episodes: list[tuple[float, int, bool]] = []
        terms: dict[str, float] = {}
        for step in range(steps):
            raw_sum += self._raw.sum(axis=0)
            raw_square_sum += (self._raw.astype(np.float64) ** 2).sum(axis=0)
            observations[step] = actor.normalise(self._raw)
            starts[step] = self._starts
            actions[step] = actor.sample(observations[step], self._rng)
            for index in range(n):
                rewards[step, index] = self._act(index, actions[step, index], actor, step, truncated, episodes, terms)
        return Rollout(
            observations,
            actions,
            rewards,
            starts,
            truncated,
            actor.normalise(self._raw).astype(np.float32),
            self._starts.copy(),
            raw_sum,
            raw_square_sum,
            episodes,
            {name: total / (steps * n) for name, total in terms.items()},
        )

    def _act(
        self,
        index: int,
        action: np.ndarray,
        actor: Actor,
        step: int,
        truncated: list[tuple[int, int, np.ndarray]],
        episodes: list[tuple[float, int, bool]],
        terms: dict[str, float],
    ) -> float:
        env = self._envs[index]
        observation, value, fell, ended, info = env.step(action)
        for name, term in info["reward_terms"].items():
            terms[name] = terms.get(name, 0.0) + term
        self._returns[index] += value
        self._lengths[index] += 1
        self._starts[index] = fell or ended
        if fell or ended:
            if ended:
                truncated.append((step, index, actor.normalise(observation).astype(np.float32)))
            episodes.append((float(self._returns[index]), int(self._lengths[index]), bool(fell)))
            self._returns[index], self._lengths[index] = 0.0, 0
            observation, _ = env.reset()
        self._raw[index] = observation
        return value


def _work(pipe: Connection, config: LocomotionConfig, seeds: list[np.random.SeedSequence]) -> None:
    crew = Crew(config, seeds)
    while (order := pipe.recv()) is not None:
        pipe.send(crew.roll(*order))


class Workers:
    """A number of processes, each with a crew. The same seed and number of workers give the same rollouts."""

    def __init__(self, config: LocomotionConfig, workers: int, envs: int, seed: int, generation: int = 0) -> None:
        context = mp.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for worker in range(workers):
            ours, theirs = context.Pipe()
            seeds = [np.random.SeedSequence(seed, spawn_key=(generation, worker, env)) for env in range(envs)]
            process = context.Process(target=_work, args=(theirs, config, seeds), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def roll(self, actor: Actor, steps: int) -> list[Rollout]:
        """Let all workers act at once; their rollouts in the order of the workers.

        Raises:
            RuntimeError: a worker has died.
        """
        try:
            for pipe in self._pipes:
                pipe.send((actor, steps))
            return [pipe.recv() for pipe in self._pipes]
        except (EOFError, OSError) as problem:
            raise RuntimeError("a rollout worker died (out of memory?): start again with --resume") from problem

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            try:
                pipe.send(None)
            except OSError:
                continue  # it is gone already
        for process in self._processes:
            process.join(timeout=5)
            if process.is_alive():
                process.terminate()
