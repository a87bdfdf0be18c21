"""Exports of rows made by hand: what is undone, withdrawn, injected, and read again."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json

import pandas as pd
import pytest

from apps.study.codebook import CODEBOOKS, EVENTS, PARTICIPANTS, QUESTIONNAIRES
from apps.study.export import check_free, write_export
from apps.study.frames import (
    EventRecord,
    ParticipantRecord,
    StudyRecord,
    events_frame,
    participants_frame,
    questionnaires_frame,
    undone,
)

PLAN = b"[hypotheses]\n"
BESIDE = {"analysis.toml": PLAN}
WHEN = "2026-11-28T12:00:00Z"
TRIPLET = {
    "kind": "triplet",
    "trial_index": 3,
    "block": "a",
    "phase": "main",
    "task": "grid-2",
    "items": ["g1", "g2", "g3"],
    "purpose": "random",
    "language": "en",
}


def event(seq: int, who: str = "p1", type_: str = "answer", trial=TRIPLET, data=None, **more) -> EventRecord:
    return EventRecord(seq, who, f"s-{who}", type_, f"t{seq}", 100.0 * seq, WHEN, data, trial, **more)


def chose(choice, **more) -> dict:
    return {"choice": choice, "rt_ms": 1200.5, "since_all_seen_ms": 300.0, "replays": 1, "confidence": 4, **more}


@pytest.fixture
def record() -> StudyRecord:
    questions = {"kind": "questionnaire", "instrument": {"id": "sus", "items": []}, "block": "a"}
    events = (
        event(1, trial={"kind": "consent"}, data={"agreed": True, "sha256": "0"}),
        event(2, data=chose(1)),
        event(3, type_="undo", data={}),
        event(4, data=chose(-1, confidence=None)),
        event(5, trial=questions, data={"responses": {"q1": 4, "q2": 1}, "rt_ms": 9.0}),
        event(6, trial={**questions, "instrument": "sus", "occasion": "after"}, data={"responses": {"q1": 5}}),
        event(7, who="p2", data=None),
        event(8, who="p2", type_="withdraw", data=None),
        event(9, type_="note", data={"text": "=cmd()|' /C calc'!A0 \ud800"}),
    )
    people = (
        ParticipantRecord("p1", "same", "completed", WHEN, WHEN, "en", {"width": 800}, "prolific", "ab" * 32),
        ParticipantRecord("p2", "@SUM(1+1)", "withdrew", WHEN, None),
    )
    return StudyRecord("grid", "0.1.0", "c" * 64, hashlib.sha256(PLAN).hexdigest(), events, people,
                       {"rule": "equal"})  # fmt: skip


def test_a_row_says_what_was_shown_and_chosen():
    row = events_frame([event(2, data=chose(1, plugin_version="1.0"))]).iloc[0]
    assert list(row.index) == list(EVENTS.names)
    fields = {name: row[name] for name in ("trial_type", "trial_index", "rt", "choice", "confidence", "since_all_seen")}
    expected = {"trial_type": "triplet", "trial_index": 3, "rt": 1200.5, "choice": 1, "confidence": 4}
    assert fields == {**expected, "since_all_seen": 300.0}
    assert list(row["items"]) == ["g1", "g2", "g3"]
    assert list(row["pair"]) == ["g1", "g3"]
    assert json.loads(row["response"])["plugin_version"] == row["plugin_version"] == "1.0"


@pytest.mark.parametrize(
    ("trial", "choice", "pair"),
    [
        ({"kind": "triplet", "items": ["a", "b", "c"]}, 2, ["b", "c"]),
        ({"kind": "triplet", "items": ["a", "b", "c"]}, -1, None),
        ({"kind": "triplet", "items": ["a", "b", "c"]}, 7, None),
        ({"kind": "preference", "items": ["a", "b"]}, 1, ["b"]),
        ({"kind": "preference", "items": ["a", "b"]}, -1, None),
        ({"kind": "grid", "items": list("rabcdef")}, [0, 5], ["a", "f"]),
        ({"kind": "grid", "items": list("rabcdef")}, "x", None),
    ],
)
def test_the_stimuli_chosen_follow_from_the_choice(trial, choice, pair):
    row = events_frame([event(1, trial=trial, data={"choice": choice})]).iloc[0]
    assert (None if row["pair"] is None else list(row["pair"])) == pair
    if trial["kind"] == "grid":
        assert list(row["items"]) == ["r", *"abcdef"]
        assert row["choice"] is pd.NA


def test_undo_takes_back_the_last_answer_that_stands_or_the_one_that_it_names(record):
    assert undone(record.events) == {2}
    two, answers = [event(n, data=chose(0)) for n in (1, 2)], chose(0)
    back = [event(n, type_="undo", data={}) for n in (3, 4, 5)]
    assert undone([*two, *back]) == {1, 2}
    assert undone([*two, dataclasses.replace(back[0], retracts=1), back[1]]) == {1, 2}
    assert undone([*two, event(3, who="other", type_="undo", data={})]) == set()
    assert undone([*reversed([*two, back[0], event(6, data=answers)])]) == {2}


def test_a_questionnaire_becomes_a_row_an_item_and_counts_its_occasions(record):
    frame = questionnaires_frame(record.events)
    assert list(frame.columns) == list(QUESTIONNAIRES.names)
    rows = frame[["participant", "instrument", "item", "value", "occasion"]].to_numpy().tolist()
    assert rows == [["p1", "sus", "q1", 4.0, "1"], ["p1", "sus", "q2", 1.0, "1"], ["p1", "sus", "q1", 5.0, "after"]]


def test_whoever_withdrew_leaves_rows_without_content(record):
    frame = events_frame(record.events)
    mine = frame[frame["participant"] == "p2"]
    assert list(mine["trial_type"]) == ["triplet", "withdraw"]
    for name in ("response", "choice", "rt", "pair", "confidence", "replays"):
        assert mine[name].isna().all()


def test_absurd_values_are_missing_and_not_fatal():
    row = events_frame([event(1, data={"choice": 10**30, "rt_ms": "soon", "confidence": True, "replays": 1.5})]).iloc[0]
    assert row[["choice", "confidence", "replays", "rt"]].isna().all()
    assert "soon" in row["response"]


def test_tables_without_rows_keep_their_columns_and_types():
    for frame, book in (
        (events_frame([]), EVENTS),
        (questionnaires_frame([]), QUESTIONNAIRES),
        (participants_frame([]), PARTICIPANTS),
    ):
        assert list(frame.columns) == list(book.names)
    full = events_frame([event(2, data=chose(1))])
    assert (events_frame([]).dtypes == full.dtypes).all()


def test_an_export_is_read_again_as_it_was_written(record, tmp_path):
    exported = write_export(record, tmp_path / "data", BESIDE)
    assert exported.rows == {"events": 9, "questionnaires": 3, "participants": 2}
    again = pd.read_parquet(tmp_path / "data" / "events.parquet")
    pd.testing.assert_frame_equal(again, events_frame(record.events))
    assert list(again.query("not undone and trial_type == 'triplet'")["seq"]) == [4, 7]
    with (tmp_path / "data" / "events.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["seq"]) for row in rows] == list(range(1, 10))
    assert json.loads(rows[1]["items"]) == ["g1", "g2", "g3"]
    assert (rows[3]["choice"], rows[3]["confidence"], rows[3]["undone"], rows[1]["undone"]) == (
        "-1",
        "",
        "false",
        "true",
    )


def test_no_cell_of_the_csv_is_computed_by_a_spreadsheet(record, tmp_path):
    text = {name: value for name, value in TRIPLET.items() if name != "block"} | {"block": "=1+1", "task": "\t=2"}
    record = dataclasses.replace(record, events=(*record.events, event(10, trial=text, data=chose(0))))
    write_export(record, tmp_path / "data", BESIDE)
    for book in CODEBOOKS:
        with (tmp_path / "data" / f"{book.name}.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                texts = [row[column.name] for column in book.columns if column.kind not in ("integer", "number")]
                assert not [cell for cell in texts if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    people = pd.read_parquet(tmp_path / "data" / "participants.parquet")
    assert list(people["condition"]) == ["same", "@SUM(1+1)"]
    assert "'@SUM(1+1)" in (tmp_path / "data" / "participants.csv").read_text()


def test_the_package_describes_every_column_and_carries_the_hashes(record, tmp_path):
    folder = write_export(record, tmp_path / "data", BESIDE).folder
    package = json.loads((folder / "datapackage.json").read_text())
    assert package["profile"] == "tabular-data-package"
    assert package["study"]["config_sha256"] == "c" * 64
    assert package["study"]["plan_unchanged"] is True
    assert package["study"]["allocation"] == {"rule": "equal"}
    for resource, book in zip(package["resources"], CODEBOOKS, strict=True):
        content = (folder / resource["path"]).read_bytes()
        assert resource["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        names = [field["name"] for field in resource["schema"]["fields"]]
        assert {key["fields"] for key in resource["schema"]["foreignKeys"]} <= set(names)
        assert names == list(book.names) == content.decode().splitlines()[0].split(",")
        assert all(field["description"] for field in resource["schema"]["fields"])
        parquet = pd.read_parquet(folder / resource["parquet"]["path"])
        assert list(parquet.columns) == names
        assert len(parquet) == resource["rows"]
    readme = (folder / "README.md").read_text()
    assert all(f"`{column.name}`" in readme for book in CODEBOOKS for column in book.columns)
    assert "is not the one that was registered" not in readme


def test_a_plan_that_was_changed_is_told(record, tmp_path):
    folder = write_export(record, tmp_path / "data", {"analysis.toml": PLAN + b"# and one more\n"}).folder
    assert "is not the one that was registered" in (folder / "README.md").read_text()
    assert json.loads((folder / "datapackage.json").read_text())["study"]["plan_unchanged"] is False


def test_a_rehearsal_is_told_from_a_study(record, tmp_path):
    folder = write_export(record, tmp_path / "data", {**BESIDE, "truth.json": b"{}"}).folder
    assert (folder / "truth.json").read_bytes() == b"{}"
    assert "no human data" in (folder / "README.md").read_text()
    assert "no human data" not in (write_export(record, tmp_path / "other", BESIDE).folder / "README.md").read_text()


def test_nothing_is_written_over_in_silence(record, tmp_path):
    out = tmp_path / "data"
    write_export(record, out, BESIDE)
    before = (out / "events.csv").read_bytes()
    with pytest.raises(ValueError, match="--replace"):
        write_export(dataclasses.replace(record, events=()), out, BESIDE)
    assert (out / "events.csv").read_bytes() == before
    write_export(dataclasses.replace(record, events=()), out, BESIDE, replace=True)
    assert (out / "events.csv").read_bytes() != before
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(ValueError, match="something else"):
        write_export(record, tmp_path / "photos", BESIDE, replace=True)
    with pytest.raises(ValueError, match="is a file"):
        check_free(tmp_path / "photos" / "cat.jpg", True)


def test_an_export_that_fails_leaves_nothing_behind(record, tmp_path, monkeypatch):
    monkeypatch.setattr("apps.study.export.explained", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_export(record, tmp_path / "data", BESIDE)
    assert list(tmp_path.iterdir()) == []
