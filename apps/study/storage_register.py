"""Keep in the database what the study was: settings, plan of the analysis, animations, texts, questionnaires."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, func, insert, select

from apps.study.config import StudyConfig, load_instruments
from apps.study.errors import StorageError
from apps.study.models import ConsentText, InstrumentText, Participant, Study
from apps.study.plan_check import plan_problem
from apps.study.stimuli import Stimuli
from apps.study.storage_write import now_ms
from evaluation.study.plan import PLAN, plan_hash


class Registered(NamedTuple):
    """The row of people who begin now, and what changed since the row before, for researchers to read."""

    study_id: int
    notices: tuple[str, ...]


def plan_sha256(folder: Path) -> str:
    """Hash the plan of the analysis that lies in the folder; empty when there is none."""
    path = folder / PLAN
    return plan_hash(path.read_bytes()) if path.is_file() else ""


def code_version() -> str:
    """Tell the version of Empaw that runs."""
    try:
        return version("empaw")
    except PackageNotFoundError:  # run from a copy of the sources that was not installed
        return "unknown"


def register(connection: Connection, config: StudyConfig, stimuli: Stimuli, folder: Path) -> Registered:
    """Add a row of settings unless the last one says the same; add texts and questionnaires that are new.

    Raises:
        StorageError: the animations changed although people have seen them, or the plan of the analysis cannot be
            used and can still be changed.
    """
    last = connection.execute(select(Study).order_by(Study.id.desc()).limit(1)).first()
    plan = plan_sha256(folder)
    people = connection.execute(select(func.count()).select_from(Participant)).scalar_one()
    notices: list[str] = []
    if last is not None and people:
        if last.stimuli_sha256 != stimuli.sha256:
            raise StorageError(
                f"the animations in {stimuli.folder} are not those that {people} people have begun with: copy the old "
                "ones back, or make a new study in another folder"
            )
        if last.config_sha256 != config.sha256:
            notices.append(f"study.toml changed after {people} people began: they go on with the settings of their "
                           "time, new people get the new ones; the database keeps both")  # fmt: skip
        if last.plan_sha256 != plan:
            notices.append(f"{PLAN} changed after {people} people began: the report will say so")
    if problem := plan_problem(config, folder):
        if not people:
            raise StorageError(f"{problem}. Change it now: it is fixed when the first person takes part")
        notices.append(f"the plan of the analysis cannot be used: {problem}")
    _add_texts(connection, config, folder)
    now = (config.sha256, plan, stimuli.sha256)
    if last is not None and (last.config_sha256, last.plan_sha256, last.stimuli_sha256) == now:
        return Registered(last.id, tuple(notices))
    study_id = connection.execute(
        insert(Study)
        .values(
            created=now_ms(),
            config=config.as_json(),
            config_sha256=config.sha256,
            plan_sha256=plan,
            stimuli_sha256=stimuli.sha256,
            code_version=code_version(),
        )
        .returning(Study.id)
    ).scalar_one()
    return Registered(study_id, tuple(notices))


def _add_texts(connection: Connection, config: StudyConfig, folder: Path) -> None:
    for language, texts in config.texts.items():
        there = select(ConsentText.id).where(
            ConsentText.language == language, ConsentText.sha256 == texts.consent_sha256
        )
        if connection.execute(there).first() is None:
            body = {"paragraphs": list(texts.consent), "checkboxes": list(texts.checkboxes)}
            connection.execute(
                insert(ConsentText).values(
                    version=texts.consent_version, language=language, sha256=texts.consent_sha256, body=body
                )
            )
    for instrument in load_instruments(config, folder).values():
        known = select(InstrumentText.id).where(
            InstrumentText.name == instrument.id, InstrumentText.sha256 == instrument.sha256
        )
        if connection.execute(known).first() is None:
            connection.execute(
                insert(InstrumentText).values(
                    name=instrument.id, version=instrument.version, sha256=instrument.sha256,
                    body=Path(instrument.source).read_text("utf-8"),
                )
            )  # fmt: skip
