"""From a cloud to ranked grasps: candidates, a coarse cull, what is between the fingers, collisions, a score."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from geometry.clouds import check_cloud, voxel_downsample
from geometry.transforms import transform
from policies.grasping.candidates import Lines, Poses, antipodal, approach_poses, centroid_lines
from policies.grasping.collision import Between, above_table, between, count_collisions, extent
from policies.grasping.surfaces import NOTHING, SPACING_M, Surface, surface
from robots.hand import PANDA_HAND, Grasp, HandSpec

WORTH_TRYING = -1.0
"""Log odds of a grasp that holds once in four times."""


class GraspPlanner(Protocol):
    """A planner of grasps; any callable from a cloud to grasps, best first, can stand where ours does."""

    def __call__(self, cloud_world: np.ndarray) -> list[Grasp]:
        """Plan grasps on the things that `cloud_world` (N, 3) m shows, on the table z = 0; best first."""
        ...


class PlanningScene(NamedTuple):
    """Target and obstacles that a grasp is planned on, m in the world.

    `target` (N, 3): the shape to grasp, seen or completed, with `uncertainty` (N,). `others` (M, 3): what must not be
    touched besides: neighbours, the observed cloud where the target was completed, or what may hide in the shadow.
    """

    target: np.ndarray
    uncertainty: np.ndarray | None = None
    others: np.ndarray = NOTHING


@dataclass(frozen=True)
class Weights:
    """Weights of the score: a logistic model of whether a grasp holds.

    Fitted to trials of random candidates on true shapes of `household/train`, `packed/train` and `pile/train`; what a
    name means is told by `features`. Arm, taper, twist and uncertainty were chosen by hand: the fitted sets hold few
    long things, and true shapes are certain.
    """

    bias: float = -5.1
    grip: float = 2.2
    patch: float = 1.0
    bite_cm: float = 2.1
    spread_cm: float = 1.3
    clearance_cm: float = 0.5
    arm_cm: float = -0.6
    taper: float = -4.0
    twist_cm: float = -0.2
    width_share: float = -1.5
    downward: float = 0.9
    uncertainty_cm: float = -1.0


@dataclass(frozen=True)
class PlannerConfig:
    """How many candidates are looked at, and how much room the hand wants; m."""

    anchors: int = 90
    yaws: int = 8
    turns: int = 12
    depths_m: tuple[float, ...] = (0.004, 0.012, 0.022, 0.034)
    margin_m: float = 0.002
    clearance_m: float = 0.010
    """Opening beyond the object's width on either side, where the hand opens so far."""
    table_m: float = 0.002
    approach_m: float = 0.10
    least_score: float = -np.inf
    """Log odds below which a grasp is left out; `WORTH_TRYING` where a failure costs."""
    checked: int = 600
    """Candidates that are looked at closely."""
    kept: int = 50
    from_above: bool = False
    """Come only straight down."""
    weights: Weights = field(default_factory=Weights)
    hand: HandSpec = PANDA_HAND


class Planner:
    """Grasps by geometry alone. The same for every cloud, so that clouds can be compared by what it makes of them."""

    def __init__(self, config: PlannerConfig | None = None) -> None:
        self.config = config or PlannerConfig()

    def __call__(self, cloud_world: np.ndarray) -> list[Grasp]:
        """Plan grasps on a cloud (N, 3) m, best first.

        Raises:
            CloudError: the cloud cannot be used.
        """
        return self.plan(PlanningScene(cloud_world))

    def plan(self, scene: PlanningScene) -> list[Grasp]:
        """Plan grasps on a scene, best first; none when the hand fits nowhere.

        Raises:
            CloudError: the cloud cannot be used.
        """
        config = self.config
        target = surface(check_cloud(scene.target), scene.uncertainty)
        poses = self._candidates(target)
        coarse = voxel_downsample(target.points, 0.008)
        poses = self._cull(poses, coarse, target.points)
        if not len(poses.origin):
            return []
        poses, opening = self._centred(poses, target.points)
        others = voxel_downsample(scene.others, SPACING_M)
        free = above_table(poses, opening, config.hand, config.table_m)
        poses, opening = poses.of(free), opening[free]
        everything = np.concatenate([target.points, others])
        free = count_collisions(poses, opening, everything, config.hand, config.margin_m, config.approach_m, 0) == 0
        poses, opening = poses.of(free), opening[free]
        if not len(poses.origin):
            return []
        found = between(poses, target.points, target.normals, target.uncertainty, config.hand)
        return self._ranked(poses, opening, found, target)

    def _candidates(self, target: Surface) -> Poses:
        config = self.config
        pairs, cuts = antipodal(target, config.anchors), centroid_lines(target, config.yaws)
        lines = Lines(np.concatenate([pairs.middle, cuts.middle]), np.concatenate([pairs.axis, cuts.axis]))
        poses = approach_poses(lines, config.turns, np.array(config.depths_m))
        if config.from_above:
            poses = poses.of(poses.rotation[:, 2, 2] < -0.96)
        return _lifted(poses, config)

    def _cull(self, poses: Poses, coarse: np.ndarray, points: np.ndarray) -> Poses:
        """Drop what reaches into the table or the palm into the object, by few points; keep an even share."""
        config = self.config
        narrow = np.zeros(len(poses.origin))
        poses = poses.of(above_table(poses, narrow, config.hand, config.table_m))
        # With the fingers open wide, only the palm and what is far too wide can touch.
        wide = np.full(len(poses.origin), config.hand.opening_m)
        poses = poses.of(count_collisions(poses, wide, coarse, config.hand, 0.0, config.approach_m, 2) <= 2)
        if len(poses.origin) > config.checked:
            poses = poses.of(np.linspace(0, len(poses.origin) - 1, config.checked).astype(int))
        return poses

    def _centred(self, poses: Poses, points: np.ndarray) -> tuple[Poses, np.ndarray]:
        """Move each hand along y until both fingers meet the object at once; (B,) m its opening on the way there."""
        config = self.config
        low, high = extent(poses, points, config.hand)
        good = np.isfinite(low) & (high - low < config.hand.opening_m - 0.004)
        poses, low, high = poses.of(good), low[good], high[good]
        shifted = Poses(poses.rotation, poses.origin + poses.rotation[:, :, 1] * ((low + high) / 2)[:, None])
        return shifted, np.minimum(high - low + 2 * config.clearance_m, config.hand.opening_m)

    def _ranked(self, poses: Poses, opening: np.ndarray, found: Between, target: Surface) -> list[Grasp]:
        known = features(poses, opening, found, target.points)
        log_odds = np.nan_to_num(score(known, self.config.weights), nan=-np.inf)
        log_odds[log_odds < self.config.least_score] = -np.inf
        order = [row for row in np.argsort(-log_odds)[: self.config.kept] if np.isfinite(log_odds[row])]
        return [
            Grasp(
                transform(poses.rotation[row], poses.origin[row]),
                float(opening[row]),
                float(log_odds[row]),
                {name: float(values[row]) for name, values in known.items()},
            )
            for row in order
        ]


