"""Collisions of the hand on its way, and the surface between its fingers, for many poses at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policies.grasping.candidates import Poses
from robots.compiled import compiled
from robots.hand import HandSpec

_BLOCK = 2_000_000
"""Numbers held at once: a block of poses times points that stays in the cache of a laptop."""

_SPARSE = 8
"""Every so manieth point is asked first."""


class Between(NamedTuple):
    """Geometry of the points between the fingers of each pose, y in the hand's frame, m.

    `low`, `high` (B,): where closing fingers meet it; NaN when nothing is there. `alignment` (B,): the smaller |cosine|
    of the mean normal there with y. `twist` (B,): distance of the two places across y, m. `bite` (B,): how far it
    reaches in from the fingers' ends, m. `patch` (B,): points met, the smaller side. `uncertainty` (B,): mean of the
    points met, m. `spread` (B,): how far the points met spread about their middle, the smaller side, m.
    `taper` (B,): mean lean of both surfaces towards the palm, as the sine of an angle; where it is positive the object
    narrows towards the palm and is squeezed out of the hand. `middle` (B, 3): between the two places, in the hand's
    frame.
    """

    low: np.ndarray
    high: np.ndarray
    alignment: np.ndarray
    twist: np.ndarray
    bite: np.ndarray
    patch: np.ndarray
    uncertainty: np.ndarray
    spread: np.ndarray
    taper: np.ndarray
    middle: np.ndarray


def blocks(poses: Poses, points: int) -> list[slice]:
    """Cut many poses into pieces that fit the cache."""
    step = max(_BLOCK // max(3 * points, 1), 1)
    return [slice(start, start + step) for start in range(0, len(poses.origin), step)]


def to_hand_frame(poses: Poses, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn points (N, 3) m into the frame of every pose: x, y and z, each (B, N) float32."""
    turn = poses.rotation.transpose(0, 2, 1).astype(np.float32)
    local = turn.reshape(-1, 3) @ points.T.astype(np.float32)
    local = local.reshape(len(turn), 3, -1) - np.einsum("bij,bj->bi", turn, poses.origin.astype(np.float32))[:, :, None]
    return local[:, 0], local[:, 1], local[:, 2]


def above_table(poses: Poses, opening_m: np.ndarray, spec: HandSpec, clear_m: float) -> np.ndarray:
    """Tell whether all corners of the hand stay above z = `clear_m`: (B,) bool."""
    down = poses.rotation[:, 2, :]  # z of the world in the hand's frame
    lowest = np.full(len(opening_m), np.inf)
    for name, centre, size in spec.boxes(0.0):
        y = centre[1] + (0.0 if name == "palm" else np.sign(centre[1]) * opening_m / 2)
        middle = down[:, 0] * centre[0] + down[:, 1] * y + down[:, 2] * centre[2]
        lowest = np.minimum(lowest, middle - np.abs(down) @ (size / 2))
    out: np.ndarray = poses.origin[:, 2] + lowest > clear_m
    return out


def count_collisions(
    poses: Poses,
    opening_m: np.ndarray,
    points: np.ndarray,
    spec: HandSpec,
    margin_m: float,
    approach_m: float,
    most: int | None = None,
) -> np.ndarray:
    """Count the points (N, 3) m that the hand touches at a pose or on the last `approach_m` to it: (B,).

    With `most` counting ends there: a pose that touches more counts as `most` + 1.
    """
    # Neighbours in a cloud are neighbours in space; points from all over end the counting sooner.
    cloud = np.concatenate([points[start::_SPARSE] for start in range(_SPARSE)]).astype(np.float64)
    return _count(
        np.ascontiguousarray(poses.rotation, np.float64),
        np.ascontiguousarray(poses.origin, np.float64),
        np.asarray(opening_m, np.float64) / 2,
        cloud,
        _swept_boxes(spec, margin_m, approach_m),
        len(cloud) if most is None else most,
    )


def _swept_boxes(spec: HandSpec, margin_m: float, approach_m: float) -> np.ndarray:
    """List what the hand passes through, in its frame, a row (6,) for each box.

    |x| is less than the first number, |y| lies between the next two, z between the fourth and the fifth; where the
    sixth is 1, |y| lies further out by half the opening.
    """
    pad, root, palm, body = spec.pad_m, spec.root_m, spec.palm_m, spec.body_m
    end = -(spec.finger_m + approach_m)  # of what the fingers pass; the palm and what carries it reach further back
    back = margin_m - spec.finger_m
    # Beside the opening a finger only needs half the margin: more would forbid what just fits.
    near = -margin_m / 2
    return np.array(
        [
            (pad[0] / 2 + margin_m, near, pad[1] + margin_m, end, margin_m, 1.0),
            (root[0] / 2 + margin_m, near + 0.0015, root[1] + 0.0015 + margin_m, end, margin_m - pad[2], 1.0),
            (palm[0] / 2 + margin_m, -1.0, palm[1] / 2 + margin_m, end - palm[2], back, 0.0),
            (body[0] / 2 + margin_m, -1.0, body[1] / 2, end - palm[2] - body[2], back - palm[2], 0.0),
        ]
    )


