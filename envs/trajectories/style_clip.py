"""One clip of the dog coming up to a person, from the gait and the physics that it walks with everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from control.dog import CONTROL_HZ, SUBSTEPS, ClockedLegs, Dog, Legs, has_fallen
from control.gait import VelocityCommand
from control.style import DEFAULT_STYLES, STYLE_GAITS, STYLE_NAMES, ExpressiveStyle, StyleModulator
from geometry.transforms import wrap
from robots.quadruped import QuadrupedSpec, QuadrupedState
from robots.world import World

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""Feelings of the person, in the order of the senses' labels; tasks do not import senses."""
CHANNELS = (
    "distance",  # of the trunk from the person, m
    "bearing_cos",  # of the angle from the dog's nose to the person
    "bearing_sin",
    "height",  # of the trunk, m
    "roll",  # rad
    "pitch",  # rad, nose down
    "yaw_rate",  # rad/s
    "velocity_forward",  # m/s, in the frame of the heading
    "velocity_left",
    "velocity_up",
    "foot_FR",  # heights of the feet, m
    "foot_FL",
    "foot_RR",
    "foot_RL",
    "feet_down",  # share of the feet that touch the ground
    "heading_cos",  # in the world
    "heading_sin",
)
FRAMES, STEPS_PER_FRAME = 36, 4
FRAME_S = STEPS_PER_FRAME / CONTROL_HZ
STEPS_PER_PICTURE = 2
PICTURE_FPS = CONTROL_HZ / STEPS_PER_PICTURE
_WARM_UP_STEPS = 40  # a clip begins with the dog well under way
_TRAVEL_S = 2.6  # it begins so far off that at full speed the dog is there after this long
_TURN_GAIN, _TURN_LIMIT = 1.5, 0.8
_BEND_M, _EASE_M, _THERE_M = 0.8, 0.25, 0.05
_SPREAD = 0.15  # standard deviation of styles about an emotion's default, of each dimension's range
LegsFactory = Callable[[QuadrupedSpec], Legs]


@dataclass(frozen=True)
class ClipSpec:
    """All that decides a clip: the same numbers give the same clip.

    Attributes:
        style: how the dog moves.
        emotion: index into `EMOTIONS`, what the person feels; the dog does not know.
        gait: one of `control.style.STYLE_GAITS`; as the next ones, nothing that is to be judged.
        clock: of the gait at the start, cycles.
        heading: where the dog comes from, seen from the person, rad in the world.
        side: +1 or -1, to which side it bends a curved approach.
        seed: of the starts, stops and uneven timing.
    """

    style: ExpressiveStyle
    emotion: int = 0
    gait: str = "trot"
    clock: float = 0.0
    heading: float = 0.0
    side: int = 1
    seed: int = 0


class Clip(NamedTuple):
    """A walked `ClipSpec`: states (FRAMES, 17) float32 of `CHANNELS`, and whether the dog fell."""

    states: np.ndarray
    fell: bool


def draw_style(emotion: int, rng: np.random.Generator) -> ExpressiveStyle:
    """Draw a style: every other one anywhere in the box, the rest about the default of the emotion."""
    if rng.random() < 0.5:
        return ExpressiveStyle.from_vector(rng.random(len(STYLE_NAMES)))
    default = DEFAULT_STYLES[EMOTIONS[emotion]].vector()
    return ExpressiveStyle.from_vector(np.clip(default + rng.normal(0.0, _SPREAD, default.shape), 0.0, 1.0))


def draw_spec(rng: np.random.Generator, emotion: int | None = None, style: ExpressiveStyle | None = None) -> ClipSpec:
    """Draw a clip; what is given is kept, and the nuisances (gait, clock, heading, side) vary freely."""
    emotion = int(rng.integers(len(EMOTIONS))) if emotion is None else emotion
    return ClipSpec(
        draw_style(emotion, rng) if style is None else style,
        emotion,
        str(rng.choice(STYLE_GAITS)),
        float(rng.random()),
        float(rng.uniform(-np.pi, np.pi)),
        int(rng.choice((-1, 1))),
        int(rng.integers(2**31)),
    )


