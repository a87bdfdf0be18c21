"""Scenes: one object at rest, and the clutter of VGN and GIGA, packed or piled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from envs.grasping.objects import MASS_KG, Tabletop, height, lowest
from geometry.cameras import Caster, DepthCamera, View, around
from geometry.meshes import Mesh
from geometry.objects import ObjectModel
from geometry.transforms import about_vertical, transform

SIDE_M = 0.30
"""Edge of the square that clutter lies in, as in VGN."""
_FAR_M = 0.5
SceneKind = Literal["packed", "pile"]
_SCALES: dict[SceneKind, tuple[float, float]] = {"packed": (0.7, 0.9), "pile": (0.8, 1.0)}
"""As in VGN: many things of its sets are wider than its hand, which opens 8 cm, as ours does."""


class RestlessError(RuntimeError):
    """An object that does not come to rest, or leaves the table; the message says which."""


class Placed(NamedTuple):
    """An object at rest: `T_world_object` (4, 4) and the height of its highest point, m."""

    model: ObjectModel
    T_world_object: np.ndarray
    height_m: float


def rest_single(
    model: ObjectModel, rng: np.random.Generator, friction: float = 0.5, upright: float = 0.5, mass_kg: float = MASS_KG
) -> Placed:
    """Drop one object and wait until it lies still, then put it in the middle.

    Args:
        model: the object.
        rng: draws how it is dropped.
        friction: of the object.
        upright: share of drops with the object's own z up; the others begin turned at random.
        mass_kg: of the object.

    Raises:
        RestlessError: it still moves after 4 s.
    """
    from scipy.spatial.transform import Rotation

    yaw = about_vertical(rng.uniform(0, 2 * np.pi))
    turn = yaw if rng.random() < upright else Rotation.random(random_state=rng).as_matrix()
    with Tabletop(friction, mass_kg) as table:
        body = table.add(model, transform(turn, (0.0, 0.0, 0.005 - lowest(model, turn))))
        if not table.settle():
            raise RestlessError(f"{model.name} still moves 4 s after it was dropped")
        T = table.pose(body)
    T = transform(T[:3, :3], (0.0, 0.0, T[2, 3]))
    return Placed(model, T, height(model, T))


def clutter(
    models: Sequence[ObjectModel], scene: SceneKind, count: int, rng: np.random.Generator, friction: float = 0.5
) -> Tabletop:
    """Set a table with `count` objects drawn from a set, side by side (packed) or dropped in a heap (pile).

    After VGN (Breyer et al. 2020): packed objects stand upright and do not touch when they are put down; piled ones
    fall from 20 cm one after the other into a box that is then taken away. All are made smaller, by 0.7 to 0.9 when
    packed and 0.8 to 1 when piled. What lands outside the square is removed.
    """
    table = Tabletop(friction)
    chosen = [models[int(number)] for number in rng.choice(len(models), count, replace=len(models) < count)]
    for whole in chosen:
        model = whole.scaled(np.full(3, rng.uniform(*_SCALES[scene])))
        if scene == "packed":
            _stand(table, model, rng)
        else:
            _drop(table, model, rng)
    table.settle()
    for body in list(table.bodies):
        if not within(table.pose(body)):
            table.remove(body)
    return table


def within(T_world_object: np.ndarray, slack_m: float = 0.05) -> bool:
    """Tell whether an object lies in the square, or little beside it."""
    x, y, z = T_world_object[:3, 3]
    return bool(max(abs(x), abs(y)) < SIDE_M / 2 + slack_m and -0.05 < z < 0.5)


def _stand(table: Tabletop, model: ObjectModel, rng: np.random.Generator) -> None:
    """Put an upright object where it touches no other; twenty tries, else it is left out."""
    for _ in range(20):
        turn = about_vertical(rng.uniform(0, 2 * np.pi))
        x, y = rng.uniform(0.08 - SIDE_M / 2, SIDE_M / 2 - 0.08, 2)
        before = table.poses()
        body = table.add(model, transform(turn, (x, y, 0.003 - lowest(model, turn))))
        if not any(table.world.overlap(body.number, other.number) for other in table.bodies[:-1]) and table.settle():
            return
        table.remove(body)
        for other, pose in zip(table.bodies, before, strict=True):
            table.place(other, pose)


def _drop(table: Tabletop, model: ObjectModel, rng: np.random.Generator) -> None:
    from scipy.spatial.transform import Rotation

    walls = _walls(table)
    turn = Rotation.random(random_state=rng).as_matrix()
    x, y = rng.uniform(-SIDE_M / 6, SIDE_M / 6, 2)
    top = max((height(body.model, table.pose(body)) for body in table.bodies), default=0.0)
    table.add(model, transform(turn, (x, y, max(0.1, top + 0.02) - lowest(model, turn))))
    table.settle(2.0)
    for wall in walls:
        table.world.remove(wall)
    table.settle(2.0)


def _walls(table: Tabletop) -> list[int]:
    """Put up four walls about the square that keep falling objects in."""
    numbers = []
    for angle in np.arange(4) * np.pi / 2:
        corners = np.array([[x, y, z] for x in (0.0, 0.02) for y in (-0.2, 0.2) for z in (0.0, 0.5)])
        wall = (corners + np.array([0.6 * SIDE_M, 0.0, 0.0])) @ about_vertical(float(angle)).T
        numbers.append(table.world.add_body([wall], 0.0, 0.3))
    return numbers


def look(table: Tabletop, T_world_cam: np.ndarray, camera: DepthCamera, rng: np.random.Generator) -> View:
    """Take a depth picture of the objects and the table, which is body number `len(table.bodies)`."""
    return look_at_models([(body.model.mesh, table.pose(body)) for body in table.bodies], T_world_cam, camera, rng)


def look_at_models(
    placed: Sequence[tuple[Mesh, np.ndarray]], T_world_cam: np.ndarray, camera: DepthCamera, rng: np.random.Generator
) -> View:
    """Take a depth picture of meshes at their poses, and of the table, which is the last body."""
    ground = Mesh(
        np.array([[-2.0, -2, 0], [2, -2, 0], [2, 2, 0], [-2, 2, 0]]), np.array([[0, 1, 2], [0, 2, 3]], np.int64)
    )
    return Caster([*placed, (ground, np.eye(4))]).view(T_world_cam, camera, rng)


def side_camera(target: Sequence[float], elevation_deg: float, rng: np.random.Generator) -> np.ndarray:
    """Place T_world_cam half a metre from `target` at an elevation, from any side."""
    return around(target, _FAR_M, np.radians(elevation_deg), rng.uniform(0, 2 * np.pi))
