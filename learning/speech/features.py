"""Pooled encoder states of every clip in several versions, kept on disk between runs.

A clip is stored as one small file named after the content of the sound, the encoder, and the version of this recipe;
it is written whole or not at all. So an interrupted run goes on where it stopped, and a changed sound, encoder or
recipe is computed afresh.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch

from geometry.files import write_whole
from perception.command import Failure
from perception.speech.audio import RATE_HZ, SoundError, read_sound
from perception.speech.encoder import SpeechEncoder, pool
from perception.speech.windows import VoiceWindows, WindowConfig, trim_to_voice

RECIPE = "2"  # raise when `versions` changes
DEFAULT_CACHE = Path(__file__).resolve().parents[2] / "runs" / "speech_cache"
SPEEDS = (1.0, 0.9, 1.1)
WINDOWS_PER_SPEED = 3  # the last of them with noise and another gain
GAIN_SPREAD_DB = 6.0
NOISE_SNR_DB = (5.0, 35.0)
STREAM_HOP_S = 0.5
CLEAN, SPED, WINDOW, STREAM = range(4)
"""Kinds of version: the utterance; the utterance at another speed; a random part of either; what the stream hears."""


class ClipFeatures(NamedTuple):
    """Versions of one clip: `features` (V, inputs) fp16 and the `kinds` (V,) uint8 of each."""

    features: np.ndarray
    kinds: np.ndarray


@dataclass(frozen=True)
class FeatureTable:
    """Versions of all clips, stacked: `features` (R, inputs) fp16, `kinds` (R,), and the `clip` (R,) of each row."""

    features: np.ndarray
    kinds: np.ndarray
    clip: np.ndarray

    def rows(self, clips: np.ndarray, kind: int) -> np.ndarray:
        """Row numbers (K,) of one kind that belong to the clips in the mask (C,) bool."""
        return np.flatnonzero(clips[self.clip] & (self.kinds == kind))


def versions(samples: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (kind, samples (N,)) for one clip: the utterance, sped copies, random windows of 1 to 3 s, stream windows.

    Speed perturbation: Ko et al. 2015, "Audio augmentation for speech recognition". Networks trained on whole
    utterances alone fail on one second of voice; the random windows prevent it. Networks trained in the studio alone
    lose 14 points at another gain and with noise; the noisy windows prevent that.
    """
    import soxr

    for speed in SPEEDS:
        sped = samples if speed == 1.0 else soxr.resample(samples, RATE_HZ * speed, RATE_HZ)
        voice = trim_to_voice(sped)
        yield CLEAN if speed == 1.0 else SPED, voice
        for number in range(WINDOWS_PER_SPEED):
            length = min(len(voice), round(rng.uniform(1.0, 3.0) * RATE_HZ))
            start = int(rng.integers(0, len(voice) - length + 1))
            part = trim_to_voice(voice[start : start + length])
            yield WINDOW, add_room(part, rng) if number == WINDOWS_PER_SPEED - 1 else part
    # Half a second of silence behind lets the stream hear the end of the clip.
    tail = np.zeros(RATE_HZ // 2, np.float32)
    for window in VoiceWindows(WindowConfig(hop_s=STREAM_HOP_S)).push(np.concatenate([samples, tail])):
        yield STREAM, window.samples


def add_room(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change the gain of samples (N,) and add steady noise, from white to pink, some way below the voice."""
    tilt = np.maximum(np.arange(len(samples) // 2 + 1), 1.0) ** -rng.uniform(0.0, 0.5)
    noise = np.fft.irfft(tilt * np.fft.rfft(rng.normal(size=len(samples))), len(samples))
    snr = 10.0 ** (rng.uniform(*NOISE_SNR_DB) / 20.0)
    noise *= np.sqrt(np.mean(samples.astype(np.float64) ** 2)) / (snr * max(float(noise.std()), 1e-9))
    gain = 10.0 ** (rng.normal(0.0, GAIN_SPREAD_DB) / 20.0)
    return np.clip(gain * (samples + noise), -1.0, 1.0).astype(np.float32)


class FeatureCache:
    """Computes and keeps `ClipFeatures`; `folder` may be shared by runs and deleted at any time."""

    def __init__(self, folder: Path, encoder: SpeechEncoder) -> None:
        self.folder = folder
        self.encoder = encoder
        digest = hashlib.sha256(RECIPE.encode())
        for name, tensor in sorted(encoder.state_dict().items()):
            digest.update(name.encode() + tensor.numpy().tobytes())
        self._recipe = digest.digest()
        self.computed = 0

    def get(self, path: Path) -> ClipFeatures:
        """Features of one sound file, from the cache or computed now.

        Raises:
            SoundError: the file is no usable sound.
        """
        samples = read_sound(path, max_seconds=30.0).samples
        key = hashlib.sha256(self._recipe + samples.tobytes())
        stored = self.folder / f"{key.hexdigest()[:40]}.safetensors"
        found = self._read(stored)
        return found if found is not None else self._compute(samples, stored, int.from_bytes(key.digest()[:8], "big"))

    def _read(self, stored: Path) -> ClipFeatures | None:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            tensors = load(stored.read_bytes())
            return ClipFeatures(tensors["features"], tensors["kinds"])
        except (FileNotFoundError, SafetensorError, KeyError):
            return None  # absent or damaged: computed again

    def _compute(self, samples: np.ndarray, stored: Path, seed: int) -> ClipFeatures:
        from safetensors.numpy import save

        # The seed comes from the sound, so the windows do not depend on the order of the files.
        rng = np.random.default_rng(seed)
        kinds, rows = [], []
        for kind, piece in versions(samples, rng):
            kinds.append(kind)
            rows.append(pool(self.encoder.encode(piece)).numpy().astype(np.float16))
        result = ClipFeatures(np.stack(rows), np.array(kinds, np.uint8))
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(stored, save({"features": result.features, "kinds": result.kinds}))
        self.computed += 1
        return result


def beginnings(clips: Sequence[SoundFile], encoder: SpeechEncoder, seconds: float) -> np.ndarray:
    """Features (C, inputs) of the first seconds of each voice, which is all that a dog has heard by then.

    Raises:
        SoundError: a clip is no usable sound.
    """
    from perception.progress import track

    voices = (trim_to_voice(read_sound(clip.path).samples) for clip in track(clips, "encoding beginnings"))
    with torch.inference_mode():
        return np.stack([pool(encoder.encode(voice[: round(seconds * RATE_HZ)])).numpy() for voice in voices])


class SoundFile(Protocol):
    """Anything that lies in a file."""

    @property
    def path(self) -> Path:
        """Where it lies."""


class EncodedClips(NamedTuple):
    """Versions of the clips that can be used, as `table` numbers them; their places in the list, and the others."""

    table: FeatureTable
    kept: np.ndarray
    left_out: list[Failure]


def encode_clips(clips: Sequence[SoundFile], cache: FeatureCache) -> EncodedClips:
    """Features of all clips, with a progress bar on stderr; one that is no usable sound is left out, with its reason.

    Raises:
        SoundError: none of them can be used.
    """
    from perception.progress import track

    parts, kept, left_out = [], [], []
    for place, clip in enumerate(track(clips, "encoding clips")):
        try:
            parts.append(cache.get(clip.path))
            kept.append(place)
        except SoundError as error:
            left_out.append(Failure.of(clip.path, error))
    if not parts:
        raise SoundError(f"none of {len(clips)} clips can be used; {left_out[0].file}: {left_out[0].reason}")
    counts = [len(part.kinds) for part in parts]
    table = FeatureTable(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.kinds for part in parts]),
        np.repeat(np.arange(len(parts)), counts),
    )
    return EncodedClips(table, np.array(kept), left_out)
