"""The log keeps what was acknowledged, once, whatever happens; SQLite and PostgreSQL do the same."""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from shutil import copytree

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from apps.study import storage_open, storage_write
from apps.study.backup import Caretaker, back_up, erase_in_copies
from apps.study.errors import StorageAwayError, StorageError, StorageFullError, StudyError
from apps.study.migrations import HEAD
from apps.study.models import Base, Event, ExternalId, Participant, Queue, Session, Study
from apps.study.serve import open_study
from apps.study.storage_open import database_url, open_engines, translated
from apps.study.writer import Writer
from tests.study.databases import database, postgresql, template  # noqa: F401
from tests.study.folder import make_study
from tests.study.visitor import Visitor, serving

SHORT = [{"name": "one", "task": "points", "trials": 6, "min_watch_s": 0.0}]


@pytest.fixture
def served(tmp_path, database):  # noqa: F811
    make_study(tmp_path, database=database, blocks=SHORT, recruitment={"platform": "prolific"})
    with serving(tmp_path) as pair:
        yield pair


def rows(storage, *columns, **where):
    with storage.engines.reader.connect() as connection:
        query = select(*columns).filter_by(**where)
        return connection.execute(query.order_by(columns[0])).all()


def ids(name: str) -> dict[str, str]:
    return {"PROLIFIC_PID": name, "STUDY_ID": "s", "SESSION_ID": "x"}


def test_a_whole_session_lies_in_the_log(served):
    client, storage = served
    visitor = Visitor(client).go("done")
    assert visitor.step["outcome"] == "completed" and visitor.step["code"] == "COMPLETED"
    log = rows(storage, Event.seq, Event.type, Event.trial_id, Event.payload)
    trials = [
        payload for _, _, _, payload in log if payload["trial"]["phase"] == "main" and "choice" in payload["data"]
    ]
    assert len(trials) == 6 and all(len(set(told["trial"]["items"])) == 3 for told in trials)
    assert all(("correct" in told) == (told["trial"]["golden_choice"] is not None) for told in trials)
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
    told = json.loads(manifest.read_text())
    told["points"]["features"][0][0] = 0.123
    manifest.write_text(json.dumps(told))
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


# --- what the writer promises ---------------------------------------------------------------------------------------


@pytest.fixture
def engines(tmp_path):
    pair = open_engines(database_url(tmp_path, ""))
    yield pair
    pair.writer.dispose()
    pair.reader.dispose()


def add(name):
    row = {"position": name, "condition": "", "participant_id": None}
    return lambda connection: connection.execute(insert(Queue).values(row)).rowcount


def test_waiting_jobs_share_a_transaction_and_a_failing_one_fails_alone(engines):
    writer = Writer(engines.writer)
    gate, begun = threading.Event(), threading.Event()
    first = writer.submit(lambda connection: begun.set() or gate.wait(10))
    assert begun.wait(10)
    futures = [writer.submit(add(k % 7)) for k in range(10)]
    gate.set()
    assert first.result(10)
    told = [future.exception(10) for future in futures]
    assert [problem is None for problem in told] == [True] * 7 + [False] * 3
    assert all(isinstance(problem, StudyError) for problem in told[7:])
    assert writer.transactions == 2
    writer.close()
    with pytest.raises(StorageAwayError, match="stopping"):
        writer.submit(add(9))


def test_nothing_is_acknowledged_before_it_is_committed(engines, monkeypatch):
    writer = Writer(engines.writer)
    seen = []

    def watch(result):
        with engines.reader.connect() as connection:
            seen.append(connection.execute(select(Queue.position)).all())

    writer.submit(add(1), watch).result(10)
    assert seen == [[(1,)]]
    monkeypatch.setattr(engines.writer.dialect, "do_commit", _full)
    failed = writer.submit(add(2), watch)
    assert isinstance(failed.exception(10), StorageFullError)
    monkeypatch.undo()
    writer.submit(add(3)).result(10)
    writer.close()
    with engines.reader.connect() as connection:
        assert connection.execute(select(Queue.position)).all() == [(1,), (3,)]
    assert len(seen) == 1


def _full(connection):
    problem = sqlite3.OperationalError("database or disk is full")
    connection.execute("ROLLBACK")
    raise problem


def test_a_job_whose_sender_hung_up_is_left_out(engines):
    writer = Writer(engines.writer)
    gate, begun = threading.Event(), threading.Event()
    writer.submit(lambda connection: begun.set() or gate.wait(10))
    assert begun.wait(10)
    gone, there = writer.submit(add(1)), writer.submit(add(2))
    assert gone.cancel()
    gate.set()
    assert there.result(10) == 1
    writer.close()
    with engines.reader.connect() as connection:
        assert connection.execute(select(Queue.position)).all() == [(2,)]


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (sqlite3.OperationalError("database or disk is full"), StorageFullError),
        (Exception({"S": "ERROR", "C": "53100", "M": "could not extend file"}), StorageFullError),
        (Exception({"S": "FATAL", "C": "55000", "M": "not accepting connections"}), StorageAwayError),
        (Exception({"S": "ERROR", "C": "57P01", "M": "terminating connection"}), StorageAwayError),
        (ConnectionRefusedError("connection refused"), StorageAwayError),
        (sqlite3.OperationalError("database is locked"), StorageAwayError),
        (Exception({"S": "ERROR", "C": "40P01", "M": "deadlock detected"}), StorageAwayError),
        (Exception({"S": "ERROR", "C": "23505", "M": "duplicate key"}), StorageError),
        (sqlite3.IntegrityError("append-only"), StorageError),
    ],
    ids=str,
)
def test_complaints_of_databases_are_told_apart(cause, kind):
    assert type(translated(ProgrammingError("x", {}, cause))) is kind


