from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student_t
from scipy.stats import ttest_1samp, wilcoxon

from evaluation.effects import equivalence, hedges_g, hedges_gz, rank_biserial
from evaluation.ordinal import fit_ordinal


def test_paired_size_is_the_mean_over_the_deviation_corrected():
    differences = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    found = hedges_gz(differences, np.random.default_rng(0), 500)
    assert found.mean == pytest.approx(3 / differences.std(ddof=1) * 0.7979, abs=1e-3)  # J(4), Hedges 1981, table 1
    assert found.low < found.mean < found.high


def test_intervals_of_sizes_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    held = [hedges_gz(rng.normal(0.5, 1, 40), rng, 400) for _ in range(150)]
    assert np.mean([one.mean for one in held]) == pytest.approx(0.5, abs=0.05)
    assert 0.89 <= np.mean([one.low < 0.5 < one.high for one in held]) <= 1


def test_size_between_groups():
    rng = np.random.default_rng(2)
    found = hedges_g(rng.normal(1, 2, 400), rng.normal(0, 2, 300), rng, 400)
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.4


@pytest.mark.parametrize("differences", [[], [1.0], [2.0, 2.0, 2.0], [0.0] * 5, [np.nan, 1.0]])
def test_sizes_without_spread_are_nan(differences):
    assert np.isnan(hedges_gz(differences, np.random.default_rng(0))).all()
    assert np.isnan(hedges_g(differences, differences, np.random.default_rng(0))).all()


def test_equivalence_is_the_larger_of_two_one_sided_tests():
    differences = np.random.default_rng(3).normal(0.1, 1, 50)
    found = equivalence(differences, -0.5, 0.5)
    assert found.p_low == pytest.approx(ttest_1samp(differences, -0.5, alternative="greater").pvalue)
    assert found.p_high == pytest.approx(ttest_1samp(differences, 0.5, alternative="less").pvalue)
    assert found.p == max(found.p_low, found.p_high)


def test_equivalence_keeps_its_level_at_the_bound():
    rng = np.random.default_rng(4)
    found = [equivalence(rng.normal(0.3, 1, 60), -0.3, 0.3).p <= 0.05 for _ in range(400)]
    assert np.mean(found) < 0.08


def test_equivalence_of_groups_and_its_edges():
    rng = np.random.default_rng(5)
    assert equivalence(rng.normal(0, 1, 300), -0.5, 0.5, rng.normal(0, 1, 300)).p < 0.001
    assert equivalence([0.0, 0.0], -1, 1).p == 0
    assert equivalence([2.0, 2.0], -1, 1).p == 1
    with pytest.raises(ValueError, match="must be below"):
        equivalence([1.0, 2.0], 1, -1)
    with pytest.raises(ValueError, match="fewer than two"):
        equivalence([1.0], -1, 1)


def test_rank_biserial_is_the_signed_share_of_ranks():
    rng = np.random.default_rng(6)
    differences = rng.normal(0.4, 1, 30)
    total = 30 * 31 / 2
    assert rank_biserial(differences) == pytest.approx(
        1 - 2 * (total - wilcoxon(differences, alternative="greater").statistic) / total
    )
    assert rank_biserial([1, 2, 3]) == 1
    assert rank_biserial([-1, 1]) == 0
    assert np.isnan(rank_biserial([0, 0]))


def _ratings(rng, people, each, effect, spread=0.0):
    who = np.repeat(np.arange(people), each)
    condition = np.tile(np.arange(each) % 2, people)
    latent = effect * condition + spread * rng.standard_normal(people)[who] + rng.logistic(size=len(who))
    return np.digitize(latent, [-2, -0.5, 0.5, 2]) + 1, condition[:, None].astype(float), who


def test_cumulative_link_finds_effect_and_thresholds():
    rng = np.random.default_rng(7)
    ratings, X, who = _ratings(rng, 150, 20, 0.8)
    found = fit_ordinal(ratings, X, who)
    assert found.coefficients == pytest.approx([0.8], abs=3 * found.standard_errors[0])
    assert found.standard_errors[0] < 0.1
    assert found.thresholds == pytest.approx([-2, -0.5, 0.5, 2], abs=0.2)
    assert found.p[0] < 1e-6


def test_cumulative_link_keeps_its_level_with_people_who_differ():
    rng = np.random.default_rng(8)
    found = [fit_ordinal(*_ratings(rng, 25, 6, 0.0, 1.5)).p[0] for _ in range(30)]
    assert np.mean(np.array(found) <= 0.05) <= 0.17


def test_few_items_count_as_few():
    rng = np.random.default_rng(10)
    ratings, X, who = _ratings(rng, 40, 6, 0.5)
    found = fit_ordinal(ratings, X, who, np.tile(np.arange(6), 40))
    expected = 2 * student_t.sf(np.abs(found.coefficients) / found.standard_errors, 5)
    assert found.p == pytest.approx(expected)


def test_only_the_order_of_ratings_counts():
    rng = np.random.default_rng(9)
    ratings, X, who = _ratings(rng, 20, 6, 0.5)
    assert fit_ordinal(np.exp(ratings), X, who).coefficients == pytest.approx(fit_ordinal(ratings, X, who).coefficients)


def test_ordinal_edges():
    assert np.isnan(fit_ordinal([1, 2, 2, 1], [[0.0], [1.0], [0.0], [1.0]], ["a"] * 4).p).all()
    with pytest.raises(ValueError, match="are the same"):
        fit_ordinal([3, 3], [[0.0], [1.0]], ["a", "b"])
    with pytest.raises(ValueError, match="leave these rows out"):
        fit_ordinal([1, np.nan], [[0.0], [1.0]], ["a", "b"])
    with pytest.raises(ValueError, match="expected"):
        fit_ordinal([1, 2], [0.0, 1.0], ["a", "b"])
