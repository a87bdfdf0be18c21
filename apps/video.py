"""A video of a session: the dog, its face, what it believes, and all that was to be heard. No browser, no display."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from apps.config import SessionConfig
from apps.mp4 import AUDIO_HZ, INK, PAPER, filming, write
from apps.timeline import Playing, Snapshot, Step, Timeline
from control.dog import CONTROL_HZ
from perception.emotion import LABELS
from robots.face import draw_face
from robots.sounds import RATE_HZ as CALL_RATE_HZ
from robots.sounds import synthesise

FRAMES_HZ = 25
VIEW = (480, 360)
PANEL_WIDTH = 320
_PALE, _BAR = (140, 132, 122), (224, 138, 60)


class Filmed(Protocol):
    """A session that can be filmed: an `apps.session.Session`."""

    config: SessionConfig
    time: float

    @property
    def clip(self) -> str | None:
        """Name of the sound that was played last."""

    @property
    def playing(self) -> Playing | None:
        """The sound that is heard."""

    @property
    def sounds(self) -> list[tuple[float, str]]:
        """The dog's sounds: when each began, s, and its name."""

    def advance(self, substeps: int) -> list[Step]:
        """Go on by physics steps of 1/250 s."""

    def picture(self, width: int, height: int) -> np.ndarray:
        """Render the dog: (height, width, 3) uint8 RGB."""

    def snapshot(self) -> Snapshot:
        """Return everything that a viewer needs, at this moment."""


def film(session: Filmed, path: Path, seconds: float, progress: Callable[[float], None] | None = None) -> Timeline:
    """Run a session and write what happens as an MP4 (H.264 and AAC).

    Raises:
        VideoError: the file cannot be written.
        ValueError: shorter than a frame.
    """
    began = time.perf_counter()
    if seconds * FRAMES_HZ < 1:
        raise ValueError(f"{seconds} s came; a film needs at least one frame, {1 / FRAMES_HZ} s")
    heard = _Heard(session)
    steps: list[Step] = []
    with filming(path, (VIEW[0] + PANEL_WIDTH, VIEW[1]), FRAMES_HZ, sound=True) as reel:
        for index in range(round(seconds * FRAMES_HZ)):
            steps += session.advance(5 * CONTROL_HZ // FRAMES_HZ)
            heard.note()
            reel.add(compose(session.picture(*VIEW), session.snapshot()))
            if progress is not None:
                progress((index + 1) / (seconds * FRAMES_HZ))
        reel.end(heard.mix(seconds))
    took = time.perf_counter() - began
    return Timeline(session.clip, session.config.seed, steps, list(session.sounds), seconds / took)


class _Heard:
    """Collects what was played to the dog while the film runs, to lay it under the film."""

    def __init__(self, session: Filmed) -> None:
        self._session = session
        self._start_s = session.time
        self._voices: list[tuple[float, np.ndarray]] = []
        self._last: np.ndarray | None = None
        self.note()

    def note(self) -> None:
        """Remember a sound file that has begun since the last call."""
        playing = self._session.playing
        if playing is not None and playing.samples is not self._last:
            self._last = playing.samples
            began = self._session.time - self._start_s - playing.position / AUDIO_HZ
            self._voices.append((began, playing.samples))

    def mix(self, seconds: float) -> np.ndarray:
        """Voices and the dog's own sounds, (N,) float32 in [-1, 1]."""
        import soxr

        track = np.zeros(int(seconds * AUDIO_HZ), np.float32)
        calls = [
            (at - self._start_s, 0.6 * soxr.resample(synthesise(name), CALL_RATE_HZ, AUDIO_HZ))
            for at, name in self._session.sounds
        ]
        for at, samples in self._voices + calls:
            begin = int(at * AUDIO_HZ)
            samples = samples[max(0, -begin) :]
            begin = max(0, begin)
            length = max(0, min(len(samples), len(track) - begin))
            track[begin : begin + length] += samples[:length]
        return np.clip(track, -1.0, 1.0)


def compose(picture: np.ndarray, now: Snapshot) -> np.ndarray:
    """Put a panel with face and estimate beside a picture (360, 480, 3): (360, 800, 3) uint8 RGB."""
    panel = np.full((VIEW[1], PANEL_WIDTH, 3), PAPER, np.uint8)
    panel[12:162, 60:260] = draw_face(now.face, 200, 150)
    step = now.step
    write(panel, title(now), (18, 188), 0.62, INK)
    _draw_bars(panel, now)
    write(panel, f"{step.behaviour.replace('_', ' ')}: {step.gait}", (18, 318), 0.5, INK)
    moving = f"{step.vx:+.2f} m/s   {step.frequency:.1f} Hz   {100 * step.height:.0f} cm   t {step.t:.1f} s"
    write(panel, moving, (18, 342), 0.4, _PALE)
    return np.ascontiguousarray(np.hstack([picture, panel]))


def title(now: Snapshot) -> str:
    """Say the feeling, and how sure it is or that a person set it."""
    step = now.step
    if step.emotion is None:
        return "unsure: nothing sensed"
    if now.manual.emotion is not None:
        return f"{step.emotion}, set by hand"
    return f"{step.emotion}  {100 * (step.confidence or 0):.0f} %{'  (unsure)' if now.unsure else ''}"


def _draw_bars(panel: np.ndarray, now: Snapshot) -> None:
    sensed = None if now.manual.emotion is not None else now.estimate
    probabilities = np.zeros(len(LABELS)) if sensed is None else sensed.probabilities
    for row, (label, share) in enumerate(zip(LABELS, probabilities, strict=True)):
        y = 206 + 12 * row
        write(panel, label, (18, y + 4), 0.36, _PALE)
        cv2.rectangle(panel, (98, y - 4), (300, y + 3), (230, 224, 215), -1)
        cv2.rectangle(panel, (98, y - 4), (98 + round(202 * float(share)), y + 3), _BAR, -1)
