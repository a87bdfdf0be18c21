"""Which part of a running sound goes into the network: sliding windows, only while there is voice, trimmed to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from perception.speech.activity import (
    FRAME,
    ActivityConfig,
    VoiceActivity,
    voiced_frames,
    voiced_span,
)
from perception.speech.audio import RATE_HZ


@dataclass(frozen=True)
class WindowConfig:
    """Length and pace of the sliding window; times are rounded to whole 10 ms."""

    window_s: float = 3.0
    """The network hears at most this much of the past, in seconds."""
    hop_s: float = 0.25
    """Time between two estimates while there is voice, in seconds."""
    least_voiced_s: float = 0.6
    """No estimate before this much voice is in the window: about three syllables."""
    activity: ActivityConfig = field(default_factory=ActivityConfig)
    """The voice gate."""

    def __post_init__(self) -> None:
        if not 0.3 <= self.window_s <= 30.0:
            raise ValueError(f"window_s is {self.window_s}; allowed are 0.3 to 30 s.")
        if not 0.01 <= self.hop_s <= self.window_s:
            raise ValueError(f"hop_s is {self.hop_s}; allowed are 0.01 s to window_s ({self.window_s} s).")
        if not 0.0 < self.least_voiced_s <= self.window_s:
            raise ValueError(f"least_voiced_s is {self.least_voiced_s}; allowed are more than 0 to window_s.")


class Window(NamedTuple):
    """A piece of voice: `samples` (N,) float32 at 16 kHz, trimmed to the voice, heard up to `time_s`."""

    time_s: float
    samples: np.ndarray


class VoiceWindows:
    """Cuts pushed sound into windows. What comes out does not depend on how the sound was cut into chunks.

    Memory is bounded by the window and the largest chunk; time is counted in samples.
    """

    def __init__(self, config: WindowConfig | None = None) -> None:
        self.config = config or WindowConfig()
        per_second = RATE_HZ // FRAME
        self._window_frames = round(self.config.window_s * per_second)
        self._hop_frames = round(self.config.hop_s * per_second)
        self._least_frames = round(self.config.least_voiced_s * per_second)
        self.gate = VoiceActivity(self.config.activity)
        self.reset()

    def reset(self) -> None:
        """Forget all sound and start at time 0."""
        self.gate.reset()
        self._rest = np.zeros(0, np.float32)
        self._samples = np.zeros(0, np.float32)
        self._voiced = np.zeros(0, bool)
        self._frames_seen = 0

    @property
    def time_s(self) -> float:
        """Sound pushed since the start or the last reset, in seconds."""
        return (self._frames_seen * FRAME + len(self._rest)) / RATE_HZ

    def push(self, samples: np.ndarray) -> list[Window]:
        """Take float32 samples (N,) at 16 kHz and return the windows that became due."""
        sound = np.concatenate([self._rest, samples])
        windows = []
        start, end = 0, len(sound) // FRAME * FRAME
        while start < end:
            due = self._hop_frames - self._frames_seen % self._hop_frames
            stop = min(end, start + due * FRAME)
            self._take(sound[start:stop])
            if self._frames_seen % self._hop_frames == 0 and (window := self._current()) is not None:
                windows.append(window)
            start = stop
        self._rest = sound[end:].copy()
        return windows

    def finish(self) -> list[Window]:
        """Return the window that the end of the sound makes due, if voice came since the last one: once, at the end."""
        fresh = self._frames_seen % self._hop_frames
        window = self._current(fresh) if fresh else None
        return [] if window is None else [window]

    def _take(self, frames: np.ndarray) -> None:
        flags = self.gate.push(frames)
        self._voiced = np.concatenate([self._voiced, np.array(flags, bool)])[-self._window_frames :]
        self._samples = np.concatenate([self._samples, frames])[-self._window_frames * FRAME :]
        self._frames_seen += len(flags)

    def _current(self, fresh: int | None = None) -> Window | None:
        newest = self._voiced[-(fresh or self._hop_frames) :]
        if not newest.any() or int(self._voiced.sum()) < self._least_frames:
            return None
        span = voiced_span(self._voiced)
        if span is None:
            return None
        return Window(self._frames_seen * FRAME / RATE_HZ, self._samples[span[0] : span[1]].copy())


def trim_to_voice(samples: np.ndarray, config: ActivityConfig | None = None) -> np.ndarray:
    """Cut silence before and after the voice from samples (N,) at 16 kHz; all of them where no voice is found."""
    span = voiced_span(voiced_frames(samples, config))
    return samples if span is None else samples[span[0] : span[1]]
