"""The clouds that are compared: all go to the same planner, so a difference in grasps is a difference of clouds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from geometry.cameras import DepthCamera
from geometry.clouds import Completion, voxel_downsample
from geometry.transforms import inverse, transform_points
from policies.grasping.planner import PlanningScene

_SHADOW_CELL_M = 0.006
_SHADOW_REACH_M = 0.12
_SLICE_M = 0.008
_STEP_M = 0.004


class Observation(NamedTuple):
    """One view of an object: `cloud_world` (N, 3) m on it, `depth` (height, width) m, and the camera's pose.

    `true` (M, 3) m is the object's whole surface, for the row that knows it.
    """

    cloud_world: np.ndarray
    depth: np.ndarray
    T_world_cam: np.ndarray
    camera: DepthCamera
    true: np.ndarray


def cleaned(cloud: np.ndarray) -> np.ndarray:
    """Drop points that float alone: those whose eight neighbours are 2.5 times as far as is usual in the cloud."""
    from scipy.spatial import cKDTree

    if len(cloud) < 32:
        return cloud
    far = cKDTree(cloud).query(cloud, 9)[0][:, 1:].mean(axis=1)
    kept: np.ndarray = cloud[far < 2.5 * np.median(far)]
    return kept[kept[:, 2] > -0.01]


def partial(observation: Observation) -> PlanningScene:
    """Take what was seen and nothing else."""
    return PlanningScene(cleaned(observation.cloud_world))


def mirrored(observation: Observation) -> PlanningScene:
    """Add the mirror image of the cloud behind an upright plane (after Bohg et al. 2011, "Mind the gap").

    Of planes turned by up to 45 degrees from facing the camera, and as deep as the cloud or less, the one is taken
    whose image best stays where the camera did not see past.
    """
    cloud = cleaned(observation.cloud_world)
    few = voxel_downsample(cloud, 0.008)
    view = cloud.mean(axis=0)[:2] - observation.T_world_cam[:2, 3]
    heading = np.arctan2(view[1], view[0])
    best, image = np.inf, cloud
    for turn in np.radians((-45.0, -22.5, 0.0, 22.5, 45.0)):
        normal = np.array([np.cos(heading + turn), np.sin(heading + turn), 0.0])
        along = few @ normal
        for share in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
            plane = along.min() + share * np.ptp(along)
            reflected = few + 2 * (plane - along)[:, None] * normal
            # Where the camera saw past a point there is nothing; a deeper image is preferred only for fewer of these.
            cost = float(seen_through(reflected, observation).mean()) + 0.15 * float(np.abs(share - 0.6))
            if cost < best:
                best = cost
                image = cloud + 2 * (plane - cloud @ normal)[:, None] * normal
    return PlanningScene(np.concatenate([cloud, image]), None, cloud)


def seen_through(points: np.ndarray, observation: Observation, slack_m: float = 0.006) -> np.ndarray:
    """Tell which points (N, 3) m lie in front of what the camera saw towards them, in the open: (N,) bool."""
    depth, z = _depth_at(points, observation)
    out: np.ndarray = np.isfinite(depth) & (z < depth - slack_m)
    return out


def hidden(points: np.ndarray, observation: Observation, slack_m: float = 0.006) -> np.ndarray:
    """Tell which points (N, 3) m lie behind what the camera saw in their direction: (N,) bool."""
    depth, z = _depth_at(points, observation)
    out: np.ndarray = np.isfinite(depth) & (z > depth + slack_m)
    return out


def _depth_at(points: np.ndarray, observation: Observation) -> tuple[np.ndarray, np.ndarray]:
    """Look up the depth (N,) m that the camera measured towards points, NaN where none, and give their own."""
    local = transform_points(inverse(observation.T_world_cam), points)
    camera = observation.camera
    focal = camera.focal_px
    z = np.maximum(local[:, 2], 1e-6)
    column = np.floor(local[:, 0] / z * focal + camera.width / 2).astype(int)
    row = np.floor(local[:, 1] / z * focal + camera.height / 2).astype(int)
    inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    depth = np.full(len(points), np.nan)
    depth[inside] = observation.depth[row[inside], column[inside]]
    return depth, local[:, 2]


def shadow(observation: Observation) -> PlanningScene:
    """Take what was seen, and whatever it hides from the camera for occupied."""
    cloud = cleaned(observation.cloud_world)
    return PlanningScene(cloud, None, shadow_of(cloud, observation))


def shadow_of(cloud: np.ndarray, observation: Observation) -> np.ndarray:
    """Fill what a cloud hides from the camera with points (n, 3) m on a grid above the table."""
    away = cloud.mean(axis=0) - observation.T_world_cam[:3, 3]
    reach = _SHADOW_REACH_M * away / np.linalg.norm(away)
    low = np.minimum(cloud.min(axis=0), cloud.min(axis=0) + reach)
    high = np.maximum(cloud.max(axis=0), cloud.max(axis=0) + reach)
    low[2] = max(low[2], 0.004)
    axes = [np.arange(a, b + _SHADOW_CELL_M, _SHADOW_CELL_M) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[hidden(grid, observation, 0.008)]
    # Only rays that end on the object throw this shadow, not those that end on the table before it.
    from scipy.spatial import cKDTree

    rays = _directions(grid, observation.T_world_cam)
    towards = cKDTree(_directions(cloud, observation.T_world_cam)).query(rays)[0]
    out: np.ndarray = grid[towards < 0.008]
    return out


def _directions(points: np.ndarray, T_world_cam: np.ndarray) -> np.ndarray:
    way = points - T_world_cam[:3, 3]
    out: np.ndarray = way / np.linalg.norm(way, axis=1, keepdims=True)
    return out


def extruded(observation: Observation) -> PlanningScene:
    """Extrude the outlines of what is seen at and above every height down to the table."""
    cloud = cleaned(observation.cloud_world)
    return PlanningScene(extrusion(cloud), None, cloud)


def extrusion(cloud: np.ndarray) -> np.ndarray:
    """Sample (n, 3) m the sides, steps and top of a pile of outlines, each that of everything above it."""
    from scipy.spatial import ConvexHull, QhullError

    top = cloud[:, 2].max()
    levels = np.arange(0.0, top, _SLICE_M)
    out = [cloud]
    for level in levels:
        above = cloud[cloud[:, 2] >= level, :2]
        try:
            corners = above[ConvexHull(above).vertices]
        except (QhullError, ValueError):
            continue
        ends = np.roll(corners, -1, axis=0)
        for start, end in zip(corners, ends, strict=True):
            steps = max(int(np.linalg.norm(end - start) / _STEP_M), 1)
            share = np.arange(steps)[:, None] / steps
            line = (1 - share) * start + share * end
            for z in (level, level + _SLICE_M / 2):
                out.append(np.column_stack([line, np.full(steps, min(z, top))]))
    return np.concatenate(out)


def true_shape(observation: Observation) -> PlanningScene:
    """Take the whole surface, as nobody sees it."""
    return PlanningScene(observation.true)


def completed(completion: Completion) -> Callable[[Observation], PlanningScene]:
    """Make the cloud that a network completes; what was seen must be kept clear of as well."""

    def make(observation: Observation) -> PlanningScene:
        cloud = cleaned(observation.cloud_world)
        found = completion.complete(cloud)
        return PlanningScene(found.points, found.uncertainty, cloud)

    return make


WITHOUT_LEARNING: dict[str, Callable[[Observation], PlanningScene]] = {
    "partial": partial,
    "mirrored": mirrored,
    "top-down": partial,
    "extruded": extruded,
    "shadow": shadow,
    "true": true_shape,
}
"""Clouds by name; `top-down` is the partial cloud, from which the hand may come only from above."""
