"""Triangle meshes, checked before anybody uses them: their hulls, which way they face, points on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from geometry.transforms import transform_points

if TYPE_CHECKING:
    import trimesh


class MeshError(ValueError):
    """A mesh that cannot be used; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Mesh:
    """Triangles: `vertices` (V, 3) m and `triangles` (T, 3) indices into them, counter-clockwise from outside.

    Raises:
        MeshError: no triangles, numbers that are not finite, or indices of no vertex.
    """

    vertices: np.ndarray
    triangles: np.ndarray

    def __post_init__(self) -> None:
        shaped = (
            self.vertices.ndim == self.triangles.ndim == 2 and self.vertices.shape[1] == self.triangles.shape[1] == 3
        )
        if not shaped or not len(self.triangles):
            raise MeshError(
                f"vertices {self.vertices.shape} and triangles {self.triangles.shape} came; a mesh needs (V, 3) and "
                "(T, 3) with at least one triangle"
            )
        if not np.isfinite(self.vertices).all():
            raise MeshError("the mesh has vertices that are NaN or infinite: export it again")
        if self.triangles.min() < 0 or self.triangles.max() >= len(self.vertices):
            raise MeshError(f"the mesh has triangles of vertices that it lacks (it has {len(self.vertices)})")

    @cached_property
    def bounds(self) -> np.ndarray:
        """(2, 3) m: the lowest and the highest coordinates of what the triangles use."""
        used = self.vertices[np.unique(self.triangles)]
        return np.stack([used.min(axis=0), used.max(axis=0)])

    @property
    def extents(self) -> np.ndarray:
        """(3,) m."""
        extents: np.ndarray = self.bounds[1] - self.bounds[0]
        return extents

    @cached_property
    def corners(self) -> np.ndarray:
        """(T, 3, 3) m: the three corners of every triangle."""
        corners: np.ndarray = self.vertices[self.triangles]
        return corners

    @property
    def normals(self) -> np.ndarray:
        """(T, 3) m^2: the normal of every triangle, twice as long as its area."""
        corners = self.corners
        return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])

    @cached_property
    def rim_m(self) -> float:
        """Length of the edges that belong to one triangle alone, m: 0 where it is closed."""
        welded = self.as_trimesh()
        welded.merge_vertices(merge_tex=True, merge_norm=True)
        edges, counts = np.unique(np.asarray(welded.edges_sorted), axis=0, return_counts=True)
        ends = np.asarray(welded.vertices)[edges[counts == 1]]
        return float(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).sum())

    @cached_property
    def volume(self) -> float:
        """m^3 between the surface and the middle of its bounds; less than 0 where it is inside out.

        Of a closed mesh that is its volume, whatever the middle; of a cup of one sheet the cone over its mouth lacks.
        """
        a, b, c = (self.corners - self.bounds.mean(axis=0)).transpose(1, 0, 2)
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)

    def same(self, other: Mesh) -> bool:
        """Tell whether another mesh has the same vertices and triangles."""
        return np.array_equal(self.vertices, other.vertices) and np.array_equal(self.triangles, other.triangles)

    def transformed(self, T: np.ndarray) -> Mesh:
        """Return the mesh under `T` (4, 4), which may scale and mirror."""
        triangles = self.triangles[:, ::-1] if np.linalg.det(T[:3, :3]) < 0 else self.triangles
        return Mesh(transform_points(T, self.vertices), triangles)

    def as_trimesh(self) -> trimesh.Trimesh:
        """Hand the same to trimesh, nothing merged or repaired."""
        import trimesh

        return trimesh.Trimesh(self.vertices, self.triangles, process=False)

    @cached_property
    def watertight(self) -> bool:
        """Whether it encloses a volume: only then do "inside" and its mass mean something."""
        welded = self.as_trimesh()
        welded.merge_vertices(merge_tex=True, merge_norm=True)
        return bool(welded.is_watertight)


