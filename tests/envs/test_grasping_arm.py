import numpy as np
import pytest

from envs.grasping.by_arm import execute_by_arm
from envs.grasping.objects import lowest, resting
from geometry.objects import household_object
from geometry.transforms import transform, transform_points
from robots.arm import ReachError
from robots.hand import Grasp


def standing(model):
    return transform(np.eye(3), (0.0, 0.0, -lowest(model, np.eye(3)) + 0.001))


def across(model, T, x=0.0):
    """From above, a quarter down the object, closing along its narrowest level side."""
    size = np.ptp(transform_points(T, model.mesh.vertices), axis=0)
    turn = np.diag([1.0, -1.0, -1.0]) if size[1] <= size[0] else np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]])
    return Grasp(transform(turn, (x, 0.0, max(0.75 * size[2], size[2] - 0.03))), 0.08)


def test_the_arm_passes_over_what_it_cannot_reach_and_holds_the_rest():
    model = household_object("can_900")
    T = standing(model)
    steps = []
    with resting([model], [T]) as table:
        table.settle()
        good = across(model, table.poses()[0])
        known = transform_points(table.poses()[0], model.mesh.vertices)
        done = execute_by_arm(
            table, [across(model, T, x=2.0), good], known, np.random.default_rng(0), watch=lambda *_: steps.append(1)
        )
        assert done.passed_over == 1
        assert done.grasp is good
        assert done.outcome.held, done.outcome.cause
        assert len(steps) > 500
        assert table.world.client.getNumBodies() == 2, "nothing of the arm or of its ways stays"


def test_grasps_out_of_reach_alone_are_an_error():
    model = household_object("can_900")
    T = standing(model)
    with resting([model], [T]) as table:
        known = transform_points(T, model.mesh.vertices)
        with pytest.raises(ReachError, match="none of 1"):
            execute_by_arm(table, [across(model, T, x=2.0)], known, np.random.default_rng(0))
        with pytest.raises(ReachError, match="none of 0"):
            execute_by_arm(table, [], known, np.random.default_rng(0))
