"""Records of a session: the steps of its timeline, and snapshots for whoever looks on. All of it immutable."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from apps.ear import Hearing
from apps.eye import Sight
from control.gait import VelocityCommand
from perception.emotion import LABELS, EmotionEstimate
from robots.face import FaceParameters
from robots.quadruped import QuadrupedState

_TOLD_CONFIDENCE = 0.93


class Step(NamedTuple):
    """One control step of the timeline: what was felt, what was done, how the body moved."""

    t: float  # simulation time, s
    emotion: str | None
    confidence: float | None  # 0..1
    valence: float | None  # -1..1
    arousal: float | None  # -1..1
    behaviour: str
    gait: str
    frequency: float  # Hz
    height: float  # m
    vx: float  # measured, m/s
    fallen: bool


def felt(estimate: EmotionEstimate | None) -> dict[str, Any]:
    """Write an estimate as the fields of a `Step`; None where there is none."""
    if estimate is None:
        return dict.fromkeys(("emotion", "confidence", "valence", "arousal"))
    return {
        "emotion": estimate.label,
        "confidence": round(estimate.confidence, 4),
        "valence": round(estimate.valence, 4),
        "arousal": round(estimate.arousal, 4),
    }


class Timeline(NamedTuple):
    """Every step of a run, the sounds the dog made, and how much faster than the clock on the wall it went."""

    clip: str | None
    seed: int
    steps: list[Step]
    sounds: list[tuple[float, str]]
    real_time_factor: float

    def as_json(self) -> dict[str, Any]:
        """Write the timeline as one JSON object."""
        return {
            "clip": self.clip,
            "seed": self.seed,
            "steps": [step._asdict() for step in self.steps],
            "real_time_factor": round(self.real_time_factor, 2),
        }


class Manual(NamedTuple):
    """Settings that a person made by hand; None leaves it to the dog."""

    emotion: str | None = None
    gait: str | None = None
    speed: float | None = None  # forward, m/s
    sideways: float | None = None  # to the left, m/s
    turning: float | None = None  # counter-clockwise, rad/s

    @property
    def velocity(self) -> VelocityCommand | None:
        """How the legs are driven; what was not set stands still as soon as another velocity is."""
        driven = (self.speed, self.sideways, self.turning)
        return None if driven == (None, None, None) else VelocityCommand(*(value or 0.0 for value in driven))

    def estimate(self, time_s: float) -> EmotionEstimate | None:
        """Return the estimate of somebody who was told what the person feels; None when nobody was."""
        if self.emotion is None:
            return None
        rest = (1 - _TOLD_CONFIDENCE) / (len(LABELS) - 1)
        probabilities = np.full(len(LABELS), rest)
        probabilities[LABELS.index(self.emotion)] = _TOLD_CONFIDENCE
        return EmotionEstimate.from_probabilities(probabilities, time_s, "manual")


class Playing(NamedTuple):
    """A sound file that the dog is hearing."""

    name: str
    samples: np.ndarray
    position: int

    def progress(self, rate_hz: int) -> tuple[str, float, float]:
        """Its name, how much of it was heard, s, and how long it is, s."""
        return self.name, self.position / rate_hz, len(self.samples) / rate_hz


class Telemetry(NamedTuple):
    """Readings of the body's own sensors."""

    joints: np.ndarray  # (12,) rad: abduction, thigh and calf of each leg, in the order of LEGS
    torques: np.ndarray  # (12,) N m
    contacts: list[bool]  # (4,) of the feet
    roll_pitch_rad: tuple[float, float]  # right side down, nose down
    angular_velocity: np.ndarray  # (3,) rad/s, in the world

    @classmethod
    def of(cls, state: QuadrupedState, contacts: list[bool]) -> Telemetry:
        """Read it off a state."""
        up = state.rotation[2]  # in the frame of the trunk
        roll_pitch = float(np.arctan2(up[1], up[2])), float(np.arcsin(np.clip(-up[0], -1.0, 1.0)))
        return cls(state.joint_positions, state.joint_torques, contacts, roll_pitch, state.angular_velocity)


class Snapshot(NamedTuple):
    """A session's state as the outside sees it; immutable, safe to hand to other threads.

    The feeling in `step` is that of `estimate`: it fades while nothing is sensed.
    """

    t: float
    poses: np.ndarray  # (19, 7) float32: position in m, quat_xyzw, in the order of Dog.links
    step: Step
    says: str
    estimate: EmotionEstimate | None  # as of now; None when nothing was sensed of late
    unsure: bool  # nothing was sensed of late, or nothing clear
    agreement: float | None  # of voice and face, [0, 1]; None unless both spoke of late
    hearing: Hearing
    sight: Sight | None
    playing: tuple[str, float, float] | None  # name, position s, duration s
    manual: Manual
    face: FaceParameters
    commanded_speed: float
    telemetry: Telemetry
