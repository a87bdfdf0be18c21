"""A study of known truth, as an export's tables, through the whole analysis."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evaluation.statistics import wilson
from evaluation.study.analyse import Analyse, RegistrationError, analyse, analyse_tables
from evaluation.study.curves import UNIFORM_BITS, learning_curve
from evaluation.study.models import effect_sizes, groupings, outcome_rows, test_hypothesis
from evaluation.study.plan import Hypothesis, ScaleRule, default_plan, parse_plan
from evaluation.study.predict import from_other_people, nearest_pair
from evaluation.study.quality import Quality, judge_people, scale_scores, straight_lines, study_quality
from evaluation.study.report import SCRIPTED, report
from evaluation.study.simulated import StudyDesign, draw_study
from evaluation.study.tables import StudyTables, alike_of, checked, load_tables, repeats, trials
from policies.taste.choice import Population
from policies.taste.queries import PAIRS

PLAN = parse_plan(default_plan())
SMALL = StudyDesign(people=12, trials=24, items=30, inattentive=0.0)


def as_events(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of trials as an export has them."""
    return rows.assign(
        trial_type="triplet", phase="main", items=[list(shown) for shown in rows["shown"]], undone=False, task="style"
    ).drop(columns=["shown", "triplet", "alike", "predicted", "order"])


def people_of(rows: pd.DataFrame, condition=None) -> pd.DataFrame:
    names = sorted(rows["participant"].unique())
    given = [None] * len(names) if condition is None else [condition[i % len(condition)] for i in range(len(names))]
    return pd.DataFrame({"participant": names, "condition": given, "outcome": "completed", "language": "en"})


def no_answers() -> pd.DataFrame:
    return pd.DataFrame({name: [] for name in ("participant", "instrument", "item", "value", "occasion")})


def study(effect=0.0, seed=0, design=SMALL, questionnaires=None, condition=None, sha256=PLAN.sha256) -> StudyTables:
    rows = draw_study(design, effect, np.random.default_rng(seed))
    asked = no_answers() if questionnaires is None else questionnaires
    people = checked(people_of(rows, condition), "participants")
    return StudyTables(checked(as_events(rows), "events"), asked, people, "pilot", sha256, True, "0.1")


def test_trials_do_not_depend_on_positions():
    for shown in (("a", "b", "c"), ("c", "a", "b"), ("b", "c", "a")):
        for choice, (i, j) in enumerate(PAIRS):
            alike = PAIRS[alike_of(shown, choice)]
            assert {"abc"[k] for k in alike} == {shown[i], shown[j]}
    assert alike_of(("a", "b", "c"), -1) == -1


def test_simulated_rows_are_what_the_tables_give():
    rows = draw_study(SMALL, 0.0, np.random.default_rng(0))
    found = trials(checked(as_events(rows), "events"))
    for name in ("shown", "triplet", "alike", "order"):
        assert found[name].tolist() == rows[name].tolist()
    again = repeats(found)
    assert len(again) == 12 * 2 * round(0.1 * 24)
    assert (again["alike"] == again["first_alike"]).mean() > 0.6


def test_only_what_counts_is_analysed(tmp_path):
    rows = as_events(draw_study(SMALL, 0.0, np.random.default_rng(0)))
    rows.loc[0, "undone"] = True
    rows.loc[1, "phase"] = "practice"
    rows.loc[2, "choice"] = np.nan
    rows.loc[3, "trial_type"] = "note"
    assert len(trials(checked(rows, "events"))) == len(rows) - 4
    rows = rows.assign(items=[json.dumps(items) for items in rows["items"]], undone=rows["undone"].map(str).str.lower())
    assert len(trials(checked(rows, "events"))) == len(rows) - 4


