"""From a sound to probabilities: pooled encoder states and an ensemble of small networks on top.

Each layer of the encoder is pooled to its mean and standard deviation over time; every member of the ensemble is a
network with one hidden layer; their log-probabilities are averaged and divided by a temperature that was fitted on
speakers that the members had not met.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor, nn
from torch.nn import functional

from perception.emotion import LABELS
from perception.speech import encoder as whisper
from perception.speech.audio import RATE_HZ
from perception.speech.encoder import SpeechEncoder, check_samples, pool
from perception.speech.speaker import Speaker
from perception.speech.speech_detector import DEFAULT_FOLDER as SPEECH_DETECTOR_FOLDER
from perception.speech.speech_detector import SpeechDetector
from perception.speech.windows import trim_to_voice
from perception.weights import WeightsError, build, read_config, useless

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "weights" / "speech_emotion"


@dataclass(frozen=True)
class HeadConfig:
    """Shape of the ensemble; stored as config.json beside its weights."""

    inputs: int = 2304
    hidden: int = 128
    members: int = 5
    temperature: float = 1.0
    window_temperature: float = 1.0
    labels: tuple[str, ...] = LABELS
    layers: int = 3

    def __post_init__(self) -> None:
        if self.layers < 1 or self.inputs % (2 * self.layers):
            raise ValueError(
                f"inputs {self.inputs} and layers {self.layers} came; inputs are means and deviations of each layer"
            )
        if not min(self.temperature, self.window_temperature) > 0.0:
            raise ValueError(
                f"temperature {self.temperature}, window_temperature {self.window_temperature} came; both must be > 0"
            )


@dataclass(frozen=True)
class _Training:
    """The part of config.json about the training."""

    held_out_actors: tuple[int, ...] = (1,)


def held_out_actors(folder: Path = DEFAULT_FOLDER) -> tuple[int, ...]:
    """The actors of RAVDESS whom the ensemble in a weights folder never heard: only they say anything of new people.

    Raises:
        WeightsError: config.json is missing or does not say.
    """
    return read_config(folder, _Training).held_out_actors


class HeadEnsemble(nn.Module):
    """`members` networks with one hidden layer each, evaluated together on pooled features (B, inputs)."""

    mean: Tensor
    scale: Tensor
    neutral_mean: Tensor

    def __init__(self, config: HeadConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.dropout = dropout
        m, d, h, k = config.members, config.inputs, config.hidden, len(config.labels)
        self.register_buffer("mean", torch.zeros(d))
        self.register_buffer("scale", torch.ones(d))
        self.register_buffer("neutral_mean", torch.zeros(d))
        self.w1 = nn.Parameter(torch.zeros(m, d, h))
        self.b1 = nn.Parameter(torch.zeros(m, 1, h))
        self.w2 = nn.Parameter(torch.zeros(m, h, k))
        self.b2 = nn.Parameter(torch.zeros(m, 1, k))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw fresh weights: normal with variance 2 / inputs (He et al. 2015) and 1 / hidden."""
        with torch.no_grad():
            self.w1.normal_(0.0, (2.0 / self.config.inputs) ** 0.5, generator=generator)
            self.w2.normal_(0.0, (1.0 / self.config.hidden) ** 0.5, generator=generator)

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, inputs) -> logits of each member (members, B, 8)."""
        x = functional.dropout((features - self.mean) / self.scale, 0.5 * self.dropout, self.training)
        x = x.expand(self.config.members, *x.shape)
        x = functional.gelu(torch.baddbmm(self.b1, x, self.w1))
        x = functional.dropout(x, self.dropout, self.training)
        return torch.baddbmm(self.b2, x, self.w2)

    def log_probabilities(self, features: Tensor) -> Tensor:
        """Features (B, inputs) -> mean of the members' log-probabilities (B, 8), before the temperature."""
        return functional.log_softmax(self(features), dim=-1).mean(dim=0)

    def offset(self, speaker: Speaker) -> Tensor:
        """Estimate how a voice differs from the average training voice, (inputs,).

        Raises:
            ValueError: it was encoded with another encoder.
        """
        offset = speaker.offset(self.mean.numpy(), self.neutral_mean.numpy(), self.config.layers)
        return torch.from_numpy(offset.astype(np.float32))


class Judgement(NamedTuple):
    """Output for one window.

    Calibrated `logits` (8,) of the emotions, the probability that it is `speech` at all, and its pooled `features`
    (inputs,).
    """

    logits: np.ndarray
    speech: float
    features: np.ndarray


