"""`Empaw/Grasp-v0`: one look at an object, one grasp, whether it held."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from envs.grasping.execution import ExecutionConfig, execute
from envs.grasping.objects import Tabletop, resting
from envs.grasping.parts import load_bodies
from envs.grasping.scenes import Placed, RestlessError, look, rest_single, side_camera
from geometry.cameras import DepthCamera
from geometry.objects import ObjectModel
from geometry.transforms import quat_transform
from robots.hand import PANDA_HAND, Grasp
from robots.world import Camera

POINTS = 1024
_TRIES = 20


@dataclass(frozen=True)
class GraspConfig:
    """Everything that shapes the task.

    `objects` is a set of `geometry.objects.SETS` or a folder; `data` holds the sets that are downloaded. The camera
    looks down by `elevation_deg`, drawn between both. `strict` rewards only grasps that touched nothing before closing.
    """

    objects: str = "household/train"
    data: Path | None = None
    observation: Literal["cloud", "depth"] = "cloud"
    elevation_deg: tuple[float, float] = (15.0, 50.0)
    friction: float = 0.5
    upright: float = 0.5
    strict: bool = False
    camera: DepthCamera = field(default_factory=lambda: DepthCamera(width=160, height=120))
    execution: ExecutionConfig = field(default_factory=ExecutionConfig)


class GraspEnv(gym.Env[np.ndarray, np.ndarray]):
    """Look once, grasp once: an episode has one step.

    Observation: "cloud", (1024, 3) m in the world, the table at z = 0, points seen on the object, drawn with
    replacement where there are fewer; or "depth", (height, width) m, 0 where the camera saw nothing, with
    `info["T_world_cam"]`.

    Action (8,): the place between the ends of the fingers x, y, z in m, the hand's quat_xyzw (normalised here; z is the
    way it comes, y the way its fingers close), and the opening on the way there, m.

    Reward 1 when the object was lifted by 15 cm and still held after shaking, else 0. `info` says `held`, `strict` and
    the `cause` of a failure. `reset(options={"object": name})` asks for one object of the set.

    Raises:
        ValueError: no such observation or object, an action of another shape or with NaN.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1}  # noqa: RUF012 - Gymnasium's own convention

    def __init__(self, config: GraspConfig | None = None, render_mode: str | None = None) -> None:
        self.config = config or GraspConfig()
        if self.config.observation not in ("cloud", "depth"):
            raise ValueError(f"observation {self.config.observation!r} came; allowed are cloud and depth")
        self.render_mode = render_mode
        found = load_bodies(self.config.objects, self.config.data)
        if found.skipped:
            gym.logger.warn("; ".join(found.told()))
        self.objects = {model.name: model for model in found.objects}
        low = np.array([-0.3, -0.3, 0.0, -1, -1, -1, -1, 0.0], np.float32)
        high = np.array([0.3, 0.3, 0.4, 1, 1, 1, 1, PANDA_HAND.opening_m], np.float32)
        self.action_space = gym.spaces.Box(low, high, dtype=np.float32)
        camera = self.config.camera
        shape = (POINTS, 3) if self.config.observation == "cloud" else (camera.height, camera.width)
        self.observation_space = gym.spaces.Box(-10.0, 10.0, shape, np.float32)
        self.table: Tabletop | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Put an object down and look at it; objects that do not come to rest are passed over."""
        super().reset(seed=seed)
        self.close()
        placed = self._placed((options or {}).get("object"))
        seen = self.render_mode is not None
        self.table = resting([placed.model], [placed.T_world_object], self.config.friction, seen)
        elevation = float(self.np_random.uniform(*self.config.elevation_deg))
        T_world_cam = side_camera((0.0, 0.0, placed.height_m / 2), elevation, self.np_random)
        view = look(self.table, T_world_cam, self.config.camera, self.np_random)
        self._seen = self._observation(view.depth, view.of(0))
        return self._seen.copy(), {"object": placed.model.name, "height_m": placed.height_m, "T_world_cam": T_world_cam}

    def _placed(self, wanted: str | None) -> Placed:
        if wanted is not None and wanted not in self.objects:
            raise ValueError(f"object {wanted!r} came; the set {self.config.objects} has {', '.join(self.objects)}")
        names = list(self.objects)
        for _ in range(_TRIES):
            model: ObjectModel = self.objects[wanted or names[int(self.np_random.integers(len(names)))]]
            try:
                return rest_single(model, self.np_random, self.config.friction, self.config.upright)
            except RestlessError:
                continue
        raise RuntimeError(f"nothing of {self.config.objects} came to rest in {_TRIES} tries: take other objects")

    def _observation(self, depth: np.ndarray, cloud: np.ndarray) -> np.ndarray:
        if self.config.observation == "depth":
            return np.nan_to_num(depth, nan=0.0).astype(np.float32)
        if not len(cloud):
            return np.zeros((POINTS, 3), np.float32)
        chosen = self.np_random.choice(len(cloud), POINTS, replace=len(cloud) < POINTS)
        return np.asarray(cloud[chosen], np.float32)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Try the grasp; the episode is over."""
        if self.table is None:
            raise RuntimeError("reset() comes before step(), and an episode has one step")
        pose = np.asarray(action, float)
        if pose.shape != (8,) or not np.isfinite(pose).all():
            raise ValueError(f"action {action!r} came; expected 8 finite numbers: x, y, z, quat_xyzw, opening")
        quat = pose[3:7] if np.linalg.norm(pose[3:7]) > 1e-6 else np.array([1.0, 0.0, 0.0, 0.0])
        grasp = Grasp(quat_transform(pose[:3].tolist(), quat.tolist()), float(pose[7]))
        outcome = execute(self.table, grasp, self.config.execution)
        self.close()
        reward = float(outcome.strict if self.config.strict else outcome.held)
        return self._seen.copy(), reward, True, False, outcome._asdict()

    def render(self) -> np.ndarray | None:
        """Take a picture of the table, (360, 480, 3) uint8, before the grasp; None after it, or in no render mode."""
        if self.render_mode is None or self.table is None:
            return None
        return self.table.world.picture(Camera((0.45, -0.45, 0.4), (0.0, 0.0, 0.05)))

    def close(self) -> None:
        """Close the world."""
        if self.table is not None:
            self.table.close()
        self.table = None
