"""Statistics of trials."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation.grasping.ledger import Row
from evaluation.grasping.statistics import by_object, mcnemar, shares, summary
from policies.intervals import wilson


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
