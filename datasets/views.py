"""Partial views to learn from: objects lie on a table, a depth camera looks at them from one side.

One file for each object and variant, so that a render that was broken off goes on where it stopped, and many machines
can share the work. Each holds the surface (8192, 3) in the object's frame, and of every view the points that the
camera saw, in the frame of the table (z up), with T_table_object.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, NamedTuple
from zipfile import BadZipFile

import numpy as np
import tyro

from geometry.cameras import Caster, DepthCamera, around
from geometry.files import read_json, write_whole
from geometry.meshes import Mesh, MeshError
from geometry.objects import ObjectModel, Skipped, joined_sets, load_objects
from geometry.poses import StablePose, stable_poses
from geometry.transforms import about_vertical, transform, transform_points
from perception.command import CommandError, check_run
from perception.progress import track
from robots.options import MOST_WORKERS, EngineOption, SeedOption
from robots.parallel import in_order

SURFACE = 8192
_KEPT = 1536  # points kept of a view: more than the network is given
_FEWEST = 64  # a view with fewer points is taken again, from elsewhere
_TABLE = Mesh(
    np.array([[-2.0, -2.0, 0.0], [2.0, -2.0, 0.0], [2.0, 2.0, 0.0], [-2.0, 2.0, 0.0]]), np.array([[0, 1, 2], [0, 2, 3]])
)
MANIFEST = "views.json"


@dataclass(frozen=True)
class ViewSampling:
    """From where and how objects are looked at; all ranges are drawn from evenly."""

    views: Annotated[int, tyro.conf.arg(aliases=["--looks.views"])] = 12
    """Pictures of each variant."""
    elevation_deg: tuple[float, float] = (10.0, 60.0)
    distance_m: tuple[float, float] = (0.35, 0.8)
    noise_m: tuple[float, float] = (0.0, 0.003)
    """Noise of the camera at half a metre."""
    stretch: float = 1.25
    """Most that a variant is stretched or squeezed along each axis; the first variant is the object as it is."""

    def __post_init__(self) -> None:
        ranges = (self.elevation_deg, self.distance_m, self.noise_m)
        rising = all(low <= high for low, high in ranges)
        within = self.elevation_deg[0] > -90.0 and self.elevation_deg[1] <= 90.0 and self.distance_m[0] >= 0.1
        if not rising or not within or self.noise_m[0] < 0.0 or not 1 <= self.views <= 1000 or self.stretch < 1.0:
            raise ValueError(
                f"{self} came; ranges must rise, elevation be within 90 degrees, distance at least 0.1 m, noise at "
                "least 0, views 1 to 1000 and stretch at least 1."
            )


@dataclass(frozen=True)
class RenderConfig(EngineOption, SeedOption):
    """Render partial views of object sets; goes on where it was broken off."""

    out: Path
    """Folder of the views."""
    objects: tuple[str, ...] = ("household/train", "pybullet")
    """Sets, or folders of URDFs or meshes; what has the same name in two sets is taken once."""
    data: Path | None = None
    """Folder with vgn_giga and ycb_dev, for their sets."""
    variants: int = 1
    """Of each object: the first as it is, others stretched."""
    sampling: ViewSampling = ViewSampling()
    """From where and how."""

    def __post_init__(self) -> None:
        if not 1 <= self.variants <= 100 or not 1 <= self.workers <= MOST_WORKERS or not self.objects:
            raise ValueError(
                f"variants {self.variants}, workers {self.workers} came; allowed are 1 to 100 and 1 to {MOST_WORKERS}."
            )


class RenderResult(NamedTuple):
    """Files there are now, how many of them are new, and what was left out."""

    files: list[Path]
    made: int
    skipped: list[Skipped]


def main(config: RenderConfig) -> RenderResult:
    """Render what is missing.

    Raises:
        ObjectsError: a set cannot be found.
        CommandError: the folder holds views that were rendered otherwise.
    """
    check_run(1, config.seed)
    models, skipped = _collect(config)
    _remember(config, models)
    work = [
        Task(model, variant, path, config.sampling, config.seed)
        for model in models
        for variant in range(config.variants)
        if not (path := config.out / f"{model.name}.{variant}.npz").exists()
    ]
    done = in_order(_render_file, work, config.workers, config.engine)
    problems = [found for found in track(done, "rendering", len(work)) if found is not None]
    skipped += problems
    return RenderResult(sorted(config.out.glob("*.npz")), len(work) - len(problems), skipped)


def _collect(config: RenderConfig) -> tuple[list[ObjectModel], list[Skipped]]:
    sets = []
    for spec in config.objects:
        found = load_objects(spec, config.data)
        named = [replace(model, name=_file_name(spec, model.name)) for model in found.objects]
        sets.append((spec, found._replace(objects=named)))
    models, skipped = joined_sets(sets)
    return [replace(model, name=model.name.replace("/", "__")) for model in models], skipped


def _file_name(spec: str, name: str) -> str:
    """Names of pybullet's objects are numbers, which says nothing beside those of other sets."""
    return f"pybullet_{name}" if spec == "pybullet" else name


