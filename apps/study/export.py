"""Export of a study's data as Parquet and CSV with a codebook: tables that pandas, R and a spreadsheet open."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from apps.study.codebook import CODEBOOKS, Codebook, data_package
from apps.study.frames import StudyRecord, events_frame, participants_frame, questionnaires_frame
from evaluation.study.plan import PLAN

if TYPE_CHECKING:
    import pandas as pd

TRUTH = ("truth.json", "truth.parquet")
"""Files with a rehearsal's truth about its scripted participants."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would compute (OWASP, CSV injection)."""


@dataclass(frozen=True)
class ExportStudy:
    """Write events, questionnaires and participants of a study as Parquet and CSV, with their codebook."""

    study: Path
    """Folder of the study, as init made it."""
    out: Path | None = None
    """Folder to write; without it, a new one under exports/ in the study's folder, named by the time."""
    database: str | None = None
    """Database to read instead of the study's own, such as postgresql+pg8000://user@host/name or sqlite:///copy.db."""
    replace: bool = False
    """Put the new export where an old one is; otherwise a folder with something in it is refused."""


class Exported(NamedTuple):
    """Where it is, and how many rows each table has."""

    folder: Path
    rows: dict[str, int]


def export(args: ExportStudy) -> Exported:
    """Write the export of a study; the server may go on running.

    Raises:
        ValueError: there is no study, or --out has something in it.
        OSError: the database cannot be read or the folder not be written.
        RuntimeError: a package is missing.
    """
    from rich.console import Console

    from apps.study.reading import read_study

    out = args.out or args.study / "exports" / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    check_free(out, args.replace)
    beside = {name: (args.study / name).read_bytes() for name in (PLAN, *TRUTH) if (args.study / name).is_file()}
    exported = write_export(read_study(args.study, args.database), out, beside, args.replace)
    counts = ", ".join(f"{rows} {name}" for name, rows in exported.rows.items())
    Console(stderr=True).print(f"{counts} in {exported.folder}", soft_wrap=True)
    return exported


def check_free(out: Path, replace: bool) -> None:
    """Refuse to write over anything but an export that may be replaced.

    Raises:
        ValueError: `out` is a file, or has something in it.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise ValueError(f"--out {out} is a file: give a folder")
    if not any(out.iterdir()):
        return
    if not (out / "datapackage.json").is_file():
        raise ValueError(f"--out {out} has something else in it: give a new folder")
    if not replace:
        raise ValueError(f"--out {out} holds an export: give another folder, or --replace")


def write_export(record: StudyRecord, out: Path, beside: Mapping[str, bytes], replace: bool = False) -> Exported:
    """Write the tables, the codebook and a page that explains them; all are there or none.

    Args:
        record: what the database holds.
        out: a folder that is not there yet, is empty, or holds an export to `replace`.
        beside: files to put there too, by name: the truth of a rehearsal, and `analysis.toml` as it is now, whose hash
            is compared with the registered one.
        replace: put it in the place of an old export.

    Raises:
        ValueError: `out` has something in it that may not be replaced.
        OSError: it cannot be written.
    """
    check_free(out, replace)
    frames = {
        "events": events_frame(record.events),
        "questionnaires": questionnaires_frame(record.events),
        "participants": participants_frame(record.participants),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        _fill(draft, record, frames, beside)
        if out.exists():
            shutil.rmtree(out)
        draft.replace(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Exported(out, {name: len(frame) for name, frame in frames.items()})


def _fill(folder: Path, record: StudyRecord, frames: Mapping[str, pd.DataFrame], beside: Mapping[str, bytes]) -> None:
    checksums = {}
    for book in CODEBOOKS:
        frame = frames[book.name]
        frame.to_parquet(folder / f"{book.name}.parquet", index=False)
        (folder / f"{book.name}.csv").write_text(as_csv(frame, book), encoding="utf-8")
        for kind in ("parquet", "csv"):
            name = f"{book.name}.{kind}"
            checksums[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    found = hashlib.sha256(beside[PLAN]).hexdigest() if PLAN in beside else None
    study = {
        "name": record.name,
        "code_version": record.code_version,
        "config_sha256": record.config_sha256,
        "plan_sha256": record.plan_sha256,
        "plan_unchanged": found == record.plan_sha256,
        "allocation": dict(record.allocation),
        "scripted": any(name in beside for name in TRUTH),
        "exported": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    for name, content in beside.items():
        (folder / name).write_bytes(content)
    rows = {name: len(frame) for name, frame in frames.items()}
    package = data_package(study, rows, checksums)
    (folder / "datapackage.json").write_text(json.dumps(package, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(explained(study, rows), encoding="utf-8")


def as_csv(frame: pd.DataFrame, book: Codebook) -> str:
    """Write a table as CSV: lists as JSON, missing as nothing, and no cell that a spreadsheet would compute.

    A text that begins with =, +, -, @ or a tab gets an apostrophe before it; Parquet keeps it as it came.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(book.names)
    there = frame.notna()
    columns = [
        [
            _cell(value, column.kind) if here else ""
            for value, here in zip(frame[column.name], there[column.name], strict=True)
        ]
        for column in book.columns
    ]
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue()


def _cell(value: Any, kind: str) -> str:
    if kind == "strings":
        return json.dumps([str(item) for item in value], ensure_ascii=False)
    if kind == "boolean":
        return "true" if value else "false"
    if kind in ("integer", "number"):
        return str(value)
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def explained(study: dict[str, Any], rows: dict[str, int]) -> str:
    """Write the page beside the tables."""
    changed = (
        ""
        if study["plan_unchanged"]
        else "\n**The plan in the study's folder is not the one that was registered**: say so with every result.\n"
    )
    if study["scripted"]:
        changed += f"\n**A rehearsal: scripted participants, no human data.** What is true of them: `{TRUTH[1]}`.\n"
    tables = "\n".join(f"- `{book.name}` ({rows[book.name]} rows): {book.title}." for book in CODEBOOKS)
    columns = "\n\n".join(
        f"### {book.name}\n\n"
        + "\n".join(f"- `{column.name}` ({column.kind}): {column.meaning}" for column in book.columns)
        for book in CODEBOOKS
    )
    return f"""# Export of the study "{study["name"]}"

Written {study["exported"]} by Empaw {study["code_version"]}. Settings {study["config_sha256"][:12]}, registered plan
{study["plan_sha256"][:12]} (SHA-256, in full in `datapackage.json`).
{changed}
{tables}

Each table is there twice: `.parquet` for analysis (types kept, texts as they came) and `.csv` for everything else.
In the CSV lists are JSON, what is missing is empty, and a text that a spreadsheet would compute (it begins with =, +,
-, @ or a tab) has an apostrophe before it.

Nobody is named: ids are random, and of a recruitment platform's id there is only a keyed hash whose key stays with the
study. Of a person who withdrew, the rows of `events` remain without any content, and `outcome` says withdrew. Answers
that were taken back are in `events` with `undone` = true; leave them out of analyses.

## Columns

{columns}
"""
