from __future__ import annotations

import numpy as np
import pytest

from envs.locomotion.commands import Order
from envs.locomotion.env import LocomotionConfig, LocomotionEnv
from envs.locomotion.randomization import NONE
from robots.balance import CatchStep
from robots.estimator import ImuError, VelocityEstimator, leg_feet
from robots.gait import GAITS, VelocityCommand, gait_style, leg_ik
from robots.quadruped import QuadrupedSpec

SPEC = QuadrupedSpec()


def test_forward_kinematics_undo_the_inverse():
    feet = np.array([[0.05, -0.1, -0.25], [-0.03, 0.08, -0.3], [0.0, -0.06, -0.28], [0.1, 0.09, -0.22]])
    found = np.array(leg_feet(leg_ik(feet, SPEC).ravel().tolist(), SPEC)).reshape(4, 3)
    assert np.allclose(found, feet + SPEC.hip_positions, atol=1e-9)


def errors(gait: str, speed: float, error: ImuError, push: tuple[float, float] | None = None) -> np.ndarray:
    """(n, 2) m/s: estimate minus truth over a walk, the first second left out."""
    env = LocomotionEnv(LocomotionConfig(randomization=NONE))
    env.reset(seed=0, options={"order": Order(VelocityCommand(speed), gait_style(gait))})
    estimator, rng, found = VelocityEstimator(SPEC), np.random.default_rng(0), []
    for index in range(200):
        env.step(np.zeros(12))
        if push is not None and index == 100:
            env.robot.push((*push, 0.0))
            env.state = env.robot.read()
        estimator.update(env.state, env.contacts, error, float(rng.standard_normal()))
        found.append(np.subtract(estimator.velocity, env.state.heading_velocity))
    env.close()
    return np.array(found[50:])


@pytest.mark.parametrize(("gait", "speed"), [("trot", 0.5), ("trot", -0.4), ("walk", 0.3), ("pronk", 0.2)])
def test_the_estimate_follows_a_walk(gait, speed):
    found = errors(gait, speed, ImuError((0.1, -0.1), 0.3))
    assert np.abs(found.mean(axis=0)).max() < 0.08
    assert found.std(axis=0).max() < 0.12


def test_a_shove_is_felt_at_once():
    found = errors("trot", 0.3, ImuError(), push=(0.0, 0.8))
    assert np.abs(found[50:54, 1]).max() < 0.15, "the accelerometer must feel it before the legs do"


def test_a_wrong_accelerometer_is_held_by_the_legs():
    right, wrong = errors("trot", 0.4, ImuError()), errors("trot", 0.4, ImuError((0.5, 0.0)))
    drift = (wrong - right).mean(axis=0)
    assert 0.02 < drift[0] < 0.5 * 0.02 / VelocityEstimator.gain * 1.5, "integrated alone it would be 1 m/s by now"


def test_small_errors_are_left_alone_and_shoves_are_caught_for_a_while():
    balance = CatchStep(0.02)
    assert balance.update(0.3, 0.2) == (0.0, 0.0)
    forward, left = balance.update(0.6, 0.0)
    assert forward == pytest.approx(0.45)
    assert left == 0.0
    assert balance.catching
    caught = [balance.update(0.2, 0.0)[0] for _ in range(60)]
    assert caught[0] > 0
    assert caught[-1] == 0.0, "after a while the gait is left alone"
    assert GAITS["stand"].stepping is False
