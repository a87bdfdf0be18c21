"""Walk to a place through what is in the way: plan, follow, plan again, back out when stuck, and say why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from control.gait import VelocityCommand
from policies.navigation.occupancy import MapConfig, OccupancyMap
from policies.navigation.routes import RouteConfig, plan_route
from policies.navigation.steering import bearing_to, toward

Status = Literal["walking", "backing", "arrived", "no way", "stuck"]
"""`no way`: the map knows none. `stuck`: something that is not seen stopped the dog again and again."""


@dataclass(frozen=True)
class WalkingConfig:
    """How a way is followed; m, s, rad."""

    ahead_m: float = 0.45
    """It steers for the place on its way that is so far ahead (pure pursuit, Coulter 1992)."""
    replan_s: float = 0.5
    near_m: float = 0.10
    """Arrived within so much of the distance that was asked for."""
    facing_rad: float = 0.10
    leave: float = 3.0
    """Who has arrived sets out again only where the goal is so many times farther off than that, or aside."""
    body_m: float = 0.40
    """Within this of the goal nothing hides it: it is the person or the thing itself."""
    patience_s: float = 2.5
    progress_m: float = 0.10
    """Who goes less than this in the time of its patience is stuck."""
    back_s: float = 1.0
    back_m_s: float = 0.20
    tries: int = 3

    def __post_init__(self) -> None:
        lengths = self.ahead_m, self.replan_s, self.near_m, self.facing_rad, self.patience_s, self.back_s
        if min(lengths) <= 0.0 or min(self.body_m, self.progress_m, self.back_m_s, self.tries, self.leave - 1) < 0:
            raise ValueError(f"{self} came; lengths and times must be positive, tries 0 or more, and leave 1 or more")


class Goal(NamedTuple):
    """Where to be: so far from a place (2,) m, with free sight of it; at the end the dog faces it."""

    place: np.ndarray
    distance_m: float = 0.0


class Walked(NamedTuple):
    """The velocity to walk with, how the way stands, and what is left of it, (N, 2) m."""

    command: VelocityCommand
    status: Status
    route: np.ndarray


_NOWHERE = np.empty((0, 2))
_OTHER_M = 1.0
"""A goal that jumps so far is another one."""
_BLOCK_M, _AHEAD_OF_NOSE_M = 0.14, 0.36
"""What stopped the dog is taken for a disc of this radius so far before its middle."""


class Walker:
    """Walks to goals over a map that grows meanwhile."""

    def __init__(
        self,
        config: WalkingConfig | None = None,
        map_config: MapConfig | None = None,
        route_config: RouteConfig | None = None,
    ) -> None:
        self.config = config or WalkingConfig()
        self.route_config = route_config or RouteConfig()
        self.occupancy = OccupancyMap(map_config)
        self.goal: Goal | None = None
        self._start_anew()

    def reset(self) -> None:
        """Forget the room and the goal."""
        self.occupancy.reset()
        self.goal = None
        self._start_anew()

    def go_to(self, goal: Goal | None) -> None:
        """Set out for a goal, or for none. It may be set at every step: one that moved little keeps way and tries."""
        before, self.goal = self.goal, goal
        if goal is None or before is None or _apart(goal.place, before.place) > _OTHER_M:
            self._start_anew()
        elif goal.distance_m != before.distance_m:
            self._there = False

    def _start_anew(self) -> None:
        self._tries, self._backing_until, self._planned_s = 0, -np.inf, -np.inf
        self._trail: list[tuple[float, np.ndarray, float]] = []
        self._route: np.ndarray | None = _NOWHERE
        self._there = False
        self.occupancy.unblock()

    def step(self, position: np.ndarray, yaw: float, time_s: float, speed: float) -> Walked:
        """Return the next velocity.

        Args:
            position: (2,) m, the dog in the world.
            yaw: its heading, rad.
            time_s: now.
            speed: how fast it may go, m/s.
        """
        if self.goal is None:
            return Walked(VelocityCommand(), "arrived", _NOWHERE)
        position = np.asarray(position, float)
        if time_s < self._backing_until:
            return Walked(VelocityCommand(-self.config.back_m_s), "backing", _NOWHERE)
        if self._tries > self.config.tries:
            return Walked(VelocityCommand(), "stuck", _NOWHERE)
        if self._at_goal(position):
            self._trail.clear()
            return self._face(position, yaw)
        self._there = False
        if time_s - self._planned_s >= self.config.replan_s:
            self._route = plan_route(self.occupancy, position, self._goals(self.goal), self.route_config)
            self._planned_s = time_s
        if self._route is None:
            self._trail.clear()
            return Walked(VelocityCommand(), "no way", _NOWHERE)
        if self._is_stuck(position, yaw, time_s):
            self._back_out(position, yaw, time_s)
            return Walked(VelocityCommand(-self.config.back_m_s), "backing", _NOWHERE)
        target, left = self._ahead(position, self._route)
        command = toward(target, position, yaw, speed * float(np.clip(left / 0.3, 0.3, 1.0)))
        return Walked(command, "walking", self._route)

    @property
    def _slack(self) -> float:
        return self.config.leave if self._there else 1.0

    def _at_goal(self, position: np.ndarray) -> bool:
        assert self.goal is not None
        off = _apart(position, self.goal.place) - self.goal.distance_m
        return abs(off) <= self.config.near_m * self._slack and bool(self._sees(position[None], self.goal)[0])

    def _face(self, position: np.ndarray, yaw: float) -> Walked:
        """Turn to the goal, where one can tell which way that is."""
        assert self.goal is not None
        bearing = bearing_to(self.goal.place, position, yaw)
        if self.goal.distance_m < self.config.near_m or abs(bearing) <= self.config.facing_rad * self._slack:
            self._there = True
            return Walked(VelocityCommand(), "arrived", _NOWHERE)
        self._there = False  # whoever turns at all turns to the end
        return Walked(VelocityCommand(wz=float(np.clip(1.5 * bearing, -0.8, 0.8))), "walking", _NOWHERE)

    def _goals(self, goal: Goal) -> np.ndarray:
        """Return (ny, nx) bool: cells at the distance of the goal, with sight of it."""
        off = self.occupancy.distances(goal.place) - goal.distance_m
        near: np.ndarray = np.abs(off) <= 0.6 * self.config.near_m
        near[near] = self._sees(self.occupancy.place(np.argwhere(near)), goal)
        return near

    def _sees(self, places: np.ndarray, goal: Goal) -> np.ndarray:
        """Tell for places (n, 2) whether nothing stands between them and the goal: (n,) bool."""
        away = goal.place - places
        length = np.hypot(away[:, 0], away[:, 1])[:, None]
        count = max(int(np.ceil(2 * float(length.max(initial=0.0)) / self.occupancy.config.cell_m)), 1)
        shares = (np.arange(count) + 0.5)[None, :] / count
        on_the_way = places[:, None] + shares[..., None] * away[:, None]
        hidden = self.occupancy.occupied[self.occupancy.cell(on_the_way)] & ((1 - shares) * length > self.config.body_m)
        clear: np.ndarray = ~hidden.any(axis=1)
        return clear

    def _ahead(self, position: np.ndarray, route: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the place to steer for, and how far it is to the end along the way, m."""
        starts, pieces = route[:-1], np.diff(route, axis=0)
        if not len(pieces):
            return route[-1], float(np.hypot(*(route[-1] - position)))
        lengths = np.maximum(np.hypot(pieces[:, 0], pieces[:, 1]), 1e-9)
        shares = np.clip(np.einsum("nk,nk->n", position - starts, pieces) / lengths**2, 0.0, 1.0)
        off = np.hypot(*(starts + shares[:, None] * pieces - position).T)
        nearest = int(off.argmin())
        done = np.concatenate([[0.0], np.cumsum(lengths)])
        here = float(done[nearest] + shares[nearest] * lengths[nearest])
        at = min(here + self.config.ahead_m, float(done[-1]))
        target = np.array([np.interp(at, done, route[:, axis]) for axis in (0, 1)])
        return target, float(done[-1]) - here

    def _is_stuck(self, position: np.ndarray, yaw: float, time_s: float) -> bool:
        """Keep a trail, and tell whether it leads nowhere."""
        self._trail.append((time_s, position, yaw))
        while time_s - self._trail[0][0] > self.config.patience_s:
            self._trail.pop(0)
        if time_s - self._trail[0][0] < 0.9 * self.config.patience_s:
            return False
        places = np.stack([place for _, place, _ in self._trail])
        turned = np.ptp(np.unwrap([heading for _, _, heading in self._trail]))
        return bool(np.hypot(*np.ptp(places, axis=0)) < self.config.progress_m and turned < 0.3)

    def _back_out(self, position: np.ndarray, yaw: float, time_s: float) -> None:
        """Remember that there is something before the nose, and go back a little."""
        nose = position + _AHEAD_OF_NOSE_M * np.array([np.cos(yaw), np.sin(yaw)])
        self.occupancy.block(nose, _BLOCK_M)
        self._tries += 1
        self._trail.clear()
        self._backing_until = time_s + self.config.back_s
        self._planned_s = -np.inf


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    """Return how far two places (2,) are from one another, m."""
    return float(np.hypot(*np.subtract(a, b)))
