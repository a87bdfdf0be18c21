"""The arm task: a Panda arm carries a cup over a table, past a person and a laptop (SIRL's JacoRobot, 2301.00810)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from envs.trajectories.arm_kinematics import HAND_M, JOINTS, link_frames
from envs.trajectories.arm_paths import PER_PAIR, draw_paths, draw_scene
from envs.trajectories.task import Animation, Trajectories, six_digits
from geometry.files import read_json

FEATURES = ("table", "laptop", "proxemics", "cup", "human")
SIZE = JOINTS + 9 * JOINTS + 3 * JOINTS + 3 + 3
SCALES_FILE = Path(__file__).with_name("arm_scales.json")
LAPTOP_M, PERSONAL_M, HUMAN_M = 0.8, 0.3, 0.3
"""How near counts as near, seen from above; 2301.00810, appendix."""
_STRETCH = 3.0  # personal space reaches three times as far along y, where the person looks, as along x
_LEAST = 1e-4
_TURNS, _PLACES, _HUMAN, _LAPTOP = (
    slice(JOINTS, 10 * JOINTS),
    slice(10 * JOINTS, 13 * JOINTS),
    slice(SIZE - 6, SIZE - 3),
    slice(SIZE - 3, SIZE),
)


class ArmTask:
    """Ways of 21 waypoints with 97 numbers each, a hundred for each of many scenes.

    A waypoint is 7 joint angles (rad), the rotations of links 1 to 7 (9 numbers each, row by row), their places (m),
    the person's and the laptop's (3 m each); all seen from the arm's base, the table at height 0. `extras["scene"]`
    numbers the scene. 2301.00810 has 10,000 trajectories of 100 scenes.
    """

    name = "arm"
    feature_names: tuple[str, ...] = FEATURES

    def generate(self, n: int, rng: np.random.Generator) -> Trajectories:
        """Return `n` trajectories, a hundred to a scene, in a second for each thousand.

        Raises:
            ValueError: `n` is below 1.
        """
        if n < 1:
            raise ValueError(f"{n} trajectories of the arm were asked for: ask for 1 or more")
        count = -(-n // PER_PAIR)
        sources = [
            np.random.default_rng(seed) for seed in np.random.SeedSequence(int(rng.integers(2**62))).spawn(count)
        ]
        # A scene's trajectories are all drawn and then cut, so that they do not depend on how many are asked for.
        parts = [_ways(source) for source in sources]
        states = np.concatenate(parts)[:n]
        return Trajectories(states, {"scene": np.repeat(np.arange(count), PER_PAIR)[:n]})

    def features(self, trajectories: Trajectories) -> np.ndarray:
        """(N, 5) in [0, 1], sums over the waypoints.

        They are height over the table, nearness to the laptop, presence in the person's space, tilt of the cup, and
        nearness to the person.
        """
        low, high = np.array(scales()["features"]).T
        return np.clip((raw_features(trajectories.states) - low) / (high - low), 0.0, 1.0)

    def encode(self, trajectories: Trajectories) -> np.ndarray:
        """(N, 21, 97) float32: the numbers of about zero mean and unit size."""
        middle, size = np.array(scales()["channels"]).T
        return ((trajectories.states - middle) / size).astype(np.float32)

    def descriptors(self, trajectories: Trajectories) -> np.ndarray:
        """(N, 70) float32: mean, log spread, log mean change, log mean change of that, of 17 numbers of the motion.

        These are the joints, where the hand is on the table, how its x and y axes lie, and where it is from the laptop;
        then the mean of where it is from the person. The hand's height and its third axis are left out: their means
        are two of the true features.
        """
        middle, size = np.array(scales()["descriptors"]).T
        return ((raw_descriptors(trajectories.states) - middle) / size).astype(np.float32)

    def render(self, trajectories: Trajectories, index: int) -> Animation:
        """Show the way at `index`, run through in three seconds.

        Raises:
            IndexError: there is no such way.
        """
        from envs.trajectories.arm_picture import picture

        trajectories.check_index(index)
        states = trajectories.states[index].astype(np.float64)
        return picture(states[:, :JOINTS], states[0, _HUMAN], states[0, _LAPTOP])


def _ways(rng: np.random.Generator) -> np.ndarray:
    """(100, 21, 97) float32 of one scene."""
    scene = draw_scene(rng)
    return states_of(draw_paths(scene, PER_PAIR, rng), scene.human, scene.laptop)


def states_of(joints: np.ndarray, human: np.ndarray, laptop: np.ndarray) -> np.ndarray:
    """(N, T, 97) float32 of joints (N, T, 7) rad, with the person and the laptop at (3,) m."""
    places, turns = link_frames(joints)
    size = joints.shape[:2]
    parts = [joints, turns.reshape(*size, -1), places.reshape(*size, -1)]
    parts += [np.broadcast_to(place, (*size, 3)) for place in (human, laptop)]
    return np.concatenate(parts, axis=2).astype(np.float32)


def hands_of(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The grip of the hand (N, T, 3) m, and the rotation (N, T, 3, 3) of the last link."""
    turns = states[:, :, _TURNS].reshape(*states.shape[:2], JOINTS, 3, 3)[:, :, -1].astype(np.float64)
    return states[:, :, _PLACES][:, :, -3:] + HAND_M * turns[..., 2], turns


