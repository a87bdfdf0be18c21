"""Live estimates: push sound as it comes, get an estimate every quarter of a second while somebody speaks."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Protocol

import numpy as np
from scipy.special import softmax

from perception.emotion import EmotionEstimate
from perception.speech.audio import RATE_HZ, To16k
from perception.speech.model import Judgement
from perception.speech.speaker import Speaker
from perception.speech.speech_detector import LEAST_SPEECH
from perception.speech.windows import VoiceWindows, Window, WindowConfig

__all__ = ["SpeechStream", "To16k", "VoiceModel"]


class VoiceModel(Protocol):
    """A model that judges windows; `SpeechEmotionModel` is one."""

    def judge(self, samples: np.ndarray, speaker: Speaker | None = None) -> Judgement:
        """Judge a window of sound (N,) float32 at 16 kHz."""
        ...


class SpeechStream:
    """Sliding-window emotion estimates of one microphone.

    Any chunk size gives the same estimates; time is counted in pushed samples; memory is bounded by the window. In
    silence nothing is computed and nothing is returned, and nothing is returned for sounds that are no speech: `speech`
    is how likely the last window was some, None before the first.

    >>> stream = SpeechStream(SpeechEmotionModel.load())  # doctest: +SKIP
    >>> for estimate in stream.push(chunk):  # doctest: +SKIP
    ...     print(estimate.time_s, estimate.label, estimate.confidence)
    """

    def __init__(
        self,
        model: VoiceModel,
        window_s: float | None = None,
        hop_s: float | None = None,
        *,
        config: WindowConfig | None = None,
        smoothing: float = 0.0,
        least_speech: float = LEAST_SPEECH,
        source: str = "speech",
        speaker: Speaker | None = None,
        learn: bool = False,
    ) -> None:
        """Start at time 0.

        Args:
            model: what judges a window.
            window_s: the network hears at most this much of the past; 3 s unless told.
            hop_s: time between estimates; 0.25 s unless told.
            config: all settings of windows and voice gate; window_s and hop_s override it.
            smoothing: share of the previous estimate's log-probabilities in the next one, [0, 1). It is forgotten
                when the voice pauses for longer than the window. 0 is best on validation speakers (UA of the last
                estimate of a clip .759; .746 with 0.5), for a window holds all that the window before it heard
                until somebody speaks for longer than the window.
            least_speech: windows that are less likely to be speech than this give no estimate: music, a fan, a door.
                0 judges whatever is loud enough.
            source: name carried by the estimates.
            speaker: what is known of who speaks; None judges everybody alike.
            learn: whether what is heard of the `speaker` is added to it, one window of `window_s` after the other. A
                voice that was heard in one mood only may come to be taken for one that always sounds so.
        """
        if not 0.0 <= least_speech <= 1.0:
            raise ValueError(f"least_speech is {least_speech}; allowed are 0 (all that is loud) to 1.")
        if not 0.0 <= smoothing < 1.0:
            raise ValueError(f"smoothing is {smoothing}; allowed are 0 (none) to less than 1.")
        config = config or WindowConfig()
        config = replace(
            config,
            window_s=config.window_s if window_s is None else window_s,
            hop_s=config.hop_s if hop_s is None else hop_s,
        )
        self._windows = VoiceWindows(config)
        self._model = model
        self._smoothing = smoothing
        self._least_speech = least_speech
        self._source = source
        self._known, self._learn = speaker, learn
        self.reset()

    def reset(self) -> None:
        """Forget everything heard, and what was learned of the speaker, and start at time 0."""
        self._speaker = deepcopy(self._known) if self._learn else self._known
        self._windows.reset()
        self._smooth: np.ndarray | None = None
        self._last_s = self._learned_s = -np.inf
        self._replaced = 0
        self.speech: float | None = None

    @property
    def voice_active(self) -> bool:
        """Whether the newest 10 ms belong to voice."""
        return self._windows.gate.active

    @property
    def level_db(self) -> float:
        """RMS level of the newest 10 ms, dB relative to full scale; -120 for digital silence."""
        return self._windows.gate.level_db

    @property
    def noise_floor_db(self) -> float:
        """Estimated level of the room, dB relative to full scale."""
        return self._windows.gate.noise_floor_db

    @property
    def time_s(self) -> float:
        """Sound pushed since the last reset, in seconds."""
        return self._windows.time_s

    @property
    def replaced_samples(self) -> int:
        """How many NaN or infinite samples were replaced by zeros since the last reset."""
        return self._replaced

    def push(self, samples: np.ndarray) -> list[EmotionEstimate]:
        """Take float samples (N,), mono, 16 kHz, and return the estimates that became due, oldest first.

        NaN and infinity become zeros and are counted in `replaced_samples`; samples beyond full scale are clipped.

        Raises:
            ValueError: no float array (N,). Resample other rates and mix channels with `To16k`.
        """
        array = np.asarray(samples)
        if array.ndim != 1 or array.dtype.kind != "f":
            raise ValueError(
                f"a chunk of shape {array.shape} and type {array.dtype} came; expected floats (N,), mono, 16 kHz, "
                "within [-1, 1]. Divide 16-bit integers by 32768; use To16k for other rates and for several channels."
            )
        finite = np.isfinite(array)
        self._replaced += int(array.size - np.count_nonzero(finite))
        clean = np.clip(np.where(finite, array, 0.0), -1.0, 1.0).astype(np.float32)
        return self._judge(self._windows.push(clean))

    def finish(self) -> list[EmotionEstimate]:
        """Return the estimate that the end of the sound makes due, if voice came since the last one."""
        return self._judge(self._windows.finish())

    def _judge(self, windows: list[Window]) -> list[EmotionEstimate]:
        found = (self._estimate(window.time_s, window.samples) for window in windows)
        return [estimate for estimate in found if estimate is not None]

    def _estimate(self, time_s: float, samples: np.ndarray) -> EmotionEstimate | None:
        logits, self.speech, features = self._model.judge(samples, self._speaker)
        if self.speech < self._least_speech:
            return None
        if self._learn and self._speaker is not None:
            self._add(self._speaker, features, time_s, len(samples) / RATE_HZ)
        if self._smooth is not None and time_s - self._last_s <= self._windows.config.window_s:
            logits = self._smoothing * self._smooth + (1.0 - self._smoothing) * logits
        self._smooth, self._last_s = logits, time_s
        return EmotionEstimate.from_probabilities(softmax(logits.astype(np.float64), axis=-1), time_s, self._source)

    def _add(self, speaker: Speaker, features: np.ndarray, time_s: float, seconds: float) -> None:
        """Add a full window to what is known of the voice, unless much of it was added already."""
        window_s = self._windows.config.window_s
        if seconds >= 0.8 * window_s and time_s - self._learned_s >= window_s:
            speaker.add(features)
            self._learned_s = time_s
