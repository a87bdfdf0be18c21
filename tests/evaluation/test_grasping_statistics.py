"""What stands beside the planner: planners of others, and the statistics of trials."""

from __future__ import annotations

import inspect
import textwrap
from dataclasses import replace

import numpy as np
import pytest

from evaluation.grasping.ledger import Row
from evaluation.grasping.statistics import by_object, mcnemar, shares, summary
from policies.grasping import external_planners as peers
from policies.grasping.external_planners import PeerError, check_grasp, load_peer
from policies.intervals import wilson
from robots.hand import Grasp

CLOUD = np.random.default_rng(0).uniform(0.0, 0.1, (100, 3))


def test_the_documented_peer_is_loaded_and_its_grasps_are_checked(tmp_path, monkeypatch):
    text = inspect.getdoc(peers)
    example = textwrap.dedent(text[text.index("    # mine.py") : text.index("A `Grasp` may")])
    (tmp_path / "documented_peer.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    (grasp,) = load_peer("documented_peer:from_above")(CLOUD)
    np.testing.assert_allclose(grasp.T_world_hand[:3, 3], CLOUD.mean(axis=0))
    assert isinstance(grasp, Grasp) and grasp.width_m == 0.08


@pytest.mark.parametrize("name", ["no_such_module:plan", "math:no_such", "math:pi", "math", "", ":x", "..a:b"])
def test_peers_that_cannot_be_loaded_are_named(name):
    with pytest.raises(PeerError, match=r"--peer"):
        load_peer(name)


def test_a_peer_that_fails_on_a_cloud_is_named(tmp_path, monkeypatch):
    (tmp_path / "failing_peer.py").write_text("def plan(cloud):\n    return {}['nothing']\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PeerError, match=r"failing_peer:plan failed on a cloud \(.*KeyError"):
        load_peer("failing_peer:plan")(CLOUD)


@pytest.mark.parametrize(
    "told",
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
def test_what_is_no_grasp_is_refused(told):
    with pytest.raises(PeerError, match="mine:plan returned"):
        check_grasp("mine:plan", told)


@pytest.mark.parametrize("told", [None, 3.0, (np.eye(4), 0.05), "ab"], ids=["None", "number", "one grasp", "words"])
def test_a_peer_that_returns_no_list_of_grasps_is_named(told, monkeypatch):
    monkeypatch.setattr("math.no_planner", lambda cloud_world: told, raising=False)
    load_peer.cache_clear()
    with pytest.raises(PeerError, match="math:no_planner returned"):
        load_peer("math:no_planner")(CLOUD)
    load_peer.cache_clear()


def row(task: int, cloud: str, held: bool, name: str = "thing", **more) -> Row:
    told = {"stratum": "tall", "height_m": 0.1, "friction": 0.5, "strict": held, "cause": "" if held else "slipped"}
    rest = {"cd_mm": 1.0, "width_m": 0.05, "T_world_hand": [0.0] * 16, "plan_seconds": 0.1, "shape_seconds": 0.0}
    return Row(task=task, object=name, cloud=cloud, held=held, **{**told, **rest, **more})


def test_mcnemar_is_the_exact_test_on_looks_that_differ():
    pairs = [(True, False)] * 8 + [(False, True)] + [(True, True)] * 20 + [(False, False)] * 5
    rows = [row(task, name, held) for task, both in enumerate(pairs) for name, held in zip("ab", both, strict=True)]
    rows += [row(100 + task, "a", True) for task in range(30)]  # without a partner these say nothing
    found = mcnemar(rows, "a", "b")
    assert (found.only_first, found.only_second) == (8, 1)
    assert found.p == pytest.approx(2 * (1 + 9) / 2**9, abs=1e-5)
    assert mcnemar(rows, "b", "a").p == found.p
    assert mcnemar([one for one in rows if 9 <= one.task < 34], "a", "b").p == 1.0
    with pytest.raises(ValueError, match="no look had both 'a' and 'c'"):
        mcnemar(rows, "a", "c")


def test_wilsons_interval():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)


def test_looks_at_one_object_that_agree_count_for_less(rng):
    alike = [
        row(10 * number + look, "a", number % 2 == 0, f"thing_{number}") for number in range(10) for look in range(10)
    ]
    (share,) = shares(alike, rng)
    assert share.success == 0.5 and (share.low, share.high) == wilson(50, 100)
    assert share.high_objects - share.low_objects > 2 * (share.high - share.low)
    mixed = [replace(one, held=one.task % 2 == 0) for one in alike]
    assert by_object(mixed, rng) == (0.5, 0.5), "objects that do not differ"
    assert by_object(alike, np.random.default_rng(1)) == by_object(alike, np.random.default_rng(1))


def test_figures_keep_strata_and_clouds_apart():
    rows = [row(0, "a", True), row(0, "b", False), row(1, "a", False, stratum="flat", cause="no grasp", cd_mm=3.0)]
    found = summary(rows, "a")
    assert [(one["stratum"], one["cloud"], one["success"]) for one in found["rows"]] == [
        ("tall", "a", 1.0), ("tall", "b", 0.0), ("flat", "a", 0.0),
    ]  # fmt: skip
    assert found["rows"][2]["causes"] == {"no grasp": 1} and found["rows"][2]["cd_mm"] == 3.0
    assert found["mcnemar"]["tall"]["a against b"]["only_first"] == 1
    assert summary([], "a") == {"rows": [], "mcnemar": {}}
