"""The arm task as the page shows it: the arm of plain shapes, its cup, the table, the laptop and the person."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from envs.trajectories.arm_kinematics import link_frames
from envs.trajectories.task import Animation
from robots.shapes import Link, Material, Shape

FPS, SECONDS = 25.0, 3.0
_SHELL, _DARK, _ACCENT, _WOOD, _SKIN, _CLOTH = "#f2efe9", "#3a3d42", "#e08a3c", "#c8a47a", "#c9a58a", "#7d8ea3"
_CAMERA = {"eye": [1.55, -1.55, 1.15], "target": [0.32, 0.0, 0.22], "fov_deg": 38.0}


def picture(joints: np.ndarray, human: np.ndarray, laptop: np.ndarray) -> Animation:
    """Run through joints (21, 7) rad in three seconds; person and laptop at (3,) m are links that stand still."""
    times = np.linspace(0.0, SECONDS, len(joints))
    shown = CubicSpline(times, joints)(np.arange(int(SECONDS * FPS) + 1) / FPS)
    places, turns = link_frames(shown)
    poses = np.zeros((len(shown), len(_links()), 7), np.float32)
    poses[..., 6] = 1.0
    poses[:, 1:8, :3] = places
    poses[:, 1:8, 3:] = Rotation.from_matrix(turns.reshape(-1, 3, 3)).as_quat().reshape(len(shown), 7, 4)
    poses[:, 8, :3] = laptop
    poses[:, 9, :3] = (human[0], human[1], 0.0)
    return Animation("arm", FPS, poses, scene())


def scene() -> dict[str, Any]:
    """Describe the links, the table and the camera in the form of the page of the simulation."""
    table = (
        Shape("box", (0.90, 1.4, 0.04), (0.05, 0.0, -0.02), color=_WOOD),
        *(Shape("box", (0.05, 0.05, 0.68), (x, y, -0.38), color=_DARK) for x in (-0.34, 0.44) for y in (-0.63, 0.63)),
    )
    return {
        "kind": "arm",
        "links": [link.as_json() for link in _links()],
        "furniture": [Link("table", table).as_json()],
        "ground": False,
        "camera": {name: list(value) if isinstance(value, list) else value for name, value in _CAMERA.items()},
        "here": {},
    }


def _limb(a: tuple[float, float, float], b: tuple[float, float, float], radius: float, color: str = _SHELL) -> Shape:
    """A capsule from one point of a link to another, m."""
    start, end = np.array(a), np.array(b)
    along = end - start
    length = float(np.linalg.norm(along))
    turn, _ = Rotation.align_vectors([along / length], [[0.0, 0.0, 1.0]])
    middle, quat = ((start + end) / 2).tolist(), turn.as_quat().tolist()
    return Shape("capsule", (radius, length), tuple(middle), tuple(quat), color)


def _knob(length: float, color: str = _DARK, material: Material = "dark") -> Shape:
    """The motor of a joint, which turns about the link's z."""
    return Shape("cylinder", (0.062, length), color=color, material=material)


def _links() -> tuple[Link, ...]:
    """Base, links 1 to 7 (the last with the hand and its cup), the laptop and the person: 10."""
    hand = (
        Shape("cylinder", (0.045, 0.05), (0, 0, 0.08), color=_DARK, material="dark"),
        Shape("box", (0.06, 0.20, 0.06), (0, 0, 0.135), color=_SHELL),
        *(Shape("box", (0.02, 0.015, 0.06), (0, y, 0.19), color=_DARK, material="dark") for y in (-0.045, 0.045)),
        Shape("cylinder", (0.036, 0.11), (0, 0, 0.215), color=_ACCENT),
        # The rim is light: it shows which end of the cup is up, which is toward the hand.
        Shape("cylinder", (0.039, 0.015), (0, 0, 0.165), color=_SHELL),
    )
    laptop = (
        Shape("box", (0.24, 0.34, 0.02), (0, 0, 0.01), color="#6c7684", material="metal"),
        Shape("box", (0.02, 0.34, 0.22), (0.13, 0, 0.12), color="#2a3340", material="dark"),
    )
    person = (
        Shape("capsule", (0.10, 0.60), (0, 0, 0.05), color=_CLOTH),
        Shape("sphere", (0.105,), (0, 0, 0.60), color=_SKIN),
    )
    return (
        Link(
            "base",
            (Shape("cylinder", (0.10, 0.14), (0, 0, 0.07), color=_SHELL), _limb((0, 0, 0.1), (0, 0, 0.24), 0.06)),
        ),
        Link("link1", (_limb((0, 0, -0.12), (0, 0, 0), 0.058),)),
        Link("link2", (_knob(0.13), _limb((0, 0, 0), (0, -0.20, 0), 0.056))),
        Link("link3", (_limb((0, 0, -0.10), (0, 0, 0), 0.054), _limb((0, 0, 0), (0.0825, 0, 0), 0.05))),
        Link("link4", (_knob(0.13), _limb((0, 0, 0), (-0.0825, 0.12, 0), 0.05))),
        Link("link5", (_limb((0, 0, -0.26), (0, 0.02, -0.10), 0.048), _limb((0, 0.02, -0.10), (0, 0, 0), 0.045))),
        Link("link6", (_knob(0.11), _limb((0, 0, 0), (0.088, 0, 0), 0.045))),
        Link("link7", hand),
        Link("laptop", laptop),
        Link("person", person),
    )