def raw_features(states: np.ndarray) -> np.ndarray:
    """(N, 5) of `FEATURES`, summed over waypoints and not scaled."""
    hand, turns = hands_of(states)
    to_human = hand[..., :2] - states[:, :, _HUMAN][..., :2]
    to_laptop = hand[..., :2] - states[:, :, _LAPTOP][..., :2]
    stretched = to_human / np.array([1.0, _STRETCH])
    near = [
        np.maximum(reach - np.linalg.norm(apart, axis=2), 0.0)
        for reach, apart in ((LAPTOP_M, to_laptop), (PERSONAL_M, stretched), (HUMAN_M, to_human))
    ]
    # The hand points down where it holds a cup upright: the cup's own z is opposite to the hand's.
    tilt = 1.0 + turns[..., 2, 2]
    return np.stack([hand[..., 2], near[0], near[1], tilt, near[2]], axis=2).sum(axis=1)


def raw_descriptors(states: np.ndarray) -> np.ndarray:
    """(N, 70), see `ArmTask.descriptors`."""
    hand, turns = hands_of(states)
    hand = hand[..., :2]
    axes = turns[..., :2].reshape(*states.shape[:2], 6)
    from_laptop = hand - states[:, :, _LAPTOP][..., :2]
    motion = np.concatenate([states[:, :, :JOINTS], hand, axes, from_laptop], axis=2)
    change, bend = np.diff(motion, axis=1), np.diff(motion, n=2, axis=1)
    spread = [motion.std(axis=1), np.abs(change).mean(axis=1), np.abs(bend).mean(axis=1)]
    from_human = (hand - states[:, :, _HUMAN][..., :2]).mean(axis=1)
    return np.concatenate([motion.mean(axis=1), *(np.log(one + _LEAST) for one in spread), from_human], axis=1)


def measure_scales(states: np.ndarray) -> dict[str, Any]:
    """Measure the fixed numbers from trajectories (N, 21, 97): means, deviations, percentiles of features."""
    low, high = np.quantile(raw_features(states), (0.005, 0.995), axis=0)
    flat = states.reshape(-1, SIZE)
    return {
        "trajectories": len(states),
        "features": [[six_digits(a), six_digits(b)] for a, b in zip(low, high, strict=True)],
        "channels": [_middle_and_size(column) for column in flat.T],
        "descriptors": [_middle_and_size(column) for column in raw_descriptors(states).T],
    }


def _middle_and_size(values: np.ndarray) -> list[float]:
    size = float(values.std(dtype=np.float64))
    # What never changes (the height of the table, a link that cannot lean) is only centred.
    return [six_digits(values.mean(dtype=np.float64)), six_digits(size) if size > 1e-3 else 1.0]


@cache
def scales() -> dict[str, Any]:
    """The fixed numbers, as `python -m envs.trajectories.arm_scales` made them."""
    found: dict[str, Any] = read_json(SCALES_FILE)
    return found