def test_tables_come_from_parquet_and_from_csv_alike(tmp_path):
    tables = study()
    for name in ("events", "questionnaires", "participants"):
        getattr(tables, name).to_parquet(tmp_path / f"{name}.parquet")
    about = {
        "study": {
            "name": "pilot",
            "plan_sha256": "ab",
            "scripted": True,
            "code_version": "0.1",
            "allocation": {"rule": "equal"},
        }
    }
    (tmp_path / "datapackage.json").write_text(json.dumps(about))
    first = load_tables(tmp_path)
    assert first[3:] == ("pilot", "ab", True, "0.1", {"rule": "equal"})
    events = tables.events.assign(items=[json.dumps(items) for items in tables.events["items"]])
    events.to_csv(tmp_path / "events.csv", index=False)
    (tmp_path / "events.parquet").unlink()
    assert trials(load_tables(tmp_path).events)["alike"].tolist() == trials(first.events)["alike"].tolist()
    (tmp_path / "events.csv").unlink()
    with pytest.raises(ValueError, match=r"neither events\.parquet nor"):
        load_tables(tmp_path)


def test_a_table_without_a_column_is_refused():
    with pytest.raises(ValueError, match="table events lacks seq"):
        checked(pd.DataFrame({"participant": []}), "events")


def by_features(seed: int, design=SMALL):
    """Predict by the features that a study of this seed was drawn with."""
    positions = np.random.default_rng(seed).random((design.items, design.features))
    return nearest_pair({f"{i:03d}": at for i, at in enumerate(positions)})


def careless(rows: pd.DataFrame, who: str, **columns) -> pd.DataFrame:
    mine = rows["participant"] == who
    return rows.assign(**{name: rows[name].where(~mine, value) for name, value in columns.items()})


def test_each_registered_rule_leaves_out_whom_it_should():
    rows = draw_study(replace(SMALL, golden_share=0.25), 0.0, np.random.default_rng(1))
    obvious = rows["golden_choice"]
    rows = careless(rows, "p0001", choice=0)
    rows = careless(rows, "p0002", rt=500.0)
    rows = careless(rows, "p0007", since_all_seen=120.0)  # as who waits for the page and clicks
    rows = careless(rows, "p0003", since_all_seen=-5.0)
    rows = careless(rows, "p0006", since_all_seen=np.nan)  # as the page tells it
    rows = careless(rows, "p0004", choice=((obvious + 1) % 3).fillna(rows["choice"]).astype(int))
    rows = pd.concat([rows[rows["participant"] != "p0005"], rows[rows["participant"] == "p0005"].head(3)])
    found = {one.participant: one.reasons for one in judge_people(rows, PLAN)}
    assert "always the same position" in found["p0001"]
    assert "more than 12 alike in a row" in found["p0001"]
    assert found["p0002"] == found["p0007"] == ("too fast",)
    assert found["p0003"] == found["p0006"] == ("answers before all clips were seen",)
    assert found["p0004"] == ("obvious triplets wrong",)
    assert "fewer than 10 answers" in found["p0005"]
    assert not any(found[f"p{k:04d}"] for k in (0, 8, 9, 10, 11))
    unwatched = judge_people(rows.assign(since_all_seen=np.nan), PLAN)
    assert not any("before all clips" in reason for one in unwatched for reason in one.reasons)


def test_one_obvious_triplet_wrong_is_no_proof():
    rows = draw_study(replace(SMALL, golden_share=0.05), 0.0, np.random.default_rng(2))
    obvious = rows["golden_choice"]
    rows = careless(rows, "p0001", choice=((obvious + 1) % 3).fillna(rows["choice"]).astype(int))
    asked = int(rows[rows["participant"] == "p0001"]["golden_choice"].notna().sum())
    found = {one.participant: one for one in judge_people(rows, PLAN)}["p0001"]
    assert found.golden == 0
    assert bool(found.reasons) is ((1 / 3) ** asked <= 0.05)


def test_straight_lines_and_scores():
    rule = ScaleRule("liking", "own", ("a", "b", "c", "d", "e"), 1, 5, ("e",))
    rows = [
        {"participant": who, "instrument": "own", "item": item, "value": value, "occasion": "after"}
        for who, values in {"flat": [3] * 5, "keen": [5, 5, 5, 5, 1], "gap": [1, 2, 3, 4]}.items()
        for item, value in zip("abcde", values, strict=False)
    ]
    asked = pd.DataFrame(rows)
    assert straight_lines(asked) == {"flat": 1, "keen": 0, "gap": 0}
    scores = scale_scores(asked, rule).set_index("participant")["value"]
    assert scores.to_dict() == {"flat": 3, "keen": 5}


