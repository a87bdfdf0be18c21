"""Shapes made by turning and sweeping, closed by construction, with the convex parts that Bullet touches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from geometry.meshes import Mesh, convex_hull, joined
from geometry.transforms import transform

SECTIONS = 48
_WEDGES = 24  # a hollow wall is cut into so many: the chord of one stands .3 mm off the wall of a mug


class Solid(NamedTuple):
    """The visible surface, and the convex parts that fill the same space; m."""

    surface: Mesh
    parts: tuple[Mesh, ...]

    def transformed(self, T: np.ndarray) -> Solid:
        """Return the solid under a rigid transform `T` (4, 4)."""
        return Solid(self.surface.transformed(T), tuple(part.transformed(T) for part in self.parts))


def together(*solids: Solid) -> Solid:
    """Join solids into one; where they overlap, what lies inside stays in the surface (see `ObjectModel.surface`)."""
    return Solid(joined([solid.surface for solid in solids]), tuple(part for solid in solids for part in solid.parts))


def box(x: float, y: float, z: float) -> Solid:
    """Make a box standing on z = 0."""
    corners = np.array([[i, j, k] for i in (-x / 2, x / 2) for j in (-y / 2, y / 2) for k in (0.0, z)])
    return _convex(corners)


def _convex(points: np.ndarray) -> Solid:
    hull = convex_hull(points)
    if hull is None:
        raise ValueError(f"{len(points)} points that span no volume came; a solid needs one")
    return Solid(hull, (hull,))


def _ring(radius: float, z: float, sections: int = SECTIONS) -> np.ndarray:
    angle = np.arange(sections) * (2 * np.pi / sections)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(sections, z)], axis=1)


def turned(profile: Sequence[tuple[float, float]]) -> Solid:
    """Make a full body of revolution.

    Args:
        profile: (radius, z) m from the bottom up, radii more than 0; the ends are closed by discs.
    """
    if len(profile) < 2 or min(radius for radius, _ in profile) <= 0.0:
        raise ValueError(f"profile {profile} came; it needs two or more (radius, z) with radii more than 0")
    rings = [_ring(radius, z) for radius, z in profile]
    ends = [np.array([[0.0, 0.0, profile[0][1]]]), np.array([[0.0, 0.0, profile[-1][1]]])]
    count = len(rings)
    triangles = [_between(k * SECTIONS, (k + 1) * SECTIONS) for k in range(count - 1)]
    triangles += [_fan(0, count * SECTIONS, up=False), _fan((count - 1) * SECTIONS, count * SECTIONS + 1, up=True)]
    parts = (convex_hull(np.concatenate(pair)) for pair in pairwise(rings))
    surface = Mesh(np.concatenate([*rings, *ends]), np.concatenate(triangles))
    return Solid(surface, tuple(part for part in parts if part is not None))


def hollow(outer: Sequence[tuple[float, float]], wall: float) -> Solid:
    """Make a vessel: a body of revolution, open above, with a floor and a wall of the same thickness.

    Args:
        outer: (radius, z) m of the outside from the bottom up.
        wall: thickness, m.
    """
    inner = [(radius - wall, max(z, outer[0][1] + wall)) for radius, z in outer]
    if wall <= 0.0 or min(radius for radius, _ in inner) <= 0.0:
        raise ValueError(f"a wall of {wall} m came for the profile {outer}; it must be thinner than the radius")
    around = [*outer, *reversed(inner)]
    rings = [_ring(radius, z) for radius, z in around]
    count = len(rings)
    ends = [np.array([[0.0, 0.0, outer[0][1]]]), np.array([[0.0, 0.0, inner[0][1]]])]
    triangles = [_between(k * SECTIONS, (k + 1) * SECTIONS) for k in range(count - 1)]
    triangles += [_fan(0, count * SECTIONS, up=False), _fan((count - 1) * SECTIONS, count * SECTIONS + 1, up=True)]
    floor = turned([(outer[0][0], outer[0][1]), (outer[0][0], outer[0][1] + wall)])
    walls = [
        _wedge(lower, upper, wedge)
        for lower, upper in zip(zip(outer, inner, strict=True), zip(outer[1:], inner[1:], strict=True), strict=False)
        for wedge in range(_WEDGES)
    ]
    surface = Mesh(np.concatenate([*rings, *ends]), np.concatenate(triangles))
    return Solid(surface, (*floor.parts, *(part for part in walls if part is not None)))


Corner = tuple[float, float]


def _wedge(lower: tuple[Corner, Corner], upper: tuple[Corner, Corner], wedge: int) -> Mesh | None:
    step = SECTIONS // _WEDGES
    places = [(wedge * step + k) % SECTIONS for k in range(step + 1)]
    return convex_hull(np.concatenate([_ring(radius, z)[places] for radius, z in (*lower, *upper)]))


def _between(low: int, high: int) -> np.ndarray:
    """Fill two rings whose first points are numbered so with triangles; outside is outside when `high` is above."""
    here = np.arange(SECTIONS)
    there = np.roll(here, -1)
    return np.concatenate(
        [
            np.stack([low + here, low + there, high + there], axis=1),
            np.stack([low + here, high + there, high + here], axis=1),
        ]
    )


def _fan(ring: int, middle: int, up: bool) -> np.ndarray:
    here = ring + np.arange(SECTIONS)
    there = np.roll(here, -1)
    first, second = (here, there) if up else (there, here)
    return np.stack([first, second, np.full(SECTIONS, middle)], axis=1)


def swept(path: np.ndarray, radii: np.ndarray, flat: float = 1.0, around: int = 16) -> Solid:
    """Bend a round bar along a path.

    Args:
        path: (n, 3) m of its middle line; neighbours differ.
        radii: (n,) m.
        flat: size of the cross-section across the plane of the path (up, for a straight one) over that within it.
        around: corners of the cross-section.
    """
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, _steady_normal(path))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    normal = np.cross(side, along)
    angle = np.arange(around) * (2 * np.pi / around)
    circle = np.cos(angle)[None, :, None] * side[:, None] + flat * np.sin(angle)[None, :, None] * normal[:, None]
    rings = path[:, None] + radii[:, None, None] * circle
    n = len(path)
    here = np.arange(around)
    there = np.roll(here, -1)
    triangles = []
    for k in range(n - 1):
        low, high = k * around, (k + 1) * around
        triangles += [
            np.stack([low + here, low + there, high + there], axis=1),
            np.stack([low + here, high + there, high + here], axis=1),
        ]
    first, last = n * around, n * around + 1
    triangles += [
        np.stack([there, here, np.full(around, first)], axis=1),
        np.stack([(n - 1) * around + here, (n - 1) * around + there, np.full(around, last)], axis=1),
    ]
    surface = Mesh(np.concatenate([rings.reshape(-1, 3), path[:1], path[-1:]]), np.concatenate(triangles))
    if np.einsum("ij,ij->", np.cross(surface.corners[:, 0], surface.corners[:, 1]), surface.corners[:, 2]) < 0:
        surface = Mesh(surface.vertices, surface.triangles[:, ::-1])
    parts = (convex_hull(np.concatenate(pair)) for pair in pairwise(rings))
    return Solid(surface, tuple(part for part in parts if part is not None))


def _steady_normal(path: np.ndarray) -> np.ndarray:
    """Find the normal of the plane that the path lies in; of a straight one, the axis that is most across it."""
    _, spread, axes = np.linalg.svd(path - path.mean(axis=0))
    if spread[1] > 1e-9:
        normal: np.ndarray = axes[2]
        return normal
    return np.eye(3)[2 - int(np.argmin(np.abs(axes[0][::-1]).round(6)))]


def lying(solid: Solid, length_axis: str = "x") -> Solid:
    """Turn what was made along z to lie along x or y."""
    turn = {"x": [[0, 0, 1], [0, 1, 0], [-1, 0, 0]], "y": [[1, 0, 0], [0, 0, 1], [0, -1, 0]]}[length_axis]
    return solid.transformed(transform(np.array(turn, float), (0.0, 0.0, 0.0)))


def at(solid: Solid, x: float, y: float, z: float) -> Solid:
    """Move it by x, y, z m."""
    return solid.transformed(transform(np.eye(3), (x, y, z)))