def approach_command(style: ExpressiveStyle, side: int, distance: float, bearing: float) -> VelocityCommand:
    """Steer toward the person: past them by the curvature while there is way to go, slower and straight at the end.

    Args:
        style: its speed, distance and curvature count.
        side: +1 or -1.
        distance: from the person, m.
        bearing: from the dog's nose to the person, rad.
    """
    left = distance - style.approach_distance_m
    aim = bearing + side * style.approach_curvature_rad * float(np.clip(left / _BEND_M, 0.0, 1.0))
    speed = style.speed_m_s * float(np.clip((left - _THERE_M) / _EASE_M, 0.0, 1.0))
    if speed < 1e-3:
        return VelocityCommand()
    turn = float(np.clip(_TURN_GAIN * aim, -_TURN_LIMIT, _TURN_LIMIT))
    return VelocityCommand(speed * max(0.35, float(np.cos(aim))), 0.0, turn)


def simulate(spec: ClipSpec, legs: LegsFactory = ClockedLegs) -> Clip:
    """Walk a clip and record its states: about 20 of them in a second."""
    rows: list[np.ndarray] = []
    rates: list[tuple[float, ...]] = []
    fell = False
    for step, dog, state in _walk(spec, legs):
        rates.append((state.angular_velocity[2], *state.heading_velocity, state.velocity[2]))
        if step >= 0 and step % STEPS_PER_FRAME == STEPS_PER_FRAME - 1:
            # Rates are means since the frame before: sampled now and then, they would show which phase they met.
            rows.append(_row(dog, state, np.mean(rates[-STEPS_PER_FRAME:], axis=0)))
        fell = fell or has_fallen(state.upright, state.position[2])
    return Clip(np.array(rows, np.float32), fell)


def film(spec: ClipSpec, legs: LegsFactory = ClockedLegs) -> np.ndarray:
    """Walk a clip and record its pictures: (frames, 19, 7) float32 at `PICTURE_FPS`, as `Dog.link_poses` gives them."""
    poses = [dog.link_poses() for step, dog, _ in _walk(spec, legs) if step >= 0 and step % STEPS_PER_PICTURE == 0]
    return np.array(poses, np.float32)


def _walk(spec: ClipSpec, legs: LegsFactory) -> Iterator[tuple[int, Dog, QuadrupedState]]:
    """Step through a clip; the person stands at the origin. Steps below 0 are before it begins."""
    rng = np.random.default_rng(spec.seed)
    with World() as world:  # a new one for each clip: no trace of the clip before
        dog = Dog(world, rng, legs=legs)
        style = spec.style
        start = style.approach_distance_m + _TRAVEL_S * style.speed_m_s
        place = (start * float(np.cos(spec.heading)), start * float(np.sin(spec.heading)))
        dog.reset(place, spec.heading + np.pi + spec.side * style.approach_curvature_rad, spec.clock)
        gait, modulator = style.gait(spec.gait), StyleModulator(style, rng)
        state = dog.body.read()
        for step in range(-_WARM_UP_STEPS, FRAMES * STEPS_PER_FRAME):
            distance, bearing = _seen(state)
            command = approach_command(style, spec.side, distance, bearing)
            stepped = replace(gait, stepping=command != VelocityCommand())
            modulated = modulator.step(command, stepped, (step + _WARM_UP_STEPS) / CONTROL_HZ)
            dog.control(*modulated, state)
            world.step(SUBSTEPS)
            state = dog.body.read()
            yield step, dog, state


def _seen(state: QuadrupedState) -> tuple[float, float]:
    """Distance to the person, m, and bearing from the nose, rad in +-pi."""
    x, y = state.position[:2].tolist()
    bearing = np.arctan2(-y, -x) - state.yaw
    return float(np.hypot(x, y)), wrap(bearing)


def _row(dog: Dog, state: QuadrupedState, rates: np.ndarray) -> np.ndarray:
    """(17,) `CHANNELS` now; `rates` (4,) are yaw rate and velocity forward, left, up."""
    distance, bearing = _seen(state)
    turn = state.rotation
    roll, pitch = np.arctan2(turn[2, 1], turn[2, 2]), -np.arcsin(np.clip(turn[2, 0], -1.0, 1.0))
    feet = dog.body.link_poses()[3::3]
    x, y = feet[:, 3:5].T
    # A foot is at the lower end of its calf, which is the third link of the leg.
    heights = feet[:, 2] - dog.spec.calf_m * (1 - 2 * (x * x + y * y)) - dog.spec.foot_radius_m
    down = float(np.mean(dog.body.foot_contacts()))
    seen = (distance, np.cos(bearing), np.sin(bearing), state.position[2], roll, pitch)
    return np.array([*seen, *rates, *heights, down, np.cos(state.yaw), np.sin(state.yaw)])
