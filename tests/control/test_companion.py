from __future__ import annotations

import numpy as np
import pytest

from control.companion import CompanionDog
from control.dog import SUBSTEPS
from control.gait import GAITS, VelocityCommand
from policies.locomotion.actor import load_policy
from policies.locomotion.controller import LearnedLegs
from robots.neck import NeckSpec
from robots.world import World, WorldConfig

ACTOR, REST, STILL = load_policy("default"), np.array(NeckSpec().rest), VelocityCommand()


@pytest.fixture
def dog():
    with World(WorldConfig(solver_iterations=30)) as world:
        yield CompanionDog(world, lambda spec: LearnedLegs(ACTOR, spec))


def walk(dog: CompanionDog, seconds: float, velocity: VelocityCommand = STILL) -> np.ndarray:
    """Walk or stand; returns where the trunk was at every step, (n, 3) m."""
    found = []
    for _ in range(round(50 * seconds)):
        state = dog.read()
        found.append(state.T_world_trunk[:3, 3])
        dog.walk(velocity, GAITS["trot"] if any(velocity) else GAITS["stand"], state)
        dog.hold(REST, 0.0)
        dog.world.step(SUBSTEPS)
    return np.array(found)


def test_who_stands_stays_and_walks_on_when_told(dog):
    walk(dog, 2.0)
    stood = walk(dog, 6.0)
    assert np.abs(stood[-1] - stood[0]).max() < 5e-3
    walked = walk(dog, 3.0, VelocityCommand(0.4))
    assert 0.7 < walked[-1, 0] - walked[0, 0] < 1.4
    walk(dog, 2.0)
    stood = walk(dog, 3.0)
    assert np.abs(stood[-1] - stood[0]).max() < 5e-3


def test_who_is_shoved_while_standing_balances(dog):
    walk(dog, 3.0)
    dog.body.push((0.0, 0.7, 0.0))
    walk(dog, 3.0)
    assert dog.read().legs.upright > 0.95


def test_planted_legs_are_told_where_to_stand_and_walk_afterwards(dog):
    walk(dog, 1.0)
    joints = dog.read().legs.joint_positions
    low = joints + np.tile([0.0, 0.25, -0.5], 4)
    for share in np.linspace(0, 1, 50):
        dog.stand((1 - share) * joints + share * low)
        dog.hold(REST, 0.0)
        dog.world.step(SUBSTEPS)
    assert dog.read().T_world_trunk[2, 3] < 0.29
    walked = walk(dog, 3.0, VelocityCommand(0.4))
    assert walked[-1, 0] - walked[0, 0] > 0.6 and dog.read().legs.upright > 0.95