class SpeechEmotionModel:
    """Voice -> calibrated probabilities over `perception.emotion.LABELS`. One call at a time; no state is kept."""

    def __init__(self, encoder: SpeechEncoder, head: HeadEnsemble, detector: SpeechDetector) -> None:
        expected = encoder.config.layers * 2 * encoder.config.d_model
        if head.config.inputs != expected or tuple(head.config.labels) != LABELS:
            raise WeightsError(
                f"the head takes {head.config.inputs} features and knows {head.config.labels}; this encoder gives "
                f"{expected} and the labels are {LABELS}. Use weights that were trained together."
            )
        if detector.config.inputs != expected:
            raise WeightsError(
                f"the layer that tells speech from other sounds takes {detector.config.inputs} features; this encoder "
                f"gives {expected}. Use weights that were trained together."
            )
        self.encoder = encoder.eval()
        self.head = head.eval()
        self.detector = detector.eval()

    @classmethod
    def load(
        cls,
        folder: Path | str = DEFAULT_FOLDER,
        encoder_folder: Path | str = whisper.DEFAULT_FOLDER,
        detector_folder: Path | str = SPEECH_DETECTOR_FOLDER,
    ) -> SpeechEmotionModel:
        """Load the shipped weights, or others that `empaw train speech` wrote.

        Raises:
            WeightsError: a file is missing, damaged, of another network, or its numbers cannot judge a sound.
        """
        folder = Path(folder)
        config = read_config(folder, HeadConfig)
        head, detector = build(lambda: HeadEnsemble(config), folder), SpeechDetector.load(detector_folder)
        model = cls(SpeechEncoder.load(encoder_folder), head, detector)
        model._try_out(folder, Path(encoder_folder))
        return model

    def _try_out(self, folder: Path, encoder_folder: Path) -> None:
        """Judge one second of low noise: numbers that are finite one by one may still overflow together."""
        if not bool((self.head.scale > 0.0).all()):
            raise useless(f"{folder}: 'scale' must be positive; its least entry is {float(self.head.scale.min()):g}")
        noise = np.random.default_rng(0).normal(0.0, 0.01, RATE_HZ).astype(np.float32)
        if not np.isfinite(self.features(noise)).all():
            raise useless(f"{encoder_folder}: the encoder turns low noise into NaN or infinity")
        if not np.isfinite(self.judge(noise).logits).all():
            raise useless(f"{folder}: the network judges low noise as NaN or infinity")

    def check_speaker(self, speaker: Speaker) -> None:
        """Complain about a voice that was encoded by another encoder.

        Raises:
            ValueError: it was.
        """
        self.head.offset(speaker)

    @torch.inference_mode()
    def features(self, samples: np.ndarray) -> np.ndarray:
        """Pooled encoder states (inputs,) float32 of samples (N,) at 16 kHz, taken as they are."""
        out: np.ndarray = pool(self.encoder.encode(samples)).numpy()
        return out

    def judge(self, samples: np.ndarray, speaker: Speaker | None = None) -> Judgement:
        """Judge one window of running sound, samples (N,) at 16 kHz, taken as they are.

        The temperature is that of the windows of a stream, many of which hold the beginning of an utterance only.
        What is known of the `speaker` is allowed for.
        """
        features = self.features(samples)
        logits = self._log_probabilities(features, speaker) / self.head.config.window_temperature
        return Judgement(logits, self.detector.probability(features), features)

    @torch.inference_mode()
    def _log_probabilities(self, features: np.ndarray, speaker: Speaker | None) -> np.ndarray:
        heard = torch.from_numpy(features)
        if speaker is not None:
            heard = heard - self.head.offset(speaker)
        out: np.ndarray = self.head.log_probabilities(heard[None])[0].numpy()
        return out

    def predict(self, samples: np.ndarray, speaker: Speaker | None = None) -> np.ndarray:
        """Calibrated probabilities (8,) of one utterance: float samples (N,), mono, 16 kHz, at most 30 s.

        Silence before and after the voice is cut. Where there is no voice at all the answer says little: ask
        `SpeechStream`, which stays quiet then.

        Raises:
            ValueError: no float array (N,), longer than 30 s, far beyond full scale, or NaN or infinity in it.
        """
        features = self.features(trim_to_voice(check_samples(samples)))
        return softmax(self._log_probabilities(features, speaker) / self.head.config.temperature, axis=-1)
