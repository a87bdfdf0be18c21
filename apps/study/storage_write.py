"""Reads and writes inside the one writer's transaction; every function here takes the transaction's connection."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from apps.study.allocating import next_condition
from apps.study.config import StudyConfig
from apps.study.errors import FullError, TooManyError
from apps.study.models import Base, Erasure, Event, ExternalId, Participant, Queue, Session, Study
from apps.study.protocol import SessionRequest
from apps.study.schedule import Logged
from apps.study.steps import VERSION

NAMESPACE = uuid.UUID("5e1f1a9e-6a55-4f0b-9a55-0c8f5e0d7c11")


def now_ms() -> int:
    """Read the server's clock, ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


class Known(NamedTuple):
    """A session that exists."""

    session_id: int
    participant_id: int
    language: str


class NewEvent(NamedTuple):
    """One row of the log before it has a number."""

    key: str
    type: str
    trial_id: str
    payload: Mapping[str, Any] | None
    sha256: str | None
    reply: Mapping[str, Any] | None = None
    client_ms: float | None = None


class Stored(NamedTuple):
    """An event that the log has under a key already."""

    seq: int
    type: str
    sha256: str | None
    reply: Mapping[str, Any] | None


# What every answer runs is put together once.
_EVENT = Base.metadata.tables["event"]
_APPEND = insert(_EVENT).returning(_EVENT.c.seq)
_FIND = select(_EVENT.c.seq, _EVENT.c.type, _EVENT.c.payload_sha256, _EVENT.c.reply).where(
    _EVENT.c.session_id == bindparam("session"), _EVENT.c.key == bindparam("event_key")
)
_LAST = (
    select(_EVENT.c.seq)
    .where(_EVENT.c.participant_id == bindparam("person"), _EVENT.c.type != "note")
    .order_by(_EVENT.c.seq.desc())
    .limit(1)
)


def find_event(connection: Connection, session_id: int, key: str) -> Stored | None:
    """Look up an event by its key."""
    row = connection.execute(_FIND, {"session": session_id, "event_key": key}).first()
    return None if row is None else Stored(*row)


def append(connection: Connection, known: Known, new: NewEvent, t_server: int) -> int:
    """Append an event to the log.

    Returns:
        Its number.
    """
    row = {
        "session_id": known.session_id,
        "participant_id": known.participant_id,
        "key": new.key,
        "type": new.type,
        "trial_id": new.trial_id,
        "client_ms": new.client_ms,
        "t_server": t_server,
        "payload": new.payload,
        "payload_sha256": new.sha256,
        "reply": new.reply,
        "schema_version": VERSION,
    }
    return int(connection.execute(_APPEND, row).scalar_one())


def last_seq(connection: Connection, participant_id: int) -> int:
    """Find the number of the last event that moved a person on; 0 before the first."""
    return connection.execute(_LAST, {"person": participant_id}).scalar() or 0


def read_log(connection: Connection, participant_id: int) -> list[Logged]:
    """Read all events of a person, in order."""
    rows = connection.execute(
        select(Event.seq, Event.type, Event.t_server, Event.payload)
        .where(Event.participant_id == participant_id)
        .order_by(Event.seq)
    )
    return [Logged(*row) for row in rows]


def lock_person(connection: Connection, participant_id: int) -> None:
    """Keep other servers of the same PostgreSQL database from moving this person; SQLite has one writer anyway."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(Participant.id).where(Participant.id == participant_id).with_for_update())


def lock_study(connection: Connection) -> None:
    """Keep other servers of the same PostgreSQL database from handing out the same place."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(Study.id).order_by(Study.id).limit(1).with_for_update())


def find_person(connection: Connection, platform: str, digest: str) -> int | None:
    """Find the person with an external id; None where nobody has it."""
    return connection.execute(
        select(ExternalId.participant_id).where(ExternalId.platform == platform, ExternalId.digest == digest)
    ).scalar()


