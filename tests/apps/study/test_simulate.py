"""A rehearsal through the real interface: nobody is lost, twice or mixed with real people, and the truth is kept."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest

from apps.study import simulate as module
from apps.study.audit import audit
from apps.study.client import StudyClient, event_at
from apps.study.export import ExportStudy, export
from apps.study.frames import events_frame
from apps.study.participants import Effect, Habits
from apps.study.process import ServerProcess, running
from apps.study.reading import read_study
from apps.study.simulate import Cast, SimulateStudy, copy_study, simulate
from evaluation.study.tables import load_tables, trials
from tests.apps.study.databases import postgresql, template  # noqa: F401
from tests.apps.study.folder import make_study
from tests.conftest import PATIENCE_S

KINDS = {"first": "triplet", "second": "preference", "third": "grid"}
SEED = 5
PICKED = {"triplet": 2, "preference": 1, "grid": 2}
OFTEN = Habits(undo=0.15, reload=0.15, duplicate=0.2, second_tab=0.15, withdraw=0.4)


@pytest.fixture(scope="module", autouse=True)
def _patient():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PATIENCE_S", PATIENCE_S)
        yield


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "study"
    blocks = [{"name": name, "task": "points", "trials": 8, "kind": kind} for name, kind in KINDS.items()]
    make_study(folder, blocks=blocks, questionnaires={"after": ["sus"]}, recruitment={"platform": "prolific"})
    return folder


@pytest.fixture(scope="module")
def rehearsed(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "rehearsal"
    options = SimulateStudy(study=study, n=4, seed=SEED, out=out, habits=OFTEN, json=str(out.with_name("figures.json")))
    return options, simulate(options)


def test_everyone_gets_to_an_end_and_nothing_is_lost_or_doubled(rehearsed):
    options, result = rehearsed
    assert sum(result.outcomes.values()) == options.n
    assert result.outcomes["completed"] >= 1 and result.outcomes["withdrew"] >= 1
    assert result.faults == ()
    assert (result.audit.lost, result.audit.doubled) == (0, 0)
    assert result.audit.acknowledged > 4 * 8
    assert json.loads(Path(options.json).read_text())["outcomes"] == result.outcomes


def test_all_that_a_study_must_survive_did_happen(rehearsed):
    _, result = rehearsed
    rows = [json.loads(line) for line in (result.folder / "participants.jsonl").read_text().splitlines()[1:]]
    reports = [row["row"] for row in rows if row["key"][0] == "report"]
    for habit in ("undone", "reloads", "duplicates", "stale"):
        assert sum(report[habit] for report in reports) > 0, habit


def test_the_truth_is_beside_what_was_answered(rehearsed):
    options, result = rehearsed
    truth = pd.read_parquet(result.folder / "truth.parquet")
    people = {person.participant for person in read_study(result.folder).participants}
    assert set(truth["participant"]) == people and len(people) == options.n
    assert {"temperature", "lapse", "weights_points", "attitude", "attentive"} <= set(truth.columns)
    assert json.loads((result.folder / "truth.json").read_text())["seed"] == SEED


def test_the_export_of_a_rehearsal_says_what_it_is(rehearsed, tmp_path):
    _, result = rehearsed
    exported = export(ExportStudy(result.folder, tmp_path / "data"))
    events = pd.read_parquet(exported.folder / "events.parquet")
    people = pd.read_parquet(exported.folder / "participants.parquet")
    assert (exported.folder / "truth.parquet").is_file()
    assert "no human data" in (exported.folder / "README.md").read_text()
    assert people["outcome"].value_counts().to_dict() == result.outcomes
    gone = events[events["participant"].isin(people[people["outcome"] == "withdrew"]["participant"])]
    assert len(gone) and gone["response"].isna().all() and gone["choice"].isna().all()
    done = people[people["outcome"] == "completed"]["participant"]
    main = events[(events["phase"] == "main") & ~events["undone"] & events["participant"].isin(done)]
    main = main[main["trial_type"].isin(KINDS.values())]
    assert (main.groupby(["participant", "trial_type"]).size() == 8).all()
    assert main["pair"].map(len, na_action="ignore").groupby(main["trial_type"]).max().to_dict() == PICKED
    assert not main.duplicated(["participant", "trial_id"]).any()
    assert events["undone"].sum() == len(events[(events["trial_type"] == "undo") & events["response"].notna()])


def test_the_analysis_reads_what_was_exported(rehearsed, tmp_path):
    _, result = rehearsed
    tables = load_tables(export(ExportStudy(result.folder, tmp_path / "data")).folder)
    assert tables.scripted and tables.name == "points"
    rows = trials(tables.events)
    assert {"first"} == set(rows["block"]) and rows["choice"].between(-1, 2).all()
    assert not set(rows["participant"]) - set(tables.participants["participant"])


@pytest.mark.postgres
def test_postgresql_is_read_like_sqlite(postgresql, tmp_path):  # noqa: F811
    folder = tmp_path / "study"
    make_study(folder, database=postgresql)
    options = SimulateStudy(study=folder, n=2, seed=SEED, habits=dataclasses.replace(OFTEN, withdraw=0.0))
    cast, reports = Cast.of(options, folder), []
    with running(folder) as server:
        for number in range(options.n):
            with StudyClient(server.url, PATIENCE_S) as client:
                visit = cast.visit(number, options, client)
                visit.begin()
                reports.append(visit.finish())
    record = read_study(folder)
    assert audit(record, {report.participant: report.kept for report in reports})[1:] == (0, 0)
    assert len(events_frame(record.events)) == len(record.events) > 40
    assert [person.outcome for person in record.participants] == [report.outcome for report in reports]


def test_the_study_itself_stays_as_it_was(rehearsed, study):
    assert not (study / "study.db").exists() and not (study / "truth.json").exists()
    with pytest.raises(OSError, match="nobody has taken part"):
        read_study(study)


def test_the_same_seed_gives_the_same_answers(rehearsed, study, tmp_path):
    options, result = rehearsed
    again = simulate(dataclasses.replace(options, out=tmp_path / "again", concurrent=2, json=None))
    answers = [
        [(e.trial_id, e.type, e.trial.get("items"), (e.data or {}).get("choice")) for e in of(read_study(folder))]
        for folder in (result.folder, again.folder)
    ]
    assert answers[0] == answers[1]


def of(record) -> list:
    """Events by person, people in the order in which they came."""
    place = {person.participant: i for i, person in enumerate(record.participants)}
    return sorted(record.events, key=lambda event: (place[event.participant], event.seq))


def test_an_interrupted_rehearsal_goes_on_with_the_same_people(study, tmp_path, monkeypatch):
    options = SimulateStudy(study=study, n=2, out=tmp_path / "out", concurrent=1, inattentive=0.0)
    real, calls = module._finish, []

    def breaks_off(visit):
        calls.append(visit)
        if len(calls) == 2:
            visit._do(visit.client.next())
            raise OSError("the cable was pulled")
        return real(visit)

    monkeypatch.setattr(module, "_finish", breaks_off)
    with pytest.raises(OSError, match="cable"):
        simulate(options)
    monkeypatch.setattr(module, "_finish", real)
    with pytest.raises(ValueError, match="--resume"):
        simulate(options)
    with pytest.raises(ValueError, match="another run"):
        simulate(dataclasses.replace(options, resume=True, seed=1))
    result = simulate(dataclasses.replace(options, resume=True))
    assert sum(result.outcomes.values()) == len(read_study(result.folder).participants) == 2
    assert result.audit.lost == result.audit.doubled == 0


@pytest.fixture(scope="module")
def elsewhere(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere") / "study"
    copy_study(study, folder)
    with running(folder) as server:
        yield server


def test_a_server_elsewhere_can_be_rehearsed_at(study, tmp_path, elsewhere):
    options = SimulateStudy(study=study, n=1, out=tmp_path / "out", url=elsewhere.url, inattentive=0.0)
    result = simulate(options)
    assert result.audit is None
    truth = pd.read_parquet(result.folder / "truth.parquet")
    assert set(truth["participant"]) <= {person.participant for person in read_study(elsewhere.folder).participants}


def test_a_reused_key_gets_no_second_answer(study, elsewhere):
    options = SimulateStudy(study=study, n=1, seed=1)
    with StudyClient(elsewhere.url, PATIENCE_S) as client:
        Cast.of(options, study).visit(0, options, client).begin()
        event = event_at(client.next(), "note", {"text": "a"}, 1.0)
        assert client.post(event) == client.post(event)
        with pytest.raises(RuntimeError, match="key_reused"):
            client.post(event._replace(data={"text": "b"}))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"n": 0}, "--n 0 came"),
        ({"inattentive": 1.5}, "--inattentive 1.5 came"),
        ({"resume": True}, "--resume"),
        ({"habits": Habits(undo=-1.0)}, "--habits.undo"),
        ({"effect": Effect("fourth", 1.0)}, "first, second, third"),
        ({"concurrent": 0}, "--concurrent 0 came"),
        ({"seed": -1}, "--seed -1 came"),
        ({"url": "nowhere"}, "an address such as"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_mistakes_are_told_before_anybody_takes_part(study, tmp_path, change, complaint):
    with pytest.raises(ValueError, match=complaint):
        simulate(dataclasses.replace(SimulateStudy(study=study, out=tmp_path / "out"), **change))
    assert not (tmp_path / "out").exists()


def test_only_a_study_can_be_rehearsed(tmp_path):
    with pytest.raises(ValueError, match=r"user_study\.py init"):
        simulate(SimulateStudy(study=tmp_path))


def test_a_copy_keeps_its_data_to_itself(study, tmp_path):
    (tmp_path / "study").mkdir()
    settings = 'database = "postgresql+pg8000://u:p@h/d"\n' + (study / "study.toml").read_text()
    (tmp_path / "study" / "study.toml").write_text(settings)
    for name in ("study.db", "study.db-wal", "study.key", "server.log"):
        (tmp_path / "study" / name).touch()
    copy_study(tmp_path / "study", tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["study.toml"]
    assert "postgresql+pg8000://u" not in (tmp_path / "copy" / "study.toml").read_text()


def test_a_server_that_cannot_start_says_why(tmp_path):
    with pytest.raises(RuntimeError, match=r"ended.*study\.toml"):
        ServerProcess(tmp_path).start()
