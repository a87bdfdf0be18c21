"""Voice activity from energy alone: a noise floor that follows the room, and a hangover between syllables.

Where the mains hum, or wind and traffic rumble, louder than everything above them, levels are those above 90 Hz: voices
begin there. Elsewhere nothing is filtered.

The floor is the least smoothed power of the last seconds (minimum statistics, Martin 2001, IEEE Trans. Speech Audio
Process. 9(5)): speech dips between syllables, steady noise does not, so no separate noise recording is needed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, sosfilt, sosfilt_zi

from perception.speech.audio import RATE_HZ

FRAME = 160  # samples: 10 ms, one column of the spectrogram
# A quiet room is assumed for one second, so that speech from the first sample on is voice; a second of speech has
# gaps from which the floor can be read.
QUIET_START_FRAMES = 100
SILENCE_DB = -120.0  # the level given to digital silence; 24-bit sound reaches about -144
HIGH_PASS_HZ = 90.0  # above mains of 50 and 60 Hz; the deepest voices lie near 85 Hz, and their overtones are louder
HUM_DB = 15.0  # so much louder than the rest is a floor of hum; studios stay below (RAVDESS, nEMO: no gate moves)


@dataclass(frozen=True)
class ActivityConfig:
    """Limits of the voice gate; levels are RMS in dB relative to full scale."""

    absolute_floor_db: float = -58.0
    """Quieter frames are never voice. Whispered speech at arm's length is around -50."""
    above_noise_db: float = 9.0
    """A frame is voice when it is this much louder than the noise floor."""
    memory_s: float = 4.0
    """The noise floor is the least smoothed level of this long: longer than a phrase without a pause."""
    hangover_s: float = 0.2
    """Voice lasts this long after the last loud frame, so that stops and pauses between words do not cut it."""

    def __post_init__(self) -> None:
        if not SILENCE_DB <= self.absolute_floor_db <= 0.0:
            raise ValueError(
                f"absolute_floor_db is {self.absolute_floor_db}; allowed are {SILENCE_DB:g} to 0 dB of full scale."
            )
        if not 0.0 <= self.above_noise_db <= 60.0:
            raise ValueError(f"above_noise_db is {self.above_noise_db}; allowed are 0 to 60 dB.")
        if not 0.2 <= self.memory_s <= 600.0:
            raise ValueError(f"memory_s is {self.memory_s}; allowed are 0.2 to 600 s.")
        if not 0.0 <= self.hangover_s <= 10.0:
            raise ValueError(f"hangover_s is {self.hangover_s}; allowed are 0 to 10 s.")


def frame_levels_db(samples: np.ndarray) -> np.ndarray:
    """RMS level of each whole 10 ms frame of samples (N,): (N // 160,) dB relative to full scale."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    # The mean of a frame is no sound: cheap microphones carry an offset.
    power = frames.var(axis=1)
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (SILENCE_DB / 10.0)))


class _Floor:
    """Minimum statistics of one level: the least smoothed level of the last `memory_s`."""

    def __init__(self, memory_s: float) -> None:
        self._blocks: deque[float] = deque(maxlen=max(1, round(memory_s / 0.2)))
        self._block_min = np.inf
        self._count = 0
        self._smooth_db: float | None = None

    def step(self, level_db: float) -> None:
        # 60 ms of smoothing keeps the minimum of steady noise within about 2 dB of its mean.
        before = level_db if self._smooth_db is None else self._smooth_db
        self._smooth_db = before + 0.16 * (level_db - before)
        self._block_min = min(self._block_min, self._smooth_db)
        self._count += 1
        if self._count % 20 == 0:
            self._blocks.append(self._block_min)
            self._block_min = np.inf

    @property
    def known(self) -> bool:
        """Whether enough was heard to tell the room from a voice."""
        return self._count >= QUIET_START_FRAMES

    @property
    def least_db(self) -> float:
        return min(self._block_min, *self._blocks, np.inf)


class VoiceActivity:
    """Causal voice gate: feed it whole 10 ms frames in order; how they are grouped into chunks changes nothing."""

    def __init__(self, config: ActivityConfig | None = None) -> None:
        self.config = config or ActivityConfig()
        self._hangover_frames = round(self.config.hangover_s * RATE_HZ / FRAME)
        self._high_pass = butter(8, HIGH_PASS_HZ, "highpass", fs=RATE_HZ, output="sos")
        self.reset()

    def reset(self) -> None:
        """Forget the room."""
        self._full, self._high = _Floor(self.config.memory_s), _Floor(self.config.memory_s)
        self._filter: np.ndarray | None = None
        self._since_voice = 10**6
        self.level_db = SILENCE_DB
        self.active = False

    @property
    def hums(self) -> bool:
        """Whether most of the room's noise lies below voices, and is loud enough to hide them."""
        floor = self._full.least_db
        return self.config.absolute_floor_db < floor < np.inf and floor - self._high.least_db >= HUM_DB

    @property
    def noise_floor_db(self) -> float:
        """Estimated level of the room without voice (above its hum), dB relative to full scale."""
        if not self._full.known:
            return self.config.absolute_floor_db - self.config.above_noise_db
        return (self._high if self.hums else self._full).least_db

    def push(self, frames: np.ndarray) -> list[bool]:
        """Take samples (N * 160,) at 16 kHz and say of each 10 ms whether they belong to voice (hangover included)."""
        if len(frames) == 0:
            return []
        if self._filter is None:  # as if the first sample had stood for ever: cheap microphones carry an offset
            self._filter = sosfilt_zi(self._high_pass) * float(frames[0])
        high, self._filter = sosfilt(self._high_pass, frames, zi=self._filter)
        levels = zip(frame_levels_db(frames).tolist(), frame_levels_db(high).tolist(), strict=True)
        return [self.step(full_db, high_db) for full_db, high_db in levels]

    def step(self, level_db: float, high_db: float | None = None) -> bool:
        """Take the level of one 10 ms frame, in all and above the hum, and say whether it belongs to voice."""
        high_db = level_db if high_db is None else high_db
        self._full.step(level_db)
        self._high.step(high_db)
        self.level_db = high_db if self.hums else level_db
        threshold = max(self.config.absolute_floor_db, self.noise_floor_db + self.config.above_noise_db)
        self._since_voice = 0 if self.level_db > threshold else self._since_voice + 1
        self.active = self._since_voice <= self._hangover_frames
        return self.active


def voiced_frames(samples: np.ndarray, config: ActivityConfig | None = None) -> np.ndarray:
    """Run the gate over samples (N,) at 16 kHz: bool (N // 160,), one entry for each 10 ms."""
    return np.array(VoiceActivity(config).push(samples[: len(samples) // FRAME * FRAME]), dtype=bool)


def voiced_span(voiced: np.ndarray, margin_s: float = 0.1) -> tuple[int, int] | None:
    """First and one-past-last sample of the voiced frames (F,), widened by a margin on both sides; None if none is."""
    where = np.flatnonzero(voiced)
    if len(where) == 0:
        return None
    margin = round(margin_s * RATE_HZ)
    return max(0, int(where[0]) * FRAME - margin), min(len(voiced) * FRAME, (int(where[-1]) + 1) * FRAME + margin)
