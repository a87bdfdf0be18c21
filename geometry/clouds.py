"""Point clouds (N, 3) in m: checks, voxels, distances between them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

FEWEST_POINTS = 32
"""Fewer tell no shape."""


class CloudError(ValueError):
    """A cloud that cannot be used; the message says what came and what was expected."""


class Completed(NamedTuple):
    """A whole surface guessed from a part: `points` (M, 3) m, and how far off each may be, `uncertainty` (M,) m."""

    points: np.ndarray
    uncertainty: np.ndarray


class Completion(Protocol):
    """A model that completes clouds; ours is `perception.completion.model.CompletionModel`, yours may be another."""

    def complete(self, cloud: np.ndarray) -> Completed:
        """Guess the whole surface of the one object that `cloud` (N, 3) m shows; z is up, the table is z = 0."""
        ...


def check_cloud(cloud: np.ndarray, least: int = FEWEST_POINTS) -> np.ndarray:
    """Check a cloud and give it as (N, 3) float64 m.

    Raises:
        CloudError: another shape, too few points, numbers that are not finite, or an extent of no household object.
    """
    points = np.asarray(cloud)
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind not in "fiu":
        raise CloudError(f"a cloud of shape {points.shape} and type {points.dtype} came; expected (N, 3) numbers in m")
    points = points.astype(np.float64)
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points)).any(axis=1).sum())
        raise CloudError(f"{bad} of {len(points)} points are NaN or infinite: remove them first")
    if len(points) < least:
        raise CloudError(f"a cloud of {len(points)} points came; at least {least} are needed to tell a shape")
    size = float(np.ptp(points, axis=0).max())
    if not 5e-3 <= size <= 1.0:
        raise CloudError(
            f"the cloud is {size:.3g} m long; 0.005 to 1 m are allowed. Is it in millimetres, or a whole room?"
        )
    return points


def farthest_points(points: np.ndarray, count: int) -> np.ndarray:
    """Choose points of (N, 3) that lie as far apart as can be (Eldar et al. 1997): indices (count,).

    The first is any, but the same for the same points in the same order: in fpsample 1.0.2 the fast variants (a quarter
    of the time of its plain one) count `start_idx` in an order of their own, and without it draw at random.
    """
    import fpsample

    if count >= len(points):
        return np.arange(len(points))
    return np.asarray(fpsample.bucket_fps_kdline_sampling(points.astype(np.float32), count, h=5, start_idx=0), np.int64)


class VoxelGrid(NamedTuple):
    """A cloud sorted into voxels: `means` (C, K) of the points of each, and the voxel `of` each point, (N,)."""

    means: np.ndarray
    of: np.ndarray


def voxel_grid(points: np.ndarray, voxel_m: float) -> VoxelGrid:
    """Sort points (N, K), K at least 3, into the voxels of edge `voxel_m` that their first three columns fall into."""
    cells = np.floor(points[:, :3] / voxel_m).astype(np.int64)
    cells -= cells.min(axis=0, initial=0)
    width = cells.max(axis=0, initial=0) + 1
    # One number for each voxel: rows sort fifty times as slowly.
    keys = (cells[:, 0] * width[1] + cells[:, 1]) * width[2] + cells[:, 2]
    _, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(which, column) for column in points.T], axis=1)
    return VoxelGrid(sums / counts[:, None], which)


def voxel_downsample(points: np.ndarray, voxel_m: float) -> np.ndarray:
    """Take one point, the mean, of every voxel of edge `voxel_m` that holds any: (C, K) of points (N, K)."""
    return voxel_grid(points, voxel_m).means


def distances(points: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Measure from each of `points` (N, 3) m to the nearest of `to` (M, 3): (N,) m."""
    from scipy.spatial import cKDTree

    found: np.ndarray = cKDTree(to).query(points)[0]
    return found


def chamfer_l1(one: np.ndarray, other: np.ndarray) -> float:
    """Compute CDL1, m: half the sum of both mean distances, as PoinTr and most after it count it."""
    return float(0.5 * (distances(one, other).mean() + distances(other, one).mean()))


def f_score(found: np.ndarray, true: np.ndarray, within_m: float) -> float:
    """Compute the harmonic mean of precision and recall at a distance (Tatarchenko et al. 2019, arXiv 1905.03678)."""
    precision = float(np.mean(distances(found, true) <= within_m))
    recall = float(np.mean(distances(true, found) <= within_m))
    return 0.0 if precision + recall == 0.0 else 2 * precision * recall / (precision + recall)
