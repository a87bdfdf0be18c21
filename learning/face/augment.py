"""Augmentation: what cameras, rooms and hands do to a face, drawn anew for each picture of a batch.

Poses follow FER2013 itself: landmarks of its Training pictures stand off the template by 3.3 pixels across, 2.7 down,
5.6 degrees and a factor of 1.2 (standard deviations, `detector.TEMPLATE`). Aligned faces are steadier than that, so a
network that has met the spread is at ease with them. FER2013 is also far sharper than a face from a video frame, hence
the blur.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class AugmentConfig:
    """How strongly training pictures are changed; 0 switches a change off."""

    rotation_deg: float = 8.0
    """Standard deviation of the rotation."""
    scale: float = 0.12
    """Standard deviation of the logarithm of the scale."""
    shift_px: float = 2.0
    """Standard deviation of the shift across and down."""
    light: float = 0.4
    """Strength of gamma, of contrast, and of a light from one side."""
    blur_share: float = 0.25
    """Share of pictures blurred, by up to 1.2 pixels."""
    noise: float = 0.02
    """Most noise, as a share of full brightness."""
    cutout_share: float = 0.3
    """Share of pictures in which a patch is covered, as by a hand, hair or a microphone."""
    background_share: float = 0.15
    """Share of pictures that get what lies outside an ellipse around the face from another picture."""
    mixup: float = 0.0
    """Parameter of the Beta distribution of mixup (Zhang et al. 2018, arXiv 1710.09412); 0 is none."""

    def __post_init__(self) -> None:
        shares = (self.blur_share, self.cutout_share, self.background_share)
        sizes = (self.rotation_deg, self.scale, self.shift_px, self.light, self.noise, self.mixup)
        limits = (90.0, 1.0, 24.0, 2.0, 1.0, 10.0)
        fits = all(0.0 <= size <= limit for size, limit in zip(sizes, limits, strict=True))
        if not fits or not all(0.0 <= share <= 1.0 for share in shares):
            raise ValueError(
                f"{self} came; shares must be 0 to 1, and rotation_deg, scale, shift_px, light, noise, mixup at "
                f"least 0 and at most {limits}."
            )


def augment(pictures: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Change each picture in its own way.

    All pictures go through all steps, whatever was drawn for them: a GPU never waits for a number.

    Args:
        pictures: (B, 1, S, S) float, brightness within [0, 1]; left as they are.
        config: what to do.
        generator: all draws come from it; on the device of the pictures.

    Returns:
        (B, 1, S, S) within [0, 1], on the same device.
    """
    draws = _Draws(len(pictures), generator)
    out = _background(pictures, config, draws)
    out = _move(out, config, draws)
    out = _light(out, config, draws)
    out = _blur(out, config, draws)
    out = _cover(out, config, draws)
    if config.noise > 0.0:
        strength = draws.uniform(0.0, config.noise)
        out = out + strength * torch.randn(out.shape, generator=generator, device=out.device)
    return out.clamp(0.0, 1.0)


class _Draws:
    """Random numbers for each picture of a batch, shaped (B, 1, 1, 1)."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self._shape, self._generator = (count, 1, 1, 1), generator

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(self._shape, generator=self._generator, device=self._generator.device)

    def normal(self, deviation: float) -> Tensor:
        return deviation * torch.randn(self._shape, generator=self._generator, device=self._generator.device)

    def chosen(self, share: float) -> Tensor:
        """True for that share of the pictures."""
        return self.uniform() < share

    def others(self) -> Tensor:
        """Another order of the batch (B,)."""
        return self.uniform().flatten().argsort()


def _grid(side: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates -1 .. 1 down (1, 1, S, 1) and across (1, 1, 1, S)."""
    line = torch.linspace(-1.0, 1.0, side, device=like.device)
    return line.view(1, 1, -1, 1), line.view(1, 1, 1, -1)


