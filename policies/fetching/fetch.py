"""Fetch: look for a thing of a colour, go there, look, complete its shape, grasp it, carry it to somebody, put it down.

Each stage says how it went, tries again where that makes sense, and gives up politely. Nothing but what the dog itself
senses is used: its own estimate of where it is, encoders, inertial unit, and the camera in its head.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TypeAlias, TypeVar

import numpy as np

from control.gait import GAITS, VelocityCommand, gait_style
from control.reaching import Reach
from control.stance import Stance, stance_frame
from control.whole_body import BodyAction, BodySensing
from geometry.cameras import DepthCamera
from geometry.clouds import Completion
from geometry.transforms import about_vertical, inverse, transform, wrap
from perception.things import Thing
from policies.fetching.errand import FetchConfig, FetchEvent, Stage
from policies.fetching.mouth_plan import STANDING, MouthPlan, MouthPlanner, raised
from policies.fetching.seeing import Sighting, moved_to, shape, sight
from policies.grasping.planner import PlanningScene
from policies.navigation.placing import Placer
from policies.navigation.viewpoints import next_viewpoint
from policies.navigation.walking import Goal, Status, Walker
from robots.neck import MOUTH, T_HEAD_CAM, gaze, neck_fk

_T = TypeVar("_T")
_OTHER_SHAPE_M = 0.008
"""A second look that is so far from what was guessed shows that the guess was wrong."""


Script: TypeAlias = Generator[BodyAction, None, _T]
"""Gives actions, one for each control step, and at its end what came of it."""


class _FailedError(Exception):
    """A stage that came to nothing; `again` tells whether another try makes sense."""

    def __init__(self, why: str, again: bool = True) -> None:
        super().__init__(why)
        self.why, self.again = why, again


class Fetcher:
    """One errand after the other; `start` one, then `step` in each control step until `stage` is an end."""

    def __init__(
        self,
        planner: MouthPlanner,
        completion: Completion,
        walker: Walker,
        camera: DepthCamera,
        config: FetchConfig | None = None,
    ) -> None:
        self.config = config or FetchConfig()
        self._planner, self._completion, self._walker, self._camera = planner, completion, walker, camera
        self._placer = Placer()
        self._rest = np.array(planner.reacher.neck.rest)
        self.stage: Stage = "delivered"
        self.events: list[FetchEvent] = []

    @property
    def busy(self) -> bool:
        """Whether it is at work."""
        return self.stage not in ("delivered", "given up")

    def start(self, hue_deg: float, person: np.ndarray, seen_at: np.ndarray | None = None) -> None:
        """Set out.

        Args:
            hue_deg: colour of what is wanted, 0 to 360.
            person: (2,) m, to whom it is brought; `person` may be set anew while the dog is on its way.
            seen_at: (2,) m, where the thing was seen, if it was.
        """
        self._hue, self.person = hue_deg, np.asarray(person, float)
        self._seen_at = None if seen_at is None else np.asarray(seen_at, float)
        self._neck, self._opening, self._looked_s = self._rest, 0.0, -np.inf
        self.stage, self.events = "search", []
        self._script: Script[None] = self._errand()

    def step(self, sensing: BodySensing, seen: Sighting | None = None) -> BodyAction:
        """Return the next action; once it is over, the dog stands.

        Args:
            sensing: what the dog knows of itself.
            seen: what its look shows, where somebody has taken that in, and drawn it into the map, already.
        """
        self.now, self._seen = sensing, seen
        if seen is None and sensing.look is not None:
            self._seen = self.sight(sensing)
            self._walker.occupancy.look_at_points(self._seen.cloud, 0.0)
        try:
            return next(self._script)
        except StopIteration:
            return self._stand()

    def _errand(self) -> Script[None]:
        """Try until it is delivered, or makes no sense any more."""
        for _ in range(self.config.tries):
            try:
                yield from self._once()
            except _FailedError as failure:
                self._tell(False, failure.why)
                yield from self._let_go()
                if not failure.again:
                    break
            else:
                self._next("delivered")
                return
        self.stage = "given up"
        self._tell(False, "it tried in vain")

    def _once(self) -> Script[None]:
        self.stage = "search"
        place = self._seen_at if self._seen_at is not None else (yield from self._search())
        self._next("approach")
        place = yield from self._approach(place)
        self._next("look")
        scene = yield from self._look(place)
        self._next("look again")
        stance, plan = yield from self._plan_here(scene)
        self._next("reach")
        yield from self._reach(stance, plan)
        self._next("carry")
        yield from self._carry()
        self._next("put down")
        yield from self._put_down(plan)

    def _next(self, stage: Stage) -> None:
        self._tell(True)
        self.stage = stage

    def _tell(self, ok: bool, why: str = "") -> None:
        self.events.append(FetchEvent(self.now.time_s, self.stage, ok, why))

    # Looking.

    def _stand(self, look: bool = False) -> BodyAction:
        return BodyAction(VelocityCommand(), GAITS["stand"], self._neck, self._opening, None, look)

    def _wait(self, seconds: float) -> Script[None]:
        until = self.now.time_s + seconds
        while self.now.time_s < until:
            yield self._stand()

    def sight(self, sensing: BodySensing) -> Sighting:
        """Take in the look that came."""
        assert sensing.look is not None
        return sight(sensing.look._replace(T_world_cam=self.camera_pose(sensing)), self._camera)

    def trunk_pose(self, sensing: BodySensing) -> np.ndarray:
        """Return T_world_trunk (4, 4) as the dog believes it, on the ground that its feet stand on."""
        stance = Stance(self._planner.reacher, sensing.legs, sensing.rotation, sensing.neck)
        leaning = stance.T_stance_trunk[:3, :3]
        return transform(about_vertical(sensing.yaw) @ leaning, (*sensing.position, stance.T_stance_trunk[2, 3]))

    def camera_pose(self, sensing: BodySensing) -> np.ndarray:
        """Return T_world_cam (4, 4) as the dog believes it."""
        pose: np.ndarray = self.trunk_pose(sensing) @ neck_fk(sensing.neck, self._planner.reacher.neck)[4] @ T_HEAD_CAM
        return pose

    def _gaze_at(self, place: np.ndarray, height_m: float = 0.04) -> None:
        """Turn head and neck to a place (2,) m on the ground."""
        local = inverse(self.trunk_pose(self.now)) @ (*place, height_m, 1.0)
        self._neck = gaze(local[:3], self._planner.reacher.neck)

    def _careful_look(self, place: np.ndarray) -> Script[Thing]:
        """Stand still, look at a place, and find the thing there."""
        self._gaze_at(place)
        yield from self._wait(self.config.still_s)
        yield self._stand(look=True)
        thing = None if self._seen is None else self._seen.coloured(self._hue, place)
        if thing is None:
            self._seen_at = None
            raise _FailedError("it is not there any more")
        return thing

    # Going there.

    def _search(self) -> Script[np.ndarray]:
        """Turn about and look, from several places; returns where the thing is, (2,) m."""
        visited: list[np.ndarray] = []
        for _ in range(self.config.spots):
            place = yield from self._look_about()
            if place is not None:
                return place
            visited.append(self.now.position)
            spot = next_viewpoint(self._walker.occupancy, self.now.position, visited)
            if spot is None:
                break
            yield from self._walk(Goal(spot), self.config.speed_m_s)
        raise _FailedError("it is nowhere to be seen", again=False)

    def _look_about(self) -> Script[np.ndarray | None]:
        """Turn once about, looking; returns where the thing was seen."""
        self._neck, turned, before = self._rest, 0.0, self.now.yaw
        while turned < 2 * np.pi:
            yield BodyAction(
                VelocityCommand(wz=self.config.turn_rad_s), gait_style("trot"), self._neck, self._opening, None,
                self._look_due(),
            )  # fmt: skip
            turned += abs(wrap(self.now.yaw - before))
            before = self.now.yaw
            place = self._where()
            if place is not None:
                return place
        return None

    def _look_due(self) -> bool:
        if self.now.time_s - self._looked_s < self.config.look_s:
            return False
        self._looked_s = self.now.time_s
        return True

    def _where(self, near: np.ndarray | None = None) -> np.ndarray | None:
        """Return where the look that came, if one did, shows the thing, (2,) m."""
        thing = None if self._seen is None else self._seen.coloured(self._hue, near)
        return None if thing is None else thing.centre[:2]

    def _walk(self, goal: Goal, speed: float, thing: np.ndarray | None = None) -> Script[Status]:
        """Walk to a goal, looking on the way; where it is a thing, it may turn out to be a little elsewhere."""
        self._walker.go_to(goal)
        while True:
            walked = self._walker.step(self.now.position, self.now.yaw, self.now.time_s, speed)
            if walked.status in ("arrived", "no way", "stuck"):
                return walked.status
            if thing is not None:
                self._gaze_at(thing)
            yield BodyAction(walked.command, gait_style("trot"), self._neck, self._opening, None, self._look_due())
            place = self._where(thing)
            if thing is not None and place is not None:
                thing = self._seen_at = place
                self._walker.go_to(Goal(place, goal.distance_m))

    def _approach(self, place: np.ndarray) -> Script[np.ndarray]:
        self._seen_at = place
        status = yield from self._walk(Goal(place, self.config.view_m), self.config.speed_m_s, place)
        if status != "arrived":
            raise _FailedError("there is no way to it" if status == "no way" else "something is in the way")
        return self._seen_at

    def _look(self, place: np.ndarray) -> Script[PlanningScene]:
        """Look, plan, and go where the plan wants to stand; returns the shape that was guessed."""
        thing = yield from self._careful_look(place)
        scene = shape(thing, self._completion)
        if scene is None:
            raise _FailedError("too little of it is seen")
        clearance = self._walker.occupancy.clearance()

        def is_free(spot: np.ndarray) -> bool:
            return bool(clearance[self._walker.occupancy.cell(spot)] > 0.22)

        plan = self._planner.plan(scene, self.now.yaw, is_free)
        if plan is None:
            raise _FailedError("it cannot be grasped: too large, too flat, or something is in the way", again=False)
        self._seen_at = thing.centre[:2]
        self._next("place")
        T = plan.T_world_stance
        self._placer.go_to(T[:2, 3], float(np.arctan2(T[1, 0], T[0, 0])))
        while True:
            placed = self._placer.step(self.now.position, self.now.yaw, self.now.time_s)
            if placed.there or placed.late:
                return scene
            self._gaze_at(self._seen_at)
            style = gait_style("trot") if any(placed.command) else GAITS["stand"]
            yield BodyAction(placed.command, style, self._neck, self._opening)

    # Grasping.

    def _plan_here(self, scene: PlanningScene) -> Script[tuple[Stance, MouthPlan]]:
        """Look from near, move the shape to where it is seen, and plan from where the feet stand."""
        assert self._seen_at is not None
        thing = yield from self._careful_look(self._seen_at)
        scene, off_m = moved_to(scene, thing.cloud)
        if off_m > _OTHER_SHAPE_M:
            scene = shape(thing, self._completion) or scene
        stance = Stance(self._planner.reacher, self.now.legs, self.now.rotation, self.now.neck)
        plan = self._planner.from_stance(scene, stance_frame(self.trunk_pose(self.now), stance))
        if plan is None:
            raise _FailedError("no free way to it from here")
        return stance, plan

    def _reach(self, stance: Stance, plan: MouthPlan) -> Script[None]:
        """Reach, close, lift and stand up with it."""
        first = plan.approach[0]
        self._opening = plan.grasp.width_m
        yield from self._go(stance, [raised(stance.reach.trunk, first)], 0.8)
        yield from self._go(stance, [first], 1.2)
        yield from self._go(stance, plan.approach[1:], 0.9)
        yield from self._hold(stance, 0.2)
        self._next("close")
        self._opening = 0.0
        yield from self._hold(stance, 0.6)
        if self.now.opening_m < self.config.held_m:
            raise _FailedError("the jaws closed on nothing")
        self._next("lift")
        yield from self._go(stance, plan.lift, 0.9)
        self._check_held("it slipped")
        yield from self._stand_up(stance)
        self._check_held("it slipped")

    def _check_held(self, why: str) -> None:
        if self.now.opening_m < self.config.held_m:
            raise _FailedError(why)

    def _go(self, stance: Stance, poses: Sequence[Reach], seconds: float) -> Script[None]:
        try:
            stance.follow(poses, seconds)
        except ValueError as problem:
            raise _FailedError("the legs do not reach from here") from problem
        yield from self._planted(stance)

    def _hold(self, stance: Stance, seconds: float) -> Script[None]:
        until = self.now.time_s + seconds
        while self.now.time_s < until:
            yield from self._planted(stance)

    def _planted(self, stance: Stance) -> Script[None]:
        """Go the way of a stance to its end."""
        while True:
            step = stance.step()
            self._neck = step.neck
            yield BodyAction(VelocityCommand(), GAITS["stand"], step.neck, self._opening, step.legs)
            if step.done:
                return

    def _stand_up(self, stance: Stance) -> Script[None]:
        yield from self._go(stance, [raised(STANDING, stance.reach), Reach(STANDING, self._rest)], 1.8)

    def _let_go(self) -> Script[None]:
        """After a failure: open, rise if the feet are planted, stand, and shut the jaws."""
        self._opening = MOUTH.opening_m
        stance = Stance(self._planner.reacher, self.now.legs, self.now.rotation, self._neck)
        try:
            yield from self._hold(stance, 0.3)
            yield from self._stand_up(stance)
        except _FailedError:  # the gait takes over from any pose
            self._neck = self._rest
        self._opening = 0.0
        yield from self._wait(self.config.still_s)

    # Bringing it.

    def _carry(self) -> Script[None]:
        self._neck = self._rest
        yield from self._wait(self.config.still_s)
        self._walker.go_to(None)
        while True:
            self._walker.go_to(Goal(self.person, self.config.deliver_m))
            walked = self._walker.step(self.now.position, self.now.yaw, self.now.time_s, self.config.carrying_m_s)
            if walked.status == "arrived":
                return
            if walked.status in ("no way", "stuck"):
                raise _FailedError("there is no way to whom it is for", again=False)
            yield BodyAction(walked.command, gait_style("walk"), self._neck, 0.0, None, self._look_due())
            if self.now.opening_m < self.config.held_m:
                self._seen_at = self.now.position + 0.4 * np.array([np.cos(self.now.yaw), np.sin(self.now.yaw)])
                raise _FailedError("it was lost on the way")

    def _put_down(self, plan: MouthPlan) -> Script[None]:
        """Reach down as for the grasp, open, and come up again."""
        yield from self._wait(self.config.still_s)
        stance = Stance(self._planner.reacher, self.now.legs, self.now.rotation, self.now.neck)
        low = plan.approach[-1]
        yield from self._go(stance, [raised(stance.reach.trunk, low), plan.lift[-1]], 1.8)
        yield from self._go(stance, [*plan.lift[-2::-1], low], 0.9)
        self._opening = MOUTH.opening_m
        yield from self._hold(stance, 0.5)
        yield from self._go(stance, plan.approach[-2::-1], 0.9)
        yield from self._stand_up(stance)
        self._opening = 0.0
        yield from self._wait(self.config.still_s)
        if self.now.opening_m > self.config.held_m:  # a hook, or a handle that has caught on a jaw
            raise _FailedError("it did not come off")
