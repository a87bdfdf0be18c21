"""A small convolutional network that ends in gated positional self-attention.

Convolutions find the parts of a face; on the last 6 x 6 map a block of ConViT (d'Ascoli et al. 2021, "ConViT:
improving vision transformers with soft convolutional inductive biases", arXiv 2103.10697) relates the parts to one
another. Each of its heads begins by looking at one neighbour, as a 3 x 3 convolution does, and a learned gate says how
far it leaves that place for what the content asks for. `mixer="conv"` puts a convolution of the same size in its place,
for comparison.

The network was laid out for one core: dense 3 x 3 convolutions, which in bfloat16 run at three to five times the
arithmetic rate of depthwise blocks there (measured: 110 to 170 against 28 to 76 GFLOP/s, forward and backward).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt, prod
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from perception.emotion import LABELS
from perception.face.detector import CROP

# FER2013 has no pictures of calm: the network does not know that label, see `perception.face.model.to_labels`.
CLASSES = tuple(label for label in LABELS if label != "calm")
MOST_PARAMETERS = 1_500_000
TTA_SCALES = (0.9, 1.0, 1.1)
"""Sizes at which a crop is judged in test-time augmentation (TTA), chosen on PublicTest."""


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of the network; stored as config.json beside its weights."""

    mixer: Literal["gpsa", "conv"] = "gpsa"
    """Last block: gated positional self-attention, or a convolution of the same size."""
    widths: tuple[int, ...] = (32, 80, 144)
    """Channels at 24 x 24, 12 x 12 and 6 x 6, or, where four are given, at 48 x 48 first; the last is a multiple of the
    heads."""
    blocks: tuple[int, ...] = (1, 1, 1)
    """Residual blocks of two 3 x 3 convolutions at each of these sizes."""
    heads: int = 9
    """Heads of the attention: a square, so that together they begin as a square convolution."""
    dropout: float = 0.3
    """On the pooled features, in training only."""

    def __post_init__(self) -> None:
        fits = len(self.widths) == len(self.blocks) in (3, 4) and all(4 <= width <= 512 for width in self.widths)
        if not fits or not all(0 <= count <= 8 for count in self.blocks) or self.mixer not in ("gpsa", "conv"):
            raise ValueError(
                f"{self} came; widths and blocks must be three numbers each, or four, widths 4 to 512, blocks 0 to "
                "8, and mixer gpsa or conv."
            )
        root = isqrt(max(self.heads, 0))
        if root < 1 or root * root != self.heads or self.widths[-1] % self.heads or not 0.0 <= self.dropout < 1.0:
            raise ValueError(
                f"heads {self.heads}, last width {self.widths[-1]}, dropout {self.dropout} came; heads must be a "
                "square that divides the last width, and dropout at least 0 and less than 1."
            )


def offsets(side: int) -> Tensor:
    """Tabulate how each place of a square map lies to each: (side**2, side**2, 3) of dx, dy, dx**2 + dy**2."""
    y, x = np.divmod(np.arange(side**2), side)
    dx, dy = x - x[:, None], y - y[:, None]
    return torch.from_numpy(np.stack([dx, dy, dx**2 + dy**2], axis=-1)).float()


