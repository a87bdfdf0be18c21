from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from control.dog import standing_joints
from control.gait import GAITS
from robots.companion import BACK_M, Companion, companion_links, companion_spec, companion_urdf
from robots.neck import NECK_JOINTS, NeckSpec, neck_fk
from robots.quadruped import QuadrupedSpec
from robots.world import World

NECK = NeckSpec()


@pytest.fixture
def body():
    with World() as world:
        made = Companion(world)
        made.reset((0.4, -0.2, 0.34), 0.7, standing_joints(GAITS["stand"], made.spec))
        yield made


def settle(body: Companion, steps: int = 300) -> None:
    for _ in range(steps):
        body.world.step()


def feet(body: Companion) -> np.ndarray:
    """Where the feet are: (4, 2) m."""
    poses = body.link_poses()[[3, 6, 9, 12]]
    down = Rotation.from_quat(poses[:, 3:]).apply((0.0, 0.0, -body.spec.calf_m))
    return (poses[:, :3] + down)[:, :2]


def test_it_weighs_what_the_dog_without_a_neck_weighs_and_its_trunk_leans_back(body):
    client = body.world.client
    mass = sum(client.getDynamicsInfo(body.body, link)[0] for link in range(-1, 19))
    assert mass == pytest.approx(QuadrupedSpec().mass, abs=1e-6)
    assert companion_spec(NECK).trunk_mass == pytest.approx(QuadrupedSpec().trunk_mass - NECK.mass)
    assert f'<origin xyz="{-BACK_M} 0 0"/>' in companion_urdf(body.spec, NECK)
    centre = np.array(client.getBasePositionAndOrientation(body.body)[0])
    trunk = body.read_all().T_world_trunk[:3, 3]
    assert trunk == pytest.approx((0.4, -0.2, 0.34), abs=1e-9)
    assert np.linalg.norm(trunk - centre) == pytest.approx(BACK_M)


def test_its_head_is_where_the_kinematics_say_and_follows_what_it_is_told(body):
    settle(body)
    target = np.array([0.4, -1.2, 1.4, 0.3, -0.5])
    body.command_head(target, 0.05)
    settle(body)
    state = body.read_all()
    assert state.neck == pytest.approx(target, abs=0.05)
    assert state.opening_m == pytest.approx(0.05, abs=2e-3)
    pose = body.world.client.getLinkState(body.body, 16, computeForwardKinematics=True)
    assert state.head_frame[:3, 3] == pytest.approx(pose[4], abs=1e-5)
    assert state.head_frame == pytest.approx(state.T_world_trunk @ neck_fk(state.neck, NECK)[4])
    eye = state.camera_frame
    assert eye[2, 3] > 0.3 and np.linalg.det(eye[:3, :3]) == pytest.approx(1.0)


def test_poses_are_those_of_the_links_that_one_sees(body):
    settle(body, 50)
    links, poses = companion_links(body.spec, NECK), body.link_poses()
    assert len(links) == len(poses) == 20
    names = [body.world.client.getJointInfo(body.body, joint)[12].decode() for joint in range(19)]
    assert [link.name for link in links[1:]] == names
    assert tuple(names[12:17]) == NECK_JOINTS
    assert poses[0, :3] == pytest.approx(body.read_all().T_world_trunk[:3, 3], abs=1e-9)


def test_jaws_hold_as_hard_as_they_can_and_no_harder(body):
    settle(body)
    force = body.mouth.closing_force_n
    body.command_head(np.array(NECK.rest), 0.0)
    torques = [body.world.client.getJointState(body.body, jaw)[3] for jaw in (17, 18)]
    assert np.abs(torques).max() <= force + 1e-6


def test_feet_that_are_planted_do_not_creep(body):
    moved = []
    for planted in (False, True):
        body.plant(planted)
        settle(body, 250)
        before = feet(body)
        settle(body, 375)
        moved.append(float(np.abs(feet(body) - before).max()))
    assert moved[1] < 2e-4 < 1e-3 < moved[0]


@pytest.mark.parametrize(("neck", "opening"), [((np.nan,) * 5, 0.0), ((0.0,) * 5, np.inf)])
def test_targets_that_are_no_numbers_are_refused(body, neck, opening):
    with pytest.raises(ValueError, match="finite"):
        body.command_head(np.array(neck), opening)
