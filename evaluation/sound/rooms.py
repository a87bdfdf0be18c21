"""Simulated rooms: what the microphones of a dog that stands, walks and turns would hear (pyroomacoustics)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from perception.sound.array import RATE_HZ, SOUND_M_S, HeadPose, MicArray, SoundInputError

HEAD_M = 0.4  # height of the array: the head of a standing robot dog
POSE_S = 0.05  # a new impulse response this often along a path; at 60 degrees a second that is 3 degrees
# Reflections quieter than this are left out, and they are most of them: 40 dB is below the noise of every condition.
# Along a path, where there are hundreds of responses, 30 dB has to do; that is 2.4 times faster.
FADED_DB, FADED_MOVING_DB = 40.0, 30.0
MOST_RT60_S = 1.5  # the number of image sources grows with its third power
DIFFUSE_WAVES = 192  # plane waves that make a diffuse field
INSTALL = "pyroomacoustics is not installed; rooms need it. Install it with: pip install 'empaw[train]'"


@dataclass(frozen=True)
class Room:
    """A shoebox with equal walls."""

    size_m: tuple[float, float, float] = (6.0, 5.0, 2.7)
    """Length, width, height."""
    rt60_s: float = 0.3
    """Reverberation time after Sabine; 0 is a room without echo. What is measured in it may be a fifth longer."""

    def __post_init__(self) -> None:
        if len(self.size_m) != 3 or not all(1.5 <= side <= 30.0 for side in self.size_m):
            raise SoundInputError(f"size_m is {self.size_m}; allowed are three sides of 1.5 to 30 m. Choose another.")
        if not (self.rt60_s == 0.0 or 0.1 <= self.rt60_s <= MOST_RT60_S):
            raise SoundInputError(
                f"rt60_s is {self.rt60_s}; allowed are 0 (no echo) and 0.1 to {MOST_RT60_S} s. Choose another."
            )

    def order(self, faded_db: float = FADED_DB) -> int:
        """Count the reflections to follow until they have faded: the way until then over the mean free path 4 V / S."""
        x, y, z = self.size_m
        free_path_m = 2.0 * x * y * z / (x * y + x * z + y * z)
        return math.ceil(faded_db / 60.0 * self.rt60_s * SOUND_M_S / free_path_m)


class Source(NamedTuple):
    """A sound (n,) at 16 kHz and where it is: `place_m` (3,) in the room."""

    sound: np.ndarray
    place_m: np.ndarray


def impulse_responses(room: Room, place_m: np.ndarray, mics_m: np.ndarray, faded_db: float = FADED_DB) -> np.ndarray:
    """From a source at (3,) m to microphones (M, 3) m: (M, L) by image sources (Allen & Berkley 1979).

    Raises:
        SoundInputError: a place outside the room, a reverberation time that its walls cannot have, or no
            pyroomacoustics.
    """
    try:
        import pyroomacoustics as pra
    except ImportError as error:
        raise SoundInputError(INSTALL) from error
    for name, places in (("the source", np.atleast_2d(place_m)), ("a microphone", np.atleast_2d(mics_m))):
        if not np.isfinite(places).all() or (places <= 0.0).any() or (places >= np.asarray(room.size_m)).any():
            raise SoundInputError(f"{name} is outside the room of {room.size_m} m. Move it in, or build a larger room.")
    absorbed = 1.0
    if room.rt60_s:
        try:
            absorbed = pra.inverse_sabine(room.rt60_s, room.size_m)[0]
        except ValueError as error:
            raise SoundInputError(
                f"a room of {room.size_m} m cannot have a reverberation time of {room.rt60_s} s; even walls that "
                "absorb everything leave more by Sabine's formula. Ask for a longer one, or 0."
            ) from error
    shoebox = pra.ShoeBox(room.size_m, fs=RATE_HZ, materials=pra.Material(absorbed), max_order=room.order(faded_db))
    shoebox.add_source(np.asarray(place_m, dtype=np.float64))
    shoebox.add_microphone_array(np.asarray(mics_m, dtype=np.float64).T)
    shoebox.compute_rir()
    responses = [row[0] for row in shoebox.rir]
    longest = max(len(response) for response in responses)
    return np.stack([np.pad(response, (0, longest - len(response))) for response in responses])


def _mics_m(array: MicArray, pose: HeadPose) -> np.ndarray:
    return np.column_stack([array.positions_world(pose), np.full(array.mics, HEAD_M)])


def record(room: Room, array: MicArray, pose: HeadPose, source: Source) -> np.ndarray:
    """Simulate what a standing dog hears of a source: (mics, n), as long as its sound.

    Raises:
        SoundInputError: as for `impulse_responses`.
    """
    from scipy.signal import oaconvolve

    responses = impulse_responses(room, source.place_m, _mics_m(array, pose))
    heard: np.ndarray = oaconvolve(source.sound[None], responses, axes=1)[:, : len(source.sound)]
    return heard


def record_moving(room: Room, array: MicArray, path: Sequence[HeadPose], source: Source) -> np.ndarray:
    """Simulate what a walking dog hears of a source: (mics, n), as long as its sound.

    Each pose of the path, one every 50 ms from time 0, has impulse responses of its own; what they give is faded from
    one into the next.

    Raises:
        SoundInputError: the path is shorter than the sound, or as for `impulse_responses`.
    """
    from scipy.signal import fftconvolve

    step, length = round(POSE_S * RATE_HZ), len(source.sound)
    if len(path) < length / step + 1:
        raise SoundInputError(
            f"a path of {len(path)} poses came for {length / RATE_HZ:.2f} s of sound; expected one every {POSE_S} s, "
            f"{math.ceil(length / step) + 1} or more. Lengthen it."
        )
    used = path[: math.ceil(length / step) + 1]
    mics = np.concatenate([_mics_m(array, pose) for pose in used])
    responses = impulse_responses(room, source.place_m, mics, FADED_MOVING_DB).reshape(len(used), array.mics, -1)
    tail = responses.shape[-1] - 1
    padded = np.pad(source.sound, (tail + step, 2 * step))
    fade = np.concatenate([np.arange(step), np.arange(step, 0, -1)]) / step
    out = np.zeros((array.mics, (len(used) + 1) * step))
    for number, response in enumerate(responses):
        # From a step before the pose to a step after it, and the sound before that which still echoes.
        piece = padded[number * step : (number + 2) * step + tail]
        piece = np.pad(piece, (0, 2 * step + tail - len(piece)))
        out[:, number * step : (number + 2) * step] += fade * fftconvolve(piece[None], response, mode="valid", axes=1)
    return out[:, step : step + length]


def white_noise(array: MicArray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of the microphones themselves, (mics, samples) of RMS 1, independent in each."""
    return rng.normal(size=(array.mics, samples))


