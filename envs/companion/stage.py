"""The room in Bullet: what stands there, the person who moves, and the things that lie about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from envs.companion.person import Person
from envs.companion.room import Furniture, Room
from envs.locomotion.terrain import CELL_M
from geometry.objects import ObjectModel
from geometry.transforms import about_vertical, transform
from robots.shapes import Shape
from robots.world import World

PERSON_FRICTION, FURNITURE_FRICTION = 0.8, 0.6
ROLLING_FRICTION = 0.001
"""Without it a can rolls for ever; a can on a carpet has more."""
_DROP_M = 0.002


class Thing(NamedTuple):
    """A thing on the floor: its shape, how it is put there, and what it is like to hold."""

    model: ObjectModel
    place: tuple[float, float]
    """(x, y) m: of its centre."""
    yaw: float = 0.0
    mass_kg: float = 0.2
    friction: float = 0.6
    color: str = "#d2352b"


class Stage:
    """A room's bodies in a world, and the person, who stands in nobody's way but pushes what they walk into.

    The person is moved and never pushed back: Bullet gives those without mass a mind of their own.

    Attributes:
        person: who they are and what they do.
        things: Bullet's body numbers.
        models: of the things, each about its centre of mass, as Bullet's poses are.
    """

    def __init__(self, world: World, room: Room, things: Sequence[Thing] = ()) -> None:
        self.world, self.room = world, room
        if room.heights is not None:
            world.set_ground(room.heights, CELL_M)
        self.person = Person(room.person[:2], room.person[2])
        self.furniture = [_stand(world, piece) for piece in (*room.walls, *room.furniture)]
        self._limbs = [world.add_solid(link.shapes, PERSON_FRICTION) for link in self.person.links]
        self.models = [_about_its_mass(thing.model) for thing in things]
        self.things = [self._lay(thing, model) for thing, model in zip(things, self.models, strict=True)]
        self._place_person()

    def step(self, dt_s: float, dog: np.ndarray | None = None) -> None:
        """Let time pass for the person, who walks round the dog at (2,) m; the world's own step is its owner's."""
        self.person.step(dt_s, dog)
        self._place_person()

    def thing_position(self, number: int) -> np.ndarray:
        """Return where a thing is now: (3,) m, its centre of mass."""
        return np.array(self.world.pose(self.things[number])[0])

    def touches_person(self, body: int) -> bool:
        """Tell whether a body touched the person in the last step."""
        return any(self.world.touched_links(body, limb) for limb in self._limbs)

    def _place_person(self) -> None:
        ground = self.room.height(self.person.place)
        for limb, pose in zip(self._limbs, self.person.link_poses(), strict=True):
            self.world.place(limb, (*pose[:2], pose[2] + ground), pose[3:])

    def _lay(self, thing: Thing, model: ObjectModel) -> int:
        world, middle = self.world, thing.model.centre_of_mass
        parts = [part.vertices for part in model.parts]
        body = world.add_body(parts, thing.mass_kg, thing.friction, model.mesh)
        world.client.changeDynamics(body, -1, rollingFriction=ROLLING_FRICTION, spinningFriction=0.01)
        world.client.changeVisualShape(body, -1, rgbaColor=Shape("sphere", (1.0,), color=thing.color).rgba)
        turned = about_vertical(thing.yaw)
        x, y = (turned @ middle)[:2] + thing.place
        lowest = min(float((part @ turned.T)[:, 2].min()) for part in parts)
        ground = self.room.height(np.array(thing.place))
        half = thing.yaw / 2
        world.place(body, (x, y, ground - lowest + _DROP_M), (0, 0, float(np.sin(half)), float(np.cos(half))))
        return body


def _about_its_mass(model: ObjectModel) -> ObjectModel:
    return model.transformed(transform(np.eye(3), -model.centre_of_mass))


def _stand(world: World, piece: Furniture) -> int:
    body = world.add_solid(piece.shapes, FURNITURE_FRICTION)
    half = piece.yaw / 2
    world.place(body, (*piece.place, 0.0), (0.0, 0.0, float(np.sin(half)), float(np.cos(half))))
    return body
