"""From a partial cloud to a whole one: point tokens, offset-attention, coarse queries, fine points.

3DSGrasp (Mohammadi et al. 2023, arXiv 2301.00866) completes with a Transformer on point tokens in the manner of PoinTr
(Yu et al. 2021, arXiv 2108.08839), with the offset-attention of PCT (Guo et al. 2021, arXiv 2012.09688) in its blocks.
This is such a network of a tenth of their size, for one core; `attention="plain"` leaves the offset out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of the network; stored as config.json beside its weights."""

    points: int = 1024
    """Points of the partial cloud."""
    tokens: int = 128
    """Groups that they are gathered in."""
    neighbours: int = 24
    """Points of a group."""
    width: int = 256
    """Size of a token."""
    heads: int = 4
    encoder: int = 3
    """Blocks among the tokens of what is seen."""
    decoder: int = 3
    """Blocks among the queries for the whole, which look at the tokens."""
    queries: int = 128
    """Coarse points."""
    fold: int = 16
    """Fine points around each."""
    attention: Literal["offset", "plain"] = "offset"
    """Offset-attention, or the usual one."""
    frame: Literal["vertical", "full", "none"] = "vertical"
    """Frame that the cloud is laid in, see `perception.completion.frames`."""

    def __post_init__(self) -> None:
        counts = (self.tokens, self.neighbours, self.heads, self.encoder, self.decoder, self.queries, self.fold)
        fits = all(1 <= count <= 4096 for count in counts) and self.tokens <= self.points <= 16384
        named = self.attention in ("offset", "plain") and self.frame in ("vertical", "full", "none")
        if not fits or not named or not 8 <= self.width <= 2048 or self.width % self.heads:
            raise ValueError(
                f"{self} came; counts must be 1 to 4096, tokens at most points (16384), width 8 to 2048 and a multiple "
                "of heads, attention offset or plain, frame vertical, full or none."
            )


class CompletionOutput(NamedTuple):
    """`coarse` (B, queries, 3), `fine` (B, queries * fold, 3), `log_scale` (B, queries * fold): canonical, in radii.

    A fine point is off by a distance whose mean is about exp(log_scale).
    """

    coarse: Tensor
    fine: Tensor
    log_scale: Tensor


class Attention(nn.Module):
    """Queries (B, N, width) look at tokens (B, M, width); with `offset`, what they lack is learned, not what they see.

    Offset-attention is F_out = LBR(F_in - SA(F_in)) + F_in (PCT, equation 6): a discrete Laplacian of the features,
    what is left when that which all of them share has been taken away. LBR is linear, norm, ReLU; the norm is a
    layer's, since batches are small.
    """

    def __init__(self, width: int, heads: int, offset: bool) -> None:
        super().__init__()
        self.heads, self.offset = heads, offset
        self.norm, self.norm_seen = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.after = nn.LayerNorm(width) if offset else nn.Identity()

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """(B, N, width), the input added."""
        normed = self.norm(x)
        source = normed if seen is None else self.norm_seen(seen)
        key, value = self.key_value(source).chunk(2, dim=-1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query(normed), key, value))
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)
        if not self.offset:
            return x + self.out(mixed)
        return x + functional.relu(self.after(self.out(normed - mixed)))


class Block(nn.Module):
    """Attention among the own, then, in a decoder, to what is seen, then two linear layers."""

    def __init__(self, config: NetworkConfig, crossing: bool) -> None:
        super().__init__()
        width, offset = config.width, config.attention == "offset"
        self.own = Attention(width, config.heads, offset)
        # Looking elsewhere is no Laplacian: there is nothing of one's own to take away.
        self.cross = Attention(width, config.heads, offset=False) if crossing else None
        self.inner = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """(B, N, width)."""
        x = self.own(x)
        if self.cross is not None:
            x = self.cross(x, seen)
        out: Tensor = x + self.inner(x)
        return out


