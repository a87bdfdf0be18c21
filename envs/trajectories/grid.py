"""GridRobot: from a corner of a 5 x 5 grid to the opposite one, nine waypoints and one angle (Bobu et al. 2023).

There are 70 monotone paths x 4 corners x 7 angles = 1,960 trajectories. The published code has two features, the summed
distance to a laptop in the centre and how far the angle is turned; the paper's text adds two obstacles (four features).
"""

from __future__ import annotations

from functools import cached_property
from itertools import combinations

import numpy as np

from envs.trajectories.task import Animation, Trajectories

SIDE = 5
WAYPOINTS = 2 * SIDE - 1
LAPTOP = (2.0, 2.0)
OBSTACLES = ((3.0, 1.0), (0.0, 3.0))
ANGLES_RAD = np.linspace(-np.pi / 2, np.pi / 2, 7)
FPS = 20.0
_FRAMES_PER_STEP = 10
_HIGHEST_M = 0.2


def split(count: int, rng: np.random.Generator, test_share: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Indices (n,) to train on and (m,) to test on, ascending, together all of `count`.

    Raises:
        ValueError: one of the two would be empty.
    """
    test = round(count * test_share)
    if not 0 < test < count:
        raise ValueError(f"{count} items with a test share of {test_share} came; both parts need at least one")
    order = rng.permutation(count)
    return np.sort(order[test:]), np.sort(order[:test])


def all_paths() -> np.ndarray:
    """(280, 9, 2) cells x, y in 0 to 4: 70 monotone paths from each of the four corners."""
    rights = np.array([[s in chosen for s in range(WAYPOINTS - 1)] for chosen in combinations(range(8), SIDE - 1)])
    steps = np.stack([rights, ~rights], axis=2).astype(float)
    forward = np.concatenate([np.zeros((len(steps), 1, 2)), steps.cumsum(axis=1)], axis=1)
    far = SIDE - 1.0
    corners = ((0.0, 0.0), (far, 0.0), (0.0, far), (far, far))
    return np.concatenate([np.abs(np.array(corner) - forward) for corner in corners])


class GridRobot:
    """The task of Bobu et al. 2023 (arXiv 2301.00810), section 4.1.

    Args:
        n_features: 2 as in the published code, or 4 as in the paper's text.

    Raises:
        ValueError: another number of features.
    """

    def __init__(self, n_features: int = 2) -> None:
        if n_features not in (2, 4):
            raise ValueError(f"{n_features} features came; GridRobot has 2 or 4")
        self.name = f"grid-{n_features}"
        self.places = (LAPTOP,) if n_features == 2 else (LAPTOP, *OBSTACLES)
        self.feature_names = ("laptop", "angle") if n_features == 2 else ("laptop", "obstacle_1", "obstacle_2", "angle")

    @cached_property
    def _all(self) -> Trajectories:
        paths = all_paths()
        states = np.empty((len(paths), len(ANGLES_RAD), WAYPOINTS, 3), np.float32)
        states[..., :2] = paths[:, None]
        states[..., 2] = ANGLES_RAD[:, None]
        return Trajectories(states.reshape(-1, WAYPOINTS, 3))

    @cached_property
    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        distances = self._distances(self._all)
        return distances.min(axis=0), distances.max(axis=0)

    def _distances(self, trajectories: Trajectories) -> np.ndarray:
        cells = trajectories.states[..., :2].astype(float)
        return np.stack([np.linalg.norm(cells - place, axis=2).sum(axis=1) for place in self.places], axis=1)

    def generate(self, n: int, rng: np.random.Generator) -> Trajectories:
        """`n` of the 1,960 trajectories without repetition, states (n, 9, 3): cell x, cell y, angle in rad.

        All of them, in their own order, where `n` is 1,960 or more.

        Raises:
            ValueError: n is below 1.
        """
        if n < 1:
            raise ValueError(f"{n} trajectories were asked for; at least 1 is needed")
        if n >= len(self._all):
            return self._all
        return self._all.take(np.sort(rng.choice(len(self._all), n, replace=False)))

    def features(self, trajectories: Trajectories) -> np.ndarray:
        """(N, F) in [0, 1]: summed distances to each place, by their range over all trajectories, and |angle|."""
        low, high = self._limits
        near = (self._distances(trajectories) - low) / (high - low)
        turned = np.abs(trajectories.states[:, 0, 2].astype(float)) / (np.pi / 2)
        return np.clip(np.concatenate([near, turned[:, None]], axis=1), 0.0, 1.0)

    def encode(self, trajectories: Trajectories) -> np.ndarray:
        """(N, 9, 3) float32 in [-1, 1]; the angle stands at every waypoint."""
        half = (SIDE - 1) / 2
        return ((trajectories.states - (half, half, 0.0)) / (half, half, np.pi / 2)).astype(np.float32)

    def vector(self, trajectories: Trajectories) -> np.ndarray:
        """(N, 19) float32 in [-1, 1], as published: nine cells and one angle."""
        encoded = self.encode(trajectories)
        return np.concatenate([encoded[..., :2].reshape(len(encoded), -1), encoded[:, 0, 2:]], axis=1)

    def descriptors(self, trajectories: Trajectories) -> np.ndarray:
        """(N, 12) float32: angle, start, mean and deviation of the cells, share of turns, where it is half way."""
        encoded = self.encode(trajectories)
        cells = encoded[..., :2]
        steps = np.diff(cells, axis=1)
        turns = (np.abs(np.diff(steps, axis=1)).sum(axis=2) > 0).mean(axis=1)
        half = cells[:, WAYPOINTS // 2]
        quarter = cells[:, WAYPOINTS // 4]
        parts = (encoded[:, 0, 2:], cells[:, 0], cells.mean(axis=1), cells.std(axis=1), turns[:, None], half, quarter)
        return np.concatenate(parts, axis=1).astype(np.float32)

    def render(self, trajectories: Trajectories, index: int) -> Animation:
        """The robot as one link that glides from cell to cell; a cell is a metre, z points up.

        Raises:
            IndexError: there is no trajectory at `index`.
        """
        trajectories.check_index(index)
        state = trajectories.states[index].astype(float)
        at = np.linspace(0, WAYPOINTS - 1, (WAYPOINTS - 1) * _FRAMES_PER_STEP + 1)
        poses = np.zeros((len(at), 1, 7), np.float32)
        for axis in range(2):
            poses[:, 0, axis] = np.interp(at, np.arange(WAYPOINTS), state[:, axis])
        poses[:, 0, 2] = _HIGHEST_M
        poses[:, 0, 5], poses[:, 0, 6] = np.sin(state[0, 2] / 2), np.cos(state[0, 2] / 2)
        return Animation("grid", FPS, poses, self.scene())

    def scene(self) -> dict[str, object]:
        """Describe the grid, the laptop, the obstacles, and the shape of the robot; none of them moves."""
        return {
            "links": [{"name": "robot", "shape": "arrow", "size_m": [0.7, 0.4, 0.3], "rgba": [0.16, 0.44, 0.7, 1.0]}],
            "grid": {"side": SIDE, "cell_m": 1.0},
            "laptop": list(LAPTOP),
            "obstacles": [list(place) for place in self.places[1:]],
            "camera": {"eye": [2.0, -3.2, 6.5], "target": [2.0, 1.9, 0.0]},
            "here": {},
        }
