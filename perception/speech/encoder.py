"""Log-mel spectrogram and the first layers of the Whisper-tiny audio encoder, in plain torch.

The network is the encoder of `openai/whisper-tiny` (Radford et al. 2022, arXiv 2212.04356; MIT licence), cut after
the layers that carry emotion. It is run on the sound as it is: no padding to 30 s, the positions are cut to the
length of the sound, so three seconds cost three seconds and not thirty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from perception.speech.audio import MOST_PEAK, RATE_HZ
from perception.weights import WeightsError, build, read_config

N_FFT = 400
HOP = 160
N_MELS = 80
MIN_SAMPLES = 4_800  # 0.3 s: below, a handful of frames says nothing; the sound is padded with zeros to this length
MAX_SAMPLES = 30 * RATE_HZ  # the longest sound that Whisper was trained on
LEAST_POSITIONS = MAX_SAMPLES // (2 * HOP)
MOST_LAYERS, MOST_WIDTH = 32, 1280  # those of Whisper-large
DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "weights" / "whisper_tiny_encoder"


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of the encoder; stored as config.json beside the weights."""

    layers: int = 3
    d_model: int = 384
    heads: int = 6
    mel_bins: int = N_MELS
    max_positions: int = 1500


class _Attention(nn.Module):
    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj = nn.Linear(d_model, d_model, bias=False)
        self.v_proj = nn.Linear(d_model, d_model)
        self.q_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape

        def split(y: Tensor) -> Tensor:
            return y.view(batch, length, self.heads, width // self.heads).transpose(1, 2)

        y = functional.scaled_dot_product_attention(split(self.q_proj(x)), split(self.k_proj(x)), split(self.v_proj(x)))
        out: Tensor = self.out_proj(y.transpose(1, 2).reshape(batch, length, width))
        return out


class _Layer(nn.Module):
    """Pre-norm Transformer block with the parameter names of the published weights."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.self_attn = _Attention(d_model, heads)
        self.self_attn_layer_norm = nn.LayerNorm(d_model)
        self.fc1 = nn.Linear(d_model, 4 * d_model)
        self.fc2 = nn.Linear(4 * d_model, d_model)
        self.final_layer_norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        out: Tensor = x + self.fc2(functional.gelu(self.fc1(self.final_layer_norm(x))))
        return out


def sinusoids(length: int, channels: int) -> Tensor:
    """Positions of Whisper (`whisper/model.py`): (length, channels), sines then cosines, time scale up to 10,000."""
    # On the CPU even where shapes alone are computed: torch loads 800 modules to do this on its device without memory.
    step = math.log(10_000) / (channels // 2 - 1)
    scales = torch.exp(-step * torch.arange(channels // 2, dtype=torch.float64, device="cpu"))
    angle = torch.arange(length, dtype=torch.float64, device="cpu")[:, None] * scales[None, :]
    return torch.cat([angle.sin(), angle.cos()], dim=1).float()


class SpeechEncoder(nn.Module):
    """Sound (N,) at 16 kHz -> hidden states of each layer, (layers, T, d_model) at 50 frames a second."""

    mel_bank: Tensor
    window: Tensor
    positions: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv1d(config.mel_bins, config.d_model, 3, padding=1)
        self.conv2 = nn.Conv1d(config.d_model, config.d_model, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(_Layer(config.d_model, config.heads) for _ in range(config.layers))
        self.register_buffer("mel_bank", torch.zeros(config.mel_bins, N_FFT // 2 + 1))
        self.register_buffer("window", torch.hann_window(N_FFT, device="cpu"), persistent=False)
        self.register_buffer("positions", sinusoids(config.max_positions, config.d_model), persistent=False)

    @classmethod
    def load(cls, folder: Path | str = DEFAULT_FOLDER) -> SpeechEncoder:
        """Load model.safetensors and config.json from a folder.

        Raises:
            WeightsError: the folder lacks a file, a file is damaged, or names and shapes are of another network.
        """
        folder = Path(folder)
        config = read_config(folder, EncoderConfig)
        split = config.d_model % 2 == 0 and config.d_model % config.heads == 0
        known = config.layers <= MOST_LAYERS and config.d_model <= MOST_WIDTH
        if not (split and known and LEAST_POSITIONS <= config.max_positions <= 4 * LEAST_POSITIONS):
            raise WeightsError(
                f"{folder / 'config.json'}: {config} came; allowed are at most {MOST_LAYERS} layers, d_model even, a "
                f"multiple of heads and at most {MOST_WIDTH}, and max_positions {LEAST_POSITIONS} to "
                f"{4 * LEAST_POSITIONS}. Restore the folder."
            )
        return build(lambda: cls(config), folder)

    def log_mel(self, samples: np.ndarray) -> Tensor:
        """Whisper's log-mel spectrogram of float samples (N,): (mel_bins, N // 160), about -1.5 .. 1.5.

        80 Slaney mels, 400-sample Hann window, hop 160, log10, clamped to 8 decades below the loudest, (x + 4) / 4.
        """
        wave = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
        spectrum = torch.stft(wave, N_FFT, HOP, window=self.window, return_complex=True)[..., :-1]
        log_mel = (self.mel_bank @ spectrum.abs().square()).clamp(min=1e-10).log10()
        return (log_mel.clamp(min=float(log_mel.max()) - 8.0) + 4.0) / 4.0

    def forward(self, mel: Tensor) -> Tensor:
        """Log-mel (mel_bins, M) -> hidden states after each layer, (layers, ceil(M / 2), d_model)."""
        x = functional.gelu(self.conv2(functional.gelu(self.conv1(mel[None])))).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        states = []
        for layer in self.layers:
            x = layer(x)
            states.append(x[0])
        return torch.stack(states)

    @torch.inference_mode()
    def encode(self, samples: np.ndarray) -> Tensor:
        """Sound (N,) float, 16 kHz, at most 30 s -> hidden states (layers, T, d_model). Short sounds get zeros behind.

        Raises:
            ValueError: no float array (N,), longer than 30 s, far beyond full scale, or NaN or infinity in it.
        """
        samples = check_samples(samples)
        if len(samples) < MIN_SAMPLES:
            samples = np.pad(samples, (0, MIN_SAMPLES - len(samples)))
        states: Tensor = self(self.log_mel(samples))
        return states


def check_samples(samples: np.ndarray) -> np.ndarray:
    """Return `samples` as float32 (N,) or raise ValueError naming what is wrong with it."""
    array = np.asarray(samples)
    if array.ndim != 1 or array.dtype.kind != "f":
        raise ValueError(
            f"samples came as shape {array.shape}, {array.dtype}; expected a float array (N,), mono, 16 kHz, "
            "within [-1, 1]. Use perception.speech.audio.read_sound to convert a file."
        )
    if len(array) > MAX_SAMPLES:
        raise ValueError(
            f"{len(array) / RATE_HZ:.1f} s of sound came; at most {MAX_SAMPLES // RATE_HZ} s fit in one piece. "
            "Use perception.speech.stream.SpeechStream for longer sound."
        )
    if not np.isfinite(array).all():
        raise ValueError("samples hold NaN or infinity; replace them, for instance with numpy.nan_to_num.")
    peak = float(np.abs(array).max(initial=0.0))
    if peak > MOST_PEAK:
        raise ValueError(
            f"samples up to {peak:.3g} came; expected within [-1, 1]. Divide 16-bit integers by 32768 before use."
        )
    return array.astype(np.float32, copy=False)


def pool(states: Tensor) -> Tensor:
    """Hidden states (layers, T, d) -> mean and standard deviation over time of each layer: (layers * 2 * d,)."""
    return torch.cat([states.mean(dim=1), states.std(dim=1, unbiased=False)], dim=1).flatten()
