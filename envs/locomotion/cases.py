"""Cases of the evaluation of gaits, one by one or as the suite that the README reports."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import permutations, product

from control.command import GaitCommand
from control.gait import FREQUENCY_RANGE_HZ, HEIGHT_RANGE_M, SPEED_RANGE_M_S, VelocityCommand, gait_style
from envs.locomotion.env import LocomotionConfig
from envs.locomotion.randomization import NONE
from envs.locomotion.terrain import HARDEST, TERRAINS

# Nominal but for what differs between walks: heading, clock, joint angles (the task's own draw) and friction.
EVAL_DYNAMICS = replace(NONE, friction=(0.7, 1.1))
TERRAIN_LEVEL = 4
"""Level of the uneven ground: 8 cm lumps, slopes of 15 degrees, stairs of 10 cm, gaps of 10 cm between stones."""

_RANGES = {
    "speed": SPEED_RANGE_M_S,
    "vy": (-0.5, 0.5),
    "yaw_rate": (-1.5, 1.5),
    "frequency": FREQUENCY_RANGE_HZ,
    "height": HEIGHT_RANGE_M,
    "pitch": (-0.4, 0.4),
    "kick": (0.0, 5.0),
    "friction": (0.05, 2.0),
    "added_mass": (-3.0, 20.0),
    "motor_strength": (0.1, 2.0),
    "latency_ms": (0.0, 20.0),
}


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Commands of a walk beside the forward speed, and its disturbances; None leaves the gait's own or the nominal."""

    vy: float = 0.0
    """Commanded speed to the left, m/s."""
    yaw_rate: float = 0.0
    """Commanded turn rate, rad/s."""
    frequency: float | None = None
    """Cadence in Hz instead of the gait's own."""
    height: float | None = None
    """Height of the hips over the feet in m instead of the gait's own."""
    pitch: float = 0.0
    """Pitch of the trunk, rad, positive nose down."""
    to_gait: str | None = None
    """Gait to change to halfway."""
    terrain: str = "flat"
    """flat, rough (8 cm), slopes (15 degrees), stairs (10 cm), or stones (gaps of 10 cm)."""
    kick: float = 0.0
    """Velocity that a shove in a random direction adds after 2 s, m/s."""
    friction: float | None = None
    """Friction of the ground; from walk to walk between 0.7 and 1.1 if left out."""
    added_mass: float = 0.0
    """Load on the trunk, kg."""
    motor_strength: float = 1.0
    """Share of the motors' torque and gains."""
    latency_ms: float = 0.0
    """Delay between reading and motors, up to 20 ms."""


@dataclass(frozen=True)
class Case(Conditions):
    """One thing to measure: a gait at a speed, under some conditions.

    Raises:
        ValueError: something unknown or out of range.
    """

    gait: str
    """How to walk."""
    speed: float
    """Forward, m/s."""

    def __post_init__(self) -> None:
        gait_style(self.gait)
        if self.to_gait is not None:
            gait_style(self.to_gait)
        if self.terrain not in TERRAINS:
            raise ValueError(f"unknown terrain {self.terrain!r}: choose one of {', '.join(TERRAINS)}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name} {value} came; allowed are {low} to {high}")

    @property
    def title(self) -> str:
        """The case in a few words: its gait, its speed, and whatever is not usual."""
        given = ((one.name, getattr(self, one.name), one.default) for one in fields(Conditions))
        more = {name: value for name, value, default in given if value != default}
        then = more.pop("to_gait", None)
        gait = self.gait if then is None else f"{self.gait} to {then}"
        speed = str(self.speed).removesuffix(".0")  # all of its digits: rows are kept by these words
        return ", ".join([f"{gait} {speed} m/s", *(f"{name.replace('_', ' ')} {v}" for name, v in more.items())])

    @property
    def command(self) -> GaitCommand:
        """The command that the dog begins with."""
        return self._command(self.gait)

    @property
    def later_command(self) -> GaitCommand | None:
        """The command that it is given halfway, if any."""
        return None if self.to_gait is None else self._command(self.to_gait)

    def _command(self, gait: str) -> GaitCommand:
        given = {"pitch_rad": self.pitch, "frequency_hz": self.frequency, "height_m": self.height}
        style = gait_style(gait, **{name: value for name, value in given.items() if value is not None})
        return GaitCommand(VelocityCommand(self.speed, self.vy, self.yaw_rate), style)

    def config(self, terrain_seed: int) -> LocomotionConfig:
        """Return the task in which it is measured."""
        dynamics = replace(
            EVAL_DYNAMICS,
            friction=EVAL_DYNAMICS.friction if self.friction is None else (self.friction, self.friction),
            added_mass=(self.added_mass, self.added_mass),
            motor_strength=(self.motor_strength, self.motor_strength),
            latency_substeps=(round(self.latency_ms / 4),) * 2,
        )
        return LocomotionConfig(terrain=self.terrain, terrain_seed=terrain_seed, randomization=dynamics)


def case(cell: str, **more: object) -> Case:
    """Read `gait:speed`.

    Raises:
        ValueError: it is not of that form, or out of range.
    """
    gait, _, speed = cell.partition(":")
    gait_style(gait)
    try:
        return Case(gait, float(speed), **more)  # type: ignore[arg-type]
    except ValueError as problem:
        if "could not convert" in str(problem):
            raise ValueError(f"cell {cell!r} is not gait:speed, as in trot:0.5") from None
        raise ValueError(f"cell {cell!r}: {problem}") from None


WALKING = ("trot", "walk", "pace", "bound", "pronk")
_TRACKING = {
    "trot": (0.2, 0.4, 0.6, 0.8, 1.0, 1.2),
    "pace": (0.5, 0.75, 1.0),
    "bound": (0.5, 0.75, 1.0),
    "walk": (0.2, 0.35, 0.5),
    "pronk": (0.3,),
}
_EASY = {"trot": 0.5, "walk": 0.3, "pace": 0.5, "bound": 0.5, "pronk": 0.3}


SUITE: dict[str, tuple[Case, ...]] = {
    "tracking": tuple(Case(gait, speed) for gait, speeds in _TRACKING.items() for speed in speeds),
    "directions": (
        Case("trot", -0.5),
        Case("trot", 0.0, vy=0.3),
        Case("trot", 0.0, vy=-0.3),
        Case("trot", 0.3, yaw_rate=0.8),
        Case("trot", 0.3, yaw_rate=-0.8),
    ),
    "cadence": tuple(Case(gait, 0.3, frequency=hz) for gait, hz in product(WALKING, (1.2, 2.4, 3.5))),
    "posture": (
        *(Case("trot", 0.4, height=height) for height in (0.24, 0.27, 0.32)),
        *(Case("trot", 0.4, pitch=pitch) for pitch in (-0.2, 0.2)),
    ),
    "changes": tuple(Case(first, 0.5, to_gait=then) for first, then in permutations(WALKING, 2)),
    "kicks": tuple(Case(gait, speed, kick=kick) for kick in (1.0, 1.3) for gait, speed in _EASY.items()),
    "terrain": tuple(Case("trot", 0.4, terrain=terrain) for terrain in HARDEST),
    "dynamics": (
        Case("trot", 0.5, friction=0.3),
        Case("trot", 0.5, added_mass=5.0),
        Case("trot", 0.5, motor_strength=0.85),
        Case("trot", 0.5, latency_ms=20.0),
    ),
}
"""Everything that the README reports, by part."""
