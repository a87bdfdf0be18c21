"""Whether a log holds what the server acknowledged: nothing lost, nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from apps.study.frames import StudyRecord, undone
from apps.study.visit import Kept
from policies.taste.queries import COMPARISONS


class Audit(NamedTuple):
    """Acknowledged events, those of them that the log does not have, and answers that stand twice for one trial."""

    acknowledged: int
    lost: int
    doubled: int


def audit(record: StudyRecord, acknowledged: Mapping[str, Iterable[Kept]]) -> Audit:
    """Compare a log with what each participant was told.

    Args:
        record: what the database holds.
        acknowledged: by participant.
    """
    stored = {(event.participant, event.seq): event.trial_id for event in record.events}
    receipts = [(who, kept) for who, all_kept in acknowledged.items() for kept in all_kept]
    lost = sum(stored.get((who, kept.seq), "") != kept.trial_id for who, kept in receipts)
    taken_back = undone(record.events)
    standing = Counter(
        (event.participant, event.trial_id)
        for event in record.events
        if event.type == "answer" and event.trial.get("kind") in COMPARISONS and event.seq not in taken_back
    )
    return Audit(len(receipts), lost, sum(count - 1 for count in standing.values()))
