"""One errand in Bullet: real legs, a neck that has mass, jaws that hold by friction, and the shipped networks."""

from __future__ import annotations

import numpy as np
import pytest

from control.companion import CompanionDog
from control.dog import SUBSTEPS
from geometry.cameras import DepthCamera
from geometry.solids import at, turned
from perception.completion.model import CompletionModel
from policies.fetching.errand import FetchAction, FetchSensing
from policies.fetching.fetch import Fetcher
from policies.fetching.mouth_plan import MouthPlanner
from policies.locomotion.actor import load_policy
from policies.locomotion.controller import LearnedLegs
from policies.navigation.walking import Walker
from robots.companion import CompanionState
from robots.head_camera import HeadCamera
from robots.world import World, WorldConfig

CAMERA = DepthCamera(320, 240, 70.0)
CAN = at(turned([(0.03, 0.0), (0.03, 0.1)]), 0.0, 0.0, -0.05)


def sensing(state: CompanionState, camera: HeadCamera, time_s: float, look: bool) -> FetchSensing:
    seen = camera.look(state.camera_frame) if look else None
    place, legs = state.T_world_trunk[:2, 3], state.legs
    return FetchSensing(time_s, place, legs.yaw, legs.rotation, legs.joint_positions, state.neck, state.opening_m, seen)


def act(dog: CompanionDog, action: FetchAction, state: CompanionState) -> None:
    if action.legs is None:
        dog.walk(action.velocity, action.style, state)
    else:
        dog.stand(action.legs)
    dog.hold(action.neck, action.opening_m)
    dog.world.step(SUBSTEPS)


@pytest.mark.slow
def test_a_can_is_brought_to_somebodys_feet_and_stands_there():
    actor = load_policy("default")
    with World(WorldConfig(solver_iterations=30)) as world:
        dog = CompanionDog(world, lambda spec: LearnedLegs(actor, spec))
        camera = HeadCamera(world, CAMERA, np.random.default_rng(0))
        can = world.add_body([CAN.surface.vertices], 0.2, 0.6, CAN.surface)
        world.client.changeDynamics(can, -1, rollingFriction=0.001, spinningFriction=0.01)
        world.client.changeVisualShape(can, -1, rgbaColor=(0.85, 0.2, 0.15, 1.0))
        world.place(can, (1.3, 0.4, 0.05), (0, 0, 0, 1))
        fetcher = Fetcher(MouthPlanner(), CompletionModel.load(), Walker(), CAMERA)
        fetcher.start(5.0, np.array([0.2, -1.0]))
        look, step = False, 0
        while fetcher.busy and step < 90 * 50:
            state = dog.read()
            action = fetcher.step(sensing(state, camera, step / 50, look))
            look, step = action.look, step + 1
            act(dog, action, state)
        position, _ = world.pose(can)
    assert fetcher.stage == "delivered", fetcher.events
    assert np.hypot(position[0] - 0.2, position[1] + 1.0) < 0.6
    assert position[2] < 0.08
    assert state.legs.upright > 0.95
