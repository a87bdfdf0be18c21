"""Sound that has a place: what microphones hear of sources in a room, block by block, while both may move.

Each source reaches each microphone straight and by one reflection from each wall, floor and ceiling (image sources,
Allen & Berkley 1979), later and weaker the longer the way. Responses are made anew ten times a second and faded from
one into the next. `evaluation.sound.rooms` has whole reverberation, which costs far too much while a dog walks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

RATE_HZ = 16_000
SOUND_M_S = 343.0
_TAPS = 16
_LEAST_M = 0.2
"""Nearer than this nothing gets louder."""


@dataclass(frozen=True)
class AcousticsConfig:
    """Of the room; m, shares of pressure."""

    size_m: tuple[float, float, float] = (8.0, 8.0, 2.7)
    """Along x, y and z; the middle of the floor is the world's origin."""
    reflected: float = 0.55
    """What comes back from a wall: .55 is plaster with curtains and shelves before it."""
    floor_reflected: float = 0.4
    noise: float = 1e-4
    """RMS of the microphones themselves, -80 dB of full scale."""
    responses_hz: float = 10.0

    def __post_init__(self) -> None:
        sides = len(self.size_m) == 3 and all(1.5 <= side <= 30.0 for side in self.size_m)
        shares = all(0.0 <= share < 1.0 for share in (self.reflected, self.floor_reflected))
        if not sides or not shares or not 0.0 <= self.noise <= 0.1 or not 1.0 <= self.responses_hz <= 50.0:
            raise ValueError(
                f"{self} came; size_m must be three sides of 1.5 to 30 m, reflected shares from 0 to below 1, noise 0 "
                "to 0.1, responses_hz 1 to 50"
            )


class Acoustics:
    """Carries sources to microphones. The same blocks, places and seed give the same sound."""

    def __init__(self, mics: int, rng: np.random.Generator, config: AcousticsConfig | None = None) -> None:
        self.config = config or AcousticsConfig()
        self._rng, self._mics = rng, mics
        longest = 2.0 * float(np.linalg.norm(self.config.size_m))
        self._length = int(np.ceil(longest / SOUND_M_S * RATE_HZ)) + _TAPS
        self._sources: dict[str, _Source] = {}

    def hear(self, sounds: Mapping[str, tuple[np.ndarray, np.ndarray]], mics_world: np.ndarray) -> np.ndarray:
        """Return what the microphones hear of the next block.

        Args:
            sounds: by the name of a source, its samples (n,) at 16 kHz as loud as they are at one metre, and its place
                (3,) m. All blocks are of one length. A source that is silent for a block may be left out: what it said
                before still arrives.
            mics_world: (mics, 3) m, at the end of the block.

        Returns:
            (mics, n) float.

        Raises:
            ValueError: blocks of several lengths, other than so many microphones, or a place that is not finite.
        """
        lengths = {len(samples) for samples, _ in sounds.values()}
        if len(lengths) > 1 or mics_world.shape != (self._mics, 3):
            raise ValueError(
                f"blocks of {sorted(lengths)} samples and microphones {mics_world.shape} came; blocks must be of one "
                f"length and microphones ({self._mics}, 3)"
            )
        count = next(iter(lengths), round(RATE_HZ / 50))
        heard = self.config.noise * self._rng.standard_normal((self._mics, count))
        for name, (_, place) in sounds.items():
            if not np.isfinite(place).all():
                raise ValueError(f"the source {name!r} is at {place}; expected three finite numbers, m")
            if name not in self._sources:
                self._sources[name] = _Source(self._length)
        for name, source in list(self._sources.items()):
            samples, place = sounds.get(name, (np.zeros(count), source.place))
            heard += source.through(np.asarray(samples, float), np.asarray(place, float), mics_world, self.config)
            if source.silent:
                del self._sources[name]
        return heard


class _Source:
    """What a source said of late, and the responses from where it is."""

    def __init__(self, length: int) -> None:
        self._past = np.zeros(length - 1)
        self._response: np.ndarray | None = None
        self._age = 0
        self.place = np.zeros(3)

    @property
    def silent(self) -> bool:
        """Whether nothing of it is still on its way."""
        return not self._past.any()

    def through(
        self, samples: np.ndarray, place: np.ndarray, mics_world: np.ndarray, config: AcousticsConfig
    ) -> np.ndarray:
        """Return what arrives (mics, n) while the source says `samples` (n,)."""
        self.place, self._age = place, self._age + len(samples)
        said = np.concatenate([self._past, samples])
        self._past = said[len(samples) :]
        before = self._response
        if before is None or self._age >= RATE_HZ / config.responses_hz:
            self._response, self._age = _responses(place, mics_world, config, len(self._past) + 1), 0
        assert self._response is not None
        heard = _convolved(said, self._response)
        if before is None or before is self._response:
            return heard
        share = np.arange(1, len(samples) + 1) / len(samples)
        faded: np.ndarray = share * heard + (1 - share) * _convolved(said, before)
        return faded


def _convolved(said: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """Convolve (n + L - 1,) with (mics, L) where both overlap wholly: (mics, n)."""
    from scipy.fft import irfft, next_fast_len, rfft

    size = next_fast_len(len(said), real=True)
    whole = irfft(rfft(said, size) * rfft(responses, size, axis=1), size, axis=1)
    valid: np.ndarray = whole[:, responses.shape[1] - 1 : len(said)]
    return valid


def _responses(place: np.ndarray, mics_world: np.ndarray, config: AcousticsConfig, length: int) -> np.ndarray:
    """Make the responses (mics, length) from a place: the straight way and one reflection from each side."""
    images, gains = _images(place, config)
    ways = np.linalg.norm(images[:, None] - mics_world[None], axis=2)
    loud = gains[:, None] / np.maximum(ways, _LEAST_M)
    delays = np.minimum(ways / SOUND_M_S * RATE_HZ, length - _TAPS)
    first = np.floor(delays).astype(int) - _TAPS // 2 + 1
    at = first[..., None] + np.arange(_TAPS)
    off = at - delays[..., None]
    window = np.cos(np.pi * off / _TAPS) ** 2  # of Hann: off lies within half of the taps
    taps = np.sinc(off) * window * loud[..., None]
    out = np.zeros((mics_world.shape[0], length))
    mic = np.broadcast_to(np.arange(mics_world.shape[0])[None, :, None], at.shape)
    inside = at >= 0
    np.add.at(out, (mic[inside], at[inside]), taps[inside])
    return out


def _images(place: np.ndarray, config: AcousticsConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return the source and its mirror images (7, 3) m, and how much of it each is (7,)."""
    x, y, z = config.size_m
    low, high = np.array([-x / 2, -y / 2, 0.0]), np.array([x / 2, y / 2, z])
    images, gains = [place], [1.0]
    for axis in range(3):
        for side, share in ((low, config.floor_reflected if axis == 2 else config.reflected), (high, config.reflected)):
            image = place.copy()
            image[axis] = 2 * side[axis] - place[axis]
            images.append(image)
            gains.append(share)
    return np.stack(images), np.array(gains)
