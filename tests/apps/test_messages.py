from __future__ import annotations

import json
from typing import get_args, get_type_hints

import numpy as np
import pytest

from apps.eye import StreamEye
from apps.gui.commands import CommandError, to_command
from apps.gui.live import LiveSession
from apps.gui.messages import (
    ClockMessage,
    CommandMessage,
    SceneMessage,
    StateMessage,
    pose_message,
    scene_message,
    state_message,
)
from apps.session import Session
from apps.timeline import Step
from apps.video import title
from perception.face.stream import FaceReading
from policies.behaviour import default_table
from tests.conftest import ROOT, ScriptedEar, estimate
from tests.messages import fits
from tools.page_types import OUT, text, typescript


def test_the_types_of_the_page_are_those_of_the_server():
    assert OUT.read_text() == text(), "make them again: python tools/page_types.py"


def test_a_type_that_has_no_counterpart_is_refused():
    with pytest.raises(TypeError, match="ndarray"):
        typescript(np.ndarray)


class Somebody:
    """Sees one happy face."""

    def push(self, picture: np.ndarray, time_s: float) -> FaceReading:
        return FaceReading(time_s, estimate("happy", time_s=time_s), "", None, 1, 0.5, 1.0, 1)

    def reset(self) -> None:
        pass


@pytest.mark.parametrize("busy", [False, True])
def test_a_state_is_what_its_type_says(busy):
    with Session(ear=ScriptedEar({2: estimate("sad")}), eye=StreamEye(Somebody)) as session:
        if busy:
            session.play_audio(np.zeros(32000, np.float32))
            session.show_image(np.zeros((9, 9, 3), np.uint8))
        session.run(0.5)
        state = json.loads(json.dumps(state_message(session.snapshot(), (2.0, 0.0))))
    assert all(state[name] is not None for name in ("sight", "hearing")) == busy
    assert fits({name: state.pop(name) for name in Step._fields}, Step)
    assert fits(state, StateMessage)


def test_what_was_set_by_hand_is_no_estimate():
    with Session(ear=ScriptedEar({2: estimate("sad")})) as session:
        session.feel("happy")
        session.run(0.5)
        now = session.snapshot()
        state = state_message(now, (2.0, 0.0))
    assert (state["emotion"], state["source"], state["confidence"], state["probabilities"]) == (
        "happy", "manual", None, None,
    )  # fmt: skip
    assert title(now) == "happy, set by hand"


def test_a_scene_is_what_its_type_says():
    with Session(ear=ScriptedEar()) as session:
        links = [link.as_json() for link in session.body.links]
        scene = json.loads(json.dumps(scene_message(links, default_table(), (2.0, 0.0), ["red"])))
        assert fits(scene, SceneMessage)
        size = len(pose_message(session.snapshot()))
    assert size == scene["pose_header_bytes"] + 4 * scene["floats_per_link"] * len(links)


def test_every_command_that_the_page_may_send_is_known():
    live = LiveSession.__new__(LiveSession)
    with pytest.raises(CommandError) as known:
        to_command({"type": "command", "name": "dance"}, live, object())
    names = get_args(get_type_hints(CommandMessage)["name"])
    assert str(known.value).split("there are ")[1].split(", ") == list(names)


def test_the_clock_is_part_of_every_state():
    source = (ROOT / "apps" / "gui" / "live.py").read_text()
    assert all(f'"{name}"' in source for name in get_type_hints(ClockMessage))


def test_the_lock_of_the_page_s_checkers_names_no_registry():
    lock = json.loads((ROOT / "package-lock.json").read_text())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
