"""Which condition the next person gets: all equally often, or, in pilots, rather what works."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from apps.study.config import StudyConfig
from apps.study.models import Event, Participant, Queue
from apps.study.schedule import TRIALS
from policies.taste.queries import CANNOT_TELL


def next_condition(connection: Connection, config: StudyConfig, position: int) -> str:
    """The condition of the person who takes a place; empty where there are none."""
    conditions = config.allocation.conditions
    if not conditions:
        return ""
    if config.allocation.rule == "equal":
        return condition_at(config, position)
    # scipy comes with it: loaded for pilots alone.
    from evaluation.allocation import AllocationRule, arm_state, next_arm

    told = config.allocation
    rule = AllocationRule(told.rule, floor=told.floor, prior_mean=told.prior_mean)
    arms, rewards = _seen(connection, conditions)
    # The same people in the same order get the same conditions: ties are broken by seed and number.
    rng = np.random.default_rng([config.seed, len(arms)])
    return conditions[int(next_arm(rule, arm_state(arms, rewards, len(conditions)), rng)[0])]


def condition_at(config: StudyConfig, position: int) -> str:
    """The condition of a place: each once in every group of as many places as there are, in random order."""
    conditions = config.allocation.conditions
    if not conditions:
        return ""
    group, place = divmod(position, len(conditions))
    return conditions[int(np.random.default_rng([config.seed, group]).permutation(len(conditions))[place])]


def _seen(connection: Connection, conditions: tuple[str, ...]) -> tuple[list[int], list[float]]:
    """Arms and rewards of all who hold a place, by place; nan while somebody has not finished."""
    rows = connection.execute(
        select(Queue.condition, Participant.id, Participant.outcome)
        .join(Participant, Participant.id == Queue.participant_id)
        .order_by(Queue.position)
    )
    arms, rewards = [], []
    for condition, person, outcome in rows.all():
        if condition in conditions:
            arms.append(conditions.index(condition))
            rewards.append(_reward(connection, person) if outcome == "completed" else float("nan"))
    return arms, rewards


def _reward(connection: Connection, participant_id: int) -> float:
    """Answers a minute of a person who finished; nan where nothing can be said."""
    rows = connection.execute(
        select(Event.payload).where(Event.participant_id == participant_id, Event.type == "answer")
    )
    return usable_per_minute(payload for (payload,) in rows if payload is not None)


def usable_per_minute(payloads: Iterable[Mapping[str, Any]]) -> float:
    """Comparisons that were answered with a choice, for each minute spent on all of them; nan without times."""
    usable, spent_ms = 0, 0.0
    for payload in payloads:
        trial, data = payload["trial"], payload["data"]
        if trial["kind"] in TRIALS and trial["phase"] == "main" and data.get("rt_ms"):
            usable += data.get("choice") != CANNOT_TELL
            spent_ms += data["rt_ms"]
    return usable / (spent_ms / 60_000) if usable and spent_ms else float("nan")
