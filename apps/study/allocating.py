"""Which condition the next person gets: all equally often, or, in pilots, rather what works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Connection, select

from apps.study.config import StudyConfig
from apps.study.models import Event, Participant, Queue
from policies.taste.queries import CANNOT_TELL, COMPARISONS

if TYPE_CHECKING:
    from evaluation.study.pilots import Session


def next_condition(connection: Connection, config: StudyConfig, position: int) -> str:
    """Choose the condition of the person who takes a place; empty where there are none."""
    conditions = config.allocation.conditions
    if not conditions:
        return ""
    if config.allocation.rule == "equal":
        return condition_at(config, position)
    # scipy comes with it: loaded for pilots alone.
    from evaluation.allocation import AllocationRule
    from evaluation.study.pilots import next_query_type

    allocation = config.allocation
    rule = AllocationRule(allocation.rule, floor=allocation.floor, prior_mean=allocation.prior_mean)
    come = _seen(connection, conditions)
    # The same people in the same order get the same conditions: ties are broken by seed and number.
    return next_query_type(come, conditions, rule, np.random.default_rng([config.seed, len(come)]))


def condition_at(config: StudyConfig, position: int) -> str:
    """Tell the condition of a place: each once in every group of as many places as there are, at random."""
    conditions = config.allocation.conditions
    if not conditions:
        return ""
    group, place = divmod(position, len(conditions))
    return conditions[int(np.random.default_rng([config.seed, group]).permutation(len(conditions))[place])]


def _seen(connection: Connection, conditions: tuple[str, ...]) -> list[Session]:
    """All who hold a place, by place; their outcome is nan while they have not finished."""
    from evaluation.study.pilots import Session

    rows = connection.execute(
        select(Queue.condition, Participant.id, Participant.outcome)
        .join(Participant, Participant.id == Queue.participant_id)
        .order_by(Queue.position)
    )
    return [
        Session(str(person), condition, _reward(connection, person) if outcome == "completed" else float("nan"))
        for condition, person, outcome in rows.all()
        if condition in conditions
    ]


def _reward(connection: Connection, participant_id: int) -> float:
    """Usable answers a minute of a person who finished, without those taken back; nan where nothing can be said."""
    from evaluation.study.pilots import answers_per_minute

    rows = connection.execute(
        select(Event.seq, Event.type, Event.payload).where(
            Event.participant_id == participant_id, Event.type.in_(("answer", "retract"))
        )
    ).all()
    taken_back = {row.payload["retracts"] for row in rows if row.type == "retract" and row.payload is not None}
    kept = [row.payload for row in rows if row.type == "answer" and row.seq not in taken_back and row.payload]
    return answers_per_minute(
        (event["data"]["choice"] != CANNOT_TELL, event["data"].get("rt_ms") or 0.0)
        for event in kept
        if event["trial"]["kind"] in COMPARISONS and event["trial"]["phase"] == "main"
    )
