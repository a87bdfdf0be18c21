"""The log keeps what was acknowledged, once, whatever happens; SQLite and PostgreSQL do the same."""

from __future__ import annotations

import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from apps.study import storage_write
from apps.study.errors import StorageError
from apps.study.models import Event, ExternalId, Participant, Queue, Session, Study
from apps.study.serve import open_study
from tests.apps.study.databases import database, postgresql, template  # noqa: F401
from tests.apps.study.folder import make_study
from tests.apps.study.visitor import SHORT, Visitor, ids, rows, serving


@pytest.fixture
def served(tmp_path, database):  # noqa: F811
    make_study(tmp_path, database=database, blocks=SHORT, recruitment={"platform": "prolific"})
    with serving(tmp_path) as pair:
        yield pair


def test_a_whole_session_lies_in_the_log(served):
    client, storage = served
    visitor = Visitor(client).go("done")
    assert visitor.step["outcome"] == "completed" and visitor.step["code"] == "COMPLETED"
    log = rows(storage, Event.seq, Event.type, Event.trial_id, Event.payload)
    trials = [
        payload for _, _, _, payload in log if payload["trial"]["phase"] == "main" and "choice" in payload["data"]
    ]
    assert len(trials) == 6 and all(len(set(entry["trial"]["items"])) == 3 for entry in trials)
    assert all(("correct" in entry) == (entry["trial"]["golden_choice"] is not None) for entry in trials)
    assert rows(storage, Participant.outcome, Participant.position) == [("completed", 0)]


def test_a_repeated_event_gets_the_same_reply_and_is_stored_once(served):
    client, storage = served
    visitor = Visitor(client).go("triplet")
    body = visitor.body(choice=1)
    first = visitor.post(body)
    later = visitor.post({**body, "client_ms": 99.0})
    visitor.step = first.json()["next"]
    visitor.send(choice=2)
    again = visitor.post(body)
    assert first.status_code == again.status_code == 200
    assert first.json() == later.json() == again.json()
    assert len(rows(storage, Event.seq, key=body["key"])) == 1


def test_a_key_with_other_content_is_refused(served):
    client, storage = served
    visitor = Visitor(client).go("triplet")
    body = visitor.body(choice=1)
    visitor.post(body)
    other = visitor.post({**body, "data": {"choice": 2}})
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")
    assert rows(storage, Event.payload, key=body["key"])[0][0]["data"]["choice"] == 1


def test_of_two_tabs_only_one_moves_on_and_the_other_is_shown_where(served):
    client, storage = served
    one = Visitor(client, ids("tabs"))
    one.go("triplet", "one.002")
    two = Visitor(client, ids("tabs"))
    assert two.begun["resumed"] and two.begun["participant"] == one.begun["participant"]
    assert two.step == one.step
    stale = two.body(choice=1)
    one.send(choice=0)
    refused = two.post(stale)
    assert (refused.status_code, refused.json()["code"]) == (409, "stale")
    assert refused.json()["next"] == one.step
    assert len(rows(storage, Event.seq, trial_id="one.002")) == 1


def test_a_crowd_of_identical_posts_is_one_event(served):
    client, storage = served
    visitor = Visitor(client).go("triplet")
    bodies = [visitor.body(choice=k % 3) for k in range(4)] * 5
    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(visitor.post, bodies))
    assert sorted({response.status_code for response in done}) == [200, 409]
    trial = visitor.step["trial_id"]
    stored = rows(storage, Event.seq, Event.key, trial_id=trial)
    assert len(stored) == 1
    taken = [r.json()["seq"] for r, body in zip(done, bodies, strict=True) if body["key"] == stored[0][1]]
    assert taken == [stored[0][0]] * 5


def test_the_last_answer_is_taken_back_by_a_new_event(served):
    client, storage = served
    visitor = Visitor(client).go("triplet", "one.003")
    shown = visitor.send(choice=0)
    visitor.send("undo")
    assert visitor.step["trial_id"] == "one.003" and not visitor.step["can_undo"]
    retract = rows(storage, Event.seq, Event.payload, type="retract")
    assert retract[0][1]["retracts"] == shown["seq"]
    refused = visitor.post(visitor.body("undo"))
    assert (refused.status_code, refused.json()["code"]) == (409, "closed")
    visitor.send(choice=1)
    assert len(rows(storage, Event.seq, trial_id="one.003", type="answer")) == 2


