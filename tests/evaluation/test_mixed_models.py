from __future__ import annotations

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit

from evaluation.mixed_models import MixedFit, fit_linear, fit_mixed, likelihood_ratio, marginal_probability


def _crossed(rng, effect, people=40, triplets=60, each=40):
    who = np.repeat(np.arange(people), each)
    which = np.concatenate([rng.choice(triplets, each, replace=False) for _ in range(people)])
    condition = np.tile(np.arange(each) % 2, people) - 0.5
    eta = 0.5 + effect * condition + rng.normal(0, 0.5, people)[who] + rng.normal(0, 0.8, triplets)[which]
    return eta, np.c_[np.ones(len(who)), condition], {"participant": who, "triplet": which}


def test_logistic_fit_recovers_what_was_planted():
    rng = np.random.default_rng(0)
    eta, X, groups = _crossed(rng, 0.6, people=120, triplets=120, each=60)
    fit = fit_mixed(rng.random(len(eta)) < expit(eta), X, groups)
    assert fit.coefficients[1] == pytest.approx(0.6, abs=0.12)
    assert fit.variances["participant"] == pytest.approx(0.25, abs=0.1)
    assert fit.variances["triplet"] == pytest.approx(0.64, abs=0.25)
    assert fit.dropped == ()


def test_ratio_finds_an_effect_and_not_none():
    rng = np.random.default_rng(1)
    eta, X, groups = _crossed(rng, 0.7)
    found = likelihood_ratio(rng.random(len(eta)) < expit(eta), X, [1], groups)
    assert found.p < 1e-3
    assert found.df == 1
    assert found.full.log_likelihood > found.null.log_likelihood
    eta, X, groups = _crossed(rng, 0.0)
    assert likelihood_ratio(rng.random(len(eta)) < expit(eta), X, [1], groups).p > 0.01


def test_ratio_keeps_its_level_over_many_null_studies():
    rng = np.random.default_rng(2)
    found = []
    for _ in range(40):
        eta, X, groups = _crossed(rng, 0.0, people=20, triplets=20, each=16)
        found.append(likelihood_ratio(rng.random(len(eta)) < expit(eta), X, [1], groups).p)
    assert np.mean(np.array(found) <= 0.05) <= 0.16
    assert 0.3 < np.mean(found) < 0.7


def test_parametric_bootstrap_is_near_chi_squared_with_many_groups_and_repeats_itself():
    rng = np.random.default_rng(3)
    eta, X, groups = _crossed(rng, 0.25, people=15, triplets=15, each=14)
    y = rng.random(len(eta)) < expit(eta)
    plain = likelihood_ratio(y, X, [1], groups)
    drawn = likelihood_ratio(y, X, [1], groups, draws=19, rng=np.random.default_rng(0))
    assert drawn.method == "parametric bootstrap"
    assert drawn.statistic == plain.statistic
    assert abs(drawn.p - plain.p) < 0.3
    assert drawn.p == likelihood_ratio(y, X, [1], groups, draws=19, rng=np.random.default_rng(0)).p


def test_crossed_linear_model():
    rng = np.random.default_rng(4)
    eta, X, groups = _crossed(rng, 0.3)
    found = likelihood_ratio(eta + 0.5 * rng.standard_normal(len(eta)), X, [1], groups, "linear")
    assert found.full.coefficients[1] == pytest.approx(0.3, abs=0.08)
    assert found.full.variances["triplet"] == pytest.approx(0.64, abs=0.35)
    drawn = likelihood_ratio(eta, X, [1], groups, "linear", draws=19, rng=rng)
    assert drawn.p == 0.05


def test_groupings_that_say_nothing_are_dropped():
    rng = np.random.default_rng(5)
    X = np.c_[np.ones(200), rng.standard_normal(200)]
    y = rng.random(200) < expit(X @ [0.2, 0.5])
    fit = fit_mixed(y, X, {"participant": np.zeros(200), "triplet": np.arange(200)})
    assert fit.dropped == ("participant", "triplet")
    assert fit.coefficients == pytest.approx(np.asarray(sm.Logit(y, X).fit(disp=False).params), abs=1e-4)
    linear = fit_mixed(X[:, 1], X[:, :1], {"participant": np.zeros(200)}, "linear")
    assert linear.coefficients == pytest.approx([X[:, 1].mean()])


