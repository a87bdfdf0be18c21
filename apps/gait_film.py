"""Film a walk: the dog, the speed commanded and walked, and which feet touch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console

from apps.mp4 import PAPER, check_film, filming, write
from control.command import GaitCommand
from control.dog import CONTROL_HZ
from envs.locomotion.cases import Case
from envs.locomotion.env import LocomotionEnv
from envs.locomotion.rewards import Transition
from envs.locomotion.walks import Walker
from policies.locomotion.actor import load_policy
from robots.options import SeedOption
from robots.quadruped import LEGS
from robots.world import Camera

FRAMES_HZ = 25
VIEW = (640, 480)
STRIP = 96
_STANCE, _TOUCH = (240, 222, 196), (70, 74, 80)


@dataclass(frozen=True)
class Record(SeedOption):
    """Film a walk as an MP4."""

    out: Path = Path("runs/gait.mp4")
    """Where to write it."""
    policy: str = "default"
    """'default' for the shipped policy, 'none' for the clocked gait alone, or the folder of another."""
    case: Case = field(default_factory=lambda: Case("trot", 0.5))
    """How to walk, where, and what happens on the way."""
    seconds: float = 8.0
    """Length of the film, s."""


def record(args: Record) -> Path:
    """Write the film and return its path.

    Raises:
        ValueError: a policy that cannot be read, or a length out of range.
        OSError, VideoError: the file cannot be written.
    """
    args.check_seed()
    if not 0.1 <= args.seconds <= 600.0:
        raise ValueError(f"--seconds {args.seconds} came; allowed are 0.1 to 600")
    check_film(args.out)
    walker = Walker(args.case, load_policy(args.policy), args.seed, render_mode="rgb_array")
    seen: list[Transition] = []
    try:
        with filming(args.out, (VIEW[0], VIEW[1] + STRIP), FRAMES_HZ) as film:

            def watch(env: LocomotionEnv) -> None:
                seen.append(env.transition)
                if len(seen) % (CONTROL_HZ // FRAMES_HZ) == 0:
                    film.add(np.vstack([_look(env), draw_strip(seen, env.command)]))

            trace = walker.trace(args.seconds, args.seed, watch)
            film.end()
    finally:
        walker.close()
    end = "fell after" if trace.fell else "stayed up for"
    told = f"the dog {end} {len(seen) / CONTROL_HZ:.1f} s\nfilm: {args.out.resolve()}"
    Console(stderr=True).print(told, markup=False, highlight=False, soft_wrap=True)
    return args.out


def _look(env: LocomotionEnv) -> np.ndarray:
    x, y, z = (float(value) for value in env.state.position)
    return env.world.picture(Camera((x + 1.0, y - 1.3, z + 0.45), (x, y, z - 0.05)), *VIEW)


def draw_strip(steps: list[Transition], command: GaitCommand) -> np.ndarray:
    """Draw the last two seconds of contacts over the clock's stances, and the speeds: (96, 640, 3) uint8 RGB."""
    strip = np.full((STRIP, VIEW[0], 3), PAPER, np.uint8)
    last = steps[-2 * CONTROL_HZ :]
    width = (VIEW[0] - 270) // (2 * CONTROL_HZ)
    for leg, name in enumerate(LEGS):
        top = 10 + 20 * leg
        write(strip, name, (8, top + 12))
        for index, step in enumerate(last):
            left = 40 + width * index
            if step.stance[leg]:
                strip[top : top + 16, left : left + width] = _STANCE
            if step.contacts[leg]:
                strip[top + 4 : top + 12, left : left + width] = _TOUCH
    wanted, style = command
    vx, vy = last[-1].smooth_velocity
    for row, text in enumerate(
        (
            f"{style.name}, {style.frequency_hz:.1f} Hz",
            f"told  {wanted.vx:+.2f} {wanted.vy:+.2f} m/s {wanted.wz:+.2f} rad/s",
            f"walks {vx:+.2f} {vy:+.2f} m/s {last[-1].smooth_turn:+.2f} rad/s",
        )
    ):
        write(strip, text, (VIEW[0] - 265, 26 + 24 * row))
    return strip