def test_withdrawing_leaves_a_tombstone_and_nothing_else(served):
    client, storage = served
    visitor = Visitor(client, ids("secret-person"))
    visitor.go("triplet", "one.004")
    answer = visitor.body(choice=1)
    visitor.post(answer)
    visitor.post(visitor.body("note", remark="my name is Ann"))
    reply = visitor.send("withdraw")
    assert reply["next"]["outcome"] == "withdrew" and reply["next"]["code"] == "WITHDREW"
    log = rows(storage, Event.seq, Event.payload, Event.reply, Event.payload_sha256, Event.client_ms)
    assert len(log) > 5 and all(tuple(row[1:]) == (None,) * 4 for row in log)
    assert rows(storage, ExternalId.id) == [] and rows(storage, Session.client) == [({},)]
    assert rows(storage, Participant.withdrawn)[0][0] is not None
    assert rows(storage, Queue.position, Queue.participant_id) == [(0, None)]
    assert visitor.post(answer).json()["next"]["kind"] == "done"
    assert visitor.look()["outcome"] == "withdrew"
    for kind in ("withdraw", "note", "answer"):
        assert visitor.post(visitor.body(kind)).json()["code"] == "closed"
    assert not Visitor(client, ids("secret-person")).begun["resumed"]


def test_the_place_of_a_person_who_withdrew_is_given_again(served):
    client, storage = served
    first, second = Visitor(client), Visitor(client)
    first.go("triplet")
    second.go("triplet")
    first.send("withdraw")
    Visitor(client).go("triplet")
    places = rows(storage, Queue.position, Queue.participant_id)
    assert [position for position, _ in places] == [0, 1] and places[0][1] == 3


@pytest.mark.parametrize("rule", ["equal", "gittins", "thompson"])
def test_conditions_are_equal_unless_a_pilot_prefers_what_works(tmp_path, rule):
    allocation = {"conditions": ["slow", "quick"], "rule": rule}
    block = [{**SHORT[0], "trials": 3}]
    make_study(tmp_path, blocks=block, allocation=allocation, practice={"trials": 0, "needed": 0})
    with serving(tmp_path) as (client, storage):
        for person in range(12):
            visitor = Visitor(client).go("triplet")
            condition = rows(storage, Participant.condition, id=person + 1)[0][0]
            while visitor.step["kind"] == "triplet":
                visitor.send(choice=1, rt_ms=1000.0 if condition == "quick" else 30_000.0)
            visitor.go("done")
        given = [condition for _, condition in rows(storage, Queue.position, Queue.condition)]
        logged = {row[0]["trial"]["condition"] for row in rows(storage, Event.payload, trial_id="one.001")}
    assert logged == {"slow", "quick"}
    if rule == "equal":
        assert all({*given[k : k + 2]} == {"slow", "quick"} for k in range(0, 12, 2))
    else:
        assert given.count("quick") >= 8 and given.count("slow") >= 2


FORGERIES = (
    update(Event).values(trial_id="forged"),
    update(Event).values(payload=None, payload_sha256=None, reply=None),
    delete(Event),
    text("INSERT OR REPLACE INTO event SELECT * FROM event"),
    text("TRUNCATE event"),
)


def test_the_database_itself_refuses_to_change_the_log(served):
    client, storage = served
    Visitor(client).go("triplet")
    before = rows(storage, Event.seq, Event.trial_id, Event.payload)
    for statement in FORGERIES:
        with pytest.raises(DBAPIError), storage.engines.writer.begin() as connection:
            connection.execute(statement)
        assert rows(storage, Event.seq, Event.trial_id, Event.payload) == before


def test_where_everyone_stands_follows_from_the_log_alone(tmp_path, database):  # noqa: F811
    make_study(tmp_path, database=database, blocks=[{**SHORT[0], "policy": "coverage", "trials": 12}])
    with serving(tmp_path) as (client, storage):
        visitor = Visitor(client).go("triplet", "one.007")
        visitor.send(choice=1)
        visitor.send("undo")
        before = visitor.look()
        standing = next(iter(storage.people._standings.values()))
    with serving(tmp_path) as (client, storage):
        visitor.client = client
        assert visitor.look() == before
        known = storage.find_session(visitor.begun["session"])
        assert storage.look(known).walk == standing.walk
        visitor.go("done")
        assert visitor.step["outcome"] == "completed"


