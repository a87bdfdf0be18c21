"""Events as they are stored, told as tables: pure functions from records to data frames."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apps.study.codebook import EVENTS, PARTICIPANTS, QUESTIONNAIRES, Codebook
from policies.taste.queries import COMPARISONS, PAIRS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class EventRecord:
    """One event of the log.

    Attributes:
        data: what the page sent; None once the person has withdrawn.
        trial: the step as it was shown (the items of a grid begin with the reference), with what the page is not told:
            purpose, repeat_of, golden_choice.
        retracts: for an undo, the `seq` that it takes back; None takes back the last answer before it.
    """

    seq: int
    participant: str
    session: str
    type: str
    trial_id: str | None
    client_ms: float | None
    t_server: str
    data: Mapping[str, Any] | None
    trial: Mapping[str, Any] = field(default_factory=dict)
    retracts: int | None = None


@dataclass(frozen=True)
class ParticipantRecord:
    """One person; of the recruitment platform's id there is only a keyed hash."""

    participant: str
    condition: str | None = None
    outcome: str | None = None
    started: str | None = None
    finished: str | None = None
    language: str | None = None
    client: Mapping[str, Any] | None = None
    platform: str | None = None
    external_hash: str | None = None


@dataclass(frozen=True)
class StudyRecord:
    """All that a database holds of one study, and what it ran with.

    Attributes:
        code_version: of Empaw, when the study was made.
        config_sha256: of the settings that the server last ran with.
        plan_sha256: of `analysis.toml` as it was registered.
        allocation: how people were given conditions, as the settings have it.
    """

    name: str
    code_version: str
    config_sha256: str
    plan_sha256: str
    events: tuple[EventRecord, ...] = ()
    participants: tuple[ParticipantRecord, ...] = ()
    allocation: Mapping[str, Any] = field(default_factory=dict)


def undone(events: Iterable[EventRecord]) -> set[int]:
    """Find the `seq` of every answer that was taken back."""
    taken_back: set[int] = set()
    standing: dict[str, list[int]] = {}
    for event in sorted(events, key=lambda event: event.seq):
        mine = standing.setdefault(event.participant, [])
        if event.type == "answer" and event.trial.get("kind") in COMPARISONS:
            mine.append(event.seq)
        if event.type != "undo":
            continue
        if event.retracts is not None:
            taken_back.add(event.retracts)
            standing[event.participant] = [seq for seq in mine if seq != event.retracts]
        elif mine:
            taken_back.add(mine.pop())
    return taken_back


def events_frame(events: Sequence[EventRecord]) -> pd.DataFrame:
    """Tell the log as one row an event, columns as in `EVENTS`; answers taken back stay, marked `undone`."""
    taken_back = undone(events)
    return _frame([_row(event, event.seq in taken_back) for event in sorted(events, key=lambda e: e.seq)], EVENTS)


def questionnaires_frame(events: Sequence[EventRecord]) -> pd.DataFrame:
    """Make one row an item answered, columns as in `QUESTIONNAIRES`; without what was taken back."""
    taken_back = undone(events)
    seen: Counter[tuple[str, str]] = Counter()
    rows = []
    for event in sorted(events, key=lambda event: event.seq):
        if event.type != "answer" or event.trial.get("kind") != "questionnaire":
            continue
        if event.data is None or event.seq in taken_back:
            continue
        instrument = str(_instrument(event.trial))
        seen[event.participant, instrument] += 1
        occasion = event.trial.get("occasion") or seen[event.participant, instrument]
        for item, value in (event.data.get("responses") or {}).items():
            rows.append(
                {
                    "participant": event.participant,
                    "instrument": instrument,
                    "item": str(item),
                    "value": _number(value),
                    "occasion": str(occasion),
                    "block": _text(event.trial.get("block")),
                    "seq": event.seq,
                }
            )
    return _frame(rows, QUESTIONNAIRES)


def participants_frame(people: Sequence[ParticipantRecord]) -> pd.DataFrame:
    """Make one row a person, columns as in `PARTICIPANTS`."""
    texts = [column.name for column in PARTICIPANTS.columns if column.kind != "json"]
    rows = [
        {**{n: _text(getattr(p, n)) for n in texts}, "client": None if p.client is None else _json(p.client)}
        for p in people
    ]
    return _frame(rows, PARTICIPANTS)


def _row(event: EventRecord, taken_back: bool) -> dict[str, Any]:
    trial, data = event.trial, event.data or {}
    items = _items(trial)
    choice = data.get("choice")
    return {
        "seq": event.seq,
        "participant": event.participant,
        "session": event.session,
        "trial_type": (trial.get("kind") or "answer") if event.type == "answer" else event.type,
        "trial_id": event.trial_id,
        "trial_index": _whole(trial.get("trial_index")),
        "block": _text(trial.get("block")),
        "phase": _text(trial.get("phase")),
        "task": _text(trial.get("task")),
        "time_elapsed": _number(event.client_ms),
        "rt": _number(data.get("rt_ms")),
        "response": None if event.data is None else _json(event.data),
        "choice": _whole(choice),
        "items": items,
        "pair": _chosen(trial, choice, items),
        "confidence": _whole(data.get("confidence")),
        "since_all_seen": _number(data.get("since_all_seen_ms")),
        "replays": _whole(data.get("replays")),
        "purpose": _text(trial.get("purpose")),
        "repeat_of": _text(trial.get("repeat_of")),
        "golden_choice": _whole(trial.get("golden_choice")),
        "language": _text(trial.get("language")),
        "undone": taken_back,
        "t_server": event.t_server,
        "plugin_version": _text(data.get("plugin_version")),
    }


def _items(trial: Mapping[str, Any]) -> list[str] | None:
    return [str(item) for item in trial.get("items") or ()] or None


def _chosen(trial: Mapping[str, Any], choice: Any, items: list[str] | None) -> list[str] | None:
    """The stimuli that an answer names; None for "cannot tell", and for what is no choice."""
    kind = trial.get("kind")
    if items is None or choice is None or choice == -1:
        return None
    try:
        if kind == "triplet":
            return [items[place] for place in PAIRS[choice]]
        if kind == "preference":
            return [items[choice]]
        if kind == "grid":
            return [items[1 + place] for place in choice]
    except (IndexError, TypeError):  # what the server let through is shown as it came, in `response`
        return None
    return None


def _instrument(trial: Mapping[str, Any]) -> Any:
    instrument = trial.get("instrument")
    return instrument.get("id") if isinstance(instrument, Mapping) else instrument


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    """As a whole number, where it is one that 53 bits hold."""
    return int(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else None


def _text(value: Any) -> str | None:
    """As text; empty is missing."""
    return None if value is None or value == "" else _sound(str(value))


def _json(value: Any) -> str:
    return _sound(json.dumps(value, ensure_ascii=False, sort_keys=True, default=dict))


def _sound(text: str) -> str:
    """Without halves of surrogate pairs, which JSON lets through and no file takes."""
    return text.encode("utf-8", "replace").decode()


def _frame(rows: list[dict[str, Any]], book: Codebook) -> pd.DataFrame:
    """Rows as a data frame with the codebook's columns and types, also when there are none."""
    import pandas as pd
    import pyarrow as pa

    types = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(), "strings": pa.list_(pa.string())}
    schema = pa.schema([(column.name, types.get(column.kind, pa.string())) for column in book.columns])
    # Whole numbers that may be missing stay whole.
    whole = {pa.int64(): pd.Int64Dtype()}.get
    return pa.Table.from_pylist(rows, schema).to_pandas(types_mapper=whole)
