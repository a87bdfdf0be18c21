from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from evaluation.allocation import (
    AllocationRule,
    allocate,
    arm_state,
    likelihood_ratio,
    next_arm,
    operating_characteristics,
    randomisation_test,
)
from evaluation.gittins import gittins_factors, index_factor

N = [1, 2, 3, 5, 10, 20, 50, 100, 200]
PUBLISHED = {  # computed apart from this code, on another grid
    ("reward", 0.99): [6.502, 3.423, 2.546, 1.910, 1.466, 1.246, 1.107, 1.057, 1.030],
    ("reward", 0.95): [2.979, 2.007, 1.680, 1.417, 1.217, 1.113, 1.047, 1.024, 1.012],
    ("reward", 0.90): [2.193, 1.637, 1.438, 1.272, 1.142, 1.073, 1.030, 1.015, 1.008],
    ("cost", 0.99): [0.321, 0.443, 0.519, 0.613, 0.730, 0.824, 0.909, 0.948, 0.972],
    ("cost", 0.95): [0.467, 0.594, 0.667, 0.750, 0.841, 0.906, 0.957, 0.977, 0.988],
    ("cost", 0.90): [0.555, 0.676, 0.741, 0.812, 0.886, 0.935, 0.971, 0.985, 0.992],
}


@pytest.mark.parametrize("case", PUBLISHED)
def test_table_to_three_digits(case):
    goal, discount = case
    assert index_factor(np.array(N), discount, goal) == pytest.approx(PUBLISHED[case], abs=1.1e-3)


@pytest.mark.parametrize("goal", ["reward", "cost"])
def test_table_is_what_dynamic_programming_gives(goal):
    factors = gittins_factors(0.9, goal, horizon=200, points=1501, nodes=48)
    n = np.arange(1, 60)
    assert index_factor(n, 0.9, goal) == pytest.approx(factors[n], abs=2e-3)


def test_what_is_known_little_is_worth_trying():
    n = np.arange(1, 1000)
    rewards, costs = index_factor(n, 0.99, "reward"), index_factor(n, 0.99, "cost")
    assert (rewards > 1).all()
    assert (costs < 1).all()
    assert (np.diff(rewards) <= 1e-5).all()
    assert (np.diff(costs) >= -1e-5).all()


def test_index_against_a_known_arm_by_simulation():
    """At the index, going on with the arm for its best number of steps earns as much as the known arm: here d is small
    enough that looking two steps ahead is nearly all.
    """
    factors = gittins_factors(0.5, "reward", horizon=60, points=1501, nodes=64)
    rng = np.random.default_rng(0)
    n, d, total = 2, 0.5, 2 / factors[2]
    rate = rng.gamma(n + 1, 1 / total, size=400_000)
    gain, weight, alive, count = np.zeros(len(rate)), 1.0, np.ones(len(rate), bool), n
    held = np.full(len(rate), total)
    for _ in range(12):
        reward = rng.standard_exponential(len(rate)) / rate
        gain += weight * alive * (reward - 1)
        held += reward
        count, weight = count + 1, weight * d
        alive = alive & (held / count * factors[count] > 1)  # stop when the known arm is better
    assert gain.mean() == pytest.approx(0, abs=5 * gain.std() / np.sqrt(len(gain)))


def test_bad_questions_to_the_table():
    with pytest.raises(ValueError, match="tabled are"):
        index_factor(np.array([1]), 0.8)
    with pytest.raises(ValueError, match="allowed are reward, cost"):
        index_factor(np.array([1]), 0.9, "profit")
    with pytest.raises(ValueError, match="first outcome"):
        index_factor(np.array([0]))
    with pytest.raises(ValueError, match="0 < d < 1"):
        gittins_factors(1.0)


