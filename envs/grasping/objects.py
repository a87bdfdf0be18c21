"""Objects as bodies: convex parts about their centre of mass, and the table they lie on."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np

from geometry.meshes import Mesh
from geometry.objects import ObjectModel
from geometry.transforms import inverse, quat_transform, to_quat, transform, transform_points
from robots.hand import HAND_WORLD
from robots.world import World, WorldConfig

MASS_KG = 0.5
"""Mass of every object unless told otherwise, as in VGN and GIGA; masses in files reach 5 kg for a cup."""


class Body(NamedTuple):
    """An object in the world: Bullet's number, its model, and (3,) m from its origin to its centre of mass."""

    number: int
    model: ObjectModel
    centre: np.ndarray


class Tabletop(AbstractContextManager):
    """A world with a table at z = 0 and objects on it. It may touch Bullet only in the thread that made it.

    Pictures show the objects only where `seen`, so that trials without pictures need not hand their meshes to Bullet.
    """

    def __init__(
        self,
        friction: float = 0.5,
        mass_kg: float = MASS_KG,
        config: WorldConfig = HAND_WORLD,
        seen: bool = False,
    ) -> None:
        self.world = World(config)
        self.friction, self.mass_kg, self.seen = friction, mass_kg, seen
        self.bodies: list[Body] = []

    def add(self, model: ObjectModel, T_world_object: np.ndarray) -> Body:
        """Put an object at a pose."""
        centre = model.centre_of_mass
        looks = Mesh(model.mesh.vertices - centre, model.mesh.triangles) if self.seen else None
        parts = [part.vertices - centre for part in model.parts]
        number = self.world.add_body(parts, self.mass_kg, self.friction, looks)
        body = Body(number, model, centre)
        self.bodies.append(body)
        self.place(body, T_world_object)
        return body

    def remove(self, body: Body) -> None:
        """Take an object away."""
        self.world.remove(body.number)
        self.bodies = [other for other in self.bodies if other.number != body.number]

    def place(self, body: Body, T_world_object: np.ndarray) -> None:
        """Put an object at a pose, at rest."""
        self.world.place(body.number, *to_quat(T_world_object @ transform(np.eye(3), body.centre)))

    def pose(self, body: Body) -> np.ndarray:
        """Read T_world_object (4, 4)."""
        position, quat_xyzw = self.world.pose(body.number)
        T: np.ndarray = quat_transform(position, quat_xyzw) @ inverse(transform(np.eye(3), body.centre))
        return T

    def poses(self) -> list[np.ndarray]:
        """Read T_world_object of every object, in the order of `bodies`."""
        return [self.pose(body) for body in self.bodies]

    def settle(self, limit_s: float = 4.0, still: float = 0.01) -> bool:
        """Step until nothing moves (m/s; rad/s times 5 cm) for a fifth of a second; False when that takes too long."""
        steps = round(0.05 / self.world.config.time_step_s)
        quiet = 0
        for _ in range(round(limit_s / 0.05)):
            self.world.step(steps)
            speeds = [self.world.speeds(body.number) for body in self.bodies]
            quiet = quiet + 1 if all(v < still and 0.05 * w < still for v, w in speeds) else 0
            if quiet == 4:
                return True
        return False

    def close(self) -> None:
        """Close the world."""
        self.world.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def lowest(model: ObjectModel, rotation: np.ndarray) -> float:
    """Find the lowest z of an object's parts, m, turned by (3, 3) about its origin."""
    return min(float((part.vertices @ rotation[2]).min()) for part in model.parts)


def height(model: ObjectModel, T_world_object: np.ndarray) -> float:
    """Find the highest z of an object's parts at a pose, m."""
    return max(float(transform_points(T_world_object, part.vertices)[:, 2].max()) for part in model.parts)


def resting(
    models: Iterable[ObjectModel], poses: Iterable[np.ndarray], friction: float = 0.5, seen: bool = False
) -> Tabletop:
    """Set a table with objects at known poses; pictures show them where `seen`."""
    table = Tabletop(friction, seen=seen)
    for model, pose in zip(models, poses, strict=True):
        table.add(model, pose)
    return table
