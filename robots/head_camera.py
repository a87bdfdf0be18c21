"""The camera in the dog's head: a picture and a depth image of the world, with the faults of a real one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geometry.cameras import DepthCamera, with_faults
from geometry.transforms import inverse, transform_points
from robots.world import World

NEAR_M, FAR_M = 0.06, 12.0
"""Nothing nearer or farther is seen; the jaws are nearer."""
_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # its cameras look along -z, with y up


class Look(NamedTuple):
    """What the camera saw at once.

    `picture` (height, width, 3) uint8 RGB; `depth` (height, width) m along the camera's axis, NaN where it saw nothing;
    `T_world_cam` (4, 4), z forward, x right, y down.
    """

    picture: np.ndarray
    depth: np.ndarray
    T_world_cam: np.ndarray

    def cloud_world(self, camera: DepthCamera, chosen: np.ndarray | None = None) -> np.ndarray:
        """Return the points (N, 3) m of the pixels that saw something, or of those chosen by a mask (height, width)."""
        seen = np.isfinite(self.depth) if chosen is None else np.isfinite(self.depth) & chosen
        return transform_points(self.T_world_cam, camera.rays[seen] * self.depth[seen][:, None])


class HeadCamera:
    """Looks at a world by Bullet's TinyRenderer, which needs no display and sees whatever is visible."""

    def __init__(self, world: World, camera: DepthCamera, rng: np.random.Generator) -> None:
        self._world, self.camera, self._rng = world, camera, rng
        self._projection = _projection(camera)

    def look(self, T_world_cam: np.ndarray) -> Look:
        """Look from a pose (4, 4), z forward, x right, y down."""
        camera = self.camera
        view = inverse(T_world_cam @ _OPENGL)
        client = self._world.client
        _, _, colours, buffer, _ = client.getCameraImage(
            camera.width,
            camera.height,
            view.T.ravel().tolist(),
            self._projection,
            renderer=client.ER_TINY_RENDERER,
            shadow=0,
            lightDirection=(2.0, -1.5, 4.0),
            flags=client.ER_NO_SEGMENTATION_MASK,
        )
        shape = camera.height, camera.width
        picture = np.asarray(colours, np.uint8).reshape(*shape, 4)[:, :, :3]
        share = np.asarray(buffer, float).reshape(shape)
        depth = np.where(share < 1.0, FAR_M * NEAR_M / (FAR_M - (FAR_M - NEAR_M) * share), np.nan)
        faulty = with_faults(depth, _facing(depth, camera.rays), camera, self._rng)
        return Look(picture, faulty, T_world_cam)


def _projection(camera: DepthCamera) -> list[float]:
    """Return OpenGL's matrix of the pinhole, sixteen numbers, column by column."""
    focal = camera.focal_px
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[1, 1] = 2 * focal / camera.width, 2 * focal / camera.height
    # TinyRenderer samples at the corners of pixels, rays go through their middles.
    matrix[0, 2], matrix[1, 2] = 1 / camera.width, 1 / camera.height
    matrix[2, 2] = -(FAR_M + NEAR_M) / (FAR_M - NEAR_M)
    matrix[2, 3] = -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
    matrix[3, 2] = -1.0
    numbers: list[float] = matrix.T.ravel().tolist()
    return numbers


def _facing(depth: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Return (height, width): the cosine between each ray and the surface, from the slope of the depth image."""
    points = rays * depth[..., None]
    normals = np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0))
    lengths = np.linalg.norm(normals, axis=-1) * np.linalg.norm(rays, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.abs(np.einsum("...k,...k", normals, rays)) / lengths
    return np.nan_to_num(cosine, nan=1.0)
