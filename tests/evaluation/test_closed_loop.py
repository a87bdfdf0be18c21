from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from rich.table import Table

from evaluation.similarity import closed_loop, closed_loop_run
from evaluation.similarity.closed_loop import ClosedLoopOptions, run_methods, table_prior
from evaluation.similarity.closed_loop_clips import shown_features, table_problem
from evaluation.similarity.closed_loop_methods import LinearTaste, RandomSearch
from evaluation.similarity.closed_loop_world import (
    FEELINGS,
    Interview,
    Owner,
    draw_owner,
    query_seconds,
    synthetic_world,
    turns,
)
from evaluation.similarity.rival_methods import PreferredSet, RankedStrategy
from policies.taste.choice import Person
from policies.taste.optimiser import StyleLibrary, StyleMap
from policies.taste.priors import table_styles
from policies.taste.rivals import CmaEsIg, nearest_preferred, similarity_to_preferred

OPTIONS = ClosedLoopOptions(owners=4, workers=1, answers=(0, 16, 80), judged=3)


@pytest.fixture(scope="module")
def world():
    return synthetic_world(400, np.random.default_rng(3))


def methods(problem, options):
    rng = np.random.default_rng(0)
    world = problem.world
    seen = StyleMap.fit(StyleLibrary(world.styles, world.features, world.gaits), rng)
    true = LinearTaste.on("true features", problem, world.features, rng)
    return [
        true,
        table_prior("prior", problem, rng),
        RandomSearch("random search", problem),
        RankedStrategy("CMA-ES-IG", problem, seen),
        PreferredSet("RAPL", problem, nearest_preferred, true.embeddings),
        replace(true, name="ten answers", active=False, most_answers=10),
        replace(true, name="four in order", shown=4),
    ]


@pytest.fixture(scope="module")
def rows(world):
    return run_methods(OPTIONS, methods, world)


def share(rows, method: str, answers: int) -> float:
    return next(r["share_of_best"]["mean"] for r in rows if (r["method"], r["answers"]) == (method, answers))


def test_whoever_has_not_answered_sees_the_default(rows):
    for method in ("true features", "random search", "CMA-ES-IG", "RAPL"):
        assert share(rows, method, 0) == 0.0


def test_answers_change_what_is_shown_for_the_better(rows):
    assert 0.2 < share(rows, "true features", 16) < share(rows, "true features", 80)
    assert share(rows, "true features", 80) > 0.6
    assert share(rows, "true features", 80) > share(rows, "random search", 80)
    assert share(rows, "CMA-ES-IG", 80) > 0.3
    assert share(rows, "four in order", 16) > share(rows, "true features", 16)


def test_nothing_shown_is_better_than_the_best(rows):
    for row in rows:
        found = row["share_of_best"]
        assert found["low"] <= found["mean"] <= found["high"] <= 1.0


