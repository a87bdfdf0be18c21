"""Convex parts for meshes that come without: made once, and kept."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
from rich.console import Console
from rich.progress import track

from geometry.files import write_whole
from geometry.mesh_files import load_convex_parts
from geometry.meshes import Mesh, MeshError, sample_surface
from geometry.objects import ObjectModel, ObjectSet, Skipped, load_objects
from robots.world import as_obj, convex_parts

CACHE = Path("runs/grasp/parts")
_SEAL = "# whole: "
_AHEAD_M, _DEEP_M = 0.008, 0.002
_SHARE = 0.08
"""A thing is hollow where so much of its surface has, 8 mm ahead, the inside of its hull and not the open. Of our own
things boxes, cans and bottles have up to .05, clamps .1, hammers .26, plates .3, cups and mugs .45."""
_RIM = 0.5
"""A mesh is a sheet where its open edges are so many times as long as it is: around the mouth of a cup 2, a hole in a
scan 0.1."""


def load_bodies(spec: str, data: Path | None = None, cache: Path = CACHE) -> ObjectSet:
    """Load as `load_objects`, and take meshes whose hull would fill a hollow apart into convex parts.

    Parts are kept in `cache` by what the mesh is; where nothing can be written they are made again every time.

    Raises:
        ObjectsError: as `load_objects`.
    """
    found = load_objects(spec, data)
    hollow = {model.name for model in found.objects if is_hollow(model)}
    objects, skipped = [], list(found.skipped)
    models = track(found.objects, "taking apart", console=Console(stderr=True), disable=not hollow, transient=True)
    for model in models:
        try:
            objects.append(
                replace(model, parts=_parts(model.touched or model.mesh, cache)) if model.name in hollow else model
            )
        except MeshError as problem:
            skipped.append(Skipped(model.name, str(problem)))
    return ObjectSet(objects, skipped)


def is_hollow(model: ObjectModel) -> bool:
    """Tell whether its hull stands for its parts and fills what is open: of a mug, a bowl, a hammer, not of a box.

    Nobody can tell from a sheet which side is the outside: one that is open, as a bowl without thickness, is hollow.
    """
    if not model.filled:
        return False
    mesh = model.touched or model.mesh
    points, normals = sample_surface(mesh, 2000, np.random.default_rng(0))
    sides = (1, -1) if mesh.rim_m > _RIM * mesh.extents.max() else (1,)
    return any(model.inside(points + side * _AHEAD_M * normals, _DEEP_M).mean() > _SHARE for side in sides)


def _parts(mesh: Mesh, cache: Path) -> tuple[Mesh, ...]:
    key = hashlib.sha256(mesh.vertices.round(6).tobytes() + mesh.triangles.tobytes()).hexdigest()[:24]
    path = cache / f"{key}.obj"
    with suppress(MeshError, OSError, UnicodeDecodeError):  # a damaged file counts as none
        text = path.read_text("utf-8")
        if text == _sealed(text.rpartition(_SEAL)[0]):
            return load_convex_parts(path)
    parts = convex_parts(mesh)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, _sealed(as_obj([part.vertices for part in parts])))
    return parts


def _sealed(text: str) -> str:
    """Add a comment at the end that a file cut short or changed does not have."""
    return f"{text}{_SEAL}{crc32(text.encode()):08x}\n"
