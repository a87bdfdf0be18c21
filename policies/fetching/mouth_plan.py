"""From a shape on the ground to a way for the mouth: which grasp, where to stand for it, and every pose there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from control.gait import GAITS
from control.reaching import CHANGED_JAWS, Placement, Reach, Reacher
from geometry.transforms import inverse, transform, transform_points
from policies.grasping.candidates import Poses
from policies.grasping.collision import above_table, count_collisions
from policies.grasping.planner import Planner, PlannerConfig, PlanningScene
from robots.hand import Grasp
from robots.neck import MOUTH

MOUTH_GRASPS = PlannerConfig(hand=MOUTH, approach_m=0.08, table_m=0.008)
"""The planner's settings for the mouth: it keeps 8 mm from the ground, for feet creep and encoders are not perfect."""

_NEARLY_AHEAD = np.radians(30.0)
STANDING = np.array([0.0, 0.0, GAITS["stand"].height_m + 0.02, 0.0, 0.0, 0.0])
"""The trunk of a dog that stands: residuals of the policy hold it a little higher than the gait would."""
_STEPS = 8
"""Poses at which the way down to before a grasp is looked at."""
_TOUCH_M = 0.005
"""So near counts as touching: targets of joints are missed by a few millimetres."""


@dataclass(frozen=True)
class MouthConfig:
    """Of the way to a grasp and of the choice among grasps; m."""

    before_m: float = 0.08
    """How far before the grasp the mouth stops and looks again."""
    lift_m: float = 0.08
    pieces: int = 6
    """The straight way there is followed in so many."""
    tried: int = 12
    """Grasps that are looked at, best first."""
    least_score: float = -3.0
    """Log odds of a grasp that is not worth a walk."""

    def __post_init__(self) -> None:
        if not 0.0 < self.before_m <= 0.2 or not 0.0 < self.lift_m <= 0.2 or self.pieces < 2 or self.tried < 1:
            raise ValueError(f"{self} came; before_m and lift_m must be up to 0.2, pieces 2 and tried 1 or more")


class MouthPlan(NamedTuple):
    """A way to a grasp.

    `grasp` with T_world_hand as the jaws will have it; `T_world_stance` (4, 4) where the dog stands on level ground;
    `approach`: poses from before the grasp to it; `lift`: from it straight up.
    """

    grasp: Grasp
    T_world_stance: np.ndarray
    approach: tuple[Reach, ...]
    lift: tuple[Reach, ...]


class MouthPlanner:
    """Plans grasps by the mouth on level ground z = 0."""

    def __init__(
        self,
        reacher: Reacher | None = None,
        config: MouthConfig | None = None,
        planner_config: PlannerConfig = MOUTH_GRASPS,
    ) -> None:
        self.reacher, self.config = reacher or Reacher(), config or MouthConfig()
        self._planner = Planner(planner_config)

    def grasps(self, scene: PlanningScene) -> list[Grasp]:
        """Return grasps worth trying, best first.

        Raises:
            CloudError: the cloud cannot be used.
        """
        found = self._planner.plan(scene)
        return [grasp for grasp in found[: self.config.tried] if grasp.score >= self.config.least_score]

    def plan(
        self,
        scene: PlanningScene,
        heading: float,
        stance_is_free: Callable[[np.ndarray], bool] = lambda place: True,
    ) -> MouthPlan | None:
        """Plan the best grasp that the mouth can get to.

        Args:
            scene: the shape, m, on the ground z = 0.
            heading: of the dog when it comes, rad: grasps that can be made from about there are taken first.
            stance_is_free: whether the dog may stand at a place (2,) m.

        Returns:
            The way; None where no grasp, no place or no way is found.

        Raises:
            CloudError: the cloud cannot be used.
        """
        grasps = self.grasps(scene)
        # A worse grasp from where one comes beats a better one for which one must walk round the thing.
        for most_turn in (_NEARLY_AHEAD, np.pi):
            for grasp in grasps:
                for placed in self.reacher.places(grasp.T_world_hand, heading, stance_is_free, most_turn):
                    found = self._way(grasp, placed, scene)
                    if found is not None:
                        return found
        return None

    def from_stance(self, scene: PlanningScene, T_world_stance: np.ndarray) -> MouthPlan | None:
        """Plan the best grasp that the mouth gets to from where the dog stands already; None where is none."""
        for grasp in self.grasps(scene):
            for jaws in (np.eye(4), CHANGED_JAWS):
                reach = self.reacher.reach(inverse(T_world_stance) @ grasp.T_world_hand @ jaws)
                if reach is not None:
                    found = self._way(grasp, Placement(T_world_stance, reach), scene)
                    if found is not None:
                        return found
        return None

    def _way(self, grasp: Grasp, placed: Placement, scene: PlanningScene) -> MouthPlan | None:
        """Follow the way back from the grasp, and up from it; None where it is out of reach, or barred."""
        config = self.config
        there = self.reacher.hand(placed.reach)
        shares = np.arange(1, config.pieces + 1) / config.pieces
        back = [there @ transform(np.eye(3), (0.0, 0.0, -share * config.before_m)) for share in shares]
        up = [transform(np.eye(3), (0.0, 0.0, share * config.lift_m)) @ there for share in shares]
        approach, lift = self.reacher.along(back, placed.reach), self.reacher.along(up, placed.reach)
        if approach is None or lift is None:
            return None
        solid = np.concatenate([scene.target, scene.others])
        cloud = transform_points(inverse(placed.T_world_stance), solid)
        if not self.is_free(approach[-1], grasp.width_m, cloud):
            return None
        reached = grasp._replace(T_world_hand=placed.T_world_stance @ there)
        return MouthPlan(reached, placed.T_world_stance, (*approach[::-1], placed.reach), tuple(lift))

    def is_free(self, first: Reach, opening_m: float, cloud: np.ndarray) -> bool:
        """Tell whether the mouth touches neither points nor the ground on its way down from standing, the neck raised.

        A dog that stands does so within a centimetre of `STANDING`.
        Joints go evenly from there to `first`, and may swing the mouth through what it is to grasp from the side.

        Args:
            first: where the way ends.
            opening_m: of the jaws meanwhile.
            cloud: (N, 3) m, in the stance's frame.
        """
        share = np.linspace(0.0, 1.0, _STEPS + 1)[:, None]
        start, end = (np.concatenate(pose) for pose in (raised(STANDING, first), first))
        way = (1 - share) * start + share * end
        hands = np.stack([self.reacher.hand(Reach(row[:6], row[6:])) for row in way])
        hand, opening = Poses(hands[:, :3, :3], hands[:, :3, 3]), np.full(len(hands), opening_m)
        clear = above_table(hand, opening, MOUTH, 0.0).all()
        return bool(clear) and not count_collisions(hand, opening, cloud, MOUTH, _TOUCH_M, 0.0, most=1).any()


def raised(trunk: np.ndarray, low: Reach) -> Reach:
    """Return a pose between standing and a low one: the neck raised, and turned as it will be low down.

    Args:
        trunk: (6,) of the pose.
        low: where the mouth goes, or comes from.
    """
    return Reach(trunk, np.array([low.neck[0], -1.6, 1.9, 0.6, low.neck[4]]))
