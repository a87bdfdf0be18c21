"""Errands of a body without physics: it goes where it is told, and holds what its jaws shut on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from control.dog import standing_joints
from control.gait import GAITS
from control.stance import Stance
from control.whole_body import BodyAction, BodySensing
from geometry.cameras import DepthCamera
from geometry.clouds import Completed
from geometry.meshes import sample_surface
from geometry.solids import Solid, at, box, turned
from geometry.transforms import about_vertical, inverse, to_quat, transform, transform_points
from policies.fetching.errand import FetchConfig
from policies.fetching.fetch import Fetcher
from policies.fetching.mouth_plan import MouthPlanner
from policies.fetching.seeing import moved_to, shape
from policies.grasping.planner import PlanningScene
from policies.navigation.walking import Walker
from robots.head_camera import HeadCamera, Look
from robots.kinematics import leg_fk
from robots.neck import T_HEAD_CAM, neck_fk
from robots.world import World

CAMERA = DepthCamera(160, 120, 70.0)
PLANNER = MouthPlanner()
REACHER = PLANNER.reacher
STANDING = standing_joints(GAITS["stand"], REACHER.body)
HEIGHT_M = float(Stance(REACHER, STANDING, np.eye(3), np.array(REACHER.neck.rest)).T_stance_trunk[2, 3])
CAN = turned([(0.03, 0.0), (0.03, 0.1)])
RED, BLUE = (0.85, 0.2, 0.15, 1.0), (0.15, 0.3, 0.85, 1.0)


class KnownShape:
    """Completes what it sees by the shape that it is told, standing where the cloud is."""

    def __init__(self, solid: Solid) -> None:
        self._points = sample_surface(solid.surface, 2000, np.random.default_rng(0))[0]

    def complete(self, cloud: np.ndarray) -> Completed:
        middle = (cloud.min(axis=0) + cloud.max(axis=0)) / 2
        points = self._points + np.array([middle[0], middle[1], 0.0])
        return Completed(points, np.full(len(points), 0.002))


class Body:
    """A dog without physics in a world with one thing."""

    def __init__(self, world: World, place: tuple[float, float], rgba: tuple[float, ...] = RED, slips: int = 0) -> None:
        mesh = at(CAN, 0.0, 0.0, -0.05).surface
        self.world, self.thing = world, world.add_body([mesh.vertices], 0.0, 0.5, mesh)
        world.client.changeVisualShape(self.thing, -1, rgbaColor=rgba)
        self.T_thing = transform(np.eye(3), (*place, 0.05))
        self.camera = HeadCamera(world, CAMERA, np.random.default_rng(0))
        self.position, self.yaw, self.time_s = np.zeros(2), 0.0, 0.0
        self.legs, self.neck, self.opening = STANDING, np.array(REACHER.neck.rest), 0.0
        self.slips, self.blocked = slips, False
        self._held: np.ndarray | None = None
        self._feet: np.ndarray | None = None
        self._lean = transform(np.eye(3), (0.0, 0.0, HEIGHT_M))

    @property
    def trunk(self) -> np.ndarray:
        return transform(about_vertical(self.yaw), (*self.position, 0.0)) @ self._lean

    def sense(self, look: bool) -> BodySensing:
        self.world.place(self.thing, *to_quat(self.T_thing))
        T_world_trunk = self.trunk
        T_world_cam = T_world_trunk @ neck_fk(self.neck, REACHER.neck)[4] @ T_HEAD_CAM
        seen = self.camera.look(T_world_cam)._replace(T_world_cam=np.eye(4)) if look else None
        return BodySensing(
            self.time_s, T_world_trunk[:2, 3], self.yaw, T_world_trunk[:3, :3], self.legs, self.neck, self.opening, seen
        )

    def act(self, action: BodyAction) -> None:
        self.time_s += 0.02
        self.neck = action.neck
        if action.legs is None:
            self._feet, self._lean, self.legs = None, transform(np.eye(3), (0.0, 0.0, HEIGHT_M)), STANDING
            vx, vy, wz = (0.0, 0.0, 0.0) if self.blocked else action.velocity
            self.position = self.position + 0.02 * about_vertical(self.yaw)[:2, :2] @ (vx, vy)
            self.yaw += 0.02 * wz
        else:
            if self._feet is None:
                self._feet = transform_points(self._lean, leg_fk(self.legs, REACHER.body))
            self.legs = action.legs
            there = leg_fk(self.legs, REACHER.body)
            turn = Rotation.align_vectors(self._feet - self._feet.mean(axis=0), there - there.mean(axis=0))[
                0
            ].as_matrix()
            self._lean = transform(turn, self._feet.mean(axis=0) - turn @ there.mean(axis=0))
        self._bite(action.opening_m)

    def _bite(self, opening_m: float) -> None:
        hand = self.trunk @ neck_fk(self.neck, REACHER.neck)[5]
        local = inverse(hand) @ self.T_thing
        if self._held is None and self.opening > opening_m < 0.06 and self._between(hand):
            self._held = local
        if self._held is not None and (opening_m > 0.062 or self._slip(hand)):
            self._held = None
            self.T_thing = transform(np.eye(3), (*self.T_thing[:2, 3], 0.05))
        self.opening = max(opening_m, 0.06 if self._held is not None else 0.0)
        if self._held is not None:
            self.T_thing = hand @ self._held

    def _between(self, hand: np.ndarray) -> bool:
        """Whether the axis of the can is between the jaws."""
        axis = np.array([*self.T_thing[:2, 3], hand[2, 3]])
        return bool(np.linalg.norm(hand[:3, 3] - axis) < 0.04 and hand[2, 3] < 0.13)

    def _slip(self, hand: np.ndarray) -> bool:
        slips = self.slips > 0 and bool(hand[2, 3] > 0.12)
        self.slips -= slips
        return slips


def run(body: Body, person=(0.3, -1.5), seconds=120.0, hue=5.0, seen_at=None, config=None, completion=None) -> Fetcher:
    fetcher = Fetcher(PLANNER, completion or KnownShape(CAN), Walker(), CAMERA, config)
    fetcher.start(hue, np.array(person), seen_at)
    look = False
    while fetcher.busy and body.time_s < seconds:
        action = fetcher.step(body.sense(look))
        look = action.look
        body.act(action)
    return fetcher


@pytest.fixture
def world():
    with World() as world:
        yield world


def stages(fetcher: Fetcher) -> list[tuple[str, bool]]:
    return [(event.stage, event.ok) for event in fetcher.events]


def test_a_thing_of_the_colour_is_found_fetched_and_put_down_at_somebodys_feet(world):
    body = Body(world, (1.4, 0.6))
    fetcher = run(body)
    ways = ("search", "approach", "look", "place", "look again", "reach", "close", "lift", "carry", "put down")
    assert stages(fetcher) == [(stage, True) for stage in ways]
    assert fetcher.stage == "delivered"
    assert np.hypot(*(body.T_thing[:2, 3] - (0.3, -1.5))) < 0.75
    assert body.T_thing[2, 3] == pytest.approx(0.05, abs=0.02)
    assert body.opening == 0.0


def test_what_slips_is_grasped_again(world):
    body = Body(world, (1.2, 0.0), slips=1)
    fetcher = run(body)
    assert ("lift", False) in stages(fetcher)
    assert fetcher.stage == "delivered"


def test_another_colour_is_left_and_the_search_ends_with_a_word(world):
    fetcher = run(Body(world, (1.2, 0.0), BLUE), config=FetchConfig(spots=1))
    assert fetcher.stage == "given up"
    assert next(event.why for event in fetcher.events if not event.ok) == "it is nowhere to be seen"


def test_what_is_too_large_for_the_mouth_is_left_with_a_word(world):
    fetcher = run(Body(world, (1.2, 0.0)), completion=KnownShape(box(0.2, 0.2, 0.2)))
    assert fetcher.stage == "given up"
    assert "cannot be grasped" in fetcher.events[-2].why


def test_a_dog_that_cannot_move_says_that_something_is_in_the_way(world):
    body = Body(world, (1.4, 0.0))
    body.blocked = True
    fetcher = run(body, seen_at=np.array([1.4, 0.0]))
    assert fetcher.stage == "given up"
    assert {event.why for event in fetcher.events if not event.ok} >= {"something is in the way"}


def test_the_pose_of_the_look_is_worked_out_from_what_is_sensed(world):
    body = Body(world, (1.2, 0.2))
    fetcher = Fetcher(PLANNER, KnownShape(CAN), Walker(), CAMERA)
    fetcher.start(5.0, np.zeros(2))
    seen = fetcher.sight(body.sense(True))  # whose look says that the camera is at the origin
    thing = seen.coloured(5.0)
    np.testing.assert_allclose(thing.centre[:2], (1.2, 0.2), atol=0.03)


def test_a_shape_is_moved_to_where_it_is_seen_now():
    points = sample_surface(CAN.surface, 2000, np.random.default_rng(0))[0] + (1.0, 0.5, 0.0)
    first = PlanningScene(points, None, points[points[:, 0] < 1.0])
    later = points[points[:, 2] > 0.09] + (0.015, -0.02, 0.0)
    moved, off_m = moved_to(first, later)
    np.testing.assert_allclose((moved.target - points).mean(axis=0), (0.015, -0.02, 0.0), atol=6e-3)
    assert off_m < 3e-3
    assert moved_to(first, later * (1.0, 1.0, 1.6))[1] > 0.01


def test_too_few_points_have_no_shape(world):
    fetcher_thing = run(Body(world, (1.2, 0.0)), seconds=0.1)
    assert fetcher_thing.busy
    from perception.things import Thing

    few = Thing(np.zeros((2, 2), bool), np.zeros((5, 3)), np.zeros(3), np.zeros(3), 0.0, 0.0, False)
    assert shape(few, KnownShape(CAN)) is None


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="tries"):
        FetchConfig(tries=0)


def test_look_and_sensing_say_what_they_hold():
    assert Look._fields == ("picture", "depth", "T_world_cam")
    assert BodySensing._field_defaults == {"look": None}
