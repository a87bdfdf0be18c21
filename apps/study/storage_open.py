"""Open a study's database: engines as SQLite and PostgreSQL need them, and tables of the version that we know."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from apps.study.errors import StorageAwayError, StorageError, StorageFullError
from apps.study.migrations import HEAD

MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_MS = 10_000
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 60
_SQLITE_FULL = 13  # sqlite3.SQLITE_FULL from Python 3.11 on
_MIGRATION_LOCK = 0x456D7061  # any number that all servers of ours agree on


class Engines(NamedTuple):
    """The engine of the one writer, and that of all readers."""

    writer: Engine
    reader: Engine


def database_url(folder: Path, database: str) -> URL:
    """Tell where a study keeps its data: the address in its settings, or `study.db` in its folder.

    Raises:
        StorageError: the address is none, or of another kind of database.
    """
    if not database:
        return URL.create("sqlite", database=str((folder / "study.db").resolve()))
    try:
        url = make_url(database)
    except ArgumentError as problem:
        raise StorageError(f"database: cannot be read as an address: {problem}") from problem
    if url.drivername not in ("sqlite", "postgresql+pg8000"):
        raise StorageError(f"database: {url.drivername!r} came; allowed are sqlite and postgresql+pg8000")
    return url


def open_engines(url: URL, *, migrate: bool = True) -> Engines:
    """Connect, check the settings that durability rests on, and bring the tables to our version.

    Args:
        url: of `database_url`.
        migrate: migrate an older database, after a copy of it; without, an older one is refused.

    Raises:
        StorageError: the database is newer than this program, older (without `migrate`), or keeps no write-ahead log.
        StorageAwayError: it cannot be reached.
    """
    try:
        writer = _engine(url, writes=True)
    except NoSuchModuleError as problem:
        raise StorageError("PostgreSQL needs its driver: pip install 'empaw[postgres]'") from problem
    try:
        _bring_to_head(writer, url, migrate)
    except DBAPIError as problem:
        writer.dispose()
        raise translated(problem) from problem
    except StorageError:
        writer.dispose()
        raise
    reader = _engine(url, writes=False)
    return Engines(writer, reader)


def translated(problem: DBAPIError) -> StorageError:
    """Say what the database's complaint means: full, away, or a fault of ours."""
    cause = problem.orig
    reason = str(cause)[:300]
    state, severity = _sqlstate(cause)
    full = getattr(cause, "sqlite_errorcode", None) == _SQLITE_FULL or "disk is full" in reason or state == "53100"
    if full:
        return StorageFullError(f"the disk of the database is full ({reason}): free some space")
    # What ends a connection, and classes of SQLSTATE that go by: connection, deadlock, resources, operator, system.
    passing = severity in ("FATAL", "PANIC") or state[:2] in ("08", "40", "53", "57", "58")
    lost = problem.connection_invalidated or isinstance(cause, OSError)
    if passing or lost or type(cause).__name__ in ("OperationalError", "InterfaceError"):
        return StorageAwayError(f"the database cannot be reached ({reason})")
    return StorageError(f"the database refused: {reason}")


def may_repeat(problem: DBAPIError) -> bool:
    """Tell whether the same transaction is likely to work now: its connection had died, or two servers met."""
    return problem.connection_invalidated or _sqlstate(problem.orig)[0][:2] == "40"


def _sqlstate(cause: BaseException | None) -> tuple[str, str]:
    """Code and severity of PostgreSQL's complaint, as pg8000 hands them over; empty for others."""
    fields = cause.args[0] if cause is not None and cause.args else None
    return (str(fields.get("C", "")), str(fields.get("S", ""))) if isinstance(fields, dict) else ("", "")


def _engine(url: URL, *, writes: bool) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, writes=writes)
    return _postgresql(url, 2, CONNECT_TIMEOUT_S) if writes else _postgresql(url, 5, READ_TIMEOUT_S)


