from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evaluation.allocation import AllocationRule
from evaluation.study.pilots import (
    GOALS,
    Session,
    answers_per_minute,
    exponential_p,
    next_query_type,
    pilot,
    session_worth,
    sessions,
    study_pilot,
)
from evaluation.study.simulated import StudyDesign, draw_study
from evaluation.study.tables import StudyTables, checked
from policies.taste.choice import Population

ARMS = ("triplet", "grid")


def _session(arm: str, outcome: float, number: int = 0) -> Session:
    return Session(f"p{number}", arm, outcome)


def _rows(seed=0, people=2, **population):
    design = StudyDesign(people, 40, 30, inattentive=0.0, population=Population(**population))
    return draw_study(design, 0.0, np.random.default_rng(seed))


def test_consistent_people_bring_more_bits_a_minute():
    sure = _rows(temperature=0.01, lapse=0.01, cannot_tell=0.01)
    guessing = _rows(temperature=5.0, lapse=0.5, cannot_tell=0.01)
    worth = [session_worth(rows[rows["participant"] == "p0000"]) for rows in (sure, guessing)]
    assert worth[0] > 4 * worth[1] > 0


def test_bits_are_those_of_usable_answers_over_all_the_time():
    rows = _rows(people=1, temperature=0.001, lapse=1e-6, cannot_tell=1e-6)
    checks = int(rows["golden_choice"].notna().sum() + rows["repeat_of"].notna().sum())
    usable = int((rows["golden_choice"].isna() & rows["repeat_of"].isna()).sum())
    both = int((rows["golden_choice"].notna() & rows["repeat_of"].notna()).sum())
    right = (checks + 0.5) / (checks + 1)
    bits = np.log2(3) + right * np.log2(right) + (1 - right) * np.log2((1 - right) / 2)
    assert both <= checks
    assert session_worth(rows) == pytest.approx(60 * usable * bits / (rows["rt"].sum() / 1e3), rel=1e-6)
    assert session_worth(rows, "seconds_per_answer") == pytest.approx(rows["rt"].sum() / 1e3 / usable)
    assert GOALS["bits_per_minute"] == "reward" and GOALS["seconds_per_answer"] == "cost"


def test_one_absurd_time_weighs_no_more_than_a_short_or_a_long_answer():
    rows = _rows(people=1)
    honest = session_worth(rows, "seconds_per_answer")
    absurd = rows["rt"].copy()
    absurd.iloc[0] = 1e-3
    assert session_worth(rows.assign(rt=absurd), "seconds_per_answer") == pytest.approx(honest, rel=0.1)
    absurd.iloc[0] = 30_000_000.0  # left open overnight
    assert session_worth(rows.assign(rt=absurd), "seconds_per_answer") < honest + 120
    assert answers_per_minute([(True, 1e-3)] * 6) == 60
    assert answers_per_minute([(True, 6_000.0)] * 5 + [(True, 30_000_000.0)]) == pytest.approx(2.4)


def test_nothing_usable_is_worth_nothing_known():
    rows = _rows(people=1)
    assert np.isnan(session_worth(rows.assign(choice=-1)))
    assert np.isnan(session_worth(rows.head(0)))


def test_sessions_are_read_in_order_and_count_when_finished():
    rows = _rows(people=3)
    events = rows.assign(trial_type="triplet", phase="main", items=[list(s) for s in rows["shown"]], undone=False)
    people = pd.DataFrame(
        {
            "participant": ["p0002", "p0000", "p0001"],
            "condition": ["grid", "triplet", "triplet"],
            "outcome": ["completed", "completed", None],
            "started": ["2026-01-03", "2026-01-01", "2026-01-02"],
        }
    )
    tables = StudyTables(checked(events, "events"), pd.DataFrame(), people)
    come = sessions(tables, worth="bits_per_minute")
    assert [(one.participant, one.arm) for one in come] == [
        ("p0000", "triplet"),
        ("p0001", "triplet"),
        ("p0002", "grid"),
    ]
    assert np.isfinite([one.outcome for one in come]).tolist() == [True, False, True]
    first = rows[rows["participant"] == "p0000"]
    usable = (first["choice"] != -1).sum()
    assert sessions(tables)[0].outcome == pytest.approx(usable / (first["rt"].sum() / 6e4))
    # Choices of two of six are no number; one without a time says nothing.
    grids = events.assign(trial_type="grid", choice=np.nan, rt=events["rt"].where(events["order"] > 0))
    outcome = sessions(tables._replace(events=checked(grids, "events")))[0].outcome
    assert outcome == pytest.approx((len(first) - 1) / (first["rt"].iloc[1:].sum() / 6e4))
    assert study_pilot(tables, np.random.default_rng(0)) is None
    rule = {"rule": "gittins", "conditions": ["triplet", "grid"], "prior_mean": 6.0, "floor": 5}
    assert study_pilot(tables._replace(allocation=rule), np.random.default_rng(0)).allocated == (2, 1)


def test_the_next_person_gets_what_was_worth_more():
    rng, rule = np.random.default_rng(0), AllocationRule("gittins", floor=5, prior_mean=2.0)
    come = [_session("triplet", 1.0), _session("grid", 8.0)] * 5
    assert next_query_type(come, ARMS, rule, rng) == "grid"
    cost = AllocationRule("gittins", "cost", floor=5, prior_mean=2.0)
    assert next_query_type(come, ARMS, cost, rng) == "triplet"
    assert {next_query_type([], ARMS, rule, rng) for _ in range(30)} == set(ARMS)


def test_sessions_that_run_count_as_given_but_teach_nothing():
    rng, rule = np.random.default_rng(0), AllocationRule("gittins", floor=5, prior_mean=2.0)
    come = [_session("triplet", 1.0), _session("grid", 8.0)] * 2 + [_session("grid", np.nan)] * 20
    assert next_query_type(come, ARMS, rule, rng) == "triplet"  # below the floor


def test_a_pilot_tells_means_and_tests_by_its_own_rule():
    rng = np.random.default_rng(1)
    rule = AllocationRule("gittins", floor=5, prior_mean=2.0)
    come: list[Session] = []
    for number in range(60):
        arm = next_query_type(come, ARMS, rule, rng)
        come.append(_session(arm, rng.exponential(6.0 if arm == "grid" else 1.0), number))
    found = pilot(come, ARMS, rule, rng)
    assert sum(found.allocated) == 60
    assert found.allocated[1] > found.allocated[0]
    assert found.means[0].mean < found.means[1].mean
    assert found.test.p < 0.05
    assert found.exponential_p > 0.001


def test_pilots_at_their_beginning():
    rng, rule = np.random.default_rng(2), AllocationRule()
    found = pilot([], ARMS, rule, rng)
    assert found.allocated == (0, 0)
    assert found.means == (None, None)
    assert found.test is None
    assert np.isnan(found.exponential_p)
    with pytest.raises(ValueError, match="sessions of pairs came; the arms are triplet, grid"):
        pilot([_session("pairs", 1.0)], ARMS, rule, rng)
    with pytest.raises(ValueError, match="the arms are"):
        next_query_type([_session("pairs", 1.0)], ARMS, rule, rng)


def test_outcomes_that_are_not_exponential_are_told():
    rng = np.random.default_rng(3)
    assert exponential_p([rng.exponential(2, 50), rng.exponential(9, 50)]) > 0.01
    assert exponential_p([10 + rng.normal(0, 1, 60)]) < 0.01
