"""Trials of the whole companion, each in a room of its own: `empaw evaluate companion`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from apps.config import SessionConfig
from apps.room_body import RoomBody
from apps.session import Session
from control.dog import CONTROL_HZ
from evaluation.companion import fetching
from evaluation.companion.evaluate import Companion, Result, Task, evaluate
from evaluation.companion.fetching import FetchTask
from evaluation.companion.trials import RoomTask, RoomTrial, Track, judge
from geometry.transforms import wrap


def evaluate_companion(args: Companion) -> dict[str, Any]:
    """Play all trials, print the tables, and return the figures.

    Raises:
        ValueError: an option out of range, a file that is no scenario, or rows of another run in the folder.
        OSError: nothing can be written.
    """
    return evaluate(args, run)


def run(task: Task) -> Result:
    """Play one trial of either kind."""
    torch.set_num_threads(1)
    return fetching.run(task) if isinstance(task, FetchTask) else play(task)


def play(task: RoomTask) -> RoomTrial:
    """Play a scenario with the whole session: ears, decision and body, by the simulator's clock."""
    voice = next(voice for voice in task.scenario.voices if voice.expects)
    with Session(config=SessionConfig(seed=task.seed), scenario=task.scenario) as session:
        rows, ended = [], None
        for _ in range(round(task.scenario.seconds * CONTROL_HZ)):
            session.advance()
            if task.feeling and session.time >= voice.at and session.decision.manual.emotion is None:
                session.feel(task.feeling)
            if ended is None and session.time > voice.at + 0.1 and session.playing is None:
                ended = session.time
            rows.append(_row(session, voice.expects))
        beats = session.decision.selector.table.beats[voice.expects]
    track = Track(*map(np.array, zip(*rows, strict=True)))
    return judge(task, track, beats, (voice.at, task.scenario.seconds if ended is None else ended))


def _row(session: Session, expected: str) -> tuple[Any, ...]:
    """Return a row of `Track`."""
    body, decision = session.body, session.decision
    assert isinstance(body, RoomBody)
    inside = body.inside
    x, y = body.person - inside.state.T_world_trunk[:2, 3]
    away = float(np.arctan2(y, x))
    return (
        session.time, float(np.hypot(x, y)), wrap(away + np.pi), wrap(away - inside.state.legs.yaw),
        decision.behaviour.name, decision.selector.intended(decision.estimate, session.time) == expected,
        inside.stage.touches_person(inside.dog.body.body), body.fallen,
    )  # fmt: skip
