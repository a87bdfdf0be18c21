"""One walk: an order goes in, how well it was followed comes out. With a policy, or with the clocked gait alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from envs.locomotion.commands import Order
from envs.locomotion.env import LocomotionConfig, LocomotionEnv
from envs.locomotion.randomization import NONE
from envs.locomotion.rewards import Transition
from robots.dog import CONTROL_HZ
from robots.gait import GRAVITY

SETTLE_S = 1.5
"""The dog starts at rest; tracking is measured from here on."""
# Between walks differ: heading, clock, joint angles (the task's own draw) and the friction of the ground.
DAYS = replace(NONE, friction=(0.7, 1.1))
Policy = Callable[[np.ndarray], np.ndarray]


class Walk(NamedTuple):
    """How one walk went.

    `rmse` is over the forward velocity at every control step against the command, m/s; `rmse_stride` over the velocity
    averaged over a stride; `sideways` and `yaw_drift` are the mean leftward velocity (m/s) and turn rate (rad/s) minus
    what was commanded. `cost_of_transport` is power over weight times speed; `contact_match` is the share of feet and
    steps that do what the clock says. NaN where a fall came too early to measure anything.
    """

    fell: bool
    rmse: float
    rmse_stride: float
    mean_speed: float
    sideways: float
    yaw_drift: float
    cost_of_transport: float
    contact_match: float


class Kick(NamedTuple):
    """A shove of `speed` m/s in a random direction at `at_s`."""

    speed: float
    at_s: float = 2.0


class Walker:
    """An environment used for one walk after the other."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.env = LocomotionEnv(LocomotionConfig(randomization=DAYS))
        self._policy = policy
        self._mass = self.env.robot.spec.mass

    def walk(self, order: Order, seconds: float, seed: int, kick: Kick | None = None) -> Walk:
        """Walk once; the seed decides everything that is left to chance."""
        observation, _ = self.env.reset(seed=seed, options={"order": order})
        steps: list[Transition] = []
        yaws: list[float] = []
        fell = False
        for index in range(round(seconds * CONTROL_HZ)):
            if kick is not None and index == round(kick.at_s * CONTROL_HZ):
                angle = self.env.np_random.uniform(-np.pi, np.pi)
                self.env.robot.push((kick.speed * np.cos(angle), kick.speed * np.sin(angle), 0.0))
            action = np.zeros(12) if self._policy is None else self._policy(observation)
            observation, _, fell, _, _ = self.env.step(action)
            steps.append(self.env.transition)
            yaws.append(self.env.state.yaw)
            if fell:
                break
        return _measure(steps, np.unwrap(yaws), order, self._mass, fell)

    def close(self) -> None:
        """Let go of the physics."""
        self.env.close()


def _measure(steps: list[Transition], yaws: np.ndarray, order: Order, mass: float, fell: bool) -> Walk:
    settle = round(SETTLE_S * CONTROL_HZ)
    steps, yaws = steps[settle:], yaws[settle:]
    if len(steps) < CONTROL_HZ:
        return Walk(fell, *[np.nan] * 7)
    forward, left = np.array([step.velocity for step in steps]).T
    stride = round(CONTROL_HZ / order.style.frequency_hz)
    smooth = np.convolve(forward, np.full(stride, 1 / stride), mode="valid")
    drift = (yaws[-1] - yaws[0]) / ((len(yaws) - 1) / CONTROL_HZ) - order.command.wz
    speed = float(np.hypot(forward.mean(), left.mean()))
    power = float(np.mean([step.power for step in steps]))
    match = np.mean([np.equal(step.contacts, step.stance).mean() for step in steps])
    return Walk(
        fell,
        float(np.sqrt(np.mean((forward - order.command.vx) ** 2))),
        float(np.sqrt(np.mean((smooth - order.command.vx) ** 2))),
        float(forward.mean()),
        float(left.mean() - order.command.vy),
        float(drift),
        power / (mass * GRAVITY * speed) if speed > 0.05 else float("nan"),
        float(match),
    )
