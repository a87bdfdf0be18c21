"""Left and right: what a walk looks like in a mirror.

A policy that is the mean of what it does and of the mirror image of what it would do in the mirror cannot prefer a
side: it is equivariant by construction. (Of the ways that Abdolhosseini et al. 2019, "On learning symmetric
locomotion", compare, training on mirrored copies of the experience made PPO diverge here after 300,000 steps.)
"""

from __future__ import annotations

import numpy as np

from control.locomotion_controller import OBSERVATION

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
    "order": _stay(1.0, -1.0, -1.0, *[1.0] * 7),
    "joints": (_BY_JOINT, _FLIP_ABDUCTION),
    "feet": (_BY_JOINT, _FLIP_SIDEWAYS),
    "legs": (_LEGS, np.ones(4)),
    "scan": (_BY_JOINT, np.ones(12)),
}
"""Where the entries of a mirrored block come from, and their signs."""


def _observation_map() -> tuple[np.ndarray, np.ndarray]:
    order: list[np.ndarray] = []
    signs: list[np.ndarray] = []
    start = 0
    for block in OBSERVATION:
        index, sign = _MIRRORS[block.mirror]
        order.append(start + index)
        signs.append(sign)
        start += block.size
    return np.concatenate(order), np.concatenate(signs).astype(np.float32)


OBSERVATION_ORDER, OBSERVATION_SIGNS = _observation_map()
ACTION_ORDER, ACTION_SIGNS = _BY_JOINT, _FLIP_SIDEWAYS.astype(np.float32)
PRIVILEGED_SIGNS = np.array([1, -1, 1, -1, -1, 1, 1, 1, 1, 1, 1], np.float32)


def mirror_observation(observation: np.ndarray) -> np.ndarray:
    """(..., 95) -> (..., 95) as seen in a mirror."""
    return observation[..., OBSERVATION_ORDER] * OBSERVATION_SIGNS


def mirror_action(action: np.ndarray) -> np.ndarray:
    """(..., 12) -> (..., 12) as seen in a mirror."""
    return action[..., ACTION_ORDER] * ACTION_SIGNS
