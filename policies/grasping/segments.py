"""Which points of clutter belong together: clusters in space, cut where surfaces meet in a crease."""

from __future__ import annotations

import numpy as np

from geometry.clouds import voxel_grid
from policies.grasping.surfaces import normals

_CELL_M = 0.005
_REACH_M = 0.009
_LEAST = 12


def segments(cloud: np.ndarray, eye: np.ndarray, crease_deg: float = 25.0) -> list[np.ndarray]:
    """Cut a cloud of several things (N, 3) m, seen from `eye` (3,), into clouds of one thing each, largest first.

    Neighbours belong together unless the surface folds inward between them (Stein et al. 2014, "Object partitioning
    using local convexity"): where one thing stands behind or on another there is such a crease, within one convex
    thing there is none. What has fewer than a dozen cells is noise.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    cells, which = voxel_grid(cloud, _CELL_M)
    if len(cells) < _LEAST:
        return [cloud] if len(cloud) else []
    facing = normals(cells)
    facing = facing * np.sign(np.einsum("nk,nk->n", facing, eye - cells))[:, None]
    pairs = cKDTree(cells).query_pairs(_REACH_M, output_type="ndarray")
    together = ~creased(cells[pairs[:, 0]], cells[pairs[:, 1]], facing[pairs[:, 0]], facing[pairs[:, 1]], crease_deg)
    one, other = pairs[together].T
    graph = coo_matrix((np.ones(len(one)), (one, other)), (len(cells), len(cells)))
    label = connected_components(graph, directed=False)[1]
    sizes = np.bincount(label)
    big = [int(number) for number in np.argsort(-sizes) if sizes[number] >= _LEAST]
    if not big:
        return [cloud]
    # Crumbs at the edges of a thing go to the nearest of the big ones.
    kept = np.isin(label, big)
    nearest = cKDTree(cells[kept]).query(cells)
    joined = np.where(nearest[0] < 0.015, label[kept][nearest[1]], -1)
    return [cloud[joined[which] == number] for number in big]


def creased(
    one: np.ndarray, other: np.ndarray, facing: np.ndarray, other_facing: np.ndarray, crease_deg: float
) -> np.ndarray:
    """Tell whether the surface folds inward by more than an angle between neighbours (P, 3): (P,) bool."""
    way = other - one
    way = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
    bend = np.einsum("pk,pk->p", facing, other_facing)
    inward = np.einsum("pk,pk->p", facing - other_facing, way) > 0.0
    out: np.ndarray = inward & (bend < np.cos(np.radians(crease_deg)))
    return out
