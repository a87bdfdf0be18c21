from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control.dog import SUBSTEPS, Dog
from control.gait import GAITS, VelocityCommand
from control.style import DEFAULT_STYLES, STYLE_GAITS, STYLE_LIMITS, STYLE_NAMES, ExpressiveStyle, StyleModulator
from robots.world import World

EVEN = ExpressiveStyle()
FORWARD = VelocityCommand(vx=0.3)


def run(style: ExpressiveStyle, seed: int = 0, command: VelocityCommand = FORWARD, gait: str = "trot") -> list:
    modulator, stepped = StyleModulator(style, np.random.default_rng(seed)), style.gait(gait)
    return [modulator.step(command, stepped, 0.02 * index) for index in range(200)]


def test_a_style_and_its_vector_are_one_thing(rng):
    for vector in (np.zeros(12), np.ones(12), *rng.random((20, 12))):
        assert np.allclose(ExpressiveStyle.from_vector(vector).vector(), vector, atol=1e-9)
    assert list(STYLE_LIMITS) == list(STYLE_NAMES)


@pytest.mark.parametrize("bad", [np.zeros(11), np.full(12, np.nan), np.full(12, 1.1), np.full(12, -0.1)])
def test_a_vector_that_is_no_style_is_refused(bad):
    with pytest.raises(ValueError, match="style"):
        ExpressiveStyle.from_vector(bad)


@pytest.mark.parametrize("name", STYLE_NAMES)
@pytest.mark.parametrize("value", [-9.0, 9.0, float("nan")])
def test_a_value_outside_its_limits_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        replace(EVEN, **{name: value})


@pytest.mark.parametrize("gait", STYLE_GAITS)
def test_a_style_steps_in_any_gait_and_keeps_what_makes_it_that_gait(gait):
    style = DEFAULT_STYLES["happy"].gait(gait)
    assert style.phases == GAITS[gait].phases
    assert style.frequency_hz == DEFAULT_STYLES["happy"].cadence_hz
    assert style.pitch_rad == DEFAULT_STYLES["happy"].body_pitch_rad


def test_an_even_style_changes_nothing():
    assert all(step == (FORWARD, EVEN.gait("trot")) for step in run(EVEN))


def test_the_same_seed_gives_the_same_movement_and_another_gives_another():
    style = replace(EVEN, wiggle_rad=0.05, smoothness=0.2, regularity=0.2)
    assert run(style) == run(style)
    assert run(style) != run(style, seed=1)


def test_wiggle_rolls_to_both_sides_as_often_as_it_says_and_turns_with_it():
    style = replace(EVEN, wiggle_rad=0.08, wiggle_hz=1.0)
    rolls = np.array([gait.roll_rad for _, gait in run(style)])
    turns = np.array([command.wz for command, _ in run(style)])
    assert np.isclose(rolls.max(), -rolls.min(), atol=0.01)
    assert rolls.max() > 0.08  # told larger, since the gait eases it
    assert np.count_nonzero(np.diff(np.sign(turns))) in (7, 8)  # two for each of four periods, one may be at the end
    assert abs(turns.mean()) < 0.02


def test_starts_and_stops_keep_the_mean_speed_and_stay_within_the_stride():
    speeds = np.array([command.vx for command, _ in run(replace(EVEN, smoothness=0.0))])
    assert speeds.std() > 0.1
    assert speeds.mean() == pytest.approx(0.3, abs=0.05)
    fast = [
        command.vx for command, _ in run(replace(EVEN, smoothness=0.0, cadence_hz=1.9), command=VelocityCommand(0.5))
    ]
    assert max(fast) < 0.72


def test_irregular_timing_changes_the_cadence_and_nothing_else():
    steps = run(replace(EVEN, regularity=0.0))
    rates = np.array([gait.frequency_hz for _, gait in steps])
    assert rates.std() > 0.2
    assert {command for command, _ in steps} == {FORWARD}  # slow enough for legs that tarry
    assert all(replace(gait, frequency_hz=EVEN.cadence_hz) == EVEN.gait("trot") for _, gait in steps)


def test_who_stands_is_not_made_to_walk():
    lively = replace(EVEN, wiggle_rad=0.1, smoothness=0.0)
    assert {command for command, _ in run(lively, command=VelocityCommand())} == {VelocityCommand()}


def test_few_distinct_styles_come_out_so_that_the_gait_need_not_work_each_out():
    wagging = replace(EVEN, wiggle_rad=0.1, wiggle_hz=1.3)
    assert len({gait for _, gait in run(wagging)}) < 70


@pytest.mark.parametrize("seed", range(6))
def test_the_dog_keeps_its_feet_in_the_corners_of_the_box(seed):
    rng = np.random.default_rng(seed)
    style = ExpressiveStyle.from_vector(rng.integers(0, 2, 12).astype(float))
    modulator, gait = StyleModulator(style, rng), style.gait(STYLE_GAITS[seed % 2])
    with World() as world:
        dog = Dog(world, rng)
        dog.reset(clock=rng.random())
        for index in range(150):
            state = dog.body.read()
            dog.control(*modulator.step(VelocityCommand(style.speed_m_s), gait, 0.02 * index), state)
            world.step(SUBSTEPS)
        assert state.upright > 0.85
        assert state.position[0] > 0.5 * style.speed_m_s * 2.5
