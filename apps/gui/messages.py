"""What goes over the wire: poses as bytes, states and the scene as JSON. `assets/web/messages.js` is the other end."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from apps.timeline import Snapshot
from perception.emotion import LABELS
from policies.behaviour import BehaviourTable
from robots.dog import CONTROL_HZ
from robots.gait import GAITS, SPEED_RANGE_M_S
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
        "voice_active": snapshot.hearing.voice_active,
        "level_db": None if level is None else round(level, 1),
        "hearing": None
        if playing is None
        else {"name": playing[0], "position_s": round(playing[1], 2), "duration_s": round(playing[2], 2)},
        "manual": snapshot.manual._asdict(),
        "face": snapshot.face.as_json(),
        "person": list(person),
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
