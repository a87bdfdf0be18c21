"""Things that lie on the ground before the dog: where each is, which pixels show it, its size and its colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from geometry.transforms import transform


class ThingsError(ValueError):
    """A picture and its points cannot be used; the message says what came."""


@dataclass(frozen=True)
class ThingsConfig:
    """What counts as a thing that a dog may fetch; m."""

    floor_m: float = 0.008
    """What is lower is ground."""
    least_m: float = 0.02
    most_m: float = 0.30
    """Longest extent of a thing; what is longer is furniture, or a person."""
    least_pixels: int = 25
    apart_m: float = 0.02
    """Neighbours in the picture that are nearer than this are one thing ..."""
    apart_pixels: float = 3.0
    """... or nearer than so many times what lies between neighbours so far away."""

    def __post_init__(self) -> None:
        sizes = 0.0 < self.least_m < self.most_m and self.floor_m >= 0.0
        if not sizes or self.least_pixels < 1 or self.apart_m <= 0.0 or self.apart_pixels < 1.0:
            raise ValueError(f"{self} came; 0 < least_m < most_m, and pixels of 1 or more")


_LEAST_SATURATION = 0.55
"""Of paint: wood and clay have .45 to .47, the palest paint, green, .72."""


class Thing(NamedTuple):
    """A thing that was seen.

    `mask` (height, width) bool are its pixels; `cloud` (N, 3) m its points in the frame that was given, z up;
    `centre` (3,) m the middle of their extent and `size_m` (3,) m that extent. `hue_deg` is 0 to 360, `saturation` 0 to
    1: what is pale or earthen (wood, clay, skin) has no colour to be known by. `cut` tells that the picture's edge cuts
    it.
    """

    mask: np.ndarray
    cloud: np.ndarray
    centre: np.ndarray
    size_m: np.ndarray
    hue_deg: float
    saturation: float
    cut: bool

    def is_coloured(self, hue_deg: float, within_deg: float = 20.0) -> bool:
        """Tell whether its colour is that of a hue, and strong enough to be paint."""
        off = abs((self.hue_deg - hue_deg + 180.0) % 360.0 - 180.0)
        return self.saturation >= _LEAST_SATURATION and off <= within_deg


def find_things(
    picture: np.ndarray, points: np.ndarray, eye: np.ndarray, config: ThingsConfig | None = None
) -> list[Thing]:
    """Find what stands out of level ground, nearest to the eye first.

    Args:
        picture: (height, width, 3) uint8 RGB.
        points: (height, width, 3) m of each pixel in a frame whose z is up and whose ground is z = 0, see `level`; NaN
            where nothing was seen.
        eye: (3,) m, from where it was seen.
        config: what counts.

    Raises:
        ThingsError: picture and points of different sizes.
    """
    if picture.shape != points.shape or picture.ndim != 3 or picture.shape[2] != 3:
        raise ThingsError(f"a picture {picture.shape} and points {points.shape} came; both must be (height, width, 3)")
    config = config or ThingsConfig()
    label = _labels(points, eye, config)
    hue, saturation = _colours(picture)
    found = []
    sizes = np.bincount(label.ravel())
    sizes[0] = 0  # the ground, and what was not seen
    for number in np.flatnonzero(sizes >= config.least_pixels):
        mask = label == number
        cloud = points[mask]
        low, high = cloud.min(axis=0), cloud.max(axis=0)
        size = high - low
        away = eye - (low + high) / 2
        steep = away[2] > np.hypot(*away[:2])  # from above its lower part is hidden
        lies = steep or low[2] < 0.05 + config.floor_m  # what floats is a table's edge, or a hand
        if lies and config.least_m <= size.max() <= config.most_m:
            cut = bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
            tint, strength = _mean_colour(hue[mask], saturation[mask])
            found.append(Thing(mask, cloud, (low + high) / 2, size, tint, strength, cut))
    return sorted(found, key=lambda thing: float(np.hypot(*(thing.centre - eye)[:2])))


def _labels(points: np.ndarray, eye: np.ndarray, config: ThingsConfig) -> np.ndarray:
    """Number what hangs together above the ground: (height, width) int, 0 for ground and nothing."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    far = np.linalg.norm(points - eye, axis=2)
    with np.errstate(invalid="ignore"):
        above = np.isfinite(far) & (points[..., 2] > config.floor_m)
    apart = np.maximum(config.apart_m, config.apart_pixels * _pixel_rad(points, far) * far)
    number = np.arange(above.size).reshape(above.shape)
    starts, ends = [], []
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        with np.errstate(invalid="ignore"):
            near = np.linalg.norm(points[one] - points[other], axis=2) <= apart[one]
        joined = above[one] & above[other] & near
        starts.append(number[one][joined])
        ends.append(number[other][joined])
    rows, columns = np.concatenate(starts), np.concatenate(ends)
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(above.size, above.size))
    parts = connected_components(graph, directed=False)[1].reshape(above.shape)
    label: np.ndarray = np.where(above, np.searchsorted(np.unique(parts[above]), parts) + 1, 0)
    return label


