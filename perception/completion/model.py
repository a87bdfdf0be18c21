"""From the cloud that a camera sees of an object to its whole surface."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from geometry.clouds import Completed, check_cloud
from perception.completion import weights
from perception.completion.fitting import complete
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
        """Load the shipped weights, or others that `python -m perception.completion train` wrote.

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
