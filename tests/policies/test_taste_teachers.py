from __future__ import annotations

import numpy as np
import pytest

from policies.taste.choice import CLEAN, Person, careless, pair_distances
from policies.taste.queries import CANNOT_TELL, SimilarityQuery
from policies.taste.teachers import ScriptedTeacher

FEATURES = np.random.default_rng(0).random((40, 3))
ITEMS = np.array([np.random.default_rng(i).choice(40, 3, replace=False) for i in range(800)])


def teacher(person=CLEAN, weights=(1.0, 1.0, 1.0), seed=0):
    return ScriptedTeacher(FEATURES, np.array(weights), person, np.random.default_rng(seed), "anna")


def test_a_clean_teacher_names_the_nearest_pair_by_their_own_weights():
    weights = np.array([1.0, 0.0, 4.0])
    nearest = pair_distances(FEATURES * np.sqrt(weights), ITEMS).argmin(axis=1)
    np.testing.assert_array_equal(teacher(weights=weights).choose(ITEMS), nearest)


def test_a_careless_teacher_is_wrong_as_often_as_asked():
    nearest = pair_distances(FEATURES, ITEMS).argmin(axis=1)
    right = (teacher(careless(0.15)).choose(ITEMS) == nearest).mean()
    assert right == pytest.approx(0.85, abs=0.04)


def test_choices_follow_the_probabilities():
    person = Person(temperature=0.3, lapse=0.1, cannot_tell=0.4)
    items = np.repeat(ITEMS[:1], 4000, axis=0)
    one = teacher(person)
    expected = one.probabilities(items)[0]
    choices = one.choose(items)
    counts = np.array([(choices == c).mean() for c in (0, 1, 2, CANNOT_TELL)])
    np.testing.assert_allclose(counts, expected, atol=0.03)
    assert one.answered == 4000


def test_an_answer_carries_its_query_and_a_time():
    query = SimilarityQuery((3, 1, 2), "golden")
    answer = teacher(Person()).answer(query)
    assert answer.query == query
    assert answer.person == "anna"
    assert answer.seconds > 0
    assert answer == teacher(Person()).answer(query)


def test_preferences_follow_the_reward():
    reward = np.array([1.0, -1.0, 0.0])
    values = FEATURES @ reward
    one = teacher()
    assert all(one.prefer(i, i + 1, reward) == (values[i] > values[i + 1]) for i in range(30))
    coin = [teacher(Person(lapse=1.0), seed=s).prefer(0, 1, reward) for s in range(300)]
    assert 0.4 < np.mean(coin) < 0.6


@pytest.mark.parametrize(
    ("features", "weights", "said"),
    [(FEATURES, np.ones(2), "expected"), (FEATURES * 3, np.ones(3), r"\[0, 1\]"), (FEATURES, -np.ones(3), "below 0"),
     (np.full((4, 3), np.nan), np.ones(3), "finite")],
)  # fmt: skip
def test_bad_input_is_refused(features, weights, said):
    with pytest.raises(ValueError, match=said):
        ScriptedTeacher(features, weights, CLEAN, np.random.default_rng(0))
