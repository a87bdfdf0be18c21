from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_expit

from policies.taste.preferences import (
    Comparisons,
    Preference,
    Prior,
    choose_question,
    fit_reward,
    information_gain,
)

ONE = [Prior(2.0, 0.0)]


def answered(n: int, weights: np.ndarray, rng: np.random.Generator, sharpness: float = 1.0) -> Comparisons:
    """n noisy answers, the feelings (rows of the weights) in turn."""
    emotions = np.arange(n) % len(weights)
    differences = rng.normal(size=(n, weights.shape[1]))
    gains = sharpness * (differences * weights[emotions]).sum(axis=1)
    first = rng.random(n) < 1 / (1 + np.exp(-gains))
    return Comparisons(np.where(first[:, None], differences, -differences), emotions)


def test_the_mode_is_that_of_the_posterior_in_the_weights(rng):
    given = answered(25, np.array([[1.0, -2.0, 0.5]]), rng)
    found = fit_reward(given, 1, ONE)
    loss = lambda w: -log_expit(given.differences @ w).sum() + 0.5 * w @ w / 4.0  # noqa: E731
    best = minimize(loss, np.zeros(3), tol=1e-10)
    assert found.mean[0] == pytest.approx(best.x, abs=1e-4)
    likely = 1 / (1 + np.exp(-given.differences @ best.x))
    curvature = given.differences.T * (likely * (1 - likely)) @ given.differences + np.eye(3) / 4.0
    assert found.covariance[0] == pytest.approx(np.linalg.inv(curvature), abs=1e-4)


def test_a_mean_believed_before_shifts_the_posterior(rng):
    given = answered(12, np.array([[1.0, 0.0]]), rng)
    before = np.array([[0.0, 3.0]])
    found = fit_reward(given, 1, ONE, mean=before)
    loss = lambda w: -log_expit(given.differences @ w).sum() + 0.5 * ((w - before[0]) ** 2).sum() / 4.0  # noqa: E731
    assert found.mean[0] == pytest.approx(minimize(loss, np.zeros(2), tol=1e-10).x, abs=1e-4)


def test_a_few_answers_find_the_direction_of_what_is_liked(rng):
    weights = np.array([[2.0, -1.0, 0.0, 0.5]])
    agreement = [
        np.corrcoef(fit_reward(answered(n, weights, rng, 3.0), 1).mean[0], weights[0])[0, 1] for n in (10, 100)
    ]
    assert agreement[1] > 0.9
    unsure, sure = (fit_reward(answered(n, weights, rng, 3.0), 1, ONE) for n in (10, 100))
    assert np.trace(sure.covariance[0]) < np.trace(unsure.covariance[0])


def test_feelings_learn_from_each_other_only_where_they_share(rng):
    differences = np.eye(3)[rng.integers(3, size=30)]
    about_first = Comparisons(differences, np.zeros(30, int))
    alone, together = (fit_reward(about_first, 2, [Prior(2.0, sharing)]) for sharing in (0.0, 0.9))
    assert np.abs(alone.mean[1]).max() < 1e-9
    assert np.trace(alone.covariance[1]) == pytest.approx(12.0)
    assert together.mean[1].min() > 0.5
    assert together.answers.tolist() == [30, 0]


def test_likings_that_agree_are_found_to_be_shared(rng):
    same = np.tile(rng.normal(size=(1, 4)), (8, 1))
    priors = [Prior(2.0, 0.1), Prior(2.0, 0.9)]
    assert fit_reward(answered(200, same, rng, 3.0), 8, priors).prior.sharing == 0.9
    assert fit_reward(answered(200, rng.normal(size=(8, 4)), rng, 3.0), 8, priors).prior.sharing == 0.1


def test_an_average_over_priors_lies_between_them(rng):
    given = answered(20, rng.normal(size=(2, 3)), rng)
    priors = [Prior(1.0, 0.5), Prior(3.0, 0.5)]
    low, high = (fit_reward(given, 2, [prior]) for prior in priors)
    both = fit_reward(given, 2, priors)
    assert np.linalg.norm(low.mean) < np.linalg.norm(both.mean) < np.linalg.norm(high.mean)


def test_no_answers_give_the_prior_back():
    found = fit_reward(Comparisons(np.zeros((0, 5)), np.zeros(0, int)), 3, ONE)
    assert np.array_equal(found.mean, np.zeros((3, 5)))
    assert np.array_equal(found.covariance[2], 4.0 * np.eye(5))


def test_samples_spread_as_the_posterior_does(rng):
    found = fit_reward(answered(30, np.array([[1.0, -1.0]]), rng), 1, ONE)
    drawn = found.samples(0, 20_000, rng)
    assert drawn.mean(axis=0) == pytest.approx(found.mean[0], abs=0.05)
    assert np.cov(drawn.T) == pytest.approx(found.covariance[0], abs=0.1)
    mean, spread = found.value(0, np.eye(2))
    assert mean == pytest.approx(found.mean[0])
    assert spread**2 == pytest.approx(np.diag(found.covariance[0]))


def test_wild_answers_stay_finite(rng):
    differences = 1e3 * rng.normal(size=(100, 4))
    found = fit_reward(Comparisons(np.vstack([differences, -differences]), np.zeros(200, int)), 1)
    assert np.isfinite(found.mean).all()
    assert np.isfinite(found.covariance).all()


def test_the_most_informative_question_is_one_about_what_is_not_known(rng):
    samples = np.stack([rng.normal(size=500), np.full(500, 3.0)], axis=1)
    known, unknown, nothing = information_gain(np.array([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]]), samples)
    assert unknown > 0.2
    assert known == pytest.approx(0.0, abs=1e-9)
    assert nothing == pytest.approx(0.0, abs=1e-9)


def test_one_question_in_seven_is_random(rng):
    found = fit_reward(answered(10, np.array([[1.0, -1.0]]), rng), 1, ONE)
    items = rng.normal(size=(50, 2))
    asked = [choose_question(found, 0, items, rng, samples=8, pool=8) for _ in range(400)]
    assert 0.09 < np.mean([question.purpose == "random" for question in asked]) < 0.21
    assert all(question.first != question.second for question in asked)
    with pytest.raises(ValueError, match="compares two"):
        choose_question(found, 0, items[:1], rng)


def test_answers_are_looked_up_and_strange_ones_refused(rng):
    items = rng.normal(size=(4, 3))
    found = Comparisons.of([Preference(2, 1, "sad")], items, ("happy", "sad"))
    assert np.array_equal(found.differences, items[[2]] - items[[1]])
    assert found.emotions.tolist() == [1]
    with pytest.raises(ValueError, match="4 items"):
        Comparisons.of([Preference(4, 1, "sad")], items, ("happy", "sad"))
    with pytest.raises(ValueError, match="'bored'"):
        Comparisons.of([Preference(0, 1, "bored")], items, ("happy", "sad"))
    with pytest.raises(ValueError, match="counted from 0"):
        fit_reward(found, 1)
    with pytest.raises(ValueError, match="not finite"):
        Comparisons(np.full((1, 3), np.nan), np.zeros(1, int))
