"""Planners of others: loaded by name, and what they return is checked."""

from __future__ import annotations

import inspect
import textwrap

import numpy as np
import pytest

from policies.grasping import external_planners
from policies.grasping.external_planners import PlannerError, check_grasp, load_external_planner
from robots.hand import Grasp

CLOUD = np.random.default_rng(0).uniform(0.0, 0.1, (100, 3))


def test_the_documented_planner_is_loaded_and_its_grasps_are_checked(tmp_path, monkeypatch):
    text = inspect.getdoc(external_planners)
    example = textwrap.dedent(text[text.index("    # mine.py") : text.index("A `Grasp` may")])
    (tmp_path / "documented_planner.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    (grasp,) = load_external_planner("documented_planner:from_above")(CLOUD)
    np.testing.assert_allclose(grasp.T_world_hand[:3, 3], CLOUD.mean(axis=0))
    assert isinstance(grasp, Grasp) and grasp.width_m == 0.08


@pytest.mark.parametrize("name", ["no_such_module:plan", "math:no_such", "math:pi", "math", "", ":x", "..a:b"])
def test_external_planners_that_cannot_be_loaded_are_named(name):
    with pytest.raises(PlannerError, match=r"--external-planner"):
        load_external_planner(name)


def test_a_external_planner_that_fails_on_a_cloud_is_named(tmp_path, monkeypatch):
    (tmp_path / "failing_planner.py").write_text("def plan(cloud):\n    return {}['nothing']\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PlannerError, match=r"failing_planner:plan failed on a cloud \(.*KeyError"):
        load_external_planner("failing_planner:plan")(CLOUD)


@pytest.mark.parametrize(
    "given",
    [
        None,
        7,
        (np.eye(4),),
        (np.eye(3), 0.05),
        (2 * np.eye(4), 0.05),
        (np.eye(4), 0.2),
        (np.eye(4), np.nan),
        (np.full((4, 4), np.nan), 0.05),
        (np.diag([1.0, 1.0, -1.0, 1.0]), 0.05),
        ("here", 0.05),
    ],
    ids=["None", "number", "no width", "3 by 3", "scaled", "too wide", "NaN width", "NaN", "mirrored", "words"],
)
def test_what_is_no_grasp_is_refused(given):
    with pytest.raises(PlannerError, match="mine:plan returned"):
        check_grasp("mine:plan", given)


@pytest.mark.parametrize("given", [None, 3.0, (np.eye(4), 0.05), "ab"], ids=["None", "number", "one grasp", "words"])
def test_a_external_planner_that_returns_no_list_of_grasps_is_named(given, monkeypatch):
    monkeypatch.setattr("math.no_planner", lambda cloud_world: given, raising=False)
    load_external_planner.cache_clear()
    with pytest.raises(PlannerError, match="math:no_planner returned"):
        load_external_planner("math:no_planner")(CLOUD)
    load_external_planner.cache_clear()