def test_rows_say_what_was_asked_and_how_long_it_took(rows):
    row = next(r for r in rows if r["method"] == "CMA-ES-IG" and r["answers"] == 80)
    assert row["answers_given"] == 80
    assert row["seconds"] == pytest.approx(80 * query_seconds(4))
    assert (row["task"], row["owners"], row["spread"]) == ("style", 4, "all")
    assert share(rows, "four in order", 0) == 0.0
    capped = next(r for r in rows if r["method"] == "ten answers" and r["answers"] == 80)
    assert (capped["answers_given"], capped["seconds"]) == (10, 10 * query_seconds(2))
    ours = next(r for r in rows if r["method"] == "true features" and r["answers"] == 80)
    assert ours["behind_true features"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    json.dumps(rows)


def test_the_same_seed_gives_the_same_rows_in_any_order_of_marks(world, rows):
    few = replace(OPTIONS, answers=(16, 0), owners=2)

    def only(problem, options):
        return [m for m in methods(problem, options) if m.name in ("true features", "random search")]

    assert run_methods(few, only, world) == run_methods(replace(few, answers=(0, 16)), only, world)
    assert run_methods(replace(few, seed=1), only, world) != run_methods(few, only, world)


def test_owners_for_choosing_are_not_those_of_the_test(world):
    few = replace(OPTIONS, answers=(16,), owners=2)

    def only(problem, options):
        return [RandomSearch("random search", problem)]

    assert run_methods(replace(few, validation=True), only, world) != run_methods(few, only, world)


def test_answers_about_one_feeling_are_worth_more_to_it(world):
    def only(problem, options):
        return [LinearTaste.on("true features", problem, problem.world.features, np.random.default_rng(0))]

    about = [
        run_methods(replace(OPTIONS, answers=(24,), owners=6, spread=spread), only, world)[0]["share_of_best"]["mean"]
        for spread in ("all", "one")
    ]
    assert about[1] > about[0]


@pytest.mark.parametrize(
    "wrong", [{"owners": 1}, {"answers": ()}, {"answers": (-1,)}, {"sharing": 2.0}, {"radius": 0.0}, {"judged": 9}]
)
def test_options_out_of_range_are_named_before_the_work(world, wrong, monkeypatch, tmp_path):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        run_methods(replace(OPTIONS, **wrong), methods, world)
    monkeypatch.setattr(closed_loop, "clip_world", lambda *_: pytest.fail("clips were walked first"))
    with pytest.raises(ValueError, match=next(iter(wrong))):
        closed_loop_run.main(closed_loop_run.Run(**wrong, taste=tmp_path / "taste.json"))


def test_a_loop_without_answers_has_no_later_works_and_keeps_its_rows(monkeypatch, tmp_path, rows):
    monkeypatch.setattr(closed_loop, "run", lambda options: rows)
    monkeypatch.setattr(closed_loop_run, "table", lambda title, rows: Table(title=title))
    monkeypatch.setattr(closed_loop_run.rivals, "run", lambda options: pytest.fail("nothing is learnt from no answer"))
    closed_loop_run.main(closed_loop_run.Run(answers=(0,), json=str(tmp_path / "loop.json")))
    written = json.loads((tmp_path / "loop.json").read_text())
    assert len(written["closed_loop"]) == len(rows) and written["rivals"] == []


def test_owners_share_as_much_between_feelings_as_they_are_told(rng):
    alike = [draw_owner("a", 200, sharing, rng).weights for sharing in (0.0, 0.9)]
    found = [np.corrcoef(weights)[np.triu_indices(FEELINGS, 1)].mean() for weights in alike]
    assert abs(found[0]) < 0.1
    assert found[1] == pytest.approx(0.9, abs=0.1)
    assert np.linalg.norm(alike[1], axis=1) == pytest.approx(np.ones(FEELINGS))


def test_an_owner_who_is_clear_prefers_and_ranks_by_reward(rng):
    owner = Owner("a", np.tile([1.0, 0.0], (FEELINGS, 1)), Person(temperature=1e-6, lapse=0.0))
    interview = Interview(owner, rng)
    assert interview.prefer(np.array([0.6, 0.0]), np.array([0.5, 1.0]), 0)
    assert interview.rank(np.array([[0.1, 0], [0.9, 0], [0.5, 0]]), 3).tolist() == [1, 2, 0]
    assert (interview.answers, interview.seconds) == (2, query_seconds(2) + query_seconds(3))
    assert turns(5, [3, 1]) == [3, 1, 3, 1, 3]


def test_cma_es_ig_climbs_by_orders_alone(rng):
    target = np.full(6, 0.8)
    strategy = CmaEsIg(np.full(6, 0.3), np.zeros(6), np.ones(6))
    for _ in range(60):
        items = strategy.query(rng)
        assert items.shape == (4, 6)
        assert 0.0 <= items.min() <= items.max() <= 1.0
        strategy.update(items, np.argsort(((items - target) ** 2).sum(axis=1)))
    assert np.linalg.norm(strategy.mean - target) < 0.5 * np.linalg.norm(np.full(6, 0.5))


def test_what_is_near_to_the_preferred_is_rewarded():
    preferred = np.array([[1.0, 0.0], [0.9, 0.1]])
    items = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    for reward in (nearest_preferred, similarity_to_preferred):
        assert np.argsort(-reward(items, preferred)).tolist() == [0, 1, 2]


def test_what_is_shown_is_walked_by_the_gait_engine():
    style = table_styles()["happy"].vector()
    calm = table_styles()["calm"].vector()
    first = shown_features((style, 2, 1))
    assert np.array_equal(first, shown_features((style, 2, 1)))
    assert not np.array_equal(first, shown_features((style, 2, 2)))
    assert first[0] > shown_features((calm, 1, 1))[0]  # arousal
    assert table_problem(synthetic_world(10, np.random.default_rng(0)), 0.5).defaults.shape == (FEELINGS, 12)