def test_all_answers_the_same_decide_nothing():
    X = np.c_[np.ones(40), np.arange(40) % 2]
    for y in (np.ones(40), np.zeros(40)):
        found = likelihood_ratio(
            y, X, [1], {"participant": np.repeat(np.arange(4), 10)}, draws=5, rng=np.random.default_rng(0)
        )
        assert (found.statistic, found.p) == (0, 1)
        assert np.isnan(found.full.coefficients).all()


def test_a_condition_that_decides_everything_is_found():
    X = np.c_[np.ones(80), np.arange(80) % 2]
    found = likelihood_ratio(X[:, 1], X, [1], {"participant": np.repeat(np.arange(8), 10)})
    assert found.p < 1e-6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"y": [0, 1, 2]}, "logistic one is 0 or 1"),
        ({"y": [0, 1, np.nan]}, "leave these rows out"),
        ({"X": [[1, 0], [1, 1]]}, "expected \\(N,\\) and \\(N, K\\)"),
        ({"groups": {"participant": [1, 2]}}, "has 2 labels"),
        ({"tested": [0, 1]}, "leave one or more"),
        ({"draws": 9}, "give it a generator"),
    ],
)
def test_bad_input_is_told(change, said):
    given = {"y": [0, 1, 0], "X": [[1, 0], [1, 1], [1, 0]], "tested": [1], "groups": {"participant": [0, 0, 1]}}
    with pytest.raises(ValueError, match=said):
        likelihood_ratio(**{**given, **change})


def test_marginal_probability_is_nearer_to_a_half_than_that_of_the_typical_person():
    fit = MixedFit(np.array([1.0, 0.5]), 0.0, {"participant": 1.0, "triplet": 2.0}, ())
    rows = np.array([[1.0, 0.0], [1.0, 1.0]])
    z = np.random.default_rng(6).standard_normal(1_000_000) * np.sqrt(3)
    expected = [expit(1 + z).mean(), expit(1.5 + z).mean()]
    assert marginal_probability(fit, rows) == pytest.approx(expected, abs=2e-3)
    assert (marginal_probability(fit, rows) < expit(rows @ fit.coefficients)).all()


def _no_groups(seed, groups=12, each=6):
    rng = np.random.default_rng(seed)
    X = np.c_[np.ones(groups * each), np.tile([0, 1], groups * each // 2)]
    return 0.42 + 0.276 * X[:, 1] + rng.normal(0, 1, len(X)), X, np.repeat(np.arange(groups), each)


def test_the_optimiser_that_ends_at_nothing_is_not_used():
    """With lbfgs statsmodels can give an intercept of exactly 0 and call it converged; here it would, in 0.15."""
    fell = 0
    for seed in range(12):
        y, X, groups = _no_groups(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = sm.MixedLM(y, X, groups=groups).fit(method="lbfgs")
        fell += bool(theirs.converged and abs(np.asarray(theirs.params)[0]) < 1e-9)
        ours = fit_linear(y, X, groups)
        assert ours.coefficients == pytest.approx(np.linalg.lstsq(X, y, rcond=None)[0], abs=1e-3)
        assert (ours.standard_errors > 0.02).all()
    if not fell:
        pytest.skip("this statsmodels does not end at nothing; ours was right all the same")


def test_groups_that_do_not_differ_give_least_squares_with_clustered_errors():
    y, X, groups = next(one for one in map(_no_groups, range(50)) if fit_linear(*one).method == "clustered")
    found = fit_linear(y, X, groups)
    expected = sm.OLS(y, X).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    assert found.coefficients == pytest.approx(np.asarray(expected.params))
    assert found.p == pytest.approx(np.asarray(expected.pvalues))
    assert found.group_variance == 0


def test_linear_mixed_model_recovers_groups_and_effect():
    rng = np.random.default_rng(7)
    y, X, groups = _no_groups(0, groups=200, each=6)
    found = fit_linear(y + 1.5 * rng.standard_normal(200)[groups], X, groups)
    assert found.method == "mixed"
    assert found.group_variance == pytest.approx(2.25, rel=0.25)
    assert found.coefficients[1] == pytest.approx(0.276, abs=0.15)
    assert found.standard_errors[1] == pytest.approx(2 / np.sqrt(1200), rel=0.1)


def test_linear_edges():
    y, X, groups = _no_groups(1)
    assert fit_linear(y, X, np.zeros(len(y))).method == "ols"
    assert fit_linear(y, X, np.arange(len(y))).method == "clustered"
    with pytest.raises(ValueError, match="expected as many"):
        fit_linear(y, X, groups[:5])