def test_sqlite_is_set_up_for_durability(engines):
    with engines.writer.connect() as connection:
        for pragma, value in {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}.items():
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
    with engines.reader.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.execute(delete(Queue))


def test_a_disk_that_cannot_keep_a_log_is_refused(tmp_path, monkeypatch):
    class Odd(sqlite3.Connection):
        def execute(self, sql, *arguments):
            return super().execute("SELECT 'delete'" if "journal_mode" in sql else sql, *arguments)

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, factory=Odd, **k))
    monkeypatch.setattr(sqlite3.dbapi2, "connect", lambda *a, **k: real(*a, factory=Odd, **k))
    with pytest.raises(StorageError, match="local disk"):
        open_engines(database_url(tmp_path, ""))


# --- versions, copies, space ----------------------------------------------------------------------------------------


def test_tables_match_their_models(tmp_path, database):  # noqa: F811
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(storage_open.MIGRATIONS)).get_heads() == [HEAD]
    pair = open_engines(database_url(tmp_path, database))
    with pair.writer.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    pair.writer.dispose()
    pair.reader.dispose()


NEXT = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "next", "{last}", None, None
def upgrade():
    op.add_column("session", sa.Column("remark", sa.Text))
    {more}
"""


def _with_next(tmp_path, monkeypatch, more=""):
    folder = tmp_path / "migrations"
    copytree(storage_open.MIGRATIONS, folder)
    (folder / "versions" / "next.py").write_text(NEXT.format(last=HEAD, more=more))
    monkeypatch.setattr(storage_open, "MIGRATIONS", folder)
    monkeypatch.setattr(storage_open, "HEAD", "next")


def test_an_older_database_is_copied_then_migrated_and_keeps_its_people(tmp_path, database, monkeypatch):  # noqa: F811
    make_study(tmp_path, database=database, blocks=SHORT)
    with serving(tmp_path) as (client, _):
        visitor = Visitor(client).go("triplet", "one.003")
    _with_next(tmp_path, monkeypatch)
    with pytest.raises(StorageError, match="serve the study once"):
        open_engines(database_url(tmp_path, database), migrate=False)
    with serving(tmp_path) as (client, storage):
        visitor.client = client
        visitor.look()
        visitor.go("done")
        with storage.engines.reader.connect() as connection:
            assert connection.execute(text("SELECT remark FROM session")).all() == [(None,)]
    copies = list((tmp_path / "backups").glob("before-migration-*.db"))
    assert len(copies) == (0 if database else 1)
    for copy in copies:
        assert sqlite3.connect(copy).execute("SELECT count(*) FROM event").fetchone()[0] > 3


def test_a_migration_that_breaks_leaves_everything_as_it_was(tmp_path, database, monkeypatch):  # noqa: F811
    make_study(tmp_path, database=database, blocks=SHORT)
    with serving(tmp_path) as (client, _):
        visitor = Visitor(client).go("triplet", "one.003")
    with monkeypatch.context() as patched:
        _with_next(tmp_path, patched, more='op.execute("SELECT nonsense")')
        with pytest.raises(StudyError):
            open_study(tmp_path)
    with serving(tmp_path) as (client, _):
        visitor.client = client
        assert visitor.look()["trial_id"] == "one.003"


def test_a_newer_database_is_refused_and_left_alone(tmp_path, database):  # noqa: F811
    make_study(tmp_path, database=database)
    storage = open_study(tmp_path)
    with storage.engines.writer.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    storage.close()
    with pytest.raises(StorageError, match="from a newer Empaw"):
        open_study(tmp_path)


def test_a_database_of_something_else_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "study.db") as connection:
        connection.execute("CREATE TABLE recipes (x)")
    with pytest.raises(StorageError, match="recipes"):
        open_engines(database_url(tmp_path, ""))


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "study.db").write_bytes(b"no database" * 500)
    with pytest.raises(StorageError, match="not a database"):
        open_engines(database_url(tmp_path, ""))


def test_copies_are_whole_and_the_oldest_go(tmp_path):
    make_study(tmp_path, blocks=SHORT)
    with serving(tmp_path) as (client, storage):
        Visitor(client).go("triplet", "one.003")
        kept = [back_up(storage.engines, tmp_path / "backups", keep=3) for _ in range(5)]
        events = len(rows(storage, Event.seq))
    there = sorted((tmp_path / "backups").iterdir())
    assert there == kept[2:]
    copy = sqlite3.connect(there[-1])
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert copy.execute("SELECT count(*) FROM event").fetchone() == (events,)


def test_copies_forget_whoever_withdrew(tmp_path):
    make_study(tmp_path, blocks=SHORT, recruitment={"platform": "prolific"})
    with serving(tmp_path) as (client, storage):
        going, staying = Visitor(client, ids("going-person")), Visitor(client, ids("staying-person"))
        for visitor in (going, staying):
            visitor.go("triplet", "one.003")
            visitor.post(visitor.body("note", remark=f"remark of {visitor.begun['participant']}"))
        copy = back_up(storage.engines, tmp_path / "backups")
        going.send("withdraw")
        assert b"going-person" in copy.read_bytes()
        assert erase_in_copies(storage.engines, tmp_path / "backups") == 1
        assert erase_in_copies(storage.engines, tmp_path / "backups") == 0
    kept = copy.read_bytes()
    assert b"going-person" not in kept and f"remark of {going.begun['participant']}".encode() not in kept
    assert b"staying-person" in kept and f"remark of {staying.begun['participant']}".encode() in kept


def test_nothing_of_whoever_withdrew_is_left_in_the_file(tmp_path):
    make_study(tmp_path, blocks=SHORT, recruitment={"platform": "prolific"})
    with serving(tmp_path) as (client, storage):
        visitor = Visitor(client, ids("going-person")).go("triplet")
        visitor.post(visitor.body("note", remark="a very private remark"))
        visitor.send("withdraw")
        # The journal still has the pages as they were; a copy empties it.
        assert b"a very private remark" in (tmp_path / "study.db-wal").read_bytes()
        back_up(storage.engines, tmp_path / "backups")
        for path in (*tmp_path.glob("study.db*"), *(tmp_path / "backups").iterdir()):
            assert b"going-person" not in path.read_bytes() and b"a very private remark" not in path.read_bytes()


def test_the_caretaker_copies_from_time_to_time_and_at_the_end(tmp_path, engines):
    caretaker = Caretaker(engines, tmp_path, every_minutes=0.001)
    caretaker.start()
    for _ in range(600):
        if len(list((tmp_path / "backups").glob("study-*.db"))) >= 2:
            break
        threading.Event().wait(0.05)
    caretaker.stop()
    assert len(list((tmp_path / "backups").glob("study-*.db"))) >= 3


def test_nobody_new_begins_on_a_full_disk_and_the_others_go_on(tmp_path):
    make_study(tmp_path, blocks=SHORT)
    full = threading.Event()
    with serving(tmp_path, is_full=full.is_set) as (client, _):
        visitor = Visitor(client)
        full.set()
        refused = client.post("/api/study/sessions", json={})
        assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")
        assert int(refused.headers["retry-after"]) > 0
        visitor.go("done")


def test_a_real_full_disk_costs_nothing_that_was_acknowledged(tmp_path):
    make_study(tmp_path, blocks=[{**SHORT[0], "trials": 40}])
    with serving(tmp_path) as (client, storage):
        visitor = Visitor(client).go("triplet", "one.002")
        with storage.engines.writer.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        bodies = []
        for _ in range(40):
            bodies.append(visitor.body(choice=1, extra_bulk="x" * 3000))
            response = visitor.post(bodies[-1])
            if response.status_code != 200:
                break
            visitor.step = response.json()["next"]
        assert (response.status_code, response.json()["code"]) == (507, "disk_full")
        assert "retry-after" in response.headers
        acknowledged = {body["key"] for body in bodies[:-1]}
        with storage.engines.writer.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1073741823")
        assert visitor.post(bodies[-1]).status_code == 200
        stored = [key for (key,) in rows(storage, Event.key)]
        assert acknowledged < set(stored) and len(stored) == len(set(stored))


@pytest.mark.postgres
def test_postgresql_goes_away_and_comes_back(tmp_path, postgresql):  # noqa: F811
    make_study(tmp_path, database=postgresql, blocks=SHORT)
    with serving(tmp_path) as (client, storage):
        visitor = Visitor(client).go("triplet", "one.002")
        name = storage_open.make_url(postgresql).database
        body = visitor.body(choice=1)
        admin = storage_open.create_engine(
            storage_open.make_url(postgresql).set(database="postgres"), isolation_level="AUTOCOMMIT"
        )
        with admin.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
            connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"))
            away = [visitor.post(body), client.get("/api/study/next", headers=visitor.headers)]
            away.append(client.post("/api/study/sessions", json={}))
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        admin.dispose()
        assert [(r.status_code, r.json()["code"]) for r in away] == [(503, "away")] * 3
        assert all("retry-after" in response.headers for response in away)
        assert visitor.post(body).status_code == 200
        visitor.look()
        visitor.go("done")
        assert len(rows(storage, Event.seq, key=body["key"])) == 1


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
