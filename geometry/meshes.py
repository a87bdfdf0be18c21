"""Triangle meshes from files and URDFs, checked before anybody uses them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geometry.transforms import euler_transform, transform_points

if TYPE_CHECKING:
    import trimesh

MESH_FILES = (".obj", ".stl", ".ply", ".off")
_LARGEST_M = 5.0
_SMALLEST_M = 1e-3


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


def load_mesh(path: Path, scale: Sequence[float] = (1.0, 1.0, 1.0)) -> Mesh:
    """Read a mesh and check it.

    Args:
        path: .obj, .stl, .ply or .off.
        scale: factor along x, y, z, to m.

    Raises:
        MeshError: it is missing, damaged, empty, has NaN, or no household size.
    """
    vertices, triangles = _read(path)
    mesh = _checked(vertices * np.asarray(scale, float), triangles, path)
    largest = float(mesh.extents.max())
    if largest > _LARGEST_M:
        raise MeshError(
            f"{path} is {largest:.3g} m long; objects up to {_LARGEST_M:g} m are allowed. It is probably in "
            'millimetres: give scale 0.001 (in a URDF: <mesh ... scale="0.001 0.001 0.001"/>)'
        )
    if largest < _SMALLEST_M:
        raise MeshError(
            f"{path} is {largest:.3g} m long; nothing below {_SMALLEST_M:g} m can be grasped. Check its unit"
        )
    return mesh


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import trimesh

    if path.suffix.lower() not in MESH_FILES:
        raise MeshError(f"{path} is no mesh that can be read; allowed are {', '.join(MESH_FILES)}")
    if not path.is_file():
        raise MeshError(f"{path} is missing")
    try:
        loaded: Any = trimesh.load(path, force="mesh", process=False, skip_materials=True)
        return np.asarray(loaded.vertices, float), np.asarray(loaded.faces, np.int64)
    # What trimesh raises on a damaged file is not documented and differs between formats and versions.
    except Exception as problem:
        raise MeshError(f"{path} is damaged or no mesh ({type(problem).__name__}: {problem})") from problem


def _checked(vertices: np.ndarray, triangles: np.ndarray, path: Path) -> Mesh:
    """Drop triangles without area and vertices without triangles; say which file is to blame when nothing is left."""
    try:
        if len(triangles):
            corners = Mesh(vertices, triangles).corners
            normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            used, numbers = np.unique(triangles[np.linalg.norm(normals, axis=1) > 1e-14], return_inverse=True)
            vertices, triangles = vertices[used], numbers.reshape(-1, 3)
        return Mesh(vertices, triangles)
    except MeshError as problem:
        raise MeshError(f"{path}: {problem}") from problem


def load_convex_parts(path: Path, scale: Sequence[float] = (1.0, 1.0, 1.0)) -> tuple[Mesh, ...]:
    """Read a collision mesh as convex parts, one for each `o` of an .obj; a file without them is one part.

    Bullet takes the hull of every part as the body that is touched, and so does this.

    Raises:
        MeshError: as for `load_mesh`; parts too flat to have a volume are left out, and one must be left.
    """
    mesh = load_mesh(path, scale)
    groups = _groups(path) if path.suffix.lower() == ".obj" else []
    parts = [hull for points in groups if (hull := convex_hull(points * np.asarray(scale, float))) is not None]
    if not parts and (whole := convex_hull(mesh.vertices)) is not None:
        parts = [whole]
    if not parts:
        raise MeshError(f"{path} is flat: it has no volume that could be touched")
    return tuple(parts)


def _groups(path: Path) -> list[np.ndarray]:
    """Read the points of every `o` of an .obj, by the faces that follow it."""
    points: list[list[float]] = []
    groups: list[set[int]] = [set()]
    for line in path.read_text(errors="replace").splitlines():
        word, *rest = line.split() or [""]
        if word == "o":
            groups.append(set())
        elif word == "v":
            points.append([float(value) for value in rest[:3]])
        elif word == "f":
            numbers = (int(corner.split("/")[0]) for corner in rest)
            groups[-1].update(number - 1 if number > 0 else len(points) + number for number in numbers)
    everything = np.array(points)
    return [everything[sorted(group)] for group in groups if group]


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


@dataclass(frozen=True)
class UrdfObject:
    """A URDF of one link: its visual mesh and its collision parts, both in the frame of the link."""

    name: str
    visual: Mesh
    parts: tuple[Mesh, ...]
    filled: bool
    """Whether the hull of a mesh that was made to be looked at stands for what is touched."""


def read_urdf(path: Path) -> UrdfObject:
    """Read a rigid object from a URDF; masses and inertias in it are not used.

    Raises:
        MeshError: it is missing or no XML, has several links, or a mesh that cannot be used.
    """
    try:
        robot = ElementTree.fromstring(path.read_text())
    except (OSError, ElementTree.ParseError, UnicodeDecodeError) as problem:
        raise MeshError(f"{path} cannot be read as a URDF ({problem})") from problem
    links = robot.findall("link")
    if len(links) != 1:
        raise MeshError(f"{path} has {len(links)} links; an object to grasp has one")
    visuals = [_geometry(entry, path) for entry in links[0].findall("visual")]
    collisions = [_geometry(entry, path) for entry in links[0].findall("collision")]
    if not visuals and not collisions:
        raise MeshError(f"{path} has neither a visual nor a collision shape")
    visual = joined([_visual_mesh(found) for found in visuals or collisions])
    groups = [(found, _parts(found)) for found in collisions or visuals]
    shown = {found.file for found in visuals if found.file is not None}
    filled = any(found.file in shown and len(parts) == 1 for found, parts in groups)
    return UrdfObject(
        robot.get("name") or path.stem, visual, tuple(part for _, some in groups for part in some), filled
    )


@dataclass(frozen=True)
class _Found:
    """A geometry of a URDF: a mesh file with its scale, or a primitive, and where it is."""

    where: np.ndarray
    scale: tuple[float, float, float]
    file: Path | None = None
    primitive: Mesh | None = None


def _visual_mesh(found: _Found) -> Mesh:
    mesh = found.primitive if found.file is None else load_mesh(found.file, found.scale)
    assert mesh is not None
    return mesh.transformed(found.where)


def _parts(found: _Found) -> list[Mesh]:
    parts = (found.primitive,) if found.file is None else load_convex_parts(found.file, found.scale)
    return [part.transformed(found.where) for part in parts if part is not None]


def _numbers(text: str | None, default: str, path: Path, counts: tuple[int, ...] = (3,)) -> tuple[float, ...]:
    try:
        found = tuple(float(value) for value in (text or default).split())
    except ValueError as problem:
        raise MeshError(f"{path}: {text!r} came where numbers were expected") from problem
    if len(found) not in counts or not np.isfinite(found).all():
        raise MeshError(f"{path}: {text!r} came; expected {' or '.join(map(str, counts))} finite number(s)")
    return found


def _sizes(text: str | None, count: int, path: Path) -> tuple[float, ...]:
    found = _numbers(text, "", path, (count,))
    if not all(_SMALLEST_M <= size <= _LARGEST_M for size in found):
        raise MeshError(f"{path}: a size of {text} m came; allowed are {_SMALLEST_M:g} to {_LARGEST_M:g}")
    return found


def _geometry(entry: ElementTree.Element, path: Path) -> _Found:
    import trimesh

    origin = entry.find("origin")
    place = {} if origin is None else origin.attrib
    xyz, rpy = (_numbers(place.get(name), "0 0 0", path) for name in ("xyz", "rpy"))
    where = euler_transform(xyz, rpy)
    shape = entry.find("geometry")
    kind = None if shape is None or not len(shape) else shape[0]
    if kind is not None and kind.tag == "mesh":
        x, y, z = (_numbers(kind.get("scale"), "1 1 1", path, (1, 3)) * 3)[:3]
        name = (kind.get("filename") or "").removeprefix("package://").removeprefix("file://")
        return _Found(where, (x, y, z), file=path.parent / name)
    makers = {
        "box": lambda tag: trimesh.creation.box(_sizes(tag.get("size"), 3, path)),
        "sphere": lambda tag: trimesh.creation.icosphere(3, radius=_sizes(tag.get("radius"), 1, path)[0]),
        "cylinder": lambda tag: trimesh.creation.cylinder(
            _sizes(tag.get("radius"), 1, path)[0], _sizes(tag.get("length"), 1, path)[0], sections=48
        ),
    }
    if kind is None or kind.tag not in makers:
        found = "nothing" if kind is None else f"<{kind.tag}>"
        raise MeshError(f"{path}: a geometry is {found}; allowed are mesh, {', '.join(makers)}")
    made = makers[kind.tag](kind)
    return _Found(where, (1.0, 1.0, 1.0), primitive=Mesh(np.asarray(made.vertices), np.asarray(made.faces, np.int64)))


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
