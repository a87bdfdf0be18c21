from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control.balance import CatchStep
from control.command import GaitCommand
from control.gait import GAITS, VelocityCommand, gait_style
from control.velocity_estimator import ImuError, VelocityEstimator
from envs.locomotion.env import LocomotionConfig, LocomotionEnv
from envs.locomotion.randomization import NONE
from robots.kinematics import leg_fk, leg_ik
from robots.quadruped import QuadrupedSpec

SPEC = QuadrupedSpec()


def test_forward_kinematics_undo_the_inverse():
    feet = np.array([[0.05, -0.1, -0.25], [-0.03, 0.08, -0.3], [0.0, -0.06, -0.28], [0.1, 0.09, -0.22]])
    found = leg_fk(leg_ik(feet, SPEC).ravel(), SPEC)
    assert np.allclose(found, feet + SPEC.hip_positions, atol=1e-9)


def errors(
    gait: str, speed: float, error: ImuError, push: tuple[float, float] | None = None, latency: int = 0
) -> np.ndarray:
    """(n, 2) m/s: estimate minus truth over a walk, the first second left out."""
    env = LocomotionEnv(LocomotionConfig(randomization=replace(NONE, latency_substeps=(latency, latency))))
    env.reset(seed=0, options={"command": GaitCommand(VelocityCommand(speed), gait_style(gait))})
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
    assert np.abs(found.mean(axis=0)).max() < (0.12 if gait == "pronk" else 0.06), (
        "feet that slip make it read too fast"
    )
    assert found.std(axis=0).max() < 0.12


def test_how_late_the_motors_are_does_not_show_in_the_estimate():
    bias = [errors("trot", 0.8, ImuError(), latency=latency)[:, 0].mean() for latency in (0, 2, 5)]
    assert np.ptp(bias) < 0.05, "with the turn rate at the moment of the reading it is 0.15 m/s"
    assert np.abs(bias).max() < 0.06


def test_a_shove_is_felt_at_once():
    found = errors("trot", 0.3, ImuError(), push=(0.0, 0.8))
    assert np.abs(found[50:54, 1]).max() < 0.15, "the accelerometer must feel it before the legs do"


def test_a_wrong_accelerometer_is_held_by_the_legs():
    right, wrong = errors("trot", 0.4, ImuError()), errors("trot", 0.4, ImuError((0.5, 0.0)))
    drift = (wrong - right).mean(axis=0)
    assert 0.02 < drift[0] < 0.5 * 0.02 / VelocityEstimator.gain * 1.5, "integrated alone it would be 1 m/s by now"


def test_small_errors_are_left_alone_and_stumbles_are_caught_for_a_while():
    balance, style = CatchStep(0.02), GAITS["stand"]
    assert balance.react(style, (0.3, 0.2)) == (style, (0.0, 0.0), (0.0, 0.0))
    reaction = balance.react(style, (0.6, 0.0))
    assert reaction.velocity_error == pytest.approx((0.45, 0.0))
    assert reaction.style.stepping, "who stands must step to catch itself"
    assert not balance.shoved, "0.3 m/s more than a moment ago is a gait's own sway"
    caught = [balance.react(style, (0.2, 0.0)).velocity_error[0] for _ in range(60)]
    assert caught[0] > 0
    assert caught[-1] == 0.0, "after a while the gait is left alone"


@pytest.mark.parametrize(
    ("error", "gravity"), [((0.1, 0.9), (0.0, 0.0, -1.0)), ((0.0, 0.0), (0.0, -np.sin(0.4), -np.cos(0.4)))]
)
def test_who_is_shoved_or_leans_trots_and_keeps_the_swinging_feet_level(error, gravity):
    balance, style = CatchStep(0.02), replace(GAITS["pace"], height_m=0.26)
    balance.react(style, (0.0, 0.0))
    reaction = balance.react(style, error, gravity)
    assert reaction.style.phases == GAITS["trot"].phases
    assert reaction.style.height_m == 0.26
    assert reaction.lean == pytest.approx((0.0, np.arctan2(-gravity[1], -gravity[2])))
    later = [balance.react(style, (0.0, 0.0)) for _ in range(60)]
    assert later[0].style != style
    assert later[-1] == (style, (0.0, 0.0), (0.0, 0.0))


def test_sway_that_grows_slowly_is_no_shove():
    balance, style = CatchStep(0.02), GAITS["pace"]
    for step in range(20):
        reaction = balance.react(style, (0.0, 0.05 * step))
        assert reaction.style.phases == style.phases
