"""What all tests share: where the data are, how long they wait, and an ear that says what a test tells it to."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import psutil
import pytest
import torch
from hypothesis import settings

from apps.ear import Hearing
from perception.emotion import LABELS, EmotionEstimate

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
HELD_OUT_FOLD = 0
PATIENCE_S = 600.0
"""Ends what hangs. Nothing is judged by it: beside twenty busy processes, what takes five seconds takes two minutes."""
# What is compiled is compiled at the first call, and machines are shared: tests do not time.
settings.register_profile("empaw", deadline=None)
settings.load_profile("empaw")
# Behind `&` in a script Ctrl+C is ignored, and by all that is started from there: tests of Ctrl+C would wait in vain.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def ravdess() -> Path:
    folder = DATA / "speech" / "ravdess_16k"
    if not folder.is_dir():
        pytest.skip(f"RAVDESS is not at {folder}")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"the data folder {DATA} is not here")
    return DATA


@pytest.fixture(scope="session")
def folds_file(shared_data: Path) -> Path:
    return shared_data / "speech" / "ravdess_folds.json"


@pytest.fixture(scope="session")
def model():
    from perception.speech.model import SpeechEmotionModel

    return SpeechEmotionModel.load()


@pytest.fixture(scope="session")
def held_out(ravdess: Path):
    """every fifth clip of the four actors that the shipped weights never met."""
    from datasets.voices import load_ravdess
    from perception.speech.audio import read_sound
    from perception.speech.model import held_out_actors

    actors = held_out_actors()
    clips = [clip for clip in load_ravdess(ravdess) if clip.actor in actors][::5]
    return [(clip.index, read_sound(clip.path).samples) for clip in clips]


@pytest.fixture(scope="session")
def chromium() -> str:
    from benchmarks.browsing import find_chromium

    return find_chromium() or pytest.skip("Chromium is not installed")


def wait_until(condition: Callable[[], object]) -> None:
    """Look again and again until a condition holds.

    Raises:
        AssertionError: it does not hold within `PATIENCE_S`.
    """
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.005)


def alive(process: psutil.Process) -> bool:
    """Whether a process works still; one that nobody has buried does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def estimate(label: str, confidence: float = 0.9, time_s: float = 0.0) -> EmotionEstimate:
    """An estimate that puts `confidence` on a label and spreads the rest."""
    probabilities = np.full(len(LABELS), (1 - confidence) / (len(LABELS) - 1))
    probabilities[LABELS.index(label)] = confidence
    return EmotionEstimate.from_probabilities(probabilities, time_s, "test")


class ScriptedEar:
    """An ear that hears what a script says, by control steps: {step: estimate}."""

    def __init__(self, script: dict[int, EmotionEstimate] | None = None) -> None:
        self.script = script or {}
        self.heard: list[np.ndarray] = []
        self.closed = False

    def push(self, samples: np.ndarray) -> list[EmotionEstimate]:
        self.heard.append(samples)
        found = self.script.get(len(self.heard) - 1)
        return [] if found is None else [found]

    @property
    def hearing(self) -> Hearing:
        return Hearing(False, None)

    def reset(self) -> None:
        self.heard.clear()

    def close(self) -> None:
        self.closed = True
