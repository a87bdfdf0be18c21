"""The study's memory: sessions, the log, and where everyone stands, for whichever database is behind it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from apps.study.config import StudyConfig
from apps.study.errors import ClosedError, KeyReusedError, NoSessionError, StaleError, StorageError, TooManyError
from apps.study.models import ExternalId, Participant, Session
from apps.study.protocol import Answered, EventRequest, SessionRequest, check_answer
from apps.study.schedule import Logged, Walk, make_plan
from apps.study.standings import Standing, Standings, trim
from apps.study.steps import shown, step_json
from apps.study.stimuli import Stimuli
from apps.study.storage_open import Engines
from apps.study.storage_register import register
from apps.study.storage_write import (
    NAMESPACE,
    Known,
    NewEvent,
    Stored,
    add_person,
    add_session,
    append,
    erase,
    find_event,
    find_person,
    finish,
    lock_person,
    lock_study,
    new_secret,
    now_ms,
    take_place,
)
from apps.study.writer import Writer

KEY_FILE = "study.key"
SESSIONS_REMEMBERED = 10_000


class Begun(NamedTuple):
    """A session that was just made: its secret, the person's public id, and whether the person was here before."""

    session: str
    participant: str
    resumed: bool


class Reply(NamedTuple):
    """The server's reply to an event; `next` is None while a policy has to choose."""

    seq: int
    next: dict[str, Any] | None
    feedback: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Put together the body of the answer."""
        reply: dict[str, Any] = {"seq": self.seq, "next": self.next}
        return reply if self.feedback is None else {**reply, "feedback": self.feedback}


class Storage:
    """Sessions and events of one study. All writing goes through one thread; reading has its own connections.

    Args:
        engines: of `open_engines`.
        config: settings of people who begin now; those who began before keep theirs.
        stimuli: the study's animations.
        folder: the study's folder: its instruments and the key of external ids.
    """

    def __init__(self, engines: Engines, config: StudyConfig, stimuli: Stimuli, folder: Path) -> None:
        self.engines, self.config, self.stimuli, self.folder = engines, config, stimuli, folder
        new = not (folder / KEY_FILE).exists()
        self._key = _load_key(folder / KEY_FILE)
        self._sessions: OrderedDict[str, Known] = OrderedDict()
        self.people = Standings(stimuli, folder)
        self._lock = threading.Lock()
        with engines.writer.connect() as connection, connection.begin():
            if new and connection.execute(select(ExternalId.id).limit(1)).first() is not None:
                (folder / KEY_FILE).unlink()
                raise StorageError(
                    f"{folder / KEY_FILE} is missing: people who come back would be taken for new ones. Copy it "
                    "back from where the study was"
                )
            self.registered = register(connection, config, stimuli, folder)
        self.writer = Writer(engines.writer)

    def close(self) -> None:
        """Store what waits, and let go of the database."""
        self.writer.close()
        self.engines.writer.dispose()
        self.engines.reader.dispose()

    def begin(self, request: SessionRequest) -> Future[Begun]:
        """Make a session: of the same person where their external id is known, of a new one otherwise."""
        secret = new_secret()
        digest = ""
        if request.ids:
            first = next(iter(request.ids.values()))
            digest = hmac.new(self._key, f"{request.platform}:{first}".encode(), "sha256").hexdigest()

        def run(connection: Connection) -> Begun:
            lock_study(connection)
            person = find_person(connection, request.platform, digest) if digest else None
            resumed = person is not None
            if person is None:
                person = add_person(connection, self.config, self.registered.study_id, request, digest)
            add_session(connection, person, request, _hash(secret), self.config.limits.sessions)
            public = connection.execute(select(Participant.uuid).where(Participant.id == person)).scalar_one()
            return Begun(secret, public, resumed)

        return self.writer.submit(run)

    def remembered(self, secret: str) -> Known | None:
        """Recall the session of a secret if it was looked up lately; touches no database."""
        hashed = _hash(secret)
        with self._lock:
            if (known := self._sessions.get(hashed)) is not None:
                self._sessions.move_to_end(hashed)
            return known

    def find_session(self, secret: str) -> Known:
        """Look up the session of a secret.

        Raises:
            NoSessionError: there is none.
        """
        if (known := self.remembered(secret)) is not None:
            return known
        hashed = _hash(secret)
        with self.engines.reader.connect() as connection:
            row = connection.execute(
                select(Session.id, Session.participant_id, Session.language, Session.secret_sha256).where(
                    Session.secret_sha256 == hashed
                )
            ).first()
        if row is None or not secrets.compare_digest(row[3], hashed):
            raise NoSessionError("this session is not known: begin at the address that you were given")
        with self._lock:
            self._sessions[hashed] = known = Known(*row[:3])
            trim(self._sessions, SESSIONS_REMEMBERED)
        return known

    def look(self, known: Known) -> Standing:
        """Tell where a person stands, read from the log unless that was done before."""
        with self.engines.reader.connect() as connection:
            return self.people.at(connection, known.participant_id)

    def step(self, known: Known, standing: Standing) -> dict[str, Any]:
        """Describe the step that is on the person's screen."""
        instruments = self.people.instruments(standing.walk.config)
        return step_json(standing.walk, standing.reader(known), instruments)

    def happen(self, known: Known, request: EventRequest) -> Future[tuple[Reply, Any]]:
        """Store an event, or find what was replied to it before.

        The future raises `StaleError`, `KeyReusedError`, `ClosedError`, `InvalidError`, `TooManyError`,
        or a `StorageError`.
        """
        return self.writer.submit(
            lambda connection: self._happen(connection, known, request), self.people.remember(known.participant_id)
        )

    def choose(self, known: Known, seq: int, items: tuple[str, ...], details: Mapping[str, Any]) -> Future[Any]:
        """Store what a policy chose, unless the person has moved on meanwhile."""

        def run(connection: Connection) -> tuple[Reply | None, Standing]:
            lock_person(connection, known.participant_id)
            standing = self.people.at(connection, known.participant_id)
            walk = standing.walk
            if walk.seq != seq or not walk.needs_choice:
                return None, standing
            trial = {
                **shown(walk, standing.reader(known), self.people.instruments(walk.config)),
                "items": list(items),
                **details,
            }
            name = uuid.uuid5(NAMESPACE, f"{known.participant_id}:{walk.slot.trial_id}:{seq}")
            new = NewEvent(str(name), "choose", walk.slot.trial_id, {"trial": trial}, "")
            return self._append(connection, known, standing, new, lambda after: None)

        return self.writer.submit(run, self.people.remember(known.participant_id))

    def go_on(self, known: Known) -> Future[Any]:
        """Note that a person comes back after a long time: the block's instructions are shown first."""

        def run(connection: Connection) -> tuple[Reply | None, Standing]:
            lock_person(connection, known.participant_id)
            standing = self.people.at(connection, known.participant_id)
            if not self.is_long_ago(standing.walk):
                return None, standing
            new = NewEvent(str(uuid.uuid4()), "resume", standing.walk.slot.trial_id, {}, "")
            return self._append(connection, known, standing, new, lambda after: None)

        return self.writer.submit(run, self.people.remember(known.participant_id))

    def is_long_ago(self, walk: Walk) -> bool:
        """Tell whether a person in a block was away for so long that its instructions are due again."""
        slot, before = walk.slot, walk.plan[max(0, walk.index - 1)]
        inside = slot.phase == "main" and slot.kind == before.kind and slot.block == before.block
        gap = now_ms() - walk.t_last
        return inside and walk.outcome is None and not walk.again and gap > walk.config.resume_after_minutes * 60_000

    def _happen(self, connection: Connection, known: Known, request: EventRequest) -> tuple[Reply, Standing | None]:
        lock_person(connection, known.participant_id)
        stored = find_event(connection, known.session_id, request.key)
        standing = self.people.at(connection, known.participant_id)
        if stored is not None:
            return self._replay(known, request, stored, standing), None
        if standing.withdrawn:
            raise ClosedError("this person withdrew: nothing more is stored", next=self._next(known, standing))
        if request.type == "withdraw":
            return self._withdraw(connection, known, standing, request)
        if standing.events >= standing.walk.config.limits.events_per_person:
            raise TooManyError("more events came than one person can make: tell the researchers")
        if request.type == "note":
            new = NewEvent(request.key, "note", request.trial_id, {"data": request.data}, request.sha256,
                           client_ms=request.client_ms)  # fmt: skip
            seq = append(connection, known, new, now_ms())
            return Reply(seq, self._next(known, standing)), replace(standing, events=standing.events + 1)
        step = self.step(known, standing) if not standing.walk.needs_choice else None
        trial_id = step["trial_id"] if step else standing.walk.slot.trial_id
        if (request.trial_id, request.expected_seq) != (trial_id, standing.walk.seq):
            raise StaleError("this was answered already, perhaps in another tab: here is where you are", next=step)
        if request.type == "undo":
            return self._undo(connection, known, standing, request, step)
        return self._answer(connection, known, standing, request, step)

    def _replay(self, known: Known, request: EventRequest, stored: Stored, standing: Standing) -> Reply:
        if standing.withdrawn:
            return Reply(stored.seq, self._next(known, standing))
        if stored.sha256 != request.sha256:
            raise KeyReusedError("this key came before with other content: make a new key for every event")
        if stored.type == "note" or stored.reply is None or stored.reply["next"] is None:
            feedback = (stored.reply or {}).get("feedback")
            return Reply(stored.seq, self._next(known, standing), feedback)
        # What was replied could not hold its own number: the number came with the storing.
        return Reply(stored.seq, {**stored.reply["next"], "expected_seq": stored.seq}, stored.reply.get("feedback"))

    def _next(self, known: Known, standing: Standing) -> dict[str, Any] | None:
        return None if standing.walk.needs_choice else self.step(known, standing)

    def _answer(
        self, connection: Connection, known: Known, standing: Standing, request: EventRequest, step: Any
    ) -> tuple[Reply, Standing]:
        walk = standing.walk
        if walk.outcome is not None or walk.needs_choice:
            raise ClosedError("there is nothing to answer here", next=step)
        reader, instruments = standing.reader(known), self.people.instruments(walk.config)
        sha256 = walk.config.texts_in(known.language).consent_sha256
        answered = check_answer(walk, request.data, sha256, instruments.get(walk.slot.instrument))
        payload = {"data": answered.data, "trial": shown(walk, reader, instruments)}
        payload |= {name: value for name in ("correct", "attention")
                    if (value := getattr(answered, name)) is not None}  # fmt: skip
        if walk.slot.kind == "consent" and answered.data.get("agreed"):
            standing = self._admit(connection, known, standing)
        new = NewEvent(request.key, "answer", request.trial_id, payload, request.sha256, client_ms=request.client_ms)
        return self._append(connection, known, standing, new, lambda after: _feedback(walk, answered))

    def _admit(self, connection: Connection, known: Known, standing: Standing) -> Standing:
        """Give a person who agreed a place, and with it the whole plan."""
        position, condition = take_place(connection, standing.walk.config, known.participant_id)
        plan = make_plan(standing.walk.config, self.stimuli.tasks, standing.seed, position, condition)
        return replace(standing, condition=condition, walk=replace(standing.walk, plan=plan))

    def _undo(
        self, connection: Connection, known: Known, standing: Standing, request: EventRequest, step: Any
    ) -> tuple[Reply, Standing]:
        if not standing.walk.undoable or standing.walk.outcome is not None:
            raise ClosedError("there is no answer that can be taken back", next=step)
        last = standing.walk.given[-1]
        payload = {"retracts": last.seq, "trial_id": standing.walk.plan[last.slot].trial_id, "data": {}}
        new = NewEvent(request.key, "retract", request.trial_id, payload, request.sha256, client_ms=request.client_ms)
        return self._append(connection, known, standing, new, lambda after: None)

    def _withdraw(
        self, connection: Connection, known: Known, standing: Standing, request: EventRequest
    ) -> tuple[Reply, Standing]:
        new = NewEvent(request.key, "withdraw", request.trial_id, None, None)
        reply, after = self._append(connection, known, standing, new, lambda walk: None)
        erase(connection, known.participant_id, after.walk.t_last)
        return reply, replace(after, withdrawn=True)

    def _append(
        self, connection: Connection, known: Known, standing: Standing, new: NewEvent, feedback: Any
    ) -> tuple[Reply, Standing]:
        """Store an event that moves the person on, together with what is replied to it."""
        t_server = now_ms()
        walk = standing.walk.after(Logged(0, new.type, t_server, new.payload))
        step = (
            None if walk.needs_choice else step_json(walk, standing.reader(known), self.people.instruments(walk.config))
        )
        reply = Reply(0, step, feedback(walk)).as_json()
        keep = None if new.type in ("withdraw", "choose", "resume") else reply
        seq = append(connection, known, new._replace(reply=keep), t_server)
        after = replace(
            standing,
            walk=standing.walk.after(Logged(seq, new.type, t_server, new.payload)),
            events=standing.events + 1,
        )
        if after.walk.outcome is not None and new.type != "withdraw":
            finish(connection, known.participant_id, after.walk.outcome, t_server)
        return Reply(seq, None if step is None else {**step, "expected_seq": seq}, reply.get("feedback")), after


def _feedback(walk: Walk, answered: Answered) -> dict[str, Any] | None:
    """Only the practice says what would have been right."""
    if walk.slot.phase != "practice" or answered.correct is None or walk.again:
        return None
    return {"correct": answered.correct, "choice": walk.golden}


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _load_key(path: Path) -> bytes:
    """Read the key of external ids, or make it: without it nobody can test whether an id took part."""
    try:
        with path.open("xb") as made:
            path.chmod(0o600)
            made.write(secrets.token_hex(32).encode())
            made.flush()
            os.fsync(made.fileno())
    except FileExistsError:
        pass
    key = path.read_bytes().strip()
    if len(key) < 32:
        raise StorageError(f"{path} is damaged: copy it back from where the study's folder was copied to")
    return key
