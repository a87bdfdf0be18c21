"""Rigid objects from URDFs, with their meshes beside, above or in packages."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from geometry.mesh_files import Collision, load_collision, load_mesh, read_limited
from geometry.meshes import Mesh, MeshError, joined
from geometry.transforms import euler_transform

_MOST_BYTES = 2 << 20
_MOST_MESH_BYTES = 256 << 20
_MOST_SHAPES = 1000
_LONGEST_NAME = 1000


@dataclass(frozen=True)
class UrdfObject:
    """A URDF of one link: its visual mesh and its collision parts, both in the frame of the link."""

    name: str
    visual: Mesh
    parts: tuple[Mesh, ...]
    filled: bool
    """Whether a hull stands for what is touched: of a mesh that was made to be looked at, or is not convex."""
    touched: Mesh
    """What is touched, before anything was filled."""


def read_urdf(path: Path) -> UrdfObject:
    """Read a rigid object from a URDF; masses and inertias in it are not used.

    Raises:
        MeshError: it is missing or no XML, has several links, or a mesh that cannot be used.
    """
    robot = _xml(path)
    links = robot.findall("link")
    if len(links) != 1:
        raise MeshError(f"{path} has {len(links)} links; an object to grasp has one")
    entries = [links[0].findall(tag) for tag in ("visual", "collision")]
    if (count := len(entries[0]) + len(entries[1])) > _MOST_SHAPES:
        raise MeshError(f"{path} has {count} visual and collision shapes; up to {_MOST_SHAPES} are read: join them")
    visuals, collisions = ([_geometry(entry, path) for entry in some] for some in entries)
    if not visuals and not collisions:
        raise MeshError(f"{path} has neither a visual nor a collision shape")
    looks = [_mesh(shape) for shape in _within(visuals, path)] if collisions else []
    bodies = [_collision(shape) for shape in _within(collisions or visuals, path)]
    touched = joined([body.mesh for body in bodies])
    shown = {shape.source for shape in visuals if isinstance(shape.source, Path)}
    filled = any(
        not body.convex or (isinstance(shape.source, Path) and shape.source in shown and len(body.parts) == 1)
        for shape, body in zip(collisions or visuals, bodies, strict=True)
    )
    parts = tuple(part for body in bodies for part in body.parts)
    return UrdfObject(robot.get("name") or path.stem, joined(looks) if looks else touched, parts, filled, touched)


def _xml(path: Path) -> ElementTree.Element:
    """Parse in the encoding that the file declares; where it declares none and is no UTF-8, in Latin-1."""
    content = read_limited(path, _MOST_BYTES)
    if b"<!ENTITY" in content.replace(b"\0", b""):  # also in UTF-16
        raise MeshError(f"{path} declares XML entities, which no URDF needs: write out what they stand for")
    try:
        try:
            return ElementTree.fromstring(content)
        except (ElementTree.ParseError, ValueError, LookupError):  # an encoding that expat lacks, for one
            declared = re.match(rb"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)", content)
            text = content.decode(declared[1].decode() if declared else "latin-1")
            return ElementTree.fromstring(re.sub(r"^\s*<\?xml.*?\?>", "", text, flags=re.DOTALL).lstrip("\ufeff"))
    except (ElementTree.ParseError, ValueError, LookupError) as problem:
        raise MeshError(f"{path} cannot be read as a URDF ({problem})") from problem


@dataclass(frozen=True)
class _Shape:
    """A geometry of a URDF: a mesh file with its scale, or a primitive, and where it is."""

    source: Path | Mesh
    scale: tuple[float, float, float]
    where: np.ndarray


def _within(shapes: Sequence[_Shape], path: Path) -> Iterator[_Shape]:
    """Give shapes one by one, and stop where their files are too many bytes together: one may stand for many."""
    total = 0
    for shape in shapes:
        if isinstance(shape.source, Path) and _is_file(shape.source):
            total += shape.source.stat().st_size
        if total > _MOST_MESH_BYTES:
            raise MeshError(f"{path} shows more than {_MOST_MESH_BYTES >> 20} MB of meshes: decimate them")
        yield shape


def _mesh(shape: _Shape) -> Mesh:
    mesh = shape.source if isinstance(shape.source, Mesh) else load_mesh(shape.source, shape.scale)
    return mesh.transformed(shape.where)


def _collision(shape: _Shape) -> Collision:
    if isinstance(shape.source, Mesh):
        moved = _mesh(shape)
        return Collision(moved, (moved,), True)
    found = load_collision(shape.source, shape.scale)
    parts = tuple(part.transformed(shape.where) for part in found.parts)
    return Collision(found.mesh.transformed(shape.where), parts, found.convex)


def _numbers(text: str | None, default: str, path: Path, counts: tuple[int, ...] = (3,)) -> tuple[float, ...]:
    try:
        found = tuple(float(value) for value in (text or default).split())
    except ValueError as problem:
        raise MeshError(f"{path}: {_short(text)} came where numbers were expected") from problem
    if len(found) not in counts or not np.isfinite(found).all():
        raise MeshError(f"{path}: {_short(text)} came; expected {' or '.join(map(str, counts))} finite number(s)")
    return found


def _short(text: str | None) -> str:
    return repr(text and text[:80])


def _sizes(text: str | None, count: int, path: Path) -> tuple[float, ...]:
    found = _numbers(text, "", path, (count,))
    if not all(1e-6 <= size <= 1e6 for size in found):
        raise MeshError(f"{path}: a size of {_short(text)} m came; it must be more than 0, and of this world")
    return found


def _geometry(entry: ElementTree.Element, path: Path) -> _Shape:
    origin = entry.find("origin")
    place = {} if origin is None else origin.attrib
    xyz, rpy = (_numbers(place.get(name), "0 0 0", path) for name in ("xyz", "rpy"))
    where = euler_transform(xyz, rpy)
    shape = entry.find("geometry")
    kind = None if shape is None or not len(shape) else shape[0]
    if kind is not None and kind.tag == "mesh":
        x, y, z = (_numbers(kind.get("scale"), "1 1 1", path, (1, 3)) * 3)[:3]
        return _Shape(_found(kind.get("filename") or "", path), (x, y, z), where)
    return _Shape(_primitive(kind, path), (1.0, 1.0, 1.0), where)


def _found(name: str, path: Path) -> Path:
    """Find a mesh by the name that a URDF gives it.

    Packages (package://NAME/..., as ROS has them, and model://NAME/..., as Gazebo) are looked for beside the URDF and
    in the folders above it, the nearest first; one of those may be the package itself, whatever it is called here.
    """
    if len(name) > _LONGEST_NAME:
        raise MeshError(f"{path}: a file name of {len(name)} letters came; up to {_LONGEST_NAME} are allowed")
    scheme, _, rest = name.replace("\\", "/").rpartition("://")
    parts = PurePosixPath(rest).parts
    if scheme in ("package", "model"):
        above = path.absolute().parents
        places = [folder.joinpath(*some) for some in (parts, parts[1:]) for folder in above if some]
        return next((place for place in places if _is_file(place)), path.parent / rest)
    return path.parent / rest


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _primitive(kind: ElementTree.Element | None, path: Path) -> Mesh:
    from trimesh import creation

    makers = {
        "box": lambda tag: creation.box(_sizes(tag.get("size"), 3, path)),
        "sphere": lambda tag: creation.icosphere(3, radius=_sizes(tag.get("radius"), 1, path)[0]),
        "cylinder": lambda tag: creation.cylinder(
            _sizes(tag.get("radius"), 1, path)[0], _sizes(tag.get("length"), 1, path)[0], sections=48
        ),
    }
    if kind is None or kind.tag not in makers:
        found = "nothing" if kind is None else f"<{kind.tag[:80]}>"
        raise MeshError(f"{path}: a geometry is {found}; allowed are mesh, {', '.join(makers)}")
    made = makers[kind.tag](kind)
    return Mesh(np.asarray(made.vertices), np.asarray(made.faces, np.int64))
