"""The clocked gait: a velocity and a style become foot trajectories, and those become joint angles.

Every leg runs the same clock, shifted by the phase offset of the gait. In stance the foot moves against the commanded
velocity of its hip; in swing it follows a cubic that leaves and meets the ground at the speed of the ground (Raibert's
symmetric step), and it is lifted by a smooth bump. Analytic inverse kinematics turns feet into joints. Nothing is
learned here: this is what walks before any training, and what a learned policy adds its residuals to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite
from typing import NamedTuple

import numpy as np

from control.gait_kernel import STATE, gait_step
from robots.kinematics import geometry
from robots.quadruped import QuadrupedSpec


class VelocityCommand(NamedTuple):
    """Velocity of the trunk: vx forward and vy left in m/s, wz counter-clockwise in rad/s."""

    vx: float = 0.0
    vy: float = 0.0
    wz: float = 0.0


@dataclass(frozen=True)
class GaitStyle:
    """Style of stepping.

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
        lift_lead_s: how long before its clock lifts it a foot is told to leave the ground, since motors are late.
        drift_m_s: what the gait loses to scuffing feet on flat ground, measured, added to the command.
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
    lift_lead_s: float = 0.0
    drift_m_s: float = 0.0
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
        GaitStyle(
            "trot",
            (0.0, 0.5, 0.5, 0.0),
            2.8,
            0.54,
            swing_m=0.05,
            height_m=0.335,
            reach_m=0.01,
            lift_lead_s=0.012,
            drift_m_s=0.06,
        ),
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


_NOT_EASED = ("name", "phases", "duty", "longest_swing_s")  # the last two are in `effective_duty`
STYLE = np.dtype([(name, float) for name in ("effective_duty", *GaitStyle.__annotations__) if name not in _NOT_EASED])
"""Numbers that are eased from one style to the next; `stepping` is 1 where the feet step, 0 where they stay down."""


class PackedStyle(NamedTuple):
    """A style as compiled functions take it; all who ask share one, so whoever eases it takes a copy."""

    record: np.ndarray  # (1,) `STYLE`
    values: np.ndarray  # (12,) the same numbers without their names
    offsets: np.ndarray  # (4,) cycles, of the legs


@lru_cache(maxsize=1024)
def pack(style: GaitStyle) -> PackedStyle:
    """Return a style as numbers."""
    record = np.array([tuple(getattr(style, name) for name in STYLE.names or ())], STYLE)
    return PackedStyle(record, record.view(np.float64), np.array(style.phases, np.float64))


class GaitGenerator:
    """Steps the clock and returns joint targets; every change of command or style is eased in.

    A style may change at any moment: the legs' phase offsets glide along the shorter arc, the rest follows with a
    first-order lag of `STYLE_LAG_S`, and velocity with one of its own (see `control.gait_kernel`).
    """

    def __init__(self, spec: QuadrupedSpec, dt_s: float = 0.02) -> None:
        self.spec = spec
        self.dt_s = dt_s
        self._legs = geometry(spec)
        self.reset(GAITS["stand"])

    def reset(self, style: GaitStyle, clock: float = 0.0) -> None:
        """Start over in `style`, standing still, with the clock (cycles) at `clock`."""
        self._wanted, self._goal = style, pack(style)
        self.style = self._goal.record.copy()
        self.style["stepping"] = 0.0
        self._values = self.style.view(np.float64)
        self.memory = np.zeros(1, STATE)
        self._velocity = self.memory["velocity"][0]
        self.memory["clock"] = clock
        self.memory["offsets"] = style.phases
        self.memory["phases"] = (clock + np.array(style.phases)) % 1.0

    @property
    def clock(self) -> float:
        """The clock, cycles."""
        return float(self.memory["clock"][0])

    @property
    def phases(self) -> tuple[float, ...]:
        """Phase of each leg (4) in [0, 1): in stance while below the duty factor."""
        return tuple(self.memory["phases"][0].tolist())

    @property
    def velocity(self) -> list[float]:
        """The velocity that the gait walks with now: vx, vy in m/s and wz in rad/s."""
        velocity: list[float] = self._velocity.tolist()
        return velocity

    @property
    def duty(self) -> float:
        """The duty factor as it stands now."""
        return float(self.style["effective_duty"][0])

    @property
    def frequency_hz(self) -> float:
        """The cadence as it stands now, Hz; 0 while all feet stay down."""
        return float(self.style["frequency_hz"][0] * self.style["stepping"][0])

    @property
    def caught(self) -> list[float]:
        """How far the feet are set aside to catch the body, forward and left, m."""
        caught: list[float] = self.memory["caught"][0].tolist()
        return caught

    def step(
        self,
        command: VelocityCommand,
        style: GaitStyle,
        velocity_error: tuple[float, float] = (0.0, 0.0),
        residual: np.ndarray | None = None,
        ground: np.ndarray | None = None,
        lean: tuple[float, float] = (0.0, 0.0),
        pitch_trim: float = 0.0,
    ) -> np.ndarray:
        """Advance one control step.

        Args:
            command: the velocity to walk with.
            style: how to step.
            velocity_error: how much faster than commanded the trunk moves, forward and left, m/s. The feet are set that
                way, 0.15 s times it, which catches a shoved body (Raibert 1986, eq. 2.4). Zero is open loop.
            residual: (12,) m as x, y, z leg by leg, added to where the feet go, in axes of the trunk; what a learned
                policy has to say.
            ground: (4,) m, height of the ground where each foot stands or will land. None is flat.
            lean: how far the trunk is pitched and rolled beyond what it was told, rad. Swinging feet are held level
                against it, so that they come down under a trunk that topples; standing feet go back to the trunk's own
                axes within 0.6 s, which turns it upright. Zero is open loop.
            pitch_trim: rad, added to the style's pitch at once: what a load or a gait's own ways would take off it.

        Returns:
            (12,) rad joint targets, leg by leg (FR, FL, RR, RL), each abduction, thigh, calf.

        Raises:
            ValueError: the command is not finite; nothing moves then.
        """
        vx, vy, wz = command
        if not isfinite(vx + vy + wz):  # one NaN would stay in the filters for good
            raise ValueError(f"a velocity command is three finite numbers; got {command}")
        if style is not self._wanted:
            self._wanted, self._goal = style, pack(style)
        return gait_step(
            self.memory,
            self.style,
            self._values,
            self._goal.values,
            self._goal.offsets,
            (float(vx), float(vy), float(wz)),
            velocity_error,
            _FLAT if ground is None else np.ascontiguousarray(ground, np.float64),
            lean,
            pitch_trim,
            _AS_CLOCKED if residual is None else np.ascontiguousarray(residual, np.float64),
            self._legs,
            self.dt_s,
        )


_AS_CLOCKED = np.zeros(12)
_FLAT = np.zeros(4)
