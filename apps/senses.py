"""The dog's senses: a sound file or a microphone, a film or a camera. Sound and pictures in, estimates out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from apps.config import SessionConfig
from apps.ear import EAR_RATE_HZ, Ear
from apps.eye import Eye, Reel, Sight
from apps.timeline import Playing
from control.dog import CONTROL_HZ
from perception.emotion import EmotionEstimate
from perception.face.pictures import as_bgr, read_picture
from perception.face.videos import Frame
from perception.speech.audio import Sound, read_sound, sound_from_samples

Audio: TypeAlias = str | Path | bytes | np.ndarray | Sound
Image: TypeAlias = str | Path | bytes | np.ndarray
SAMPLES_PER_STEP = EAR_RATE_HZ // CONTROL_HZ
_SILENCE = np.zeros(SAMPLES_PER_STEP, np.float32)


class Sensed(NamedTuple):
    """Estimates of the senses within one control step."""

    voices: list[EmotionEstimate]
    speech: float  # how likely the last window of sound was speech, [0, 1]
    faces: list[EmotionEstimate]  # how far each is trusted is in the estimate already


class Senses:
    """Ear and eye, and what they are offered: the file that plays, the microphone's backlog, the film.

    Ear and eye are closed with the senses.

    Attributes:
        on_the_way: what becomes of a sound, (320,), until it reaches the ear; told how likely the last was speech.
    """

    def __init__(self, config: SessionConfig, ear: Ear, eye: Eye) -> None:
        self._config, self.ear, self.eye, self.film = config, ear, eye, Reel()
        self.on_the_way: Callable[[np.ndarray, float | None], np.ndarray] = lambda samples, speech: samples
        self._microphone: deque[np.ndarray] = deque()
        self._begin()

    def _begin(self) -> None:
        self.film.stop()
        self.playing: Playing | None = None
        self.clip: str | None = None
        self._sight: Sight | None = None
        self._forget_microphone()

    def reset(self) -> None:
        """Forget what was heard and seen."""
        self.ear.reset()
        self.eye.reset()
        self._begin()

    def play_audio(self, sound: Audio, rate_hz: int, name: str) -> float:
        """Play a file, its bytes, or samples (N,) at `rate_hz`; returns how long it lasts, s.

        Raises:
            SoundError: it cannot be read, is empty, not finite, or too long.
        """
        limit = self._config.max_sound_s
        if isinstance(sound, Sound):
            sound = sound if sound.rate_hz == EAR_RATE_HZ else sound_from_samples(sound.samples, sound.rate_hz, limit)
        elif isinstance(sound, np.ndarray):
            sound = sound_from_samples(sound, rate_hz, limit)
        else:
            name = name or ("sound" if isinstance(sound, bytes) else Path(sound).name)
            sound = read_sound(sound, max_seconds=limit)
        self.clip = name or "samples"
        self.playing = Playing(self.clip, sound.samples, 0)
        return len(sound.samples) / EAR_RATE_HZ

    def push_audio(self, samples: np.ndarray) -> None:
        """Take live samples (N,) float32 at 16 kHz."""
        if not len(samples):
            return
        self._microphone.append(samples)
        self._backlog += len(samples)
        while self._backlog > self._config.max_backlog_s * EAR_RATE_HZ and len(self._microphone) > 1:
            self._backlog -= len(self._microphone.popleft())

    def show_image(self, picture: Image, time_s: float) -> None:
        """Show a picture: a file, its bytes, or BGR (H, W, 3) uint8.

        Raises:
            PictureError: it cannot be read, or is no picture.
        """
        bgr = as_bgr(picture, "the picture") if isinstance(picture, np.ndarray) else read_picture(picture)
        self.eye.look(bgr, time_s)

    def push_frame(self, picture: np.ndarray, time_s: float) -> None:
        """Take a picture of a live camera, BGR (H, W, 3) uint8; while a film runs, that is looked at."""
        if not self.film.running:
            self.eye.look(picture, time_s)

    def play_video(self, film: Iterable[Frame | None], time_s: float) -> None:
        """Show a film from `time_s` on; None stands for "not decoded yet"."""
        self.film.start(film, time_s)

    def stop(self) -> None:
        """Stop the sound and the film that are playing."""
        self.playing = None
        self.film.stop()

    def step(self, time_s: float) -> Sensed:
        """Hear and see the next 1/50 s.

        Raises:
            PictureError: a frame of the film cannot be read.
        """
        voices = self.ear.push(self.on_the_way(self._next_sound(), self.ear.hearing.speech))
        picture = self.film.due(time_s)
        if picture is not None:
            self.show_image(picture, time_s)
        sights = self.eye.sights()
        if sights:
            self._sight = sights[-1]
        speech = self.ear.hearing.speech
        faces = [sight.reading.estimate for sight in sights if sight.reading.estimate is not None]
        return Sensed(voices, 1.0 if speech is None else speech, faces)

    def recent_sight(self, time_s: float) -> Sight | None:
        """Return what was seen last, unless that is too long ago at `time_s`: the camera is off then."""
        seen = self._sight
        return None if seen is None or time_s - seen.reading.time_s > self._config.sight_memory_s else seen

    def close(self) -> None:
        """Let go of film, ear and eye."""
        self.film.stop()
        self.ear.close()
        self.eye.close()

    def _next_sound(self) -> np.ndarray:
        """Take the next 20 ms of what there is to hear: the file, else the microphone, else silence."""
        if self.playing is not None:
            name, samples, position = self.playing
            end = position + SAMPLES_PER_STEP
            chunk = samples[position:end]
            self.playing = Playing(name, samples, end) if end < len(samples) else None
            self._forget_microphone()
        elif self._microphone:
            chunk = np.concatenate(self._microphone)
            # A little more than real time while there is a backlog, so that a late burst is caught up with.
            share = SAMPLES_PER_STEP * (1 if len(chunk) < EAR_RATE_HZ // 5 else 2)
            self._forget_microphone()
            self.push_audio(chunk[share:])
            return chunk[:share]
        else:
            return _SILENCE
        return chunk if len(chunk) == SAMPLES_PER_STEP else np.pad(chunk, (0, SAMPLES_PER_STEP - len(chunk)))

    def _forget_microphone(self) -> None:
        self._microphone.clear()
        self._backlog = 0
