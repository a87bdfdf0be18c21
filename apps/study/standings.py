"""Where everyone stands: read from the log, remembered while the log has not gone on."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from apps.study.config import StudyConfig, config_from, load_instruments
from apps.study.instruments import Instrument
from apps.study.models import Participant, Study
from apps.study.schedule import Walk, make_plan
from apps.study.steps import Reader
from apps.study.stimuli import Stimuli
from apps.study.storage_write import Known, last_seq, read_log

# A plan of 400 steps takes some 150 kB; to read a forgotten one again takes some 10 ms.
REMEMBERED = 300


@dataclass(frozen=True)
class Standing:
    """A person and where they stand; `events` counts all of theirs, notes too."""

    walk: Walk
    seed: int
    condition: str
    withdrawn: bool
    events: int

    def reader(self, known: Known) -> Reader:
        """For whom steps are made in a session."""
        return Reader(known.language, self.seed, self.condition)


class Standings:
    """Knows where people stand; safe to use from several threads."""

    def __init__(self, stimuli: Stimuli, folder: Path) -> None:
        self._stimuli, self._folder = stimuli, folder
        self._configs: dict[int, StudyConfig] = {}
        self._instruments: dict[tuple[str, ...], dict[str, Instrument]] = {}
        self._standings: OrderedDict[int, Standing] = OrderedDict()
        self._lock = threading.Lock()

    def at(self, connection: Connection, participant_id: int) -> Standing:
        """Tell where a person stands; what is remembered counts only when the log has not gone on."""
        with self._lock:
            standing = self._standings.get(participant_id)
        if standing is not None and last_seq(connection, participant_id) == standing.walk.seq:
            return standing
        return self._rebuild(connection, participant_id)

    def remember(self, participant_id: int) -> Callable[[tuple[Any, Standing | None]], None]:
        """Make what is called after a commit with (anything, the new standing or None)."""

        def committed(result: tuple[Any, Standing | None]) -> None:
            standing = result[1]
            if standing is not None:
                with self._lock:
                    self._standings[participant_id] = standing
                    self._standings.move_to_end(participant_id)
                    trim(self._standings, REMEMBERED)

        return committed

    def instruments(self, config: StudyConfig) -> dict[str, Instrument]:
        """Find the questionnaires of settings, by id."""
        found = self._instruments.get(config.instruments)
        if found is None:
            found = self._instruments[config.instruments] = load_instruments(config, self._folder)
        return found

    def _rebuild(self, connection: Connection, participant_id: int) -> Standing:
        row = connection.execute(
            select(
                Participant.study_id,
                Participant.seed,
                Participant.position,
                Participant.condition,
                Participant.withdrawn,
                Participant.created,
            ).where(Participant.id == participant_id)
        ).one()
        config = self._config(connection, row.study_id)
        log = read_log(connection, participant_id)
        condition = row.condition or ""
        if row.withdrawn is not None:
            last = max((event.seq for event in log if event.type != "note"), default=0)
            plan = make_plan(config, self._stimuli.tasks, row.seed, None)
            walk = Walk(config, plan, seq=last, t_last=row.withdrawn, outcome="withdrew")
            return Standing(walk, row.seed, condition, True, len(log))
        plan = make_plan(config, self._stimuli.tasks, row.seed, row.position, condition)
        walk = Walk(config, plan, t_last=row.created)
        for event in log:
            walk = walk.after(event)
        return Standing(walk, row.seed, condition, False, len(log))

    def _config(self, connection: Connection, study_id: int) -> StudyConfig:
        if study_id not in self._configs:
            settings = connection.execute(select(Study.config).where(Study.id == study_id)).scalar_one()
            self._configs[study_id] = config_from(settings, f"settings number {study_id} of the database")
        return self._configs[study_id]


def trim(kept: OrderedDict[Any, Any], most: int) -> None:
    """Forget the oldest beyond the `most` last ones."""
    while len(kept) > most:
        kept.popitem(last=False)
