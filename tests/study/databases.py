"""The same tests for SQLite and, under pg_virtualenv with -m postgres, for a real PostgreSQL server."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.engine import URL


def server_url() -> URL:
    """The server that pg_virtualenv started."""
    if "PGHOST" not in os.environ:
        pytest.skip("no PostgreSQL server: run under pg_virtualenv")
    return URL.create(
        "postgresql+pg8000",
        os.environ.get("PGUSER"),
        os.environ.get("PGPASSWORD"),
        os.environ["PGHOST"],
        int(os.environ.get("PGPORT", "5432")),
        os.environ.get("PGDATABASE", "postgres"),
    )


def _administer(statement: str) -> None:
    engine = create_engine(server_url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """What study.toml says as `database`: nothing for SQLite, else a new database of the server."""
    if request.param == "sqlite":
        yield ""
        return
    name = f"study_{uuid.uuid4().hex[:12]}"
    _administer(f"CREATE DATABASE {name}")
    yield make_url(server_url()).set(database=name).render_as_string(hide_password=False)
    _administer(f"DROP DATABASE {name} WITH (FORCE)")