def test_quality_of_careful_people_who_repeat_themselves():
    careful = StudyDesign(
        12, 40, 30, inattentive=0.0, population=Population(temperature=0.01, lapse=0.01, cannot_tell=0.01)
    )
    rows = draw_study(careful, 0.0, np.random.default_rng(3))
    tables = StudyTables(rows, no_answers(), people_of(rows))
    found = study_quality(tables, rows, PLAN, np.random.default_rng(0))
    assert found.excluded == {}
    assert found.golden.mean > 0.95
    assert found.retest.ceiling.mean > 0.9
    assert found.alpha.low > 0.3
    assert found.capacity_from == "golden"
    assert found.capacity.bits_per_answer.mean > 1.2
    assert found.capacity.bits_per_minute.mean == pytest.approx(
        found.capacity.bits_per_answer.mean * 6e4 / rows[rows["golden_choice"].notna()]["rt"].mean(), rel=1e-6
    )


def test_shares_speak_of_people_and_are_never_certain():
    rows = draw_study(SMALL, 0.0, np.random.default_rng(4)).reset_index(drop=True)
    obvious = rows["golden_choice"]
    right = rows.assign(choice=obvious.fillna(rows["choice"]).astype(int))

    def quality(some: pd.DataFrame) -> Quality:
        return study_quality(StudyTables(some, no_answers(), people_of(some)), some, PLAN, np.random.default_rng(0))

    people = rows[obvious.notna()]["participant"].nunique()
    assert quality(right).golden == wilson(people, people)
    # Three people leave every other question open: the answers of one say little of those of another.
    undecided = right.assign(choice=right["choice"].mask((rows["participant"] < "p0003") & (rows.index % 2 == 0), -1))
    found = quality(undecided)
    apart = wilson(int((undecided["choice"] == -1).sum()), len(undecided))
    assert found.excluded == {}
    assert found.cannot_tell.high - found.cannot_tell.low > 2 * (apart.high - apart.low)


def test_nothing_came_and_nothing_breaks():
    empty = study()
    empty = empty._replace(events=empty.events.head(0), participants=empty.participants.head(0))
    found = analyse_tables(empty, PLAN, np.random.default_rng(0))
    assert found.flow.analysed == 0
    assert all(np.isnan(one.test.p) and one.supported is False for one in found.findings)
    assert found.quality.golden is None
    assert SCRIPTED in report(found)
    json.dumps(found.as_json(), allow_nan=False)


def test_one_person_is_analysed_without_a_claim():
    found = analyse_tables(study(design=replace(SMALL, people=1)), PLAN, np.random.default_rng(0), by_features(0))
    assert found.flow.analysed == 1
    assert found.curve == ()
    assert not any(one.supported for one in found.findings if one.hypothesis.outcome == "predicted")
    report(found)


def test_the_planted_effect_is_found_and_told():
    tables = study(-2.0, 4, replace(SMALL, people=20))
    found = analyse_tables(tables, PLAN, np.random.default_rng(0), by_features(4), curve=False)
    first = found.findings[0]
    assert first.levels == ("first", "second")
    assert first.supported
    assert first.registered
    assert first.test.probability_difference < -0.05
    assert first.sizes.difference.high < 0
    assert first.sizes.hedges.mean < -0.5
    assert first.p_holm == first.test.p
    text = report(found)
    assert "supported" in text
    assert SCRIPTED in text
    assert "to be filled in by the authors" in text
    assert PLAN.sha256 in text
    json.dumps(found.as_json(), allow_nan=False)


def test_a_report_is_one_file_and_escapes_what_came():
    tables = study()._replace(name="<script>alert(1)</script>", scripted=False)
    text = report(analyse_tables(tables, PLAN, np.random.default_rng(0), by_features(0), curve=False))
    assert "<script" not in text
    assert SCRIPTED not in text
    for svg in text.split("<figure>")[1:]:
        ElementTree.fromstring(svg.split("</figure>")[0])
    outside = [piece.split('"')[0] for piece in text.split('="http')[1:]]
    assert all("www.w3.org" in place or "purl.org" in place or "creativecommons" in place for place in outside)


