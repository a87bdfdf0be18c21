"""Mesh files: read within limits, and what of them is touched."""

from __future__ import annotations

import io
import json
import logging
import re
import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from geometry.meshes import Mesh, MeshError, convex_hull, outward
from geometry.polygons import concave, triangulate

MESH_FILES = (".obj", ".stl", ".ply", ".off", ".glb", ".gltf", ".dae")
_MOST_BYTES = 128 << 20
_MOST_TRIANGLES = 2_000_000
_MOST_PARTS = 1000
_MOST_EARS = 200_000
"""Of the squares of the corners of concave faces: some seconds."""
_FACET = re.compile(rb"facet\s+normal", re.IGNORECASE)
_CONVEX = 0.9
"""Share of its hull that a part fills: those of V-HACD 0.99 and more, a bottle 0.8, a can without its bottom 0.83."""


_LABEL = 0.02
"""Of the size of a part: what is flat and no farther outside is painted on it."""


class _Arrays(NamedTuple):
    """What a file holds: vertices (V, 3), triangles (T, 3), and the number of the `o` of each triangle, (T,)."""

    vertices: np.ndarray
    triangles: np.ndarray
    group: np.ndarray


class Collision(NamedTuple):
    """A mesh as it is touched: by convex `parts`, or by its hull alone where it is not `convex`."""

    mesh: Mesh
    parts: tuple[Mesh, ...]
    convex: bool


def load_mesh(path: Path, scale: Sequence[float] = (1.0, 1.0, 1.0)) -> Mesh:
    """Read a mesh, check it and turn its outside out.

    Args:
        path: one of `MESH_FILES`.
        scale: factor along x, y, z, to m; a negative one mirrors.

    Raises:
        MeshError: it is missing, damaged, empty, too large to read, or has NaN.
    """
    return _load(path, scale)[0]


def load_collision(path: Path, scale: Sequence[float] = (1.0, 1.0, 1.0)) -> Collision:
    """Read a mesh and its convex parts: every `o` of an .obj where all are convex, else the hull of it all.

    Raises:
        MeshError: as for `load_mesh`, or it is flat.
    """
    mesh, group = _load(path, scale)
    cut = _hulls(mesh, group) if (group != group[0]).any() else []
    parts = [(part, hull) for part, hull in cut if hull is not None]
    sheets = [part for part, hull in cut if hull is None]
    if len(parts) > 1 and all(_fills(part, hull) for part, hull in parts) and not _sticks_out(sheets, parts):
        return Collision(mesh, tuple(hull for _, hull in parts), True)
    whole = convex_hull(mesh.vertices)
    if whole is None:
        raise MeshError(f"{path} is flat: it has no volume that could be touched")
    return Collision(mesh, (whole,), _fills(mesh, whole))


def load_convex_parts(path: Path) -> tuple[Mesh, ...]:
    """Read an .obj whose every `o` is known to be convex, as V-HACD writes it: the hull of each.

    Its faces need be no surface: all that counts is which vertices they name.

    Raises:
        MeshError: as for `load_collision`.
    """
    arrays = _read(path)
    try:
        cut = _hulls(Mesh(arrays.vertices, arrays.triangles), arrays.group)
        parts = tuple(hull for _, hull in cut if hull is not None)
    except MeshError as problem:
        raise MeshError(f"{path}: {problem}") from problem
    if not parts:
        raise MeshError(f"{path} is flat: it has no volume that could be touched")
    return parts


def _hulls(mesh: Mesh, group: np.ndarray) -> list[tuple[Mesh, Mesh | None]]:
    """Cut a mesh into its groups, (T,) numbers, each with its hull; None where it is too flat to have a volume."""
    found = []
    for number in np.unique(group):
        used, numbers = np.unique(mesh.triangles[group == number], return_inverse=True)
        found.append((Mesh(mesh.vertices[used], numbers.reshape(-1, 3)), convex_hull(mesh.vertices[used])))
    return found


def _sticks_out(sheets: Sequence[Mesh], parts: Sequence[tuple[Mesh, Mesh]]) -> bool:
    """Whether flat groups, as the floor of a tray, are more than a label on what can be touched."""
    if not sheets:
        return False
    points = np.concatenate([sheet.vertices for sheet in sheets] + [sheet.corners.mean(axis=1) for sheet in sheets])
    outside = np.ones(len(points), bool)
    for _, hull in parts:
        normals = hull.normals / np.linalg.norm(hull.normals, axis=1, keepdims=True)
        heights = points @ normals.T - (normals * hull.corners[:, 0]).sum(axis=1)
        outside &= heights.max(axis=1) > _LABEL * hull.extents.max()
    return bool(outside.any())


def _fills(part: Mesh, hull: Mesh) -> bool:
    """Tell whether a mesh is about as large as its hull, which one that is open is not: see `Mesh.volume`."""
    return abs(outward(part).volume) > _CONVEX * hull.volume


