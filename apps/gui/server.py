"""The server of the page: a few routes and three sockets around a live session."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles

from apps.gui.commands import CommandError, to_command
from apps.gui.live import Listener, LiveSession
from apps.gui.messages import scene_message
from apps.gui.security import Gate
from apps.session import SessionConfig
from perception.speech.audio import SoundError, To16k, read_sound
from policies.behaviour import BehaviourTable, default_table
from robots.sounds import CALLS, sound_wav

ASSETS = Path(__file__).resolve().parents[2] / "assets"
SAMPLE = ASSETS / "samples" / "hello.wav"
MAX_UPLOAD_BYTES = 25 * 2**20
# What is over the limit is read and thrown away up to here, so that the sender gets to see the answer.
MAX_DRAINED_BYTES = 512 * 2**20
MAX_CHUNK_BYTES = 2**16


def make_app(config: SessionConfig, token: str | None = None) -> FastAPI:
    """Make the application; the simulation starts and stops with it."""
    live = LiveSession(config)
    table = BehaviourTable.load(config.table) if config.table else default_table()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(live.start)
        yield
        await asyncio.to_thread(live.stop)

    # No /docs: that page loads its scripts from elsewhere. The schema itself is at /openapi.json.
    app = FastAPI(title="Empaw", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.live = live
    app.add_middleware(Gate, token=token)
    _add_pages(app, live, table, config)
    _add_hearing(app, live, config)
    _add_sockets(app, live)
    app.mount("/static", StaticFiles(directory=ASSETS / "web"), name="static")
    return app


def _error(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status_code=status)


def _add_pages(app: FastAPI, live: LiveSession, table: BehaviourTable, config: SessionConfig) -> None:
    @app.get("/", include_in_schema=False)
    def index() -> Response:
        return FileResponse(ASSETS / "web" / "index.html")

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> Response:
        return FileResponse(ASSETS / "web" / "icon.svg", media_type="image/svg+xml")

    @app.get("/api/scene")
    def scene() -> dict[str, Any]:
        """What does not change while the page is open: the dog's shapes, labels, gaits, behaviours."""
        return scene_message(live.links, table, config.person)

    @app.get("/api/sounds/{name}.wav", response_class=Response, responses={404: {"description": "no such sound"}})
    def sound(name: str) -> Response:
        """One of the dog's sounds, 16-bit WAV."""
        if name not in CALLS:
            return _error(404, f"no sound {name!r}: there are {', '.join(CALLS)}")
        return Response(sound_wav(name), media_type="audio/wav", headers={"cache-control": "max-age=3600"})

    @app.get("/api/health")
    def health() -> dict[str, Any]:
        """Whether the simulation runs, and how well it keeps real time."""
        return {"alive": live.alive, "real_time_factor": round(live.real_time_factor, 3)}


def _add_hearing(app: FastAPI, live: LiveSession, config: SessionConfig) -> None:
    decoding = asyncio.Semaphore(1)  # one file at a time bounds the memory that uploads can take

    async def play(source: bytes | Path, name: str, **more: str) -> Response:
        try:
            async with decoding:
                sound = await asyncio.to_thread(read_sound, source, config.max_sound_s)
        except SoundError as problem:
            return _error(415, str(problem))
        duration = await asyncio.wrap_future(live.submit(lambda session: session.hear(sound, name=name)))
        return JSONResponse({"name": name, "duration_s": round(duration, 3), **more})

    @app.post("/api/hear", responses={413: {"description": "too large"}, 415: {"description": "not a sound"}})
    async def hear(request: Request) -> Response:
        """Let the dog hear a sound file: the body is the file, `X-File-Name` its name."""
        body, total = bytearray(), 0
        async for chunk in request.stream():
            total += len(chunk)
            if total <= MAX_UPLOAD_BYTES:
                body += chunk
            elif total > MAX_DRAINED_BYTES:
                break
        if total > MAX_UPLOAD_BYTES:
            body.clear()
            return _error(413, f"the file is larger than {MAX_UPLOAD_BYTES >> 20} MB: cut it, or save it as mp3 or ogg")
        name = Path(unquote(request.headers.get("x-file-name", "upload"))).name[:120] or "upload"
        return await play(bytes(body), name)

    @app.post("/api/hear_sample", responses={415: {"description": "not a sound"}})
    async def hear_sample() -> Response:
        """Let the dog hear the bundled sample, which a speech synthesiser made; `url` is where to listen to it."""
        return await play(SAMPLE, SAMPLE.name, url="/api/sample.wav")

    @app.get("/api/sample.wav", response_class=FileResponse)
    def sample() -> Response:
        """The bundled sample, for the page to play aloud."""
        return FileResponse(SAMPLE, media_type="audio/wav")