def _exponential(runs, people, means, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_exponential((runs, people, len(means))) * np.asarray(means), rng


@pytest.mark.parametrize("kind", ["gittins", "thompson", "thompson-lognormal"])
@pytest.mark.parametrize("goal", ["reward", "cost"])
def test_the_better_arm_gets_more_and_the_floor_holds(kind, goal):
    outcomes, rng = _exponential(200, 100, (0.3, 0.9))
    arms = allocate(AllocationRule(kind, goal, floor=5, prior_mean=0.5), outcomes, rng)
    better = (arms == (1 if goal == "reward" else 0)).mean(axis=1)
    assert better.mean() > 0.65
    assert better.max() <= 0.81
    assert (arms == 0).sum(axis=1).min() >= 19
    assert (arms == 1).sum(axis=1).min() >= 19


def test_equal_allocation_is_equal_at_every_point():
    outcomes, rng = _exponential(50, 99, (1.0, 2.0, 3.0))
    arms = allocate(AllocationRule("equal"), outcomes, rng)
    counts = np.stack([(arms == arm).cumsum(axis=1) for arm in range(3)])
    assert (counts.max(axis=0) - counts.min(axis=0)).max() == 1
    assert len(np.unique(arms[:, 0])) == 3


def test_outcomes_that_are_not_known_yet_do_not_count():
    outcomes, rng = _exponential(300, 10, (1.0, 1000.0))
    arms = allocate(AllocationRule("gittins", floor=50, batch=10), outcomes, rng)
    assert (arms == 1).mean() == pytest.approx(0.5, abs=0.06)
    at_once = allocate(AllocationRule("gittins", floor=50), outcomes, rng)
    assert (at_once == 1).mean() > 0.8


def test_next_arm_of_one_running_trial():
    rule, rng = AllocationRule("gittins", floor=5), np.random.default_rng(0)
    state = arm_state([0, 1, 0, 1, 1], [0.1, 4.0, 0.1, 5.0, np.nan], 2)
    assert state.known.tolist() == [[2, 2]]
    assert state.allocated.tolist() == [[2, 3]]
    assert next_arm(rule, state, rng).tolist() == [1]
    starved = arm_state([1] * 9, [1.0] * 9, 2)
    assert next_arm(rule, starved, rng).tolist() == [0]
    assert arm_state([], [], 3).known.tolist() == [[0, 0, 0]]


def test_bad_trials_are_told():
    with pytest.raises(ValueError, match="outcomes are above 0"):
        arm_state([0, 1], [1.0, 0.0], 2)
    with pytest.raises(ValueError, match="allowed are 0 to 1"):
        arm_state([0, 2], [1.0, 1.0], 2)
    with pytest.raises(ValueError, match="kind 'best' came"):
        AllocationRule("best")
    with pytest.raises(ValueError, match="mean is above 0"):
        AllocationRule(prior_mean=0)
    with pytest.raises(ValueError, match="two or more"):
        randomisation_test(AllocationRule(), [0], [1.0], 2, np.random.default_rng(0))


def test_likelihood_ratio_is_that_of_the_exponential():
    arms, outcomes = np.array([[0, 0, 1, 1]]), np.array([[1.0, 3.0, 5.0, 7.0]])
    own = -(2 * np.log(2) + 2) - (2 * np.log(6) + 2)
    assert likelihood_ratio(arms, outcomes, 2) == pytest.approx(2 * (own + 4 * np.log(4) + 4))
    assert likelihood_ratio(np.zeros((1, 4), int), outcomes, 2) == pytest.approx(0)


@pytest.mark.parametrize("kind", ["equal", "gittins", "thompson"])
def test_randomisation_keeps_its_level_where_arms_are_alike(kind):
    rule = AllocationRule(kind, floor=20, prior_mean=0.5)
    found = operating_characteristics(rule, (0.5, 0.5), 40, np.random.default_rng(1), 300, 300, 79)
    assert kstest(found.randomisation_p, "uniform").pvalue > 0.001
    assert (found.randomisation_p <= 0.05).mean() < 0.09


def test_randomisation_holds_where_outcomes_are_not_exponential():
    rng, rule = np.random.default_rng(2), AllocationRule("gittins", prior_mean=1.0)
    found = []
    for _ in range(120):
        would = rng.lognormal(0, 1.5, size=(1, 30, 2))
        arms = allocate(rule, would, rng)
        got = np.take_along_axis(would, arms[:, :, None].astype(int), axis=2)[0, :, 0]
        found.append(randomisation_test(rule, arms[0], got, 2, rng, 79).p)
    assert (np.array(found) <= 0.05).mean() <= 0.11


def test_a_large_difference_is_found_and_pays():
    rng = np.random.default_rng(3)
    equal = operating_characteristics(AllocationRule("equal"), (0.5, 0.1), 60, rng, 200, 60, 99)
    clever = operating_characteristics(AllocationRule("gittins", prior_mean=0.5), (0.5, 0.1), 60, rng, 200, 60, 99)
    assert (equal.randomisation_p <= 0.05).mean() > 0.95
    assert (clever.randomisation_p <= 0.05).mean() > 0.9
    assert clever.total.mean() > 1.2 * equal.total.mean()
    assert equal.f_p.max() < 0.2


@pytest.mark.parametrize("kind", ["gittins", "thompson", "thompson-lognormal"])
def test_whoever_takes_part_at_the_same_time_is_allocated_without_the_others_outcomes(kind):
    rule, seed = AllocationRule(kind, floor=100), 4
    outcomes = np.random.default_rng(0).exponential([1.0, 9.0], (20, 30, 2))
    at_once = allocate(rule, outcomes, np.random.default_rng(seed))
    everything = np.tri(30, k=-1, dtype=bool)
    assert (allocate(rule, outcomes, np.random.default_rng(seed), everything) == at_once).all()
    nothing = allocate(rule, outcomes, np.random.default_rng(seed), np.zeros((30, 30), bool))
    assert at_once.mean() > 0.75 > nothing.mean() > 0.25
    arms, found = nothing[0], outcomes[0][np.arange(30), nothing[0]]
    late = randomisation_test(rule, arms, found, 2, np.random.default_rng(1), 199, np.zeros((30, 30), bool))
    assert late.statistic == randomisation_test(rule, arms, found, 2, np.random.default_rng(1), 199).statistic
    assert late.p <= 0.05
