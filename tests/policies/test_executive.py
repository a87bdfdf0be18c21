"""The dog in a room with somebody: it goes to where a voice comes from, round what stands, and keeps its distance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control.gait import GAITS, VelocityCommand
from envs.companion.room import RoomConfig, furnish
from envs.companion.world import CompanionWorld
from perception.completion.model import CompletionModel
from policies.attention import Attention
from policies.behaviour import Behaviour, default_table
from policies.executive import Executive, ExecutiveConfig
from policies.fetching.fetch import Fetcher
from policies.fetching.mouth_plan import MouthPlanner
from policies.locomotion.actor import load_policy
from policies.locomotion.controller import LearnedLegs
from policies.navigation.walking import Walker

ACTOR, TABLE = load_policy("default"), default_table()


class Room:
    """A room, the dog's own mind in it, and a voice that speaks from where the person is."""

    def __init__(self, seed: int, **config: object) -> None:
        drawn = furnish(RoomConfig(**config), np.random.default_rng(seed))
        self.world = CompanionWorld(drawn, legs=lambda spec: LearnedLegs(ACTOR, spec), seed=seed)
        walker = Walker()
        fetcher = Fetcher(MouthPlanner(), CompletionModel.load(), walker, self.world.camera.camera)
        self.mind = Executive(fetcher, walker)
        self.look, self.most_speed_near = False, 0.0

    def azimuth(self) -> float:
        head = self.world.state.head_frame[:2, 3]
        x, y = self.world.stage.person.mouth[:2] - head
        return float(np.arctan2(y, x))

    def run(self, behaviour: Behaviour, seconds: float, speaks: bool = False, **by_hand: object) -> None:
        for _ in range(round(50 * seconds)):
            now = self.world.time_s
            heard = Attention(self.azimuth(), True, now) if speaks else Attention()
            action = self.mind.step(self.world.sense(self.look), behaviour, heard, **by_hand)
            self.look = action.look
            self.world.act(action)
            if self.gap() < 0.9:
                self.most_speed_near = max(self.most_speed_near, float(np.hypot(*action.velocity[:2])))
        assert not self.world.fallen

    def gap(self) -> float:
        return float(np.hypot(*(self.world.person - self.world.state.T_world_trunk[:2, 3])))

    def bearing(self) -> float:
        away = self.azimuth() - self.world.state.legs.yaw
        return float(np.degrees(abs(np.arctan2(np.sin(away), np.cos(away)))))


@pytest.mark.slow
def test_it_goes_to_who_speaks_round_furniture_and_keeps_its_distance():
    room = Room(5, apart_m=(3.5, 5.0))
    approach = TABLE.beats["follow"][-1]
    room.run(approach, 4.0, speaks=True)
    room.run(approach, 22.0)
    assert room.mind.person is not None
    assert np.hypot(*(room.mind.person - room.world.person)) < 0.5
    assert abs(room.gap() - approach.distance_m) < 0.35 and room.bearing() < 12.0


@pytest.mark.slow
def test_it_backs_off_no_further_than_there_is_room_and_never_hurries_near_somebody():
    room = Room(2, side_m=5.0, pieces=(), apart_m=(1.2, 2.0))
    room.run(TABLE.beats["follow"][-1], 4.0, speaks=True)
    before = room.gap()
    room.run(TABLE.beats["give_space"][-1], 8.0)
    assert room.gap() > before
    place = np.abs(room.world.state.T_world_trunk[:2, 3]).max()
    assert place < 2.5 - 0.25, "not into the wall"
    wild = replace(TABLE.beats["play"][-1], goal="approach", distance_m=0.6, speed=1.2)
    room.run(wild, 8.0)
    assert room.most_speed_near <= ExecutiveConfig().near_person_m_s + 1e-9


def test_who_drives_by_hand_drives_and_nobody_is_gone_to_who_was_never_met():
    room = Room(1, pieces=())
    start = room.world.state.T_world_trunk[:2, 3]
    room.run(TABLE.beats["comfort"][-1], 1.0)
    assert room.mind.person is None and np.hypot(*(room.world.state.T_world_trunk[:2, 3] - start)) < 0.05
    room.run(TABLE.beats["idle"][-1], 1.5, by_hand=("trot", VelocityCommand(0.4)))
    assert np.hypot(*(room.world.state.T_world_trunk[:2, 3] - start)) > 0.2
    assert GAITS["trot"].stepping
