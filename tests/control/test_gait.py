from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.gait import GAITS, GaitGenerator, VelocityCommand, gait_style
from control.gait_kernel import GRAVITY, LONGEST_PUSH_S, PHASE_RATE, foot_cycle
from robots.kinematics import leg_ik
from robots.quadruped import QuadrupedSpec

SPEC = QuadrupedSpec()


def leg_fk(joints: np.ndarray) -> np.ndarray:
    """Written out anew from the URDF's geometry, so that the inverse is checked against something else."""
    feet = np.empty((4, 3))
    for leg, (abduction, thigh, calf) in enumerate(joints.reshape(4, 3)):
        x = -SPEC.thigh_m * np.sin(thigh) - SPEC.calf_m * np.sin(thigh + calf)
        z = -SPEC.thigh_m * np.cos(thigh) - SPEC.calf_m * np.cos(thigh + calf)
        y = SPEC.leg_sides[leg] * SPEC.hip_offset_m
        c, s = np.cos(abduction), np.sin(abduction)
        feet[leg] = x, c * y - s * z, s * y + c * z
    return feet


@given(
    st.lists(st.tuples(st.floats(-0.12, 0.12), st.floats(-0.06, 0.06), st.floats(-0.34, -0.18)), min_size=4, max_size=4)
)
def test_inverse_kinematics_undoes_forward_kinematics(offsets):
    feet = np.array(offsets)
    feet[:, 1] += SPEC.leg_sides * SPEC.hip_offset_m
    assert np.allclose(leg_fk(leg_ik(feet, SPEC)), feet, atol=1e-9)


def test_feet_out_of_reach_are_pulled_in_along_the_leg():
    feet = np.stack([np.zeros(4), SPEC.leg_sides * SPEC.hip_offset_m, np.full(4, -0.9)], axis=1)
    joints = leg_ik(feet, SPEC)
    assert np.isfinite(joints).all()
    assert np.allclose(leg_fk(joints)[:, 2], -(SPEC.thigh_m + SPEC.calf_m) * 0.998)


@given(st.floats(0.3, 0.9))
def test_a_foot_neither_jumps_nor_scuffs_at_touch_down(duty):
    places = [foot_cycle(phase, duty) for phase in (0.0, duty - 1e-9, duty, 1 - 1e-9)]
    assert np.allclose([along for along, _, _ in places], [0.5, -0.5, -0.5, 0.5], atol=1e-6)
    assert np.allclose([lift for _, lift, _ in places], 0.0, atol=1e-6)
    late, earlier = foot_cycle(1 - 1e-7, duty)[0], foot_cycle(1 - 2e-7, duty)[0]
    assert (late - earlier) / 1e-7 == pytest.approx(-1 / duty, rel=1e-3)


@pytest.mark.parametrize(
    ("gait", "together"),
    [("trot", [(0, 3), (1, 2)]), ("pace", [(0, 2), (1, 3)]), ("bound", [(0, 1), (2, 3)]), ("pronk", [(0, 1, 2, 3)])],
)
def test_gaits_move_the_legs_that_their_names_say(gait, together):
    phases = np.array(GAITS[gait].phases)
    for group in together:
        assert len({phases[leg] for leg in group}) == 1
    assert len(set(phases)) == len(together)


def test_a_walk_has_one_foot_in_the_air_at_most():
    generator = GaitGenerator(SPEC)
    generator.reset(GAITS["walk"])
    for _ in range(100):
        generator.step(VelocityCommand(0.3), GAITS["walk"])
        assert sum(phase >= generator.duty for phase in generator.phases) <= 1


def test_changing_the_gait_glides_along_the_shorter_arc():
    generator = GaitGenerator(SPEC)
    generator.reset(GAITS["trot"])
    offsets = [np.array(generator.memory["offsets"][0])]
    for _ in range(60):
        generator.step(VelocityCommand(0.5), GAITS["pace"])
        offsets.append(np.array(generator.memory["offsets"][0]))
    steps = np.abs(np.diff(offsets, axis=0))
    assert steps.max() <= PHASE_RATE * generator.dt_s + 1e-12
    assert np.allclose((offsets[-1] - np.array(GAITS["pace"].phases)) % 1.0 % 1.0, 0.0, atol=1e-9)


@pytest.mark.parametrize("name", list(GAITS))
def test_targets_never_jump_when_everything_changes_at_once(name):
    generator = GaitGenerator(SPEC)
    generator.reset(GAITS["stand"])
    last = None
    for index in range(200):
        style = gait_style(name) if index > 100 else gait_style("trot", height_m=0.22)
        joints = generator.step(VelocityCommand(0.5 if index > 100 else -0.3), style)
        assert last is None or np.abs(joints - last).max() < 0.45
        last = joints


def test_standing_keeps_all_feet_still():
    generator = GaitGenerator(SPEC)
    generator.reset(GAITS["stand"])
    first = generator.step(VelocityCommand(), GAITS["stand"])
    assert np.allclose(generator.step(VelocityCommand(), GAITS["stand"]), first)
    assert generator.frequency_hz == 0.0


@pytest.mark.parametrize("command", [VelocityCommand(float("nan")), VelocityCommand(0.3, float("inf"))])
def test_a_command_that_is_none_is_refused_and_leaves_no_trace(command):
    generator, other = GaitGenerator(SPEC), GaitGenerator(SPEC)
    with pytest.raises(ValueError, match="three finite numbers"):
        generator.step(command, GAITS["trot"])
    good = VelocityCommand(0.3), GAITS["trot"]
    assert np.array_equal(generator.step(*good), other.step(*good))


