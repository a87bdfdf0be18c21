"""The route by which a page keeps a recording of the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response

from apps.gui.live import LiveSession
from apps.recording import Recording, RecordingError

_PATIENCE_S = 10.0
_REFUSED: dict[int | str, dict[str, Any]] = {
    409: {"description": "a scenario is its own recording"},
    503: {"description": "the simulation has ended"},
}


def add_recording_route(app: FastAPI, live: LiveSession) -> None:
    """Offer the session since its beginning as a file."""

    @app.get("/api/recording", response_class=Response, responses=_REFUSED)
    def recording() -> Response:
        """Return what was sensed and set by hand since the session began; `empaw record sim --replay` plays it."""
        try:
            recorded: Callable[[], Recording] = live.submit(lambda session: session.recorded()).result(_PATIENCE_S)
        except RecordingError as problem:
            return JSONResponse({"error": str(problem)}, 409)
        except (RuntimeError, TimeoutError) as problem:
            return JSONResponse({"error": str(problem) or "the simulation does not answer"}, 503)
        named = {"Content-Disposition": 'attachment; filename="empaw-recording.json"'}
        return Response(recorded().text(), media_type="application/json", headers=named)
