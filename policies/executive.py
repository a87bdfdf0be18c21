"""From a behaviour to what the whole body does in a room: whom to look at, where to walk, and round what.

The selector decides what is shown; this decides how it is done by a body with a neck among furniture. It knows only
what the dog senses: its own estimate of where it is, its camera, and where sounds come from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from control.gait import VelocityCommand
from control.whole_body import BodyAction, BodySensing
from geometry.transforms import wrap
from perception.people import PersonTracker, find_people
from policies.attention import Attention
from policies.behaviour import Behaviour
from policies.fetching.fetch import Fetcher
from policies.fetching.seeing import Sighting
from policies.navigation.steering import movement, steer
from policies.navigation.walking import Goal, Status, Walker
from robots.neck import NeckSpec, gaze


@dataclass(frozen=True)
class ExecutiveConfig:
    """Distances in m, times in s, speeds in m/s."""

    look_s: float = 0.6
    """Between two looks while there is something to be seen."""
    idle_look_s: float = 3.0
    """The same while nothing happens."""
    eye_height_m: float = 1.3
    """Where somebody's face is, about."""
    searching_m_s: float = 0.35
    ahead_m: float = 0.45
    """Behaviours without a way of their own (circling, backing off) keep so far from what stands."""
    clear_m: float = 0.30
    about_s: float = 4.0
    """Who circles and finds the way barred turns about, once in this time."""
    join_m: float = 0.4
    """Whom it is to circle or to shield, it walks up to first where they are so much farther away than that."""
    refuge_m: float = 0.3
    """A place must be so much farther from the person to be worth backing off to."""
    near_person_m_s: float = 0.5
    """No behaviour may be faster within a metre of the person, whatever its table says, ..."""
    near_m: float = 1.3
    """... which holds from where they are believed to be so near: one brakes, and reckons wrong by a hand or two."""
    above_m: float = 1.2
    """Whoever is so near speaks from above: a level array of microphones tells nothing of the direction then, ..."""
    lost_s: float = 7.0
    """... and who was seen there within this time, two looks of one that idles, is there still."""
    other_rad: float = 0.5
    """A voice from so much elsewhere is gone to another way."""


class _Lead(NamedTuple):
    """A place (2,) m on the way to somebody who is heard and not seen, and where they were heard from."""

    place: np.ndarray
    azimuth: float


_LEADS_M = (1.5, 2.2, 1.0, 3.0)
_ASIDE_RAD = (0.0, 0.4, -0.4, 0.8, -0.8, 1.2, -1.2)


