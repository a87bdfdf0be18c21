"""The rollout workers on a Ray cluster: the same batches, the same seeds, the same rollouts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from envs.locomotion.env import LocomotionConfig
from learning.gait.workers import BatchState, EnvBatch, Rollout, RolloutSource, env_seeds
from policies.locomotion.actor import Actor


class RayWorkers(RolloutSource):
    """One Ray actor for each list of configurations. A call costs a millisecond, and is made once for a rollout.

    Raises:
        RuntimeError: Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(
        self,
        configs: list[list[LocomotionConfig]],
        seed: int,
        states: Sequence[BatchState] | None = None,
        address: str | None = None,
    ) -> None:
        try:
            import ray
        except ModuleNotFoundError as problem:
            raise RuntimeError("--engine ray needs Ray: pip install 'empaw[scale]'") from problem
        self._ray: Any = ray
        try:
            local: dict[str, Any] = {} if address else {"num_cpus": len(configs), "include_dashboard": False}
            ray.init(
                address=address, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True, **local
            )
        except (ConnectionError, ValueError) as problem:
            raise RuntimeError(f"no Ray cluster answers at {address}: {problem}") from problem
        self._coming: list[Any] = []
        remote: Any = ray.remote(num_cpus=1)(EnvBatch)
        self._batches = [
            remote.remote(some, env_seeds(seed, worker, len(some)), states and states[worker])
            for worker, some in enumerate(configs)
        ]

    def start(self, actor: Actor, steps: int) -> None:
        """Let all workers act at once, and do not wait for them; who has died is told of by `collect`."""
        self._coming = [batch.roll.remote(actor, steps) for batch in self._batches]

    def collect(self) -> list[Rollout]:
        """Wait for what was started; the rollouts in the order of the workers.

        Raises:
            RuntimeError: a worker has died.
        """
        try:
            rollouts: list[Rollout] = self._ray.get(self._coming)
        except self._ray.exceptions.RayError as problem:
            raise RuntimeError(f"a rollout worker died: start again with --resume ({problem})") from problem
        return rollouts

    def close(self) -> None:
        """Give the cluster its workers back."""
        for batch in self._batches:
            self._ray.kill(batch)
        self._ray.shutdown()