def _remember(config: RenderConfig, models: Sequence[ObjectModel]) -> None:
    """Note how the views are made and of which shapes, or refuse to add others to them."""
    settings = json.loads(json.dumps({"sampling": asdict(config.sampling), "seed": config.seed}))
    shapes = {model.name: model.digest for model in models}
    path = config.out / MANIFEST
    config.out.mkdir(parents=True, exist_ok=True)
    if path.exists():
        try:
            began = read_json(path)
        except ValueError as problem:
            raise CommandError(f"{problem}. Delete {config.out} and render again.") from problem
        began = {"sampling" if name == "looks" else name: value for name, value in began.items()}  # older folders
        known = began.pop("shapes", {})  # which some of those do not tell
        if began != settings:
            raise CommandError(f"{config.out} holds views rendered with {began}, not {settings}. Name another --out.")
        if changed := sorted(name for name in known if shapes.get(name, known[name]) != known[name]):
            raise CommandError(
                f"{config.out} holds views of another shape of {', '.join(changed[:3])}. Name another --out."
            )
        shapes = known | shapes
    write_whole(path, (json.dumps(settings | {"shapes": shapes}, indent=1) + "\n").encode())


class Task(NamedTuple):
    """One file to render."""

    model: ObjectModel
    variant: int
    path: Path
    sampling: ViewSampling
    seed: int


def _render_file(task: Task) -> Skipped | None:
    """Render one file, or say why not."""
    import io

    rng = np.random.default_rng([task.seed, zlib.crc32(task.model.name.encode()), task.variant])
    try:
        arrays = render(task.model, task.variant, task.sampling, rng)
    except (MeshError, ValueError) as problem:
        return Skipped(f"{task.model.name}.{task.variant}", str(problem))
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_whole(task.path, buffer.getvalue())
    return None


