"""The dog in its world: physics, legs, and the face, ears and tail on top."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from apps.config import SessionConfig
from apps.decision import Decision
from apps.timeline import Telemetry
from control.dog import CONTROL_HZ, Dog, Legs, Scenery, has_fallen
from policies.behaviour import Behaviour
from policies.navigation.steering import bearing_to
from robots.expression import POSTURES
from robots.face import FACES, FaceParameters
from robots.quadruped import QuadrupedSpec
from robots.shapes import Link
from robots.world import World, WorldConfig


class Body:
    """World, dog and expression; a dog that lies gets up by itself.

    The seed is where the dog happens to stand, which way it looks, and which foot is next.

    Raises:
        RuntimeError: a window without a display.
    """

    def __init__(self, config: SessionConfig, legs: Callable[[QuadrupedSpec], Legs]) -> None:
        self._config, self.person = config, np.array(config.person)
        self.world = World(WorldConfig(window=config.window))
        self.dog = Dog(self.world, np.random.default_rng(config.seed), legs=legs)
        self._scenery: Scenery | None = None
        self.reset()

    def reset(self) -> None:
        """Put the dog at its start."""
        self._rng = np.random.default_rng(self._config.seed)
        self._lying_s = 0.0
        place = self._rng.normal(0, 0.08, 2)
        self.dog.expression.reset(self._rng)
        self.dog.reset((float(place[0]), float(place[1])), float(self._rng.normal(0, 0.15)), float(self._rng.random()))
        self.state = self.dog.body.read()

    @property
    def fallen(self) -> bool:
        """Whether the dog lies on the ground."""
        return has_fallen(self.state.upright, float(self.state.position[2]))

    @property
    def height_m(self) -> float:
        """Height of the trunk above the soles."""
        return float(self.state.position[2]) - self.dog.spec.foot_radius_m

    def push(self, direction_rad: float | None, speed: float) -> None:
        """Shove the dog; see `Session.push`."""
        self.dog.body.push(shove(direction_rad, speed, self.state.yaw, self._rng))

    @property
    def links(self) -> tuple[Link, ...]:
        """What one sees, in the order of `link_poses`."""
        return self.dog.links

    @property
    def frequency_hz(self) -> float:
        """How often a leg steps."""
        return float(self.dog.gait.frequency_hz)

    @property
    def face(self) -> FaceParameters:
        """What the screen shows."""
        return self.dog.expression.shown_face

    def link_poses(self) -> np.ndarray:
        """Return (n, 7) position in m and quat_xyzw of every link."""
        return self.dog.link_poses()

    def hear(self, samples: np.ndarray, speech: float | None) -> np.ndarray:
        """Return what reaches the ear of what the person says, (320,): all of it, from nowhere in particular."""
        return samples

    def says(self, time_s: float) -> Path | None:
        """Return what the person says by themselves from now on: nothing, for nobody but you is there."""
        return None

    def move(self, decision: Decision, time_s: float) -> None:
        """Give the motors their next targets, as was decided."""
        self.dog.control(*decision.move(self.state, self.person, time_s), self.state)

    def finish_step(self, behaviour: Behaviour, mouth: float) -> bool:
        """Read the body after a control step, move face, ears and tail; returns whether the dog lay."""
        self.state = self.dog.body.read()
        place = self.state.position[:2]
        gaze = float(np.clip(bearing_to(self.person, place, self.state.yaw), -0.6, 0.6))
        self.dog.expression.step(1 / CONTROL_HZ, POSTURES[behaviour.posture], FACES[behaviour.face], gaze, mouth)
        fallen = self.fallen
        self._lying_s = self._lying_s + 1 / CONTROL_HZ if fallen else 0.0
        if self._lying_s >= self._config.get_up_after_s:
            self.dog.reset((float(place[0]), float(place[1])), self.state.yaw, self.dog.gait.clock)
            self._lying_s = 0.0
        return fallen

    def telemetry(self) -> Telemetry:
        """Return what encoders, feet and the inertial unit read."""
        return Telemetry.of(self.state, self.dog.body.foot_contacts())

    @property
    def toys(self) -> list[str]:
        """Nothing lies on the plain."""
        return []

    def fetch(self, colour: str) -> None:
        """Refuse: there is nothing to fetch.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"fetch {colour!r} came; things lie in a scenario's room only: start with --scenario FILE")

    @property
    def happened(self) -> dict[str, Any]:
        """Nothing happens but what you do."""
        return {}

    def picture(self, width: int, height: int) -> np.ndarray:
        """Render the dog: (height, width, 3) uint8 RGB."""
        return self._scene().picture(width, height)

    def show(self) -> None:
        """Bring Bullet's own window up to date."""
        self.world.follow(self._scene().update().tolist())

    def _scene(self) -> Scenery:
        self._scenery = self._scenery or Scenery(self.dog, self.person)
        return self._scenery


def shove(
    direction_rad: float | None, speed: float, yaw: float, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return the velocity change (3,) m/s, in the world, of a shove in a direction of the dog's own frame.

    Raises:
        ValueError: a direction or speed that is not finite, or a speed above 3 m/s.
    """
    if direction_rad is None:
        direction_rad = float(rng.uniform(-np.pi, np.pi))
    if not np.isfinite(direction_rad) or not 0.0 <= speed <= 3.0:
        raise ValueError(f"cannot push with {speed} m/s toward {direction_rad} rad: use 0 to 3 m/s and an angle")
    angle = direction_rad + yaw
    return speed * float(np.cos(angle)), speed * float(np.sin(angle)), 0.0
