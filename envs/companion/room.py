"""A furnished room as data: what stands where, how the ground is, and where dog and person begin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import numpy as np

from envs.locomotion.terrain import CELL_M, TerrainMap, lumps
from geometry.transforms import about_vertical
from robots.shapes import Shape

Ground = Literal["flat", "patches", "step", "rough"]
GROUNDS: tuple[Ground, ...] = get_args(Ground)
_WALL_M, _WALL_HEIGHT_M = 0.1, 1.2
"""Walls are cut low, so that one sees into the room; nothing in it comes over them."""
_LUMP_M = {"patches": 0.05, "rough": 0.04}
_STEP_M = 0.08
_PATCH_M = 1.5
_TRIES = 200
_UNDER_M = np.linspace(-0.35, 0.35, 15)
_WOOD, _LIGHT_WOOD, _CLOTH, _PLANT, _POT, _PLASTER = "#8a6a4c", "#b5946e", "#7e8c9a", "#5f7f58", "#a9745a", "#d8d0c2"


class Furniture(NamedTuple):
    """A thing that stands: `shapes` in its own frame, which lies on the floor, `place` (2,) m and `yaw` rad."""

    name: str
    shapes: tuple[Shape, ...]
    place: tuple[float, float]
    yaw: float
    size_m: tuple[float, float]
    """Its extent along its own x and y."""

    def distance(self, place: np.ndarray) -> float:
        """Return how far a place (2,) m is from its outline, 0 within."""
        local = about_vertical(-self.yaw)[:2, :2] @ (np.asarray(place, float) - self.place)
        return float(np.hypot(*np.maximum(np.abs(local) - np.array(self.size_m) / 2, 0.0)))

    @property
    def corners(self) -> np.ndarray:
        """(4, 2) m: of its outline."""
        half = np.array(self.size_m) / 2 * np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
        turned: np.ndarray = half @ about_vertical(self.yaw)[:2, :2].T + self.place
        return turned


@dataclass(frozen=True)
class RoomConfig:
    """What is drawn; m."""

    side_m: float = 8.0
    """Of the square room, whose middle is the world's origin."""
    ground: Ground = "flat"
    """flat; `patches` of 5 cm lumps; a platform 8 cm high (`step`); `rough`: 4 cm lumps everywhere."""
    pieces: tuple[str, ...] = ("low table", "sofa", "shelf", "crate", "plant")
    """Furniture, in this order; what finds no room is left out."""
    passage_m: float = 0.9
    """So much room is left between things, and before dog and person."""
    apart_m: tuple[float, float] = (2.0, 6.0)
    """How far dog and person may be from one another at the beginning."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.pieces) - set(PIECES))
        if unknown or self.ground not in GROUNDS:
            raise ValueError(
                f"ground {self.ground!r} and pieces {self.pieces} came; grounds are {', '.join(GROUNDS)}, pieces "
                f"{', '.join(PIECES)}"
            )
        near, far = self.apart_m
        if not 3.0 <= self.side_m <= 20.0 or not 0.4 <= self.passage_m <= 2.0 or not 0.5 <= near <= far:
            raise ValueError(
                f"{self} came; side_m must be 3 to 20, passage_m 0.4 to 2, apart_m two numbers from 0.5, rising"
            )
        if near > self.side_m - 2.0:
            raise ValueError(f"dog and person cannot be {near} m apart in a room of {self.side_m} m")


@dataclass(frozen=True)
class Room:
    """A room; places are m in the world, headings rad."""

    side_m: float
    walls: tuple[Furniture, ...]
    furniture: tuple[Furniture, ...]
    heights: np.ndarray | None
    """(n, n) m of the ground at points `CELL_M` apart, centred on the origin; None where it is flat."""
    dog: tuple[float, float, float]
    """Where the dog begins, x, y and heading."""
    person: tuple[float, float, float]

    @cached_property
    def terrain(self) -> TerrainMap | None:
        """The ground as the legs look at it; None where it is flat."""
        return None if self.heights is None else TerrainMap(self.heights, ())

    def height(self, place: np.ndarray) -> float:
        """Return the height of the ground at a place (2,) m."""
        if self.terrain is None:
            return 0.0
        return float(self.terrain.height(np.asarray(place[0]), np.asarray(place[1])))

    def highest(self, place: np.ndarray) -> float:
        """Return the height of the highest ground under a dog that stands at a place (2,) m, whichever way it looks."""
        if self.terrain is None:
            return 0.0
        x, y = (np.asarray(place, float)[:, None, None] + np.meshgrid(_UNDER_M, _UNDER_M)).reshape(2, -1)
        return float(np.max(self.terrain.height(x, y)))

    def clearance(self, place: np.ndarray) -> float:
        """Return how far a place (2,) m is from wall and furniture, m; 0 within."""
        return min(thing.distance(place) for thing in (*self.walls, *self.furniture))


def furnish(config: RoomConfig, rng: np.random.Generator) -> Room:
    """Draw a room: furniture along the walls and within, the ground, and where dog and person are.

    Raises:
        RuntimeError: no place for dog and person was found; fewer pieces, or a larger room, have some.
    """
    walls = _walls(config.side_m)
    furniture: list[Furniture] = []
    for name in config.pieces:
        piece = _placed(name, config, furniture, rng)
        if piece is not None:
            furniture.append(piece)
    heights = _ground(config, furniture, rng)
    for _ in range(_TRIES):
        person, dog = _somewhere(config, furniture, rng), _somewhere(config, furniture, rng)
        if person is None or dog is None:
            continue
        away = person - dog
        if config.apart_m[0] <= np.hypot(*away) <= config.apart_m[1]:
            facing = float(np.arctan2(-away[1], -away[0]))
            heading = float(rng.uniform(-np.pi, np.pi))
            return Room(
                config.side_m, walls, tuple(furniture), heights, (*dog.tolist(), heading), (*person.tolist(), facing)
            )
    raise RuntimeError(f"no place for dog and person in {config}: leave out pieces, or make the room larger")


_CLEAR_M, _APART_M, _PLACES = 0.45, 1.0, 500


def place_on_floor(room: Room, rng: np.random.Generator, most_m: float = np.inf) -> tuple[float, float]:
    """Draw a place (x, y) m for a thing: clear of furniture, a metre from dog and person, `most_m` at most from dog.

    Raises:
        RuntimeError: none was found; fewer pieces, or a larger room, have some.
    """
    half = room.side_m / 2 - _CLEAR_M
    for _ in range(_PLACES):
        place = rng.uniform(-half, half, 2)
        from_dog, from_person = (float(np.hypot(*(place - other[:2]))) for other in (room.dog, room.person))
        if _APART_M < from_dog <= most_m and from_person > _APART_M and room.clearance(place) > _CLEAR_M:
            return float(place[0]), float(place[1])
    raise RuntimeError("no place for a thing in the room: leave out pieces, or make it larger")


def _walls(side_m: float) -> tuple[Furniture, ...]:
    along = (side_m + 2 * _WALL_M, _WALL_M)
    shape = Shape("box", (*along, _WALL_HEIGHT_M), (0.0, 0.0, _WALL_HEIGHT_M / 2), color=_PLASTER)
    out = (side_m + _WALL_M) / 2
    places = ((0.0, out), (-out, 0.0), (0.0, -out), (out, 0.0))
    return tuple(Furniture("wall", (shape,), place, k * np.pi / 2, along) for k, place in enumerate(places))


def _box(x: float, y: float, z: float, place: tuple[float, float, float], color: str) -> Shape:
    """A box whose lower side is at the height of its place."""
    return Shape("box", (x, y, z), (place[0], place[1], place[2] + z / 2), color=color)


def _table(rng: np.random.Generator) -> tuple[tuple[Shape, ...], tuple[float, float]]:
    """A table as low as a dog reaches: its top is at 20 cm."""
    x, y, top = float(rng.uniform(0.6, 0.9)), float(rng.uniform(0.45, 0.6)), 0.20
    legs = [
        _box(0.04, 0.04, top - 0.03, (i * (x / 2 - 0.04), j * (y / 2 - 0.04), 0.0), _WOOD)
        for i in (-1, 1)
        for j in (-1, 1)
    ]
    return (_box(x, y, 0.03, (0.0, 0.0, top - 0.03), _LIGHT_WOOD), *legs), (x, y)


def _sofa(rng: np.random.Generator) -> tuple[tuple[Shape, ...], tuple[float, float]]:
    """Its back is at negative y."""
    x, y = float(rng.uniform(1.4, 1.8)), 0.8
    arms = [_box(0.16, y, 0.55, (side * (x / 2 - 0.08), 0.0, 0.0), _CLOTH) for side in (-1, 1)]
    seat = _box(x - 0.3, y, 0.40, (0.0, 0.0, 0.0), _CLOTH)
    return (seat, _box(x, 0.18, 0.75, (0.0, -y / 2 + 0.09, 0.0), _CLOTH), *arms), (x, y)


def _shelf(rng: np.random.Generator) -> tuple[tuple[Shape, ...], tuple[float, float]]:
    x = float(rng.uniform(0.7, 1.2))
    return (_box(x, 0.3, 1.1, (0.0, 0.0, 0.0), _WOOD),), (x, 0.3)


def _crate(rng: np.random.Generator) -> tuple[tuple[Shape, ...], tuple[float, float]]:
    side = float(rng.uniform(0.3, 0.45))
    return (_box(side, side, side, (0.0, 0.0, 0.0), _LIGHT_WOOD),), (side, side)


def _plant(rng: np.random.Generator) -> tuple[tuple[Shape, ...], tuple[float, float]]:
    tall = float(rng.uniform(0.5, 0.9))
    pot = Shape("cylinder", (0.16, 0.28), (0.0, 0.0, 0.14), color=_POT)
    leaves = Shape("capsule", (0.18, tall - 0.3), (0.0, 0.0, 0.28 + tall / 2), color=_PLANT)
    return (pot, leaves), (0.36, 0.36)


PIECES: dict[str, Callable[[np.random.Generator], tuple[tuple[Shape, ...], tuple[float, float]]]] = {
    "low table": _table,
    "sofa": _sofa,
    "shelf": _shelf,
    "crate": _crate,
    "plant": _plant,
}
"""How each is made: its shapes, and its extent along x and y, m."""
_AT_A_WALL = ("sofa", "shelf")


def _placed(name: str, config: RoomConfig, furniture: list[Furniture], rng: np.random.Generator) -> Furniture | None:
    """Put a piece where it leaves passages; None where there is no such place."""
    shapes, size = PIECES[name](rng)
    half = config.side_m / 2
    for _ in range(_TRIES):
        if name in _AT_A_WALL:
            turn = int(rng.integers(4))
            along = float(rng.uniform(-1, 1)) * (half - size[0] / 2 - 0.05)
            # With its back to the wall at negative y, turned to one of the four.
            x, y = (about_vertical(turn * np.pi / 2)[:2, :2] @ (along, size[1] / 2 + 0.02 - half)).tolist()
            piece = Furniture(name, shapes, (x, y), turn * np.pi / 2, size)
        else:
            reach = half - 0.8 - max(size) / 2
            x, y = rng.uniform(-reach, reach, 2).tolist()
            piece = Furniture(name, shapes, (x, y), float(rng.uniform(-np.pi, np.pi)), size)
        if all(_gap(piece, other) >= config.passage_m for other in furniture):
            return piece
    return None


def _gap(one: Furniture, other: Furniture) -> float:
    """Return how far two outlines are apart, m: from the corners and the middles of the sides of each to the other."""
    return min(other.distance(place) for place in _outline(one)) if one is not other else 0.0


def _outline(piece: Furniture) -> np.ndarray:
    """Return places (n, 2) m along an outline, its middle too."""
    corners = piece.corners
    sides = [np.linspace(a, b, 9)[:-1] for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    return np.concatenate([*sides, [piece.place]])


def _somewhere(config: RoomConfig, furniture: list[Furniture], rng: np.random.Generator) -> np.ndarray | None:
    """Draw a free place (2,) m; None where the draw fell on furniture."""
    reach = config.side_m / 2 - config.passage_m
    place: np.ndarray = rng.uniform(-reach, reach, 2)
    free = all(piece.distance(place) >= config.passage_m / 2 for piece in furniture)
    return place if free else None


def _ground(config: RoomConfig, furniture: list[Furniture], rng: np.random.Generator) -> np.ndarray | None:
    """Make the heights (n, n) m; furniture stands on level ground."""
    if config.ground == "flat":
        return None
    # A little more than the room, so that the walls stand on it.
    count = 2 * int(np.ceil((config.side_m / 2 + 0.5) / CELL_M)) + 1
    line = (np.arange(count) - count // 2) * CELL_M
    x, y = np.meshgrid(line, line)
    if config.ground == "rough":
        uneven = np.ones((count, count), bool)
    else:
        uneven = np.zeros((count, count), bool)
        for _ in range(3 if config.ground == "patches" else 1):
            cx, cy = rng.uniform(-1, 1, 2) * (config.side_m / 2 - _PATCH_M)
            uneven |= (np.abs(x - cx) < _PATCH_M / 2) & (np.abs(y - cy) < _PATCH_M / 2)
    heights = _STEP_M * uneven if config.ground == "step" else uneven * lumps(count, _LUMP_M[config.ground], rng)
    for piece in furniture:
        reach = max(piece.size_m)
        near = np.argwhere(np.hypot(x - piece.place[0], y - piece.place[1]) < reach)
        for row, column in near:
            if piece.distance(np.array([x[row, column], y[row, column]])) < 0.15:
                heights[row, column] = 0.0
    level: np.ndarray = np.where(np.maximum(np.abs(x), np.abs(y)) > config.side_m / 2 - 0.15, 0.0, heights)
    return level
