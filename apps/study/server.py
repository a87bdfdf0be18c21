"""The study's HTTP interface: who begins, what is shown next, what was answered; animations, texts, and how it goes."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from apps.gui.bodies import read_body
from apps.gui.security import LOOPBACK, Gate
from apps.study.choosing import Chooser
from apps.study.errors import (
    BadJsonError,
    NoSessionError,
    StaleError,
    StorageAwayError,
    StorageFullError,
    StudyError,
    TooLargeError,
    UnknownError,
)
from apps.study.limits import RateLimit
from apps.study.locales import locale_files
from apps.study.policies import QueryPolicy
from apps.study.protocol import ID_OF, MAX_BODY_BYTES, parse_event, parse_json, parse_session
from apps.study.status import read_status
from apps.study.storage import Known, Storage
from apps.study.storage_open import translated

WEB = Path(__file__).resolve().parents[2] / "assets" / "web"
_FOREVER = {"cache-control": "public, max-age=31536000, immutable"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}")
_MOST_DRAINED = 64 * 2**20
_SLOWEST_BODY_S = 30.0
_LOG = logging.getLogger(__name__)
# No page of a study listens or watches.
_HEADERS = {"permissions-policy": "microphone=(), camera=(), geolocation=()"}


@dataclass(frozen=True)
class StudyServer:
    """Dependencies of the application.

    Attributes:
        storage: opened already; closed with the application.
        folder: the study's, for plugins and locales of the lab.
        token: researchers show it to see how the study goes.
        hosts: names that the Host header may have.
        policies: more ways to choose comparisons, by the name that study.toml uses.
        is_full: whether the disk has no space for new people.
        stop: called before the storage is closed.
    """

    storage: Storage
    folder: Path
    token: str
    hosts: tuple[str, ...] = LOOPBACK
    policies: Mapping[str, QueryPolicy] = field(default_factory=dict)
    is_full: Callable[[], bool] = lambda: False
    stop: Callable[[], None] = lambda: None


def make_app(server: StudyServer) -> FastAPI:
    """Make the application around a storage that is open; the storage closes with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.storage.close)

    app = FastAPI(title="Empaw study", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Gate, hosts=server.hosts, headers=_HEADERS)
    _add_errors(app)
    _add_study(app, server)
    _add_files(app, server)
    _add_texts(app, server.folder)
    _add_researcher(app, server)
    app.mount("/static", StaticFiles(directory=WEB), name="static")
    return app


def refusal(problem: StudyError) -> JSONResponse:
    """Make the answer that tells a page what went wrong."""
    headers = {} if problem.retry_after_s is None else {"retry-after": str(problem.retry_after_s)}
    body = {"error": str(problem), "code": problem.code, **problem.more}
    return JSONResponse(body, status_code=problem.status, headers=headers)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(StudyError)
    async def refused(request: Request, problem: StudyError) -> Response:
        if problem.status == 500:
            _LOG.error("%s %s: %s", request.method, request.url.path, problem)
        return refusal(problem)

    @app.exception_handler(DBAPIError)
    async def away(request: Request, problem: DBAPIError) -> Response:
        return refusal(translated(problem))

    @app.exception_handler(PoolTimeout)
    async def waiting(request: Request, problem: PoolTimeout) -> Response:
        return refusal(StorageAwayError("the database does not answer"))

    @app.exception_handler(HTTPException)
    async def missing(request: Request, problem: HTTPException) -> Response:
        body = {"error": f"there is nothing at this address ({problem.detail})", "code": "unknown"}
        return JSONResponse(body, status_code=problem.status_code, headers=problem.headers)

    @app.exception_handler(Exception)
    async def fault(request: Request, problem: Exception) -> Response:
        body = {"error": "a fault of the server: it is in its log", "code": "fault"}
        return JSONResponse(body, status_code=500)


