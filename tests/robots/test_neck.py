from __future__ import annotations

import numpy as np
import pytest

from geometry.transforms import inverse, quat_transform
from robots.neck import (
    JAWS,
    MOUTH,
    NECK_JOINTS,
    T_HEAD_CAM,
    NeckSpec,
    gaze,
    neck_fk,
    neck_jacobian,
    neck_links,
    neck_urdf,
)
from robots.quadruped import QuadrupedSpec, quadruped_urdf
from robots.world import World

SPEC = NeckSpec()
FIRST = 12  # links of the legs come before


@pytest.fixture(scope="module")
def body():
    urdf = quadruped_urdf(QuadrupedSpec()).replace("</robot>", f"{neck_urdf(SPEC)}</robot>")
    with World() as world:
        yield world.client, world.load_urdf(urdf, (0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 1.0))


def angles(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(SPEC.lower_limits, SPEC.upper_limits)


def test_bullet_has_the_links_where_the_kinematics_say(body):
    client, number = body
    rng = np.random.default_rng(0)
    for _ in range(5):
        joints = angles(rng)
        for index, angle in enumerate(joints):
            client.resetJointState(number, FIRST + index, float(angle))
        T_world_trunk = quat_transform(*client.getBasePositionAndOrientation(number))
        frames = neck_fk(joints, SPEC)
        for index in range(5):
            state = client.getLinkState(number, FIRST + index, computeForwardKinematics=True)
            np.testing.assert_allclose(
                inverse(T_world_trunk) @ quat_transform(state[4], state[5]), frames[index], atol=1e-5
            )


def test_names_masses_limits_and_torques_are_those_that_were_said(body):
    client, number = body
    found = [client.getJointInfo(number, FIRST + index) for index in range(7)]
    assert [info[12].decode() for info in found] == [*NECK_JOINTS, *JAWS]
    assert [info[8] for info in found] == pytest.approx([*SPEC.lower_limits, 0.0, 0.0])
    assert [info[9] for info in found] == pytest.approx([*SPEC.upper_limits, MOUTH.opening_m / 2, MOUTH.opening_m / 2])
    assert [info[10] for info in found] == pytest.approx([*SPEC.max_torques, MOUTH.closing_force_n] * 1 + [25.0])
    masses = [client.getDynamicsInfo(number, FIRST + index)[0] for index in range(7)]
    assert sum(masses) == pytest.approx(SPEC.mass) == pytest.approx(1.72)


def test_the_jacobian_is_the_slope_of_the_kinematics():
    rng = np.random.default_rng(1)
    for _ in range(5):
        joints, step = angles(rng), 1e-6
        frames = neck_fk(joints, SPEC)
        for index, column in enumerate(neck_jacobian(frames).T):
            moved = neck_fk(joints + step * np.eye(5)[index], SPEC)[5]
            np.testing.assert_allclose((moved - frames[5])[:3, 3] / step, column[:3], atol=1e-5)
            turned = (moved[:3, :3] - frames[5, :3, :3]) / step @ frames[5, :3, :3].T
            np.testing.assert_allclose([turned[2, 1], turned[0, 2], turned[1, 0]], column[3:], atol=1e-5)


def test_at_rest_the_head_is_level_and_before_the_breast():
    frames = neck_fk(np.array(SPEC.rest), SPEC)
    np.testing.assert_allclose(frames[4, :3, :3], np.eye(3), atol=1e-9)
    head = frames[4, :3, 3]
    assert 0.15 < head[0] < 0.3
    assert abs(head[1]) < 1e-9
    assert 0.08 < head[2] < 0.2
    np.testing.assert_allclose(frames[5, :3, 2], (1, 0, 0), atol=1e-9)  # the mouth points ahead
    np.testing.assert_allclose(frames[5, :3, 1], (0, 0, 1), atol=1e-9)  # and opens up and down


def test_rest_lies_within_the_limits():
    assert (np.array(SPEC.lower_limits) < SPEC.rest).all()
    assert (np.array(SPEC.upper_limits) > SPEC.rest).all()


def test_jaws_are_the_fingers_of_the_mouth_and_meet_when_shut():
    lower, upper = neck_links(SPEC)[5:]
    for shape in upper.shapes:
        assert shape.position[2] - shape.size[2] / 2 == pytest.approx(0.0, abs=2e-3)
    for shape in lower.shapes:
        assert shape.position[2] + shape.size[2] / 2 == pytest.approx(0.0, abs=2e-3)
    ends = [shape.position[0] + shape.size[0] / 2 for link in (lower, upper) for shape in link.shapes]
    assert max(ends) == pytest.approx(MOUTH.mount_m)


@pytest.mark.parametrize("point", [(0.6, 0.0, -0.3), (0.45, 0.1, -0.28), (2.0, -0.5, 0.5), (0.4, -0.1, -0.3)])
def test_the_camera_looks_at_what_is_gazed_at(point):
    joints = gaze(np.array(point), SPEC)
    T_trunk_cam = neck_fk(joints, SPEC)[4] @ T_HEAD_CAM
    local = inverse(T_trunk_cam)[:3] @ (*point, 1.0)
    assert local[2] > 0.1
    assert np.abs(local[:2]).max() / local[2] < 0.02


def test_what_is_behind_the_dog_is_looked_at_as_far_as_the_neck_turns():
    joints = gaze(np.array([-1.0, 0.3, 0.0]), SPEC)
    assert joints[0] == pytest.approx(SPEC.upper_limits[0])
    assert (joints >= SPEC.lower_limits).all()
