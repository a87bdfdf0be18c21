"""Left and right: what a walk looks like in a mirror.

A policy that is the mean of what it does and of the mirror image of what it would do in the mirror cannot prefer a
side: it is equivariant by construction. (Of the ways that Abdolhosseini et al. 2019, "On learning symmetric
locomotion", compare, training on mirrored copies of the experience made PPO diverge here after 300,000 steps.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from control.observation import OBSERVATION, PRIVILEGED, Term

# Legs come as FR, FL, RR, RL: the mirror swaps the first with the second and the third with the fourth.
_LEGS = np.array([1, 0, 3, 2])
_BY_JOINT = (3 * _LEGS[:, None] + np.arange(3)).ravel()
_FLIP_ABDUCTION = np.tile([-1.0, 1.0, 1.0], 4)
_FLIP_SIDEWAYS = np.tile([1.0, -1.0, 1.0], 4)


def _stay(*signs: float) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(len(signs)), np.array(signs)


_MIRRORS: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "vector": _stay(1.0, -1.0, 1.0),
    "axial": _stay(-1.0, 1.0, -1.0),
    "plane": _stay(1.0, -1.0),
    "odd": _stay(-1.0),
    "even": _stay(1.0),
    "joints": (_BY_JOINT, _FLIP_ABDUCTION),
    "feet": (_BY_JOINT, _FLIP_SIDEWAYS),
    "legs": (_LEGS, np.ones(4)),
    "scan": (_BY_JOINT, np.ones(12)),
}
"""Where the entries of a mirrored term come from, and their signs."""


def _mirror_map(terms: Sequence[Term]) -> tuple[np.ndarray, np.ndarray]:
    """Return where the entries of mirrored terms come from, (n,), and their signs, (n,) float32."""
    starts = np.cumsum([0, *(term.size for term in terms)])
    sources = [start + _MIRRORS[term.mirror][0] for start, term in zip(starts, terms, strict=False)]
    return np.concatenate(sources), np.concatenate([_MIRRORS[term.mirror][1] for term in terms]).astype(np.float32)


OBSERVATION_ORDER, OBSERVATION_SIGNS = _mirror_map(OBSERVATION)
CRITIC_ORDER, CRITIC_SIGNS = _mirror_map((*OBSERVATION, *PRIVILEGED))
ACTION_ORDER, ACTION_SIGNS = _BY_JOINT, _FLIP_SIDEWAYS.astype(np.float32)


def mirror_observation(observation: np.ndarray) -> np.ndarray:
    """Return an observation (..., 95) as seen in a mirror."""
    return observation[..., OBSERVATION_ORDER] * OBSERVATION_SIGNS


def mirror_action(action: np.ndarray) -> np.ndarray:
    """Return an action (..., 12) as seen in a mirror."""
    return action[..., ACTION_ORDER] * ACTION_SIGNS
