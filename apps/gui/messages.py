"""What goes over the wire: poses as bytes, states and the scene as JSON. `assets/web/messages.js` is the other end."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from apps.timeline import Sight, Snapshot
from control.dog import CONTROL_HZ
from control.gait import GAITS, SPEED_RANGE_M_S
from perception.emotion import LABELS
from policies.behaviour import BehaviourTable
from robots.sounds import CALLS


def pose_message(snapshot: Snapshot) -> bytes:
    """Little-endian: float64 time in s, then 7 float32 for each link: position in m and quat_xyzw."""
    return struct.pack("<d", snapshot.t) + np.ascontiguousarray(snapshot.poses, "<f4").tobytes()


def state_message(snapshot: Snapshot, person: tuple[float, float]) -> dict[str, Any]:
    """The state of the session as the page shows it."""
    step, estimate, playing = snapshot.step, snapshot.estimate, snapshot.playing
    level = snapshot.hearing.level_db
    return {
        "type": "state",
        **step._asdict(),
        "probabilities": None if estimate is None else [round(float(p), 4) for p in estimate.probabilities],
        "source": snapshot.source,
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
        "person": list(person),
    }


def _sight(sight: Sight) -> dict[str, Any]:
    """The face that is followed; its box as shares of the picture, from the upper left corner."""
    reading, estimate = sight.reading, sight.reading.estimate
    box = None
    if reading.face is not None:
        x, y, width, height = reading.face.box
        box = [x / sight.width, y / sight.height, width / sight.width, height / sight.height]
    return {
        "box": None if box is None else [round(float(share), 4) for share in box],
        "faces": reading.faces,
        "reason": reading.reason,
        "reliability": round(reading.reliability, 3),
        "emotion": None if estimate is None else estimate.label,
        "confidence": None if estimate is None else round(estimate.confidence, 4),
    }


def scene_message(links: list[dict[str, Any]], table: BehaviourTable, person: tuple[float, float]) -> dict[str, Any]:
    """Everything that does not change while the page is open."""
    return {
        "labels": list(LABELS),
        "links": links,
        "screen_link": "head",
        "gaits": list(GAITS),
        "behaviours": [{"name": name, "says": beats[0].says} for name, beats in table.beats.items()],
        "sounds": list(CALLS),
        "speed_range": list(SPEED_RANGE_M_S),
        "person": {"position": [*person, 0.0]},
        "control_hz": CONTROL_HZ,
    }
