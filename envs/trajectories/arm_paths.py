"""Ways of an arm's joints from a start to a goal: straight lines, bent smoothly, no two of them alike."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from envs.trajectories.arm_kinematics import JOINTS, LOWER, UPPER, hand_points, link_frames
from robots.arm import HOME

WAYPOINTS = 21
PER_PAIR = 100
_RANGE = np.array([1.2, 0.6, 0.5, 0.5, 0.6, 0.7, 1.0])  # rad about `HOME`: over the table, the cup seldom upside down
_WORKSPACE = np.array([(0.25, 0.75), (-0.55, 0.55), (0.12, 0.70)])  # m, where the hand starts and ends
_APART_M = 0.35
_BESIDE_M = (0.05, 0.40)  # with reaches of 0.3 m, some trajectories lead past and others do not
# Corners of where they may be: the person stands before the table's edge, which is at 0.5 m, the laptop on it.
_PERSON_M, _LAPTOP_M = ((0.60, -0.60), (0.90, 0.60)), ((0.22, -0.50), (0.36, 0.50))
_BEND_RAD = (0.15, 0.9)
_MARGIN_RAD = 0.02
_LOWEST_M = 0.05
_ALIKE_RAD = 0.06  # root mean square over joints and waypoints: nearer ones look the same
_MOST_BATCHES = 50


class Scene(NamedTuple):
    """Where an arm goes from and to, and who and what is near; joints (7,) rad, places (3,) m from the arm's base."""

    start: np.ndarray
    goal: np.ndarray
    human: np.ndarray
    laptop: np.ndarray


@cache
def minimum_jerk_kernel() -> np.ndarray:
    """(21, 21): column i bends waypoint i by 1 and the others as smoothly as can be, both ends held.

    The bend that changes the sum of squared third differences least (Dragan et al. 2015, "Movement primitives via
    optimization", with jerk for its norm).
    """
    # Three points before and behind stand still, so that a bend begins and ends gently.
    differences = np.diff(np.eye(WAYPOINTS + 6), n=3, axis=0)[:, 4 : WAYPOINTS + 2]
    inner = np.linalg.inv(differences.T @ differences)
    kernel = np.zeros((WAYPOINTS, WAYPOINTS))
    kernel[1:-1, 1:-1] = inner / np.diag(inner)
    return kernel


def draw_scene(rng: np.random.Generator) -> Scene:
    """Draw a start and a goal over the table, at least 0.35 m apart at the hand, a person and a laptop."""
    poses = np.array(HOME) + _RANGE * rng.uniform(-1.0, 1.0, (200, JOINTS))
    hands = hand_points(*link_frames(poses))
    low, high = _WORKSPACE.T
    inside = np.flatnonzero(((hands > low) & (hands < high)).all(axis=1))
    start = inside[0]
    goal = next(index for index in inside if np.linalg.norm(hands[index] - hands[start]) > _APART_M)
    line = hand_points(*link_frames(np.linspace(poses[start], poses[goal], WAYPOINTS)))
    human = np.append(np.clip(_beside(line, rng), *_PERSON_M), 0.35)
    laptop = np.append(np.clip(_beside(line, rng), *_LAPTOP_M), 0.0)
    return Scene(poses[start], poses[goal], human, laptop)


def _beside(line: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(2,) m: a place not far from somewhere on the hand's way (21, 3) m."""
    angle = rng.uniform(-np.pi, np.pi)
    away = rng.uniform(*_BESIDE_M) * np.array([np.cos(angle), np.sin(angle)])
    place: np.ndarray = line[rng.integers(WAYPOINTS), :2] + away
    return place


def draw_paths(scene: Scene, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `n` trajectories (n, 21, 7) rad of a scene, all over the table, within the joints' limits, and apart.

    Raises:
        RuntimeError: so many different trajectories are not found.
    """
    line = np.linspace(scene.start, scene.goal, WAYPOINTS)
    found = np.empty((n, WAYPOINTS, JOINTS))
    count = 0
    for _ in range(_MOST_BATCHES):
        bent = line + _bends(2 * PER_PAIR, rng)
        for path in bent[_allowed(bent)]:
            apart = np.sqrt(((found[:count] - path) ** 2).mean(axis=(1, 2)))
            if count == 0 or apart.min() > _ALIKE_RAD:
                found[count] = path
                count += 1
                if count == n:
                    return found
    raise RuntimeError(f"only {count} of {n} trajectories are more than {_ALIKE_RAD} rad apart")


def _bends(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 21, 7) rad: one to three bends each, at any waypoint, in any direction of the joints."""
    kernel = minimum_jerk_kernel()
    where = rng.integers(2, WAYPOINTS - 2, (n, 3))
    direction = rng.normal(size=(n, 3, JOINTS))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    size = rng.uniform(*_BEND_RAD, (n, 3, 1)) * (np.arange(3) < rng.integers(1, 4, (n, 1)))[:, :, None]
    bends: np.ndarray = np.einsum("nkt,nkj->ntj", kernel.T[where], direction * size)
    return bends


def _allowed(paths: np.ndarray) -> np.ndarray:
    """(n,) bool: no joint beyond its limits, no link nor the hand in the table."""
    within = ((paths > LOWER + _MARGIN_RAD) & (paths < UPPER - _MARGIN_RAD)).all(axis=(1, 2))
    places, turns = link_frames(paths)
    lowest = np.minimum(places[..., 2].min(axis=(1, 2)), hand_points(places, turns)[..., 2].min(axis=1))
    allowed: np.ndarray = within & (lowest > _LOWEST_M)
    return allowed
