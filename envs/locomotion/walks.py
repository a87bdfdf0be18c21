"""One walk: a case goes in, how well it was followed comes out. With a policy, or with the clocked gait alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from control.command import GaitCommand
from control.dog import CONTROL_HZ
from control.gait import GAITS
from control.gait_kernel import GRAVITY
from envs.locomotion.cases import SUITE, TERRAIN_LEVEL, Case
from envs.locomotion.env import Body, LocomotionEnv
from envs.locomotion.rewards import power
from envs.locomotion.transition import Transition

SETTLE_S = 1.5
"""The dog starts at rest; tracking is measured from here on."""
KICK_S = 2.0
Policy = Callable[[np.ndarray], np.ndarray]


class Walk(NamedTuple):
    """Figures of one walk.

    `rmse` is of the forward velocity, averaged over a stride, against the command, m/s; `rmse_instant` of that at every
    control step, within which every gait sways; `sideways` and `yaw_drift` are the mean leftward velocity (m/s) and
    turn rate (rad/s) minus what was commanded; `height_error` (m) and `pitch_error` (rad) are means likewise.
    `cost_of_transport` is power over weight times speed; `contact_match` the share of feet and steps that do what the
    clock says; `progress` the way made over the way commanded. NaN where a fall came too early to measure anything.
    """

    fell: bool
    rmse: float
    rmse_instant: float
    mean_speed: float
    sideways: float
    yaw_drift: float
    height_error: float
    pitch_error: float
    cost_of_transport: float
    contact_match: float
    progress: float


class Trace(NamedTuple):
    """A walk as it went, step by step."""

    steps: list[Transition]
    commands: list[GaitCommand]
    yaws: np.ndarray  # (n,) rad, continuous
    places: np.ndarray  # (n, 2) m
    fell: bool


class Walker:
    """An environment used for one walk after the other in one case."""

    def __init__(
        self,
        case: Case,
        policy: Policy | None = None,
        terrain_seed: int = 0,
        render_mode: str | None = None,
        body: Body = "dog",
    ) -> None:
        self.case = case
        self.env = LocomotionEnv(replace(case.config(terrain_seed), body=body), render_mode)
        self._policy = policy
        self.env.controller.slip_compensation = getattr(policy, "slip_compensation", {})
        self._mass = self.env.robot.mass + case.added_mass

    def walk(self, seconds: float, seed: int) -> Walk:
        """Walk once and measure; the seed decides everything that is left to chance."""
        return measure(self.trace(seconds, seed), self.case.later_command or self.case.command, self._mass)

    def trace(self, seconds: float, seed: int, watch: Callable[[LocomotionEnv], None] | None = None) -> Trace:
        """Walk once; `watch` is called after every control step."""
        env, case, steps = self.env, self.case, round(seconds * CONTROL_HZ)
        observation, _ = env.reset(seed=seed, options=self._options())
        done: list[Transition] = []
        commands: list[GaitCommand] = []
        yaws, places, fell = [env.state.yaw], [env.state.position[:2]], False
        for index in range(steps):
            if case.kick and index == round(KICK_S * CONTROL_HZ):
                angle = env.np_random.uniform(-np.pi, np.pi)
                env.robot.push((case.kick * np.cos(angle), case.kick * np.sin(angle), 0.0))
            if case.later_command is not None and index == steps // 2:
                env.command = case.later_command
            action = np.zeros(12) if self._policy is None else self._policy(observation)
            observation, _, fell, ended, _ = env.step(action)
            done.append(env.transition)
            commands.append(env.command)
            yaws.append(env.state.yaw)
            places.append(env.state.position[:2])
            if watch is not None:
                watch(env)
            if fell or ended:
                break
        return Trace(done, commands, np.unwrap(yaws), np.array(places), fell)

    def _options(self) -> dict[str, object]:
        options: dict[str, object] = {"command": self.case.command}
        if self.env.map is not None:
            options["patch"] = next(patch for patch in self.env.map.patches if patch.level == TERRAIN_LEVEL)
        return options

    def close(self) -> None:
        """Let go of the physics."""
        self.env.close()


def walks_fingerprint() -> str:
    """Return what tells these walks from those of another gait, body or list of cases: 16 hexadecimal digits.

    Figures that are kept in a file hold only for the same. It is taken from where zero action is after a second of each
    gait, on flat ground and on stairs, to a tenth of a millimetre, and from the cases, whose order decides their seeds.
    """
    digest = hashlib.sha256(repr([case.title for cases in SUITE.values() for case in cases]).encode())
    for case in (*(Case(name, 0.3) for name in GAITS if name != "stand"), Case("trot", 0.3, terrain="stairs")):
        walker = Walker(case)
        try:
            digest.update(np.round(walker.trace(1.0, 0).places[-1], 4).tobytes())
        finally:
            walker.close()
    return digest.hexdigest()[:16]


def measure(trace: Trace, command: GaitCommand, mass: float) -> Walk:
    """Turn a walk into figures; `command` is the last that was given, `mass` in kg."""
    changed = sum(given != command for given in trace.commands)
    settle = changed + round(SETTLE_S * CONTROL_HZ)
    steps, yaws = trace.steps[settle:], trace.yaws[settle:]
    if len(steps) < CONTROL_HZ:
        return Walk(trace.fell, *[np.nan] * 10)
    wanted, style = command
    forward, left = np.array([step.velocity for step in steps]).T
    stride = round(CONTROL_HZ / style.frequency_hz)
    smooth = np.convolve(forward, np.full(stride, 1 / stride), mode="valid")
    drift = (yaws[-1] - yaws[0]) / ((len(yaws) - 1) / CONTROL_HZ) - wanted.wz
    speed = float(np.hypot(forward.mean(), left.mean()))
    wanted_speed = float(np.hypot(wanted.vx, wanted.vy))
    watts = float(np.mean([power(step) for step in steps]))
    way = float(np.hypot(*(trace.places[-1] - trace.places[settle])))
    return Walk(
        trace.fell,
        float(np.sqrt(np.mean((smooth - wanted.vx) ** 2))),
        float(np.sqrt(np.mean((forward - wanted.vx) ** 2))),
        float(forward.mean()),
        float(left.mean() - wanted.vy),
        float(drift),
        float(np.mean([step.height for step in steps]) - style.height_m),
        float(np.mean([step.pitch for step in steps]) - style.pitch_rad),
        watts / (mass * GRAVITY * speed) if speed > 0.05 else float("nan"),
        float(np.mean([np.equal(step.contacts, step.stance).mean() for step in steps])),
        way / (wanted_speed * len(steps) / CONTROL_HZ) if wanted_speed else float("nan"),
    )
