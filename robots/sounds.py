"""The dog's voice by synthesis: source-filter sounds from a pitch curve, a loudness curve and two formants.

A dog's bark is a short noisy burst whose pitch falls, a whine a nearly pure tone that rises and falls, a growl a low
rough buzz, a yelp a short high sweep (Yin and McCowan 2004, "Barking in domestic dogs"). Nothing here is a recording.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile
from scipy.signal import lfilter

RATE_HZ = 22050


@dataclass(frozen=True)
class Call:
    """One call: its length, the pitch at its start, middle and end, how rough and how breathy it is.

    `roughness` is the depth of a 30 Hz tremor (growls), `breath` the share of noise, `formants_hz` the resonances of
    the throat, `repeats` how often it comes, `gap_s` the silence between.
    """

    seconds: float
    pitch_hz: tuple[float, float, float]
    roughness: float = 0.0
    breath: float = 0.1
    harmonics: int = 12
    attack_s: float = 0.01
    formants_hz: tuple[float, float] = (800.0, 1900.0)
    repeats: int = 1
    gap_s: float = 0.1


CALLS: dict[str, Call] = {
    "bark": Call(0.16, (520, 640, 300), roughness=0.3, breath=0.45, formants_hz=(700, 1500), repeats=2, gap_s=0.14),
    "yelp": Call(0.17, (900, 1500, 1100), breath=0.08, harmonics=6, formants_hz=(1200, 2600), repeats=3, gap_s=0.07),
    "whine": Call(0.85, (620, 880, 560), breath=0.06, harmonics=4, attack_s=0.12, formants_hz=(900, 2200)),
    "growl": Call(1.1, (95, 110, 85), roughness=0.8, breath=0.25, harmonics=30, attack_s=0.2, formants_hz=(450, 1100)),
    "huff": Call(0.22, (150, 140, 110), breath=0.95, attack_s=0.02, formants_hz=(600, 1700)),
    "sneeze": Call(0.28, (400, 300, 200), breath=0.98, attack_s=0.08, formants_hz=(1800, 3600)),
    "query": Call(0.32, (420, 520, 760), breath=0.08, harmonics=6, attack_s=0.05, formants_hz=(800, 2000)),
}


def synthesise(name: str, seed: int = 0) -> np.ndarray:
    """Make a sound: (N,) float32 in [-0.9, 0.9] at `RATE_HZ`.

    Raises:
        ValueError: no such sound.
    """
    if name not in CALLS:
        raise ValueError(f"unknown sound {name!r}: choose one of {', '.join(CALLS)}")
    call = CALLS[name]
    rng = np.random.default_rng(seed)
    gap = np.zeros(int(call.gap_s * RATE_HZ))
    pieces = []
    for _ in range(call.repeats):
        pieces += [_one(call, rng), gap]
    sound = np.concatenate(pieces)
    return (0.9 * sound / np.abs(sound).max()).astype(np.float32)


def _one(call: Call, rng: np.random.Generator) -> np.ndarray:
    n = int(call.seconds * RATE_HZ)
    t = np.arange(n) / RATE_HZ
    wobble = 1 + 0.02 * rng.standard_normal()
    pitch = wobble * np.interp(t / call.seconds, (0, 0.4, 1), call.pitch_hz)
    angle = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    order = np.arange(1, call.harmonics + 1)
    voice = (np.sin(np.outer(angle, order)) / order).sum(axis=1)
    source = (1 - call.breath) * voice + call.breath * rng.standard_normal(n)
    source *= 1 - call.roughness * 0.5 * (1 + np.sin(2 * np.pi * 30 * t + rng.uniform(0, 6)))
    envelope = np.minimum(1, t / call.attack_s) * np.minimum(1, (call.seconds - t) / (0.35 * call.seconds))
    filtered = sum(_resonance(source, formant) for formant in call.formants_hz)
    return (0.4 * source + filtered) * envelope


def _resonance(source: np.ndarray, formant_hz: float, bandwidth_hz: float = 260.0) -> np.ndarray:
    """Two-pole resonator (Klatt 1980)."""
    radius = np.exp(-np.pi * bandwidth_hz / RATE_HZ)
    middle = 2 * radius * np.cos(2 * np.pi * formant_hz / RATE_HZ)
    return np.asarray(lfilter([1 - middle + radius**2], [1, -middle, radius**2], source))


def sound_wav(name: str) -> bytes:
    """The sound as a 16-bit WAV file."""
    file = io.BytesIO()
    soundfile.write(file, synthesise(name), RATE_HZ, format="WAV", subtype="PCM_16")
    return file.getvalue()


def sound_seconds(name: str) -> float:
    """How long the sound lasts, s."""
    call = CALLS[name]
    return call.repeats * (call.seconds + call.gap_s)
