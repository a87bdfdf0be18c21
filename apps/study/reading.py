"""From a study's database to records of what happened, in one moment's view and without changing anything."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apps.study.frames import EventRecord, ParticipantRecord, StudyRecord

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row
    from sqlalchemy.engine import URL

_UNDO = "retract"


def read_study(folder: Path, database: str | None = None) -> StudyRecord:
    """Read all that a study collected; a server may go on running.

    Args:
        folder: of the study.
        database: address of another database than the one that the study's settings name.

    Raises:
        ValueError: there is no study, or the settings cannot be used.
        OSError: the database is not there, cannot be reached, or is of another version.
    """
    from sqlalchemy.exc import DBAPIError

    from apps.study.errors import StudyError
    from apps.study.storage_open import database_url, open_engines, translated

    try:
        url = database_url(folder, _address(folder) if database is None else database)
        _must_exist(url, folder)
        engines = open_engines(url, migrate=False)
    except StudyError as problem:
        raise OSError(str(problem)) from problem
    level = "REPEATABLE READ" if url.get_backend_name() == "postgresql" else None
    try:
        with engines.reader.connect() as connection:
            if level is not None:
                connection = connection.execution_options(isolation_level=level)
            return _record(connection)
    except DBAPIError as problem:
        raise OSError(str(translated(problem))) from problem
    finally:
        engines.reader.dispose()
        engines.writer.dispose()


def _address(folder: Path) -> str:
    from apps.study.config import SETTINGS, load_config

    if not folder.is_dir():
        raise ValueError(f"there is no study at {folder}: make one with user_study.py init")
    return load_config(folder / SETTINGS).database


def _must_exist(url: URL, folder: Path) -> None:
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise OSError(f"{folder} has no database at {url.database}: nobody has taken part")


def _record(connection: Connection) -> StudyRecord:
    from sqlalchemy import select

    from apps.study.models import Participant, Study

    states = connection.execute(select(Study.__table__).order_by(Study.id)).all()
    if not states:
        raise ValueError("the database holds no study: serve it once")
    first = connection.execute(select(Participant.study_id).order_by(Participant.id).limit(1)).scalar()
    return StudyRecord(
        name=str(states[-1].config.get("name", "study")),
        code_version=states[-1].code_version,
        config_sha256=states[-1].config_sha256,
        # The plan that counts is the one under which the first person took part.
        plan_sha256=next((state for state in states if state.id == first), states[-1]).plan_sha256,
        events=_events(connection),
        participants=_participants(connection),
        allocation=states[-1].config.get("allocation", {}),
    )


def _events(connection: Connection) -> tuple[EventRecord, ...]:
    from sqlalchemy import select

    from apps.study.models import Event, Participant

    found = select(Event.__table__, Participant.uuid).join(Participant, Event.participant_id == Participant.id)
    return tuple(_event(row) for row in connection.execute(found.order_by(Event.seq)))


def _event(row: Row[Any]) -> EventRecord:
    payload: Mapping[str, Any] = row.payload or {}
    trial = dict(payload.get("trial") or {})
    trial["trial_index"] = trial.get("index")
    undo = row.type == _UNDO
    return EventRecord(
        seq=row.seq,
        participant=row.uuid,
        session=str(row.session_id),
        type="undo" if undo else row.type,
        trial_id=row.trial_id or None,
        client_ms=row.client_ms,
        t_server=_iso(row.t_server) or "",
        data=payload.get("data", {}) if row.payload is not None else None,
        trial=trial,
        retracts=payload.get("retracts") if undo else None,
    )


def _participants(connection: Connection) -> tuple[ParticipantRecord, ...]:
    from sqlalchemy import select

    from apps.study.models import ExternalId, Participant, Session

    clients: dict[int, Any] = {}
    for session in connection.execute(select(Session.participant_id, Session.client).order_by(Session.id)):
        clients.setdefault(session.participant_id, session.client)
    recruited = {row.participant_id: row for row in connection.execute(select(ExternalId.__table__))}
    people = connection.execute(select(Participant.__table__).order_by(Participant.id))
    return tuple(_participant(person, clients.get(person.id), recruited.get(person.id)) for person in people)


def _participant(person: Row[Any], client: Any, recruited: Row[Any] | None) -> ParticipantRecord:
    return ParticipantRecord(
        participant=person.uuid,
        condition=person.condition,
        outcome=person.outcome,
        started=_iso(person.created),
        finished=_iso(person.finished),
        language=person.language,
        client=client if person.withdrawn is None else None,
        platform=None if recruited is None else recruited.platform,
        external_hash=None if recruited is None else recruited.digest,
    )


def _iso(milliseconds: int | None) -> str | None:
    """Ms since 1970 as ISO 8601 in UTC."""
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds / 1000, tz=timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
