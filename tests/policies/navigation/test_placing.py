from __future__ import annotations

import numpy as np
import pytest

from policies.navigation.placing import Placed, Placer, PlacingConfig


def step_to(place, yaw_wanted, slip=0.85, start=(0.0, 0.0), yaw=0.0, seconds=20.0) -> tuple[Placed, np.ndarray, float]:
    """Step as a body that does a share of what it is told, a little late, and runs on when told to stop."""
    placer = Placer()
    placer.go_to(np.array(place), yaw_wanted)
    position, speed, dt = np.array(start, float), np.zeros(3), 0.02
    for step in range(round(seconds / dt)):
        placed = placer.step(position, yaw, step * dt)
        if placed.there or placed.late:
            break
        speed += (slip * np.array(placed.command) - speed) * dt / 0.12
        c, s = np.cos(yaw), np.sin(yaw)
        position = position + dt * np.array([[c, -s], [s, c]]) @ speed[:2]
        yaw += dt * speed[2]
    return placed, position, yaw


@pytest.mark.parametrize(
    ("place", "yaw"), [((0.5, 0.0), 0.0), ((-0.1, 0.0), 0.0), ((0.0, 0.1), 0.0), ((0.2, -0.1), 0.5), ((0.0, 0.0), -1.0)]
)
def test_it_comes_to_rest_where_it_should(place, yaw):
    placed, position, heading = step_to(place, yaw)
    assert placed.there
    assert np.hypot(*(position - place)) <= PlacingConfig().near_m
    assert abs(heading - yaw) <= PlacingConfig().near_rad


def test_who_stands_there_already_waits_to_be_still_and_is_there():
    placer = Placer()
    placer.go_to(np.zeros(2), 0.0)
    early, later = placer.step(np.zeros(2), 0.0, 0.0), placer.step(np.zeros(2), 0.0, 1.0)
    assert not early.there
    assert later.there
    assert later.command == (0.0, 0.0, 0.0)


def test_who_never_comes_there_is_late_and_stops():
    placer = Placer()
    placer.go_to(np.array([1.0, 0.0]), 0.0)
    outcomes = [placer.step(np.zeros(2), 0.0, 0.1 * step) for step in range(200)]
    assert outcomes[0].command.vx > 0.0
    assert any(outcome.late for outcome in outcomes)
    assert not any(outcome.there for outcome in outcomes)


def test_speeds_are_bounded():
    placer = Placer()
    placer.go_to(np.array([5.0, 5.0]), 3.0)
    command = placer.step(np.zeros(2), 0.0, 0.0).command
    config = PlacingConfig()
    assert (command.vx, command.vy, command.wz) == (config.most_m_s, config.most_sideways_m_s, config.most_rad_s)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="positive"):
        PlacingConfig(near_m=0.0)
