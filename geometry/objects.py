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
from geometry.folders import files_below, is_hidden
from geometry.mesh_files import MESH_FILES, load_collision
from geometry.meshes import Mesh, MeshError, sample_surface
from geometry.transforms import transform
from geometry.urdf import read_urdf

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


_SMALLEST_M, _LARGEST_M = 0.005, 1.0
_MOST_APART = 3.0
"""What is touched may be so many times as long as what is seen, or the other way round."""
_AT_ONCE = 20_000_000
"""Distances of points from planes: 160 MB."""


class ObjectsError(ValueError):
    """No objects where they were looked for; the message says what is allowed."""


@dataclass(frozen=True)
class ObjectModel:
    """A rigid object in its own frame: how it looks, and the convex parts that fill the same space; m.

    The origin is the centre of its bounding box, whatever its file says. `filled` says that its file has no convex
    parts and a hull stands for them, which fills what is hollow: that of `touched`, where it is not the mesh that is
    seen. `made` says that it is one of ours, whose parts fill exactly what its mesh shows.
    """

    name: str
    mesh: Mesh
    parts: tuple[Mesh, ...]
    filled: bool = False
    made: bool = False
    touched: Mesh | None = None

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
            for some in np.array_split(left, 1 + len(left) * len(planes) // _AT_ONCE):
                depth = -(points[some] @ planes[:, :3].T + planes[:, 3]).max(axis=1)
                within[some[depth > deeper_m]] = True
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
        """Short and the same for the same shape: of the mesh, and of what came with it to be touched."""
        whole = 0
        touched = () if self.touched is None else (self.touched,)  # from which parts that we made follow
        for mesh in (self.mesh, *(touched if self.filled else self.parts)):
            whole = crc32(mesh.triangles.tobytes(), crc32(mesh.vertices.round(6).tobytes(), whole))
        return f"{whole:08x}"

    def scaled(self, factors: np.ndarray, name: str | None = None) -> ObjectModel:
        """Stretch the same thing along x, y, z by `factors` (3,)."""
        return replace(self.transformed(transform(np.diag(factors), (0.0, 0.0, 0.0))), name=name or self.name)

    def transformed(self, T: np.ndarray) -> ObjectModel:
        """Return the same thing under `T` (4, 4), which may stretch."""
        parts = tuple(part.transformed(T) for part in self.parts)
        touched = None if self.touched is None else self.touched.transformed(T)
        return replace(self, mesh=self.mesh.transformed(T), parts=parts, touched=touched)


class Skipped(NamedTuple):
    """An object that cannot be used, and why."""

    name: str
    reason: str


class ObjectSet(NamedTuple):
    """Objects that were found, sorted by name, and those that were left out."""

    objects: list[ObjectModel]
    skipped: list[Skipped]

    def told(self) -> list[str]:
        """Say in lines how many there are, and which were left out and why."""
        return [*(f"left out {name}: {reason}" for name, reason in self.skipped), f"{len(self.objects)} objects"]


def load_objects(spec: str, data: Path | None = None) -> ObjectSet:
    """Load a set.

    Args:
        spec: one of `SETS`, a folder of URDFs or meshes, one such file (@0.001 after it for millimetres), or several
            joined by + (the same thing is taken once).
        data: folder that holds `vgn_giga` and `ycb_dev`; needed for their sets only.

    Raises:
        ObjectsError: nothing of that name, or nothing in it that can be used.
    """
    if "+" in spec and not Path(spec).exists():
        return joined_sets([(part, load_objects(part, data)) for part in spec.split("+")])
    if spec.partition("/")[0] == "household":
        found = _household(spec)
    elif spec == "pybullet":
        found = from_folder(_pybullet_folder() / "random_urdfs", limit=200)
    elif spec in SETS:
        found = from_folder(_data_folder(spec, data))
    else:
        found = _at_scale(spec)
    if not found.objects:
        why = "; ".join(f"{name}: {reason}" for name, reason in found.skipped[:3])
        why = why or f"no .urdf and no {', '.join(MESH_FILES)}, also below"
        raise ObjectsError(f"{spec} holds nothing that can be used ({why})")
    return found


def _at_scale(spec: str) -> ObjectSet:
    """Load FOLDER, FILE or one of them with @FACTOR."""
    place, _, factor = (spec, "", "1") if Path(spec).exists() else spec.rpartition("@")
    if not place or not Path(place).exists():
        raise ObjectsError(f"{spec!r} is no set of objects, no folder and no file; sets are {', '.join(SETS)}")
    try:
        scale = float(factor)
    except ValueError:
        scale = 0.0
    if not 1e-6 <= scale <= 1e6:
        raise ObjectsError(f"{spec!r} came; after the @ stands the factor from its unit to m: @0.001 for millimetres")
    return from_folder(Path(place), scale=scale)


def joined_sets(sets: Sequence[tuple[str, ObjectSet]]) -> ObjectSet:
    """Join sets, each given with its spec: the same thing is taken once, another of the same name told apart.

    From a folder it is taken as FOLDER/NAME. Of the sets that are known by name (`SETS`) the first counts, and the
    other is told among those that were left out: pile has the things of packed at another size.
    """
    objects: dict[str, ObjectModel] = {}
    skipped = [one for _, found in sets for one in found.skipped]
    for spec, model in ((spec, model) for spec, found in sets for model in found.objects):
        known = objects.setdefault(model.name, model)
        if known.digest == model.digest:
            continue
        name = f"{spec if spec in SETS else Path(spec.partition('@')[0]).name}/{model.name}"
        if spec in SETS or name in objects:
            skipped.append(Skipped(name, f"a {model.name} of another shape came before it in the sets that are joined"))
        else:
            objects[name] = replace(model, name=name)
    return ObjectSet(list(objects.values()), skipped)


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
    return model.transformed(transform(np.eye(3), -model.mesh.bounds.mean(axis=0)))


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


def from_folder(folder: Path, limit: int | None = None, scale: float = 1.0) -> ObjectSet:
    """Read every URDF in a folder; where there is none every mesh; where there is none either, those further below.

    A file counts as a folder that holds it alone. Where each object has a folder, one shape in several meshes
    (YCB has its objects three times) is taken once.

    Objects are named by their files; where that is not enough, by their folders too, and by their endings.
    """
    models: dict[Path, ObjectModel] = {}
    reasons: dict[Path, str] = {}
    for path in _paths(folder)[:limit]:
        try:
            model = _one(path, path.stem, scale)
        except MeshError as problem:
            reasons[path] = str(problem)
            continue
        beside = [one for one in models if one.parent == path.parent != folder and path.suffix.lower() != ".urdf"]
        first = next((one for one in beside if _same_shape(models[one], model)), None)
        if first is None:
            models[path] = model
        else:
            reasons[path] = f"the same shape as {first.name}, which lies beside it"
    paths = [*models, *reasons]
    names = dict(zip(paths, _names(paths, folder), strict=True))
    if len(names) > len(models):  # what is left out need not make the names of the others longer
        names |= dict(zip(models, _names(list(models), folder), strict=True))
    objects = [replace(model, name=names[path]) for path, model in models.items()]
    skipped = [Skipped(names[path], reason) for path, reason in reasons.items()]
    return ObjectSet(sorted(objects, key=lambda one: one.name), skipped)


def _same_shape(one: ObjectModel, other: ObjectModel) -> bool:
    """Whether two files show one shape: the same place and area, though corners may be joined otherwise."""
    near = 1e-4 * float(one.mesh.extents.max())
    if not np.allclose(one.mesh.bounds, other.mesh.bounds, rtol=0, atol=near):
        return False
    (area, centre), (other_area, other_centre) = _surface(one.mesh), _surface(other.mesh)
    return bool(np.isclose(area, other_area, rtol=1e-3) and np.allclose(centre, other_centre, rtol=0, atol=near))


def _surface(mesh: Mesh) -> tuple[float, np.ndarray]:
    """Area, m^2, and its centre (3,) m."""
    areas = 0.5 * np.linalg.norm(mesh.normals, axis=1)
    total = float(areas.sum())
    return total, (areas[:, None] * mesh.corners.mean(axis=1)).sum(axis=0) / max(total, 1e-30)


def _paths(folder: Path) -> list[Path]:
    """Choose the files of a folder that are objects, without hidden ones, as ._cup.stl, which a Mac leaves."""
    if folder.is_file():
        return [folder] if folder.suffix.lower() in (".urdf", *MESH_FILES) else []
    below = [path for path in files_below(folder) if not is_hidden(path, folder)]
    near = [path for path in below if path.parent == folder]
    kinds = ((paths, endings) for paths in (near, below) for endings in ((".urdf",), MESH_FILES))
    chosen = ([path for path in paths if path.suffix.lower() in endings] for paths, endings in kinds)
    return next(filter(None, chosen), [])


def _names(paths: Sequence[Path], folder: Path) -> list[str]:
    """Name files by their stems, or by where they are in the folder without what all share: cup/model.urdf is cup."""
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    places = [path.relative_to(folder).with_suffix("").parts for path in paths]
    if len(set(places)) < len(places):
        return [path.relative_to(folder).as_posix() for path in paths]
    while len({place[-1] for place in places}) == 1 and all(len(place) > 1 for place in places):
        places = [place[:-1] for place in places]
    return ["/".join(place) for place in places]


def _one(path: Path, name: str, scale: float) -> ObjectModel:
    if path.suffix.lower() == ".urdf":
        read = read_urdf(path)
        own = read.touched if read.filled and not read.touched.same(read.visual) else None
        model = ObjectModel(name, read.visual, read.parts, read.filled, touched=own)
    else:
        found = load_collision(path)
        model = ObjectModel(name, found.mesh, found.parts, filled=len(found.parts) == 1)
    _check_size(scale * float(model.mesh.extents.max()), path)
    _check_touched(model, path)
    return _centred(model if scale == 1.0 else model.scaled(np.full(3, scale)))


def _check_touched(model: ObjectModel, path: Path) -> None:
    """Refuse an object whose parts are elsewhere than what is seen of it, or of another size: a scale is missing."""
    corners = np.concatenate([part.vertices for part in model.parts])
    low, high = corners.min(axis=0), corners.max(axis=0)
    seen = model.mesh.bounds
    ratio = float((high - low).max() / model.mesh.extents.max())
    if 1 / _MOST_APART <= ratio <= _MOST_APART and (low <= seen[1]).all() and (high >= seen[0]).all():
        return
    raise MeshError(
        f"{path} is seen over {model.mesh.extents.max():.3g} m and touched over {(high - low).max():.3g} m, in other "
        "places or sizes. Give its <collision> the scale and origin of its <visual>."
    )


def _check_size(size_m: float, path: Path) -> None:
    if _SMALLEST_M <= size_m <= _LARGEST_M:
        return
    units = {"millimetres": 0.001, "centimetres": 0.01, "inches": 0.0254}
    likely = [f"{unit} (@{factor:g})" for unit, factor in units.items() if 0.02 <= size_m * factor <= 0.5]
    raise MeshError(
        f"{path} is {size_m:.3g} m long; objects of {_SMALLEST_M:g} to {_LARGEST_M:g} m are taken. Is it in "
        f"{' or '.join(likely) or 'another unit'}? Say so by --objects FOLDER@FACTOR, or in a URDF by "
        '<mesh ... scale="0.001 0.001 0.001"/>'
    )