def _move(x: Tensor, config: AugmentConfig, draws: _Draws) -> Tensor:
    """Mirror, turn, scale and shift; what comes in over the border is the picture mirrored there."""
    angle = draws.normal(math.radians(config.rotation_deg))
    size = draws.normal(config.scale).exp()
    mirror = 1.0 - 2.0 * draws.chosen(0.5)
    deviation = config.shift_px * 2.0 / x.shape[-1]
    cos, sin = angle.cos() / size, angle.sin() / size
    rows = [cos * mirror, -sin, draws.normal(deviation), sin * mirror, cos, draws.normal(deviation)]
    grid = functional.affine_grid(torch.cat(rows, dim=1).view(-1, 2, 3), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _light(x: Tensor, config: AugmentConfig, draws: _Draws) -> Tensor:
    """Gamma, contrast about the mean with clipping, and a light from a random side."""
    s = config.light
    gamma, contrast, offset = draws.normal(0.6 * s).exp(), draws.normal(0.5 * s).exp(), draws.normal(0.2 * s)
    y, across = _grid(x.shape[-1], x)
    shade = (1.0 + draws.normal(0.5 * s) * y + draws.normal(0.5 * s) * across).clamp(min=0.1)
    bright = x.clamp(min=1e-4).pow(gamma) * shade
    mean = bright.mean(dim=(1, 2, 3), keepdim=True)
    return ((bright - mean) * contrast + mean + offset).clamp(0.0, 1.0)


def _blur(x: Tensor, config: AugmentConfig, draws: _Draws) -> Tensor:
    """Gauss of up to 1.2 pixels, one kernel for each picture, as two passes of 7; the others keep every pixel."""
    if config.blur_share == 0.0:
        return x
    sigma = torch.where(draws.chosen(config.blur_share), draws.uniform(0.3, 1.2), 1e-3)
    place = torch.arange(-3.0, 4.0, device=x.device)
    kernel = (-0.5 * (place / sigma) ** 2).exp()
    kernel = kernel / kernel.sum(dim=-1, keepdim=True)  # (B, 1, 1, 7)
    side = x.shape[-1]
    wide = functional.pad(x, (3, 3, 0, 0), mode="replicate")
    x = sum((kernel[..., i : i + 1] * wide[..., i : i + side] for i in range(7)), start=x.new_zeros(()))
    high = functional.pad(x, (0, 0, 3, 3), mode="replicate")
    return sum((kernel[..., i : i + 1] * high[..., i : i + side, :] for i in range(7)), start=x.new_zeros(()))


def _cover(x: Tensor, config: AugmentConfig, draws: _Draws) -> Tensor:
    """Cover a patch of 15 to 45 % of each side with one brightness: cutout, DeVries & Taylor 2017, arXiv 1708.04552."""
    y, across = _grid(x.shape[-1], x)
    down = (y - draws.uniform(-1.0, 1.0)).abs() < draws.uniform(0.15, 0.45)
    aside = (across - draws.uniform(-1.0, 1.0)).abs() < draws.uniform(0.15, 0.45)
    return torch.where(draws.chosen(config.cutout_share) & down & aside, draws.uniform(), x)


def _background(x: Tensor, config: AugmentConfig, draws: _Draws) -> Tensor:
    """Put another picture of the batch, mirrored top to bottom, outside a soft ellipse around the face."""
    if config.background_share == 0.0:
        return x
    wide, high = draws.uniform(0.75, 0.95), draws.uniform(0.95, 1.15)
    y, across = _grid(x.shape[-1], x)
    # The face stands a little below the middle of a FER2013 picture: its landmarks average 27 of 48 down.
    distance = ((across / wide) ** 2 + ((y - 0.05) / high) ** 2).sqrt()
    outside = ((distance - 1.0) / 0.1).clamp(0.0, 1.0) * draws.chosen(config.background_share)
    return torch.lerp(x, x[draws.others()].flip(-2), outside)


def mix(pictures: Tensor, targets: Tensor, share: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mixup: blend pictures (B, 1, S, S), and targets (B, K) as shares, with those of another of the batch.

    Args:
        pictures: what to blend.
        targets: their labels.
        share: () how much of itself each keeps; draw it from Beta(`AugmentConfig.mixup`).
        generator: which picture goes with which.
    """
    others = _Draws(len(pictures), generator).others()
    return torch.lerp(pictures[others], pictures, share), torch.lerp(targets[others], targets, share)