def test_an_unknown_gait_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'gallop'.*trot"):
        gait_style("gallop")


@pytest.mark.parametrize("name", ["walk", "trot", "pace", "bound", "pronk"])
def test_a_slow_cadence_stands_longer_instead_of_swinging_longer(name):
    style = GAITS[name]
    assert style.effective_duty == pytest.approx(style.duty, abs=0.005), "at its own cadence a gait is as written"
    slow = replace(style, frequency_hz=1.2)
    assert (1 - slow.effective_duty) / slow.frequency_hz == pytest.approx(slow.longest_swing_s)
    gait = GaitGenerator(SPEC)
    gait.reset(slow)
    assert gait.duty == slow.effective_duty


def test_a_long_stance_lands_and_pushes_off_at_its_ends_and_holds_still_between():
    style = gait_style("pronk", frequency_hz=1.2)
    gait = GaitGenerator(SPEC)
    gait.reset(style)
    heights = []
    for step in range(250):
        feet = leg_fk(gait.step(VelocityCommand(), style))
        if step > 50 and gait.phases[0] < gait.duty:
            heights.append((gait.phases[0] / style.frequency_hz, -feet[0, 2]))
    after_s, height = np.array(sorted(heights)).T
    middle = (after_s > LONGEST_PUSH_S / 2 + 0.01) & (after_s < after_s.max() - LONGEST_PUSH_S / 2 - 0.01)
    assert middle.sum() > 10
    assert np.ptp(height[middle]) < 1e-6
    assert 0.02 < style.height_m - height[middle][0] < 0.06, "it crouches a little, not as deep as the stance is long"


@pytest.mark.parametrize("name", ["pace", "bound", "pronk"])
def test_a_bounce_grows_from_that_of_a_short_stance_to_that_of_a_long_one(name):
    """The deepest crouch of a stance, over what the push-off of that bounce asks for."""

    def bounce(frequency_hz: float) -> float:
        style = gait_style(name, frequency_hz=frequency_hz)
        gait = GaitGenerator(SPEC)
        gait.reset(style)
        depth = 0.0
        for _ in range(200):
            foot = leg_fk(gait.step(VelocityCommand(), style))[0]
            if gait.phases[0] < gait.duty:
                depth = max(depth, style.height_m + foot[2])
        push_s = min(gait.duty / frequency_hz, LONGEST_PUSH_S)
        return depth / (GRAVITY / 2 * (1 - gait.duty) / frequency_hz * push_s / 4)

    style = GAITS[name]
    usual, between, slow = (bounce(hz) for hz in (style.frequency_hz, 1.8, 1.2))
    assert usual == pytest.approx(style.bounce, abs=0.05)
    assert slow == pytest.approx(style.slow_bounce, abs=0.05)
    assert usual < between < slow


def test_swinging_feet_stay_level_under_a_trunk_that_leans_and_standing_ones_come_back():
    style, roll = gait_style("trot"), 0.3
    gait = GaitGenerator(SPEC)
    gait.reset(style)
    for _ in range(15):
        feet = leg_fk(gait.step(VelocityCommand(), style, lean=(0.0, roll)))
    swinging = max(range(4), key=lambda leg: gait.phases[leg])
    assert gait.phases[swinging] > gait.duty + 0.2
    hip = SPEC.hip_positions[swinging]
    plain = GaitGenerator(SPEC)
    plain.reset(style)
    for _ in range(15):
        level = leg_fk(plain.step(VelocityCommand(), style))
    turn = np.array([[1, 0, 0], [0, np.cos(roll), -np.sin(roll)], [0, np.sin(roll), np.cos(roll)]])
    assert turn @ (feet[swinging] + hip) == pytest.approx(level[swinging] + hip, abs=0.02)
    for _ in range(200):
        feet = leg_fk(gait.step(VelocityCommand(), style))
        level = leg_fk(plain.step(VelocityCommand(), style))
    assert np.allclose(feet, level, atol=1e-3)


def test_feet_take_the_height_of_the_ground_while_they_swing():
    gait, level = GaitGenerator(SPEC), GaitGenerator(SPEC)
    style = gait_style("trot")
    gait.reset(style)
    level.reset(style)
    for _ in range(100):
        uneven = leg_fk(gait.step(VelocityCommand(), style, ground=np.array([0.06, 0.06, 0.0, 0.0])))
        flat = leg_fk(level.step(VelocityCommand(), style, ground=np.full(4, 0.01)))
        standing = [phase < gait.duty for phase in gait.phases]
    rise = (uneven - flat)[:, 2]
    assert sum(standing) >= 2
    assert np.allclose(rise[standing], np.array([0.03, 0.03, -0.03, -0.03])[standing], atol=2e-3)


def test_residuals_move_the_feet():
    residual = np.zeros(12)
    residual[3:6] = 0.02, 0.01, 0.03
    style = gait_style("stand")
    plain, moved = GaitGenerator(SPEC), GaitGenerator(SPEC)
    plain.reset(style)
    moved.reset(style)
    still = leg_fk(plain.step(VelocityCommand(), style))
    there = leg_fk(moved.step(VelocityCommand(), style, residual=residual))
    assert np.allclose((there - still).ravel(), residual, atol=1e-9)
