"""Sounds of a home that nobody speaks, by synthesis: what a microphone hears most of the time.

No recording is used, so everybody can make them again. Each kind is a free function of a generator and a length, and
draws its own pitch, pace, colour and loudness.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

from perception.speech.audio import RATE_HZ

Sound = Callable[[np.random.Generator, int], np.ndarray]
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 3, 5, 7, 10))  # major, minor, pentatonic, semitones


def _times(n: int) -> np.ndarray:
    return np.arange(n) / RATE_HZ


def _tone(rng: np.random.Generator, hz: float | np.ndarray, n: int, harmonics: int, tilt: float) -> np.ndarray:
    """Sum of harmonics of a pitch (scalar or (n,)) that fall off as k**-tilt."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hz, n)) / RATE_HZ
    out = np.zeros(n)
    for k in range(1, harmonics + 1):
        out += k**-tilt * np.sin(k * phase + rng.uniform(0, 2 * np.pi)) * (k * np.max(hz) < RATE_HZ / 2)
    return out


def _coloured(rng: np.random.Generator, n: int, exponent: float) -> np.ndarray:
    """Noise whose power falls as f**-(2 exponent): 0 white, 0.5 pink, 1 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    bins = np.maximum(np.arange(len(spectrum)), 20.0 * n / RATE_HZ)
    noise: np.ndarray = np.fft.irfft(spectrum * bins**-exponent, n)
    return noise / noise.std()


def _resonant(rng: np.random.Generator, x: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """One or two resonances."""
    for _ in range(int(rng.integers(1, 3))):
        radius, angle = rng.uniform(0.9, 0.995), 2 * np.pi * rng.uniform(low_hz, high_hz) / RATE_HZ
        x = lfilter([1.0 - radius], [1.0, -2 * radius * np.cos(angle), radius**2], x)
    return x


def fan(rng: np.random.Generator, n: int) -> np.ndarray:
    """Steady noise of any colour, with or without the hum of the mains."""
    hum = _tone(rng, float(rng.choice([50.0, 60.0])), n, 8, 1.0) * rng.choice([0.0, rng.uniform(0.1, 1.0)])
    return _coloured(rng, n, rng.uniform(0.0, 1.0)) + hum


def wind(rng: np.random.Generator, n: int) -> np.ndarray:
    """Noise that swells and fades: wind, surf, traffic, a tap."""
    knots = np.arange(0.0, n / RATE_HZ + 0.6, 0.3)
    swell = np.interp(_times(n), knots, rng.uniform(0.05, 1.0, len(knots)))
    return _resonant(rng, _coloured(rng, n, rng.uniform(0.2, 1.0)), 100, 3000) * swell


def knocks(rng: np.random.Generator, n: int) -> np.ndarray:
    """Short blows, now and then: steps, a door, dishes, a keyboard."""
    out, decay = np.zeros(n), int(rng.uniform(0.005, 0.08) * RATE_HZ)
    at = 0.0
    while at < n:
        length = min(8 * decay, n - int(at))
        blow = np.exp(-np.arange(length) / decay) * rng.standard_normal(length)
        out[int(at) : int(at) + length] += rng.uniform(0.3, 1.0) * blow
        at += rng.uniform(0.05, 0.8) * RATE_HZ
    return _resonant(rng, out, 150, 5000)


def alarm(rng: np.random.Generator, n: int) -> np.ndarray:
    """Beeps, sirens, a telephone."""
    t = _times(n)
    low, high = np.sort(rng.uniform(300, 3000, 2))
    pace = rng.uniform(0.4, 8.0)
    wave = np.sin(2 * np.pi * pace * t)
    hz = low + (high - low) * (0.5 + 0.5 * (np.sign(wave) if rng.random() < 0.5 else wave))
    gate = (wave > rng.uniform(-1.0, 0.5)) if rng.random() < 0.5 else np.ones(n)
    return _tone(rng, hz, n, int(rng.integers(1, 6)), rng.uniform(0.5, 2.0)) * gate


def motor(rng: np.random.Generator, n: int) -> np.ndarray:
    """A machine: many harmonics of a low pitch that wavers, and the noise it makes."""
    drift = np.interp(_times(n), np.linspace(0, n / RATE_HZ, 6), rng.uniform(0.8, 1.25, 6))
    buzz = _tone(rng, rng.uniform(25, 300) * drift, n, 25, rng.uniform(0.2, 1.2))
    return _resonant(rng, buzz, 100, 4000) / 3 + rng.uniform(0.0, 1.0) * _coloured(rng, n, 0.5)


def birds(rng: np.random.Generator, n: int) -> np.ndarray:
    """Chirps, squeaks, and higher animals: sweeps of a nearly pure tone."""
    out = np.zeros(n)
    at = 0.0
    base = rng.uniform(900, 5000)
    while at < n:
        length = min(int(rng.uniform(0.04, 0.4) * RATE_HZ), n - int(at))
        sweep = base * np.interp(np.linspace(0, 1, length), (0, 0.5, 1), rng.uniform(0.7, 1.4, 3))
        out[int(at) : int(at) + length] += np.hanning(length) * _tone(rng, sweep, length, 2, 1.5)
        at += length + rng.uniform(0.02, 0.5) * RATE_HZ
    return out


def _note(rng: np.random.Generator, hz: float, n: int, plucked: bool, harmonics: int, tilt: float) -> np.ndarray:
    t = _times(n)
    vibrato = 1 + rng.uniform(0, 0.01) * np.sin(2 * np.pi * rng.uniform(4, 7) * t)
    shape = np.exp(-t / rng.uniform(0.1, 0.8)) if plucked else np.minimum(1, t / 0.05) * np.minimum(1, t[::-1] / 0.05)
    return _tone(rng, hz * vibrato, n, harmonics, tilt) * shape


def melody(rng: np.random.Generator, n: int) -> np.ndarray:
    """One instrument: a walk over a scale, with or without chords under it."""
    scale, root = _SCALES[int(rng.integers(3))], rng.uniform(110, 440)
    plucked, harmonics, tilt = bool(rng.random() < 0.5), int(rng.integers(2, 14)), rng.uniform(0.7, 2.0)
    chords, beat = bool(rng.random() < 0.5), rng.uniform(0.12, 0.6)
    out, at, step = np.zeros(n), 0, int(rng.integers(7))
    while at < n:
        length = min(int(beat * rng.choice([1, 1, 2, 0.5]) * RATE_HZ), n - at)
        step += int(rng.integers(-3, 4))
        for offset in (0, 2, 4) if chords else (0,):
            octave, degree = divmod(step + offset, len(scale))
            hz = root * 2 ** (min(max(octave, -1), 2) + scale[degree] / 12)
            out[at : at + length] += _note(rng, hz, length, plucked, harmonics, tilt)
        at += max(length, 1)
    return out


def band(rng: np.random.Generator, n: int) -> np.ndarray:
    """Music of several instruments with a beat."""
    beat = int(rng.uniform(0.25, 0.6) * RATE_HZ)
    drums = np.zeros(n)
    for number, at in enumerate(range(0, n, beat)):
        length = min(beat, n - at)
        t = _times(length)
        kick = np.sin(2 * np.pi * 60 * t * (1 + np.exp(-t / 0.02))) * np.exp(-t / 0.12)
        drums[at : at + length] += kick if number % 2 == 0 else rng.standard_normal(length) * np.exp(-t / 0.06)
    return _loud(melody(rng, n)) + _loud(melody(rng, n)) + rng.uniform(0.3, 1.5) * _loud(drums)


KINDS: dict[str, Sound] = {kind.__name__: kind for kind in (fan, wind, knocks, alarm, motor, birds, melody, band)}


def _loud(x: np.ndarray) -> np.ndarray:
    return x / max(float(np.sqrt(np.mean(x**2))), 1e-9)


def make(kind: str, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A sound of a kind: (seconds x 16000,) float32, at a level between -40 and -14 dB of full scale.

    Raises:
        ValueError: no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} came; allowed are {', '.join(KINDS)}.")
    sound = _loud(KINDS[kind](rng, round(seconds * RATE_HZ)))
    sound = sound + rng.uniform(0.0, 0.05) * _coloured(rng, len(sound), 0.5)
    return np.clip(_loud(sound) * 10 ** (rng.uniform(-40, -14) / 20), -1.0, 1.0).astype(np.float32)
