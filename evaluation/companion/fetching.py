"""Errands in rooms: whether the dog brings what it is asked for, and at which stage it fails.

Every errand has a room, a thing that no network has learnt from, and a person of its own, all drawn from its seed. The
dog goes by its own senses: dead reckoning, encoders, the camera in its head. Beside the completed shape stands the true
one, which no dog has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from control.dog import CONTROL_HZ
from envs.companion.room import RoomConfig, furnish, place_on_floor
from envs.companion.scenario import COLOURS, PAINTS
from envs.companion.stage import Thing
from envs.companion.world import CompanionWorld
from geometry.clouds import Completed, Completion
from geometry.objects import ObjectModel, load_objects
from geometry.transforms import about_vertical
from perception.completion.model import CompletionModel
from policies.fetching.errand import FetchConfig, FetchEvent
from policies.fetching.fetch import Fetcher
from policies.fetching.mouth_plan import MouthPlanner
from policies.locomotion.controller import learned_legs
from policies.navigation.walking import Walker

ShapeSource = Literal["completed", "true"]
OBJECTS = "household/test"
MOST_S = 180.0
DELIVERED_M = 1.0
"""So near to the person a thing counts as brought; the dog stops at .65 m and puts it down before its feet."""
_MOST_AWAY_M = 3.5
_SURFACE = 2048


@dataclass(frozen=True)
class FetchTask:
    """One errand. Masses and friction are drawn: .1 to .4 kg, and .5 to .7 between jaw and thing."""

    name: str
    """Of an object of `OBJECTS`."""
    seed: int
    room: RoomConfig = field(default_factory=RoomConfig)
    shape: ShapeSource = "completed"


class FetchResult(NamedTuple):
    """How an errand went."""

    name: str
    seed: int
    ground: str
    shape: str
    delivered: bool
    fell: bool
    stage: str
    """The last: `delivered`, or the one that failed."""
    why: str
    tries: int
    off_m: float
    """From the person to the thing at the end."""
    seconds: float


def run(task: FetchTask) -> FetchResult:
    """Run an errand to its end."""
    with world_of(task) as world:
        fetcher = bring(world, TrueShape(world, 0) if task.shape == "true" else _completion())
        off_m = float(np.hypot(*(world.stage.thing_position(0)[:2] - world.person)))
        stage, why = _ended(world, fetcher, off_m)
        tries = 1 + len(_failures(fetcher))
        return FetchResult(
            task.name, task.seed, task.room.ground, task.shape, stage == "delivered", stage == "fell", stage, why,
            tries, round(off_m, 3), round(world.time_s, 2),
        )  # fmt: skip


def bring(world: CompanionWorld, shape: Completion) -> Fetcher:
    """Let the dog bring the red thing of a world to the person there; returns who did, at the end."""
    fetcher = Fetcher(MouthPlanner(), shape, Walker(), world.camera.camera, FetchConfig())
    fetcher.start(COLOURS["red"], world.person)
    look = False
    while fetcher.busy and not world.fallen and world.time_s < MOST_S:
        action = fetcher.step(world.sense(look))
        look = action.look
        world.act(action)
    for _ in range(CONTROL_HZ // 2):  # what was put down comes to rest
        world.act(fetcher.step(world.sense()))
    return fetcher


def _failures(fetcher: Fetcher) -> list[FetchEvent]:
    return [event for event in fetcher.events if not event.ok and event.stage != "given up"]


def _ended(world: CompanionWorld, fetcher: Fetcher, off_m: float) -> tuple[str, str]:
    """Name the stage at which an errand ended, `delivered` where it went well, and why it ended elsewhere."""
    if world.fallen:
        return "fell", ""
    if fetcher.stage == "given up":
        failure = _failures(fetcher)[-1]
        return failure.stage, failure.why
    if fetcher.busy:
        return fetcher.stage, "it took too long"
    return ("delivered", "") if off_m < DELIVERED_M else ("put down", "it lies elsewhere")


def world_of(task: FetchTask) -> CompanionWorld:
    """Make the room of an errand, with its thing somewhere on the floor.

    Raises:
        RuntimeError: the room has no place for the thing.
    """
    rng = np.random.default_rng((task.seed, 27))
    room = furnish(task.room, rng)
    x, y = place_on_floor(room, rng, _MOST_AWAY_M)
    thing = Thing(
        model_of(task.name), (x, y), float(rng.uniform(-np.pi, np.pi)), float(rng.uniform(0.1, 0.4)),
        float(rng.uniform(0.5, 0.7)), PAINTS["red"],
    )  # fmt: skip
    return CompanionWorld(room, [thing], legs=learned_legs("default"), seed=task.seed)


@lru_cache(maxsize=64)
def model_of(name: str) -> ObjectModel:
    """Return an object of `OBJECTS` by its name.

    Raises:
        ValueError: there is none of the name.
    """
    found = {model.name: model for model in load_objects(OBJECTS).objects}
    if name not in found:
        raise ValueError(f"{OBJECTS} has no {name!r}; it has {', '.join(sorted(found))}")
    return found[name]


@lru_cache(maxsize=1)
def _completion() -> CompletionModel:
    return CompletionModel.load()


class TrueShape:
    """A completion that knows: the true surface, where the dog believes the thing to be."""

    def __init__(self, world: CompanionWorld, number: int) -> None:
        self._world, self._number = world, number
        model = world.stage.models[number]
        self._surface, _ = model.surface(_SURFACE, np.random.default_rng(0))

    def complete(self, cloud: np.ndarray) -> Completed:
        """Return the true surface in the dog's own frame, on level ground; the cloud tells nothing."""
        world = self._world
        position, quat = world.world.pose(world.stage.things[self._number])
        turn = np.array(world.world.client.getMatrixFromQuaternion(quat)).reshape(3, 3)
        points = self._surface @ turn.T + position
        trunk, where = world.state.T_world_trunk[:3, 3], world.odometry
        points = (points - trunk) @ about_vertical(where.yaw - world.state.legs.yaw).T
        points[:, :2] += where.place
        points[:, 2] -= points[:, 2].min()
        return Completed(points, np.full(len(points), 1e-3))
