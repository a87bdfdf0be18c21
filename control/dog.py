"""The whole dog: a walking body, its gait, and the expressive parts on top, stepped together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from control.balance import CatchStep
from control.gait import GAITS, GaitGenerator, GaitStyle, VelocityCommand
from geometry.transforms import wrap
from robots.expression import ExpressiveBody, expressive_links
from robots.kinematics import leg_ik
from robots.motion import motion
from robots.quadruped import Quadruped, QuadrupedSpec, QuadrupedState, quadruped_links
from robots.shapes import Link, Shape
from robots.world import Camera, World

CONTROL_HZ = 50
SUBSTEPS = 5
# Below this cosine of tilt, or this height of the trunk, the dog lies on the ground (its lowest crouch is 0.2 m).
FALLEN_UPRIGHT, FALLEN_HEIGHT_M = 0.45, 0.10


def standing_joints(style: GaitStyle, spec: QuadrupedSpec) -> np.ndarray:
    """Joint angles (12,) rad of standing at the height and reach of a style."""
    feet = np.stack(
        [np.full(4, style.reach_m), spec.leg_sides * spec.hip_offset_m, np.full(4, -style.height_m)], axis=1
    )
    return leg_ik(feet, spec).ravel()


def has_fallen(upright: float, height_m: float) -> bool:
    """Tell whether the trunk lies on its side (`upright` is the cosine of its tilt) or on the ground below it."""
    return upright < FALLEN_UPRIGHT or height_m < FALLEN_HEIGHT_M


class Legs(Protocol):
    """Turns a command into joint targets: the clocked gait, or a policy that was trained."""

    @property
    def gait(self) -> GaitGenerator:
        """The clock and the style as they stand now."""

    def reset(self, style: GaitStyle, joints: np.ndarray, clock: float) -> None:
        """Start anew, standing with joints at (12,) rad and the gait's clock at `clock` cycles."""

    def step(
        self, command: VelocityCommand, style: GaitStyle, state: QuadrupedState, contacts: list[bool]
    ) -> np.ndarray:
        """Joint targets (12,) rad for the next 1/50 s."""


class ClockedLegs:
    """The clocked gait with a catch step: nothing learned."""

    def __init__(self, spec: QuadrupedSpec) -> None:
        self.gait = GaitGenerator(spec, 1 / CONTROL_HZ)
        self._balance = CatchStep(1 / CONTROL_HZ)

    def reset(self, style: GaitStyle, joints: np.ndarray, clock: float) -> None:
        """Start anew."""
        self.gait.reset(style, clock)
        self._balance.reset()

    def step(
        self, command: VelocityCommand, style: GaitStyle, state: QuadrupedState, contacts: list[bool]
    ) -> np.ndarray:
        """Joint targets (12,) rad; a dog that is shoved catches itself, stepping even where it stood."""
        seen = motion(state)
        (vx, vy), (walks_x, walks_y, _) = seen.velocity, self.gait.velocity
        style, caught, lean = self._balance.react(style, (vx - walks_x, vy - walks_y), seen.gravity)
        return self.gait.step(command, style, caught, lean=lean)


class Dog:
    """A quadruped that walks and shows how it feels. One `control` per 1/50 s, then five world steps."""

    def __init__(
        self,
        world: World,
        rng: np.random.Generator,
        spec: QuadrupedSpec | None = None,
        legs: Callable[[QuadrupedSpec], Legs] = ClockedLegs,
    ) -> None:
        self.world = world
        self.body = Quadruped(world, spec)
        self.spec = self.body.spec
        self.legs = legs(self.spec)
        self.expression = ExpressiveBody(self.spec.trunk_size_m, rng)
        self.links: tuple[Link, ...] = (*quadruped_links(self.spec), *expressive_links())
        self.reset()

    def reset(self, position: tuple[float, float] = (0.0, 0.0), yaw: float = 0.0, clock: float = 0.0) -> None:
        """Stand, at rest, at a place (x, y) in m with a heading in rad and the gait's clock at `clock` cycles."""
        style = GAITS["stand"]
        joints = standing_joints(style, self.spec)
        self.legs.reset(style, joints, clock)
        self.body.reset((*position, style.height_m + self.spec.foot_radius_m), yaw, joints)
        self._fresh = True

    @property
    def gait(self) -> GaitGenerator:
        """The clock and the style as they stand now."""
        return self.legs.gait

    def control(self, command: VelocityCommand, style: GaitStyle, state: QuadrupedState) -> None:
        """Give the motors their next targets."""
        # Bullet finds contacts when it steps; until then it reports those from before the reset.
        contacts = [False] * 4 if self._fresh else self.body.foot_contacts()
        self._fresh = False
        self.body.command(self.legs.step(command, style, state, contacts))

    def link_poses(self) -> np.ndarray:
        """Return (19, 7) position in m and quat_xyzw of every link in the order of `links`."""
        poses = self.body.link_poses()
        return np.vstack([poses, self.expression.link_poses(poses[0])])


class Scenery:
    """Shows what only pictures need: the dog's expressive parts and a marker where the person stands."""

    def __init__(self, dog: Dog, person: np.ndarray) -> None:
        world = self._world = dog.world
        self._person = person
        self._azimuth, self._fresh = 0.0, True
        self._dog = dog
        self._parts = [world.add_picture_body(link.shapes) for link in expressive_links()]
        marker = (
            Shape("cylinder", (0.16, 0.02), (0, 0, 0.01), color="#9c8f80"),
            Shape("capsule", (0.13, 0.75), (0, 0, 0.70), color="#7d8ea3"),
            Shape("sphere", (0.12,), (0, 0, 1.42), color="#c9a58a"),
        )
        world.place(world.add_picture_body(marker), (person[0], person[1], 0.0), (0, 0, 0, 1))

    def update(self) -> np.ndarray:
        """Move everything to where the dog is now; returns its trunk's position (3,) m."""
        poses = self._dog.link_poses()
        for body, pose in zip(self._parts, poses[13:], strict=True):
            self._world.place(body, pose[:3].tolist(), pose[3:].tolist())
        return poses[0, :3]

    def picture(self, width: int = 480, height: int = 360) -> np.ndarray:
        """Render the dog as it is now: (height, width, 3) uint8 RGB."""
        x, y, _ = self.update().tolist()
        away = float(np.arctan2(y - self._person[1], x - self._person[0]))
        # From beside the person, who then never stands in between: one sees the dog come, go, and turn about.
        wanted = away - 2.1
        turn = wrap(wanted - self._azimuth)
        self._azimuth += turn if self._fresh else 0.04 * turn
        self._fresh = False
        eye = (x + 1.65 * np.cos(self._azimuth), y + 1.65 * np.sin(self._azimuth), 0.75)
        return self._world.picture(Camera(eye, (x, y, 0.26)), width, height)