class Executive:
    """Turns behaviours into actions, one `step` for each control step.

    Attributes:
        person: (2,) m, where the dog believes its person to be; None before it met anybody.
        status: how its way stands, in the words of `policies.navigation.walking.Status`.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        walker: Walker,
        neck: NeckSpec | None = None,
        config: ExecutiveConfig | None = None,
    ) -> None:
        self.fetcher, self._walker = fetcher, walker
        self._spec, self.config = neck or NeckSpec(), config or ExecutiveConfig()
        self._tracker = PersonTracker()
        self.reset()

    def reset(self) -> None:
        """Know nobody and nothing of the room."""
        self._walker.reset()
        self._tracker.reset()
        self._looked_s = -np.inf
        self._neck = np.array(self._spec.rest)
        self._lead: _Lead | None = None
        self._side, self._turned_s = 1.0, -np.inf
        self.status: Status = "arrived"

    @property
    def person(self) -> np.ndarray | None:
        """Where the person is believed to be."""
        return self._tracker.place

    @property
    def on_its_way(self) -> bool:
        """Whether it walks to somebody or something, or fetches."""
        return self.fetcher.busy or self.status in ("walking", "backing")

    def step(
        self,
        sensing: BodySensing,
        behaviour: Behaviour,
        attention: Attention,
        by_hand: tuple[str | None, VelocityCommand | None] = (None, None),
    ) -> BodyAction:
        """Decide what the body does in the next control step.

        Args:
            sensing: what the dog knows of itself, and what it saw if it asked to look.
            behaviour: what is shown.
            attention: where a sound comes from.
            by_hand: a gait and a velocity that somebody set.
        """
        attention = self._trusted(sensing, attention)
        seen = None if sensing.look is None else self.fetcher.sight(sensing)
        if seen is not None:
            self._take_in(sensing, seen, attention)
        if self.fetcher.busy:
            if self.person is not None:
                self.fetcher.person = self.person
            return self.fetcher.step(sensing, seen)
        self._gaze(sensing, attention)
        self.status = "arrived"
        command = self._toward_goal(sensing, behaviour, attention)
        velocity, style = movement(behaviour, command, *by_hand)
        velocity = self.bounded(sensing, velocity)
        return BodyAction(velocity, style, self._neck, 0.0, None, self._look_due(sensing.time_s, attention, velocity))

    def _trusted(self, sensing: BodySensing, attention: Attention) -> Attention:
        """Leave out a voice whose direction says nothing, as the person is right here."""
        if self.person is None or not attention.voice or sensing.time_s - self._tracker.seen_s > self.config.lost_s:
            return attention
        near = np.hypot(*(self.person - sensing.position)) < self.config.above_m
        return Attention() if near else attention

    def _take_in(self, sensing: BodySensing, seen: Sighting, attention: Attention) -> None:
        """Learn from a look where people are and where one can walk."""
        self._walker.occupancy.look_at_points(seen.cloud, 0.0)
        heard = attention.azimuth_rad if attention.voice and sensing.time_s - attention.heard_s < 2.0 else None
        self._tracker.see(find_people(seen.cloud, sensing.position), sensing.position, sensing.time_s, heard)

    def _gaze(self, sensing: BodySensing, attention: Attention) -> None:
        """Look at a sound, else at the person, else ahead."""
        azimuth = attention.azimuth_rad
        if azimuth is not None:
            self._look_along(sensing, azimuth)
        elif self.person is not None:
            x, y = self.person - sensing.position
            self._look_along(sensing, float(np.arctan2(y, x)), max(float(np.hypot(x, y)), 0.6))
        else:
            self._neck = np.array(self._spec.rest)

    def _look_along(self, sensing: BodySensing, azimuth: float, far_m: float = 2.0) -> None:
        away = wrap(azimuth - sensing.yaw)
        height = self.config.eye_height_m - 0.3  # above the trunk
        self._neck = gaze(np.array([far_m * np.cos(away), far_m * np.sin(away), height]), self._spec)

    def _look_due(self, time_s: float, attention: Attention, velocity: VelocityCommand) -> bool:
        busy = any(velocity) or attention.azimuth_rad is not None
        if time_s - self._looked_s < (self.config.look_s if busy else self.config.idle_look_s):
            return False
        self._looked_s = time_s
        return True

    # Where to.

    def _toward_goal(self, sensing: BodySensing, behaviour: Behaviour, attention: Attention) -> VelocityCommand:
        heard = attention.azimuth_rad if attention.voice else None
        lead, self._lead = self._lead, None
        if self.person is None or (heard is not None and self._is_elsewhere(sensing, heard)):
            self._lead = lead
            return VelocityCommand() if heard is None else self._go_along(sensing, heard)
        far = float(np.hypot(*(self.person - sensing.position)))
        beyond = behaviour.goal in ("circle", "shield") and far > behaviour.distance_m + self.config.join_m
        if behaviour.goal == "approach" or beyond:
            return self._walk(sensing, Goal(self.person, behaviour.distance_m), behaviour.speed)
        if behaviour.goal == "retreat":
            return self._retreat(sensing, behaviour)
        self._walker.go_to(None)
        command = steer(behaviour, sensing.position, sensing.yaw, self.person, self._side)
        if self._is_clear(sensing, command):
            return command
        if behaviour.goal == "circle" and sensing.time_s - self._turned_s > self.config.about_s:
            self._side, self._turned_s = -self._side, sensing.time_s
        return VelocityCommand(wz=command.wz)

    def _retreat(self, sensing: BodySensing, behaviour: Behaviour) -> VelocityCommand:
        """Back off while what lies behind was seen to be free; else turn and walk to where there is more room."""
        assert self.person is not None
        far = float(np.hypot(*(self.person - sensing.position)))
        if far >= behaviour.distance_m:
            self._walker.go_to(None)
            return steer(replace(behaviour, goal="face"), sensing.position, sensing.yaw, self.person)
        place = self._refuge(sensing.position, behaviour.distance_m, self._walker.occupancy.known)
        if place is None:  # what was never seen may be free
            place = self._refuge(sensing.position, behaviour.distance_m, ~self._walker.occupancy.known)
        if place is None:
            return VelocityCommand()
        return self._walk(sensing, Goal(place), behaviour.speed)

    def _refuge(self, position: np.ndarray, distance_m: float, among: np.ndarray) -> np.ndarray | None:
        """Return the place (2,) m to back off to: free, as far from the person as is wished, not past them.

        Args:
            position: (2,) m, of the dog.
            distance_m: from the person, as is wished.
            among: (ny, nx) bool, cells that may be chosen.
        """
        assert self.person is not None
        occupancy = self._walker.occupancy
        away, way = occupancy.distances(self.person), occupancy.distances(position)
        free = (occupancy.clearance() > self.config.ahead_m) & among
        beyond = away > np.hypot(*(self.person - position)) + self.config.refuge_m
        # Who walks past somebody to get away from them has come nearer first.
        free &= beyond & (way < away)
        if not free.any():
            return None
        worth = np.where(free, np.minimum(away, distance_m) - 0.3 * way, -np.inf)
        return occupancy.place(np.array(np.unravel_index(int(worth.argmax()), worth.shape)))

    def _is_elsewhere(self, sensing: BodySensing, azimuth: float) -> bool:
        """Whether a voice comes from where the person was not seen of late."""
        assert self.person is not None
        x, y = self.person - sensing.position
        off = abs(wrap(float(np.arctan2(y, x)) - azimuth))
        return off > 0.6 and sensing.time_s - self._tracker.seen_s > self.config.look_s

    def _go_along(self, sensing: BodySensing, azimuth: float) -> VelocityCommand:
        """Turn to a voice whose owner is not seen, and go some way towards it."""
        self.status = "walking"
        if self._lead is None and abs(bearing := wrap(azimuth - sensing.yaw)) > 0.5:
            return VelocityCommand(wz=float(np.clip(1.5 * bearing, -0.8, 0.8)))
        lead = self._lead
        if lead is None or abs(wrap(lead.azimuth - azimuth)) > self.config.other_rad or not self._is_free(lead.place):
            self._lead = lead = self._free_ahead(sensing.position, azimuth)
        if lead is None:
            self.status = "no way"
            return VelocityCommand()
        command = self._walk(sensing, Goal(lead.place), self.config.searching_m_s)
        if self.status not in ("walking", "backing"):
            self._lead = None
        return command

    def _free_ahead(self, position: np.ndarray, azimuth: float) -> _Lead | None:
        """Return the first place where one can stand, straight towards a voice or a little to one side of it."""
        free = self._walker.occupancy.clearance() > self._walker.route_config.radius_m
        for off in _ASIDE_RAD:
            for far in _LEADS_M:
                along = np.array([np.cos(azimuth + off), np.sin(azimuth + off)])
                place = position + far * along
                if free[self._walker.occupancy.cell(place)]:
                    return _Lead(place, azimuth)
        return None

    def _is_free(self, place: np.ndarray) -> bool:
        occupancy = self._walker.occupancy
        return float(occupancy.clearance()[occupancy.cell(place)]) > self._walker.route_config.radius_m

    def _walk(self, sensing: BodySensing, goal: Goal, speed: float) -> VelocityCommand:
        self._walker.go_to(goal)
        walked = self._walker.step(sensing.position, sensing.yaw, sensing.time_s, speed)
        self.status = walked.status
        return walked.command

    def _is_clear(self, sensing: BodySensing, command: VelocityCommand) -> bool:
        """Whether nothing stands where a velocity leads next."""
        speed = float(np.hypot(command.vx, command.vy))
        if speed < 0.03:
            return True
        angle = sensing.yaw + float(np.arctan2(command.vy, command.vx))
        place = sensing.position + self.config.ahead_m * np.array([np.cos(angle), np.sin(angle)])
        occupancy = self._walker.occupancy
        return not bool((occupancy.occupied & occupancy.within(place, self.config.clear_m)).any())

    def bounded(self, sensing: BodySensing, command: VelocityCommand) -> VelocityCommand:
        """Keep to the speed that is allowed near the person."""
        if self.person is None or np.hypot(*(self.person - sensing.position)) > self.config.near_m:
            return command
        speed = float(np.hypot(command.vx, command.vy))
        share = min(1.0, self.config.near_person_m_s / max(speed, 1e-9))
        return VelocityCommand(share * command.vx, share * command.vy, command.wz)
