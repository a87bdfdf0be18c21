"""Training of the layer that tells speech from other sounds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from datasets import nonspeech
from datasets.layouts import DatasetError, visible_files
from learning.speech.features import GAIN_SPREAD_DB
from perception.command import check_folder, check_run
from perception.progress import track
from perception.speech.audio import RATE_HZ, SUFFIXES, read_sound
from perception.speech.encoder import SpeechEncoder, pool
from perception.speech.speech_detector import DEFAULT_FOLDER, SpeechDetector, SpeechDetectorConfig
from perception.speech.windows import VoiceWindows, WindowConfig
from perception.weights import write_folder
from robots.options import SeedOption, ThreadsOption


@dataclass(frozen=True)
class SpeechDetectorTraining(ThreadsOption, SeedOption):
    """Train the layer that tells speech from other sounds, judge it on kinds of sound and voices it never met."""

    voices: Path
    """Folder of recordings of voices to learn from."""
    other_voices: Path | None = None
    """Folder of recordings of other voices, best in another language, to judge it on."""
    clips: int = 300
    """How many recordings of each folder to take, drawn at random."""
    sounds: int = 60
    """How many sounds of each kind that is no speech to make, 4 s each."""
    regularisation: float = 1e-3
    """Inverse strength of the L2 penalty."""
    out: Path = DEFAULT_FOLDER
    """Folder to write: model.safetensors, config.json, CARD.md."""

    def __post_init__(self) -> None:
        if not 2 <= self.clips <= 10**6 or not 2 <= self.sounds <= 10**6 or not 0.0 < self.regularisation <= 1e6:
            raise ValueError(f"{self} came; clips and sounds must be 2 to 1000000, regularisation more than 0.")


class SpeechDetectorMetrics(NamedTuple):
    """Shares of windows that are judged right.

    Attributes:
        rejected: of the sounds of each kind, by a layer that was trained without that kind.
        kept: of the voices that it was trained on.
        kept_other: of the other voices; None without any.
    """

    rejected: dict[str, float]
    kept: float
    kept_other: float | None


class SpeechDetectorResult(NamedTuple):
    """The layer, where it lies, and how good it is."""

    layer: SpeechDetector
    folder: Path
    figures: SpeechDetectorMetrics


def main(config: SpeechDetectorTraining) -> SpeechDetectorResult:
    """Make sounds, encode them and the voices, train, judge and write the weights.

    Raises:
        DatasetError: a folder holds no recordings.
        CommandError: a setting or the output cannot be used; raised before the work.
    """
    check_run(config.threads, config.seed)
    check_folder(config.out)
    torch.set_num_threads(config.threads)
    encoder, rng = SpeechEncoder.load(), np.random.default_rng(config.seed)
    voices = _encode_voices(encoder, config.voices, config.clips, rng)
    others = None if config.other_voices is None else _encode_voices(encoder, config.other_voices, config.clips, rng)
    sounds = {
        kind: _encode(encoder, [nonspeech.make(kind, 4.0, rng) for _ in range(config.sounds)], rng)
        for kind in track(list(nonspeech.KINDS), "sounds that are no speech")
    }
    layer = fit(voices, list(sounds.values()), config.regularisation)
    rejected = {
        kind: 1.0 - _share(fit(voices, [sounds[k] for k in sounds if k != kind], config.regularisation), found)
        for kind, found in sounds.items()
    }
    figures = SpeechDetectorMetrics(rejected, _share(layer, voices), None if others is None else _share(layer, others))
    notes = {"kinds": list(sounds), "rejected": rejected, "kept": figures.kept, "kept_other": figures.kept_other}
    write_folder(config.out, layer.state_dict(), layer.config, notes, card(figures))
    return SpeechDetectorResult(layer, config.out, figures)


def fit(voices: np.ndarray, sounds: Sequence[np.ndarray], regularisation: float) -> SpeechDetector:
    """Fit the layer to pooled states of voices (n, inputs) and of other sounds (each (m, inputs))."""
    from sklearn.linear_model import LogisticRegression

    features = np.concatenate([voices, *sounds])
    wanted = np.arange(len(features)) < len(voices)
    layer = SpeechDetector(SpeechDetectorConfig(features.shape[1]))
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-3)
    found = LogisticRegression(C=regularisation, class_weight="balanced", max_iter=1000).fit(
        (features - mean) / scale, wanted
    )
    tensors = {"mean": mean, "scale": scale, "layer.weight": found.coef_, "layer.bias": found.intercept_}
    # What fp16 keeps, so that the figures are those of the file.
    layer.load_state_dict({name: torch.from_numpy(array).half().float() for name, array in tensors.items()})
    return layer.eval()


@torch.inference_mode()
def _share(layer: SpeechDetector, features: np.ndarray) -> float:
    """Share of pooled states (n, inputs) that are taken for speech."""
    return round(float((layer(torch.from_numpy(features)) > 0).float().mean()), 4)


def _encode_voices(encoder: SpeechEncoder, folder: Path, clips: int, rng: np.random.Generator) -> np.ndarray:
    files, _ = visible_files(folder, SUFFIXES)
    if not files:
        raise DatasetError(f"{folder} holds no recordings ({', '.join(sorted(SUFFIXES))}). Name another folder.")
    chosen = [files[index] for index in rng.permutation(len(files))[:clips].tolist()]
    read = (read_sound(path, max_seconds=30.0).samples for path in track(chosen, f"voices of {folder.name}"))
    return _encode(encoder, read, rng)


def _encode(encoder: SpeechEncoder, sounds: Iterable[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Pooled states (n, inputs) of up to three windows that a stream would hear of each sound, at any gain."""
    rows = []
    for samples in sounds:
        gain = 10.0 ** (rng.normal(0.0, GAIN_SPREAD_DB) / 20.0)
        heard = np.clip(gain * np.concatenate([samples, np.zeros(RATE_HZ // 2, np.float32)]), -1.0, 1.0)
        windows = VoiceWindows(WindowConfig(hop_s=0.5)).push(heard.astype(np.float32))
        for index in rng.permutation(len(windows))[:3].tolist():
            rows.append(pool(encoder.encode(windows[index].samples)).numpy())
    if not rows:
        raise DatasetError("no window of these recordings is loud enough for the voice gate.")
    return np.stack(rows)


def report(result: SpeechDetectorResult) -> int:
    """Say how good it is, on stderr."""
    print(f"wrote {result.folder}", file=sys.stderr)
    print(_figures_text(result.figures), file=sys.stderr)
    return 0


def _figures_text(figures: SpeechDetectorMetrics) -> str:
    lines = ["| windows | judged right |", "|---|---|"]
    lines += [f"| {kind}, by a layer that never heard one | {share:.1%} |" for kind, share in figures.rejected.items()]
    lines.append(f"| voices of the training | {figures.kept:.1%} |")
    if figures.kept_other is not None:
        lines.append(f"| other voices | {figures.kept_other:.1%} |")
    return "\n".join(lines)


def card(figures: SpeechDetectorMetrics) -> str:
    """Describe the weights."""
    return CARD.format(figures=_figures_text(figures))


CARD = """# Speech or not: a linear layer on Whisper-tiny

- What: logistic regression on the mean and standard deviation over time of the first three layers of the Whisper-tiny
  encoder; says whether a window holds speech before anybody asks how it sounds.
- Use: `perception.speech.speech_detector.SpeechDetector.load()`; `SpeechStream` asks it for every window.
- Made by: `empaw train speech-detector --voices RAVDESS --other-voices NEMO`.

## Data and licence

Voices of RAVDESS (Livingstone & Russo 2018, CC BY-NC-SA 4.0), and sounds that are no speech made by
`datasets.nonspeech`; no recording of them is used. Because of RAVDESS the weights are offered under
**CC BY-NC-SA 4.0** as well: non-commercial research and education. The other voices of the table are Polish (nEMO,
CC BY-NC-SA 4.0); they were judged only.

## Figures

{figures}

## Limits

- The sounds are synthetic. Singing, laughter, a television in the next room and talking parrots were not tried.
- Speech under loud music may be taken for music.
"""
