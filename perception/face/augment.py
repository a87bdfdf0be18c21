"""What cameras, rooms and hands do to a face, drawn anew for each picture of a batch.

Poses follow FER2013 itself: landmarks of its Training pictures stand off the template by 3.3 pixels across, 2.7 down,
5.6 degrees and a factor of 1.2 (standard deviations, `detector.TEMPLATE`). Aligned faces are steadier than that, so a
network that has met the spread is at ease with them. FER2013 is also far sharper than a face from a video frame, hence
the blur.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
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


def augment(pictures: Tensor, config: AugmentConfig, rng: np.random.Generator) -> Tensor:
    """Change each picture in its own way.

    Args:
        pictures: (B, 1, S, S) float, brightness within [0, 1]; left as they are.
        config: what to do.
        rng: all draws come from it, so that the device does not matter.

    Returns:
        (B, 1, S, S) within [0, 1], on the same device.
    """
    out = _background(pictures, config, rng)
    out = _move(out, config, rng)
    out = _light(out, config, rng)
    out = _blur(out, config, rng)
    out = _cover(out, config, rng)
    if config.noise > 0.0:
        b, _, h, w = out.shape
        strength = _on(rng.uniform(0.0, config.noise, (b, 1, 1, 1)), out)
        out = out + strength * _on(rng.standard_normal((b, 1, h, w), dtype=np.float32), out)
    return out.clamp(0.0, 1.0)


def _on(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32)).to(like.device)


def _grid(side: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates -1 .. 1 down (1, 1, S, 1) and across (1, 1, 1, S)."""
    line = torch.linspace(-1.0, 1.0, side, device=like.device)
    return line.view(1, 1, -1, 1), line.view(1, 1, 1, -1)


def _move(x: Tensor, config: AugmentConfig, rng: np.random.Generator) -> Tensor:
    """Mirror, turn, scale and shift; what comes in over the border is the picture mirrored there."""
    b, side = len(x), x.shape[-1]
    angle = np.radians(rng.normal(0.0, config.rotation_deg, b))
    size = np.exp(rng.normal(0.0, config.scale, b))
    mirror = np.where(rng.random(b) < 0.5, -1.0, 1.0)
    shift = rng.normal(0.0, config.shift_px * 2.0 / side, (b, 2))
    cos, sin = np.cos(angle) / size, np.sin(angle) / size
    rows = [[cos * mirror, -sin, shift[:, 0]], [sin * mirror, cos, shift[:, 1]]]
    theta = _on(np.array(rows).transpose(2, 0, 1), x)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _light(x: Tensor, config: AugmentConfig, rng: np.random.Generator) -> Tensor:
    """Gamma, contrast about the mean with clipping, and a light from a random side."""
    b, s = len(x), config.light
    gamma = _on(np.exp(rng.normal(0.0, 0.6 * s, (b, 1, 1, 1))), x)
    contrast = _on(np.exp(rng.normal(0.0, 0.5 * s, (b, 1, 1, 1))), x)
    offset = _on(rng.normal(0.0, 0.2 * s, (b, 1, 1, 1)), x)
    slope = _on(rng.normal(0.0, 0.5 * s, (2, b, 1, 1, 1)), x)
    y, across = _grid(x.shape[-1], x)
    shade = (1.0 + slope[0] * y + slope[1] * across).clamp(min=0.1)
    bright = x.clamp(min=1e-4).pow(gamma) * shade
    mean = bright.mean(dim=(1, 2, 3), keepdim=True)
    return ((bright - mean) * contrast + mean + offset).clamp(0.0, 1.0)


def _blur(x: Tensor, config: AugmentConfig, rng: np.random.Generator) -> Tensor:
    """Gauss of up to 1.2 pixels, one kernel for each picture, as two passes of 7."""
    chosen = rng.random(len(x)) < config.blur_share
    sigma = np.where(chosen, rng.uniform(0.3, 1.2, len(x)), 0.0)
    which = torch.from_numpy(np.flatnonzero(chosen)).to(x.device)
    if len(which) == 0:
        return x
    place = np.arange(-3, 4)
    kernel = np.exp(-0.5 * (place / sigma[chosen, None]) ** 2)
    weights = _on(kernel / kernel.sum(axis=1, keepdims=True), x)
    planes = x[which].transpose(0, 1)  # (1, C, S, S): each picture is a channel with its own kernel
    planes = functional.pad(planes, (3, 3, 3, 3), mode="replicate")
    planes = functional.conv2d(planes, weights[:, None, :, None], groups=len(which))
    planes = functional.conv2d(planes, weights[:, None, None, :], groups=len(which))
    return x.index_copy(0, which, planes.transpose(0, 1))


def _cover(x: Tensor, config: AugmentConfig, rng: np.random.Generator) -> Tensor:
    """Cover a patch of 15 to 45 % of each side with one brightness: cutout, DeVries & Taylor 2017, arXiv 1708.04552."""
    b = len(x)
    half = rng.uniform(0.15, 0.45, (2, b, 1, 1, 1))
    centre = rng.uniform(-1.0, 1.0, (2, b, 1, 1, 1))
    paint = _on(rng.random((b, 1, 1, 1)), x)
    chosen = torch.from_numpy(rng.random((b, 1, 1, 1)) < config.cutout_share).to(x.device)
    y, across = _grid(x.shape[-1], x)
    inside = ((y - _on(centre[0], x)).abs() < _on(half[0], x)) & ((across - _on(centre[1], x)).abs() < _on(half[1], x))
    return torch.where(chosen & inside, paint, x)


def _background(x: Tensor, config: AugmentConfig, rng: np.random.Generator) -> Tensor:
    """Put another picture of the batch, mirrored top to bottom, outside a soft ellipse around the face."""
    b = len(x)
    chosen = _on(rng.random((b, 1, 1, 1)) < config.background_share, x)
    wide, high = rng.uniform(0.75, 0.95, (b, 1, 1, 1)), rng.uniform(0.95, 1.15, (b, 1, 1, 1))
    others = torch.from_numpy(rng.permutation(b)).to(x.device)
    if config.background_share == 0.0:
        return x
    y, across = _grid(x.shape[-1], x)
    # The face stands a little below the middle of a FER2013 picture: its landmarks average 27 of 48 down.
    distance = ((across / _on(wide, x)) ** 2 + ((y - 0.05) / _on(high, x)) ** 2).sqrt()
    outside = ((distance - 1.0) / 0.1).clamp(0.0, 1.0) * chosen
    return torch.lerp(x, x[others].flip(-2), outside)


def mix(pictures: Tensor, targets: Tensor, config: AugmentConfig, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Mixup: pictures (B, 1, S, S) and targets (B, K) as shares, each blended with those of another of the batch."""
    if config.mixup == 0.0:
        return pictures, targets
    share = float(rng.beta(config.mixup, config.mixup))
    others = torch.from_numpy(rng.permutation(len(pictures))).to(pictures.device)
    return torch.lerp(pictures[others], pictures, share), torch.lerp(targets[others], targets, share)
