"""Voices and faces that were never met, as they are and spoiled, and pairs of them that show the same feeling.

No set of sounds with pictures can be had freely, so a clip of RAVDESS is paired with pictures of FER2013 of the same
label. The two are then independent once the feeling is known. A person's own voice and face are not quite, so pairs
flatter what fusion gains; they do tell whether a spoiled sense does harm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from datasets import nonspeech
from datasets.faces import Faces
from datasets.voices import Clip
from perception.emotion import LABELS
from perception.face.detector import CROP, sharpness
from perception.face.model import FaceEmotionModel, to_labels
from perception.face.network import CLASSES
from perception.face.stream import StreamConfig, reliability, shrink_to_uniform
from perception.progress import track
from perception.speech.audio import RATE_HZ, read_sound
from perception.speech.model import SpeechEmotionModel
from perception.speech.speech_detector import LEAST_SPEECH
from perception.speech.windows import trim_to_voice

_NEUTRAL = LABELS.index("neutral")
FEELINGS = tuple(LABELS.index(name) for name in CLASSES)
"""Indices into `LABELS` of what both senses know: calm counts as neutral, for there are no pictures of calm."""


class SensePredictions(NamedTuple):
    """Output of one sense for N clips or pictures.

    `probabilities` (N, 8), how far each is to be trusted `reliability` (N,), 0 where nothing is said, and the `truth`
    (N,): indices into `LABELS`, with neutral for calm.
    """

    probabilities: np.ndarray
    reliability: np.ndarray
    truth: np.ndarray

    def take(self, rows: np.ndarray) -> SensePredictions:
        """The rows in a mask or a list of places."""
        return SensePredictions(*(column[rows] for column in self))


# ------------------------------------------------------------------ voices


def _noise(samples: np.ndarray, snr_db: float, rng: np.random.Generator) -> np.ndarray:
    """Add a sound of a home at so many dB below the voice."""
    kind = str(rng.choice(list(nonspeech.KINDS)))
    noise = nonspeech.make(kind, len(samples) / RATE_HZ + 0.01, rng)[: len(samples)].astype(np.float64)
    level = np.sqrt(np.mean(samples**2) / max(np.mean(noise**2), 1e-12)) * 10 ** (-snr_db / 20)
    mixed = samples + level * noise
    return np.asarray(mixed / max(1.0, float(np.abs(mixed).max())), np.float32)


Spoil = Callable[[np.ndarray, np.random.Generator], np.ndarray]
VOICES: dict[str, Spoil | None] = {
    "clear": lambda samples, rng: samples,
    "noisy": lambda samples, rng: _noise(samples, 5.0, rng),
    "drowned": lambda samples, rng: _noise(samples, -15.0, rng),
    "missing": None,
}
"""A voice as it was recorded; with a sound of a home 5 dB below it; 15 dB above it; none."""


def judge_voices(model: SpeechEmotionModel, clips: list[Clip], condition: str, seed: int) -> SensePredictions:
    """Judge the clips as a stream would at their ends; sounds that are no speech say nothing.

    Raises:
        SoundError: a clip cannot be read.
    """
    truth = np.array([_NEUTRAL if clip.emotion == "calm" else clip.index for clip in clips])
    spoil = VOICES[condition]
    if spoil is None:
        return _nothing(truth)
    probabilities, reliability = [], []
    for index, clip in enumerate(track(clips, f"voices, {condition}")):
        rng = np.random.default_rng((seed, index))
        judgement = model.judge(trim_to_voice(spoil(read_sound(clip.path).samples, rng)))
        probabilities.append(softmax(judgement.logits.astype(np.float64), axis=-1))
        reliability.append(judgement.speech if judgement.speech >= LEAST_SPEECH else 0.0)
    return SensePredictions(np.array(probabilities), np.array(reliability), truth)


# ------------------------------------------------------------------ faces


def _blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    import cv2

    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma))


def _cover(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hide the mouth, as a mask or a cup does."""
    covered = picture.copy()
    covered[round(0.62 * CROP) :] = rng.integers(0, 256)
    return covered


FACES: dict[str, Spoil | None] = {
    "clear": lambda picture, rng: picture,
    "soft": lambda picture, rng: _blur(picture, 1.0),
    "covered": _cover,
    "blurred": lambda picture, rng: _blur(picture, 3.0),
    "missing": None,
}
"""A face as it is; a little out of focus; with the mouth covered; blurred beyond use; none."""


def judge_faces(model: FaceEmotionModel, faces: Faces, condition: str, seed: int) -> SensePredictions:
    """Judge the crops as a stream would, which trusts blurred ones less or not at all."""
    truth = np.array(FEELINGS)[faces.targets]
    spoil = FACES[condition]
    if spoil is None:
        return _nothing(truth)
    rng, config = np.random.default_rng(seed), StreamConfig()
    crops = np.stack([spoil(picture, rng) for picture in faces.pictures])
    details = [sharpness(crop) for crop in crops]
    trust = np.array([reliability(CROP, d, config) * (d >= config.least_sharpness) for d in details])
    probabilities = to_labels(shrink_to_uniform(softmax(model.logits(crops), axis=-1), trust[:, None]))
    # How far a face is trusted is in its probabilities already; what is left is whether it says anything.
    return SensePredictions(probabilities, (trust > 0.0).astype(float), truth)


def _nothing(truth: np.ndarray) -> SensePredictions:
    return SensePredictions(np.full((len(truth), len(LABELS)), 1 / len(LABELS)), np.zeros(len(truth)), truth)


# ------------------------------------------------------------------ pairs


def pair(voices: np.ndarray, faces: np.ndarray, each: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Pair every voice with `each` faces of the same feeling, drawn at random.

    Args:
        voices: (N,) truth of the voices.
        faces: (M,) truth of the faces.
        each: how many faces a voice gets.
        rng: what draws.

    Returns:
        Rows of the voices and of the faces, (N x each,).

    Raises:
        ValueError: a feeling of a voice is in no face.
    """
    rows = np.repeat(np.arange(len(voices)), each)
    drawn = np.zeros(len(rows), int)
    for feeling in np.unique(voices):
        there = np.flatnonzero(faces == feeling)
        if len(there) == 0:
            raise ValueError(f"there are voices but no faces that show {LABELS[feeling]}. Give pictures of all labels.")
        same = voices[rows] == feeling
        drawn[same] = rng.choice(there, int(same.sum()))
    return rows, drawn


def mismatch(
    voices: np.ndarray, faces: np.ndarray, each: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Pair every voice with `each` faces of another feeling, every other feeling alike; see `pair`."""
    rows = np.repeat(np.arange(len(voices)), each)
    known = np.unique(faces)
    drawn = np.zeros(len(rows), int)
    for place, row in enumerate(rows):
        other = rng.choice(known[known != voices[row]])
        drawn[place] = rng.choice(np.flatnonzero(faces == other))
    return rows, drawn
