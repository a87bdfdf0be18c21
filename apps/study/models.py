"""The tables of a study's database, for SQLite and PostgreSQL alike."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, MetaData, String, Text, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

# 64 bits everywhere; SQLite numbers rows by itself for the type INTEGER only.
Number = BigInteger().with_variant(Integer, "sqlite")


class JsonText(TypeDecorator[Any]):
    """JSON kept as ASCII text: what PostgreSQL's jsonb refuses (NUL, lone surrogates) stays as its escape."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Python to database."""
        return None if value is None else json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Database to Python."""
        return None if value is None else json.loads(value)


class Base(DeclarativeBase):
    """Declarative base of all tables, with names of constraints that migrations can rely on."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Study(Base):
    """One state of the settings; a new row whenever they changed. A person keeps the row that they began under.

    `plan_sha256` is the hash of analysis.toml, `stimuli_sha256` of the manifest of animations. Times of all tables are
    ms since 1970 UTC.
    """

    __tablename__ = "study"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    created: Mapped[int] = mapped_column(BigInteger)
    config: Mapped[Any] = mapped_column(JsonText)
    config_sha256: Mapped[str] = mapped_column(String(64))
    plan_sha256: Mapped[str] = mapped_column(String(64))
    stimuli_sha256: Mapped[str] = mapped_column(String(64))
    code_version: Mapped[str] = mapped_column(String(80))


class ConsentText(Base):
    """Every text that anyone was asked to agree to; `body` has paragraphs and check boxes."""

    __tablename__ = "consent_text"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    version: Mapped[str] = mapped_column(String(80))
    language: Mapped[str] = mapped_column(String(16))
    sha256: Mapped[str] = mapped_column(String(64))
    body: Mapped[Any] = mapped_column(JsonText)
    __table_args__ = (UniqueConstraint("language", "sha256"),)


class InstrumentText(Base):
    """Every questionnaire that anyone was asked, as its file stood; `body` is that file's text."""

    __tablename__ = "instrument"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    version: Mapped[str] = mapped_column(String(80))
    sha256: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text)
    __table_args__ = (UniqueConstraint("name", "sha256"),)


class Participant(Base):
    """A person, known by a random `uuid`. `seed` draws their comparisons.

    `position` in the counterbalancing, and `condition`, come with their consent. `outcome` and `finished` repeat what
    the log says, for counting; `withdrawn` is the tombstone.
    """

    __tablename__ = "participant"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    seed: Mapped[int] = mapped_column(BigInteger)
    position: Mapped[int | None] = mapped_column(Integer)
    condition: Mapped[str | None] = mapped_column(String(80))
    language: Mapped[str] = mapped_column(String(16))
    created: Mapped[int] = mapped_column(BigInteger)
    outcome: Mapped[str | None] = mapped_column(String(24))
    finished: Mapped[int | None] = mapped_column(BigInteger)
    withdrawn: Mapped[int | None] = mapped_column(BigInteger)


class ExternalId(Base):
    """Who the person is to their platform: a keyed hash, and the ids; the row goes when the person withdraws."""

    __tablename__ = "external_id"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"), index=True)
    platform: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64))
    ids: Mapped[Any] = mapped_column(JsonText)
    __table_args__ = (UniqueConstraint("platform", "digest"),)


class Session(Base):
    """One browser of a person; the secret itself is not kept, only its hash."""

    __tablename__ = "session"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"), index=True)
    secret_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    language: Mapped[str] = mapped_column(String(16))
    created: Mapped[int] = mapped_column(BigInteger)
    client: Mapped[Any] = mapped_column(JsonText)


class Event(Base):
    """The log, append-only: triggers refuse to change or delete.

    `type`: 'answer', 'retract' (payload names the seq taken back), 'choose' (what an adaptive policy chose), 'resume'
    (back to the block's instructions after a long absence), 'withdraw', 'note'. `payload` of an answer has `data` (what
    came), `trial` (what was shown) and `correct` (golden ones). `reply` is what a repeated POST gets again; both are
    null in the tombstone of a person who withdrew.
    """

    __tablename__ = "event"
    seq: Mapped[int] = mapped_column(Number, primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("session.id"))
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"))
    key: Mapped[str] = mapped_column(String(36))
    type: Mapped[str] = mapped_column(String(16))
    trial_id: Mapped[str] = mapped_column(String(120))
    client_ms: Mapped[float | None] = mapped_column()
    t_server: Mapped[int] = mapped_column(BigInteger)
    payload: Mapped[Any] = mapped_column(JsonText, nullable=True)
    payload_sha256: Mapped[str | None] = mapped_column(String(64))
    reply: Mapped[Any] = mapped_column(JsonText, nullable=True)
    schema_version: Mapped[int] = mapped_column(Integer)
    __table_args__ = (
        UniqueConstraint("session_id", "key"),
        Index(None, "participant_id", "seq"),
        {"sqlite_autoincrement": True},
    )


class Queue(Base):
    """Places in the counterbalancing; one that became free (withdrawn, screened out) is given to the next person."""

    __tablename__ = "queue"
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    condition: Mapped[str] = mapped_column(String(80))
    participant_id: Mapped[int | None] = mapped_column(ForeignKey("participant.id"))


class Erasure(Base):
    """Whose payloads may be removed, for the length of one transaction; empty at any other time."""

    __tablename__ = "erasure"
    participant_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
