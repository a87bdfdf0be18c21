from __future__ import annotations

from concurrent.futures import Future
from unittest.mock import Mock

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from apps.gui.live import LiveSession
from apps.gui.recordings import add_recording_route
from apps.recording import RecordingError


@pytest.mark.parametrize(
    ("problem", "status"), [(RecordingError("play the scenario again"), 409), (RuntimeError("it has ended"), 503)]
)
def test_why_there_is_no_recording_is_said(problem, status):
    future: Future = Future()
    future.set_exception(problem)
    app = FastAPI()
    add_recording_route(app, Mock(LiveSession, submit=Mock(return_value=future)))
    answer = TestClient(app).get("/api/recording")
    assert (answer.status_code, answer.json()["error"]) == (status, str(problem))
