"""Sounds of a home that are no voice: music, a knock, a hiss, a hum; all made here, none of it recorded."""

from __future__ import annotations

import numpy as np

from envs.companion.acoustics import RATE_HZ
from envs.companion.scenario import SoundKind

_CHORDS_HZ = ((220.0, 277.2, 329.6), (246.9, 311.1, 370.0), (196.0, 246.9, 293.7), (220.0, 277.2, 329.6))
_CHORD_S, _KNOCK_S, _MAINS_HZ = 0.75, 0.25, 50.0
_LOUD = {"music": 0.08, "knock": 0.3, "noise": 0.05, "hum": 0.05}
"""RMS at one metre of full scale, but for the knock, whose peak it is."""


def noise(kind: SoundKind, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Make a sound: (N,) float at 16 kHz, as loud as it is at one metre."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    made = {"music": _music, "knock": _knocks, "noise": _hiss, "hum": _hum}[kind](t, rng)
    if kind == "knock":
        return _LOUD[kind] * made / max(float(np.abs(made).max()), 1e-9)
    return _LOUD[kind] * made / max(float(np.sqrt((made**2).mean())), 1e-9)


def _music(t: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Chords with overtones, each struck and fading."""
    out = np.zeros(len(t))
    for index in range(int(np.ceil(t[-1] / _CHORD_S)) if len(t) else 0):
        here = (t >= index * _CHORD_S) & (t < (index + 1) * _CHORD_S)
        since = t[here] - index * _CHORD_S
        tones = [
            np.sin(2 * np.pi * over * tone * since) / over**2
            for tone in _CHORDS_HZ[index % len(_CHORDS_HZ)]
            for over in (1, 2, 3, 4)
        ]
        out[here] = np.sum(tones, axis=0) * np.exp(-2.0 * since) * np.minimum(since / 0.01, 1.0)
    return out


def _knocks(t: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Knocks on wood: short bursts around 300 Hz."""
    since = t % _KNOCK_S
    burst = np.sin(2 * np.pi * 300 * since) + 0.5 * rng.standard_normal(len(t))
    struck: np.ndarray = burst * np.exp(-since / 0.02)
    return struck


def _hiss(t: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(len(t))


def _hum(t: np.ndarray, _: np.random.Generator) -> np.ndarray:
    hum: np.ndarray = np.sum([np.sin(2 * np.pi * _MAINS_HZ * k * t) / k for k in (1, 2, 3, 5)], axis=0)
    return hum
