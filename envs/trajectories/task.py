"""The protocol of a task of trajectories: for whoever asks people, learns from them, or shows it on a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

DEFAULT_CACHE = Path("runs/cache")
"""Where trajectories that take long to make are kept."""


@dataclass(frozen=True)
class Trajectories:
    """N trajectories of one task.

    Attributes:
        states: (N, T, D) float32, what the body does at each of T waypoints, in the task's own units.
        extras: arrays of length N that the task needs beside the states (conditions, parameters), by name.
    """

    states: np.ndarray
    extras: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many."""
        return len(self.states)

    def check_index(self, index: int) -> None:
        """Refuse what is not there.

        Raises:
            IndexError: there is no trajectory at `index`.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"trajectory {index} was asked for; there are 0 to {len(self) - 1}")

    def take(self, index: np.ndarray) -> Trajectories:
        """Those at (n,) int indices, or where a mask (N,) bool is true."""
        return Trajectories(self.states[index], {name: values[index] for name, values in self.extras.items()})


@dataclass(frozen=True)
class Animation:
    """One trajectory as the page plays it.

    Attributes:
        kind: which renderer: 'dog', 'arm' or 'grid'.
        fps: frames per second.
        poses: (frames, links, 7) float32, position m and quat_xyzw of every link in the world.
        scene: what does not move, as JSON takes it: the links' shapes, furniture, the person, where to look from.
            Equal for all animations of a kind but for `scene["here"]`.
    """

    kind: str
    fps: float
    poses: np.ndarray
    scene: dict[str, Any]


class TrajectoryTask(Protocol):
    """A family of trajectories that people can compare, with features that explain what they compare."""

    name: str
    feature_names: tuple[str, ...]

    def generate(self, n: int, rng: np.random.Generator) -> Trajectories:
        """`n` trajectories; all there are where the task has fewer."""

    def features(self, trajectories: Trajectories) -> np.ndarray:
        """(N, F) in [0, 1]: the true features, each scaled by the task's own fixed limits."""

    def encode(self, trajectories: Trajectories) -> np.ndarray:
        """(N, T, D) float32, each waypoint as networks take it, about zero mean and unit size by fixed constants."""

    def descriptors(self, trajectories: Trajectories) -> np.ndarray:
        """(N, K) float32: hand-made statistics of the motion, without the true features among them."""

    def render(self, trajectories: Trajectories, index: int) -> Animation:
        """The trajectory at `index` for the page."""


def six_digits(value: float) -> float:
    """Round to six significant digits, as numbers are kept in files that people read."""
    return float(f"{float(value):.6g}")
