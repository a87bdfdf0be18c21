"""The study's HTTP interface from the other side: what the page does, for scripted participants and measurements."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

SECRET = "X-Study-Session"
LATER = (429, 503, 507)
"""Status of a server that asks to come back: too many, the database away, the disk full."""


class RefusedError(RuntimeError):
    """A server that says no: its status, its code word, what it says, and the step it shows instead, if any."""

    def __init__(self, status: int, payload: Mapping[str, Any]) -> None:
        self.status, self.code = status, str(payload.get("code", ""))
        self.next: dict[str, Any] | None = payload.get("next")
        super().__init__(f"the study server answered {status} {self.code}: {payload.get('error', '')}")


class Joined(NamedTuple):
    """A person's place in the study."""

    participant: str
    resumed: bool


class Event(NamedTuple):
    """A person's action at a step; the same `key` sent again is the same event."""

    key: str
    trial_id: str
    expected_seq: int
    type: str
    data: dict[str, Any]
    client_ms: float


def event_at(step: Mapping[str, Any], type_: str, data: dict[str, Any], client_ms: float) -> Event:
    """Make a new event at the step on the screen."""
    return Event(str(uuid.uuid4()), str(step["trial_id"]), int(step["expected_seq"]), type_, data, client_ms)


class StudyClient:
    """One person's connection, kept open; what the network swallows is sent again, with its key.

    Args:
        url: of the server, such as http://127.0.0.1:8360.
        patience_s: how long to go on trying while the server is away or asks to come back, s.
        timeout_s: of one request, s.
        longest_wait_s: between two tries, s.
    """

    def __init__(
        self, url: str, patience_s: float = 30.0, timeout_s: float = 30.0, longest_wait_s: float = 2.0
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} came; an address such as http://127.0.0.1:8360 is needed")
        self._make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._place, self._path = parts.netloc, parts.path.rstrip("/")
        self._patience_s, self._timeout_s, self._longest_wait_s = patience_s, timeout_s, longest_wait_s
        self._connection: http.client.HTTPConnection | None = None
        self.secret = ""

    def __enter__(self) -> StudyClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def join(self, external: Mapping[str, Any], language: str, window: Mapping[str, Any]) -> Joined:
        """Begin, or come back as whoever has the same external id.

        Raises:
            RefusedError: the server does not let this person in.
            OSError: it cannot be reached.
        """
        reply = self.ask("POST", "/api/study/sessions", {"external": external, "language": language, "client": window})
        self.secret = str(reply["session"])
        return Joined(str(reply["participant"]), bool(reply["resumed"]))

    def next(self) -> dict[str, Any]:
        """Ask for the step that this person is at.

        Raises:
            RefusedError, OSError: as for `join`.
        """
        return self.ask("GET", "/api/study/next")

    def post(self, event: Event) -> dict[str, Any]:
        """Send an event, again if need be, until it is acknowledged; the server's reply with `seq` and `next`.

        Raises:
            RefusedError: the page is stale (`next` says what is shown now), or the answer is none.
            OSError: the server cannot be reached.
        """
        return self.ask("POST", "/api/study/events", event._asdict())

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Send one request, again while the server is away or asks to come back, for the time of patience.

        Raises:
            RefusedError: it answers with another error.
            OSError: it cannot be reached.
        """
        deadline, wait_s = time.monotonic() + self._patience_s, 0.02
        while True:
            try:
                status, payload, retry_s = self._once(method, path, body)
            except (http.client.HTTPException, OSError) as problem:
                self.close()
                if time.monotonic() + wait_s > deadline:
                    raise OSError(f"no study server answers at {self._place}: {problem!r}") from problem
                status, payload, retry_s = 0, {}, None
            if 0 < status < 400:
                return payload
            if (status and status not in LATER) or time.monotonic() + wait_s > deadline:
                raise RefusedError(status, payload)
            wait_s = min(2 * wait_s, self._longest_wait_s)
            time.sleep(wait_s if retry_s is None else min(retry_s, self._longest_wait_s))

    def _once(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any], float | None]:
        if self._connection is None:
            self._connection = self._make(self._place, timeout=self._timeout_s)
        headers = {"Content-Type": "application/json"}
        if self.secret:
            headers[SECRET] = self.secret
        text = None if body is None else json.dumps(body).encode()
        self._connection.request(method, self._path + path, text, headers)
        reply = self._connection.getresponse()
        content = reply.read()
        after = reply.headers.get("Retry-After", "")
        try:
            payload = json.loads(content) if content else {}
        except ValueError:
            payload = {"error": content[:200].decode("utf-8", "replace")}
        return (
            reply.status,
            payload if isinstance(payload, dict) else {"value": payload},
            float(after) if after.isdigit() else None,
        )