def _pixel_rad(points: np.ndarray, far: np.ndarray) -> float:
    """Return the angle between neighbours in a row of the picture, rad: what lies between most of them."""
    angles = np.linalg.norm(np.diff(points, axis=1), axis=2) / far[:, :-1]
    seen = angles[np.isfinite(angles)]
    return float(np.median(seen)) if len(seen) else 0.0


def _colours(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return hue, degrees, and saturation, 0 to 1, of each pixel; what is almost black has none."""
    import cv2

    hsv = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2HSV).astype(float)  # hue in steps of 2 degrees
    return 2.0 * hsv[..., 0], np.where(hsv[..., 2] > 20.0, hsv[..., 1] / 255.0, 0.0)


def _mean_colour(hue: np.ndarray, saturation: np.ndarray) -> tuple[float, float]:
    """Return the hue of most of a thing's pixels, degrees, weighed by how strong it is, and their median saturation."""
    angle = np.angle((saturation * np.exp(1j * np.radians(hue))).sum(), deg=True)
    return float(angle % 360.0), float(np.median(saturation))


_DRAWS, _SAMPLE = 80, 1500
_GROUND_M = 0.008
"""So near to the plane is ground."""
_LEAST_UP = 0.97
"""Cosine of the steepest plane that is taken for ground: 14 degrees."""


_UNDER_M = 0.03
"""Ground is within this of where the dog's feet are."""


def level(
    points: np.ndarray, stands: np.ndarray | None = None, near_m: float = 0.08, seed: int = 0
) -> np.ndarray | None:
    """Find the ground in points and return what makes it level.

    Encoders and inertial unit leave an error of a degree and of some millimetres; the ground that is seen has neither.
    A platform may be more of what is seen than the ground is, but it is not what the dog stands on.

    Args:
        points: (N, 3) m in a frame whose z is about up and whose ground is about z = 0.
        stands: (2,) m, where the dog stands; the ground there is at z = 0 but for some millimetres.
        near_m: ground is looked for so near to z = 0.
        seed: of the draws (RANSAC, Fischler & Bolles 1981; scikit-learn's takes a tenth of a second, too long while
            one walks).

    Returns:
        (4, 4) T_level_frame, whose ground is z = 0; None where too little of it is seen.
    """
    flat = points[np.isfinite(points).all(axis=1)]
    flat = flat[np.abs(flat[:, 2]) < near_m]
    if len(flat) < 50:
        return None
    rng = np.random.default_rng(seed)
    sample = flat[rng.choice(len(flat), min(len(flat), _SAMPLE), replace=False)]
    three = sample[rng.integers(0, len(sample), (_DRAWS, 3))]
    normals = np.cross(three[:, 1] - three[:, 0], three[:, 2] - three[:, 0])
    length = np.linalg.norm(normals, axis=1)
    good = (length > 1e-6) & (np.abs(normals[:, 2]) > _LEAST_UP * length)
    if not good.any():
        return None
    normals = normals[good] / normals[good, 2:]  # distances are along z, for slopes are small
    heights = np.einsum("nk,nk->n", normals, three[good, 0])
    if stands is not None:
        under = np.abs(heights - normals[:, :2] @ stands) < _UNDER_M
        if not under.any():
            return None
        normals, heights = normals[under], heights[under]
    near = np.abs(sample @ normals.T - heights) < _GROUND_M
    best = int(near.sum(axis=0).argmax())
    # All points near the best plane tell it once more, by least squares.
    ground = flat[np.abs(flat @ normals[best] - heights[best]) < _GROUND_M]
    columns = np.column_stack([ground[:, :2], np.ones(len(ground))])
    slope_x, slope_y, height = np.linalg.lstsq(columns, ground[:, 2], rcond=None)[0]
    up = np.array([-slope_x, -slope_y, 1.0])
    up /= np.linalg.norm(up)
    ahead = np.array([1.0, 0.0, 0.0]) - up[0] * up
    ahead /= np.linalg.norm(ahead)
    rotation = np.stack([ahead, np.cross(up, ahead), up])
    return transform(rotation, -rotation @ (0.0, 0.0, height))