def test_a_pilot_is_told_with_its_own_test_and_answers_to_other_questions_are_counted():
    rule = {"rule": "gittins", "conditions": ["calm", "lively"], "prior_mean": 6.0, "floor": 5}
    tables = study(condition=("calm", "lively"))._replace(allocation=rule)
    liked = tables.events.head(7).assign(trial_type="preference", choice=0)
    tables = tables._replace(events=pd.concat([tables.events, liked], ignore_index=True))
    found = analyse_tables(tables, PLAN, np.random.default_rng(0), by_features(0), curve=False)
    assert found.flow.beside == {"preference": 7}
    assert found.pilot.arms == ("calm", "lively") and sum(found.pilot.allocated) == 12
    assert found.as_json()["pilot"]["test"]["p"] == pytest.approx(found.pilot.test.p, abs=1e-6)
    text = report(found)
    assert "<h2>Pilot</h2>" in text and "7 of kind preference: these answers are in the export" in text


def test_another_plan_is_refused_or_all_is_exploratory():
    other = parse_plan(default_plan().replace("n = 40", "n = 10"))
    with pytest.raises(RegistrationError, match="give the registered plan, or --exploratory"):
        analyse_tables(study(), other, np.random.default_rng(0))
    with pytest.raises(RegistrationError, match="none is registered"):
        analyse_tables(study(sha256=""), PLAN, np.random.default_rng(0))
    found = analyse_tables(study(), other, np.random.default_rng(0), by_features(0), exploratory=True, curve=False)
    assert found.exploratory
    assert not any(one.registered or one.supported for one in found.findings)
    assert "every result below is exploratory" in report(found)


def test_the_command_reads_an_export_and_writes_a_report(tmp_path):
    tables = study()
    at = np.random.default_rng(0).random((30, 4))
    places = tmp_path / "places.json"
    places.write_text(json.dumps({f"{i:03d}": row for i, row in enumerate(at.tolist())}))
    for name in ("events", "questionnaires", "participants"):
        getattr(tables, name).to_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "analysis.toml").write_text(default_plan())
    (tmp_path / "datapackage.json").write_text(json.dumps({"study": {"plan_sha256": PLAN.sha256}}))
    (tmp_path / "truth.json").write_text("{}")
    made = tmp_path / "figures.json"
    found = analyse(Analyse(tmp_path, positions=places, curve=False, json=str(made)))
    assert found.scripted
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert json.loads(made.read_text())["plan_sha256"] == PLAN.sha256
    (tmp_path / "positions.json").write_text('{"a": [1, 2], "b": [1]}')
    with pytest.raises(ValueError, match="as many numbers"):
        analyse(Analyse(tmp_path, positions=tmp_path / "positions.json"))
    (tmp_path / "analysis.toml").unlink()
    with pytest.raises(ValueError, match="give it with --plan"):
        analyse(Analyse(tmp_path))
    with pytest.raises(ValueError, match="give the folder of an export"):
        analyse(Analyse(tmp_path / "elsewhere"))
    assert not (tmp_path / "elsewhere").exists()


def test_conditions_between_people_are_compared_between():
    tables = study(condition=("calm", "lively"))
    hypothesis = Hypothesis("H", "", "rt", "condition")
    rows = trials(tables.events)
    found = outcome_rows(hypothesis, tables, rows, PLAN)
    sizes = effect_sizes(hypothesis, found, np.random.default_rng(0))
    assert not sizes.within
    assert sizes.people == 12
    assert set(sizes.means) == {"calm", "lively"}
    # Who is in one condition only has no effect of their own: that grouping is the people again.
    assert list(groupings(hypothesis, found)) == ["participant", "triplet"]
    assert 0 <= test_hypothesis(hypothesis, found, np.random.default_rng(0)).p <= 1
    with pytest.raises(ValueError, match="no column 'weather'"):
        outcome_rows(Hypothesis("H", "", "rt", "weather"), tables, rows, PLAN)


