"""Sets of objects by name or from a folder; what is damaged is told, and the rest is used."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np

from geometry import household
from geometry.meshes import (
    MESH_FILES,
    Mesh,
    MeshError,
    load_convex_parts,
    load_mesh,
    read_urdf,
    sample_surface,
)
from geometry.transforms import transform

SETS = (
    "household",
    "household/train",
    "household/test",
    "pybullet",
    "packed/train",
    "packed/test",
    "pile/train",
    "pile/test",
    "ycb_dev",
)


class ObjectsError(ValueError):
    """No objects where they were looked for; the message says what is allowed."""


@dataclass(frozen=True)
class ObjectModel:
    """A rigid object in its own frame: how it looks, and the convex parts that fill the same space; m.

    The origin is the centre of its bounding box, whatever its file says. `filled` says that its file has no parts and
    its hull stands for them, which fills what is hollow; `made` that it is one of ours, whose parts fill exactly what
    its mesh shows.
    """

    name: str
    mesh: Mesh
    parts: tuple[Mesh, ...]
    filled: bool = False
    made: bool = False

    @cached_property
    def _sides(self) -> list[np.ndarray]:
        """Of each part: the planes (n, 4) of its hull, pointing outward."""
        from scipy.spatial import ConvexHull

        return [ConvexHull(part.vertices).equations for part in self.parts]

    @cached_property
    def centre_of_mass(self) -> np.ndarray:
        """(3,) m: of the parts, all equally dense; where they overlap it counts twice, which shifts it little."""
        from scipy.spatial import ConvexHull

        weighted, total = np.zeros(3), 0.0
        for part in self.parts:
            middle = part.vertices.mean(axis=0)
            corners = part.vertices[ConvexHull(part.vertices).simplices] - middle
            volumes = np.abs(np.linalg.det(corners)) / 6
            weighted += (volumes[:, None] * (corners.sum(axis=1) / 4 + middle)).sum(axis=0)
            total += float(volumes.sum())
        centre: np.ndarray = weighted / total
        return centre

    def inside(self, points: np.ndarray, deeper_m: float = 0.0) -> np.ndarray:
        """Tell which points (N, 3) m lie in one of the parts, `deeper_m` or more below its surface: (N,) bool."""
        within = np.zeros(len(points), bool)
        for planes in self._sides:
            left = np.flatnonzero(~within)
            depth = -(points[left] @ planes[:, :3].T + planes[:, 3]).max(axis=1)
            within[left[depth > deeper_m]] = True
        return within

    def surface(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Sample points (count, 3) m on what can be touched, with normals (count, 3).

        Things that are put together of several bodies (the handle of a mug, the head of a hammer) have surfaces inside
        one another; those are left out.
        """
        if not self._overlaps:
            return sample_surface(self.mesh, count, rng)
        points, normals = sample_surface(self.mesh, 2 * count, rng)
        seen = np.flatnonzero(~self.inside(points, 5e-4))
        chosen = rng.choice(seen, count, replace=len(seen) < count)
        return points[chosen], normals[chosen]

    @cached_property
    def _overlaps(self) -> bool:
        """Whether the mesh is of several closed bodies, and parts tell what is inside."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        a, b, c = self.mesh.triangles.T
        edges = np.concatenate([np.stack([a, b]), np.stack([b, c])], axis=1)
        size = len(self.mesh.vertices)
        bodies = connected_components(coo_matrix((np.ones(edges.shape[1]), edges), (size, size)))[1]
        return self.made and len(np.unique(bodies[np.unique(self.mesh.triangles)])) > 1

    @cached_property
    def digest(self) -> str:
        """Short and the same for the same shape: of the mesh, and of parts that came with it."""
        whole = 0
        for mesh in (self.mesh, *(() if self.filled else self.parts)):  # parts that we made follow from the mesh
            whole = crc32(mesh.triangles.tobytes(), crc32(mesh.vertices.round(6).tobytes(), whole))
        return f"{whole:08x}"

    def scaled(self, factors: np.ndarray, name: str | None = None) -> ObjectModel:
        """Stretch the same thing along x, y, z by `factors` (3,)."""
        stretch = transform(np.diag(factors), (0.0, 0.0, 0.0))
        parts = tuple(part.transformed(stretch) for part in self.parts)
        return replace(self, name=name or self.name, mesh=self.mesh.transformed(stretch), parts=parts)


class Skipped(NamedTuple):
    """An object that cannot be used, and why."""

    name: str
    reason: str


class ObjectSet(NamedTuple):
    """Objects that were found, sorted by name, and those that were left out."""

    objects: list[ObjectModel]
    skipped: list[Skipped]


def load_objects(spec: str, data: Path | None = None) -> ObjectSet:
    """Load a set.

    Args:
        spec: one of `SETS`, a folder of URDFs or meshes, or several joined by + (what has one name is taken once).
        data: folder that holds `vgn_giga` and `ycb_dev`; needed for their sets only.

    Raises:
        ObjectsError: nothing of that name, or nothing in it that can be used.
    """
    if "+" in spec and not Path(spec).is_dir():
        return _joined([load_objects(part, data) for part in spec.split("+")])
    if spec.partition("/")[0] == "household":
        found = _household(spec)
    elif spec == "pybullet":
        found = from_folder(_pybullet_folder() / "random_urdfs", "*/*.urdf", limit=200)
    elif spec in SETS:
        found = from_folder(_data_folder(spec, data))
    elif spec and Path(spec).is_dir():
        found = from_folder(Path(spec))
    else:
        raise ObjectsError(f"{spec!r} is no set of objects and no folder; sets are {', '.join(SETS)}")
    if not found.objects:
        why = "; ".join(f"{name}: {reason}" for name, reason in found.skipped[:3])
        raise ObjectsError(f"{spec} holds nothing that can be used ({why or 'no URDF and no mesh'})")
    return found


def _joined(sets: Sequence[ObjectSet]) -> ObjectSet:
    objects: dict[str, ObjectModel] = {}
    for model in (model for found in sets for model in found.objects):
        objects.setdefault(model.name, model)
    return ObjectSet(list(objects.values()), [one for found in sets for one in found.skipped])


def _household(spec: str) -> ObjectSet:
    wanted = ("train", "test") if spec == "household" else (spec.removeprefix("household/"),)
    if not set(wanted) <= {"train", "test"}:
        raise ObjectsError(f"{spec!r} is no set of objects; sets are {', '.join(SETS)}")
    return ObjectSet([household_object(name) for part in wanted for name in household.names(part)], [])


def household_object(name: str) -> ObjectModel:
    """Make one thing of the procedural set by its name.

    Raises:
        ValueError: there is no such thing.
    """
    solid = household.make(name)
    return _centred(ObjectModel(name, solid.surface, solid.parts, made=True))


def _centred(model: ObjectModel) -> ObjectModel:
    shift = transform(np.eye(3), -model.mesh.bounds.mean(axis=0))
    parts = tuple(part.transformed(shift) for part in model.parts)
    return replace(model, mesh=model.mesh.transformed(shift), parts=parts)


def _pybullet_folder() -> Path:
    found = importlib.util.find_spec("pybullet_data")
    if found is None or found.origin is None:
        raise ObjectsError("pybullet_data is not installed: pip install pybullet")
    return Path(found.origin).parent


def _data_folder(spec: str, data: Path | None) -> Path:
    if data is None:
        raise ObjectsError(f"{spec} needs the folder that holds it: give --data FOLDER (with vgn_giga and ycb_dev)")
    folder = data / "ycb_dev" if spec == "ycb_dev" else data / "vgn_giga" / "urdfs" / spec
    if not folder.is_dir():
        raise ObjectsError(f"{folder} is missing, and {spec} is kept there. Check --data {data}")
    return folder


def from_folder(folder: Path, pattern: str = "*.urdf", limit: int | None = None) -> ObjectSet:
    """Read every URDF in a folder; where there is none, every mesh, as its hull unless it is an .obj of parts."""
    paths = sorted(folder.glob(pattern)) or sorted(p for p in folder.iterdir() if p.suffix.lower() in MESH_FILES)
    objects, skipped = [], []
    for path in paths[:limit]:
        try:
            objects.append(_one(path))
        except MeshError as problem:
            skipped.append(Skipped(path.stem, str(problem)))
    return ObjectSet(sorted(objects, key=lambda one: one.name), skipped)


def _one(path: Path) -> ObjectModel:
    if path.suffix.lower() == ".urdf":
        read = read_urdf(path)
        return _centred(ObjectModel(path.stem, read.visual, read.parts, read.filled))
    mesh = load_mesh(path)
    parts = load_convex_parts(path)
    return _centred(ObjectModel(path.stem, mesh, parts, filled=len(parts) == 1))
