from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp

from evaluation.statistics import (
    Interval,
    cluster_bootstrap,
    expanded_tail,
    holm,
    mcnemar,
    paired_difference,
    t_interval,
    wilson,
)


def test_interval_of_independent_values_is_that_of_the_mean():
    values = np.random.default_rng(0).normal(3, 2, 400)
    found = cluster_bootstrap(values, np.random.default_rng(1))
    assert found.mean == pytest.approx(values.mean())
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.1)


def test_what_belongs_together_is_drawn_together():
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(30), 20)
    values = rng.standard_normal(30)[clusters] + 0.01 * rng.standard_normal(600)
    apart, together = cluster_bootstrap(values, rng), cluster_bootstrap(values, rng, clusters)
    assert together.high - together.low > 3 * (apart.high - apart.low)


def test_any_statistic_of_rows():
    rows = np.random.default_rng(3).normal(size=(50, 2))
    plain = cluster_bootstrap(rows[:, 0], np.random.default_rng(0), draws=200)
    same = cluster_bootstrap(rows, np.random.default_rng(0), statistic=lambda some: float(some[:, 0].mean()), draws=200)
    assert same == pytest.approx(plain)


def test_same_seed_same_interval():
    values = np.arange(10.0)
    assert cluster_bootstrap(values, np.random.default_rng(5)) == cluster_bootstrap(values, np.random.default_rng(5))


def test_one_value_has_no_width_and_none_is_refused():
    assert cluster_bootstrap([2.0], np.random.default_rng(0)) == (2, 2, 2)
    with pytest.raises(ValueError, match="at least one"):
        cluster_bootstrap([], np.random.default_rng(0))
    with pytest.raises(ValueError, match="3 values and 2 clusters"):
        cluster_bootstrap([1, 2, 3], np.random.default_rng(0), [0, 1])


def test_ten_clusters_are_covered_as_often_as_said():
    rng = np.random.default_rng(6)
    held = 0
    for _ in range(600):
        found = cluster_bootstrap(rng.standard_normal(10), rng, draws=500)
        held += found.low <= 0 <= found.high
    assert 0.92 < held / 600 < 0.975  # plain percentiles hold 90 % of them
    ten = rng.standard_normal(10)
    plain, expanded = (cluster_bootstrap(ten, np.random.default_rng(0), expand=expand) for expand in (False, True))
    assert expanded.low < plain.low < plain.high < expanded.high
    assert expanded_tail(10**9) == pytest.approx(0.025, abs=1e-6)
    assert expanded_tail(2) < 1e-6


def test_paired_difference_ignores_what_both_share():
    rng = np.random.default_rng(4)
    shared = 100 * rng.standard_normal(200)
    found = paired_difference(shared + 1 + 0.1 * rng.standard_normal(200), shared, rng)
    assert found.low < 1 < found.high
    assert found.high - found.low < 0.1
    with pytest.raises(ValueError, match="one shape"):
        paired_difference([1.0], [1.0, 2.0], rng)


def test_wilson():
    assert wilson(0, 10).low == 0
    assert wilson(0, 10).high == pytest.approx(0.2775, abs=1e-4)
    assert wilson(81, 263) == pytest.approx((0.308, 0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    with pytest.raises(ValueError, match="n > 0"):
        wilson(0, 0)


def test_mcnemar_counts_only_those_who_differ():
    first, second = [True] * 8 + [False] * 2 + [True] * 50, [False] * 8 + [True] * 2 + [True] * 50
    found = mcnemar(first, second)
    assert found[:2] == (8, 2)
    assert found.p == pytest.approx(binomtest(8, 10).pvalue)
    assert mcnemar([True], [True]).p == 1
    with pytest.raises(ValueError, match="at least one"):
        mcnemar([], [])


def test_holm_steps_down():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]).tolist() == []


def test_interval_has_one_form_in_json():
    found = Interval(1.23456, 0.1, 2)
    assert found.as_json() == {"mean": 1.2346, "low": 0.1, "high": 2.0}
    assert f"{found:+.2f}" == "+1.23 [+0.10, +2.00]"


def test_interval_of_a_few_values_is_students():
    values = [0.71, 0.64, 0.69]
    known = ttest_1samp(values, 0).confidence_interval(0.95)
    assert t_interval(values) == pytest.approx((np.mean(values), known.low, known.high))
    assert t_interval([0.5, 0.5]) == (0.5, 0.5, 0.5)
