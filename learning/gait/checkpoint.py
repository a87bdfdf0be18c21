"""The checkpoint of a gait training: a run that was killed and goes on ends, bit for bit, as one that never was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from learning import checkpoint
from learning.gait.ppo import Learner, Normaliser
from learning.gait.train_config import PPOConfig
from learning.gait.workers import BatchState
from policies.locomotion.actor import Actor


class Begun(NamedTuple):
    """How far a run is, and how it goes on."""

    iteration: int = 0
    actor: Actor | None = None
    """With whom the workers walk next, or walk already: one update behind the learner's. None: the learner's own."""
    states: Sequence[BatchState] | None = None
    """Where the environments of each worker stand."""


FRESH = Begun()


def save(folder: Path, learner: Learner, begun: Begun, settings: Mapping[str, Any]) -> None:
    """Write all that is needed to go on; a kill or a full disk leaves the last whole checkpoint.

    Raises:
        OSError: it cannot be written.
    """
    states = begun.states or ()
    actions = {f"{w}.{e}": torch.from_numpy(a) for w, one in enumerate(states) for e, a in enumerate(one.actions)}
    numbers: Any = np.random.get_state()  # noqa: NPY002 - stable-baselines3 shuffles with it
    at = {
        "iteration": begun.iteration,
        "steps": learner.steps,
        "learning_rate": learner.learning_rate,
        "normaliser": [
            learner.normaliser.count,
            learner.normaliser.mean.tolist(),
            learner.normaliser.variance.tolist(),
        ],
        "shuffling": [numbers[0], numbers[1].tolist(), *numbers[2:]],
        "states": [one._replace(actions=[]) for one in states],
    }
    try:
        checkpoint.write(folder, _parts(learner, _actor_tensors(begun.actor), actions), at, settings)
    except OSError as problem:
        raise OSError(
            f"cannot write {folder / checkpoint.NAME} ({problem}). The checkpoint of iteration {begun.iteration - 1} "
            "is whole: make room, then go on with --resume"
        ) from problem


def restore(folder: Path, learner: Learner, settings: Mapping[str, Any]) -> Begun:
    """Load the checkpoint of a run into a learner.

    Raises:
        ValueError: it is damaged, missing, or of a run with other settings.
    """
    actor: dict[str, Tensor] = {}
    actions: dict[str, Tensor] = {}
    at = checkpoint.resume(folder, _parts(learner, actor, actions), settings)
    learner.steps, learner.learning_rate = at["steps"], at["learning_rate"]
    count, mean, variance = at["normaliser"]
    learner.normaliser = Normaliser(count, np.array(mean), np.array(variance))
    name, keys, *rest = at["shuffling"]
    np.random.set_state((name, np.array(keys, np.uint32), *rest))  # noqa: NPY002
    states = [
        BatchState(exploration, draws, levels, [actions[f"{worker}.{env}"].numpy() for env in range(len(draws))])
        for worker, (exploration, draws, levels, _) in enumerate(at["states"])
    ]
    return Begun(at["iteration"], _actor(actor), states)


def read_learner(folder: Path) -> tuple[Learner, dict[str, Any]]:
    """Make the learner of the run in a folder, as its checkpoint has it, with the run's settings.

    Raises:
        ValueError: the checkpoint is damaged or missing.
    """
    settings = checkpoint.read_settings(folder)
    learner = Learner(PPOConfig(hidden=tuple(settings["ppo.hidden"])), envs=1, seed=0)
    restore(folder, learner, settings)
    return learner, settings


def _parts(learner: Learner, actor: dict[str, Tensor], actions: dict[str, Tensor]) -> dict[str, checkpoint.Part]:
    policy = learner.model.policy
    return {"policy": policy, "optimiser": policy.optimizer, "actor": actor, "actions": actions}


def _actor_tensors(actor: Actor | None) -> dict[str, Tensor]:
    if actor is None:
        return {}
    layers = {f"weight.{index}": weight for index, weight in enumerate(actor.weights)}
    layers |= {f"bias.{index}": bias for index, bias in enumerate(actor.biases)}
    arrays = {"mean": actor.mean, "scale": actor.scale, "log_std": actor.log_std, **layers}
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _actor(tensors: dict[str, Tensor]) -> Actor | None:
    if not tensors:
        return None
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    layers = range(sum(name.startswith("weight.") for name in arrays))
    weights, biases = (tuple(arrays[f"{kind}.{index}"] for index in layers) for kind in ("weight", "bias"))
    return Actor(arrays["mean"], arrays["scale"], weights, biases, arrays["log_std"])
