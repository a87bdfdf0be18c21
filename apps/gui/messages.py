"""Messages to and from the page: poses as bytes, all else JSON. `assets/web/messages.d.ts` is made from the types here.

World frame: z up, x forward, metres. Quaternions are xyzw.
"""

from __future__ import annotations

import struct
from typing import Any, Literal, TypedDict

import numpy as np

from apps.decision import DRIVEN
from apps.session import DRIVE_S
from apps.timeline import Manual, Sight, Snapshot, Telemetry
from control.dog import CONTROL_HZ
from control.gait import GAITS
from perception.emotion import LABELS
from perception.speech.speech_detector import LEAST_SPEECH
from policies.behaviour import BehaviourTable
from robots.face import FaceParameters
from robots.quadruped import LEGS, QuadrupedSpec
from robots.shapes import Link
from robots.sounds import CALLS

MAX_UPLOAD_BYTES = 25 * 2**20
REFUSED_CODE = 4400
SAMPLES = ("calm", "sad", "angry", "fearful")
"""Feelings that `assets/samples` holds a voice for, in the order in which the page plays them."""
_HEADS = ("head", "head_roll")
"""What the dog's screen is on: one is seen on the plain dog, the other on the one with a neck."""
_POSE_HEADER = struct.Struct("<d")
_FLOATS_PER_LINK = 7


class PlayedMessage(TypedDict):
    """A file that is heard."""

    name: str
    position_s: float
    duration_s: float


class SightMessage(TypedDict):
    """The face that the dog looks at."""

    box: tuple[float, float, float, float] | None  # x, y, width, height as shares of the picture, from its upper left
    faces: int  # how many there are
    reason: str  # why it is not judged: "no face", "too small", "blurred", "turned away"; or ""
    reliability: float  # 0..1
    emotion: str | None
    confidence: float | None  # 0..1


class TelemetryMessage(TypedDict):
    """Readings of the body's own sensors."""

    joints: list[float]  # (12,) rad: abduction, thigh and calf of each leg, in the order of the scene's legs
    torques: list[float]  # (12,) N m
    contacts: list[bool]  # (4,) of the feet
    roll_pitch_rad: tuple[float, float]  # right side down, nose down
    angular_velocity: list[float]  # (3,) rad/s, in the world


class StateMessage(TypedDict):
    """State of a session, ten times a second on /ws/live; the step of the timeline is in it as well."""

    type: Literal["state"]
    probabilities: list[float] | None  # (8,), in the order of the scene's labels; None when set by hand
    source: str | None  # "voice", "face", "voice and face", "manual"
    says: str
    speed: float  # commanded, m/s
    unsure: bool  # nothing was sensed of late, or nothing clear
    agreement: float | None  # of voice and face, 0..1
    sight: SightMessage | None
    speech: float | None  # how likely the last sound was speech, 0..1
    voice_active: bool
    level_db: float | None
    hearing: PlayedMessage | None
    manual: Manual
    face: FaceParameters
    person: tuple[float, float]  # (2,) m
    telemetry: TelemetryMessage


class ClockMessage(TypedDict):
    """How the simulation keeps time, and who looks on; in every state."""

    paused: bool
    real_time_factor: float
    clients: int


class SoundMessage(TypedDict):
    """The dog makes a sound."""

    type: Literal["sound"]
    name: str
    id: int


class AckMessage(TypedDict):
    """The answer to a command; `error` says why it was not obeyed."""

    type: Literal["ack"]
    id: int | None
    ok: bool
    error: str | None


class NoticeMessage(TypedDict):
    """Something to tell the person in words."""

    type: Literal["notice"]
    level: Literal["info", "error"]
    text: str


class CommandMessage(TypedDict):
    """A page's command to the session, on /ws/live."""

    type: Literal["command"]
    id: int
    name: Literal["emotion", "gait", "speed", "drive", "push", "fetch", "reset", "stop_playing", "pause"]
    value: Any


class SceneMessage(TypedDict):
    """Reply of GET /api/scene: what does not change while the page is open, and the numbers that both sides need."""

    labels: list[str]  # (8,) emotions
    links: list[Link]  # in the order of the pose messages
    screen_link: str
    gaits: list[str]
    legs: list[str]
    most_torque: float  # of a motor, N m
    behaviours: list[dict[str, str]]  # name, and what it says when it begins
    sounds: list[str]
    samples: list[str]  # feelings; a voice for each can be heard
    toys: list[str]  # colours of things that can be sent for, the favourite first
    speed_range: tuple[float, float]  # lowest and highest, m/s
    sideways_range: tuple[float, float]  # lowest and highest to the left, m/s
    turning_range: tuple[float, float]  # lowest and highest counter-clockwise, rad/s
    drive_s: float  # so long the dog goes on after "drive"; s
    person: dict[str, list[float]]  # position (3,) m
    control_hz: int
    upload_bytes: int  # largest file that the server takes
    least_speech: float  # sounds less likely to be speech than this are not judged
    refused_code: int  # close code of a socket that the server will not take: trying again would not help
    pose_header_bytes: int  # a pose message begins with the time, float64 in s;
    floats_per_link: int  # so many float32 for each link follow: position in m, quat_xyzw


