"""The columns of an export: one table says name, type and meaning; Parquet, CSV and `datapackage.json` follow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["integer", "number", "boolean", "string", "datetime", "strings", "json"]


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: as jsPsych has it, where jsPsych has it.
        kind: 'strings' is a list of texts, 'json' any JSON as text, 'datetime' ISO 8601 in UTC.
        meaning: one line, with the unit.
        constraints: as a frictionless table schema takes them.
    """

    name: str
    kind: Kind
    meaning: str
    constraints: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Codebook:
    """A table: its name, what a row is, its columns and what they refer to."""

    name: str
    title: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    foreign_keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    def schema(self) -> dict[str, Any]:
        """Describe the table as a frictionless Table Schema, v1."""
        return {
            "fields": [_field(column) for column in self.columns],
            "missingValues": [""],
            "primaryKey": list(self.primary_key),
            "foreignKeys": [
                {"fields": here, "reference": {"resource": there, "fields": here}}
                for here, there in self.foreign_keys.items()
            ],
        }


_REQUIRED = {"required": True}
_PARTICIPANT = Column("participant", "string", "random id (UUID 4) of the person", _REQUIRED)

EVENTS = Codebook(
    "events",
    "One row for each event: an answer, or an undo, a withdrawal, a note",
    (
        Column("seq", "integer", "order in which the server kept the events", {"required": True, "unique": True}),
        _PARTICIPANT,
        Column(
            "session",
            "string",
            "number of the visit; a person who comes back in another browser has several",
            _REQUIRED,
        ),
        Column(
            "trial_type",
            "string",
            "kind of trial: consent, instructions, triplet, preference, grid, questionnaire, break, debrief; "
            "or what else happened: undo, withdraw, note, resume (came back late), choose (an adaptive policy "
            "chose); answer, where a withdrawal emptied it",
            _REQUIRED,
        ),
        Column("trial_id", "string", "name of the trial in this person's schedule"),
        Column("trial_index", "integer", "place of the trial in this person's schedule, from 0", {"minimum": 0}),
        Column("block", "string", "block of the study that the trial belongs to"),
        Column("phase", "string", "practice, main or questionnaire; empty elsewhere"),
        Column("task", "string", "family of the trajectories shown, such as grid-2, grid-4, arm, style"),
        Column("time_elapsed", "number", "ms since this person began, on the page's clock"),
        Column("rt", "number", "ms from when the trial was shown to the answer"),
        Column("response", "json", "the whole answer, as the page sent it"),
        Column(
            "choice",
            "integer",
            "triplet: 0 left and middle, 1 left and right, 2 middle and right are most alike; "
            "preference: 0 left, 1 right; -1 cannot tell; empty for other kinds",
            {"minimum": -1, "maximum": 2},
        ),
        Column("items", "strings", "ids of the stimuli, from left to right; for a grid the reference first"),
        Column("pair", "strings", "ids of the stimuli chosen: the two most alike, the preferred one, the grid's picks"),
        Column("confidence", "integer", "1 guessed to 5 certain, where it was asked", {"minimum": 1, "maximum": 5}),
        Column(
            "since_all_seen", "number", "ms from when every clip had been seen once to the answer; empty: one had not"
        ),
        Column("replays", "integer", "how often the clips were started again", {"minimum": 0}),
        Column("purpose", "string", "why it was asked: random, golden, repeat, active, practice, ..."),
        Column("repeat_of", "string", "trial_id of the first showing, for a repeat"),
        Column("golden_choice", "integer", "the answer that attentive people give, for a golden trial"),
        Column("language", "string", "language that the page spoke"),
        Column("undone", "boolean", "true where the person took the answer back; analyses leave it out", _REQUIRED),
        Column("t_server", "datetime", "when the server kept it, UTC", _REQUIRED),
        Column("plugin_version", "string", "version of the page's plugin that took the answer"),
    ),
    ("seq",),
    {"participant": "participants"},
)

QUESTIONNAIRES = Codebook(
    "questionnaires",
    "One row for each item of a questionnaire that was answered (and not taken back)",
    (
        _PARTICIPANT,
        Column("instrument", "string", "id of the instrument, such as sus or nasa-tlx", _REQUIRED),
        Column("item", "string", "id of the item within the instrument", _REQUIRED),
        Column("value", "number", "the raw response; reversal and scoring are the analysis's"),
        Column("occasion", "string", "when it was asked: before, after, or the name of the block", _REQUIRED),
        Column("block", "string", "block after which it was asked; empty before the first and after the last"),
        Column("seq", "integer", "the event that it was answered in", _REQUIRED),
    ),
    ("participant", "instrument", "occasion", "item"),
    {"participant": "participants", "seq": "events"},
)

PARTICIPANTS = Codebook(
    "participants",
    "One row for each person who opened the study",
    (
        Column("participant", "string", _PARTICIPANT.meaning, {"required": True, "unique": True}),
        Column("condition", "string", "what this person was allocated to"),
        Column("outcome", "string", "completed, screened_out, withdrew, failed_attention; empty: not finished"),
        Column("started", "datetime", "when the first session began, UTC"),
        Column("finished", "datetime", "when the last step was done, UTC; empty: not finished"),
        Column("language", "string", "language that the page spoke"),
        Column("client", "json", "width and height of the window in px, touch, user agent"),
        Column("platform", "string", "where the person was recruited: prolific, mturk, jatos; empty: none"),
        Column(
            "external_hash",
            "string",
            "keyed hash (HMAC-SHA256, the key stays with the study) of the platform's id: equal for the same id",
        ),
    ),
    ("participant",),
)

CODEBOOKS = (EVENTS, QUESTIONNAIRES, PARTICIPANTS)

_FRICTIONLESS = {"strings": "array", "json": "string"}


def _field(column: Column) -> dict[str, Any]:
    descriptor: dict[str, Any] = {
        "name": column.name,
        "type": _FRICTIONLESS.get(column.kind, column.kind),
        "description": column.meaning,
    }
    if column.constraints:
        descriptor["constraints"] = dict(column.constraints)
    return descriptor


def data_package(study: Mapping[str, Any], rows: Mapping[str, int], checksums: Mapping[str, str]) -> dict[str, Any]:
    """Describe an export (frictionless Tabular Data Package, v1); the descriptor is its codebook too.

    Args:
        study: what is told of the study: name, code version, hashes of its configuration and plan.
        rows: how many rows each table has.
        checksums: SHA-256 of each file, by name.
    """
    resources = [
        {
            "name": book.name,
            "path": f"{book.name}.csv",
            "profile": "tabular-data-resource",
            "format": "csv",
            "encoding": "utf-8",
            "title": book.title,
            "hash": f"sha256:{checksums[f'{book.name}.csv']}",
            "rows": rows[book.name],
            "parquet": {"path": f"{book.name}.parquet", "hash": f"sha256:{checksums[f'{book.name}.parquet']}"},
            "schema": book.schema(),
        }
        for book in CODEBOOKS
    ]
    return {"profile": "tabular-data-package", "name": "empaw-study", "study": dict(study), "resources": resources}
