from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from evaluation.reliability import (
    alpha_interval,
    cohen_kappa,
    cronbach_alpha,
    krippendorff_alpha,
    mcdonald_omega,
    noise_ceiling,
    retest,
)

N = np.nan
# Krippendorff's own example (2011, "Computing Krippendorff's alpha-reliability", C): four observers, twelve units.
EXAMPLE = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
        [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
    ]
)
# The example of the software most used for it; unit 12 is rated by nobody, others once or twice.
SPARSE = np.array(
    [
        [N, N, N, N, N, 3, 4, 1, 2, 1, 1, 3, 3, N, 3],
        [1, N, 2, 1, 3, 3, 4, 3, N, N, N, N, N, N, N],
        [N, N, 2, 1, 3, 4, 4, N, 2, 1, 1, 3, 3, N, 4],
    ]
)


@pytest.mark.parametrize(("level", "expected"), [("nominal", 0.7434), ("ordinal", 0.8154), ("interval", 0.8491)])
def test_alpha_of_the_reference_table(level, expected):
    assert krippendorff_alpha(EXAMPLE, level) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("level", "expected"), [("nominal", 0.6914), ("interval", 0.8108)])
def test_alpha_with_most_ratings_missing(level, expected):
    assert krippendorff_alpha(SPARSE, level) == pytest.approx(expected, abs=1e-4)


def test_ratio_is_interval_on_a_relative_scale():
    assert krippendorff_alpha(EXAMPLE * 7, "ratio") == pytest.approx(krippendorff_alpha(EXAMPLE, "ratio"))
    assert krippendorff_alpha([[1, 2], [1, 2]], "ratio") == 1


def test_alpha_at_its_edges():
    assert krippendorff_alpha([[2, 2, 2], [2, 2, 2]]) == 1
    assert np.isnan(krippendorff_alpha([[1, N], [N, 2]]))
    assert np.isnan(krippendorff_alpha([[1, 2, 1]]))
    assert krippendorff_alpha([[0, 1], [1, 0]]) < 0
    with pytest.raises(ValueError, match="expected \\(raters, units\\)"):
        krippendorff_alpha([1, 2])
    with pytest.raises(ValueError, match="allowed are nominal"):
        krippendorff_alpha(EXAMPLE, "rank")


def test_alpha_is_near_nothing_when_raters_guess_and_its_interval_holds_it():
    rng = np.random.default_rng(0)
    found = alpha_interval(rng.integers(3, size=(4, 300)).astype(float), rng, draws=400)
    assert found.low < 0 < found.high
    assert found.low < found.mean < found.high
    assert found.high - found.low < 0.15


def test_interval_of_alpha_is_nan_where_alpha_is():
    assert np.isnan(alpha_interval([[1.0, N], [N, 2.0]], np.random.default_rng(0))).all()


def test_kappa_is_that_of_the_library_and_nan_where_nothing_varies():
    rng = np.random.default_rng(1)
    first, second = rng.integers(3, size=(2, 50))
    assert cohen_kappa(first, second) == pytest.approx(cohen_kappa_score(first, second))
    assert np.isnan(cohen_kappa([1, 1], [1, 1]))
    with pytest.raises(ValueError, match="at least one"):
        cohen_kappa([], [])


def test_ceiling_is_the_accuracy_of_who_knows_the_usual_answer():
    assert noise_ceiling(1.0) == 1
    assert noise_ceiling(1 / 3) == pytest.approx(1 / 3)
    assert noise_ceiling(0.2) == pytest.approx(1 / 3)
    usual = 0.85
    assert noise_ceiling(usual**2 + (1 - usual) ** 2 / 2) == pytest.approx(usual)
    with pytest.raises(ValueError, match="at least 2"):
        noise_ceiling(0.5, options=1)


def test_retest_finds_how_often_people_give_their_usual_answer():
    rng = np.random.default_rng(2)
    truth, people = rng.integers(3, size=4000), np.repeat(np.arange(40), 100)

    def say():
        wrong = rng.random(len(truth)) > 0.85
        return np.where(wrong, (truth + rng.integers(1, 3, len(truth))) % 3, truth)

    found = retest(say(), say(), people, rng)
    assert found.ceiling.low < 0.85 < found.ceiling.high
    assert found.ceiling.high - found.ceiling.low < 0.05
    assert found.kappa == pytest.approx((found.agreement.mean - 1 / 3) / (2 / 3), abs=0.02)
    assert found.pairs == 4000


def test_one_person_and_one_pair_are_enough_for_a_retest():
    found = retest([1], [1], ["a"], np.random.default_rng(0))
    assert found.agreement == (1, 1, 1)
    assert np.isnan(found.kappa)


def test_consistency_of_a_scale_with_one_factor():
    rng = np.random.default_rng(3)
    answers = rng.standard_normal((3000, 1)) + rng.standard_normal((3000, 5))
    expected = 5 * 0.5 / (1 + 4 * 0.5)  # Spearman and Brown: items that correlate at .5
    assert cronbach_alpha(answers) == pytest.approx(expected, abs=0.02)
    assert mcdonald_omega(answers) == pytest.approx(expected, abs=0.02)


def test_omega_does_not_ask_that_items_load_alike():
    rng = np.random.default_rng(4)
    loads = np.array([2.0, 1.0, 0.5, 0.2])
    answers = rng.standard_normal((5000, 1)) * loads + rng.standard_normal((5000, 4))
    expected = loads.sum() ** 2 / (loads.sum() ** 2 + 4)
    assert mcdonald_omega(answers) == pytest.approx(expected, abs=0.02)
    assert cronbach_alpha(answers) < mcdonald_omega(answers)


def test_consistency_at_its_edges():
    assert np.isnan(cronbach_alpha([[1, 2, 3]]))
    assert np.isnan(cronbach_alpha([[3, 3], [3, 3]]))
    assert cronbach_alpha([[1, 1], [2, 2], [N, 3]]) == 1
    assert np.isnan(mcdonald_omega([[1, 2, 1], [2, 1, 1]]))
    with pytest.raises(ValueError, match="people, items"):
        cronbach_alpha([1, 2, 3])
