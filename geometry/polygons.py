"""Faces of more than three corners, cut into triangles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

_FLAT = 1e-9
"""Of the square of a polygon's size: turns of less are none."""


def concave(corners: np.ndarray) -> np.ndarray:
    """Tell which of N polygons, corners (N, K, 3), turn back somewhere, so that a fan would leave them: (N,) bool."""
    edges = np.roll(corners, -1, axis=1) - corners
    turns = np.cross(edges, np.roll(edges, -1, axis=1))
    # Newell's normal: twice the area that the polygon goes round.
    normals = np.cross(corners, np.roll(corners, -1, axis=1)).sum(axis=1)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    along = (turns * (normals / np.maximum(lengths, 1e-300))[:, None]).sum(axis=2)
    size = np.ptp(corners, axis=1).max(axis=1, keepdims=True)
    return np.asarray((along < -_FLAT * size**2).any(axis=1))


def triangulate(corners: np.ndarray) -> list[tuple[int, int, int]]:
    """Cut a simple polygon, corners (K, 3), into K - 2 triangles by its ears (Meisters 1975): places of their corners.

    Where none is left, as in one that crosses itself, what remains becomes a fan.
    """
    points = _in_plane(corners)
    left = list(range(len(points)))
    found: list[tuple[int, int, int]] = []
    while len(left) > 3:
        ear = next((at for at in range(len(left)) if _is_ear(points, left, at)), None)
        if ear is None:
            break
        found.append((left[ear - 1], left[ear], left[(ear + 1) % len(left)]))
        del left[ear]
    return found + [(left[0], one, other) for one, other in pairwise(left[1:])]


def _in_plane(corners: np.ndarray) -> np.ndarray:
    """Look at a polygon from where it goes round to the left: (K, 2)."""
    normal = np.cross(corners, np.roll(corners, -1, axis=0)).sum(axis=0)
    axis = int(np.abs(normal).argmax())
    seen = np.delete(corners, axis, axis=1)
    # Without y, x and z lie the other way round.
    return seen[:, ::-1] if (normal[axis] < 0) != (axis == 1) else seen


def _is_ear(points: np.ndarray, left: Sequence[int], at: int) -> bool:
    """Whether the corner turns left, and no other lies in the triangle with its neighbours."""
    triangle = points[[left[at - 1], left[at], left[(at + 1) % len(left)]]]
    a, b, c = triangle
    if _turn(a, b, c) <= 0:
        return False
    others = points[[number for number in left if not (points[number] == triangle).all(axis=1).any()]]
    sides = np.stack([_turn(one, other, others) for one, other in ((a, b), (b, c), (c, a))])
    return not (sides >= 0).all(axis=0).any()


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Twice the area of triangles a, b, c, each (..., 2); positive where they go round to the left."""
    along, across = b - a, c - a
    return np.asarray(along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0])
