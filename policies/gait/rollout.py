"""One walk of the clocked gait: a style and a velocity go in, how well they were followed comes out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from robots.dog import CONTROL_HZ, SUBSTEPS, has_fallen, standing_joints
from robots.gait import GaitGenerator, GaitStyle, VelocityCommand
from robots.quadruped import Quadruped, QuadrupedSpec
from robots.world import World

SETTLE_S = 1.5
"""The dog starts at rest; tracking is measured from here on."""


class Walk(NamedTuple):
    """How one walk went.

    `rmse` is over the velocity at every control step against the command, forward, m/s; `rmse_stride` over the velocity
    averaged over a stride. `yaw_drift` is the mean turn rate, rad/s, minus the commanded one. NaN where a fall came too
    early to measure anything.
    """

    fell: bool
    rmse: float
    rmse_stride: float
    mean_speed: float
    yaw_drift: float


class Walker:
    """A world with a quadruped in it, used for one walk after the other."""

    def __init__(self, spec: QuadrupedSpec | None = None) -> None:
        self.world = World()
        self.robot = Quadruped(self.world, spec)
        self.gait = GaitGenerator(self.robot.spec, 1 / CONTROL_HZ)

    def walk(self, style: GaitStyle, command: VelocityCommand, seconds: float, rng: np.random.Generator) -> Walk:
        """Walk once on flat ground.

        The seed draws what differs between days: heading, clock, joint angles (sd 0.03 rad) and the friction of the
        ground (0.7 to 1.1).
        """
        self._place(style, rng)
        velocities, yaws, fell = [], [], False
        for _ in range(round(seconds * CONTROL_HZ)):
            self.robot.command(self.gait.step(command, style))
            self.world.step(SUBSTEPS)
            state = self.robot.read()
            velocities.append(state.heading_velocity[0])
            yaws.append(state.yaw)
            if has_fallen(state):
                fell = True
                break
        return _measure(np.array(velocities), np.unwrap(yaws), command, style, fell)

    def _place(self, style: GaitStyle, rng: np.random.Generator) -> None:
        self.world.set_ground_friction(float(rng.uniform(0.7, 1.1)))
        self.gait.reset(style, float(rng.random()))
        joints = standing_joints(style, self.robot.spec) + rng.normal(0.0, 0.03, 12)
        height = style.height_m + self.robot.spec.foot_radius_m
        self.robot.reset((0.0, 0.0, height), float(rng.uniform(-np.pi, np.pi)), joints)

    def close(self) -> None:
        """Let go of the physics."""
        self.world.close()


def _measure(speeds: np.ndarray, yaws: np.ndarray, command: VelocityCommand, style: GaitStyle, fell: bool) -> Walk:
    settle = round(SETTLE_S * CONTROL_HZ)
    speeds, yaws = speeds[settle:], yaws[settle:]
    if len(speeds) < CONTROL_HZ:
        return Walk(fell, np.nan, np.nan, np.nan, np.nan)
    stride = round(CONTROL_HZ / style.frequency_hz)
    smooth = np.convolve(speeds, np.full(stride, 1 / stride), mode="valid")
    drift = (yaws[-1] - yaws[0]) / ((len(yaws) - 1) / CONTROL_HZ) - command.wz
    return Walk(
        fell,
        float(np.sqrt(np.mean((speeds - command.vx) ** 2))),
        float(np.sqrt(np.mean((smooth - command.vx) ** 2))),
        float(speeds.mean()),
        float(drift),
    )
