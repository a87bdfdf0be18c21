"""Uneven ground: patches of one kind and difficulty, side by side on one height field that is built once.

Bullet leaks a height field each time one is made anew, while the time that one costs does not depend on its size: so
the whole curriculum lies on one, and a dog is set down on the patch that it is ready for (as Rudin et al. 2022,
"Learning to walk in minutes", do). Memory does depend on it, some 0.7 kB for each point: 60 MB for a map of
one kind, and 1 kB more where it is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

CELL_M = 0.05
PATCH_M = 6.0
BORDER_M = 0.6
LEVELS = 5
TERRAINS = ("flat", "rough", "slopes", "stairs", "stones", "mixed")
# The most difficult patch of each kind: heights of rough ground in m, degrees, height of a step in m, gap in m. What
# the evaluation asks for (0.08, 15, 0.10, 0.10) lies at four fifths, the fourth of five levels.
HARDEST = {"rough": 0.10, "slopes": 18.75, "stairs": 0.125, "stones": 0.125}


class Patch(NamedTuple):
    """A square of ground with one kind of difficulty; `center` (x, y) in m."""

    kind: str
    level: int
    center: tuple[float, float]


@dataclass(frozen=True)
class TerrainMap:
    """Heights (ny, nx) m at points `CELL_M` apart, centred on the origin, and the patches on it."""

    heights: np.ndarray
    patches: tuple[Patch, ...]

    @cached_property
    def unevenness(self) -> np.ndarray:
        """(ny, nx) m: highest minus lowest ground within 5 cm of each point; large at edges."""
        uneven: np.ndarray = maximum_filter(self.heights, 3) - minimum_filter(self.heights, 3)
        return uneven

    @cached_property
    def half_size(self) -> tuple[float, float]:
        """Half the extent along x and y, m."""
        ny, nx = self.heights.shape
        return (nx - 1) * CELL_M / 2, (ny - 1) * CELL_M / 2

    def height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the height of the ground at the nearest grid points, m; places off the map take the border's."""
        found: np.ndarray = self.heights[self.cells(x, y)]
        return found

    def cells(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and columns of the nearest grid points."""
        (half_x, half_y), (ny, nx) = self.half_size, self.heights.shape
        column = ((x + half_x) / CELL_M + 0.5).astype(int)
        row = ((y + half_y) / CELL_M + 0.5).astype(int)
        return np.minimum(np.maximum(row, 0), ny - 1), np.minimum(np.maximum(column, 0), nx - 1)

    def inside(self, x: float, y: float) -> bool:
        """Tell whether a dog at (x, y) m is still on the map, half a metre from its edge."""
        half_x, half_y = self.half_size
        return abs(x) < half_x - 0.5 and abs(y) < half_y - 0.5


def build(kind: str, seed: int) -> TerrainMap:
    """Lay out all levels of one kind, or of all kinds for `mixed`.

    Raises:
        ValueError: the kind is not known, or flat, which needs no map.
    """
    kinds = tuple(HARDEST) if kind == "mixed" else (kind,)
    if not set(kinds) <= set(HARDEST):
        raise ValueError(f"unknown terrain {kind!r}: choose one of {', '.join((*HARDEST, 'mixed'))}")
    rng = np.random.default_rng(seed)
    n = round(PATCH_M / CELL_M)
    border = round(BORDER_M / CELL_M)
    heights = np.zeros((LEVELS * n + 2 * border, len(kinds) * n + 2 * border))
    half_x, half_y = (heights.shape[1] - 1) * CELL_M / 2, (heights.shape[0] - 1) * CELL_M / 2
    patches = []
    for column, name in enumerate(kinds):
        for level in range(1, LEVELS + 1):
            top, left = border + (level - 1) * n, border + column * n
            heights[top : top + n, left : left + n] = _PATCHES[name](n, HARDEST[name] * level / LEVELS, rng)
            center = ((left + n / 2) * CELL_M - half_x, (top + n / 2) * CELL_M - half_y)
            patches.append(Patch(name, level, center))
    return TerrainMap(heights, tuple(patches))


def _edge_distance(n: int) -> np.ndarray:
    """Return (n, n) m: how far each point of a patch is from its nearest edge."""
    line = np.minimum(np.arange(n), np.arange(n)[::-1]) * CELL_M
    return np.minimum(line[:, None], line[None, :])


def lumps(n: int, height_m: float, rng: np.random.Generator) -> np.ndarray:
    """Make (n, n) m of lumps: random heights every 15 cm with straight ground between them."""
    coarse = rng.uniform(0.0, height_m, (n // 3 + 2, n // 3 + 2))
    at = np.arange(n) / 3
    low, share = at.astype(int), at % 1
    rows = coarse[low] * (1 - share)[:, None] + coarse[low + 1] * share[:, None]
    heights: np.ndarray = rows[:, low] * (1 - share) + rows[:, low + 1] * share
    return heights


def _slopes(n: int, degrees: float, rng: np.random.Generator) -> np.ndarray:
    """A pyramid, or a pit, with a level middle of 1.2 m."""
    rise: np.ndarray = np.tan(np.radians(degrees)) * np.minimum(_edge_distance(n), PATCH_M / 2 - 0.6)
    return rise * rng.choice((-1.0, 1.0))


def _stairs(n: int, height_m: float, rng: np.random.Generator) -> np.ndarray:
    """Steps of 30 cm up to, or down to, a level middle."""
    steps: np.ndarray = height_m * np.floor(np.minimum(_edge_distance(n), PATCH_M / 2 - 0.6) / 0.30)
    return steps * rng.choice((-1.0, 1.0))


def _stones(n: int, gap_m: float, rng: np.random.Generator) -> np.ndarray:
    """Stones of 30 cm, not quite level with each other, in ditches of 10 cm depth, around a level middle."""
    gap, stone = max(1, round(gap_m / CELL_M)), round(0.30 / CELL_M)
    pitch = gap + stone
    count = n // pitch + 2
    tops = rng.uniform(-0.02, 0.02, (count, count))
    shift = rng.integers(0, pitch, count)
    rows = np.arange(n)
    band = rows // pitch
    columns = np.arange(n)[None, :] + shift[band][:, None]
    ditch = (rows % pitch >= stone)[:, None] | (columns % pitch >= stone)
    ground: np.ndarray = np.where(ditch, -0.10, tops[band[:, None], columns // pitch])
    edge = _edge_distance(n)
    ground[(edge < 0.2) | (edge > PATCH_M / 2 - 0.6)] = 0.0
    return ground


_PATCHES: dict[str, Callable[[int, float, np.random.Generator], np.ndarray]] = {
    "rough": lumps,
    "slopes": _slopes,
    "stairs": _stairs,
    "stones": _stones,
}
