"""Copies of a study's database while it runs, and a look at the free space."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
import time
from pathlib import Path

from sqlalchemy import create_engine, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from apps.study.errors import StorageError, StorageFullError
from apps.study.models import Participant
from apps.study.storage_open import Engines, vacuum_into
from apps.study.storage_write import erase

KEEP = 24
SPACE_EVERY_S = 60.0
LEAST_FREE_BYTES = 20 * 2**20
WARN_FREE_BYTES = 200 * 2**20
_LOG = logging.getLogger(__name__)


def back_up(engines: Engines, folder: Path, keep: int = KEEP) -> Path | None:
    """Copy a SQLite database, check the copy, and only then give it its name; the oldest beyond `keep` go.

    Returns:
        The copy; None for PostgreSQL, whose copies are made with pg_dump.

    Raises:
        StorageError: the copy failed, or is damaged.
    """
    if engines.writer.dialect.name != "sqlite":
        return None
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f".unfinished-{os.getpid()}-{threading.get_ident()}.db"
    made.unlink(missing_ok=True)
    try:
        vacuum_into(engines.writer, made)
        _check(made)
        path = _free_name(folder)
        made.replace(path)
        _sync_folder(folder)
    except sqlite3.Error as problem:
        raise StorageError(f"the copy into {folder} failed: {problem}") from problem
    finally:
        made.unlink(missing_ok=True)
    # A clock that was set back would put the newest first: it stays in any case.
    others = sorted(other for other in folder.glob("study-*.db") if other != path)
    for old in others[: max(0, len(others) - keep + 1)]:
        old.unlink(missing_ok=True)
    return path


def erase_in_copies(engines: Engines, folder: Path) -> int:
    """Remove from older copies what people took back who withdrew since then.

    Returns:
        How many people were removed, summed over copies.

    Raises:
        StorageError: a copy cannot be changed: it still holds what was withdrawn, and must be deleted by hand.
    """
    with engines.reader.connect() as connection:
        gone = connection.execute(
            select(Participant.uuid, Participant.withdrawn).where(Participant.withdrawn.is_not(None))
        ).all()
    removed = 0
    for path in sorted(folder.glob("*.db")) if gone else []:
        copy = create_engine(f"sqlite:///{path}", poolclass=NullPool)
        try:
            with copy.begin() as connection:
                # What is freed is overwritten, not only forgotten.
                connection.exec_driver_sql("PRAGMA secure_delete = ON")
                for public, withdrawn in gone:
                    there = select(Participant.id).where(Participant.uuid == public, Participant.withdrawn.is_(None))
                    if (person := connection.execute(there).scalar()) is not None:
                        erase(connection, person, int(withdrawn or 0))
                        removed += 1
        except DBAPIError as problem:
            raise StorageError(
                f"{path} still holds answers of people who withdrew, and cannot be changed ({problem.orig}): delete it"
            ) from problem
    return removed


class Caretaker:
    """Copies the database every some minutes and at the end, and looks each minute whether the disk fills up.

    Copies forget those who withdrew, too.
    """

    def __init__(
        self, engines: Engines, folder: Path, every_minutes: float, least_free: int = LEAST_FREE_BYTES
    ) -> None:
        self._engines, self._folder, self._least_free = engines, folder, least_free
        self._every_s = every_minutes * 60
        self._stop = threading.Event()
        self._full = False
        self.check_space()
        self._thread = threading.Thread(target=self._work, name="study-caretaker", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def is_full(self) -> bool:
        """Tell whether there was too little space for new people at the last look."""
        return self._full

    def check_space(self) -> int:
        """Look at the disk of the study's folder.

        Returns:
            Free bytes.
        """
        free = shutil.disk_usage(self._folder).free
        if free < self._least_free and not self._full:
            _LOG.error("only %d MB are free at %s: nobody new can begin", free >> 20, self._folder)
        elif free < WARN_FREE_BYTES:
            _LOG.warning("only %d MB are free at %s", free >> 20, self._folder)
        self._full = free < self._least_free
        return free

    def stop(self) -> None:
        """End, with a last copy."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._copy()

    def _work(self) -> None:
        due = time.monotonic() + self._every_s
        while not self._stop.wait(min(SPACE_EVERY_S, max(0.05, due - time.monotonic()))):
            try:
                self.check_space()
            except OSError as problem:
                _LOG.error("cannot look at the free space: %s", problem)
            if time.monotonic() >= due:
                self._copy()
                due = time.monotonic() + self._every_s

    def _copy(self) -> None:
        try:
            back_up(self._engines, self._folder / "backups")
            erase_in_copies(self._engines, self._folder / "backups")
        except (StorageError, OSError) as problem:  # people go on answering; the next copy may work
            _LOG.error("no backup was made: %s", problem)


def refuse_full_disk(folder: Path, least_free: int = LEAST_FREE_BYTES) -> None:
    """Look at the free space before anyone is asked.

    Raises:
        StorageFullError: there is too little.
    """
    free = shutil.disk_usage(folder).free
    if free < least_free:
        raise StorageFullError(f"only {free >> 20} MB are free at {folder}; {least_free >> 20} MB are needed to begin")


def _check(path: Path) -> None:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        found = connection.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        connection.close()
    if found != "ok":
        raise StorageError(f"the copy of the database is damaged: {found}. Look at the disk")


def _free_name(folder: Path) -> Path:
    """A name after all others: copies of one second are counted on, also past those that went."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    taken = [int(path.stem[-3:]) for path in folder.glob(f"study-{stamp}-[0-9][0-9][0-9].db")]
    return folder / f"study-{stamp}-{max(taken, default=-1) + 1:03d}.db"


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
