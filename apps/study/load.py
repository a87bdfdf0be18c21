"""A crowd in a closed loop: each answers as soon as the last answer is acknowledged, and remembers what was."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from apps.study.client import StudyClient, event_at
from apps.study.participants import ScriptedParticipant
from apps.study.simulate import Cast
from apps.study.visit import WINDOW, Kept
from policies.taste.choice import CLEAN
from policies.taste.queries import COMPARISONS

_POLL_S = 0.05


class Delays(NamedTuple):
    """How long answers took from the sending to the acknowledgement, ms."""

    n: int
    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: list[float]) -> Delays:
        """Summarise times in s.

        Raises:
            ValueError: there are none.
        """
        if not seconds:
            raise ValueError("no answer was acknowledged: is the server there?")
        times = 1e3 * np.array(seconds)
        return cls(len(times), *(round(float(x), 2) for x in (*np.percentile(times, (50, 95, 99)), times.max())))


class Crowd:
    """People in a closed loop, each on a thread; whoever has finished is followed by the next.

    Args:
        url: of the server.
        cast: who they are; here they answer without error, so that nobody is screened out.
        people: how many at the same time.
        patience_s: how long each goes on sending while the server is away, s.

    Attributes:
        delays: of every acknowledged comparison, s.
        kept: by participant, every event that was acknowledged.
    """

    def __init__(self, url: str, cast: Cast, people: int, patience_s: float = 60.0) -> None:
        self.delays: list[float] = []
        self.kept: dict[str, list[Kept]] = {}
        self._cast, self._url, self._patience_s = cast, url, patience_s
        self._problems: list[str] = []
        self._stop = threading.Event()
        self._clients = [StudyClient(url, patience_s, longest_wait_s=_POLL_S) for _ in range(people)]
        self._threads = [
            threading.Thread(target=self._sit, args=(number, client), name=f"person-{number}", daemon=True)
            for number, client in enumerate(self._clients)
        ]

    def start(self) -> None:
        """Let them in."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each have the reply that it waits for, and go.

        Raises:
            RuntimeError: somebody was refused, or waits in vain.
        """
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * self._patience_s)
        if any(thread.is_alive() for thread in self._threads):
            self._problems.append("somebody still waits for a reply")
        if self._problems:
            raise RuntimeError(f"{len(self._problems)} of the crowd had to stop: {self._problems[0]}")

    def settle(self) -> None:
        """Wait until everyone has begun and answered.

        Raises:
            RuntimeError: they did not within the time of patience.
        """
        deadline = time.monotonic() + self._patience_s
        while len(self.kept) < len(self._threads) and not self._problems:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(self.kept)} of {len(self._threads)} people had begun in time")
            time.sleep(_POLL_S)

    def go_on(self, answers: int) -> None:
        """Wait until so many more answers are acknowledged.

        Raises:
            RuntimeError: they are not within the time of patience.
        """
        deadline, before = time.monotonic() + self._patience_s, len(self.delays)
        while len(self.delays) < before + answers and not self._problems:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(self.delays) - before} of {answers} answers came in time")
            time.sleep(0.1 * _POLL_S)

    def probe(self) -> StudyClient:
        """Open a connection of the first of them, to ask the server where they are."""
        client = StudyClient(self._url, self._patience_s)
        client.secret = self._clients[0].secret
        return client

    def _sit(self, number: int, client: StudyClient) -> None:
        """One seat: a person after the other until the crowd goes."""
        try:
            with client:
                while not self._stop.is_set():
                    self._take_part(number, client)
        except (RuntimeError, OSError, ValueError) as problem:  # what ends one is told by `stop`
            self._problems.append(f"person {number}: {problem}")

    def _take_part(self, number: int, client: StudyClient) -> None:
        truth = self._cast.truths[number % len(self._cast.truths)]
        even = {task: (1.0,) * len(weights) for task, weights in truth.weights.items()}
        truth = replace(truth, person=CLEAN, attentive=True, weights=even)
        person = ScriptedParticipant(truth, self._cast.stimuli, np.random.default_rng([number, 3]))
        kept = self.kept.setdefault(client.join({}, "en", WINDOW).participant, [])
        step = client.next()
        while step["kind"] != "done" and not self._stop.is_set():
            data, _ = person.respond(step)
            event = event_at(step, "answer", data, 0.0)
            began = time.perf_counter()
            reply = client.post(event)
            if step["kind"] in COMPARISONS:
                self.delays.append(time.perf_counter() - began)
            kept.append(Kept(int(reply["seq"]), event.trial_id))
            step = reply["next"]
