"""From the cloud that a camera sees of an object to its whole surface."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree

from geometry.clouds import Completed, check_cloud
from perception.completion import weights
from perception.completion.frames import FrameKind, normalise
from perception.completion.network import CompletionNetwork
from perception.completion.weights import DEFAULT_FOLDER
from perception.weights import WeightsError

__all__ = ["DEFAULT_FOLDER", "CompletionModel", "WeightsError"]


class CompletionModel:
    """Completes one cloud at a time; no state is kept. It is a `geometry.clouds.Completion`."""

    def __init__(self, network: CompletionNetwork, calibration: float = 1.0) -> None:
        if not (np.isfinite(calibration) and calibration > 0.0):
            raise ValueError(f"calibration is {calibration}; it must be more than 0.")
        self.network = network.eval()
        self.calibration = calibration

    @classmethod
    def load(cls, folder: Path | str = DEFAULT_FOLDER) -> CompletionModel:
        """Load the shipped weights, or others that `empaw train completion` wrote.

        Raises:
            WeightsError: a file is missing, damaged, or of another network.
        """
        return cls(*weights.load(Path(folder)))

    def complete(self, cloud: np.ndarray) -> Completed:
        """The whole surface of the one object that a cloud shows.

        The answer turns with the cloud about the vertical, and does not depend on the order of its points, exactly.

        Args:
            cloud: (N, 3) m, z up, the table at z = 0; 32 points or more.

        Returns:
            Points (M, 3) m, 9216 as shipped, what was seen among them, and how far off each is in the mean, m.

        Raises:
            CloudError: no such cloud.
        """
        points, scale = complete(self.network, check_cloud(cloud), self.network.config.frame)
        return Completed(points, scale * self.calibration)


@torch.inference_mode()
def complete(network: CompletionNetwork, cloud: np.ndarray, kind: FrameKind) -> tuple[np.ndarray, np.ndarray]:
    """The surface as points (n, 3) m with their uncertainty (n,) m, of one cloud (N, 3) m.

    What the network says is made four times as dense, and what was seen is added, as in PoinTr and 3DSGrasp: it is as
    sure as the surest of the rest. A network of 2048 points is cheap to train, and 2048 points are too few to lie near
    every place of a surface.
    """
    given = normalise(cloud, network.config.points, kind)
    output = network(torch.from_numpy(given.points)[None], torch.from_numpy(given.hints)[None])
    points, scale = denser(output.fine[0].double().numpy(), output.log_scale[0].exp().double().numpy())
    points = np.concatenate([points, given.points.astype(np.float64)])
    scale = np.concatenate([scale, np.full(len(given.points), scale.min())])
    return given.frame.leave(points), scale * given.frame.radius


def denser(points: np.ndarray, scale: np.ndarray, neighbours: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) with `scale` (n,), and the middles between each and its nearest: (1 + neighbours) times as many."""
    near = cKDTree(points).query(points, neighbours + 1)[1][:, 1:].T.ravel()
    both = [(values + values[near].reshape(neighbours, *values.shape)) / 2 for values in (points, scale)]
    return np.concatenate([points, both[0].reshape(-1, 3)]), np.concatenate([scale, both[1].ravel()])


@lru_cache(maxsize=1)
def load_completion(folder: Path | None) -> CompletionModel:
    """The network of a folder, or the shipped one, loaded once in a process.

    Raises:
        OSError: there is none.
        ValueError: its files are damaged.
    """
    return CompletionModel.load(folder or DEFAULT_FOLDER)