def add_person(connection: Connection, config: StudyConfig, study_id: int, request: SessionRequest, digest: str) -> int:
    """Make a new person, with an external id where there is one.

    Raises:
        FullError: all places are taken.
    """
    if config.recruitment.places and taken_places(connection) >= config.recruitment.places:
        raise FullError("all places of this study are taken: thank you for your interest")
    person = connection.execute(
        insert(Participant)
        .values(uuid=str(uuid.uuid4()), study_id=study_id, seed=0, language=request.language, created=now_ms())
        .returning(Participant.id)
    ).scalar_one()
    # The number in the order of arrival: the same people in the same order get the same comparisons.
    connection.execute(update(Participant).where(Participant.id == person).values(seed=person))
    if digest:
        connection.execute(
            insert(ExternalId).values(participant_id=person, platform=request.platform, digest=digest, ids=request.ids)
        )
    return person


def add_session(
    connection: Connection, participant_id: int, request: SessionRequest, secret_sha256: str, most: int
) -> Known:
    """Make a session of a person.

    Raises:
        TooManyError: there are `most` already.
    """
    if (connection.execute(select(func.max(Session.id))).scalar() or 0) >= most:
        raise TooManyError(f"{most} sessions were begun: limits.sessions in study.toml allows no more")
    session_id = connection.execute(
        insert(Session)
        .values(
            participant_id=participant_id,
            secret_sha256=secret_sha256,
            language=request.language,
            created=now_ms(),
            client=request.client,
        )
        .returning(Session.id)
    ).scalar_one()
    return Known(session_id, participant_id, request.language)


def taken_places(connection: Connection) -> int:
    """Count the places of the counterbalancing that are taken."""
    return connection.execute(select(func.count()).where(Queue.participant_id.is_not(None))).scalar_one()


def take_place(connection: Connection, config: StudyConfig, participant_id: int) -> tuple[int, str]:
    """Give a person the first free place, or a new one.

    Returns:
        Position and condition.

    Raises:
        FullError: all places are taken.
    """
    lock_study(connection)
    free = connection.execute(
        select(Queue.position, Queue.condition).where(Queue.participant_id.is_(None)).order_by(Queue.position).limit(1)
    ).first()
    if free is not None:
        position, condition = free
        if config.allocation.rule != "equal":
            condition = next_condition(connection, config, position)
        connection.execute(
            update(Queue).where(Queue.position == position).values(participant_id=participant_id, condition=condition)
        )
    else:
        last = connection.execute(select(func.max(Queue.position))).scalar()
        position = 0 if last is None else last + 1
        if config.recruitment.places and position >= config.recruitment.places:
            raise FullError("all places of this study were taken in the meantime: thank you for your interest")
        condition = next_condition(connection, config, position)
        connection.execute(insert(Queue).values(position=position, condition=condition, participant_id=participant_id))
    connection.execute(
        update(Participant).where(Participant.id == participant_id).values(position=position, condition=condition)
    )
    return position, condition


def finish(connection: Connection, participant_id: int, outcome: str, t_server: int) -> None:
    """Write down how it ended; a place whose data will not count becomes free."""
    connection.execute(
        update(Participant).where(Participant.id == participant_id).values(outcome=outcome, finished=t_server)
    )
    if outcome != "completed":
        connection.execute(update(Queue).where(Queue.participant_id == participant_id).values(participant_id=None))


def erase(connection: Connection, participant_id: int, t_server: int) -> None:
    """Remove all that a person said, who they are, and what their browser said: the only way past the triggers.

    What stays is the tombstone: that there were so many events at such times.
    """
    connection.execute(insert(Erasure).values(participant_id=participant_id))
    connection.execute(
        update(Event)
        .where(Event.participant_id == participant_id)
        .values(payload=None, payload_sha256=None, reply=None, client_ms=None)
    )
    connection.execute(delete(ExternalId).where(ExternalId.participant_id == participant_id))
    connection.execute(update(Session).where(Session.participant_id == participant_id).values(client={}))
    connection.execute(update(Participant).where(Participant.id == participant_id).values(withdrawn=t_server))
    finish(connection, participant_id, "withdrew", t_server)
    connection.execute(delete(Erasure).where(Erasure.participant_id == participant_id))


def new_secret() -> str:
    """Draw a session's secret, 256 random bits."""
    return secrets.token_urlsafe(32)
