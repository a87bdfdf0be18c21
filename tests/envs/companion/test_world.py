from __future__ import annotations

import numpy as np
import pytest

from control.gait import GAITS, VelocityCommand
from control.whole_body import BodyAction
from envs.companion.room import RoomConfig, furnish
from envs.companion.stage import Thing
from envs.companion.world import SAMPLES_PER_STEP, CompanionWorld
from perception.sound.array import MicArray
from perception.sound.doa import DoaStream
from policies.locomotion.actor import load_policy
from policies.locomotion.controller import LearnedLegs
from robots.neck import NeckSpec
from tests.envs.companion.test_stage import MODEL

ACTOR = load_policy("default")
REST = np.array(NeckSpec().rest)


def world_of(ground: str = "flat", seed: int = 1, things: tuple[Thing, ...] = (), **room: object) -> CompanionWorld:
    drawn = furnish(RoomConfig(ground=ground, **room), np.random.default_rng(seed))
    return CompanionWorld(drawn, things, legs=lambda spec: LearnedLegs(ACTOR, spec), seed=seed)


def walk(world: CompanionWorld, command: VelocityCommand, seconds: float) -> None:
    for _ in range(round(50 * seconds)):
        world.act(BodyAction(command, GAITS["trot"] if any(command) else GAITS["stand"], REST, 0.0))


def test_the_dog_walks_in_the_room_and_knows_about_where_it_is():
    with world_of(pieces=()) as world:
        begun = world.state.T_world_trunk[:2, 3]
        assert begun == pytest.approx(world.room.dog[:2])
        walk(world, VelocityCommand(0.4, 0.0, 0.5), 8.0)
        place = world.state.T_world_trunk[:2, 3]
        assert world.time_s == pytest.approx(8.0)
        assert np.hypot(*(place - begun)) > 0.3 and not world.fallen
        assert np.hypot(*(world.odometry.place - place)) < 0.25
        turned = np.cos(world.odometry.yaw - world.state.legs.yaw)
        assert turned > 0.99


@pytest.mark.parametrize("ground", ["patches", "step", "rough"])
def test_the_dog_walks_on_any_ground_of_a_room(ground):
    with world_of(ground, seed=4, pieces=()) as world:
        for _ in range(3):
            walk(world, VelocityCommand(0.3, 0.0, 0.4), 2.0)
            assert not world.fallen
        assert world.state.legs.upright > 0.9


def test_the_dog_begins_above_lumps_under_its_feet_and_not_in_them():
    drawn = furnish(RoomConfig(ground="patches", apart_m=(2.5, 5.0)), np.random.default_rng((3000, 3)))
    begun = np.array(drawn.dog[:2])
    assert drawn.highest(begun) > drawn.height(begun) + 0.03  # a lump lies beside its middle
    with CompanionWorld(drawn, legs=lambda spec: LearnedLegs(ACTOR, spec), seed=0) as world:
        for _ in range(40):
            walk(world, VelocityCommand(), 0.02)
            assert world.state.legs.upright > 0.95
        assert np.hypot(*(world.state.T_world_trunk[:2, 3] - begun)) < 0.1


def test_the_camera_sees_the_thing_and_the_microphones_hear_where_somebody_speaks():
    drawn = furnish(RoomConfig(pieces=()), np.random.default_rng(1))
    x, y, yaw = drawn.dog
    ahead = (x + 0.9 * np.cos(yaw), y + 0.9 * np.sin(yaw))
    with world_of(things=(Thing(MODEL, ahead, color="#ff0000"),), pieces=()) as world:
        walk(world, VelocityCommand(), 1.0)
        red = world.look().picture.astype(int)
        assert ((red[..., 0] > 120) & (red[..., 1] < 60)).sum() > 50
        rng, doa, heard = np.random.default_rng(0), DoaStream(MicArray()), []
        mouth = world.stage.person.mouth
        for step in range(60):
            speaks = 0.3 * rng.standard_normal(SAMPLES_PER_STEP) * (1 + np.sin(step))
            mics = world.hear({"person": (speaks, mouth)})
            assert mics.shape == (4, SAMPLES_PER_STEP)
            walk(world, VelocityCommand(), 0.02)
            heard += doa.push(mics.clip(-1, 1))
        head = world.state.head_frame
        true = np.arctan2(*(mouth - head[:3, 3])[1::-1]) - np.arctan2(head[1, 0], head[0, 0])
        found = [d.azimuth_rad for d in heard if d.heard and d.confidence > 0.6]
        assert found and np.abs(np.angle(np.exp(1j * (np.array(found[-3:]) - true)))).max() < np.radians(12)


def test_nothing_is_heard_where_nobody_speaks_and_the_world_can_be_closed_twice():
    world = world_of(pieces=())
    assert np.abs(world.hear({})).max() < 1e-2
    world.close()
    world.close()
