"""Versions, copies, full disks, databases that go away: what was acknowledged stays."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import struct
import threading
from shutil import copytree

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from apps.study import storage_open
from apps.study.backup import Caretaker, back_up, erase_in_copies
from apps.study.errors import StorageAwayError, StorageError, StudyError
from apps.study.migrations import HEAD
from apps.study.models import Base, Event
from apps.study.serve import open_study
from apps.study.storage_open import database_url, open_engines
from tests.apps.study.databases import database, postgresql, template  # noqa: F401
from tests.apps.study.folder import make_study
from tests.apps.study.visitor import SHORT, Visitor, ids, rows, serving
from tests.conftest import wait_until


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
    wait_until(lambda: len(list((tmp_path / "backups").glob("study-*.db"))) >= 2)
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


class _Reset:
    """A way to a server that tears its connections down at once, as a server that is killed does (RST, not FIN)."""

    def __init__(self, host: str, port: int) -> None:
        self._target, self._pairs = (host, port), []
        self.refuses = self.tears_at_a_word = False
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            if self.refuses:
                near.recv(1)
                self._tear(near)
                continue
            far = socket.create_connection(self._target)
            self._pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.tears_at_a_word:
                    self.tears_at_a_word = False
                    self.tear()
                    return
                sink.sendall(data)

    @staticmethod
    def _tear(near: socket.socket) -> None:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):  # its other end may have gone already
            near.shutdown(socket.SHUT_RD)  # wakes the thread that waits in recv, which would keep the socket open
        near.close()

    def tear(self) -> None:
        for near, far in self._pairs:
            self._tear(near)
            far.close()
        self._pairs.clear()

    def close(self) -> None:
        self.tear()
        self._door.close()


@pytest.mark.postgres
@pytest.mark.parametrize("where", ["at the ping", "while connecting", "in a statement"])
def test_a_connection_that_is_reset_is_a_database_that_is_away(tmp_path, postgresql, where):  # noqa: F811
    make_study(tmp_path, database=postgresql, blocks=SHORT)
    url = storage_open.make_url(postgresql)
    road = _Reset(url.host, url.port or 5432)
    pair = open_engines(url.set(host="127.0.0.1", port=road.port))
    engine = pair.reader
    try:
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1
        if where == "at the ping":
            road.tears_at_a_word = True
        elif where == "while connecting":
            road.refuses = True
            engine.dispose()
            with pytest.raises(DBAPIError) as failed:
                engine.connect()
            assert isinstance(storage_open.translated(failed.value), StorageAwayError)
            road.refuses = False
        else:
            with engine.connect() as connection, pytest.raises(DBAPIError) as failed:
                connection.execute(text("SELECT 1"))
                road.tears_at_a_word = True
                connection.execute(text("SELECT 2"))
            assert isinstance(storage_open.translated(failed.value), StorageAwayError)
            assert storage_open.may_repeat(failed.value)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1
    finally:
        road.close()
        pair.writer.dispose()
        pair.reader.dispose()


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
