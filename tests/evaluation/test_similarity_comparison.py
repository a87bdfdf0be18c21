from __future__ import annotations

import json
from dataclasses import replace

import joblib
import numpy as np
import pytest

from benchmarks import similarity as benchmark
from evaluation.similarity import active, comparison, comparison_report
from evaluation.similarity.active import ActiveProblem, Stage, fewer, run_active
from evaluation.similarity.comparison import Condition, Job, open_store, plan, run_jobs
from evaluation.similarity.comparison_methods import METHODS, PER_ITEM, Problem, timed
from learning.similarity.fit import ON_DESCRIPTORS
from learning.trainer import Schedule

TINY = (
    Condition("grid-2", ("true_features",), (0,)),
    Condition("grid-2", ("similarity_other_encoder",), (40,), (0.15,)),
    Condition("grid-2-few", ("ste",), (60,), seeds=1),
)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(comparison, "PLAN", TINY)


def without_time(rows):
    return {key: {name: value for name, value in row.items() if name != "seconds"} for key, row in rows.items()}


def test_rows_are_the_same_whatever_the_workers_and_after_an_interruption(tiny, tmp_path):
    jobs = plan(2)
    assert len(jobs) == 5
    whole = open_store(tmp_path / "a", {"people": 20}, False)
    list(run_jobs(jobs, whole, 20, workers=1))
    cut = open_store(tmp_path / "b", {"people": 20}, False)
    for index, _ in enumerate(run_jobs(jobs, cut, 20, workers=1)):
        if index == 1:
            break
    again = open_store(tmp_path / "b", {"people": 20}, True)
    assert len(again.done) == 2
    with joblib.parallel_config(backend="threading"):  # processes would spend most of the test on their imports
        rest = list(run_jobs(jobs, again, 20, workers=2))
    assert len(rest) == 3
    assert without_time(again.done) == without_time(whole.done)
    with pytest.raises(ValueError, match="another run"):
        open_store(tmp_path / "b", {"people": 30}, True)


def test_the_benchmark_writes_its_table(tiny, tmp_path, capsys):
    place = tmp_path / "similarity.json"
    args = benchmark.Args(seeds=2, workers=1, out=tmp_path, json=str(place), closed_loop=False)
    returned = benchmark.main(args)
    written = json.loads(place.read_text())
    assert written == json.loads(json.dumps(returned))
    assert {"rows", "closed_loop", "active"} <= written.keys()
    row = next(row for row in written["rows"] if row["method"] == "true_features")
    assert set(row) == {"task", "method", "answers", "wrong_share", "seeds", "fpe", "tpa20", "r2", "seconds_per_fit"}
    assert row["seeds"] == 2
    assert row["fpe"]["mean"] == pytest.approx(0, abs=1e-9)
    assert row["tpa20"]["low"] <= row["tpa20"]["mean"] <= row["tpa20"]["high"]
    assert "true_features" in capsys.readouterr().err


def test_a_plan_has_each_job_once_and_tasks_together():
    jobs = plan(3)
    assert len(set(jobs)) == len(jobs)
    tasks = [job.task.removesuffix("-few") for job in jobs]
    assert tasks == sorted(tasks, key=("grid-2", "grid-4", "arm", "style").index)
    assert {job.method for job in jobs if job.kind != "active"} == set(METHODS)
    assert {job.seed for job in jobs if job.method == "sirl"} == {0, 1}
    assert {job.task for job in plan(1, tasks=("style",))} == {"style", "style-few"}
    with pytest.raises(ValueError, match="allowed are grid-2"):
        plan(1, tasks=("maze",))
    with pytest.raises(ValueError, match="at least 1"):
        plan(0)


def test_nobody_is_asked_about_what_is_tested_and_seeds_differ():
    problem, other = Problem("grid-2", 0), Problem("grid-2", 1)
    train, test = problem.parts
    assert not set(train) & set(test)
    asked = problem.asked[problem.answers(200).items]
    assert not np.isin(asked, test).any()
    assert not np.array_equal(train, other.parts[0])
    wrong = Problem("grid-2", 0, 0.15)
    np.testing.assert_array_equal(wrong.answers(300).items, problem.answers(300).items)
    share = (wrong.answers(300).choice != problem.answers(300).choice).mean()
    assert share == pytest.approx(0.15, abs=0.06)


def test_methods_that_cannot_be_used_are_told():
    with pytest.raises(ValueError, match="no map"):
        timed("ste", Problem("grid-2", 0), 30)
    with pytest.raises(ValueError, match="allowed are"):
        timed("magic", Problem("grid-2", 0), 30)
    assert set(PER_ITEM) <= set(METHODS)


def rows(values):
    """{(method, answers): fpe by seed} as rows of GridRobot-2."""
    return {
        Job("row", "grid-2", method, n, 0.0, seed): {"fpe": fpe, "tpa20": [1 - fpe] * 3, "r2": [0.5], "seconds": 1.0}
        for (method, n), found in values.items()
        for seed, fpe in enumerate(found)
    }


