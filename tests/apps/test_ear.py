from __future__ import annotations

import threading

import numpy as np
import pytest

from apps.ear import StreamEar
from tests.conftest import PATIENCE_S, estimate, wait_until

CHUNK = np.zeros(320, np.float32)


class Stream:
    """A stream that gives an estimate for every chunk, while its gate is open."""

    voice_active = True
    level_db = -20.0
    speech = None

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()
        self.broken = False
        self.pushed = 0

    def push(self, samples: np.ndarray) -> list:
        self.begun.set()
        assert self.gate.wait(PATIENCE_S)
        self.pushed += 1
        if self.broken:
            raise RuntimeError("no such tensor")
        return [estimate("happy", time_s=float(samples[0]))]

    def reset(self) -> None:
        pass


@pytest.fixture
def stream():
    return Stream()


@pytest.fixture
def ear(stream):
    made = StreamEar(stream, live=True, backlog_s=0.5)
    yield made
    stream.gate.set()
    made.close()


def test_pushing_never_waits_and_the_backlog_is_bounded(stream, ear):
    stream.gate.clear()  # the network is not done with the first chunk before all have been pushed
    pushing = threading.Thread(target=lambda: [ear.push(CHUNK) for _ in range(500)], daemon=True)
    pushing.start()
    pushing.join(PATIENCE_S)
    assert not pushing.is_alive()
    stream.gate.set()
    wait_until(lambda: ear.worker.waiting == 0)
    assert stream.pushed <= 26


def test_nothing_heard_before_a_reset_comes_out_after_it(stream, ear):
    stream.gate.clear()
    for _ in range(20):
        ear.push(CHUNK + 1)
    assert stream.begun.wait(PATIENCE_S)
    ear.reset()
    assert not ear.hearing.voice_active
    stream.gate.set()
    found: list = []
    wait_until(lambda: found.extend(ear.push(CHUNK)) or found)
    assert {one.time_s for one in found} == {0.0}


def test_an_ear_that_fails_says_so_and_hears_again(stream, ear):
    problems: list[str] = []
    failed = threading.Event()

    def remember(text: str) -> None:
        problems.append(text)
        failed.set()

    ear.on_problem = remember
    stream.broken = True
    ear.push(CHUNK)
    assert failed.wait(PATIENCE_S)
    assert "no such tensor" in problems[0]
    stream.broken = False
    wait_until(lambda: ear.push(CHUNK) != [])