def convex_hull(points: np.ndarray) -> Mesh | None:
    """Build the hull of points (N, 3) m; None when they span no volume."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):
        return None
    if hull.volume < 1e-12:
        return None
    corners = points[hull.simplices]
    outward = hull.equations[:, :3]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flipped = np.einsum("ij,ij->i", normals, outward) < 0
    triangles = np.where(flipped[:, None], hull.simplices[:, ::-1], hull.simplices)
    used, numbers = np.unique(triangles, return_inverse=True)
    return Mesh(points[used], numbers.reshape(-1, 3).astype(np.int64))


def outward(mesh: Mesh) -> Mesh:
    """Turn triangles so that neighbours agree on a side, and closed bodies show their outside.

    A body that is inside out and lies within another is taken for a cavity and stays. What is right is not touched.
    """
    welded = mesh.as_trimesh()
    welded.merge_vertices(merge_tex=True, merge_norm=True)
    pairs = np.asarray(welded.face_adjacency).reshape(-1, 2)
    turned = np.zeros(len(mesh.triangles), bool)
    if not welded.is_winding_consistent:
        turned = _disagreeing(np.asarray(welded.faces), pairs, np.asarray(welded.face_adjacency_edges))
    count, body = _components(pairs, len(mesh.triangles))
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    np.minimum.at(low, body, mesh.corners.min(axis=1))
    np.maximum.at(high, body, mesh.corners.max(axis=1))
    a, b, c = (mesh.corners - ((low + high) / 2)[body][:, None]).transpose(1, 0, 2)
    sixfold = np.einsum("ij,ij->i", a, np.cross(b, c)) * np.where(turned, -1, 1)
    volume = np.bincount(body, sixfold, count)
    inverted = volume < -1e-6 * (high - low).max(axis=1) ** 3  # of what is flat it is noise
    for around in np.argsort(-np.prod(high - low, axis=1))[:_BODIES_AROUND]:
        inverted &= ~((low[around] < low) & (high[around] > high)).all(axis=1)
    turned ^= inverted[body]
    if not turned.any():
        return mesh
    return Mesh(mesh.vertices, np.where(turned[:, None], mesh.triangles[:, ::-1], mesh.triangles))


_BODIES_AROUND = 100
"""Bodies in which a cavity is looked for, the largest: scans may come with many thousand specks."""


def _components(pairs: np.ndarray, size: int) -> tuple[int, np.ndarray]:
    """Number what pairs (n, 2) of `size` things connect: how many there are, and which one each is in, (size,)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count, labels = connected_components(coo_matrix((np.ones(len(pairs)), pairs.T), (size, size)), directed=False)
    return int(count), labels


def _disagreeing(triangles: np.ndarray, pairs: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Find the triangles (T,) bool to turn so that neighbours agree, in each connected body one way or the other.

    Every triangle stands as it is and turned, (t) and (T + t); neighbours that agree connect (a, b) and (T + a, T + b),
    others (a, T + b) and (T + a, b). The half of a body that then hangs together agrees. (trimesh.repair.fix_winding
    walks from triangle to triangle in Python, a hundred times as slowly.)
    """
    starts, ends = (triangles[pairs] == edges[:, None, None, k].astype(triangles.dtype) for k in (0, 1))
    along = (starts & np.roll(ends, -1, axis=2)).any(axis=2)  # (n, 2): whether each of a pair runs from 0 to 1
    other = np.where(along[:, 0] == along[:, 1], len(triangles), 0)
    one, two = pairs.T
    size = len(triangles)
    half = np.stack([np.concatenate([one, one + size]), np.concatenate([two + other, two + (size - other)])], axis=1)
    labels = _components(half, 2 * size)[1]
    found: np.ndarray = labels[:size] > labels[size:]
    return found


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Join several meshes into one."""
    offsets = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])[:-1]
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.triangles + offset for mesh, offset in zip(meshes, offsets, strict=True)]),
    )


def sample_surface(mesh: Mesh, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Spread points (count, 3) m evenly over the surface, with the normals (count, 3) of their triangles.

    The area is cut into as many equal shares, one point in each: the cloud has fewer holes than independent draws.
    """
    a, b, c = mesh.corners.transpose(1, 0, 2)
    cross = np.cross(b - a, c - a)
    area = np.linalg.norm(cross, axis=1)
    cumulative = np.cumsum(area)
    wanted = (np.arange(count) + rng.random(count)) / count * cumulative[-1]
    index = np.minimum(np.searchsorted(cumulative, wanted, side="right"), len(area) - 1)
    u, v = np.sqrt(rng.random((count, 1))), rng.random((count, 1))
    points = (1 - u) * a[index] + u * (1 - v) * b[index] + u * v * c[index]
    return points, cross[index] / np.maximum(area[index, None], 1e-30)