def render(model: ObjectModel, variant: int, sampling: ViewSampling, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Views of one object.

    Returns:
        `surface` (8192, 3) m in the object's frame; `clouds` (views, 1536, 3) m in that of the table, of which the
        first `counts` (views,) are points, `poses` (views, 4, 4), T_table_object, and `eyes` (views, 3) m, where the
        camera was.

    Raises:
        ValueError: it cannot be seen, or lies nowhere.
    """
    if variant:
        model = model.scaled(np.exp(rng.uniform(-1.0, 1.0, 3) * np.log(sampling.stretch)))
    surface, _ = model.surface(SURFACE, rng)
    rests = stable_poses(model)
    clouds = np.zeros((sampling.views, _KEPT, 3), np.float32)
    counts, poses, eyes = (
        np.zeros(sampling.views, np.int64),
        np.zeros((sampling.views, 4, 4)),
        np.zeros((sampling.views, 3)),
    )
    for view in range(sampling.views):
        poses[view], eyes[view], cloud = _view(model, rests, sampling, rng)
        chosen = rng.permutation(len(cloud))[:_KEPT]
        counts[view] = len(chosen)
        clouds[view, : len(chosen)] = cloud[chosen]
    return {"surface": surface.astype(np.float32), "clouds": clouds, "counts": counts, "poses": poses, "eyes": eyes}


def _view(
    model: ObjectModel, rests: list[StablePose], sampling: ViewSampling, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One view: T_table_object, the place (3,) of the camera, and the points (n, 3) of the object that were seen."""
    for _ in range(20):
        turned = transform(about_vertical(rng.uniform(-np.pi, np.pi)), (0.0, 0.0, 0.0))
        pose = turned @ rests[int(rng.integers(len(rests)))].T_table_object
        placed = transform_points(pose, model.mesh.vertices)
        target = (placed.min(axis=0) + placed.max(axis=0)) / 2 + rng.normal(0.0, 0.01, 3)
        elevation = np.radians(rng.uniform(*sampling.elevation_deg))
        T_world_cam = around(target.tolist(), rng.uniform(*sampling.distance_m), elevation, rng.uniform(-np.pi, np.pi))
        camera = DepthCamera(noise_m=float(rng.uniform(*sampling.noise_m)))
        cloud = Caster([(model.mesh, pose), (_TABLE, np.eye(4))]).view(T_world_cam, camera, rng).of(0)
        if len(cloud) >= _FEWEST:
            return pose, T_world_cam[:3, 3], cloud
    raise ValueError(f"a camera at {sampling.distance_m} m sees fewer than {_FEWEST} points of it")


class Views(NamedTuple):
    """All views of a folder, or some: each is a cloud (n, 3) m on the table, of a surface at a pose."""

    names: np.ndarray  # (N,) str: object of each view
    clouds: list[np.ndarray]
    poses: np.ndarray  # (N, 4, 4) T_table_object
    eyes: np.ndarray  # (N, 3) m, where the camera was
    surface: np.ndarray  # (N,) index into surfaces
    surfaces: np.ndarray  # (S, 8192, 3) float32 m

    def truth(self, view: int) -> np.ndarray:
        """(8192, 3) m: the whole surface, where it lies in that view."""
        return transform_points(self.poses[view], self.surfaces[self.surface[view]].astype(np.float64))

    def where(self, chosen: np.ndarray) -> Views:
        """Only those views: a mask (N,)."""
        index = np.flatnonzero(chosen)
        kept, surface = np.unique(self.surface[index], return_inverse=True)
        clouds = [self.clouds[i] for i in index]
        return Views(self.names[index], clouds, self.poses[index], self.eyes[index], surface, self.surfaces[kept])


def load_views(folder: Path) -> Views:
    """Read what `render` wrote.

    Raises:
        CommandError: there is nothing, or a file is damaged.
    """
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise CommandError(f"{folder} holds no views. Make some: empaw export views --out {folder}")
    names, clouds, surface = [], [], []
    stacks: dict[str, list[np.ndarray]] = {"poses": [], "eyes": [], "surface": []}
    for number, file in enumerate(track(files, "reading views")):
        try:
            with np.load(file) as arrays:
                for cloud, count in zip(arrays["clouds"], arrays["counts"], strict=True):
                    clouds.append(cloud[:count])
                    names.append(file.name.rsplit(".", 2)[0])
                    surface.append(number)
                for name, stack in stacks.items():
                    stack.append(arrays[name])
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as problem:
            raise CommandError(f"{file} is damaged ({problem}). Delete it and render again.") from problem
    poses, eyes = (np.concatenate(stacks[name]) for name in ("poses", "eyes"))
    return Views(np.array(names), clouds, poses, eyes, np.array(surface), np.stack(stacks["surface"]))


def report(result: RenderResult) -> int:
    """Say what there is, on stderr."""
    import sys

    for name, reason in result.skipped:
        print(f"left out {name}: {reason}", file=sys.stderr)
    print(f"{len(result.files)} files of views, {result.made} of them new", file=sys.stderr)
    return 0 if result.files else 2
