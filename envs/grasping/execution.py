"""A grasp executed: come, close, lift, shake; whether it held, whether it was clean, and why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from envs.grasping.objects import Body, Tabletop
from geometry.transforms import transform
from robots.hand import LEFT, RIGHT, Grasp, Gripper, Hand

CAUSES = ("blocked", "pushed", "missed", "slipped", "shaken")
"""Why a grasp failed: the hand could not get there; it pushed the object away; it closed on nothing; the object was
lost on the way up; it was lost in the shaking."""
Watch = Callable[[Tabletop, Gripper], None]


@dataclass(frozen=True)
class ExecutionConfig:
    """How a grasp is executed; m, s."""

    approach_m: float = 0.10
    speed: float = 0.25
    """m/s, on the way there."""
    closing_s: float = 0.5
    lift_m: float = 0.20
    lift_speed: float = 0.3
    needed_m: float = 0.15
    """How high the object must have come to count as lifted."""
    shake_m: float = 0.03
    shake_hz: float = 2.0
    shakes: int = 2


class Outcome(NamedTuple):
    """The outcome of a grasp.

    `held`: the object was lifted by 15 cm and still hung between both fingers after the shaking. `strict`: and the hand
    had touched no object before it closed. `cause` is one of `CAUSES` when it was not held, else empty. `lifted` is the
    number of the body that came along.
    """

    held: bool
    strict: bool
    cause: str
    lifted: int | None
    touched_early: bool
    opening_m: float


def execute(
    table: Tabletop,
    grasp: Grasp,
    config: ExecutionConfig | None = None,
    watch: Watch | None = None,
    hand: Gripper | None = None,
) -> Outcome:
    """Try a grasp on a table whose objects are at rest; they stay pinned until the hand touches one.

    A ball would roll away from the noise of being put down, and a real one lies still until it is touched. `hand` is
    one that is there already, where the approach begins; without it a floating one appears.
    """
    config = config or ExecutionConfig()
    start = grasp.T_world_hand @ transform(np.eye(3), (0.0, 0.0, -config.approach_m))
    trial = _Trial(table, grasp, config, watch, hand or Hand(table.world, start, grasp.width_m))
    return trial.run()


class _Trial:
    def __init__(
        self, table: Tabletop, grasp: Grasp, config: ExecutionConfig, watch: Watch | None, hand: Gripper
    ) -> None:
        self.table, self.grasp, self.config, self._watch, self.hand = table, grasp, config, watch, hand
        self.rest = [(body, *table.world.pose(body.number)) for body in table.bodies]
        self.pinned = True
        self.here = grasp.T_world_hand @ transform(np.eye(3), (0.0, 0.0, -config.approach_m))

    def run(self) -> Outcome:
        """Come, close, lift, shake."""
        config, world = self.config, self.table.world
        solid = [*(body.number for body in self.table.bodies), world.ground]
        if any(world.overlap(self.hand.body, other) for other in solid):
            return self._end("blocked", touched=True)
        self._move(self.grasp.T_world_hand, config.speed)
        self._wait(0.1)
        touched = not self.pinned
        short = float(np.linalg.norm(self.hand.position - self.grasp.T_world_hand[:3, 3]))
        moved_m = self._moved()
        self.hand.open_to(0.0)
        self._wait(config.closing_s)
        between = self._between()
        if between is None:
            cause = "blocked" if short > 0.01 else "pushed" if touched and moved_m > 0.01 else "missed"
            return self._end(cause, touched)
        self._move(transform(np.eye(3), (0.0, 0.0, config.lift_m)) @ self.here, config.lift_speed)
        self._wait(0.1)
        if not self._up(between):
            return self._end("slipped", touched)
        self._shake()
        if not self._up(between):
            return self._end("shaken", touched)
        return self._end("", touched, between.number)

    def _end(self, cause: str, touched: bool, lifted: int | None = None) -> Outcome:
        opening = self.hand.opening_m
        self.table.world.remove(self.hand.body)
        return Outcome(not cause, not cause and not touched, cause, lifted, touched, opening)

    def _step(self, steps: int = 1) -> None:
        for _ in range(steps):
            self.table.world.step()
            if self._watch is not None:
                self._watch(self.table, self.hand)
            if self.pinned:
                self.pinned = not any(self.hand.touches(body.number) for body in self.table.bodies)
                if self.pinned:
                    for body, position, quat_xyzw in self.rest:
                        self.table.world.place(body.number, position, quat_xyzw)

    def _wait(self, seconds: float) -> None:
        self._step(round(seconds / self.table.world.config.time_step_s))

    def _move(self, target: np.ndarray, speed: float) -> None:
        """Pull the hand along a straight line without turning it."""
        start = self.here
        length = float(np.linalg.norm(target[:3, 3] - start[:3, 3]))
        count = max(round(length / speed / self.table.world.config.time_step_s), 1)
        for share in np.arange(1, count + 1) / count:
            self.here = transform(target[:3, :3], (1 - share) * start[:3, 3] + share * target[:3, 3])
            self.hand.move_to(self.here)
            self._step()

    def _shake(self) -> None:
        config, dt = self.config, self.table.world.config.time_step_s
        middle = self.here
        for step in range(round(config.shakes / config.shake_hz / dt)):
            swing = config.shake_m * np.sin(2 * np.pi * config.shake_hz * step * dt)
            self.hand.move_to(transform(np.eye(3), (swing, 0.0, 0.0)) @ middle)
            self._step()
        self.hand.move_to(middle)
        self._wait(0.1)

    def _between(self) -> Body | None:
        """Find the object that both fingers touch."""
        both = {LEFT, RIGHT}
        return next((body for body in self.table.bodies if both <= self.hand.touches(body.number)), None)

    def _moved(self) -> float:
        """Measure how far the objects have come from where they rested, m."""
        world = self.table.world
        distances = [np.linalg.norm(np.subtract(world.pose(body.number)[0], place)) for body, place, _ in self.rest]
        return float(max(distances, default=0.0))

    def _up(self, body: Body) -> bool:
        rested = next(place for other, place, _ in self.rest if other.number == body.number)
        risen = self.table.world.pose(body.number)[0][2] - rested[2]
        return bool(risen >= self.config.needed_m) and bool(self.hand.touches(body.number) & {LEFT, RIGHT})