@compiled
def _count(
    rotation: np.ndarray, origin: np.ndarray, half_m: np.ndarray, points: np.ndarray, rooms: np.ndarray, most: int
) -> np.ndarray:
    out = np.zeros(len(origin), np.int64)
    low, high = rooms[:, 3].min(), rooms[:, 4].max()
    for pose in range(len(origin)):
        for point in range(len(points)):
            dx = points[point, 0] - origin[pose, 0]
            dy = points[point, 1] - origin[pose, 1]
            dz = points[point, 2] - origin[pose, 2]
            z = rotation[pose, 0, 2] * dx + rotation[pose, 1, 2] * dy + rotation[pose, 2, 2] * dz
            if z <= low or z >= high:
                continue
            x = abs(rotation[pose, 0, 0] * dx + rotation[pose, 1, 0] * dy + rotation[pose, 2, 0] * dz)
            y = abs(rotation[pose, 0, 1] * dx + rotation[pose, 1, 1] * dy + rotation[pose, 2, 1] * dz)
            for room in range(len(rooms)):
                across = y - half_m[pose] * rooms[room, 5]
                if (
                    x < rooms[room, 0]
                    and rooms[room, 1] < across < rooms[room, 2]
                    and rooms[room, 3] < z < rooms[room, 4]
                ):
                    out[pose] += 1
                    break
            if out[pose] > most:
                break
    return out


def between(poses: Poses, points: np.ndarray, normals: np.ndarray, uncertainty: np.ndarray, spec: HandSpec) -> Between:
    """Find what the fingers would close on."""
    parts = [_between(poses.of(part), points, normals, uncertainty, spec) for part in blocks(poses, len(points))]
    return Between(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def extent(poses: Poses, points: np.ndarray, spec: HandSpec) -> tuple[np.ndarray, np.ndarray]:
    """Find the lowest and highest y, each (B,) m, between the fingers; inf and -inf where nothing is there."""
    low, high = np.full(len(poses.origin), np.inf), np.full(len(poses.origin), -np.inf)
    for part in blocks(poses, len(points)):
        x, y, z = to_hand_frame(poses.of(part), points)
        inside = _inside(x, y, z, spec)
        low[part] = np.where(inside, y, np.inf).min(axis=1)
        high[part] = np.where(inside, y, -np.inf).max(axis=1)
    return low, high


def _inside(x: np.ndarray, y: np.ndarray, z: np.ndarray, spec: HandSpec) -> np.ndarray:
    inside: np.ndarray = (np.abs(x) < spec.pad_m[0] / 2) & (np.abs(y) < spec.opening_m / 2) & (z < 0.0)
    return inside & (z > -spec.finger_m)


def _between(poses: Poses, points: np.ndarray, normals: np.ndarray, uncertainty: np.ndarray, spec: HandSpec) -> Between:
    x, y, z = to_hand_frame(poses, points)
    inside = _inside(x, y, z, spec)
    low = np.where(inside, y, np.inf).min(axis=1)
    high = np.where(inside, y, -np.inf).max(axis=1)
    along, back = (poses.rotation[:, :, axis].astype(np.float32) @ normals.T.astype(np.float32) for axis in (1, 2))
    facing, lean = np.abs(along), -back * np.sign(along)
    sides = []
    for met in (inside & (y < low[:, None] + 0.003), inside & (y > high[:, None] - 0.003)):
        weight = met / np.maximum(met.sum(axis=1, keepdims=True), 1)
        mean = [np.einsum("bn,bn->b", weight, value) for value in (facing, x, z)]
        mean_square = np.einsum("bn,bn->b", weight, x * x + z * z)
        spread = np.sqrt(np.maximum(mean_square - mean[1] ** 2 - mean[2] ** 2, 0.0))
        leaning = np.einsum("bn,bn->b", weight, lean)
        sides.append((*mean, met.sum(axis=1), weight @ uncertainty, spread, leaning))
    # On the low side the outward normal has a negative y, so its lean has the other sign.
    (one_facing, one_x, one_z, one_count, one_doubt, spread, lean_low), (*two, spread_2, lean_high) = sides
    facing_2, x_2, z_2, count_2, doubt_2 = two
    bite = -np.where(inside, z, np.inf).min(axis=1)
    empty = ~inside.any(axis=1)
    nan = np.where(empty, np.nan, 0.0)
    low, high = np.where(empty, np.nan, low), np.where(empty, np.nan, high)
    middle = np.stack([(one_x + x_2) / 2, np.nan_to_num((low + high) / 2), (one_z + z_2) / 2], axis=1)
    return Between(
        low,
        high,
        np.minimum(one_facing, facing_2) + nan,
        np.hypot(one_x - x_2, one_z - z_2) + nan,
        bite + nan,
        np.minimum(one_count, count_2),
        np.maximum(one_doubt, doubt_2),
        np.minimum(spread, spread_2),
        (lean_high - lean_low) / 2 + nan,
        middle,
    )