def _load(path: Path, scale: Sequence[float]) -> tuple[Mesh, np.ndarray]:
    """Read, scale and check; the groups (T,) are those of the triangles that are left."""
    factors = np.asarray(scale, float)
    if not factors.all():
        raise MeshError(f"{path}: a scale of {tuple(scale)} came; none of it may be 0")
    arrays = _read(path)
    try:
        triangles = arrays.triangles[:, ::-1] if np.prod(factors) < 0 else arrays.triangles
        mesh, kept = _checked(outward(Mesh(arrays.vertices * factors, triangles)))
    except MeshError as problem:
        raise MeshError(f"{path}: {problem}") from problem
    return mesh, arrays.group[kept]


def _checked(mesh: Mesh) -> tuple[Mesh, np.ndarray]:
    """Drop triangles without area and vertices without triangles; tells which triangles were kept, (T,) bool."""
    with np.errstate(over="ignore", invalid="ignore"):
        kept = np.linalg.norm(mesh.normals, axis=1) > 1e-14
    used, numbers = np.unique(mesh.triangles[kept], return_inverse=True)
    return Mesh(mesh.vertices[used], numbers.reshape(-1, 3)), kept


def _read(path: Path) -> _Arrays:
    kind = path.suffix.lower()
    if kind not in MESH_FILES:
        raise MeshError(f"{path} is no mesh that can be read; allowed are {', '.join(MESH_FILES)}")
    content = read_limited(path, _MOST_BYTES)
    try:
        arrays = _read_obj(content) if kind == ".obj" else _read_trimesh(path, content)
    except MeshError as problem:
        raise MeshError(f"{path}: {problem}") from problem
    # What trimesh raises on a damaged file is not documented and differs between formats and versions.
    except Exception as problem:
        raise MeshError(f"{path} is damaged or no mesh ({type(problem).__name__}: {problem})"[:500]) from problem
    if not len(arrays.triangles):
        raise MeshError(f"{path} holds no triangles, and at least one triangle is needed: export it again, as a mesh")
    if len(arrays.triangles) > _MOST_TRIANGLES:
        raise MeshError(f"{path} has {len(arrays.triangles)} triangles; up to {_MOST_TRIANGLES} are read: decimate it")
    return arrays


def read_limited(path: Path, most: int) -> bytes:
    """Read a file of no more than `most` bytes.

    Raises:
        MeshError: it is missing, no file, larger, or cannot be read.
    """
    try:
        if not path.is_file():
            raise MeshError(f"{path} is missing")
        if (size := path.stat().st_size) > most:
            raise MeshError(f"{path} has {size / 2**20:.0f} MB; up to {most >> 20} MB are read: make it simpler")
        return path.read_bytes()
    except OSError as problem:  # a name that is too long, for one
        raise MeshError(f"{str(path)[:200]} cannot be read ({problem.strerror})") from problem


def _read_trimesh(path: Path, content: bytes) -> _Arrays:
    import trimesh

    logging.getLogger("trimesh").setLevel(logging.CRITICAL)  # it prints tracebacks of what it goes on without
    kind = path.suffix.lower()[1:]
    faces = _declared_faces(kind, content)
    if kind in ("glb", "gltf"):
        _check_gltf(kind, content)
    if kind == "stl" and not _FACET.search(content):
        content = content[: 84 + 50 * faces]  # trimesh reads none where something follows them
    # The resolver reads what lies in the same folder and below, nothing else.
    resolver = trimesh.resolvers.FilePathResolver(str(path))
    scene = trimesh.load_scene(io.BytesIO(content), kind, resolver, process=False, skip_materials=True)
    shapes = [scene.geometry[name] for _, name in (scene.graph[node] for node in scene.graph.nodes_geometry)]
    if (count := sum(len(getattr(shape, "faces", ())) for shape in shapes)) > _MOST_TRIANGLES:
        raise MeshError(f"it has {count} triangles; up to {_MOST_TRIANGLES} are read: decimate it")
    if shapes and not count:
        raise MeshError("it holds points or lines, no triangles: export it as a mesh")
    loaded: Any = scene.to_mesh()
    if kind == "dae":
        loaded.apply_scale(_metres(scene.units))
    if len(loaded.faces) < faces:
        raise MeshError(f"it says {faces} faces and holds {len(loaded.faces)}: it is cut short; export it again")
    triangles = np.asarray(loaded.faces, np.int64)
    return _Arrays(np.asarray(loaded.vertices, float), triangles, np.zeros(len(triangles), np.int64))


def _metres(units: str | None) -> float:
    """Read the metres in a unit of trimesh's: "meters" or "0.001 * meters"."""
    found = re.match(r"[\d.eE+-]+(?= \* meters)", units or "")
    return float(found[0]) if found else 1.0


