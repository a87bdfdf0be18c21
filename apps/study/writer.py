"""One thread writes: what waits is committed together, and acknowledged only when it is on the disk.

With a transaction for each of 20 people's answers, each waits for 20 flushes of the disk; together they wait for one.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from apps.study.errors import StorageAwayError, StorageError, StorageFullError, StudyError, TooManyError
from apps.study.storage_open import may_repeat, translated

T = TypeVar("T")
BATCH = 64
MOST_WAITING = 4_096
_LOG = logging.getLogger(__name__)


class _Job(NamedTuple):
    run: Callable[[Connection], Any]
    committed: Callable[[Any], None] | None
    future: Future[Any]


class Writer:
    """Runs jobs in the order in which they came, each inside a savepoint, up to `BATCH` in a transaction.

    A job that raises is rolled back alone. When the transaction fails, all its jobs are told so and none is
    stored; they must be safe to repeat.
    """

    def __init__(self, engine: Engine, batch: int = BATCH) -> None:
        self._engine, self._batch = engine, batch
        self._waiting: queue.Queue[_Job | None] = queue.Queue(MOST_WAITING)
        self._closed = False
        self.transactions = 0
        self._thread = threading.Thread(target=self._work, name="study-writer", daemon=True)
        self._thread.start()

    def submit(self, run: Callable[[Connection], T], committed: Callable[[T], None] | None = None) -> Future[T]:
        """Queue a job; its future has the result once it is committed.

        Args:
            run: gets the connection; may run twice when the database went away in between.
            committed: called in the writer's thread after the commit, before any later job runs.

        Raises:
            StorageAwayError: the writer is closed.
            TooManyError: too many jobs wait.
        """
        if self._closed:
            raise StorageAwayError("the server is stopping")
        future: Future[T] = Future()
        try:
            self._waiting.put_nowait(_Job(run, committed, future))
        except queue.Full:
            raise TooManyError(f"{MOST_WAITING} answers wait to be stored: try again") from None
        return future

    def close(self) -> None:
        """Store what waits, and stop."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            jobs, last = [job], False
            while len(jobs) < self._batch:
                try:
                    more = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                    break
                jobs.append(more)
            self._serve(jobs)
            if last:
                return

    def _serve(self, jobs: list[_Job]) -> None:
        # Whoever hung up before their turn sends it again; from here on nobody can.
        jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        if not jobs:
            return
        try:
            results = self._together(jobs)
        except Exception as problem:  # whatever it is: those who wait are told, and the thread lives on
            error = _explained(problem)
            if not isinstance(error, StorageAwayError):
                known = isinstance(error, StorageFullError)
                _LOG.error("a transaction failed: %s", error, exc_info=None if known else problem)
            for job in jobs:
                job.future.set_exception(error)
            return
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, _Failed):
                job.future.set_exception(_explained(result.problem))
                continue
            if job.committed is not None:
                job.committed(result)
            job.future.set_result(result)

    def _together(self, jobs: list[_Job]) -> list[Any]:
        """Run jobs in one transaction; once more when the connection had died meanwhile, or in a deadlock."""
        for last in (False, True):
            try:
                with self._engine.connect() as connection, connection.begin():
                    results = [_run(job, connection) for job in jobs]
                self.transactions += 1
                return results
            except DBAPIError as problem:
                if last or not may_repeat(problem):
                    raise
        raise AssertionError("unreachable")


class _Failed(NamedTuple):
    problem: Exception


def _run(job: _Job, connection: Connection) -> Any:
    savepoint = connection.begin_nested()
    try:
        result = job.run(connection)
        savepoint.commit()
        return result
    except Exception as problem:
        # A database that is full or away fails the whole transaction; anything else is this job's own affair.
        if isinstance(problem, DBAPIError) and type(translated(problem)) is not StorageError:
            raise
        savepoint.rollback()
        return _Failed(problem)


def _explained(problem: Exception) -> Exception:
    if isinstance(problem, StudyError):
        return problem
    if isinstance(problem, DBAPIError):
        return translated(problem)
    if isinstance(problem, PoolTimeout):
        return StorageAwayError("the database does not answer")
    if isinstance(problem, SQLAlchemyError | OSError):
        return StorageError(f"the database refused: {str(problem)[:300]}")
    return problem
