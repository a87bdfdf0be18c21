from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from apps.ear import ThreadedEar
from tests.conftest import estimate

CHUNK = np.zeros(320, np.float32)


class Stream:
    """A stream that gives an estimate for every chunk, as slowly as told."""

    voice_active = True
    level_db = -20.0
    speech = None

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.broken = False
        self.pushed = 0

    def push(self, samples: np.ndarray) -> list:
        time.sleep(self.seconds)
        self.pushed += 1
        if self.broken:
            raise RuntimeError("no such tensor")
        return [estimate("happy", time_s=float(self.pushed))]

    def reset(self) -> None:
        pass


@pytest.fixture
def stream():
    return Stream()


@pytest.fixture
def ear(stream):
    made = ThreadedEar(stream)
    yield made
    made.close()


def wait(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_pushing_never_waits_and_the_backlog_is_bounded():
    slow = Stream(0.05)
    ear = ThreadedEar(slow, backlog_s=0.2)
    began = time.monotonic()
    for _ in range(500):
        ear.push(CHUNK)
    assert time.monotonic() - began < 0.5
    assert ear._sound.qsize() <= 10
    ear.close()


def test_nothing_heard_before_a_reset_comes_out_after_it(stream, ear):
    stream.seconds = 0.02
    for _ in range(20):
        ear.push(CHUNK)
    wait(lambda: stream.pushed >= 3)
    ear.reset()
    assert not ear.hearing.voice_active
    time.sleep(0.6)
    assert ear.push(CHUNK) == []
    wait(lambda: ear.push(CHUNK) != [])


def test_an_ear_that_fails_says_so_and_hears_again(stream, ear):
    problems: list[str] = []
    told = threading.Event()

    def remember(text: str) -> None:
        problems.append(text)
        told.set()

    ear.on_problem = remember
    stream.broken = True
    ear.push(CHUNK)
    assert told.wait(5)
    assert "no such tensor" in problems[0]
    stream.broken = False
    wait(lambda: ear.push(CHUNK) != [])