def test_rare_triplets_share_an_intercept_and_people_do_not():
    found = pd.DataFrame(
        {"participant": ["a", "b", "c"] * 2, "triplet": ["x", "x", "x", "u", "v", "w"], "factor": ["1"] * 6, "value": 1}
    )
    labels = groupings(Hypothesis("H", "", "rt"), found)
    assert len(np.unique(labels["triplet"])) == 2
    assert len(np.unique(labels["participant"])) == 3


def test_scales_of_questionnaires_are_tested_and_equivalence_too():
    rng = np.random.default_rng(5)
    rows = [
        {"participant": f"p{k:04d}", "instrument": "own", "item": item, "occasion": block,
         "value": int(np.clip(round(3 + feeling + (1.2 if block == "second" else 0) + rng.normal(0, 0.5)), 1, 7))}
        for k in range(12) for feeling in [rng.normal()] for block in ("first", "second") for item in "abcd"
    ]  # fmt: skip
    tables = study(questionnaires=pd.DataFrame(rows))
    text = default_plan() + (
        '[[scales]]\nid = "liking"\ninstrument = "own"\nitems = ["a", "b", "c", "d"]\nlow = 1\nhigh = 7\n'
        '[[hypotheses]]\nname = "H4"\ntext = "more liked"\noutcome = "scale:liking"\nfactor = "block"\n'
        "equivalence = 0.2\n"
    )
    found = analyse_tables(tables, parse_plan(text), np.random.default_rng(0), by_features(0), True, curve=False)
    liked = next(one for one in found.findings if one.hypothesis.name == "H4")
    assert liked.test.effect == pytest.approx(1.2, abs=0.4)
    assert liked.test.p < 1e-3
    assert liked.sizes.equivalence_p > 0.5
    assert found.quality.scales[0].alpha > 0.7
    assert "linear model" in report(found)


def test_predictions_from_other_people_beat_guessing():
    design = StudyDesign(
        30, 40, 14, 2, inattentive=0.0, population=Population(temperature=0.02, lapse=0.02, cannot_tell=0.01)
    )
    rows = draw_study(design, 0.0, np.random.default_rng(6))
    found = from_other_people(rows, folds=2, dimensions=2)
    decided = rows["choice"] >= 0
    assert (found == rows["alike"])[decided].mean() > 0.6
    assert (from_other_people(rows[rows["participant"] == "p0000"]) == -1).all()


def test_learning_curve_falls_from_knowing_nothing():
    def fit(answers, items):
        """Counts which items are alike: enough to tell more answers from fewer."""
        together = np.ones((items, items))
        for triple, choice in zip(answers.items, answers.choice, strict=True):
            i, j = (triple[k] for k in PAIRS[choice])
            together[i, j] += 1
            together[j, i] += 1

        def foretold(triplets):
            score = np.stack([together[triplets[:, i], triplets[:, j]] for i, j in PAIRS], 1)
            return score / score.sum(axis=1, keepdims=True)

        return foretold

    design = StudyDesign(20, 60, 10, 2, inattentive=0.0, population=Population(temperature=0.02, lapse=0.02))
    rows = draw_study(design, 0.0, np.random.default_rng(7))
    points = learning_curve(rows, np.random.default_rng(0), fit, (30, 200), probe=lambda _: 0.5)
    assert [point.answers for point in points][:2] == [30, 200]
    assert points[-1].bits.mean < points[0].bits.mean < UNIFORM_BITS + 0.05
    assert points[-1].bits.high < UNIFORM_BITS
    assert points[-1].accuracy.mean > 0.5
    assert points[0].minutes < points[1].minutes
    assert points[0].error == 0.5


def test_an_embedding_of_few_answers_is_not_surer_than_it_may_be():
    design = StudyDesign(25, 40, 14, 2, inattentive=0.0, population=Population(temperature=0.02, lapse=0.02))
    rows = draw_study(design, 0.0, np.random.default_rng(8))
    few, all_of_them = learning_curve(rows, np.random.default_rng(0), sizes=(60,))
    assert few.bits.mean < UNIFORM_BITS + 0.3
    assert all_of_them.bits.high < 1.2
    assert all_of_them.accuracy.low > 0.6
