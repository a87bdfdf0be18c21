"""Surfaces as a planner knows them: points with normals, obstacles, and the uncertainty of each point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geometry.clouds import voxel_grid

_NEIGHBOURS = (12, 20, 32)
"""Few see around edges, many see through noise; chosen on objects that the completion network was not trained on."""
SPACING_M = 0.004
"""Points closer than this tell a hand of 18 mm nothing more."""
NOTHING = np.empty((0, 3))


class Surface(NamedTuple):
    """A downsampled cloud: `points` (N, 3) m, `normals` (N, 3) without a sign, `uncertainty` (N,) m."""

    points: np.ndarray
    normals: np.ndarray
    uncertainty: np.ndarray


def surface(cloud: np.ndarray, uncertainty: np.ndarray | None = None, spacing_m: float = SPACING_M) -> Surface:
    """Downsample a cloud (N, 3) m to voxels of `spacing_m` and estimate its normals.

    Normals carry no sign: on a wall of 3 mm no neighbourhood tells the inside from the outside, and nothing here needs
    it, because what a closing finger meets first is told by the points themselves.
    """
    if uncertainty is None:
        uncertainty = np.zeros(len(cloud))
    means = voxel_grid(np.column_stack([cloud, uncertainty]), spacing_m).means
    return Surface(means[:, :3], normals(means[:, :3]), means[:, 3])


def normals(points: np.ndarray) -> np.ndarray:
    """Estimate (N, 3) unit normals of the planes through the nearest neighbours; their sign means nothing.

    Every point takes as many neighbours as give it the least surface variation, the share of their spread that is
    across the plane (Pauly et al. 2002, "Efficient simplification of point-sampled surfaces").
    """
    from scipy.spatial import cKDTree

    counts = [min(count, len(points)) for count in _NEIGHBOURS]
    order = cKDTree(points).query(points, counts[-1])[1].reshape(len(points), counts[-1])
    near = points[order]
    least, found = np.full(len(points), np.inf), np.zeros_like(points)
    for count in counts:
        away = near[:, :count] - near[:, :count].mean(axis=1, keepdims=True)
        spread, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", away, away))
        variation = spread[:, 0] / np.maximum(spread.sum(axis=1), 1e-18)
        better = variation < least
        found[better], least[better] = axes[better][:, :, 0], variation[better]
    return found