class Tokens(nn.Module):
    """Groups of neighbouring points as tokens: an edge convolution (Wang et al. 2019, DGCNN) and a maximum."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.tokens, self.neighbours = config.tokens, config.neighbours
        width = config.width
        self.edges = nn.Sequential(nn.Linear(7, width // 4), nn.GELU(), nn.Linear(width // 4, width // 2), nn.GELU())
        self.out = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.place = nn.Sequential(nn.Linear(3, width // 2), nn.GELU(), nn.Linear(width // 2, width))

    def forward(self, points: Tensor, height: Tensor) -> Tensor:
        """Tokens (B, tokens, width) of points (B, n, 3), farthest first, and the heights (B, 1) of their centres."""
        middles = points[:, : self.tokens]
        far = torch.cdist(middles.detach(), points.detach())
        nearest = far.topk(min(self.neighbours, points.shape[1]), largest=False).indices
        near = torch.take_along_dim(points[:, None], nearest[..., None], dim=2)
        above = near[..., 2:] + height[:, None, None]
        here = middles[:, :, None].expand_as(near)
        edges = self.edges(torch.cat([near - here, here, above], dim=-1))
        gathered = torch.cat([edges.amax(dim=2), edges.mean(dim=2)], dim=-1)
        out: Tensor = self.out(gathered) + self.place(middles)
        return out


class CompletionNetwork(nn.Module):
    """Canonical partial clouds -> canonical whole ones."""

    sphere: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.tokens = Tokens(config)
        self.encoder = nn.ModuleList([Block(config, crossing=False) for _ in range(config.encoder)])
        self.summary = nn.Sequential(nn.Linear(2 * width + 2, width), nn.GELU(), nn.Linear(width, width))
        # Queries begin on a sphere: nearest neighbours are slow to find while all predictions sit in one spot.
        self.register_buffer("sphere", fibonacci_sphere(config.queries), persistent=False)
        self.query = nn.Parameter(torch.zeros(config.queries, width))
        self.query_place = nn.Sequential(nn.Linear(3, width), nn.GELU(), nn.Linear(width, width))
        self.decoder = nn.ModuleList([Block(config, crossing=True) for _ in range(config.decoder)])
        self.norm = nn.LayerNorm(width)
        self.coarse = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 3))
        self.seed = nn.Parameter(torch.zeros(config.fold, width // 4))
        self.shared, self.own = nn.Linear(width, width // 2), nn.Linear(width // 4, width // 2)
        self.fine = nn.Sequential(nn.GELU(), nn.Linear(width // 2, width // 4), nn.GELU(), nn.Linear(width // 4, 4))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw fresh weights: small, so that the coarse points begin on their sphere and the fine ones around them."""
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    std = (1.0 / module.in_features) ** 0.5
                    module.weight.normal_(0.0, std, generator=generator)
                    module.bias.zero_()
            for values in (self.query, self.seed):
                values.normal_(0.0, 1.0, generator=generator)
            for head in (self.coarse[-1], self.fine[-1]):
                head.get_parameter("weight").mul_(0.1)
            self.fine[-1].get_parameter("bias")[3] = -3.0

    def forward(self, points: Tensor, hints: Tensor) -> CompletionOutput:
        """Complete canonical clouds.

        Args:
            points: (B, config.points, 3), farthest points first.
            hints: (B, 2) as `perception.completion.frames.Frame.hints`.
        """
        tokens = self.tokens(points, hints[:, 1:])
        for block in self.encoder:
            tokens = block(tokens)
        summary = self.summary(torch.cat([tokens.amax(dim=1), tokens.mean(dim=1), hints], dim=-1))
        x = self.query + self.query_place(self.sphere) + summary[:, None]
        for block in self.decoder:
            x = block(x, tokens)
        x = self.norm(x)
        coarse = 0.6 * self.sphere + self.coarse(x)
        folded = self.fine(self.shared(x)[:, :, None] + self.own(self.seed))
        fine = coarse[:, :, None] + folded[..., :3]
        return CompletionOutput(coarse, fine.flatten(1, 2), folded[..., 3].flatten(1).clamp(-7.0, 1.0))


def fibonacci_sphere(count: int) -> Tensor:
    """Points (count, 3) spread evenly over the unit sphere."""
    index = np.arange(count, dtype=np.float32) + 0.5
    z = 1.0 - 2.0 * index / count
    turn = np.pi * (1.0 + 5.0**0.5) * index
    across = np.sqrt(1.0 - z**2)
    return torch.from_numpy(np.stack([across * np.cos(turn), across * np.sin(turn), z], axis=1))
