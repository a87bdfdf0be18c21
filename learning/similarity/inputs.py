"""Encoders' inputs from trajectories."""

from __future__ import annotations

import numpy as np

from envs.trajectories.task import Trajectories, TrajectoryTask
from policies.taste.representation import Inputs

ARM_LINKS = 7
_TURNS_END = ARM_LINKS * 10
_PLACES_END = _TURNS_END + ARM_LINKS * 3


def inputs_of(task: TrajectoryTask, trajectories: Trajectories, name: Inputs) -> np.ndarray:
    """Return an encoder's inputs from trajectories.

    Args:
        task: whose they are.
        trajectories: N of them.
        name: 'descriptors' (N, K); 'encoded' waypoints (N, T, D); the 'vector' (N, K) as published, which for a task
            without one of its own is its encoding, waypoint after waypoint; or the 'relations' (N, T, D) of an arm.

    Raises:
        ValueError: relations of something that is no arm.
    """
    if name == "descriptors":
        return task.descriptors(trajectories)
    if name == "relations":
        return arm_relations(trajectories.states)
    if name == "vector" and hasattr(task, "vector"):
        vector: np.ndarray = task.vector(trajectories)
        return vector
    encoded = task.encode(trajectories)
    return encoded if name == "encoded" else encoded.reshape(len(encoded), -1)


def arm_relations(states: np.ndarray) -> np.ndarray:
    """(N, T, 58) float32: every link as seen from the person and from the laptop, its height, and the hand's rotation.

    What a waypoint of an arm (7 angles, 63 rotation entries, 21 places, person, laptop; m and rad) says of its
    surroundings, however these stand. No distance is in it, but the means of the hand's height and of its upright axis
    are two of the five true features: what it tells without any answer belongs beside what is learnt on it.

    Raises:
        ValueError: the states are not (N, T, 97).
    """
    if states.ndim != 3 or states.shape[2] != _PLACES_END + 6:
        raise ValueError(f"states {states.shape} came; an arm's are (N, T, {_PLACES_END + 6})")
    shape = states.shape[:2]
    places = states[..., _TURNS_END:_PLACES_END].reshape(*shape, ARM_LINKS, 3)
    person, laptop = (states[..., None, start : start + 3] for start in (_PLACES_END, _PLACES_END + 3))
    apart = [(places - other).reshape(*shape, -1) for other in (person, laptop)]
    return np.concatenate([*apart, places[..., 2], states[..., _TURNS_END - 9 : _TURNS_END]], axis=2).astype(np.float32)
