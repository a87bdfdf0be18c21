"""What the one writer promises: committed before acknowledged, together, and each job for itself."""

from __future__ import annotations

import sqlite3
import threading

import pytest
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import OperationalError, ProgrammingError

from apps.study.errors import StorageAwayError, StorageError, StorageFullError, StudyError
from apps.study.models import Queue
from apps.study.storage_open import database_url, open_engines, translated
from apps.study.writer import Writer
from tests.conftest import PATIENCE_S


def add(name):
    row = {"position": name, "condition": "", "participant_id": None}
    return lambda connection: connection.execute(insert(Queue).values(row)).rowcount


def test_waiting_jobs_share_a_transaction_and_a_failing_one_fails_alone(engines):
    writer = Writer(engines.writer)
    gate, begun = threading.Event(), threading.Event()
    first = writer.submit(lambda connection: begun.set() or gate.wait(PATIENCE_S))
    assert begun.wait(PATIENCE_S)
    futures = [writer.submit(add(k % 7)) for k in range(10)]
    gate.set()
    assert first.result(PATIENCE_S)
    problems = [future.exception(PATIENCE_S) for future in futures]
    assert [problem is None for problem in problems] == [True] * 7 + [False] * 3
    assert all(isinstance(problem, StudyError) for problem in problems[7:])
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

    writer.submit(add(1), watch).result(PATIENCE_S)
    assert seen == [[(1,)]]
    monkeypatch.setattr(engines.writer.dialect, "do_commit", _full)
    failed = writer.submit(add(2), watch)
    assert isinstance(failed.exception(PATIENCE_S), StorageFullError)
    monkeypatch.undo()
    writer.submit(add(3)).result(PATIENCE_S)
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
    writer.submit(lambda connection: begun.set() or gate.wait(PATIENCE_S))
    assert begun.wait(PATIENCE_S)
    gone, there = writer.submit(add(1)), writer.submit(add(2))
    assert gone.cancel()
    gate.set()
    assert there.result(PATIENCE_S) == 1
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
