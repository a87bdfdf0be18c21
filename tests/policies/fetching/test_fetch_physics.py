"""One errand in Bullet: real legs, a neck that has mass, jaws that hold by friction, and the shipped networks."""

from __future__ import annotations

import numpy as np
import pytest

from control.dog import SUBSTEPS, standing_joints
from control.gait import GAITS
from geometry.cameras import DepthCamera
from geometry.solids import at, turned
from geometry.transforms import transform
from perception.completion.model import CompletionModel
from policies.fetching.errand import FetchAction, FetchSensing
from policies.fetching.fetch import Fetcher
from policies.fetching.mouth_plan import MouthPlanner
from policies.locomotion.actor import load_policy
from policies.locomotion.controller import LearnedLegs
from policies.navigation.walking import Walker
from robots import quadruped
from robots.head_camera import HeadCamera
from robots.neck import MOUTH, T_HEAD_CAM, NeckSpec, neck_fk, neck_urdf
from robots.quadruped import Quadruped, QuadrupedSpec
from robots.world import POSITION_CONTROL, World, WorldConfig

NECK = NeckSpec()
NECK_JOINTS, LOWER_JAW, UPPER_JAW = list(range(12, 17)), 17, 18
CALVES = (2, 5, 8, 11)
BACK_M = 0.05
"""The battery moves back so far: the trunk's centre of mass, for the head weighs 1.7 kg."""
CAMERA = DepthCamera(320, 240, 70.0)
CAN = at(turned([(0.03, 0.0), (0.03, 0.1)]), 0.0, 0.0, -0.05)


class Dog:
    """A quadruped with a neck, in a world of its own."""

    def __init__(self, world: World) -> None:
        self.world, self.spec = world, QuadrupedSpec(trunk_mass=QuadrupedSpec().trunk_mass - NECK.mass)
        self.body = Quadruped(world, self.spec)
        self.camera = HeadCamera(world, CAMERA, np.random.default_rng(0))
        self.legs = LearnedLegs(load_policy("default"), self.spec)
        client = world.client
        for jaw in (LOWER_JAW, UPPER_JAW):
            client.changeDynamics(
                self.body.body, jaw, lateralFriction=1.0, spinningFriction=0.1, contactStiffness=30_000,
                contactDamping=1_000, frictionAnchor=1,
            )  # fmt: skip
        number = self.body.body
        gear = client.createConstraint(
            number, UPPER_JAW, number, LOWER_JAW, client.JOINT_GEAR, (1, 0, 0), (0, 0, 0), (0, 0, 0)
        )
        client.changeConstraint(gear, gearRatio=-1, erp=0.1, maxForce=50)
        joints = standing_joints(GAITS["stand"], self.spec)
        self.legs.reset(GAITS["stand"], joints, 0.0)
        self.body.reset((-BACK_M, 0.0, GAITS["stand"].height_m + self.spec.foot_radius_m), 0.0, joints)
        for joint, angle in zip(NECK_JOINTS, NECK.rest, strict=True):
            client.resetJointState(number, joint, angle)
        self._planted = False

    def sense(self, time_s: float, look: bool) -> FetchSensing:
        self.state = state = self.body.read()
        found = self.world.client.getJointStates(self.body.body, [*NECK_JOINTS, LOWER_JAW, UPPER_JAW])
        neck = np.array([joint[0] for joint in found[:5]])
        T_world_trunk = transform(state.rotation, state.position + state.rotation @ (BACK_M, 0.0, 0.0))
        T_world_cam = T_world_trunk @ neck_fk(neck, NECK)[4] @ T_HEAD_CAM
        seen = self.camera.look(T_world_cam) if look else None
        opening_m = found[5][0] + found[6][0]
        return FetchSensing(
            time_s, T_world_trunk[:2, 3], state.yaw, state.rotation, state.joint_positions, neck, opening_m, seen
        )

    def act(self, action: FetchAction) -> None:
        if (action.legs is not None) != self._planted:
            self._planted = not self._planted
            for calf in CALVES:
                self.world.client.changeDynamics(self.body.body, calf, frictionAnchor=int(self._planted))
            if not self._planted:
                self.legs.reset(GAITS["stand"], self.state.joint_positions, 0.0)
        walking = action.legs is None
        contacts = self.body.foot_contacts()
        targets = self.legs.step(action.velocity, action.style, self.state, contacts) if walking else action.legs
        self.body.command(targets)
        self._drive(
            NECK_JOINTS, action.neck.tolist(), NECK.max_torques, positionGains=[0.3] * 5, velocityGains=[0.8] * 5
        )
        self._drive([LOWER_JAW, UPPER_JAW], [action.opening_m / 2] * 2, [MOUTH.closing_force_n] * 2)
        self.world.step(SUBSTEPS)

    def _drive(self, joints, targets, forces, **gains) -> None:
        self.world.client.setJointMotorControlArray(
            self.body.body, joints, POSITION_CONTROL, targetPositions=targets, forces=list(forces), **gains
        )


@pytest.mark.slow
def test_a_can_is_brought_to_somebodys_feet_and_stands_there(monkeypatch):
    bare = quadruped.quadruped_urdf

    def with_neck(spec: QuadrupedSpec) -> str:
        urdf = bare(spec).replace("</robot>", f"{neck_urdf(NECK)}</robot>")
        return urdf.replace(
            '"trunk"><inertial><origin xyz="0 0 0"/>', f'"trunk"><inertial><origin xyz="{-BACK_M} 0 0"/>'
        )

    monkeypatch.setattr(quadruped, "quadruped_urdf", with_neck)
    with World(WorldConfig(solver_iterations=30)) as world:
        dog = Dog(world)
        can = world.add_body([CAN.surface.vertices], 0.2, 0.6, CAN.surface)
        world.client.changeDynamics(can, -1, rollingFriction=0.001, spinningFriction=0.01)
        world.client.changeVisualShape(can, -1, rgbaColor=(0.85, 0.2, 0.15, 1.0))
        world.place(can, (1.3, 0.4, 0.05), (0, 0, 0, 1))
        fetcher = Fetcher(MouthPlanner(), CompletionModel.load(), Walker(), CAMERA)
        fetcher.start(5.0, np.array([0.2, -1.0]))
        look, step = False, 0
        while fetcher.busy and step < 90 * 50:
            action = fetcher.step(dog.sense(step / 50, look))
            look, step = action.look, step + 1
            dog.act(action)
        position, _ = world.pose(can)
    assert fetcher.stage == "delivered", fetcher.events
    assert np.hypot(position[0] - 0.2, position[1] + 1.0) < 0.6
    assert position[2] < 0.08
    assert dog.state.upright > 0.95
