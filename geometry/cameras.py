"""A depth camera: rays cast on meshes by Open3D, and the faults of a real one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from geometry.meshes import Mesh
from geometry.transforms import look_at, transform_points

NOTHING = 2**32 - 1
"""Open3D's number for a ray that hits nothing."""


@dataclass(frozen=True)
class DepthCamera:
    """A pinhole camera that measures depth.

    The defaults are those of an active stereo camera at arm's length: noise of 2 mm at half a metre that grows with the
    square of the distance (Keselman et al. 2017, "Intel RealSense stereoscopic depth cameras", equation 4), pixels that
    see nothing, more of them where the surface turns away, and pixels at edges that float between near and far.
    """

    width: int = 320
    height: int = 240
    field_of_view_deg: float = 50.0
    """Across."""
    noise_m: float = 0.002
    """Standard deviation along the ray at half a metre; 0 for a perfect camera."""
    dropout: float = 0.02
    """Share of pixels that see nothing."""
    flying: float = 0.3
    """Share of pixels at edges that float between near and far."""

    def __post_init__(self) -> None:
        fits = 8 <= self.width <= 4096 and 8 <= self.height <= 4096 and 5.0 <= self.field_of_view_deg <= 150.0
        if not fits or not 0.0 <= self.noise_m <= 0.1 or not 0.0 <= self.dropout < 1.0 or not 0.0 <= self.flying <= 1.0:
            raise ValueError(
                f"{self} came; width and height must be 8 to 4096, field_of_view_deg 5 to 150, noise_m 0 to 0.1, "
                "dropout and flying shares"
            )

    @property
    def focal_px(self) -> float:
        """Focal length in pixels, the same both ways."""
        return float(0.5 * self.width / np.tan(np.radians(self.field_of_view_deg) / 2))

    @cached_property
    def rays(self) -> np.ndarray:
        """(height, width, 3) directions in the camera's frame with z = 1."""
        x = (np.arange(self.width) + 0.5 - self.width / 2) / self.focal_px
        y = (np.arange(self.height) + 0.5 - self.height / 2) / self.focal_px
        return np.stack([*np.meshgrid(x, y), np.ones((self.height, self.width))], axis=-1)


class View(NamedTuple):
    """A depth image and its point cloud.

    `depth` (height, width) is m along its axis, NaN where it saw nothing; `body` (height, width) the number of the mesh
    that was hit, -1 for none. `cloud_world` (N, 3) m and `bodies` (N,) are the pixels that saw something.
    """

    depth: np.ndarray
    body: np.ndarray
    cloud_world: np.ndarray
    bodies: np.ndarray
    T_world_cam: np.ndarray

    def of(self, body: int) -> np.ndarray:
        """Take the points (n, 3) m on one body."""
        points: np.ndarray = self.cloud_world[self.bodies == body]
        return points


class Caster:
    """Bodies at their poses, to be looked at."""

    def __init__(self, bodies: Sequence[tuple[Mesh, np.ndarray]], threads: int = 1) -> None:
        """Take meshes and where they are, T_world_mesh (4, 4)."""
        import open3d as o3d

        tensor: Any = o3d.core.Tensor  # its stubs know no numpy
        self._tensor, self._threads = tensor, threads
        self._scene = o3d.t.geometry.RaycastingScene(nthreads=threads)
        for mesh, T_world_mesh in bodies:
            vertices = transform_points(T_world_mesh, mesh.vertices).astype(np.float32)
            triangles = np.ascontiguousarray(mesh.triangles, np.uint32)
            self._scene.add_triangles(self._tensor(vertices), self._tensor(triangles))

    def cast(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cast rays from `origins` along `directions`, both (..., 3).

        Returns:
            How far they go in lengths of their directions (inf: on and on), the number of what they hit (-1: nothing),
            and its normal.
        """
        rays = np.concatenate([origins, directions], axis=-1).astype(np.float32)
        answer = self._scene.cast_rays(self._tensor(rays), nthreads=self._threads)
        hit = answer["geometry_ids"].numpy().astype(np.int64)
        return answer["t_hit"].numpy(), np.where(hit == NOTHING, -1, hit), answer["primitive_normals"].numpy()

    def view(self, T_world_cam: np.ndarray, camera: DepthCamera, rng: np.random.Generator) -> View:
        """Take a picture of depth with the camera's faults."""
        directions = camera.rays @ T_world_cam[:3, :3].T
        origins = np.broadcast_to(T_world_cam[:3, 3], directions.shape)
        depth, body, normals = self.cast(origins, directions)
        depth = np.where(body < 0, np.nan, depth.astype(float))
        facing = np.abs(np.einsum("...k,...k", normals, directions)) / np.linalg.norm(directions, axis=-1)
        depth = with_faults(depth, facing, camera, rng)
        body = np.where(np.isfinite(depth), body, -1)
        seen = body >= 0
        points = transform_points(T_world_cam, camera.rays[seen] * depth[seen][:, None])
        return View(depth, body, points, body[seen], T_world_cam)


def with_faults(depth: np.ndarray, facing: np.ndarray, camera: DepthCamera, rng: np.random.Generator) -> np.ndarray:
    """Add a camera's noise, holes and floating pixels to a perfect depth image.

    Args:
        depth: (height, width) m, NaN where there is nothing.
        facing: (height, width), the cosine between ray and normal of the surface.
        camera: whose faults.
        rng: draws them.
    """
    if camera.noise_m == 0.0 and camera.dropout == 0.0 and camera.flying == 0.0:
        return depth
    out = depth + camera.noise_m * (depth / 0.5) ** 2 * rng.standard_normal(depth.shape)
    if camera.flying:
        right = np.roll(depth, -1, axis=1)
        right[:, -1] = np.nan
        edge = (np.abs(right - depth) > 0.01) & (rng.random(depth.shape) < camera.flying)
        share = rng.random(depth.shape)
        out = np.where(edge, depth + share * np.clip(right - depth, -0.03, 0.03), out)
    # A surface that turns away sends little back: at 80 degrees a third of the pixels see nothing.
    lost = camera.dropout + (0.35 * np.clip((0.35 - facing) / 0.2, 0.0, 1.0) if camera.dropout else 0.0)
    return np.where(rng.random(depth.shape) < lost, np.nan, out)


def around(target: Sequence[float], distance_m: float, elevation: float, azimuth: float) -> np.ndarray:
    """Place T_world_cam of a camera that looks at `target` from a distance, an elevation and an azimuth, rad."""
    direction = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    return look_at((np.asarray(target) + distance_m * direction).tolist(), target)
