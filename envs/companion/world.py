"""Room, person, things and the dog that fetches, stepped together fifty times a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np

from control.companion import CompanionDog, SureLegs
from control.dog import CONTROL_HZ, SUBSTEPS, has_fallen
from control.gait import GaitStyle, VelocityCommand
from control.odometry import Odometry
from control.whole_body import BodyAction, BodySensing
from envs.companion.acoustics import RATE_HZ, Acoustics, AcousticsConfig
from envs.companion.room import Room
from envs.companion.stage import Stage, Thing
from envs.locomotion.footholds import Footholds
from geometry.cameras import DepthCamera
from geometry.transforms import about_vertical
from robots.head_camera import HeadCamera, Look
from robots.quadruped import QuadrupedSpec
from robots.world import Camera, World, WorldConfig

CAMERA = DepthCamera(320, 240, 70.0)
"""A smaller picture does not find a ball at 1.8 m."""
SAMPLES_PER_STEP = RATE_HZ // CONTROL_HZ
MIC_RADIUS_M, MICS = 0.05, 4
_ITERATIONS = 30
"""Of the solver: with 12, as for walking alone, jaws slip and feet creep."""


class CompanionWorld(AbstractContextManager):
    """What there is, and what the dog can sense of it. Only the thread that made it may touch it.

    Attributes:
        state: of the dog, as of the last step; whoever plans for the dog uses `odometry` for where it is.
        time_s: since the last reset.
    """

    def __init__(
        self,
        room: Room,
        things: Sequence[Thing] = (),
        *,
        legs: Callable[[QuadrupedSpec], SureLegs],
        seed: int = 0,
        camera: DepthCamera = CAMERA,
        acoustics: AcousticsConfig | None = None,
    ) -> None:
        self.room, self._seed = room, seed
        self.world = World(WorldConfig(solver_iterations=_ITERATIONS))
        self.stage = Stage(self.world, room, things)
        self.dog = CompanionDog(self.world, legs)
        self._footholds = None if room.terrain is None else Footholds(room.terrain, self.dog.body.spec)
        self._size = acoustics or AcousticsConfig(size_m=(room.side_m, room.side_m, 2.7))
        self.camera = HeadCamera(self.world, camera, np.random.default_rng((seed, 1)))
        self.odometry = Odometry(self.dog.body.spec)
        self._begin()

    def _begin(self) -> None:
        x, y, yaw = self.room.dog
        self.acoustics = Acoustics(MICS, np.random.default_rng((self._seed, 2)), self._size)
        self.dog.reset((x, y), yaw, self.room.highest(np.array([x, y])))
        if self._footholds is not None:
            self._footholds.reset()
        self.odometry.reset((x, y), yaw)
        self.state, self.time_s, self._steps = self.dog.read(), 0.0, 0

    @property
    def person(self) -> np.ndarray:
        """(2,) m: where the person is."""
        return self.stage.person.place

    @property
    def fallen(self) -> bool:
        """Whether the dog lies on the ground."""
        trunk = self.state.T_world_trunk[:3, 3]
        return has_fallen(self.state.legs.upright, float(trunk[2]) - self.room.height(trunk[:2]))

    def look(self) -> Look:
        """Look with the camera in the dog's head."""
        return self.camera.look(self.state.camera_frame)

    def hear(self, sounds: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Return what the dog's microphones hear in a step: (4, 320) float, at 16 kHz.

        Args:
            sounds: by the name of a source, its 320 samples, and its place (3,) m.
        """
        head = self.state.head_frame
        yaw = np.arctan2(head[1, 0], head[0, 0])
        angles = yaw + np.pi / 4 + 2 * np.pi * np.arange(MICS) / MICS
        around = MIC_RADIUS_M * np.stack([np.cos(angles), np.sin(angles), np.zeros(MICS)], axis=1)
        return self.acoustics.hear(sounds, head[:3, 3] + around)

    def sense(self, look: bool = False) -> BodySensing:
        """Return what the dog knows of itself: its own estimate of where it is, and encoders; a look if it asks."""
        legs, where = self.state.legs, self.odometry
        seen = self.look() if look else None
        return BodySensing(
            self.time_s, where.place, where.yaw, legs.rotation, legs.joint_positions, self.state.neck,
            self.state.opening_m, seen,
        )  # fmt: skip

    def act(self, action: BodyAction) -> None:
        """Do what an action says, and let 1/50 s pass."""
        self.command(action)
        self.world.step(SUBSTEPS)
        self.settle()

    def command(self, action: BodyAction) -> None:
        """Give every motor its target, and let the person move on; five steps of the world come next, then `settle`."""
        if action.legs is None:
            self._walk(action.velocity, action.style)
        else:
            self.dog.stand(action.legs)
        self.dog.hold(action.neck, action.opening_m)
        self.stage.step(1 / CONTROL_HZ, self.state.T_world_trunk[:2, 3])

    def _walk(self, command: VelocityCommand, style: GaitStyle) -> None:
        footing = None
        if self._footholds is not None:
            x, y, _ = self.state.T_world_trunk[:3, 3].tolist()
            footing = self._footholds.look(self.dog.legs.gait, (x, y, self.state.legs.yaw))
        self.dog.walk(command, style, self.state, footing)

    def settle(self) -> None:
        """Read how the last five steps of the world went."""
        self._steps += 1
        self.time_s = self._steps / CONTROL_HZ
        self.state = self.dog.read()
        self.odometry.update(self.state.legs, self.dog.body.foot_contacts())

    def get_up(self) -> None:
        """Stand up where one lies; the person, the things and the time stay as they are."""
        x, y, _ = self.state.T_world_trunk[:3, 3].tolist()
        self.dog.reset((x, y), self.state.legs.yaw, self.room.highest(np.array([x, y])))
        self.state = self.dog.read()

    @property
    def believed_head(self) -> tuple[float, float, float]:
        """Where the dog believes its head to be, and which way that looks: x, y in m, rad."""
        head, off = self.state.head_frame, self.odometry.yaw - self.state.legs.yaw
        away = about_vertical(off)[:2, :2] @ (head[:2, 3] - self.state.T_world_trunk[:2, 3])
        x, y = self.odometry.place + away
        return float(x), float(y), float(np.arctan2(head[1, 0], head[0, 0]) + off)

    def picture(self, width: int, height: int) -> np.ndarray:
        """Render dog and person from beside both: (height, width, 3) uint8 RGB."""
        trunk = self.state.T_world_trunk[:2, 3]
        middle, line = 0.5 * (trunk + self.person), self.person - trunk
        side = float(np.arctan2(line[1], line[0])) - np.pi / 2
        far = max(2.2, 0.9 * float(np.hypot(*line)) + 0.8)
        x, y = middle + far * np.array([np.cos(side), np.sin(side)])
        camera = Camera((float(x), float(y), 0.6 * far + 0.3), (float(middle[0]), float(middle[1]), 0.45), 50.0)
        return self.world.picture(camera, width, height)

    def close(self) -> None:
        """Let go of the physics. Closing twice is harmless."""
        self.world.close()

    def __exit__(self, *_: object) -> None:
        self.close()
