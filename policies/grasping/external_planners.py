"""Other people's planners: any callable from a cloud to grasps, named as module:callable.

    # mine.py, anywhere on PYTHONPATH
    import numpy as np

    def from_above(cloud_world):  # (N, 3) m, z up, the table is z = 0
        '''Grasp across the middle from above.'''
        T_world_hand = np.diag([1.0, -1.0, -1.0, 1.0])  # z the way the hand comes, y the way its fingers close
        T_world_hand[:3, 3] = cloud_world.mean(axis=0)  # midway between the ends of the fingers
        return [(T_world_hand, 0.08)]  # best first; the opening on the way there, m

A `Grasp` may be returned as well as a pair. `--external-planner mine:from_above` tries it beside ours on what was seen.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from policies.grasping.planner import GraspPlanner
from robots.hand import PANDA_HAND, Grasp


class PlannerError(ValueError):
    """A planner that cannot be loaded, or returns what is no grasp; the message says which."""


@lru_cache(maxsize=8)
def load_external_planner(name: str) -> GraspPlanner:
    """Load a planner by `module:callable`; what it returns is checked whenever it is called.

    Raises:
        PlannerError: there is no such module or callable.
    """
    module, _, attribute = name.partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, SyntaxError, TypeError, ValueError) as problem:
        raise PlannerError(
            f"--external-planner {name!r} cannot be loaded ({problem}); it must be module:callable"
        ) from problem
    if not callable(found):
        raise PlannerError(
            f"--external-planner {name!r} is a {type(found).__name__} and no callable from a cloud to grasps"
        )
    return _checked(name, found)


def _checked(name: str, planner: Callable[[np.ndarray], Sequence[Any]]) -> GraspPlanner:
    def plan(cloud_world: np.ndarray) -> list[Grasp]:
        try:
            found: Any = planner(cloud_world)
        except Exception as problem:  # other people's code may raise anything
            raise PlannerError(f"{name} failed on a cloud {cloud_world.shape}: {problem!r}") from problem
        if not isinstance(found, Iterable):
            raise PlannerError(
                f"{name} returned {found!r}; expected a list of (T_world_hand (4, 4), width_m), best first"
            )
        return [check_grasp(name, one) for one in found]

    return plan


def check_grasp(name: str, given: Any) -> Grasp:
    """Make a `Grasp` from what a planner returned.

    Raises:
        PlannerError: it is no rigid pose with an opening that the hand has.
    """
    try:
        T, width_m = np.asarray(given[0], float), float(given[1])
        rigid = T.shape == (4, 4) and bool(np.allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-3))
        rigid = rigid and bool(np.linalg.det(T[:3, :3]) > 0.0)  # a mirror image is no pose
    except (TypeError, ValueError, IndexError) as problem:
        raise PlannerError(f"{name} returned {given!r}; expected (T_world_hand (4, 4), width_m)") from problem
    if not rigid or not np.isfinite(T).all() or not 0.0 <= width_m <= PANDA_HAND.opening_m:
        raise PlannerError(
            f"{name} returned a grasp with T_world_hand {T.tolist()} and width_m {width_m}; expected a rigid transform "
            f"and 0 to {PANDA_HAND.opening_m} m"
        )
    return Grasp(T, width_m)
