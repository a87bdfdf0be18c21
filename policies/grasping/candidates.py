"""Where a hand could close: pairs of opposite points, lines through the centroid, and approach poses to each."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from geometry.clouds import farthest_points
from policies.grasping.surfaces import Surface

_FACING = 0.85
"""Least |cosine| of a normal with the line between a pair: 32 degrees, a little more than a friction of 0.5 holds,
since normals are off by some degrees."""
_BINS_M = (0.008, 0.030, 0.078)
"""Pairs are looked for across handles and across bodies."""
_FROM_BELOW = 0.2
"""Highest z of the unit vector along which the hand comes: from 11 degrees below."""


class Poses(NamedTuple):
    """Poses of the hand: `rotation` (B, 3, 3) with its axes as columns, `origin` (B, 3) m."""

    rotation: np.ndarray
    origin: np.ndarray

    def of(self, chosen: np.ndarray | slice) -> Poses:
        """Take those chosen by an index, a mask or a slice."""
        return Poses(self.rotation[chosen], self.origin[chosen])


class Lines(NamedTuple):
    """Lines to close along: `middle` (P, 3) m and unit `axis` (P, 3)."""

    middle: np.ndarray
    axis: np.ndarray


def antipodal(surface: Surface, anchors: int) -> Lines:
    """Find lines across walls and between points that face each other, from `anchors` points over the surface."""
    chosen = farthest_points(surface.points, anchors)
    start, facing = surface.points[chosen], surface.normals[chosen]
    way = surface.points[None] - start[:, None]
    along = np.einsum("amk,ak->am", way, facing)
    across = np.sqrt(np.maximum(np.einsum("amk,amk->am", way, way) - along**2, 0.0))
    agree = facing @ surface.normals.T
    far = np.abs(along)
    fits = (np.abs(agree) > _FACING) & (across < 0.003 + 0.25 * far)
    # A thin wall may be one layer of points, so every anchor is also taken for a place to close on by itself.
    middles, axes = [start], [facing]
    for low, high in pairwise(_BINS_M):
        cost = np.where(fits & (far >= low) & (far < high), across, np.inf)
        best = cost.argmin(axis=1)
        rows = np.flatnonzero(np.isfinite(cost[np.arange(len(chosen)), best]))
        there = best[rows]
        other = surface.normals[there] * np.sign(agree[rows, there])[:, None]
        axis = facing[rows] + other
        middles.append((start[rows] + surface.points[there]) / 2)
        axes.append(axis / np.linalg.norm(axis, axis=1, keepdims=True))
    return Lines(np.concatenate(middles), np.concatenate(axes))


def centroid_lines(surface: Surface, yaws: int) -> Lines:
    """Draw horizontal lines through the centroid of the cloud and beside it, at some heights; no normals are needed."""
    points = surface.points
    low, high = points.min(axis=0), points.max(axis=0)
    centre = (low + high) / 2
    angle = np.arange(yaws) * (np.pi / yaws)
    axes = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    beside = np.stack([-np.sin(angle), np.cos(angle), 0 * angle], axis=1)
    reach = np.abs((points - centre) @ beside.T).max(axis=0)
    middles, out = [], []
    for share in (-0.5, 0.0, 0.5):
        for level in (0.3, 0.6, 0.9):
            place = centre + share * reach[:, None] * beside
            place[:, 2] = low[2] + level * (high[2] - low[2])
            middles.append(place)
            out.append(axes)
    return Lines(np.concatenate(middles), np.concatenate(out))


def approach_poses(lines: Lines, turns: int, depths_m: np.ndarray) -> Poses:
    """Make poses of the hand that close along lines, come from `turns` sides around each and reach past its middle."""
    down = np.array([0.0, 0.0, -1.0])
    first = down - (lines.axis @ down)[:, None] * lines.axis
    length = np.linalg.norm(first, axis=1, keepdims=True)
    upright = length[:, 0] < 0.1  # a vertical line has no side nearest to above
    first[upright] = np.cross(lines.axis[upright], [1.0, 0.0, 0.0])
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(lines.axis, first)
    angle = np.arange(turns) * (2 * np.pi / turns)
    approach = np.cos(angle)[None, :, None] * first[:, None] + np.sin(angle)[None, :, None] * second[:, None]
    y = np.broadcast_to(lines.axis[:, None], approach.shape)
    rotation = np.stack([np.cross(y, approach), y, approach], axis=-1)
    rotation = np.repeat(rotation[:, :, None], len(depths_m), axis=2).reshape(-1, 3, 3)
    origin = lines.middle[:, None, None] + depths_m[None, None, :, None] * approach[:, :, None]
    poses = Poses(rotation, origin.reshape(-1, 3))
    return poses.of(rotation[:, 2, 2] < _FROM_BELOW)
