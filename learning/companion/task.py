"""The mind that is shipped, as `Empaw/Companion-v0` wants it, and the environment with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from control.companion import SureLegs
from control.whole_body import BodyAction, BodySensing
from envs.companion.env import CompanionConfig, CompanionEnv, Known
from envs.companion.scenario import COLOURS
from envs.companion.world import CompanionWorld
from geometry.objects import load_objects
from perception.completion.model import CompletionModel
from perception.sound.array import HeadPose, MicArray
from perception.sound.doa import DoaStream
from policies.attention import Attention, Listener
from policies.behaviour import BehaviourTable, default_table
from policies.executive import Executive
from policies.fetching.fetch import Fetcher
from policies.fetching.mouth_plan import MouthPlanner
from policies.locomotion.controller import learned_legs
from policies.navigation.walking import Walker
from robots.quadruped import QuadrupedSpec

FETCH = "fetch"


class ShippedMind:
    """Behaviours of a table and `fetch`, done by the shipped executive: see `envs.companion.env.Mind`."""

    def __init__(self, table: BehaviourTable | None = None) -> None:
        self._table = table or default_table()
        self.behaviours = tuple(dict.fromkeys((*self._table.beats, FETCH)))
        self.legs: Callable[[QuadrupedSpec], SureLegs] = learned_legs("default")
        self._completion, self._planner = CompletionModel.load(), MouthPlanner()

    def reset(self, world: CompanionWorld) -> None:
        """Know nothing of the room but the camera that one has."""
        walker = Walker()
        self._fetcher = Fetcher(self._planner, self._completion, walker, world.camera.camera)
        self._executive = Executive(self._fetcher, walker)
        self._listener, self._doa = Listener(), DoaStream(MicArray())
        self._attention, self._now_s, self._started = Attention(), 0.0, False
        self._name, self._shown, self._since_s = "idle", "idle", 0.0
        self._place, self._for_somebody = world.odometry.place, False

    def choose(self, behaviour: str) -> None:
        """Do this from now on, or once what it fetches is fetched.

        What is fetched is brought to whom it met, or to where it was told to. It tries again when told again, unless it
        has brought it to somebody already.
        """
        if behaviour != FETCH:
            self._name = behaviour
        elif not self._fetcher.busy and not self._delivered:
            person = self._executive.person
            self._fetcher.start(COLOURS["red"], self._place if person is None else person)
            self._started = True

    def hear(self, mics: np.ndarray, speech: float, head: tuple[float, float, float]) -> None:
        """Hear 20 ms: (4, 320) at 16 kHz, the probability of speech, and where the head is believed to be."""
        self._attention = self._listener.step(self._doa.push(mics, HeadPose(*head)), speech, self._now_s)

    def act(self, sensing: BodySensing) -> BodyAction:
        """Return what the body does in the next 20 ms."""
        self._now_s, self._place = sensing.time_s, sensing.position
        if self._showing != self._shown:
            self._shown, self._since_s = self._showing, sensing.time_s
        if self._fetcher.busy:
            self._for_somebody = self._executive.person is not None
        beat = self._table.beat(self._name, sensing.time_s - self._since_s)
        return self._executive.step(sensing, beat, self._attention)

    @property
    def _showing(self) -> str:
        return FETCH if self._fetcher.busy else self._name

    @property
    def _delivered(self) -> bool:
        return self._started and self._for_somebody and self._fetcher.stage == "delivered"

    @property
    def known(self) -> Known:
        """What it knows now."""
        return Known(
            self._executive.person,
            self._attention.azimuth_rad,
            self._showing,
            self._fetcher.busy,
            self._delivered,
        )


def make(config: CompanionConfig | None = None, objects: str = "household/test", **options: Any) -> CompanionEnv:
    """Make the environment with the shipped mind; `gymnasium.make("Empaw/Companion-v0")` calls this.

    Args:
        config: of the task.
        objects: a set, of which one lies on the floor in each episode.
        options: as `CompanionEnv` takes them.

    Raises:
        ValueError: no such set, or an option out of range.
    """
    return CompanionEnv(ShippedMind(), tuple(load_objects(objects).objects), config, **options)