def diffuse_noise(array: MicArray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Noise from everywhere, (mics, samples) of RMS 1, falling by 3 dB an octave above 100 Hz as that of rooms does."""
    frequencies = np.fft.rfftfreq(samples, 1.0 / RATE_HZ)
    towards = rng.normal(size=(DIFFUSE_WAVES, 3))
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    lead_s = towards[:, :2] @ array.positions.T / SOUND_M_S
    spectrum = np.zeros((array.mics, len(frequencies)), dtype=np.complex128)
    for lead in lead_s:
        wave = rng.normal(size=len(frequencies)) + 1j * rng.normal(size=len(frequencies))
        spectrum += wave * np.exp(2j * np.pi * lead[:, None] * frequencies)
    out = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequencies, 100.0)), samples)
    scaled: np.ndarray = out / np.sqrt(np.mean(out**2))
    return scaled


def speech_like(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Syllables of a voice that means nothing, (n,) of RMS 1 while it sounds: buzz, breath, gaps.

    Each syllable has a pitch of its own that falls, three formants, and a noisy start; it lasts 0.12 to 0.3 s.
    """
    from scipy.signal import lfilter

    out = np.zeros(round(seconds * RATE_HZ))
    at = int(rng.uniform(0.1, 0.4) * RATE_HZ)
    while at < len(out):
        n = int(rng.uniform(0.12, 0.3) * RATE_HZ)
        pitch = rng.uniform(90.0, 240.0) * np.linspace(1.1, 0.9, n)
        pulses = np.diff(np.floor(np.cumsum(pitch) / RATE_HZ), prepend=0.0)
        breath = rng.normal(size=n) * np.where(np.arange(n) < 0.25 * n, 0.25, 0.04)
        syllable = pulses + breath
        for formant, width in zip(rng.uniform((300, 900, 2200), (800, 2200, 3400)), (90, 120, 200), strict=True):
            r = math.exp(-math.pi * width / RATE_HZ)
            syllable = syllable + 0.7 * lfilter(
                [1.0 - r], [1.0, -2.0 * r * math.cos(2.0 * math.pi * formant / RATE_HZ), r * r], 8.0 * syllable
            )
        syllable *= np.hanning(n) * rng.uniform(0.4, 1.0)
        out[at : at + n] += syllable[: len(out) - at]
        at += int(n * rng.uniform(0.9, 1.5)) + (int(0.3 * RATE_HZ) if rng.random() < 0.15 else 0)
    sounding = out[np.abs(out) > 0.0]
    return out / max(float(np.sqrt(np.mean(sounding**2))), 1e-9) if len(sounding) else out