def test_targets_and_ratios_by_hand():
    ours = {("similarity", n): [1 / n, 1 / n] for n in (50, 100, 200, 500, 1000)}
    found = comparison_report.targets(rows({**ours, ("sirl_small", 500): [0.01, 0.01]}))
    by_name = {line.get("target", (line.get("answers"), line.get("figure"))): line for line in found}
    times = by_name["grid-2: times fewer answers than sirl_small at 500"]
    assert times["reached"]["mean"] == pytest.approx(5.0, rel=1e-3)  # 1 / n is .01 at 100
    assert by_name[(500, "fpe")]["met"]
    assert by_name[(500, "fpe")]["reached"]["mean"] == pytest.approx(0.002)
    missed = comparison_report.targets(rows({("similarity", 500): [0.5, 0.5]}))
    assert not any(line["met"] for line in missed)


def test_an_interval_does_not_depend_on_what_else_is_in_the_table():
    some = rows({("similarity", 100): [0.1, 0.2, 0.4]})
    more = rows({("clea", 100): [0.3, 0.1, 0.2], ("similarity", 100): [0.1, 0.2, 0.4]})
    alone = comparison_report.table(some)[0]
    among = next(row for row in comparison_report.table(more) if row["method"] == "similarity")
    assert alone == among
    assert alone["fpe"]["mean"] == pytest.approx(0.7 / 3, abs=1e-5)


def curve(*fpe):
    return [Stage(n, 8.0 * n, value) for n, value in zip((50, 100, 200), fpe, strict=False)]


def test_how_many_times_fewer_by_hand():
    random = curve(0.4, 0.2, 0.1)
    assert fewer(random, [Stage(50, 800.0, 0.2)], "answers") == pytest.approx(2.0)
    assert fewer(random, [Stage(50, 800.0, 0.2)], "seconds") == pytest.approx(1.0)
    assert fewer(random, [Stage(100, 800.0, 0.01)], "answers") == pytest.approx(2.0)  # beyond what is known
    assert fewer(random, [Stage(100, 800.0, 0.9)], "answers") == pytest.approx(0.5)


def test_a_gain_is_claimed_only_where_it_is_sure():
    def stages(*fpe):
        return {"stages": [[n, 8.0 * n, value] for n, value in zip((25, 50, 100, 200), fpe, strict=True)]}

    jobs = {}
    for seed in range(4):
        longer = [[400, 3200.0, 0.05], [600, 4800.0, 0.04]]
        jobs[Job("active", "style", "random", 0, 0.0, seed)] = {"stages": stages(0.8, 0.4, 0.2, 0.1)["stages"] + longer}
        jobs[Job("active", "style", "arr", 0, 0.0, seed)] = stages(0.8, 0.4, 0.2, 0.1)
        jobs[Job("active", "style", "grid", 0, 0.0, seed)] = stages(0.8, 0.4, 0.2, 0.2)
    last = {line["strategy"]: line for line in comparison_report.active(jobs) if line["answers"] == 200}
    assert last["arr"]["times_fewer_answers"]["mean"] == pytest.approx(1.0)
    assert not last["arr"]["claimed_answers"]
    assert last["grid"]["times_fewer_answers"]["mean"] == pytest.approx(0.5)
    assert "times_fewer_answers" not in last["random"]
    jobs |= {job: stages(0.8, 0.2, 0.1, 0.05) for job in list(jobs) if job.method == "arr"}
    curve = {line["answers"]: line for line in comparison_report.active(jobs) if line["strategy"] == "arr"}
    assert curve[100]["times_fewer_answers"]["mean"] == pytest.approx(2.0)
    assert curve[200]["claimed_answers"]
    assert "claimed_answers" not in curve[100]  # only the end of a curve is claimed
    assert "times_fewer_answers" not in curve[25]  # all begin with the same random queries


@pytest.mark.parametrize("strategy", ["random", "disagreement", "grid"])
def test_active_queries_are_judged_stage_by_stage(strategy, monkeypatch):
    quick = replace(ON_DESCRIPTORS, schedule=Schedule(20, 3e-2))
    monkeypatch.setattr(active, "own_config", lambda problem: quick)
    stages = run_active(ActiveProblem("grid-2", strategy, 0, stages=(10, 20)))
    assert [stage.answers for stage in stages] == [10, 20]
    assert all(0 < stage.fpe < 0.5 for stage in stages)
    per_query = stages[0].seconds / 10
    assert per_query == pytest.approx(8.0) if strategy != "grid" else per_query > 8.0
    with pytest.raises(ValueError, match="strategy"):
        ActiveProblem("grid-2", "magic", 0)


@pytest.mark.parametrize(
    "bad", [{"seeds": 0}, {"people": 5}, {"seed": 899, "seeds": 2}, {"workers": 0}, {"tasks": ("x",)}]
)
def test_bad_options_are_refused(bad, tmp_path):
    with pytest.raises(ValueError, match="came"):
        benchmark.main(benchmark.Args(**bad, **({} if "seeds" in bad else {"seeds": 1}), out=tmp_path))


@pytest.mark.ray
def test_a_cluster_gives_the_same_rows(tiny, tmp_path):
    pytest.importorskip("ray")
    jobs = plan(1)
    here, there = (open_store(tmp_path / name, {}, False) for name in ("a", "b"))
    list(run_jobs(jobs, here, 20, workers=1))
    list(run_jobs(jobs, there, 20, workers=1, engine="ray"))
    assert without_time(here.done) == without_time(there.done)
