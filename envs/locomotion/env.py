"""`Empaw/Locomotion-v0`: add residuals to the clocked gait so that it follows its commands whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from control.command import NO_SCAN, Footing, GaitCommand, PackedCommand
from control.dog import CONTROL_HZ, SUBSTEPS, has_fallen, standing_joints
from control.locomotion_controller import DT_S, NO_NOISE, LocomotionController
from control.observation import (
    OBSERVATION_SIZE,
    PRIVILEGED_OFFSETS,
    PRIVILEGED_SCALES,
    SCALES,
    SENSED,
    SENSED_SIZES,
)
from envs.locomotion.commands import UNEVEN, CommandConfig, sample_command
from envs.locomotion.footholds import Footholds
from envs.locomotion.randomization import RandomizationConfig, apply, draw, maybe_push
from envs.locomotion.rewards import TERMS, RewardWeights, weighted
from envs.locomotion.terrain import CELL_M, LEVELS, TERRAINS, Patch, TerrainMap, build
from envs.locomotion.transition import Transition, average, transition
from robots.companion import Companion
from robots.compiled import compiled
from robots.motion import Vector
from robots.quadruped import Quadruped
from robots.world import Camera, World, WorldConfig

Body = Literal["dog", "companion"]


@dataclass(frozen=True)
class LocomotionConfig:
    """Everything that shapes the task.

    `terrain` is one of `TERRAINS`; uneven ground is laid out by `terrain_seed`. `body` is the dog whose head is lumped
    into its trunk, or the companion, whose neck and mouth hang before it. `commands` left out are those that make sense
    on the terrain.
    """

    episode_s: float = 20.0
    fall_penalty: float = 3.0
    terrain: str = "flat"
    terrain_seed: int = 0
    body: Body = "dog"
    commands: CommandConfig | None = None
    weights: RewardWeights = field(default_factory=RewardWeights)
    randomization: RandomizationConfig = field(default_factory=RandomizationConfig)


class LocomotionEnv(gym.Env[np.ndarray, np.ndarray]):
    """A quadruped at 50 Hz on 250 Hz physics.

    Observation (95,): what `control.observation.OBSERVATION` lists. Nothing in it is privileged: the velocity
    is an estimate from accelerometer, gyroscope and legs. `privileged()` (11,) is for a critic.

    Action (12,) in [-1, 1]: residuals of the feet FR, FL, RR, RL along x, y, z, in units of
    `control.locomotion_controller.RESIDUAL_M`. Zero is the clocked gait itself, which catches shoves by Raibert's rule.

    `info` carries `reward_terms` of the step, and `command` and `patch` after a reset. An episode ends with a fall
    (terminated), or after `episode_s` or at the edge of the ground (truncated).

    `reset(options={"command": GaitCommand, "level": int})` fixes the command for the whole episode, and bounds the
    difficulty of the patch of ground (1 to 5, drawn up to it) unless `"patch": Patch` names one.

    Raises:
        ValueError: an unknown render mode or terrain.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": CONTROL_HZ}  # noqa: RUF012 - Gymnasium's form

    def __init__(self, config: LocomotionConfig | None = None, render_mode: str | None = None) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode {render_mode!r} is not one of {self.metadata['render_modes']} or None")
        self.config = config or LocomotionConfig()
        if self.config.terrain not in TERRAINS:
            raise ValueError(f"unknown terrain {self.config.terrain!r}: choose one of {', '.join(TERRAINS)}")
        self.render_mode = render_mode
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (OBSERVATION_SIZE,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (12,), np.float32)
        self.world = World(WorldConfig(window=render_mode == "human"))
        self.map: TerrainMap | None = None
        if self.config.terrain != "flat":
            self.map = build(self.config.terrain, self.config.terrain_seed)
            self.world.set_ground(self.map.heights, CELL_M, visible=render_mode is not None)
        self._footing: Footing | None = None
        self._last_step: tuple[Any, ...] | None = None
        self.commands = self.config.commands or (CommandConfig() if self.map is None else UNEVEN)
        self.robot = Companion(self.world) if self.config.body == "companion" else Quadruped(self.world)
        self.controller = LocomotionController(self.robot.spec)
        self._footholds = None if self.map is None else Footholds(self.map, self.robot.spec)
        noise = self.config.randomization
        spread = [noise.gravity_noise, noise.gyro_noise, noise.joint_noise, noise.joint_speed_noise]
        self._noise = np.repeat(spread, SENSED_SIZES) * SCALES[:SENSED]
        self._noisy = bool(self._noise.any())
        # Bullet's contacts of one episode would warm-start the next; the blank world has none.
        self._blank = self.world.snapshot()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Stand somewhere, with a new command, robot and ground."""
        super().reset(seed=seed)
        rng, options = self.np_random, options or {}
        self.world.restore(self._blank)
        self.drawn = draw(rng, self.config.randomization)
        apply(self.robot, self.drawn)
        fixed = options.get("command")
        self.command: GaitCommand = fixed or sample_command(rng, self.commands)
        self._hold_steps = 10**9 if fixed else self._draw_hold()
        targets = standing_joints(self.command.style, self.robot.spec) + rng.normal(0.0, 0.03, 12)
        self.controller.reset(self.command, targets, float(rng.random()))
        patch = self._draw_patch(options)
        x, y, ground = self._draw_place(patch)
        height = self.command.style.height_m + self.robot.spec.foot_radius_m + ground
        self.robot.reset((x, y, height), float(rng.uniform(-np.pi, np.pi)), targets)
        self._smooth = np.array([0.0, 0.0, 0.0, self.command.style.pitch_rad, self.command.style.height_m])
        if self._footholds is not None:
            self._footholds.reset()
        self._steps = 0
        self._last_step = None
        self._read([False] * 4)  # Bullet finds contacts when it steps; until then it reports old ones
        return self._observe(), {"command": self.command, "patch": patch}

    def _draw_hold(self) -> int:
        return round(float(self.np_random.uniform(*self.commands.hold_s)) * CONTROL_HZ)

    def _draw_patch(self, options: dict[str, Any]) -> Patch | None:
        if self.map is None:
            return None
        if "patch" in options:
            patch: Patch = options["patch"]
            return patch
        level = int(options.get("level", LEVELS))
        fit = [patch for patch in self.map.patches if patch.level <= max(level, 1)]
        return fit[int(self.np_random.integers(len(fit)))]

    def _draw_place(self, patch: Patch | None) -> tuple[float, float, float]:
        """Draw where to stand (x, y) m, and return with it the height of the highest ground under the dog."""
        if patch is None or self.map is None:
            return 0.0, 0.0, 0.0
        x, y = (float(center + self.np_random.uniform(-0.2, 0.2)) for center in patch.center)
        around = np.linspace(-0.3, 0.3, 13)
        return x, y, float(self.map.height(*np.meshgrid(x + around, y + around)).max())

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Advance 20 ms.

        Raises:
            ValueError: the action has the wrong shape, or is not finite; nothing moves then.
        """
        action = np.asarray(action, dtype=np.float64)
        if action.shape != (12,) or not isfinite(sum(action.tolist())):
            raise ValueError(f"an action is 12 finite numbers within [-1, 1]; got shape {action.shape}: {action}")
        self._move(self.controller.act(action, self.command, self._footing))
        self._read(self.robot.foot_contacts())
        terms = self._rewards()
        fell = has_fallen(self._seen.rows[2][2], float(self.state.position[2]) - self._ground)
        self._steps += 1
        self._hold_steps -= 1
        if self._hold_steps <= 0:
            self.command, self._hold_steps = sample_command(self.np_random, self.commands), self._draw_hold()
        over = self._steps >= self.config.episode_s * CONTROL_HZ or self._off_the_map()
        # Per second of walking, so that its size does not depend on the control rate; critics like small returns.
        total = sum(terms.values()) * DT_S * 2.5 - (self.config.fall_penalty if fell else 0.0)
        return self._observe(), total, fell, over and not fell, {"reward_terms": terms}

    def _off_the_map(self) -> bool:
        x, y, _ = self.state.position.tolist()
        return self.map is not None and not self.map.inside(x, y)

    def _move(self, targets: np.ndarray) -> None:
        delay = self.drawn.latency_substeps
        self.world.step(delay)
        self.robot.command(targets)
        self.world.step(SUBSTEPS - delay)
        maybe_push(self.robot, self.np_random, self.config.randomization, DT_S)

    def _read(self, contacts: list[bool]) -> None:
        state = self.state = self.robot.read()
        noise = self.drawn.accelerometer
        z = self.np_random.standard_normal() if noise.noise else 0.0
        self._seen = self.controller.sense(state, contacts, self.command, noise, z)
        self.contacts = contacts
        self._look()

    def _look(self) -> None:
        """See the ground around the feet."""
        if self._footholds is not None:
            x, y, _ = self.state.position.tolist()
            noise = self.config.randomization.scan_noise * self.np_random.standard_normal(12)
            self._footing = self._footholds.look(self.controller.gait, (x, y, self._seen.yaw), noise)

    @property
    def _ground(self) -> float:
        return 0.0 if self._footing is None else self._footing.ground_m

    def _rewards(self) -> dict[str, float]:
        """Return the weighted reward terms of the last step."""
        state, legs = self.state, self.controller
        self._last_step = happened = (
            self.command.packed,
            (self._seen.velocity, self._seen.gravity),
            (state.position, state.angular_velocity, self._ground + self.robot.spec.foot_radius_m),
            self._smooth,
            legs.gait.memory,
            legs.gait.style,
            tuple(self.contacts),
            legs.balance.shoved or legs.balance.catching,
            (state.joint_torques, state.joint_velocities),
            (legs.action, legs.last_action),
        )
        return dict(zip(TERMS, _reward_terms(self.config.weights.in_order, *happened), strict=True))

    @property
    def transition(self) -> Transition:
        """The last step; put together for those who ask, since that takes longer than judging it.

        Raises:
            RuntimeError: there was no step since the reset.
        """
        if self._last_step is None:
            raise RuntimeError("nothing has happened since the reset: step first")
        return transition(*self._last_step)

    def _observe(self) -> np.ndarray:
        noise = self._noise * self.np_random.standard_normal(SENSED) if self._noisy else NO_NOISE
        return self.controller.observe(self.command, NO_SCAN if self._footing is None else self._footing.scan, noise)

    def privileged(self) -> np.ndarray:
        """Return (11,) float32: what `control.observation.PRIVILEGED` lists, for a critic only."""
        (wanted_x, wanted_y, wanted_turn), drawn, (vx, vy) = self.command.velocity, self.drawn, self._seen.velocity
        smooth_x, smooth_y, smooth_turn, _, _ = self._smooth.tolist()
        values = (  # in the order of the table
            *(vx - wanted_x, vy - wanted_y),
            *(smooth_x - wanted_x, smooth_y - wanted_y),
            smooth_turn - wanted_turn,
            float(self.state.velocity[2]),
            float(self.state.position[2]) - self._ground,
            drawn.friction,
            drawn.added_mass,
            drawn.motor_strength,
            drawn.latency_substeps,
        )
        return ((np.array(values) - PRIVILEGED_OFFSETS) * PRIVILEGED_SCALES).astype(np.float32)

    def render(self) -> np.ndarray | None:
        """Return a picture (240, 320, 3) uint8 RGB in mode `rgb_array`; in mode `human` the window follows the robot.

        Without a mode there is nothing to see.
        """
        if self.render_mode is None:
            return None
        x, y, z = (float(value) for value in self.state.position)
        if self.render_mode == "human":
            self.world.follow((x, y, z))
            return None
        ground = self._ground
        return self.world.picture(Camera((x + 1.1, y - 1.2, ground + 0.75), (x, y, ground + 0.26)), 320, 240)

    def close(self) -> None:
        """Let go of the physics."""
        self.world.close()


@compiled
def _reward_terms(
    weights: tuple[float, ...],
    command: PackedCommand,
    trunk: tuple[tuple[float, float], Vector],
    place: tuple[np.ndarray, np.ndarray, float],
    smooth: np.ndarray,
    *rest: Any,
) -> tuple[float, ...]:
    """Return the weighted terms of what `transition` takes, after the smooth values have been taken on, in one call."""
    average(smooth, command, trunk, place, DT_S)
    return weighted(transition(command, trunk, place, smooth, *rest), weights)