def _declared_faces(kind: str, content: bytes) -> int:
    """Read how many faces a .ply, .off or .stl says it has; trimesh gives what there is of a file that is cut short."""
    if kind == "stl":  # text has no number
        return len(_FACET.findall(content)) or int.from_bytes(content[80:84], "little")
    # ModelNet writes "OFF8 12 0", others COFF and the like.
    off = rb"^(?:[^\w#]|#[^\n]*\n)*(?:[A-Z]*OFF)?\s*(?:#[^\n]*\n\s*)*\d+\s+(\d+)"
    pattern = {"ply": rb"element\s+face\s+(\d+)", "off": off}.get(kind)
    found = re.search(pattern, content[:65536]) if pattern else None
    return int(found[1][:18]) if found else 0


def _check_gltf(kind: str, content: bytes) -> None:
    """Refuse counts that no file of this size can mean: trimesh would make room for them."""
    text = content[20 : 20 + struct.unpack_from("<I", content, 12)[0]] if kind == "glb" else content
    tree = json.loads(text)
    counts = [int(accessor["count"]) for accessor in tree.get("accessors", ())]
    if max(counts, default=0) > 3 * _MOST_TRIANGLES or sum(counts) > 9 * _MOST_TRIANGLES:
        raise MeshError(f"it says it has {max(counts)} values in a row; up to {3 * _MOST_TRIANGLES} are read")
    if len(tree.get("nodes", ())) > _MOST_PARTS:
        raise MeshError(f"it has {len(tree['nodes'])} nodes; up to {_MOST_PARTS} are read: join them")


def _lines(content: bytes) -> Iterable[tuple[int, list[str]]]:
    """Number the lines of an .obj and split them into words, without comments; a backslash goes on in the next line."""
    kept: list[str] = []
    for number, line in enumerate(content.decode("utf-8-sig", errors="replace").splitlines(), 1):
        line = line.partition("#")[0].rstrip()
        goes_on = line.endswith("\\")
        kept += line.removesuffix("\\").split()
        if not goes_on:
            yield number, kept
            kept = []
    yield 0, kept


def _read_obj(content: bytes) -> _Arrays:
    """Read vertices and faces of an .obj; faces of more corners become fans, and concave ones lose their ears."""
    points: list[float] = []
    triangles: list[tuple[int, int, int]] = []
    polygons: dict[int, list[tuple[int, list[int]]]] = defaultdict(list)
    group: list[int] = []
    groups = 0
    for line, (word, *rest) in ((number, words) for number, words in _lines(content) if words):
        if word == "o":
            groups += 1
        elif word == "v":
            points += _floats(rest[:3], line)
        elif word == "f":
            corners = _corners(rest, len(points) // 3, line)
            first, *others = corners
            if len(corners) > 3:
                polygons[len(corners)].append((len(triangles), corners))
            fan = list(zip([first] * (len(others) - 1), others, islice(others, 1, None), strict=False))
            triangles += fan
            group += [groups] * len(fan)
    if len(used := set(group)) > _MOST_PARTS:
        raise MeshError(f"it has {len(used)} objects (o); up to {_MOST_PARTS} are read: join them")
    vertices = np.array(points, float).reshape(-1, 3)
    cost = 0
    for size, some in polygons.items():
        cost += size**2 * _cut_ears(vertices, [one for one in some if max(one[1]) < len(vertices)], triangles, cost)
    return _Arrays(vertices, np.array(triangles, np.int64).reshape(-1, 3), np.array(group, np.int64))


def _cut_ears(
    vertices: np.ndarray, polygons: Sequence[tuple[int, list[int]]], triangles: list[tuple[int, int, int]], spent: int
) -> int:
    """Cut the concave ones of polygons of one size anew, each given by the place of its fan among the triangles.

    Returns how many they are.
    """
    if not polygons:
        return 0
    with np.errstate(over="ignore", invalid="ignore"):  # which is told when the mesh is checked
        bad = concave(vertices[np.array([corners for _, corners in polygons])])
    size, count = len(polygons[0][1]), int(bad.sum())
    if spent + size**2 * count > _MOST_EARS:
        raise MeshError(f"it has {count} concave faces of {size} corners, and is too much to cut: save it as triangles")
    for (start, corners), wrong in zip(polygons, bad, strict=True):
        if wrong:
            cut = triangulate(vertices[corners])
            triangles[start : start + len(cut)] = [(corners[a], corners[b], corners[c]) for a, b, c in cut]
    return count


def _floats(words: Sequence[str], line: int) -> list[float]:
    try:
        found = [float(word) for word in words]
    except ValueError:
        found = []
    if len(found) != 3:
        raise MeshError(f"line {line}: a vertex of {' '.join(words)[:80]!r} came; three numbers are needed")
    return found


def _corners(words: Sequence[str], points: int, line: int) -> list[int]:
    """Read the numbers of a face's vertices, from 0; in an .obj they count from 1, or back from the last with a -."""
    try:
        numbers = [int(word.split("/", 1)[0]) for word in words]
    except ValueError:
        numbers = []
    found = [number - 1 if number > 0 else points + number for number in numbers]
    if len(found) < 3 or not all(numbers) or not all(0 <= number < 1 << 40 for number in found):
        raise MeshError(f"line {line}: a face of {' '.join(words)[:80]!r} came; it needs three vertices that exist")
    return found
