"""The same tests for SQLite and, under pg_virtualenv with -m postgres, for a real PostgreSQL server."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL

from apps.study.storage_open import open_engines


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


@pytest.fixture(scope="session")
def template() -> str:
    """The name of a database with our tables, which others are copied from."""
    name = f"study_{uuid.uuid4().hex[:12]}"
    _administer(f"CREATE DATABASE {name}")
    pair = open_engines(server_url().set(database=name))
    pair.writer.dispose()
    pair.reader.dispose()
    return name


@pytest.fixture
def postgresql(template: str) -> Iterator[str]:
    """The address of a new database of the server."""
    name = f"study_{uuid.uuid4().hex[:12]}"
    _administer(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server_url().set(database=name).render_as_string(hide_password=False)
    _administer(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    """What study.toml says as `database`: nothing for SQLite, else a new database of the server."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgresql"))
