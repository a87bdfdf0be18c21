"""How an object can lie on a table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geometry.meshes import Mesh, convex_hull
from geometry.objects import ObjectModel
from geometry.transforms import transform

_NARROW = 0.05
"""Share of throws below which a side counts as one of many of something round."""


class StablePose(NamedTuple):
    """A pose at rest on z = 0, T_table_object (4, 4), and the share of throws that end so (shares sum to 1)."""

    T_table_object: np.ndarray
    share: float


def stable_poses(model: ObjectModel, least_share: float = 0.01) -> list[StablePose]:
    """List the poses in which an object lies still, likeliest first (Goldberg et al. 1999, "Part pose statistics").

    A side of the convex hull is stood on if the centre of mass is above it; how often is taken as the solid angle under
    which the centre of mass sees it. A pose that falls over when tilted by two degrees does not count; on a round side
    a thing may roll, but not tip.
    """
    hull = convex_hull(model.mesh.vertices)
    if hull is None:
        raise ValueError(f"{model.name} is flat: it has no side to lie on")
    middle = _centre_of_mass(model)
    found: list[StablePose] = []
    # Sides of something round: no one of them is likely, all of them together are.
    narrow: dict[int, list[StablePose]] = {}
    for normal, corners, share in _sides(hull, middle):
        height = float((corners[0] - middle) @ normal)
        if not _carries(corners, normal, middle, height * np.tan(np.radians(0.5 if share < _NARROW else 2.0))):
            continue
        rest = StablePose(_laid(hull, middle, normal), share)
        if share >= _NARROW:
            found.append(rest)
        else:
            narrow.setdefault(round(height / 2e-3), []).append(rest)
    for alike in narrow.values():
        if (share := sum(rest.share for rest in alike)) >= least_share:
            found.append(StablePose(max(alike, key=lambda rest: rest.share).T_table_object, share))
    found = found or [StablePose(_laid(hull, middle, np.array([0.0, 0.0, -1.0])), 1.0)]  # a ball: any side does
    total = sum(rest.share for rest in found)
    return sorted((StablePose(rest.T_table_object, rest.share / total) for rest in found), key=lambda rest: -rest.share)


def _laid(hull: Mesh, middle: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Lay the side of that normal on z = 0, and the centre of mass above the origin: T_table_object."""
    turn = _turn_down(normal)
    low = (hull.vertices @ turn.T)[:, 2].min()
    foot = turn @ middle
    return transform(turn, (-foot[0], -foot[1], -low))


def _centre_of_mass(model: ObjectModel) -> np.ndarray:
    """Sum up (3,) m over the triangles of the parts.

    `ObjectModel.centre_of_mass` differs in the seventeenth digit, which decides on which of two like sides something
    symmetric is laid: 11 of the 40 objects of household/test would be rendered from another side, and trials of as many
    would end otherwise were it the other way about.
    """
    volumes, centroids = zip(*(_volume(part) for part in model.parts), strict=True)
    middle: np.ndarray = np.average(np.array(centroids), axis=0, weights=np.array(volumes))
    return middle


def _volume(part: Mesh) -> tuple[float, np.ndarray]:
    """Sum up volume and centroid of a closed mesh, by tetrahedra from its first corner."""
    a, b, c = (part.corners - part.vertices[0]).transpose(1, 0, 2)
    sixfold = np.einsum("ij,ij->i", a, np.cross(b, c))
    centroid = (sixfold[:, None] * (a + b + c)).sum(axis=0) / (4.0 * sixfold.sum())
    return float(abs(sixfold.sum()) / 6.0), centroid + part.vertices[0]


def _sides(hull: Mesh, middle: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """List the flat sides of a hull: outward normal (3,), corners (n, 3), and the share of directions from `middle`."""
    corners = hull.corners
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    a, b, c = (corners - middle).transpose(1, 0, 2)
    la, lb, lc = (np.linalg.norm(side, axis=1) for side in (a, b, c))
    # Van Oosterom & Strackee 1983: the solid angle of a triangle.
    above = np.abs(np.einsum("ij,ij->i", a, np.cross(b, c)))
    dots = [np.einsum("ij,ij->i", one, other) for one, other in ((a, b), (a, c), (b, c))]
    below = la * lb * lc + dots[0] * lc + dots[1] * lb + dots[2] * la
    shares = 2.0 * np.arctan2(above, below) / (4.0 * np.pi)
    sides = []
    left = np.argsort(-shares)
    while len(left):
        first = left[0]
        same = normals[left] @ normals[first] > np.cos(np.radians(1.5))
        group = left[same]
        sides.append((normals[first], corners[group].reshape(-1, 3), float(shares[group].sum())))
        left = left[~same]
    return sides


def _carries(corners: np.ndarray, normal: np.ndarray, middle: np.ndarray, margin: float) -> bool:
    """Tell whether `middle` is above a side, at least `margin` m from its edges."""
    across = _turn_down(normal)[:2]
    side = convex_outline(corners @ across.T)
    inward = np.roll(side, -1, axis=0) - side
    length = np.linalg.norm(inward, axis=1)
    offset = across @ middle - side
    depth = (inward[:, 0] * offset[:, 1] - inward[:, 1] * offset[:, 0]) / np.maximum(length, 1e-12)
    return bool((depth > margin).all())


def convex_outline(points: np.ndarray) -> np.ndarray:
    """Find the corners (n, 2) of the hull of points (N, 2), counter-clockwise; no corners of points on one line."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        corners: np.ndarray = points[ConvexHull(points).vertices]
    except QhullError:
        return np.zeros((1, 2))
    return corners


def _turn_down(normal: np.ndarray) -> np.ndarray:
    """Make a rotation (3, 3) that turns a unit vector to point straight down."""
    down = -normal
    helper = np.eye(3)[int(np.argmin(np.abs(down)))]
    x = np.cross(helper, down)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(down, x), down])