def _add_sockets(app: FastAPI, live: LiveSession) -> None:
    microphone = _Microphone(live)

    @app.websocket("/ws/poses")
    async def poses(socket: WebSocket) -> None:
        await socket.accept()
        await _serve(socket, live, live.listen_poses(asyncio.get_running_loop()), socket.send_bytes, _ignore)

    @app.websocket("/ws/live")
    async def control(socket: WebSocket) -> None:
        await socket.accept()

        async def obey(message: dict[str, Any]) -> None:
            await _obey(socket, live, message)

        await _serve(socket, live, live.listen_live(asyncio.get_running_loop()), socket.send_json, obey)

    @app.websocket("/ws/microphone")
    async def listen(socket: WebSocket) -> None:
        await socket.accept()
        with contextlib.suppress(WebSocketDisconnect):
            await microphone.serve(socket)


async def _ignore(message: dict[str, Any]) -> None:
    """A reader of poses has nothing to say."""


async def _serve(socket: WebSocket, live: LiveSession, listener: Listener, send: Any, receive: Any) -> None:
    """Pass messages both ways until the reader goes."""

    async def tell() -> None:
        while True:
            await send(await listener.get())

    async def hear() -> None:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await receive(message)

    tasks = [asyncio.create_task(tell()), asyncio.create_task(hear())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        live.forget(listener)
        for task in tasks:
            task.cancel()
        # A socket that broke in the middle ends its task with an error that says nothing more than that.
        await asyncio.gather(*tasks, return_exceptions=True)


async def _obey(socket: WebSocket, live: LiveSession, message: dict[str, Any]) -> None:
    number: int | None = None
    try:
        order = json.loads(message.get("text") or "null")
        number = order.get("id") if isinstance(order, dict) else None
        command = to_command(order, live)
        result: Future = live.submit(command)
        await asyncio.wrap_future(result)
    except (CommandError, ValueError, TypeError, RuntimeError) as problem:
        await socket.send_json({"type": "ack", "id": number, "ok": False, "error": str(problem)})
    else:
        await socket.send_json({"type": "ack", "id": number, "ok": True})


class _Microphone:
    """The one microphone that the dog listens to; a second is told to wait."""

    def __init__(self, live: LiveSession) -> None:
        self._live = live
        self._speaker: WebSocket | None = None

    async def serve(self, socket: WebSocket) -> None:
        """Take chunks until the socket closes."""
        if self._speaker is not None:
            await self._refuse(
                socket, "The dog is listening to another browser's microphone: switch that one off first."
            )
            return
        self._speaker = socket
        try:
            resample = To16k(_rate(await socket.receive_text()))
            while True:
                samples = _samples(await socket.receive_bytes())
                heard = resample(samples)
                self._live.submit(lambda session, heard=heard: session.listen(heard))  # type: ignore[misc]
        except (SoundError, CommandError, KeyError) as problem:
            await self._refuse(socket, f"The microphone's stream cannot be used: {problem}")
        finally:
            self._speaker = None

    async def _refuse(self, socket: WebSocket, text: str) -> None:
        await socket.send_json({"type": "notice", "level": "error", "text": text})
        await socket.close(code=4400)


def _rate(text: str) -> float:
    try:
        return float(json.loads(text)["rate"])
    except (ValueError, TypeError, KeyError) as problem:
        raise CommandError(f'first comes the sampling rate as {{"rate": 48000}}, got {text[:80]!r}') from problem


def _samples(chunk: bytes) -> np.ndarray:
    """Int16 PCM -> float32 within [-1, 1]."""
    if len(chunk) > MAX_CHUNK_BYTES or len(chunk) % 2:
        raise CommandError(
            f"a chunk has {len(chunk)} bytes; allowed are whole 16-bit samples, at most {MAX_CHUNK_BYTES}"
        )
    return np.frombuffer(chunk, "<i2").astype(np.float32) / 32768
