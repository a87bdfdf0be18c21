"""Show one trial: what was seen, what was made of it, where the hand could close, where it did, what came of it."""

from __future__ import annotations

import json
import webbrowser
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import tyro
from rich.console import Console

from apps.mp4 import check_film, filming
from envs.grasping.by_arm import execute_by_arm
from envs.grasping.execution import Outcome
from envs.grasping.objects import resting
from envs.grasping.parts import load_bodies
from evaluation.grasping.evaluate import check
from evaluation.grasping.pictures import VIEW, Filmed, data_url, eye_on
from evaluation.grasping.single import LeftOutError, Planned, Scene, Task, TrialConfig, attempt, make_scene, plan
from geometry.objects import ObjectModel, ObjectSet
from geometry.transforms import transform_points
from robots.hand import PANDA_HAND, Grasp
from robots.io import check_writable
from robots.options import SeedOption
from robots.world import Camera

_VIEWER = Path(__file__).parents[1] / "assets" / "web" / "clouds.js"
_FRAMES_HZ = 24
_POINTS = 3000
_CANDIDATES = 25
_SHOWN = (0.15, 0.5, 1.0)  # shares of a trial: coming, lifting, the end
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:1.5rem auto;padding:0 1rem}
body{color:#34302c;background:#f7f3ec}canvas{border-radius:8px;width:100%;touch-action:none}
label{margin-right:1rem}label span{display:inline-block;width:.8em;height:.8em;margin:0 .3em;border-radius:2px}
img{width:31%;margin-right:1%;border-radius:6px}td,th{padding:.1rem .8rem;text-align:left}
"""


@dataclass(frozen=True)
class Show(SeedOption):
    """Open one trial in the browser: clouds, candidates, the chosen grasp and what came of it."""

    object: str = "mug_900"
    """Name of an object of the set."""
    objects: str = "household/test"
    """A set of objects or a folder, as for single."""
    data: Path | None = None
    """Folder that holds vgn_giga and ycb_dev, for their sets."""
    view: int = 0
    """Which look at it, 0 or more."""
    cloud: str = "completed"
    """The cloud that is planned on, one of those that single compares."""
    arm: bool = False
    """Let the whole Panda arm do it, which passes over grasps that it cannot get to."""
    trial: Annotated[TrialConfig, tyro.conf.arg(name="")] = field(default_factory=TrialConfig)
    """As for single: the same view, seed and object give the same trial."""
    out: Path = Path("runs/grasp/show.html")
    """The page."""
    record: Path | None = None
    """Film the trial as an MP4."""
    browser: bool = True
    """Open the page when it is written."""


def show(args: Show) -> dict[str, Any]:
    """Run the trial and write the page; returns what came of it.

    Raises:
        ValueError: no such object, cloud or view, or a look that cannot be tried.
        OSError, VideoError: something cannot be written.
    """
    config, cloud = replace(args.trial, clouds=(args.cloud,)), args.cloud
    args.check_seed()
    check(1, config)
    if args.view < 0:
        raise ValueError(f"--view {args.view} came; allowed are 0 or more")
    check_writable(args.out)
    check_film(args.record)
    found = load_bodies(args.objects, args.data)
    model = _choose(found, args)
    try:
        scene = make_scene(Task(0, model, args.view, config, args.seed))
    except LeftOutError as problem:
        raise ValueError(f"{args.object} cannot be tried: {problem}; take another --view") from problem
    planned = plan(scene, config, cloud)
    tried = _try_by_arm(scene, planned, config, args.seed) if args.arm else _try(scene, planned, config)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(page(args.object, cloud, scene, planned, tried), encoding="utf-8")
    film = _write_film(args.record, tried.frames)
    result = _result(tried.outcome)
    told = [*found.told(), f"{args.object}, {cloud}: {result}", f"page: {args.out.resolve()}"]
    if args.record is not None:
        told.append(f"film: {film.resolve()}" if film else "no film: nothing was tried")
    Console(stderr=True).print("\n".join(told), markup=False, highlight=False, soft_wrap=True)
    if args.browser:
        webbrowser.open(args.out.resolve().as_uri())
    return {"object": args.object, "cloud": cloud, "result": result, "page": str(args.out), "film": film and str(film)}


def _choose(found: ObjectSet, args: Show) -> ObjectModel:
    """Take the object of the set that is asked for.

    Raises:
        ValueError: it is not there, or was left out.
    """
    for name, reason in found.skipped:
        if name == args.object:
            raise ValueError(f"--object {args.object!r} came; it cannot be used: {reason}")
    models = {model.name: model for model in found.objects}
    if args.object not in models:
        raise ValueError(f"--object {args.object!r} came; {args.objects} has {', '.join(models)}")
    return models[args.object]


def _write_film(place: Path | None, frames: list[np.ndarray]) -> Path | None:
    """Write a film where one is asked for and there is something to see; returns where it lies."""
    if place is None or not frames:
        return None
    with filming(place, VIEW, _FRAMES_HZ) as film:
        for frame in frames:
            film.add(frame)
        film.end()
    return place


class Tried(NamedTuple):
    """The grasp that was tried, what came of it, and pictures; None where nothing was found to try."""

    grasp: Grasp | None
    outcome: Outcome | None
    frames: list[np.ndarray]


def _result(outcome: Outcome | None) -> str:
    if outcome is None:
        return "no grasp"
    return ("held" if outcome.held else outcome.cause) + (", touched before closing" if outcome.touched_early else "")


def _try(scene: Scene, planned: Planned, config: TrialConfig) -> Tried:
    if not planned.grasps:
        return Tried(None, None, [])
    best = planned.grasps[0]
    film = Filmed(eye_on(best.T_world_hand[:3, 3] + (0.0, 0.0, 0.08), 0.55), 1 / _FRAMES_HZ)
    return Tried(best, attempt(scene, best, config.friction, watch=film.watch), film.frames)


def _try_by_arm(scene: Scene, planned: Planned, config: TrialConfig, seed: int) -> Tried:
    """Do as `_try`, by the arm.

    Raises:
        ReachError: it can get to none of the grasps.
    """
    film = Filmed(Camera((0.75, -0.85, 0.75), (-0.15, 0.0, 0.25)), 1 / _FRAMES_HZ)
    known = np.concatenate([planned.shape.target, scene.observation.cloud_world])
    with resting([scene.placed.model], [scene.placed.T_world_object], config.friction, seen=True) as table:
        done = execute_by_arm(table, planned.grasps, known, np.random.default_rng(seed), watch=film.watch)
    return Tried(done.grasp, done.outcome, film.frames)


def page(name: str, cloud: str, scene: Scene, planned: Planned, tried: Tried) -> str:
    """Write the page as text; it needs nothing from elsewhere."""
    layers = [
        _cloud("the object", scene.observation.true, "#c9c2b6", hidden=True),
        _cloud(f"{cloud} (planned on)", planned.shape.target, "#3b6ea5"),
        _cloud("seen", scene.observation.cloud_world, "#e08a3c"),
        {
            "name": "candidates",
            "color": "#8fae8b",
            "lines": [line for grasp in planned.grasps[:_CANDIDATES] for line in fork(grasp)],
        },
    ]
    if tried.grasp is not None:
        layers.append({"name": "chosen", "color": "#c8553d", "width": 2, "lines": _edges(tried.grasp)})
    middle = scene.observation.true.mean(axis=0)
    eye = scene.observation.T_world_cam[:2, 3]
    azimuth = float(np.arctan2(eye[1], eye[0])) + 2.2  # so that the first look shows what the camera did not see
    drawn = {"layers": layers, "middle": np.round(middle, 4).tolist(), "size": 0.4, "azimuth": azimuth}
    features = (tried.grasp.features if tried.grasp else None) or {}
    rows = "".join(f"<tr><td>{escape(key)}<td>{value:.2f}</tr>" for key, value in features.items())
    shown = [tried.frames[int(share * (len(tried.frames) - 1))] for share in _SHOWN] if tried.frames else []
    pictures = "".join(f'<img src="{data_url(frame)}" alt="">' for frame in shown)
    return (
        f'<!doctype html><meta charset="utf-8"><title>{escape(name)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(name)}, {escape(cloud)}: {escape(_result(tried.outcome))}</h1>"
        f'<canvas id="view" width="1000" height="620"></canvas><p id="layers"></p>{pictures}'
        f"<h2>Why this grasp</h2><table>{rows}</table>"
        f'<script type="application/json" id="scene">{json.dumps(drawn)}</script>'
        f'<script type="module">{_VIEWER.read_text("utf-8")}</script>'
    )


def _cloud(name: str, points: np.ndarray, color: str, hidden: bool = False) -> dict[str, Any]:
    few = points[:: max(len(points) // _POINTS, 1)]
    return {"name": name, "color": color, "hidden": hidden, "points": np.round(few, 4).tolist()}


def fork(grasp: Grasp) -> list[list[list[float]]]:
    """Draw three lines that stand for a hand: fingers and what carries them."""
    y, back = grasp.width_m / 2, -PANDA_HAND.finger_m
    lines = ([(0, y, 0), (0, y, back), (0, -y, back), (0, -y, 0)], [(0, 0, back), (0, 0, 1.6 * back)])
    return [np.round(transform_points(grasp.T_world_hand, np.array(line)), 4).tolist() for line in lines]


def _edges(grasp: Grasp) -> list[list[list[float]]]:
    """List the edges of all boxes of the hand, each by its two ends."""
    out = []
    for _, centre, size in PANDA_HAND.boxes(grasp.width_m):
        ends = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) / 2
        corners = np.round(transform_points(grasp.T_world_hand, centre + ends * size), 4)
        pairs = [(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1]
        out += [[corners[a].tolist(), corners[b].tolist()] for a, b in pairs]
    return out