def _lifted(poses: Poses, config: PlannerConfig) -> Poses:
    """Raise hands that would reach into the table by up to 2 cm along their way, so that flat things can be grasped."""
    spec = config.hand
    tip = poses.origin[:, 2] - np.abs(poses.rotation[:, 2, 0]) * spec.pad_m[0] / 2
    tip -= np.abs(poses.rotation[:, 2, 1]) * spec.opening_m / 2
    down = np.maximum(-poses.rotation[:, 2, 2], 1e-3)
    back = np.clip((config.table_m + 0.001 - tip) / down, 0.0, 0.025)
    back[poses.rotation[:, 2, 2] > -0.5] = 0.0
    return Poses(poses.rotation, poses.origin - poses.rotation[:, :, 2] * back[:, None])


def features(poses: Poses, opening: np.ndarray, found: Between, points: np.ndarray) -> dict[str, np.ndarray]:
    """Tell what is known of every candidate, each (B,), cut off where more makes no difference.

    `grip`: |cosine| of closing and surface beyond 0.8, in tenths (below 0.89 it slips at a friction of 0.5); `patch`:
    how many points each finger meets, of 10; `bite_cm`: how far the object reaches in between the fingers; `spread_cm`:
    of what they meet; `clearance_cm`: between finger and object on the way; `arm_cm`: from the fingers to the object's
    middle, level and across, beyond 2 cm; `taper`: how much it narrows towards the palm; `twist_cm`: how far what one
    finger meets lies from opposite the other; `width_share`: of the hand's opening; `downward`: 1 from above,
    0 from the side.
    """
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    middle = poses.origin + np.einsum("bij,bj->bi", poses.rotation, found.middle)
    away = centre - middle
    away[:, 2] = 0.0  # gravity turns the object about the fingers by what is beside them
    closing = poses.rotation[:, :, 1]
    arm = np.linalg.norm(away - np.einsum("bi,bi->b", away, closing)[:, None] * closing, axis=1)
    width = found.high - found.low
    return {
        "grip": 10 * (np.clip(found.alignment, 0.8, 0.93) - 0.8),
        "patch": np.minimum(found.patch, 9) / 10,
        "bite_cm": 100 * np.minimum(found.bite, 0.024),
        "spread_cm": 100 * np.minimum(found.spread, 0.006),
        "clearance_cm": 100 * (opening - width) / 2,
        "arm_cm": 100 * np.maximum(arm - 0.02, 0.0),
        "taper": np.clip(found.taper, 0.0, 0.5),
        "twist_cm": 100 * np.minimum(found.twist, 0.015),
        "width_share": width / 0.08,
        "downward": -poses.rotation[:, 2, 2],
        "uncertainty_cm": 100 * found.uncertainty,
    }


def score(known: dict[str, np.ndarray], weights: Weights) -> np.ndarray:
    """Give the log odds (B,) of every candidate to hold, from its `features`."""
    total: np.ndarray = np.sum([getattr(weights, name) * values for name, values in known.items()], axis=0)
    return total + weights.bias