class GatedPositionalSelfAttention(nn.Module):
    """ConViT, equations 6 to 8: heads that mix what the content asks for with where they look by habit.

    `forward` takes and gives tokens (B, side**2, channels).
    """

    offsets: Tensor

    def __init__(self, channels: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key = nn.Linear(channels, 2 * channels, bias=False)
        self.value = nn.Linear(channels, channels, bias=False)
        self.mix = nn.Linear(channels, channels)
        self.where = nn.Linear(3, heads, bias=False)
        self.gate = nn.Parameter(torch.ones(heads))  # sigmoid(1) = 0.73 by position, as in the paper
        self.register_buffer("offsets", offsets(side), persistent=False)

    def begin_as_convolution(self, strength: float = 1.0) -> None:
        """Let each head look at one neighbour: the weights of the paper's equation 5, and values passed as they are."""
        root = isqrt(self.heads)
        with torch.no_grad():
            nn.init.eye_(self.value.weight)
            for head in range(self.heads):
                dx, dy = head % root - (root - 1) / 2, head // root - (root - 1) / 2
                self.where.weight[head] = strength * torch.tensor([2 * dx, 2 * dy, -1.0])

    def attention(self, tokens: Tensor) -> Tensor:
        """Share that each place (rows) takes of each place (columns): (B, heads, side**2, side**2), rows sum to 1."""
        b, n, c = tokens.shape
        q, k = self.query_key(tokens).reshape(b, n, 2, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        content = (q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5).float().softmax(dim=-1)
        position = self.where(self.offsets).float().permute(2, 0, 1).softmax(dim=-1)
        gate = self.gate.sigmoid()[:, None, None]
        return (1.0 - gate) * content + gate * position

    def forward(self, tokens: Tensor) -> Tensor:
        """Mix tokens (B, side**2, channels)."""
        b, n, c = tokens.shape
        v = self.value(tokens).reshape(b, n, self.heads, c // self.heads).transpose(1, 2)
        mixed = self.attention(tokens).to(v.dtype) @ v
        out: Tensor = self.mix(mixed.transpose(1, 2).reshape(b, n, c))
        return out


class ConvolutionMixer(nn.Module):
    """A bottleneck around a 3 x 3 convolution with as many weights as the attention; (B, side**2, channels) too."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.side = side
        # 2 c h + 9 h**2 weights for h hidden channels, against 4 c**2 of the attention.
        hidden = round(channels * ((1 + 36) ** 0.5 - 1) / 9)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.GELU(), nn.Conv2d(hidden, hidden, 3, padding=1), nn.GELU(),
            nn.Conv2d(hidden, channels, 1),
        )  # fmt: skip

    def forward(self, tokens: Tensor) -> Tensor:
        """Mix tokens (B, side**2, channels)."""
        b, _, c = tokens.shape
        out: Tensor = self.layers(tokens.transpose(1, 2).reshape(b, c, self.side, self.side))
        return out.flatten(2).transpose(1, 2)


class MixerBlock(nn.Module):
    """A Transformer block, norms first, whose mixer is attention or convolution."""

    def __init__(self, config: NetworkConfig, side: int) -> None:
        super().__init__()
        channels = config.widths[-1]
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.mixer: nn.Module = (
            GatedPositionalSelfAttention(channels, config.heads, side)
            if config.mixer == "gpsa"
            else ConvolutionMixer(channels, side)
        )
        self.inner = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, side, side) -> tokens (B, side**2, channels)."""
        tokens = x.flatten(2).transpose(1, 2)
        tokens = tokens + self.mixer(self.norm1(tokens))
        out: Tensor = tokens + self.inner(self.norm2(tokens))
        return out


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """Two 3 x 3 convolutions around a shortcut (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = _convolution(channels, channels), _convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map of the same shape."""
        return functional.relu(x + self.second(functional.relu(self.first(x))))


class FaceNetwork(nn.Module):
    """Crops of faces -> logits over `CLASSES`."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        inputs = 1
        if len(config.widths) == 3:
            # 2 x 2 pixels become 4 channels: nothing is lost, and the first layer runs at a quarter of the places.
            layers, inputs = [nn.PixelUnshuffle(2)], 4
        for stage, (width, count) in enumerate(zip(config.widths, config.blocks, strict=True)):
            layers += [_convolution(inputs, width, 1 if stage == 0 else 2), nn.ReLU()]
            layers += [Residual(width) for _ in range(count)]
            inputs = width
        self.features = nn.Sequential(*layers)
        self.block = MixerBlock(config, CROP // 8)
        self.norm = nn.LayerNorm(inputs)
        self.head = nn.Linear(inputs, len(CLASSES))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw fresh weights: He et al. 2015 for convolutions, 0.02 for the block and the head."""
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    std = (2.0 / prod(module.weight.shape[1:])) ** 0.5
                    module.weight.normal_(0.0, std, generator=generator)
                elif isinstance(module, nn.Linear):
                    module.weight.normal_(0.0, 0.02, generator=generator)
                if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
                    module.bias.zero_()
            for module in self.modules():
                if isinstance(module, GatedPositionalSelfAttention):
                    module.begin_as_convolution()

    def forward(self, crops: Tensor) -> Tensor:
        """Logits (B, 7) of crops (B, 1, 48, 48), brightness in any unit; see `standardise`."""
        return self.head(functional.dropout(self.embed(crops), self.config.dropout, self.training))

    def embed(self, crops: Tensor) -> Tensor:
        """Features (B, last width) of crops (B, 1, 48, 48)."""
        if crops.ndim != 4 or tuple(crops.shape[1:]) != (1, CROP, CROP):
            raise ValueError(f"crops of shape {tuple(crops.shape)} came; expected (B, 1, {CROP}, {CROP}).")
        return self.norm(self.block(self.features(standardise(crops)))).mean(dim=1)


def net2net_deepen(small: FaceNetwork, config: NetworkConfig) -> FaceNetwork:
    """Deepen a trained network: the larger one begins by giving the very same logits (Chen et al. 2016, "Net2Net").

    Residual blocks that are added add nothing until they have learned: the scale of their last norm is 0.

    Args:
        small: what is known already.
        config: the same shape with as many blocks, or more.

    Raises:
        ValueError: another mixer, other widths or heads, or fewer blocks.
    """
    was = small.config
    if (was.mixer, was.widths, was.heads) != (config.mixer, config.widths, config.heads) or any(
        now < before for now, before in zip(config.blocks, was.blocks, strict=True)
    ):
        raise ValueError(
            f"a network of {was} cannot grow to {config}; mixer, widths and heads must be the same, and blocks as many "
            "or more."
        )
    large = FaceNetwork(config)
    large.initialise(torch.Generator().manual_seed(0))
    for name, part in small.named_children():
        if name != "features":
            getattr(large, name).load_state_dict(part.state_dict())
    for before, now in zip(_stages(small), _stages(large), strict=True):
        for known, layer in zip(before, now, strict=False):
            layer.load_state_dict(known.state_dict())
        for added in now[len(before) :]:
            nn.init.zeros_(added.get_parameter("second.1.weight"))
    return large.eval()


def _stages(network: FaceNetwork) -> list[list[nn.Module]]:
    """Layers that hold weights, stage by stage: a convolution that changes the width, then residual blocks."""
    stages: list[list[nn.Module]] = []
    for layer in network.features:
        if isinstance(layer, nn.Sequential):
            stages.append([])
        if isinstance(layer, (nn.Sequential, Residual)):
            stages[-1].append(layer)
    return stages


def logits_tta(network: nn.Module, crops: Tensor) -> Tensor:
    """Average logits (B, 7) over `TTA_SCALES` of each crop (B, 1, 48, 48) and their mirror images."""
    scaled = torch.cat([_resized(crops, size) for size in TTA_SCALES])
    logits: Tensor = network(torch.cat([scaled, scaled.flip(-1)]))
    return logits.unflatten(0, (2 * len(TTA_SCALES), len(crops))).mean(dim=0)


def _resized(crops: Tensor, size: float) -> Tensor:
    """Scale about the middle; what comes in over the border is the picture mirrored there, as in training."""
    if size == 1.0:
        return crops
    theta = torch.tensor([[1.0 / size, 0.0, 0.0], [0.0, 1.0 / size, 0.0]], device=crops.device)
    grid = functional.affine_grid(theta.expand(len(crops), 2, 3), list(crops.shape), align_corners=False)
    return functional.grid_sample(crops, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def standardise(crops: Tensor) -> Tensor:
    """Bring each crop (B, 1, 48, 48) to mean 0 and deviation 1: exposure and contrast of a camera say nothing.

    One colour becomes zeros, not amplified noise: a deviation counts as at least a two-hundredth of the brightness.
    """
    mean = crops.mean(dim=(1, 2, 3), keepdim=True)
    deviation = (crops - mean).square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return (crops - mean) / torch.maximum(deviation, 0.005 * mean.abs() + 1e-6)
