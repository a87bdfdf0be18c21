"""The clocked gait: a velocity and a style become foot trajectories, and those become joint angles.

Every leg runs the same clock, shifted by the phase offset of the gait. In stance the foot moves against the commanded
velocity of its hip; in swing it follows a cubic that leaves and meets the ground at the speed of the ground (Raibert's
symmetric step), and it is lifted by a smooth bump. Analytic inverse kinematics turns feet into joints. Nothing is
learned here: this is what walks before any training, and what a learned policy adds its residuals to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import cos, sin
from typing import NamedTuple

import numpy as np

from robots.kinematics import leg_angles
from robots.quadruped import QuadrupedSpec


class VelocityCommand(NamedTuple):
    """What the trunk should do: vx forward and vy left in m/s, wz counter-clockwise in rad/s."""

    vx: float = 0.0
    vy: float = 0.0
    wz: float = 0.0


@dataclass(frozen=True)
class GaitStyle:
    """How to step.

    Attributes:
        name: what the gait is called.
        phases: clock offsets of the legs (FR, FL, RR, RL) in cycles: with 0.25 a leg runs a quarter cycle ahead.
        frequency_hz: steps of a leg per second.
        duty: the part of the cycle that a foot spends on the ground; more at a low cadence, see `effective_duty`.
        swing_m: how high a foot is lifted.
        bounce: share of a ballistic push-off that the stance legs are told to give. With 1 the trunk would be thrown
            just high enough to fall for the whole swing, which is what gaits with a flight phase need; motors that
            yield take a third off that, and a trunk that comes down too early trips over feet still on their way.
        slow_bounce: the same at a slow cadence, where the feet stand for `LONG_STANCE_S`: every swing then begins from
            rest, and what falls or tips meanwhile must have been thrown up first.
        height_m: height of the hips over the feet.
        pitch_rad: pitch of the trunk, positive nose down (ROS REP 103).
        roll_rad: roll of the trunk, positive right side down.
        reach_m: how far in front of their hips the feet stand.
        longest_swing_s: how long a foot may be in the air, whatever the cadence; see `effective_duty`.
        drift_m_s: what the gait loses to scuffing feet on flat ground at any speed, measured, added to the command.
        drift_share: what it loses for each m/s of speed, likewise.
        stepping: whether the feet leave the ground at all.
    """

    name: str
    phases: tuple[float, float, float, float]
    frequency_hz: float
    duty: float
    swing_m: float
    bounce: float = 0.0
    slow_bounce: float = 0.0
    height_m: float = 0.30
    pitch_rad: float = 0.0
    roll_rad: float = 0.0
    reach_m: float = 0.0
    longest_swing_s: float = 0.165
    drift_m_s: float = 0.0
    drift_share: float = 0.0
    stepping: bool = True

    @property
    def effective_duty(self) -> float:
        """The duty factor, raised where a swing would last longer than `longest_swing_s`.

        Animals, too, walk slower by standing longer, not by swinging longer; and nobody stands on two legs of one side
        for half a second.
        """
        return max(self.duty, 1.0 - self.longest_swing_s * self.frequency_hz)


# Phases after Hildebrand's diagrams: diagonal pairs trot, lateral pairs pace, front and hind pairs bound.
GAITS: dict[str, GaitStyle] = {
    style.name: style
    for style in (
        GaitStyle("stand", (0.0, 0.5, 0.5, 0.0), frequency_hz=2.4, duty=0.65, swing_m=0.05, stepping=False),
        GaitStyle("walk", (0.25, 0.75, 0.5, 0.0), 1.6, 0.78, 0.04, reach_m=-0.01, longest_swing_s=0.14, drift_m_s=0.05),
        GaitStyle("trot", (0.0, 0.5, 0.5, 0.0), 2.8, 0.54, swing_m=0.05, height_m=0.33, reach_m=0.01, drift_m_s=0.05),
        GaitStyle(
            "pace",
            (0.0, 0.5, 0.0, 0.5),
            3.0,
            0.58,
            swing_m=0.05,
            slow_bounce=0.72,
            reach_m=-0.01,
            longest_swing_s=0.14,
            drift_m_s=0.065,
        ),
        GaitStyle(
            "bound",
            (0.0, 0.0, 0.5, 0.5),
            3.2,
            0.62,
            swing_m=0.03,
            bounce=0.15,
            slow_bounce=0.5,
            height_m=0.28,
            reach_m=0.02,
            longest_swing_s=0.12,
            drift_m_s=0.06,
        ),
        GaitStyle(
            "pronk",
            (0.0, 0.0, 0.0, 0.0),
            3.2,
            0.62,
            swing_m=0.045,
            bounce=1.4,
            slow_bounce=1.7,
            height_m=0.28,
            longest_swing_s=0.12,
            drift_m_s=0.015,
        ),
    )
}

GRAVITY = 9.81  # m/s^2
MAX_RISE_M = 0.10  # difference in height that the legs make up for
LONGEST_PUSH_S = 0.2  # landing and push-off together; a longer stance holds still between them
SHORT_STANCE_S, LONG_STANCE_S = 0.25, 0.65  # between them a style's `slow_bounce` takes over from its `bounce`
MAX_PUSH_OFF_M_S = 1.0  # what the legs can give; at a low cadence the whole swing would ask for more

# Limits of what the body can do; commands outside are refused where a person types them and clipped in the loop.
SPEED_RANGE_M_S = (-0.6, 1.2)
FREQUENCY_RANGE_HZ = (1.0, 3.5)
HEIGHT_RANGE_M = (0.18, 0.34)


def gait_style(name: str, **changes: float) -> GaitStyle:
    """Return the default style of a gait with some fields changed.

    Raises:
        ValueError: the gait is not known.
    """
    if name not in GAITS:
        raise ValueError(f"unknown gait {name!r}: choose one of {', '.join(GAITS)}")
    return replace(GAITS[name], **changes)  # type: ignore[arg-type]


class GaitGenerator:
    """Steps the clock and returns joint targets; every change of command or style is eased in.

    A style may change at any moment: the legs' phase offsets glide along the shorter arc, the rest follows with a
    first-order lag of `style_lag_s`, and velocity with `velocity_lag_s`.
    """

    style_lag_s = 0.15
    velocity_lag_s = 0.20
    balance_s = 0.15
    balance_lag_s = 0.05
    ground_lag_s = 0.05
    righting_s = 0.6
    phase_rate = 1.2  # cycles per second at which a leg may change its place in the cycle

    def __init__(self, spec: QuadrupedSpec, dt_s: float = 0.02) -> None:
        self.spec = spec
        self.dt_s = dt_s
        self.reset(GAITS["stand"])

    def reset(self, style: GaitStyle, clock: float = 0.0) -> None:
        """Start over in `style`, standing still, with the clock (cycles) at `clock`."""
        self.clock = clock
        self.offsets: list[float] = list(style.phases)
        self.velocity: list[float] = [0.0, 0.0, 0.0]
        self._caught = [0.0, 0.0]
        self._rises = [0.0] * 4
        self._leans = [(0.0, 0.0)] * 4
        self._style: list[float] = _style_values(style)
        self._activity = 0.0

    @property
    def phases(self) -> list[float]:
        """Phase of each leg (4) in [0, 1): in stance while below the duty factor."""
        return [(self.clock + offset) % 1.0 for offset in self.offsets]

    @property
    def duty(self) -> float:
        """The duty factor as it stands now."""
        return self._style[1]

    @property
    def frequency_hz(self) -> float:
        """The cadence as it stands now, Hz; 0 while all feet stay down."""
        return self._style[0] * self._activity

    @property
    def caught(self) -> tuple[float, float]:
        """How far the feet are set aside to catch the body, forward and left, m."""
        return self._caught[0], self._caught[1]

    @property
    def height_m(self) -> float:
        """The commanded height of the hips as it stands now."""
        return self._style[5]

    def step(
        self,
        command: VelocityCommand,
        style: GaitStyle,
        velocity_error: tuple[float, float] = (0.0, 0.0),
        residual: Sequence[float] | None = None,
        ground: Sequence[float] | None = None,
        lean: tuple[float, float] = (0.0, 0.0),
    ) -> np.ndarray:
        """Advance one control step.

        Args:
            command: the velocity to walk with.
            style: how to step.
            velocity_error: how much faster than commanded the trunk moves, forward and left, m/s. The feet are set that
                way, `balance_s` for each m/s, which catches a shoved body (Raibert 1986, eq. 2.4). Zero is open loop.
            residual: (12) m as x, y, z leg by leg, added to where the feet go, in axes of the trunk; what a learned
                policy has to say.
            ground: (4) m, height of the ground where each foot stands or will land. None is flat.
            lean: how far the trunk is pitched and rolled beyond what it was told, rad. Swinging feet are held level
                against it, so that they come down under a trunk that topples; standing feet go back to the trunk's own
                axes within `righting_s`, which turns it upright. Zero is open loop.

        Returns:
            (12,) rad joint targets, leg by leg (FR, FL, RR, RL), each abduction, thigh, calf.
        """
        feet = self._feet(command, style, velocity_error, ground, lean)
        if residual is not None:
            feet = [now + more for now, more in zip(feet, residual, strict=True)]
        angles: list[float] = []
        for leg, side in enumerate(self.spec.hip_sides):
            x, y, z = feet[3 * leg : 3 * leg + 3]
            angles += leg_angles(x, y, z, side, self.spec)
        return np.array(angles)

    def _feet(
        self,
        command: VelocityCommand,
        style: GaitStyle,
        velocity_error: tuple[float, float],
        ground: Sequence[float] | None,
        lean: tuple[float, float],
    ) -> list[float]:
        """Advance one control step; (12) m feet as x, y, z relative to their hip joints in axes of the trunk."""
        self._ease(command, style)
        frequency, duty, swing, bounce, slow_bounce, height, pitch, roll, reach, drift, share = self._style
        self.clock = (self.clock + frequency * self.dt_s) % 1.0
        vx, vy, wz = self.velocity
        vx += drift + share * vx
        caught_x, caught_y = self._catch(velocity_error)
        activity = self._activity
        stance_s = activity * duty / max(frequency, 1e-6)
        # Landing at -v and leaving at +v with v = g T_flight / 2 makes a short stance a parabola of this depth.
        push_s = min(stance_s, LONGEST_PUSH_S)
        long = min(max((stance_s - SHORT_STANCE_S) / (LONG_STANCE_S - SHORT_STANCE_S), 0.0), 1.0)
        push = (bounce + long * (slow_bounce - bounce)) * GRAVITY / 2 * (1.0 - duty) / max(frequency, 1e-6)
        crouch = min(push, MAX_PUSH_OFF_M_S) * push_s
        phases = self.phases
        steps, clearance = self._place(phases, ground)
        feet: list[float] = []
        for phase, rise, (hip_x, hip_y, _), side in zip(
            phases, steps, self.spec.hips, self.spec.hip_sides, strict=True
        ):
            along, lift, down = _foot_cycle(phase, duty)
            # The ground must pass under a stance foot at v + w x r.
            x = along * (vx - wz * (hip_y + side)) * stance_s + caught_x * activity + reach
            y = along * (vy + wz * (hip_x + reach)) * stance_s + caught_y * activity + side
            edge = max(0.0, 0.5 - (0.5 - abs(along)) * stance_s / push_s) if push_s else 0.5
            z = lift * (swing + clearance) * activity + down * crouch * (0.25 - edge * edge) - height + rise
            feet += (x, y, z)
        self._level(phases, lean)
        return _lean(feet, self.spec, pitch, roll, self._leans)

    def _level(self, phases: list[float], lean: tuple[float, float]) -> None:
        """Ease how far each leg is turned against a trunk that leans."""
        if lean == (0.0, 0.0) and max(abs(angle) for turned in self._leans for angle in turned) < 1e-3:
            self._leans = [(0.0, 0.0)] * 4
            return
        follow, back = min(1.0, self.dt_s / self.ground_lag_s), min(1.0, self.dt_s / self.righting_s)
        duty, (pitch, roll) = self._style[1], lean
        self._leans = [
            (now_pitch * (1 - back), now_roll * (1 - back))
            if phase < duty
            else (now_pitch + follow * (pitch - now_pitch), now_roll + follow * (roll - now_roll))
            for phase, (now_pitch, now_roll) in zip(phases, self._leans, strict=True)
        ]

    def _place(self, phases: list[float], ground: Sequence[float] | None) -> tuple[list[float], float]:
        """Heights (4) m that the feet take above their mean, and how much higher they must be lifted, m.

        A foot takes the height of its next place while it swings and keeps it while it stands.
        """
        if ground is None:
            self._rises = [0.0] * 4
            return self._rises, 0.0
        follow, duty = min(1.0, self.dt_s / self.ground_lag_s), self._style[1]
        middle = sum(ground) / 4
        wanted = [min(max(height - middle, -MAX_RISE_M), MAX_RISE_M) for height in ground]
        self._rises = [
            now + (goal - now) * (follow if phase >= duty else 0.25 * follow)
            for now, goal, phase in zip(self._rises, wanted, phases, strict=True)
        ]
        return self._rises, min(max(ground) - min(ground), MAX_RISE_M)

    def _ease(self, command: VelocityCommand, style: GaitStyle) -> None:
        dt = self.dt_s
        follow, blend = min(1.0, dt / self.velocity_lag_s), min(1.0, dt / self.style_lag_s)
        self.velocity = [now + (goal - now) * follow for now, goal in zip(self.velocity, command, strict=True)]
        self._style = [now + (goal - now) * blend for now, goal in zip(self._style, _style_values(style), strict=True)]
        self._activity += (float(style.stepping) - self._activity) * blend
        limit = self.phase_rate * dt
        gaps = [(goal - now + 0.5) % 1.0 - 0.5 for now, goal in zip(self.offsets, style.phases, strict=True)]
        self.offsets = [now + min(max(gap, -limit), limit) for now, gap in zip(self.offsets, gaps, strict=True)]

    def _catch(self, velocity_error: tuple[float, float]) -> list[float]:
        """(2) m: where the feet go to catch the body; eased in, since feet on the ground must not be torn away."""
        follow = min(1.0, self.dt_s / self.balance_lag_s)
        wanted = [min(max(error * self.balance_s, -0.10), 0.10) for error in velocity_error]
        self._caught = [now + (goal - now) * follow for now, goal in zip(self._caught, wanted, strict=True)]
        return self._caught


@lru_cache(maxsize=256)
def _style_tuple(style: GaitStyle) -> tuple[float, ...]:
    return (
        style.frequency_hz,
        style.effective_duty,
        style.swing_m,
        style.bounce,
        style.slow_bounce,
        style.height_m,
        style.pitch_rad,
        style.roll_rad,
        style.reach_m,
        style.drift_m_s,
        style.drift_share,
    )


def _style_values(style: GaitStyle) -> list[float]:
    return list(_style_tuple(style))


def _foot_cycle(phase: float, duty: float) -> tuple[float, float, float]:
    """Where a foot is in its cycle.

    Returns:
        along: place along the step in stance lengths, +0.5 at touch-down and -0.5 at lift-off.
        lift: height in swing heights, 0..1.
        down: 1 in stance, 0 in swing.
    """
    if phase < duty:
        return 0.5 - phase / duty, 0.0, 1.0
    u = (phase - duty) / (1.0 - duty)
    # Cubic Hermite from -0.5 to +0.5 whose end slopes equal the stance speed, so that a foot meets the ground
    # without scuffing; -(1 - duty) / duty is the stance slope on the swing's own time scale.
    slope = -(1.0 - duty) / duty
    swing = -0.5 + u * u * (3.0 - 2.0 * u) + slope * u * (1.0 - u) * (1.0 - 2.0 * u)
    return swing, 16.0 * (u * (1.0 - u)) ** 2, 0.0


def _lean(
    feet: list[float], spec: QuadrupedSpec, pitch: float, roll: float, leans: Sequence[tuple[float, float]]
) -> list[float]:
    """Move the feet (12) m from level axes under each hip to the axes of a trunk that is pitched and rolled.

    `leans` (4) of pitch and roll, rad, come on top for each leg.
    """
    if pitch == 0.0 and roll == 0.0 and not any(map(any, leans)):
        return feet
    leaned: list[float] = []
    for leg, ((hip_x, hip_y, hip_z), (more_pitch, more_roll)) in enumerate(zip(spec.hips, leans, strict=True)):
        cp, sp = cos(pitch + more_pitch), sin(pitch + more_pitch)
        cr, sr = cos(roll + more_roll), sin(roll + more_roll)
        x, y, z = feet[3 * leg] + hip_x, feet[3 * leg + 1] + hip_y, feet[3 * leg + 2] + hip_z
        along = sp * x + cp * z  # R_level_trunk transposed, written out: pitch first, then roll
        leaned += [cp * x - sp * z - hip_x, cr * y + sr * along - hip_y, cr * along - sr * y - hip_z]
    return leaned
