"""The frame in which the network sees a cloud: it turns with the cloud, so the answer does too, exactly.

A network that is merely shown turned clouds learns to be roughly equivariant, and pays for it with capacity. Here the
cloud itself says which way is forward, and no rotation about the vertical (or, in the full frame, none at all) can be
seen any more. The same goes for the order of the points: they are sorted by where they are.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from geometry.clouds import farthest_points

FrameKind = Literal["vertical", "full", "none"]

_GRID = 1e-6
"""Coordinates, in radii, are rounded to this: what is left of a rotation's rounding errors must not decide ties."""


class Frame(NamedTuple):
    """Cloud = centre + radius * turn.T @ canonical: `centre` (3,) m, `radius` m, `turn` (3, 3)."""

    centre: np.ndarray
    radius: float
    turn: np.ndarray

    def enter(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) m -> canonical coordinates, in radii."""
        entered: np.ndarray = (points - self.centre) @ self.turn.T / self.radius
        return entered

    def leave(self, canonical: np.ndarray) -> np.ndarray:
        """Canonical coordinates -> points (N, 3) m."""
        left: np.ndarray = canonical @ self.turn * self.radius + self.centre
        return left

    @property
    def hints(self) -> np.ndarray:
        """(2,): what the canonical cloud no longer tells, its size (log of decimetres) and its height above z = 0."""
        return np.array([np.log(self.radius / 0.1), np.clip(self.centre[2] / self.radius, -3.0, 3.0)])


def frame_of(cloud: np.ndarray, kind: FrameKind = "vertical") -> Frame:
    """The frame of a cloud (N, 3) m.

    `vertical`: x points where the third moments of the cloud point, seen from above. What one camera sees of a thing
    is a shell, open on the far side; its third moments point out of the opening or away from it, and are stable where
    principal axes are not (a cylinder has none). `full`: the same with all three axes, by principal axes whose signs
    third moments decide. `none`: the world's axes, for comparison.

    A cloud that is exactly its own image after a turn has no forward; no camera's noise leaves one so.
    """
    points = cloud[np.lexsort(cloud.T)]  # sums must not depend on the order, not even in their last digit
    centre = points.mean(axis=0)
    offset = points - centre
    radius = float(np.sqrt((offset**2).sum(axis=1).max())) or 1.0
    offset = offset / radius
    if kind == "none":
        return Frame(centre, radius, np.eye(3))
    if kind == "full":
        return Frame(centre, radius, _principal(offset))
    return Frame(centre, radius, _about_vertical(offset))


def _about_vertical(offset: np.ndarray) -> np.ndarray:
    flat = offset[:, :2]
    forward = (flat * (flat**2).sum(axis=1, keepdims=True)).mean(axis=0)
    if np.linalg.norm(forward) < 1e-9:  # as symmetric as can be: then the longest axis, whichever way round
        forward = np.linalg.eigh(flat.T @ flat)[1][:, 1]
    x, y = forward / np.linalg.norm(forward)
    return np.array([[x, y, 0.0], [-y, x, 0.0], [0.0, 0.0, 1.0]])


def _principal(offset: np.ndarray) -> np.ndarray:
    axes = np.linalg.eigh(offset.T @ offset)[1].T[::-1]
    skew = ((offset @ axes.T) ** 3).mean(axis=0)
    axes = axes * np.where(skew < 0, -1.0, 1.0)[:, None]
    axes[2] = np.cross(axes[0], axes[1])
    return axes


class NetworkInput(NamedTuple):
    """Input of the network: canonical `points` (n, 3) float32, `hints` (2,) float32, and the frame to leave by."""

    points: np.ndarray
    hints: np.ndarray
    frame: Frame


def normalise(cloud: np.ndarray, count: int, kind: FrameKind = "vertical") -> NetworkInput:
    """Lay a cloud (N, 3) m into its frame and thin it to `count` points; fewer are repeated.

    Order and rotation leave no trace: coordinates are rounded and sorted before the farthest points are chosen.
    """
    frame = frame_of(cloud, kind)
    canonical = np.round(frame.enter(cloud) / _GRID) * _GRID
    canonical = canonical[np.lexsort(canonical.T)]
    if len(canonical) >= count:
        chosen = canonical[farthest_points(canonical, count)]
    else:
        chosen = canonical[np.arange(count) % len(canonical)]
    hints = frame.hints * (1.0, float(kind != "full"))  # in the full frame nobody knows where up is
    return NetworkInput(chosen.astype(np.float32), hints.astype(np.float32), frame)