def _sqlite(url: URL, *, writes: bool) -> Engine:
    if writes:
        # What people said is nobody else's on this machine; the journal beside it takes the same permissions.
        path = Path(url.database or "")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1 if writes else 4,
        max_overflow=0 if writes else 12,
        connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, record: Any) -> None:
        # The driver's own transactions begin too late, and end before changes of tables.
        connection.isolation_level = None
        for pragma in ("foreign_keys = ON", "synchronous = FULL", f"busy_timeout = {BUSY_MS}", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
        if writes:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise StorageError(
                    f"SQLite keeps journal_mode {mode!r} at {url.database} instead of WAL: put the study on a local "
                    "disk (network file systems cannot do it), or use PostgreSQL"
                )
        else:
            connection.execute("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A reader that turns writer in the middle fails at once, whatever busy_timeout says: writers say so first.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: URL, size: int, timeout_s: float) -> Engine:
    engine = create_engine(
        url, pool_size=size, max_overflow=0 if size < 3 else 10, pool_pre_ping=True, pool_timeout=CONNECT_TIMEOUT_S,
        pool_recycle=1800, connect_args={"timeout": timeout_s, "application_name": "empaw-study"},
    )  # fmt: skip
    _name_network_errors(engine)
    return engine


def _name_network_errors(engine: Engine) -> None:
    """Give an error of the socket the name that pg8000 gives it, on the three ways on which it gives none.

    pg8000 1.31 calls it InterfaceError where it writes, and lets it through as it is at the first byte that it reads.
    SQLAlchemy knows only the driver's own errors: the rest passes its pool's ping as a fault, not as a lost connection.
    """
    dialect = engine.dialect
    ping, lost = dialect.do_ping, dialect.loaded_dbapi.InterfaceError

    def do_ping(connection: Any) -> bool:
        try:
            return bool(ping(connection))
        except OSError as problem:
            raise lost("network error") from problem

    dialect.do_ping = do_ping  # type: ignore[assignment, method-assign]

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, args: list[Any], options: dict[str, Any]) -> Any:
        try:
            return dialect.connect(*args, **options)
        except OSError as problem:
            raise lost(f"network error: {problem}") from problem

    @event.listens_for(engine, "handle_error")
    def statement(context: ExceptionContext) -> DBAPIError | None:
        problem = context.original_exception
        if not isinstance(problem, OSError):
            return None
        context.is_disconnect = True
        return DBAPIError(context.statement, None, problem, connection_invalidated=True)


def _bring_to_head(engine: Engine, url: URL, migrate: bool) -> None:
    with engine.connect() as connection:
        at = _version(connection)
    if at == HEAD:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = [revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()]
    if at is not None and at not in known:
        raise StorageError(
            f"this database has tables of version {at}, and this Empaw knows up to {HEAD}: it is from a newer Empaw. "
            "Update Empaw; the database was not touched"
        )
    if at is not None and not migrate:
        raise StorageError(f"this database has tables of version {at}, needed is {HEAD}: serve the study once")
    if at is not None:
        copy_before_migration(engine, url, at)
    with engine.begin() as connection:
        if connection.dialect.name != "sqlite":
            # Two servers that start at once would both make the tables; SQLite has one writer in any case.
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    names = inspect(connection).get_table_names()
    if "alembic_version" in names:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if names:
        raise StorageError(
            f"the database holds tables that are not ours ({', '.join(sorted(names)[:4])}): give the study its own"
        )
    return None


def copy_before_migration(engine: Engine, url: URL, version: str) -> Path | None:
    """Copy a SQLite database into `backups/` beside it before its tables change; None for PostgreSQL (pg_dump)."""
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    folder = Path(url.database).parent / "backups"
    folder.mkdir(exist_ok=True)
    path = folder / f"before-migration-from-{version}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.db"
    vacuum_into(engine, path)
    return path


def vacuum_into(engine: Engine, path: Path) -> None:
    """Write a copy of a SQLite database that is whole and of one moment, durably (never `cp` a live one)."""
    raw = sqlite3.connect(str(engine.url.database), isolation_level=None, timeout=BUSY_MS / 1000)
    try:
        raw.execute("VACUUM INTO ?", (str(path),))
        # Pages as they were before somebody withdrew wait in the write-ahead log until it is emptied. That keeps
        # writers waiting for whoever reads: not for long, it is tried again at the next copy.
        raw.execute("PRAGMA busy_timeout = 200")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        raw.close()
    path.chmod(0o600)
    with path.open("rb") as copy:
        os.fsync(copy.fileno())
