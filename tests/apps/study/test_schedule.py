"""Plans are balanced and repeatable; a walk is a function of its log."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.study.config import config_from
from apps.study.policies import POLICIES, Asked
from apps.study.schedule import (
    REPEAT_GAP,
    Logged,
    Walk,
    balanced_latin_square,
    make_plan,
)
from apps.study.stimuli import TaskStimuli, make_task_stimuli
from policies.taste.queries import COMPARISONS, PAIRS
from tests.apps.study.folder import PointTask
from tests.apps.study.folder import settings as study

BLOCK = {"name": "one", "task": "points", "trials": 40}


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TaskStimuli]:
    folder: Path = tmp_path_factory.mktemp("stimuli")
    return {"points": make_task_stimuli(PointTask(), 20, folder, np.random.default_rng(0))}


def plan_of(stimuli, seed=1, position=0, condition="", **changes):
    return make_plan(config_from(study(**changes)), stimuli, seed, position, condition)


def walk_of(stimuli, seed=1, position=0, **changes) -> Walk:
    config = config_from(study(**changes))
    return Walk(config, make_plan(config, stimuli, seed, position))


def payload(walk: Walk, right: bool = True, **data: Any) -> dict[str, Any]:
    """What the log would hold of an answer: golden ones right or wrong."""
    slot = walk.slot
    if slot.kind == "consent":
        return {"data": {"agreed": True, **data}}
    golden = walk.golden
    choice = 0 if golden is None else golden if right else (golden + 1) % 3
    content: dict[str, Any] = {"data": {"choice": choice, **data}}
    return content if golden is None else {**content, "correct": right}


def advance(walk: Walk, right: bool = True, kind: str = "answer", **content: Any) -> Walk:
    return walk.after(Logged(walk.seq + 1, kind, 1000, content or payload(walk, right)))


def until(walk: Walk, trial_id: str, right: bool = True) -> Walk:
    while walk.slot.trial_id != trial_id:
        walk = advance(walk, right)
    return walk


@pytest.mark.parametrize("n", range(1, 9))
def test_each_condition_stands_at_each_place_and_after_each_other_equally_often(n):
    square = balanced_latin_square(n)
    assert all(sorted(order) == list(range(n)) for order in square)
    places = Counter((i, x) for order in square for i, x in enumerate(order))
    after = Counter(pair for order in square for pair in pairwise(order))
    assert len(set(places.values())) == 1
    assert len(after) == n * (n - 1) and len(set(after.values())) <= 1


def test_orders_of_blocks_are_counterbalanced_over_people_and_conditions(stimuli):
    blocks = [{"name": name, "task": "points", "trials": 3} for name in ("a", "b", "c", "d")]

    def order(position, condition):
        slots = plan_of(stimuli, position=position, condition=condition, blocks=blocks, allocation=conditions)
        return tuple(slot.block for slot in slots if slot.trial_id.endswith(".instructions"))

    conditions = {"conditions": ["x", "y"]}
    seen = {(order(position, "xy"[position % 2]), "xy"[position % 2]) for position in range(8)}
    assert len(seen) == 8


def test_a_plan_follows_from_seed_and_position(stimuli):
    assert plan_of(stimuli, 3, 1) == plan_of(stimuli, 3, 1)
    assert plan_of(stimuli, 3, 1) != plan_of(stimuli, 4, 1)
    assert plan_of(stimuli, 3, 1) != plan_of(stimuli, 3, 0)
    assert plan_of(stimuli, 3, None) == plan_of(stimuli, 4, None)
    assert len({slot.trial_id for slot in plan_of(stimuli)}) == len(plan_of(stimuli))


def test_shares_of_repeated_golden_and_shared_comparisons_are_kept(stimuli):
    plan = [slot for slot in plan_of(stimuli, blocks=[BLOCK]) if slot.phase == "main" and slot.kind == "triplet"]
    assert Counter(slot.purpose for slot in plan) == {"golden": 2, "repeat": 4, "shared": 8, "random": 26}
    names = [slot.trial_id for slot in plan]
    for k, slot in enumerate(plan):
        if slot.purpose == "repeat":
            assert k - names.index(slot.repeat_of) >= REPEAT_GAP
            assert slot.order != (0, 1, 2)


def test_an_adaptive_policy_leaves_a_share_to_chance(stimuli):
    plan = plan_of(stimuli, blocks=[{**BLOCK, "policy": "coverage"}])
    purposes = Counter(slot.purpose for slot in plan if slot.phase == "main")
    assert purposes["random"] == int(np.ceil(0.15 * 26)) and purposes["active"] == 26 - purposes["random"]
    by_condition = {"allocation": {"conditions": ["x", "y"]}, "condition_policies": {"x": "coverage"}}
    for condition, active in (("x", True), ("y", False)):
        slots = plan_of(stimuli, condition=condition, blocks=[BLOCK], **by_condition)
        assert any(slot.purpose == "active" for slot in slots) == active


def test_a_condition_may_be_asked_another_kind_of_comparison(stimuli):
    kinds = {"allocation": {"conditions": ["alike", "chosen"]}, "condition_kinds": {"chosen": "grid"}}
    for condition, kind in (("alike", "triplet"), ("chosen", "grid")):
        slots = [slot for slot in plan_of(stimuli, condition=condition, blocks=[BLOCK], **kinds) if slot.block]
        trials = [slot for slot in slots if slot.kind in COMPARISONS]
        assert {slot.kind for slot in trials} == {kind} and len(trials) == 40
        assert any(slot.golden is not None for slot in trials) == (kind == "triplet")


def test_people_see_the_same_shared_comparisons_in_places_of_their_own(stimuli):
    def shared(seed):
        slots = [slot for slot in plan_of(stimuli, seed, blocks=[BLOCK]) if slot.purpose == "shared"]
        return Counter(frozenset(slot.items) for slot in slots), {slot.items for slot in slots}

    (sets, places), (other_sets, other_places) = shared(1), shared(2)
    assert sets == other_sets and places != other_places


def test_golden_answers_are_the_nearest_pair_wherever_it_stands(stimuli):
    task = stimuli["points"]
    features = dict(zip(task.items, np.array(task.features), strict=True))
    seen = Counter()
    for seed in range(30):
        for slot in plan_of(stimuli, seed, blocks=[BLOCK]):
            if slot.golden is not None:
                distances = [np.linalg.norm(features[slot.items[i]] - features[slot.items[j]]) for i, j in PAIRS]
                assert int(np.argmin(distances)) == slot.golden
                seen[slot.golden] += 1
    assert min(seen.values()) > 0.2 * sum(seen.values())


@pytest.mark.parametrize("kind", COMPARISONS)
def test_a_repeat_shows_what_was_shown_in_other_places(stimuli, kind):
    walk = walk_of(stimuli, blocks=[{**BLOCK, "kind": kind, "policy": "coverage", "golden_share": 0.0}])
    seen: dict[str, tuple[str, ...]] = {}
    repeats = 0
    while walk.slot.kind != "debrief":
        if walk.needs_choice:
            asked = Asked(walk.config.blocks[0], stimuli["points"], walk.given, np.zeros((20, 4)))
            items = POLICIES["coverage"].choose(asked, np.random.default_rng(walk.seq))
            walk = advance(walk, kind="choose", trial={"items": list(items)})
        elif walk.slot.repeat_of:
            before = seen[walk.slot.repeat_of]
            assert sorted(walk.items) == sorted(before) and walk.items != before
            assert kind != "grid" or walk.items[0] == before[0]
            repeats += 1
        seen[walk.slot.trial_id] = walk.items
        walk = advance(walk)
    assert repeats == 4


def test_practice_goes_on_when_it_is_understood_and_ends_when_it_is_not(stimuli):
    walk = walk_of(stimuli, practice={"trials": 3, "needed": 2, "attempts": 2})
    assert until(walk, "practice.1.03").slot.round == 0
    passed = advance(until(walk, "practice.1.03"))
    assert passed.slot.trial_id == "one.instructions"
    again = advance(until(walk, "practice.1.03", right=False), right=False)
    assert again.slot.trial_id == "instructions.2"
    assert advance(until(again, "practice.2.03")).slot.trial_id == "one.instructions"
    assert advance(until(again, "practice.2.03", right=False), right=False).outcome == "screened_out"
    assert walk_of(stimuli, practice={"trials": 0, "needed": 0}).plan[2].trial_id == "one.instructions"


def test_only_the_last_answer_can_be_taken_back(stimuli):
    walk = until(walk_of(stimuli), "one.003")
    assert walk.undoable
    back = advance(walk, kind="retract", retracts=walk.seq)
    assert back.slot.trial_id == "one.002" and not back.undoable and len(back.given) == len(walk.given) - 1
    assert not until(walk_of(stimuli), "practice.1.02").undoable
    assert not until(walk_of(stimuli), "one.001").undoable


def test_a_policys_choice_outlives_the_taking_back_of_its_answer(stimuli):
    walk = walk_of(stimuli, blocks=[{**BLOCK, "policy": "coverage", "golden_share": 0, "shared_share": 0}])
    while not walk.needs_choice:
        walk = advance(walk)
    items = stimuli["points"].items[:3]
    shown = advance(walk, kind="choose", trial={"items": list(items)})
    assert shown.items == items and not shown.needs_choice
    back = advance(advance(shown), kind="retract", retracts=1)
    assert back.slot == shown.slot and back.items == items


@pytest.mark.parametrize(
    ("when", "right", "outcome"),
    [("end", True, "completed"), ("end", False, "failed_attention"), ("never", False, "completed")],
)
def test_attention_is_judged_by_the_golden_ones(stimuli, when, right, outcome):
    rule = {"when": when, "minimum": 2, "golden_needed": 0.6}
    walk = until(walk_of(stimuli, blocks=[BLOCK], attention=rule), "one.instructions")
    walk = advance(until(walk, "debrief", right))
    assert walk.outcome == outcome


def test_attention_can_end_a_study_after_a_block(stimuli):
    rule = {"when": "block", "minimum": 2}
    blocks = [BLOCK, {**BLOCK, "name": "two"}]
    walk = until(walk_of(stimuli, blocks=blocks, attention=rule), "one.instructions")
    walk = advance(until(walk, "one.040", right=False), right=False)
    assert walk.slot.kind == "debrief" and advance(walk).outcome == "failed_attention"


def test_a_long_absence_leads_back_to_the_instructions_and_then_on(stimuli):
    walk = until(walk_of(stimuli), "one.004")
    away = advance(walk, kind="resume", x=1)
    assert away.again and not away.undoable
    assert advance(away).slot == walk.slot and not advance(away).again


@settings(max_examples=40)
@given(
    moves=st.lists(st.sampled_from(["right", "wrong", "undo", "note", "resume"]), max_size=90), seed=st.integers(0, 9)
)
def test_the_same_log_gives_the_same_walk_and_no_log_breaks_it(stimuli, moves, seed):
    start = walk = walk_of(stimuli, seed, practice={"trials": 2, "needed": 0})
    log = []
    for k, move in enumerate(moves):
        if walk.outcome is not None:
            break
        kind, content = "answer", payload(walk, move != "wrong")
        if move == "undo" and walk.undoable:
            kind, content = "retract", {"retracts": walk.given[-1].seq}
        elif move in ("note", "resume"):
            kind, content = move, {}
        log.append(Logged(k + 1, kind, k, content))
        walk = walk.after(log[-1])
        assert 0 <= walk.index < len(walk.plan)
        assert len({given.slot for given in walk.given}) == len(walk.given)
    again = start
    for event in log:
        again = again.after(event)
    assert again == walk