def test_a_person_goes_on_under_the_settings_of_their_time(tmp_path, database):  # noqa: F811
    make_study(tmp_path, database=database, blocks=SHORT)
    with serving(tmp_path) as (client, _):
        early = Visitor(client).go("triplet", "one.001")
    make_study(tmp_path, database=database, blocks=[{**SHORT[0], "trials": 9}])
    with serving(tmp_path) as (client, storage):
        assert "settings of their time" in storage.registered.notices[0]
        early.client = client
        assert early.look()["progress"]["of"] == 6
        assert Visitor(client).go("triplet").step["progress"]["of"] == 9
        assert len(rows(storage, Study.id)) == 2


def test_other_animations_than_people_began_with_are_refused(tmp_path, database):  # noqa: F811
    make_study(tmp_path, database=database)
    with serving(tmp_path) as (client, _):
        Visitor(client)
    manifest = tmp_path / "stimuli" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["points"]["features"][0][0] = 0.123
    manifest.write_text(json.dumps(content))
    with pytest.raises(StorageError, match="copy the old ones back"):
        open_study(tmp_path)


def test_two_servers_of_one_database_agree(tmp_path, database):  # noqa: F811
    make_study(tmp_path, database=database, blocks=SHORT)
    with serving(tmp_path) as (one, _), serving(tmp_path) as (two, _):
        visitor = Visitor(one).go("triplet", "one.002")
        stale = visitor.body(choice=0)
        visitor.client = two
        assert visitor.look()["trial_id"] == "one.002"
        visitor.send(choice=1)
        visitor.client = one
        assert visitor.post(stale).json()["code"] == "stale"
        visitor.look()
        visitor.go("done")


def test_a_crowd_at_two_servers_of_one_database_loses_nothing(tmp_path, database):  # noqa: F811
    make_study(tmp_path, database=database, blocks=SHORT, practice={"trials": 0, "needed": 0})
    with serving(tmp_path) as (one, storage), serving(tmp_path) as (two, _):

        def visit(number):
            visitor = Visitor((one, two)[number % 2])
            acknowledged = 0
            while visitor.step["kind"] != "done":
                visitor.client = (one, two)[acknowledged % 2]
                body = visitor.body(**visitor.reply())
                while (response := visitor.post(body)).status_code == 503:
                    threading.Event().wait(0.05)
                assert response.status_code == 200, response.text
                visitor.step = response.json()["next"]
                acknowledged += 1
            return acknowledged

        with ThreadPoolExecutor(6) as pool:
            acknowledged = sum(pool.map(visit, range(6)))
        assert len(rows(storage, Event.seq)) == acknowledged
        assert sorted(position for (position,) in rows(storage, Queue.position)) == list(range(6))


def test_a_policy_chooses_once_even_when_many_look(tmp_path, database):  # noqa: F811
    make_study(tmp_path, database=database, blocks=[{**SHORT[0], "policy": "coverage", "trials": 12}])
    with serving(tmp_path) as (client, storage):
        visitor = Visitor(client)
        with ThreadPoolExecutor(8) as pool:
            for _ in range(12):
                steps = list(
                    pool.map(lambda _: client.get("/api/study/next", headers=visitor.headers).json(), range(8))
                )
                assert all(step == steps[0] for step in steps)
                visitor.step = steps[0]
                visitor.send(**visitor.reply())
        chosen = rows(storage, Event.trial_id, type="choose")
        assert len(chosen) == len(set(chosen)) > 0


def test_without_its_key_a_study_does_not_take_people_for_new_ones(tmp_path, database):  # noqa: F811
    make_study(tmp_path, database=database, recruitment={"platform": "prolific"})
    with serving(tmp_path) as (client, _):
        Visitor(client, ids("5f1e"))
    key = (tmp_path / "study.key").read_bytes()
    (tmp_path / "study.key").unlink()
    for _ in range(2):
        with pytest.raises(StorageError, match="is missing"):
            open_study(tmp_path)
    (tmp_path / "study.key").write_bytes(key)
    with serving(tmp_path) as (client, _):
        assert Visitor(client, ids("5f1e")).begun["resumed"]


def test_ids_of_platforms_are_kept_apart_under_a_key(served):
    client, storage = served
    Visitor(client, ids("5f1e"))
    digest, kept = rows(storage, ExternalId.digest, ExternalId.ids)[0]
    assert kept == ids("5f1e") and len(digest) == 64
    for name in ("study.key", *(["study.db"] if storage.engines.writer.dialect.name == "sqlite" else [])):
        assert (storage.folder / name).stat().st_mode & 0o077 == 0
    secret = Visitor(client).begun["session"]
    assert secret not in str(rows(storage, Session.secret_sha256))
    assert storage_write.new_secret() != storage_write.new_secret() and len(secret) >= 43
    assert str(uuid.UUID(Visitor(client).begun["participant"]))
