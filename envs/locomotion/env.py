"""`Empaw/Locomotion-v0`: add residuals to the clocked gait so that it follows its commands whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

from envs.locomotion.commands import CommandConfig, Order, sample_order
from envs.locomotion.randomization import RandomizationConfig, apply, draw, maybe_push
from envs.locomotion.rewards import RewardWeights, Transition, reward
from robots.dog import CONTROL_HZ, SUBSTEPS, has_fallen, standing_joints
from robots.gait import GAITS, GaitGenerator
from robots.quadruped import Quadruped
from robots.world import Camera, World, WorldConfig

DT_S = 1 / CONTROL_HZ
RESIDUAL_M = np.tile([0.06, 0.04, 0.04], (4, 1))
"""How far an action of 1 moves a foot, (4, 3) m. With 8 cm almost nothing is learned."""
OBSERVATION_SIZE = 75


@dataclass(frozen=True)
class LocomotionConfig:
    """Everything that shapes the task. `smoothing` is the weight of the newest action in the smoothed one."""

    episode_s: float = 20.0
    smoothing: float = 0.4
    fall_penalty: float = 5.0
    commands: CommandConfig = field(default_factory=CommandConfig)
    weights: RewardWeights = field(default_factory=RewardWeights)
    randomization: RandomizationConfig = field(default_factory=RandomizationConfig)


class LocomotionEnv(gym.Env[np.ndarray, np.ndarray]):
    """A quadruped on flat ground at 50 Hz.

    Observation (75,): gravity and gyroscope in the body (3 + 3), joint angles from standing, joint speeds, errors of
    the motors, the smoothed action (4 x 12), the clock of each leg as cosine and sine (8), touching feet (4), and the
    order: vx, vy, wz, frequency, duty, swing, bounce, height, pitch (9). No privileged state is in it.

    Action (12,) in [-1, 1]: residuals of the feet FR, FL, RR, RL along x, y, z, in units of `RESIDUAL_M`. Zero is the
    clocked gait itself.

    `info` carries `reward_terms` of the step, and `order` after a reset. An episode ends with a fall (terminated) or
    after `episode_s` (truncated).

    `reset(options={"order": Order})` fixes the order for the whole episode.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": CONTROL_HZ}  # noqa: RUF012 - Gymnasium's form

    def __init__(self, config: LocomotionConfig | None = None, render_mode: str | None = None) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode {render_mode!r} is not one of {self.metadata['render_modes']} or None")
        self.config = config or LocomotionConfig()
        self.render_mode = render_mode
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (OBSERVATION_SIZE,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (12,), np.float32)
        self.world = World(WorldConfig(window=render_mode == "human"))
        self.robot = Quadruped(self.world)
        self.gait = GaitGenerator(self.robot.spec, DT_S)
        self._standing = standing_joints(GAITS["stand"], self.robot.spec)
        # Bullet's contacts of one episode would warm-start the next; the blank world has none.
        self._blank = self.world.snapshot()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Stand somewhere, with a new order, robot and day."""
        super().reset(seed=seed)
        rng = self.np_random
        self.world.restore(self._blank)
        self.drawn = draw(rng, self.config.randomization)
        apply(self.robot, self.drawn)
        fixed = (options or {}).get("order")
        self.order: Order = fixed or sample_order(rng, self.config.commands)
        self._hold_steps = 10**9 if fixed else self._draw_hold()
        self.gait.reset(self.order.style, float(rng.random()))
        self.targets = standing_joints(self.order.style, self.robot.spec) + rng.normal(0.0, 0.03, 12)
        height = self.order.style.height_m + self.robot.spec.foot_radius_m
        self.robot.reset((0.0, 0.0, height), float(rng.uniform(-np.pi, np.pi)), self.targets)
        self.action = np.zeros(12)
        self._smooth_velocity, self._smooth_turn = np.zeros(2), 0.0
        self._steps = 0
        self.state = self.robot.read()
        self.contacts = np.zeros(4, bool)  # Bullet finds contacts when it steps; until then it reports old ones
        return self._observe(), {"order": self.order}

    def _draw_hold(self) -> int:
        return round(float(self.np_random.uniform(*self.config.commands.hold_s)) * CONTROL_HZ)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Advance 20 ms.

        Raises:
            ValueError: the action has the wrong shape, or is not finite; nothing moves then.
        """
        action = np.asarray(action, dtype=np.float64)
        if action.shape != (12,) or not np.isfinite(action).all():
            raise ValueError(f"an action is 12 finite numbers within [-1, 1]; got shape {action.shape}: {action}")
        last_action = self.action
        self.action = last_action + self.config.smoothing * (np.clip(action, -1.0, 1.0) - last_action)
        residual = self.action.reshape(4, 3) * RESIDUAL_M
        self.targets = self.gait.step(self.order.command, self.order.style, residual=residual)
        self._move()
        self.transition = self._transition(last_action)
        value, terms = reward(self.transition, self.config.weights)
        fell = has_fallen(self.state)
        self._steps += 1
        self._hold_steps -= 1
        if self._hold_steps <= 0:
            self.order, self._hold_steps = sample_order(self.np_random, self.config.commands), self._draw_hold()
        truncated = not fell and self._steps >= self.config.episode_s * CONTROL_HZ
        # The reward is per second of walking, so that its size does not depend on the control rate.
        total = value * DT_S * 10 - (self.config.fall_penalty if fell else 0.0)
        return self._observe(), float(total), fell, truncated, {"reward_terms": terms}

    def _move(self) -> None:
        delay = self.drawn.latency_substeps
        if delay:
            self.world.step(delay)
        self.robot.command(self.targets)
        if delay < SUBSTEPS:
            self.world.step(SUBSTEPS - delay)
        maybe_push(self.robot, self.np_random, self.config.randomization, DT_S)
        self.state = self.robot.read()
        self.contacts = self.robot.foot_contacts()

    def _transition(self, last_action: np.ndarray) -> Transition:
        state = self.state
        velocity = state.heading_velocity
        share = min(1.0, DT_S * self.order.style.frequency_hz)
        self._smooth_velocity += share * (np.array(velocity) - self._smooth_velocity)
        self._smooth_turn += share * (float(state.angular_velocity[2]) - self._smooth_turn)
        gravity = -state.rotation[2]
        wx, wy, _ = state.angular_velocity
        return Transition(
            self.order,
            velocity,
            (float(self._smooth_velocity[0]), float(self._smooth_velocity[1])),
            self._smooth_turn,
            float(np.hypot(wx, wy)),
            float(np.arctan2(-gravity[1], -gravity[2])),
            float(np.arcsin(np.clip(gravity[0], -1.0, 1.0))),
            float(state.position[2]) - self.robot.spec.foot_radius_m,
            tuple(self.contacts.tolist()),
            tuple(phase < self.gait.duty for phase in self.gait.phases),
            float(np.abs(state.joint_torques * state.joint_velocities).sum()),
            self.action,
            last_action,
        )

    def _observe(self) -> np.ndarray:
        noise, rng, state = self.config.randomization, self.np_random, self.state
        rotation = state.rotation
        angle = 2 * np.pi * np.array(self.gait.phases)
        command, style = self.order
        jitter = rng.standard_normal(30)
        values = np.concatenate(
            [
                -rotation[2] + noise.gravity_noise * jitter[:3],
                0.25 * (state.angular_velocity @ rotation + noise.gyro_noise * jitter[3:6]),
                state.joint_positions - self._standing + noise.joint_noise * jitter[6:18],
                0.05 * (state.joint_velocities + noise.joint_speed_noise * jitter[18:30]),
                3.0 * (self.targets - state.joint_positions),
                self.action,
                np.cos(angle),
                np.sin(angle),
                self.contacts,
                (2.0 * command.vx, 2.0 * command.vy, command.wz, style.frequency_hz - 2.4, 4.0 * (style.duty - 0.6)),
                (20 * (style.swing_m - 0.05), style.bounce, 20 * (style.height_m - 0.3), 4.0 * style.pitch_rad),
            ]
        )
        return values.astype(np.float32)

    def render(self) -> np.ndarray | None:
        """A picture (240, 320, 3) uint8 RGB in mode `rgb_array`; in mode `human` the window follows the robot."""
        x, y, z = (float(value) for value in self.state.position)
        if self.render_mode == "human":
            self.world.follow((x, y, z))
            return None
        return self.world.picture(Camera((x + 1.1, y - 1.2, 0.75), (x, y, 0.26)), 320, 240)

    def close(self) -> None:
        """Let go of the physics."""
        self.world.close()
