"""How the study goes: people by where they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import func, select

from apps.study.models import Event, Participant, Queue
from apps.study.storage import Storage
from apps.study.storage_write import now_ms

ACTIVE_MS = 10 * 60 * 1000


@dataclass(frozen=True)
class Status:
    """Counts of people.

    Attributes:
        people: all who ever began; `agreed` of them to the consent.
        outcomes: those who ended, by outcome.
        active: those who did something within ten minutes and have not ended.
        conditions: those who agreed and whose place still counts, by condition.
        events: rows of the log.
    """

    people: int
    agreed: int
    outcomes: dict[str, int]
    active: int
    conditions: dict[str, int]
    events: int
    notices: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As the researcher's page takes it."""
        return asdict(self)


def read_status(storage: Storage) -> Status:
    """Count."""
    with storage.engines.reader.connect() as connection:

        def count(query: Any) -> int:
            return int(connection.execute(query).scalar_one())

        people = select(func.count()).select_from(Participant)
        outcomes = connection.execute(
            select(Participant.outcome, func.count())
            .where(Participant.outcome.is_not(None))
            .group_by(Participant.outcome)
        )
        recent = (
            select(func.count(func.distinct(Event.participant_id)))
            .join(Participant, Participant.id == Event.participant_id)
            .where(Event.t_server > now_ms() - ACTIVE_MS, Participant.outcome.is_(None))
        )
        conditions = connection.execute(
            select(Queue.condition, func.count()).where(Queue.participant_id.is_not(None)).group_by(Queue.condition)
        )
        return Status(
            count(people),
            count(people.where(Participant.position.is_not(None))),
            {str(name): int(n) for name, n in outcomes},
            count(recent),
            {str(name): int(n) for name, n in conditions},
            count(select(func.count()).select_from(Event)),
            storage.registered.notices,
        )
