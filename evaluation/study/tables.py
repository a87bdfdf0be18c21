"""A study's tables as the analysis reads them: an export's folder, and its trials in a form that can be compared.

Columns are those of an export's codebook, `datapackage.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from geometry.files import read_json
from policies.taste.queries import CANNOT_TELL, COMPARISONS, PAIRS

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("events", "questionnaires", "participants")
NEEDED = {
    "events": ("seq", "participant", "trial_type", "trial_id", "block", "phase", "rt", "choice", "items", "purpose"),
    "questionnaires": ("participant", "instrument", "item", "value", "occasion"),
    "participants": ("participant", "condition", "outcome"),
}
OPTIONAL: dict[str, dict[str, Any]] = {
    "events": {
        "session": "",
        "repeat_of": None,
        "golden_choice": np.nan,
        "since_all_seen": np.nan,
        "confidence": np.nan,
        "task": "",
        "language": "",
        "undone": False,
        "trial_index": np.nan,
        "time_elapsed": np.nan,
    },
    "questionnaires": {},
    "participants": {"started": None, "finished": None, "client": None, "language": ""},
}


class StudyTables(NamedTuple):
    """The tables of a study's export.

    Attributes:
        events: one row an event.
        questionnaires: one row an item answered.
        participants: one row a person.
        name: of the study.
        plan_sha256: of the plan that was registered; empty where that is not known.
        scripted: whether the participants were scripted.
        allocation: how people were given conditions: `rule`, `conditions`, `prior_mean`, `floor`; None where the
            export does not say.
        code_version: of Empaw, that collected them.
    """

    events: pd.DataFrame
    questionnaires: pd.DataFrame
    participants: pd.DataFrame
    name: str = ""
    plan_sha256: str = ""
    scripted: bool = False
    code_version: str = ""
    allocation: Mapping[str, Any] | None = None


def load_tables(folder: Path) -> StudyTables:
    """Read an export, from Parquet where it is there, else from CSV.

    Raises:
        ValueError: the folder is no export, or a table lacks a column.
        OSError: a file cannot be read.
    """
    frames = {name: _read(folder, name) for name in NAMES}
    about: dict[str, Any] = {}
    if (package := folder / "datapackage.json").is_file():
        try:
            about = dict(read_json(package).get("study", {}))
        except (ValueError, TypeError, AttributeError) as problem:
            raise ValueError(f"{package} cannot be read ({problem}): export again") from problem
    scripted = bool(about.get("scripted")) or (folder / "truth.json").is_file()
    return StudyTables(
        **{name: checked(frame, name) for name, frame in frames.items()},
        name=str(about.get("name") or folder.name),
        plan_sha256=str(about.get("plan_sha256") or ""),
        scripted=scripted,
        code_version=str(about.get("code_version") or ""),
        allocation=about.get("allocation"),
    )


def _read(folder: Path, name: str) -> pd.DataFrame:
    import pandas as pd

    if (path := folder / f"{name}.parquet").is_file():
        return pd.read_parquet(path)
    if (path := folder / f"{name}.csv").is_file():
        return pd.read_csv(path, dtype={"participant": str, "trial_id": str, "repeat_of": str, "condition": str})
    raise ValueError(f"{folder} holds neither {name}.parquet nor {name}.csv: give the folder of an export")


def checked(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Complete one table with all columns that the analysis asks for.

    Raises:
        ValueError: a needed column is missing.
    """
    if missing := [column for column in NEEDED[name] if column not in frame.columns]:
        raise ValueError(f"table {name} lacks {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}")
    added = {column: value for column, value in OPTIONAL[name].items() if column not in frame.columns}
    return frame.assign(**added)


def comparisons(events: pd.DataFrame, kinds: Sequence[str] = COMPARISONS) -> pd.DataFrame:
    """Pick the rows of answers that count: main phase, not taken back, not emptied by a withdrawal."""
    undone = events["undone"].map(lambda value: value is True or str(value).lower() == "true").astype(bool)
    return events[events["trial_type"].isin(kinds) & (events["phase"] == "main") & ~undone]


def trials(events: pd.DataFrame, kind: str = "triplet") -> pd.DataFrame:
    """Pick the answers of one kind that count (see `comparisons`) and were given, in order of arrival.

    Returns:
        The rows of `events` with columns for comparing: `shown` (tuple of ids as they stood), `triplet` (one name for
        the same items in any order), `alike` (for triplets the choice as an index of `PAIRS` of the sorted ids, so that
        it does not depend on positions; -1 cannot tell), `order` (counts a person's answers, from 0).
    """
    import pandas as pd

    asked = comparisons(events, (kind,)).sort_values("seq")
    choice = pd.to_numeric(asked["choice"], errors="coerce")
    rows = asked[choice.notna()].reset_index(drop=True)
    choice = choice[choice.notna()].to_numpy(int)
    shown = [_ids(items) for items in rows["items"]]
    rows = rows.assign(
        choice=choice,
        shown=shown,
        triplet=["|".join(sorted(items)) for items in shown],
        alike=[_alike(items, int(c)) for items, c in zip(shown, choice, strict=True)],
        order=rows.groupby("participant").cumcount(),
    )
    for column in ("rt", "since_all_seen", "confidence", "golden_choice", "seq"):
        rows[column] = pd.to_numeric(rows[column], errors="coerce").astype(float)
    return rows


def _ids(items: Any) -> tuple[str, ...]:
    """Ids out of a list, an array, or JSON."""
    found = json.loads(items) if isinstance(items, str) else items
    return tuple(str(item) for item in found) if found is not None else ()


def _alike(items: tuple[str, ...], choice: int) -> int:
    """The choice as an index of `PAIRS` of the sorted ids."""
    if choice == CANNOT_TELL or len(items) != 3 or not 0 <= choice < len(PAIRS):
        return CANNOT_TELL
    places = sorted(range(3), key=lambda place: items[place])
    ranks = {place: rank for rank, place in enumerate(places)}
    first, second = sorted(ranks[place] for place in PAIRS[choice])
    return PAIRS.index((first, second))


def alike_of(shown: tuple[str, ...], choice: int) -> int:
    """Tell a choice by position as one that does not depend on positions; see `trials`."""
    return _alike(shown, choice)


def repeats(rows: pd.DataFrame) -> pd.DataFrame:
    """Pairs of answers to the same question: rows that repeat another, with its answer as `first_alike`."""
    asked = rows["repeat_of"].map(lambda name: isinstance(name, str) and bool(name))
    again = rows[asked.astype(bool)]
    first = rows[["participant", "trial_id", "alike"]].rename(columns={"trial_id": "repeat_of", "alike": "first_alike"})
    return again.merge(first, on=["participant", "repeat_of"], how="inner")
