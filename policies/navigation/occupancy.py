"""A map of the room as the dog's depth camera has seen it: where there is ground, and where something stands on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from geometry.transforms import transform_points

_HIT, _MISS, _SURE = 0.85, -0.4, 3.5
"""Log-odds that a look adds, and their bound: Elfes 1989, "Using occupancy grids for mobile robot perception"."""
_OCCUPIED = 0.5
"""Log-odds from which a cell is taken for occupied: one look in which it was hit."""


@dataclass(frozen=True)
class MapConfig:
    """Size of the map, and what the legs can do; m."""

    side_m: float = 10.0
    cell_m: float = 0.0625
    step_m: float = 0.13
    """What is lower is ground: the legs step on it."""
    headroom_m: float = 0.65
    """What hangs higher is passed under."""
    hits: int = 2
    """So many points make an obstacle of a cell: pixels at edges float between near and far."""

    def __post_init__(self) -> None:
        fits = 1.0 <= self.side_m <= 100.0 and 0.02 <= self.cell_m <= 0.5 and self.side_m / self.cell_m <= 1000.0
        if not fits or not 0.0 < self.step_m < self.headroom_m or self.hits < 1:
            raise ValueError(
                f"{self} came; side_m must be 1 to 100, cell_m 0.02 to 0.5 (1000 cells a side at most), "
                "0 < step_m < headroom_m, and hits 1 or more"
            )


class OccupancyMap:
    """Square cells around the world's origin; rows go along y, columns along x.

    A cell is occupied where something was seen that is too high to step on and too low to pass under, and free where
    its ground was seen: a ray that passes over a cell says nothing of it. What was never seen is unknown, and a way may
    lead through it.
    """

    def __init__(self, config: MapConfig | None = None) -> None:
        self.config = config or MapConfig()
        self._cells = round(self.config.side_m / self.config.cell_m)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.log_odds = np.zeros((self._cells, self._cells))
        self.unblock()

    @property
    def occupied(self) -> np.ndarray:
        """(ny, nx) bool."""
        taken: np.ndarray = (self.log_odds > _OCCUPIED) | self._blocked
        return taken

    @property
    def known(self) -> np.ndarray:
        """(ny, nx) bool: cells that were seen."""
        seen: np.ndarray = self.log_odds != 0.0
        return seen

    def clearance(self) -> np.ndarray:
        """Return (ny, nx) m: how far each cell is from the nearest occupied one or from the map's edge."""
        taken = np.pad(self.occupied, 1, constant_values=True)
        away: np.ndarray = distance_transform_edt(~taken)[1:-1, 1:-1] * self.config.cell_m
        return away

    def cell(self, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and columns of places (..., 2) m; places beyond the map are on its edge."""
        x, y = np.moveaxis(self._index(np.asarray(place, float)).clip(0, self._cells - 1), -1, 0)
        return y, x

    def place(self, cells: np.ndarray) -> np.ndarray:
        """Return the middles (..., 2) m of cells (..., 2), row and column."""
        middles: np.ndarray = (np.asarray(cells, float)[..., ::-1] + 0.5 - self._cells / 2) * self.config.cell_m
        return middles

    def look(self, depth: np.ndarray, rays: np.ndarray, T_world_cam: np.ndarray, ground_m: float) -> None:
        """Take in a depth image.

        Args:
            depth: (height, width) m along the camera's axis; NaN where nothing was seen.
            rays: (height, width, 3) directions with z = 1 in the camera's frame, as `DepthCamera.rays`.
            T_world_cam: (4, 4) the camera's pose.
            ground_m: height of the ground that the dog stands on.

        Raises:
            ValueError: depth and rays are of different sizes.
        """
        if depth.shape != rays.shape[:2]:
            raise ValueError(f"depth of {depth.shape} and rays of {rays.shape[:2]} came; they must be of one size")
        seen = np.isfinite(depth)
        self.look_at_points(transform_points(T_world_cam, rays[seen] * depth[seen][:, None]), ground_m)

    def look_at_points(self, cloud_world: np.ndarray, ground_m: float) -> None:
        """Take in what was seen at points (N, 3) m, when the dog stands on ground at a height, m."""
        height = cloud_world[:, 2] - ground_m
        index = self._index(cloud_world[:, :2])
        inside = ((index >= 0) & (index < self._cells)).all(axis=1) & (height < self.config.headroom_m)
        number = index[:, 1] * self._cells + index[:, 0]
        high = height >= self.config.step_m
        shape = self.log_odds.shape
        hit = np.bincount(number[inside & high], minlength=self.log_odds.size).reshape(shape) >= self.config.hits
        ground = np.bincount(number[inside & ~high], minlength=self.log_odds.size).reshape(shape) > 0
        self.log_odds = np.clip(self.log_odds + _HIT * hit + _MISS * (ground & ~hit), -_SURE, _SURE)

    def block(self, place: np.ndarray, radius_m: float) -> None:
        """Take a disc around a place (2,) m for occupied, whatever is seen: something unseen stopped the dog there."""
        self._blocked |= self.within(place, radius_m)

    def unblock(self) -> None:
        """Take back all that was blocked."""
        self._blocked = np.zeros(self.log_odds.shape, bool)

    def within(self, place: np.ndarray, radius_m: float) -> np.ndarray:
        """Return (ny, nx) bool: cells whose middle is so near to a place (2,) m."""
        near: np.ndarray = self.distances(place) <= radius_m
        return near

    def distances(self, place: np.ndarray) -> np.ndarray:
        """Return (ny, nx) m: how far the middle of each cell is from a place (2,) m."""
        middles = (np.arange(self._cells) + 0.5 - self._cells / 2) * self.config.cell_m
        far: np.ndarray = np.hypot(middles[None, :] - place[0], middles[:, None] - place[1])
        return far

    def _index(self, place: np.ndarray) -> np.ndarray:
        """Return (..., 2) columns and rows, which may lie beyond the map."""
        index: np.ndarray = np.floor(place / self.config.cell_m + self._cells / 2).astype(int)
        return index
