from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from policies.taste.choice import (
    CLEAN,
    Person,
    Population,
    careless,
    choice_probabilities,
    draw_person,
    pair_distances,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_probabilities_sum_to_one_for_all_sorts_of_people():
    distances = rng().random((50, 3))
    for seed in range(30):
        person = draw_person(Population(), rng(seed))
        found = choice_probabilities(distances, person, np.arange(50))
        assert found.shape == (50, 4)
        assert (found >= 0).all()
        np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_without_habits_it_is_a_softmax_over_pairs():
    distances = rng().random((20, 3))
    found = choice_probabilities(distances, Person(temperature=0.2, lapse=0.0))
    np.testing.assert_allclose(found[:, :3], softmax(-distances / 0.2, axis=1))
    np.testing.assert_allclose(found[:, 3], 0.0)


def test_habit_doubt_and_fatigue_show():
    equal = np.full((1, 3), 0.3)
    left = choice_probabilities(equal, Person(lapse=0.0, position_bias=(0.1, 0.0, 0.0)))[0]
    assert left[0] > 2 * left[1]
    unsure = Person(lapse=0.0, cannot_tell=0.5, indifference_margin=0.0)
    assert choice_probabilities(equal, unsure)[0, 3] == pytest.approx(0.25)
    clear = choice_probabilities(np.array([[0.0, 1.0, 1.0]]), unsure)[0]
    assert clear[3] < 1e-6
    tired = Person(temperature=0.1, lapse=0.0, fatigue=1.0)
    near = np.array([[0.0, 0.1, 0.1]])
    fresh, late = choice_probabilities(near, tired, 0)[0, 0], choice_probabilities(near, tired, 100)[0, 0]
    assert fresh == pytest.approx(softmax([0.0, -1.0, -1.0])[0])
    assert late == pytest.approx(softmax([0.0, -0.5, -0.5])[0])


def test_a_share_of_wrong_answers_is_what_was_asked_for():
    distances = np.array([[0.1, 0.5, 0.9]])
    assert choice_probabilities(distances, CLEAN)[0, 0] == pytest.approx(1.0)
    assert choice_probabilities(distances, careless(0.15))[0, 0] == pytest.approx(0.85)


def test_pair_distances_follow_the_order_of_the_pairs():
    found = pair_distances(np.array([[0.0], [1.0], [3.0]]), np.array([[0, 1, 2], [2, 0, 1]]))
    np.testing.assert_allclose(found, [[1, 9, 4], [9, 4, 1]])


def test_the_same_generator_draws_the_same_person():
    assert draw_person(Population(), rng(3)) == draw_person(Population(), rng(3))
    assert draw_person(Population(), rng(3)) != draw_person(Population(), rng(4))


@pytest.mark.parametrize(
    "bad",
    [{"temperature": 0.0}, {"lapse": 1.2}, {"lapse": 0.6, "cannot_tell": 0.6}, {"fatigue": -1.0},
     {"position_bias": (0.0, 1.0)}, {"seconds_median": 0.0}],
)  # fmt: skip
def test_impossible_people_are_refused(bad):
    with pytest.raises(ValueError, match="came"):
        Person(**bad)


def test_bad_distances_and_shares_are_refused():
    with pytest.raises(ValueError, match=r"\(N, 3\)"):
        choice_probabilities(np.zeros((4, 2)), CLEAN)
    with pytest.raises(ValueError, match="2/3"):
        careless(0.7)
