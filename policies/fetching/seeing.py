"""From one look of the head's camera to the ground, the things on it, and the shape of the one that is wanted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geometry.cameras import DepthCamera
from geometry.clouds import FEWEST_POINTS, Completion
from geometry.transforms import transform_points
from perception.things import Thing, find_things, level
from policies.grasping.clouds import cleaned
from policies.grasping.planner import PlanningScene
from robots.head_camera import Look

_OWN_BODY_M = 0.22
"""What is nearer to the camera are jaws and feet."""
_SAME_M = 0.35
"""A thing of the colour so near to where it was is the same thing."""


class Sighting(NamedTuple):
    """A look, levelled by the ground in it: `points` (height, width, 3) m, NaN where nothing was seen, and `things`."""

    points: np.ndarray
    things: tuple[Thing, ...]

    @property
    def cloud(self) -> np.ndarray:
        """(N, 3) m: all that was seen."""
        cloud: np.ndarray = self.points[np.isfinite(self.points).all(axis=2)]
        return cloud

    def coloured(self, hue_deg: float, near: np.ndarray | None = None) -> Thing | None:
        """Return the nearest thing of a hue, of those near a place (2,) m where one is given; None where is none."""
        found = [thing for thing in self.things if thing.is_coloured(hue_deg)]
        if near is not None:
            found = [thing for thing in found if np.hypot(*(thing.centre[:2] - near)) < _SAME_M]
        return found[0] if found else None


def sight(look: Look, camera: DepthCamera) -> Sighting:
    """Level a look and find the things in it.

    Args:
        look: with T_world_cam as the dog believes it, in a world whose z is up and whose ground is near z = 0.
        camera: that took it.
    """
    depth = np.where(look.depth > _OWN_BODY_M, look.depth, np.nan)
    points = transform_points(look.T_world_cam, camera.rays * depth[..., None])
    eye = look.T_world_cam[:3, 3]
    T_level_world = level(points.reshape(-1, 3), eye[:2])
    if T_level_world is not None:
        points, eye = transform_points(T_level_world, points), transform_points(T_level_world, eye)
    return Sighting(points, tuple(find_things(look.picture, points, eye)))


def shape(thing: Thing, completion: Completion) -> PlanningScene | None:
    """Guess the whole shape of a thing; None where too little of it was seen to guess anything."""
    cloud = cleaned(thing.cloud)
    if len(cloud) < FEWEST_POINTS:
        return None
    whole = completion.complete(cloud)
    return PlanningScene(whole.points, whole.uncertainty, cloud)


_ROUNDS, _TRIM = 15, 0.8


def moved_to(scene: PlanningScene, cloud: np.ndarray) -> tuple[PlanningScene, float]:
    """Move a shape along the ground to where it is seen now, by iterated closest points (Besl & McKay 1992), trimmed.

    Own estimates of where one is drift by a centimetre or two between two looks; the ground keeps the height, and the
    heading hardly changes.

    Args:
        scene: the shape as it was guessed from a first look.
        cloud: (N, 3) m of the thing in a second look.

    Returns:
        The shape moved, and how far the points of the second look are from it, m, in the median.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(scene.target)
    shift = np.append((cloud.mean(axis=0) - scene.others.mean(axis=0))[:2], 0.0) * 0.5
    for _ in range(_ROUNDS):
        off, nearest = tree.query(cloud - shift)
        kept = off <= np.quantile(off, _TRIM)
        step = (cloud - shift - scene.target[nearest])[kept].mean(axis=0)
        shift = shift + np.array([step[0], step[1], 0.0])
    off = tree.query(cloud - shift)[0]
    return PlanningScene(scene.target + shift, scene.uncertainty, scene.others + shift), float(np.median(off))
