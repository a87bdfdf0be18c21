"""A person in front of a study's server, without a browser: starts, reads the step, answers."""

from __future__ import annotations

import contextlib
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

from apps.study.serve import open_study
from apps.study.server import StudyServer, make_app
from apps.study.steps import StepMessage
from apps.study.storage import Storage
from tests.messages import fits

TOKEN = "researcher"
SHORT = [{"name": "one", "task": "points", "trials": 6, "min_watch_s": 0.0}]
"""Blocks of a study that is over soon."""


@contextlib.contextmanager
def serving(folder: Path, **more: Any) -> Iterator[tuple[TestClient, Storage]]:
    """A server of the study in a folder, inside this process; what waits is stored at the end."""
    storage = open_study(folder, more.get("policies"))
    app = make_app(StudyServer(storage, folder, TOKEN, **more))
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client, storage


class Visitor:
    """One browser of one person."""

    def __init__(self, client: TestClient, ids: dict[str, str] | None = None, language: str = "en") -> None:
        self.client = client
        platform = "prolific" if ids else None
        body = {"external": {"platform": platform, "ids": ids or {}}, "language": language, "client": {"width": 800}}
        begun = client.post("/api/study/sessions", json=body)
        assert begun.status_code == 200, begun.text
        self.begun = begun.json()
        self.headers = {"X-Study-Session": self.begun["session"]}
        self.step = self.look()

    def look(self) -> dict[str, Any]:
        """Read the step anew, as a reload does."""
        response = self.client.get("/api/study/next", headers=self.headers)
        assert response.status_code == 200, response.text
        self.step = response.json()
        assert fits(self.step, StepMessage), self.step
        return self.step

    def body(self, kind: str = "answer", key: str | None = None, **data: Any) -> dict[str, Any]:
        """The body of an event about the step that is on the screen."""
        step = self.step
        return {
            "key": key or str(uuid.uuid4()), "type": kind, "trial_id": step["trial_id"],
            "expected_seq": step["expected_seq"], "data": data, "client_ms": 12.5,
        }  # fmt: skip

    def post(self, body: dict[str, Any]) -> Any:
        """Send an event; the response as it came."""
        return self.client.post("/api/study/events", headers=self.headers, json=body)

    def send(self, kind: str = "answer", **data: Any) -> dict[str, Any]:
        """Send an event that must be taken, and go on to the next step."""
        response = self.post(self.body(kind, **data))
        assert response.status_code == 200, response.text
        self.step = response.json()["next"]
        assert fits(self.step, StepMessage), self.step
        return response.json()

    def reply(self, choice: int = 0) -> dict[str, Any]:
        """Any answer that fits the step."""
        step = self.step
        if step["kind"] == "consent":
            return {"agreed": True, "sha256": step["sha256"]}
        if step["kind"] in ("triplet", "preference"):
            return {
                "choice": min(choice, 1) if step["kind"] == "preference" else choice,
                "confidence": 4,
                "rt_ms": 900.0,
            }
        if step["kind"] == "grid":
            return {"choice": [0, 3]}
        if step["kind"] == "questionnaire":
            return {"responses": {item["id"]: item["low"] for item in step["instrument"]["items"]}}
        return {}

    def go(self, kind: str, trial_id: str = "") -> Visitor:
        """Answer anything until a step of a kind (and of a trial) is on the screen; practice is answered right."""
        for _ in range(500):
            if self.step["kind"] == kind and trial_id in ("", self.step["trial_id"]):
                return self
            if self.step["kind"] == "done":
                break
            self.send(**self.reply())
        raise AssertionError(f"{kind} {trial_id} never came; {self.step['trial_id']} is on the screen")


def rows(storage: Storage, *columns: Any, **where: Any) -> list[Any]:
    """Rows of a table, in the order of the first column."""
    with storage.engines.reader.connect() as connection:
        query = select(*columns).filter_by(**where)
        return list(connection.execute(query.order_by(columns[0])))


def ids(name: str) -> dict[str, str]:
    """What a platform puts into the address."""
    return {"PROLIFIC_PID": name, "STUDY_ID": "s", "SESSION_ID": "x"}