def _add_study(app: FastAPI, server: StudyServer) -> None:
    storage, chooser = server.storage, Chooser(server.storage, server.policies)
    limit = RateLimit(storage.config.limits.sessions_per_minute, 60.0)

    @app.post("/api/study/sessions")
    async def begin(request: Request) -> Response:
        """Begin, or go on as the same person when the platform's id is known."""
        asked = parse_session(parse_json(await _body(request)), storage.config)
        limit.count(request.client.host if request.client else "")
        if server.is_full():
            raise StorageFullError("the disk of the server is nearly full: nobody new can begin now")
        begun = await asyncio.wrap_future(storage.begin(asked))
        return JSONResponse(begun._asdict())

    @app.get("/api/study/next")
    async def following(request: Request) -> Response:
        """Tell the step that is on the person's screen."""
        return JSONResponse(await chooser.current(await _session(request, storage), returning=True))

    @app.post("/api/study/events")
    async def happen(request: Request) -> Response:
        """Store an event; the reply has the next step."""
        known = await _session(request, storage)
        event = parse_event(parse_json(await _body(request)))
        try:
            reply = (await asyncio.wrap_future(storage.happen(known, event)))[0]
        except StaleError as problem:
            if problem.more.get("next") is None:
                problem.more["next"] = await chooser.current(known)
            raise
        if reply.next is None:
            reply = reply._replace(next=await chooser.current(known))
        return JSONResponse(reply.as_json())

    @app.get("/api/study/about")
    def about() -> dict[str, Any]:
        """Tell what the page needs before a session exists."""
        config = storage.config
        return {"title": config.title, "language": config.language, "languages": list(config.languages),
                "platform": config.recruitment.platform, "ids": ID_OF}  # fmt: skip


def _add_files(app: FastAPI, server: StudyServer) -> None:
    stimuli = server.storage.stimuli

    @app.get("/")
    def index() -> Response:
        page = WEB / "study" / "index.html"
        if not page.is_file():
            raise UnknownError("the page of the study is not installed")
        return FileResponse(page)

    @app.get("/favicon.ico")
    def icon() -> Response:
        return FileResponse(WEB / "icon.svg", media_type="image/svg+xml")

    @app.get("/api/study/stimuli/{name}")
    def animation(name: str) -> Response:
        body = stimuli.body(name)
        if body is None:
            raise UnknownError(f"there is no animation {ascii(name)[:60]}")
        return Response(body, media_type="application/octet-stream", headers=_FOREVER)

    @app.get("/api/study/scene/{task}")
    def scene(task: str) -> Response:
        if task not in stimuli.tasks:
            raise UnknownError(f"there is no task {ascii(task)[:60]}; there are {', '.join(stimuli.tasks)}")
        return JSONResponse(stimuli.tasks[task].scene_json())


def _add_texts(app: FastAPI, folder: Path) -> None:
    @app.get("/api/study/locale/{language}")
    def locale(language: str) -> Response:
        # Only names of files that are there become paths.
        there = locale_files(folder)
        if language not in there:
            raise UnknownError(f"there is no language {ascii(language)[:40]}; there are {', '.join(there)}")
        return FileResponse(there[language], media_type="application/json")

    @app.get("/api/study/plugins")
    def plugins() -> dict[str, list[str]]:
        return {"plugins": [f"/study-plugins/{name}.js" for name in sorted(_plugins(folder))]}

    @app.get("/study-plugins/{name}.js")
    def plugin(name: str) -> Response:
        if (path := _plugins(folder).get(name)) is None:
            raise UnknownError(f"there is no plugin {ascii(name)[:60]}")
        return FileResponse(path, media_type="text/javascript")


def _plugins(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in (folder / "plugins").glob("*.js") if _NAME.fullmatch(path.stem)}


def _add_researcher(app: FastAPI, server: StudyServer) -> None:
    @app.get("/api/study/status")
    async def status(request: Request) -> Response:
        """Count people by where they are; for researchers."""
        offered = request.headers.get("authorization", "").removeprefix("Bearer ") or request.query_params.get(
            "token", ""
        )
        if not secrets.compare_digest(offered.encode("utf-8", "replace"), server.token.encode()):
            raise NoSessionError("researchers show the token that the program printed: Authorization: Bearer TOKEN")
        status_now = await asyncio.to_thread(read_status, server.storage)
        return JSONResponse({**status_now.as_json(), "disk_full": server.is_full()})


async def _session(request: Request, storage: Storage) -> Known:
    secret = request.headers.get("x-study-session", "")
    if not 20 <= len(secret) <= 100:
        raise NoSessionError("the header X-Study-Session is missing: begin at the address that you were given")
    known = storage.remembered(secret)
    return known if known is not None else await asyncio.to_thread(storage.find_session, secret)


async def _body(request: Request) -> bytes:
    """Read the body, counted as it comes; what is too large is read on and thrown away, so that the sender hears so."""
    try:
        body = await asyncio.wait_for(read_body(request, MAX_BODY_BYTES, _MOST_DRAINED), _SLOWEST_BODY_S)
    except (asyncio.TimeoutError, ClientDisconnect) as problem:
        raise BadJsonError("the request broke off: send it again") from problem
    if body is None:
        raise TooLargeError(f"more than {MAX_BODY_BYTES} bytes came")
    return body
