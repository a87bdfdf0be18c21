"""One scripted participant's way through a study: joins, answers, reloads, sends twice, takes back, leaves."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from apps.study.client import RefusedError, StudyClient, event_at
from apps.study.participants import Habits, ScriptedParticipant
from policies.taste.queries import COMPARISONS

WINDOW = {"width": 1280, "height": 720, "touch": False, "user_agent": "empaw scripted participant"}
MOST_STEPS = 10_000
"""A study that is longer than this never ends."""


class Kept(NamedTuple):
    """An event that the server acknowledged: where it stands in the log, and what it answered."""

    seq: int
    trial_id: str


@dataclass
class Report:
    """Report of one participant's visit.

    Attributes:
        kept: every event that was acknowledged.
        faults: what the server did that it must not do; empty is right.
    """

    participant: str = ""
    outcome: str = ""
    kept: list[Kept] = field(default_factory=list)
    comparisons: int = 0
    undone: int = 0
    reloads: int = 0
    duplicates: int = 0
    stale: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass
class Visit:
    """A participant at the study's door.

    Args:
        client: their connection.
        person: who answers.
        external: how they were recruited.
        rng: draws what they do besides answering.
        habits: how often they do it.
        leave: set by another thread to let this one go where it stands.
    """

    client: StudyClient
    person: ScriptedParticipant
    external: dict[str, Any]
    rng: np.random.Generator
    habits: Habits = field(default_factory=Habits)
    language: str = "en"
    report: Report = field(default_factory=Report)
    leave: threading.Event = field(default_factory=threading.Event)
    _clock_ms: float = 0.0
    _before: dict[str, Any] | None = None

    def begin(self, secret: str = "", participant: str = "") -> None:
        """Join and agree to what is asked; or come back with what the browser has kept of an earlier visit.

        Raises:
            RefusedError, OSError: as the client says.
        """
        if secret:
            self.client.secret, self.report.participant = secret, participant
        else:
            self.report.participant = self.client.join(self.external, self.language, WINDOW).participant
        step = self.client.next()
        if step["kind"] == "consent":
            self._answer(step)

    def finish(self) -> Report:
        """Go through all that is left of the study.

        Raises:
            RefusedError, OSError: as the client says.
            InterruptedError: `leave` was set.
            RuntimeError: it does not end.
        """
        step = self.client.next()
        for _ in range(MOST_STEPS):
            if self.leave.is_set():
                raise InterruptedError("the rehearsal was interrupted")
            if step["kind"] == "done":
                self.report.outcome = str(step["outcome"])
                return self.report
            step = self._do(step)
        raise RuntimeError(f"a participant was still asked after {MOST_STEPS} steps: the study does not end")

    def _do(self, step: dict[str, Any]) -> dict[str, Any]:
        """Act as this person does at a step; returns the step after it."""
        leaves = self.person.truth.leaves_after
        if leaves is not None and self.report.comparisons >= leaves:
            return self._send(step, "withdraw", {"reason": None})
        if self.rng.random() < self.habits.reload:
            step = self._reload(step)
        if self._before is not None and self.rng.random() < self.habits.second_tab:
            self._second_tab(self._before, step)
        if step.get("can_undo") and self.rng.random() < self.habits.undo:
            step = self._undo(step)
        self._before = step
        return self._answer(step)

    def _answer(self, step: dict[str, Any]) -> dict[str, Any]:
        data, took_ms = self.person.respond(step)
        self._clock_ms += took_ms
        self.report.comparisons += step["kind"] in COMPARISONS
        return self._send(step, "answer", data)

    def _send(self, step: dict[str, Any], type_: str, data: dict[str, Any]) -> dict[str, Any]:
        event = event_at(step, type_, data, self._clock_ms)
        reply = self.client.post(event)
        self.report.kept.append(Kept(int(reply["seq"]), event.trial_id))
        if type_ == "answer" and self.rng.random() < self.habits.duplicate:
            self.report.duplicates += 1
            if self.client.post(event) != reply:
                self.report.faults.append(f"{event.trial_id}: the same event again got another reply")
        following: dict[str, Any] = reply["next"]
        return following

    def _reload(self, step: dict[str, Any]) -> dict[str, Any]:
        """Come back: with the browser's secret, or in another browser by the platform's id."""
        self.report.reloads += 1
        self.client.close()
        if self.external and self.rng.random() < 0.5:
            joined = self.client.join(self.external, self.language, WINDOW)
            if joined.participant != self.report.participant or not joined.resumed:
                self.report.faults.append(f"{step['trial_id']}: coming back made another participant")
        shown = self.client.next()
        if shown["trial_id"] != step["trial_id"]:
            self.report.faults.append(f"{step['trial_id']}: a reload showed {shown['trial_id']}")
        return shown

    def _undo(self, step: dict[str, Any]) -> dict[str, Any]:
        self.report.undone += 1
        shown = self._send(step, "undo", {})
        if self._before is not None and shown["trial_id"] != self._before["trial_id"]:
            self.report.faults.append(f"{step['trial_id']}: undo showed {shown['trial_id']}")
        return shown

    def _second_tab(self, old: dict[str, Any], step: dict[str, Any]) -> None:
        """Answer the step before again, as a tab does that was left open: it must be refused, and the step shown."""
        self.report.stale += 1
        data, _ = self.person.respond(old)
        try:
            self.client.post(event_at(old, "answer", data, self._clock_ms))
        except RefusedError as refused:
            shown = refused.next or {}
            if refused.code != "stale" or shown.get("trial_id") != step["trial_id"]:
                self.report.faults.append(
                    f"{old['trial_id']}: a stale answer got {refused.code} {shown.get('trial_id')}"
                )
        else:
            self.report.faults.append(f"{old['trial_id']}: a stale answer was taken")