def pose_message(snapshot: Snapshot) -> bytes:
    """Pack, little-endian, float64 time in s and 7 float32 for each link: position in m and quat_xyzw."""
    return _POSE_HEADER.pack(snapshot.t) + np.ascontiguousarray(snapshot.poses, "<f4").tobytes()


def state_message(snapshot: Snapshot, person: tuple[float, float]) -> dict[str, Any]:
    """Write the state of the session as the page shows it; nobody is sure by so much of what was set by hand."""
    step, estimate, playing = snapshot.step, snapshot.estimate, snapshot.playing
    level, by_hand = snapshot.hearing.level_db, snapshot.manual.emotion is not None
    return {
        "type": "state",
        **step._asdict(),
        **({"confidence": None} if by_hand else {}),
        "probabilities": None if by_hand or estimate is None else [round(float(p), 4) for p in estimate.probabilities],
        "source": None if estimate is None else estimate.source,
        "says": snapshot.says,
        "speed": round(snapshot.commanded_speed, 3),
        "unsure": snapshot.unsure,
        "agreement": None if snapshot.agreement is None else round(snapshot.agreement, 3),
        "sight": None if snapshot.sight is None else _sight(snapshot.sight),
        "speech": None if snapshot.hearing.speech is None else round(snapshot.hearing.speech, 3),
        "voice_active": snapshot.hearing.voice_active,
        "level_db": None if level is None else round(level, 1),
        "hearing": None
        if playing is None
        else {"name": playing[0], "position_s": round(playing[1], 2), "duration_s": round(playing[2], 2)},
        "manual": snapshot.manual._asdict(),
        "face": snapshot.face.as_json(),
        "person": person,
        "telemetry": _telemetry(snapshot.telemetry),
    }


def _telemetry(read: Telemetry) -> TelemetryMessage:
    return {
        "joints": read.joints.round(3).tolist(),
        "torques": read.torques.round(1).tolist(),
        "contacts": read.contacts,
        "roll_pitch_rad": (round(read.roll_pitch_rad[0], 3), round(read.roll_pitch_rad[1], 3)),
        "angular_velocity": read.angular_velocity.round(2).tolist(),
    }


def _sight(sight: Sight) -> SightMessage:
    """Write the face that is followed."""
    reading, estimate = sight.reading, sight.reading.estimate
    box = None
    if reading.face is not None:
        x, y, width, height = map(float, reading.face.box)
        across, down = sight.width, sight.height
        box = (round(x / across, 4), round(y / down, 4), round(width / across, 4), round(height / down, 4))
    return {
        "box": box,
        "faces": reading.faces,
        "reason": reading.reason,
        "reliability": round(reading.reliability, 3),
        "emotion": None if estimate is None else estimate.label,
        "confidence": None if estimate is None else round(estimate.confidence, 4),
    }


def scene_message(
    links: list[dict[str, Any]], table: BehaviourTable, person: tuple[float, float], toys: list[str]
) -> dict[str, Any]:
    """Write everything that does not change while the page is open."""
    return {
        "labels": list(LABELS),
        "links": links,
        "screen_link": next((link["name"] for link in links if link["name"] in _HEADS), ""),
        "gaits": list(GAITS),
        "legs": list(LEGS),
        "most_torque": QuadrupedSpec().max_torque,
        "behaviours": [{"name": name, "says": beats[0].says} for name, beats in table.beats.items()],
        "sounds": list(CALLS),
        "samples": list(SAMPLES),
        "toys": toys,
        **{f"{name}_range": limits for name, limits in DRIVEN.items()},
        "drive_s": DRIVE_S,
        "person": {"position": [*person, 0.0]},
        "control_hz": CONTROL_HZ,
        "upload_bytes": MAX_UPLOAD_BYTES,
        "least_speech": LEAST_SPEECH,
        "refused_code": REFUSED_CODE,
        "pose_header_bytes": _POSE_HEADER.size,
        "floats_per_link": _FLOATS_PER_LINK,
    }
