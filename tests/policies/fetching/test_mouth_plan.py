from __future__ import annotations

import numpy as np
import pytest

from control.reaching import Reach
from geometry.meshes import sample_surface
from geometry.solids import Solid, at, box, turned
from geometry.transforms import inverse, transform_points
from policies.fetching.mouth_plan import MouthConfig, MouthPlanner
from policies.grasping.planner import PlanningScene

CAN = turned([(0.03, 0.0), (0.03, 0.1)])
BRICK = box(0.12, 0.05, 0.06)


@pytest.fixture(scope="module")
def planner() -> MouthPlanner:
    return MouthPlanner()


def scene(solid: Solid) -> PlanningScene:
    return PlanningScene(sample_surface(solid.surface, 3000, np.random.default_rng(0))[0])


@pytest.mark.parametrize("solid", [CAN, BRICK], ids=["can", "brick"])
def test_what_lies_on_the_ground_is_reached_straight_and_lifted_straight(planner, solid):
    found = planner.plan(scene(at(solid, 1.0, 0.5, 0.0)), heading=0.4)
    assert found is not None
    hands = [found.T_world_stance @ planner.reacher.hand(pose) for pose in (*found.approach, *found.lift)]
    goal = found.grasp.T_world_hand
    np.testing.assert_allclose(hands[len(found.approach) - 1], goal, atol=1e-6)
    local = [inverse(goal) @ hand for hand in hands[: len(found.approach)]]
    assert np.abs([hand[:2, 3] for hand in local]).max() < 2e-3  # straight along the way that the mouth comes
    assert local[0][2, 3] == pytest.approx(-planner.config.before_m, abs=2e-3)
    assert hands[-1][2, 3] - goal[2, 3] == pytest.approx(planner.config.lift_m, abs=2e-3)
    assert np.hypot(*(goal[:2, 3] - (1.0, 0.5))) < 0.06
    assert all(planner.reacher.stands(pose) for pose in (*found.approach, *found.lift))


def test_the_dog_stands_level_near_the_thing_and_not_on_it(planner):
    found = planner.plan(scene(at(CAN, 1.0, 0.5, 0.0)), heading=0.4)
    np.testing.assert_allclose(found.T_world_stance[2], (0.0, 0.0, 1.0, 0.0), atol=1e-12)
    assert 0.28 < np.hypot(*(found.T_world_stance[:2, 3] - (1.0, 0.5))) < 0.5


def test_a_place_that_is_not_free_is_not_stood_on(planner):
    thing = scene(at(CAN, 1.0, 0.5, 0.0))
    freely = planner.plan(thing, heading=0.0)
    first = freely.T_world_stance[:2, 3]
    moved = planner.plan(thing, 0.0, lambda place: np.hypot(*(place - first)) > 0.4)
    assert np.hypot(*(moved.T_world_stance[:2, 3] - first)) > 0.4
    assert planner.plan(thing, 0.0, lambda place: False) is None


def test_from_where_it_stands_it_grasps_again_or_says_that_it_cannot(planner):
    thing = at(CAN, 1.0, 0.5, 0.0)
    found = planner.plan(scene(thing), heading=0.0)
    again = planner.from_stance(scene(at(CAN, 1.015, 0.49, 0.0)), found.T_world_stance)
    assert again is not None
    np.testing.assert_array_equal(again.T_world_stance, found.T_world_stance)
    assert planner.from_stance(scene(at(CAN, 3.0, 0.5, 0.0)), found.T_world_stance) is None


def test_a_way_on_which_the_mouth_swings_through_what_it_is_to_grasp_is_not_free(planner):
    first = Reach(np.array([-0.06, 0.04, 0.318, -0.07, 0.3, 0.248]), np.array([-0.45, 0.92, 0.04, -1.2, 1.75]))
    x, y = (planner.reacher.hand(first) @ (0.0, 0.0, 0.08, 1.0))[:2]
    bottle = scene(at(turned([(0.033, 0.0), (0.033, 0.24)]), x, y, 0.0)).target
    elsewhere = bottle + np.array([1.0, 0.0, 0.0])
    assert not planner.is_free(first, 0.075, bottle)
    assert planner.is_free(first, 0.075, elsewhere)
    deep = first._replace(trunk=first.trunk - (0.0, 0.0, 0.08, 0.0, 0.0, 0.0))
    assert not planner.is_free(deep, 0.075, elsewhere), "the ground is there too"


def test_a_grasp_whose_way_down_is_barred_is_not_planned(planner):
    can = scene(at(CAN, 1.0, 0.5, 0.0))
    found = planner.plan(can, heading=0.0)
    x, y, _ = planner.reacher.hand(found.approach[0])[:3, 3]
    roof = np.stack(np.meshgrid(np.linspace(-0.1, 0.1, 30), np.linspace(-0.1, 0.1, 30)), axis=-1).reshape(-1, 2)
    high = transform_points(found.T_world_stance, np.column_stack([roof + np.array([x, y]), np.full(len(roof), 0.32)]))
    assert planner.from_stance(can, found.T_world_stance) is not None
    assert planner.from_stance(can._replace(others=high), found.T_world_stance) is None


def test_what_is_wider_than_the_mouth_is_left(planner):
    assert planner.plan(scene(box(0.2, 0.2, 0.2)), heading=0.0) is None


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="before_m"):
        MouthConfig(before_m=0.5)
