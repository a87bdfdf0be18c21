from __future__ import annotations

import numpy as np
import pytest

from policies.taste.choice import CLEAN, Person, pair_distances
from policies.taste.queries import CANNOT_TELL, Answer, Answers, SimilarityQuery, random_queries
from policies.taste.selection import (
    RANDOM_SHARE,
    GridQuery,
    choose_queries,
    ensemble_probabilities,
    information_gain,
    random_grid_queries,
    triplets_of_grid,
)
from policies.taste.teachers import ScriptedTeacher

RNG = np.random.default_rng(0)
SURE = Person(temperature=0.05, lapse=0.0)
POINTS = RNG.random((50, 2))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_answers_are_stacked_and_taken_apart():
    given = [Answer(SimilarityQuery((1, 2, 3)), 0, "a"), Answer(SimilarityQuery((3, 4, 5)), CANNOT_TELL, "b")]
    found = Answers.of(given)
    assert found.people == ("a", "b")
    assert found.take(found.choice != CANNOT_TELL).items.tolist() == [[1, 2, 3]]
    with pytest.raises(ValueError, match="choice 3"):
        Answers.of([Answer(SimilarityQuery((1, 2, 3)), 3)])
    with pytest.raises(ValueError, match="at least one"):
        Answers.of([])


def test_gain_is_nought_where_all_agree_and_largest_where_each_is_sure_of_something_else():
    sure = np.eye(4)[[0, 1]][:, None]  # two members, one query
    assert information_gain(sure)[0] == pytest.approx(1.0)
    assert information_gain(sure[[0, 0]])[0] == pytest.approx(0.0)
    unsure = np.full((2, 1, 4), 0.25)  # both do not know: nothing to learn about which is right
    assert information_gain(unsure)[0] == pytest.approx(0.0)


def test_members_disagree_where_they_differ():
    other = POINTS.copy()
    other[:10] = RNG.random((10, 2))
    items = np.array([query.items for query in random_queries(300, 50, rng())])
    gain = information_gain(ensemble_probabilities([POINTS, other], [SURE, SURE], items))
    moved = (items < 10).any(axis=1)
    assert gain[~moved].max() == pytest.approx(0.0, abs=1e-9)
    assert gain[moved].mean() > 0.05
    with pytest.raises(ValueError, match="as many"):
        ensemble_probabilities([POINTS], [], items)


@pytest.mark.parametrize("strategy", ["disagreement", "arr"])
def test_active_queries_ask_where_members_disagree_and_some_stay_random(strategy):
    other = POINTS.copy()
    other[:10] = RNG.random((10, 2))
    chosen = choose_queries(strategy, 200, [POINTS, other], [SURE, SURE], rng())
    assert len(chosen) == 200
    assert all(len(set(query.items)) == 3 for query in chosen)
    active = [query for query in chosen if query.purpose == strategy]
    assert 1 - len(active) / 200 == pytest.approx(RANDOM_SHARE, abs=0.08)
    touched = np.mean([min(query.items) < 10 for query in active])
    blind = np.mean([min(query.items) < 10 for query in random_queries(200, 50, rng())])
    assert touched > blind + 0.2
    again = choose_queries(strategy, 200, [POINTS, other], [SURE, SURE], rng())
    assert chosen == again


def test_round_robin_takes_every_item_in_turn():
    chosen = choose_queries("arr", 40, [POINTS, POINTS + 1], [SURE, SURE], rng(), asked=30)
    heads = [query for query in chosen if query.purpose == "arr"]
    expected = [(30 + index) % 50 for index in range(len(heads))]
    assert all(any(head in query.items for query in heads) for head in expected)


def test_a_grid_of_six_is_eight_triplets():
    query = GridQuery(9, (1, 2, 3, 4, 5, 6))
    found = triplets_of_grid(query, (0, 4))
    assert found.shape == (8, 3)
    assert set(found[:, 0]) == {9}
    assert set(found[:, 1]) == {1, 5}
    assert set(found[:, 2]) == {2, 3, 4, 6}
    for bad in ((0,), (0, 0), (0, 6)):
        with pytest.raises(ValueError, match="different numbers"):
            triplets_of_grid(query, bad)
    assert all(len({one.reference, *one.items}) == 7 for one in random_grid_queries(20, 30, rng()))
    with pytest.raises(ValueError, match="needed"):
        random_grid_queries(1, 6, rng())


def test_a_teacher_picks_the_two_nearest_unless_careless():
    teacher = ScriptedTeacher(POINTS, np.ones(2), CLEAN, rng())
    for query in random_grid_queries(30, 50, rng(1)):
        apart = np.square(POINTS[list(query.items)] - POINTS[query.reference]).sum(axis=1)
        assert teacher.pick(query) == tuple(sorted(np.argsort(apart)[:2].tolist()))
    careless = ScriptedTeacher(POINTS, np.ones(2), Person(lapse=1.0), rng())
    picks = [careless.pick(random_grid_queries(1, 50, rng(1))[0]) for _ in range(300)]
    assert len(set(picks)) == 15


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="strategy"):
        choose_queries("best", 3, [POINTS], [SURE], rng())
    with pytest.raises(ValueError, match="compares three"):
        random_queries(1, 2, rng())


def test_random_triples_are_different_items():
    chosen = choose_queries("random", 100, [POINTS], [], rng())
    assert all(query.purpose == "random" for query in chosen)
    assert pair_distances(POINTS, np.array([query.items for query in chosen])).min() > 0
