"""Statistics of trials."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation.grasping.statistics import compare, shares, success, summary
from evaluation.grasping.trials import Trial


def row(task: int, cloud: str, held: bool, name: str = "thing", **more) -> Trial:
    about = {"stratum": "tall", "height_m": 0.1, "friction": 0.5, "strict": held, "cause": "" if held else "slipped"}
    rest = {"cd_mm": 1.0, "width_m": 0.05, "T_world_hand": [0.0] * 16, "plan_seconds": 0.1, "shape_seconds": 0.0}
    return Trial(task=task, object=name, cloud=cloud, held=held, **{**about, **rest, **more})


def test_clouds_are_compared_by_the_exact_test_on_views_that_differ():
    pairs = [(True, False)] * 8 + [(False, True)] + [(True, True)] * 20 + [(False, False)] * 5
    rows = [row(task, name, held) for task, both in enumerate(pairs) for name, held in zip("ab", both, strict=True)]
    rows += [row(100 + task, "a", True) for task in range(30)]  # without a partner these say nothing
    found = compare(rows, "a", "b")
    assert (found.only_first, found.only_second) == (8, 1)
    assert found.p == pytest.approx(2 * (1 + 9) / 2**9, abs=1e-5)
    assert compare(rows, "b", "a").p == found.p
    assert compare([one for one in rows if 9 <= one.task < 34], "a", "b").p == 1.0
    with pytest.raises(ValueError, match="no view had both 'a' and 'c'"):
        compare(rows, "a", "c")


def test_a_share_has_wilsons_interval():
    assert success(8, 10) == pytest.approx({"mean": 0.8, "low": 0.4902, "high": 0.9433}, abs=1e-4)
    assert success(0, 0) == {"mean": 0.0, "low": 0.0, "high": 1.0}


def test_views_of_one_object_that_agree_count_for_less(rng):
    alike = [
        row(10 * number + view, "a", number % 2 == 0, f"thing_{number}") for number in range(10) for view in range(10)
    ]
    (share,) = shares(alike, rng)
    by_view, by_object = (share[name]["high"] - share[name]["low"] for name in ("success", "success_by_object"))
    assert share["success"] == success(50, 100) and by_object > 2 * by_view
    mixed = [replace(one, held=one.task % 2 == 0) for one in alike]
    (share,) = shares(mixed, rng)
    assert share["success_by_object"] == {"mean": 0.5, "low": 0.5, "high": 0.5}, "objects that do not differ"
    assert shares(alike, np.random.default_rng(1)) == shares(alike, np.random.default_rng(1))


def test_figures_keep_strata_and_clouds_apart():
    rows = [row(0, "a", True), row(0, "b", False), row(1, "a", False, stratum="flat", cause="no grasp", cd_mm=3.0)]
    found = summary(rows, "a")
    assert [(one["stratum"], one["cloud"], one["success"]["mean"]) for one in found["rows"]] == [
        ("tall", "a", 1.0), ("tall", "b", 0.0), ("flat", "a", 0.0),
    ]  # fmt: skip
    assert found["rows"][2]["causes"] == {"no grasp": 1} and found["rows"][2]["cd_mm"] == 3.0
    assert found["mcnemar"]["tall"]["a against b"]["only_first"] == 1
    assert summary([], "a") == {"rows": [], "mcnemar": {}}
