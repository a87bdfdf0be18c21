"""The server of the page: a few routes and three sockets around a live session."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import json
import tempfile
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.requests import ClientDisconnect

from apps.config import SessionConfig
from apps.gui.commands import CommandError, to_command
from apps.gui.door import Pace
from apps.gui.films import camera_picture, picture_film, video_film
from apps.gui.live import Listener, LiveSession
from apps.gui.messages import MAX_UPLOAD_BYTES, REFUSED_CODE, SAMPLES, scene_message
from apps.gui.recordings import add_recording_route
from apps.gui.security import Gate, Key
from apps.gui.uploads import Places, receive, work_apart, work_for
from apps.session import Session
from perception.face.pictures import PictureError, is_picture
from perception.face.videos import Frame
from perception.speech.audio import NO_SOUND, Sound, SoundError, To16k, read_sound
from policies.behaviour import BehaviourTable, default_table
from robots.sounds import CALLS, sound_wav

ASSETS = Path(__file__).resolve().parents[2] / "assets"
SAMPLE = ASSETS / "samples" / "hello.wav"
MAX_CHUNK_BYTES = 2**16
MAX_FRAME_BYTES = 2**19
MAX_ORDER = 2**12
"""Characters of JSON that a page sends at a time: to read a megabyte of it holds all others up for 30 ms."""


def make_app(
    live: LiveSession,
    key: Key | None = None,
    hosts: tuple[str, ...] | None = None,
    admit: Callable[[tuple[str, int]], bool] | None = None,
) -> FastAPI:
    """Make the application around a live session that runs already; the session stops with it. See `Gate`."""
    config = live.config
    table = BehaviourTable.load(config.table) if config.table else default_table()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(live.stop)

    # No /docs: that page loads its scripts from elsewhere. The schema itself is at /openapi.json.
    app = FastAPI(title="Empaw", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.live = live
    app.add_middleware(Gate, key=key, hosts=hosts, admit=admit)
    _add_pages(app, live, table, config)
    _add_playing(app, live, config)
    add_recording_route(app, live)
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
        """Return what does not change while the page is open: the dog's shapes, labels, gaits, behaviours."""
        return scene_message(live.links, table, config.person, live.toys)

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


def _add_playing(app: FastAPI, live: LiveSession, config: SessionConfig) -> None:
    # So many files are received, and so many of these decoded, at a time; the senders of others wait, and nothing of
    # theirs is kept.
    receiving = Places(most=4, each=2)
    stage = _Stage(live, config.max_sound_s)
    _add_samples(app, stage)

    @app.post("/api/hear", responses={413: {"description": "too large"}, 415: {"description": "not a sound"}})
    async def play_file(request: Request) -> Response:
        """Let the dog hear a sound file, or see a picture or video: the body is the file, `X-File-Name` its name."""
        name = Path(unquote(request.headers.get("x-file-name", "upload"))).name[:120] or "upload"
        try:
            async with receiving.take(request):
                body = await receive(request, MAX_UPLOAD_BYTES, lambda: receiving.waiting > 0)
                if body is None:
                    limit = MAX_UPLOAD_BYTES >> 20
                    return _error(413, f"the file is larger than {limit} MB: cut it, or save it as mp3 or ogg")
                return await stage.show(request, body, name)
        except asyncio.CancelledError:  # Ctrl+C: no reason for a traceback
            return _error(503, "the server ends: start it again, and send the file again")

    @app.exception_handler(TimeoutError)
    @app.exception_handler(ClientDisconnect)
    async def broken_off(request: Request, problem: Exception) -> Response:
        return _error(408, "the upload broke off, or was too slow: send the file again")

    @app.exception_handler(OSError)
    async def no_space(request: Request, problem: OSError) -> Response:
        if problem.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise problem
        return _error(507, f"{tempfile.gettempdir()} is full: make room there on the server, and send the file again")


def _add_samples(app: FastAPI, stage: _Stage) -> None:
    playing = Places(most=4, each=2)

    @app.post("/api/hear_sample", responses={404: {"description": "no such sample"}})
    async def play_sample(request: Request, feeling: str | None = None) -> Response:
        """Let the dog hear a voice that a synthesiser made, of one feeling or two; `url` is where to listen."""
        if feeling is not None and feeling not in SAMPLES:
            return _error(404, f"no sample {feeling!r}: there are {', '.join(SAMPLES)}")
        async with playing.take(request):
            return await stage.play_sample(SAMPLE.name if feeling is None else f"{feeling}.flac")

    @app.get("/api/samples/{name}", response_class=FileResponse, responses={404: {"description": "no such sample"}})
    def sample(name: str) -> Response:
        """A voice that is bundled, for the page to play aloud."""
        names = [SAMPLE.name, *(f"{feeling}.flac" for feeling in SAMPLES)]
        if name not in names:
            return _error(404, f"no sample {name!r}: there are {', '.join(names)}")
        return FileResponse(SAMPLE.with_name(name), media_type=f"audio/{Path(name).suffix[1:]}")


@functools.cache
def _sample(name: str) -> Sound:
    return read_sound(SAMPLE.with_name(name))


class _Stage:
    """Where what was sent is decoded, in threads of their own, and then shown to the dog."""

    def __init__(self, live: LiveSession, max_sound_s: float) -> None:
        self._live, self._max_sound_s = live, max_sound_s
        self._decoding = Places(most=3, each=1)

    async def play_sample(self, name: str) -> Response:
        """Let the dog hear a voice that is bundled."""
        sound = await work_apart(functools.partial(_sample, name))
        return await self._begin((), sound, name, seen=False, url=f"/api/samples/{name}")

    async def show(self, request: Request, body: bytes, name: str) -> Response:
        """Let the dog see a picture, see and hear a video, or hear anything else."""
        async with self._decoding.take(request):
            try:
                film, sound = await work_for(request, functools.partial(self._decode, body, name))
            except (PictureError, SoundError) as problem:
                traceback.clear_frames(problem.__traceback__)  # they hold what was decoded until circles are looked for
                return _error(415, str(problem))
        return await self._begin(film or (), sound, name, seen=film is not None)

    def _decode(
        self, body: bytes, name: str, stop: threading.Event
    ) -> tuple[Iterable[Frame | None] | None, Sound | None]:
        """Return what is seen, if anything, and what is heard, if anything."""
        if is_picture(body):
            return picture_film(body, name), None
        video, unseen = None, None
        try:
            video = video_film(body, name, lambda text: self._live.notice(text, "error"), stop)
        except PictureError as problem:
            unseen = problem
        try:
            sound = read_sound(body, self._max_sound_s, stop, name)
        except SoundError as problem:
            if stop.is_set() or (video is None and unseen is None):
                raise
            if unseen is not None:
                raise unseen from problem
            if NO_SOUND not in str(problem):  # a video may be silent, and is seen in any case
                self._live.notice(f"The video is seen and not heard: {problem}", "error")
            return video, None
        if unseen is not None:
            self._live.notice(f"The video is heard and not seen: {unseen}", "error")
        return video, sound

    async def _begin(
        self, film: Iterable[Frame | None], sound: Sound | None, name: str, *, seen: bool, **more: str
    ) -> Response:
        heard_s = await asyncio.wrap_future(self._live.submit(lambda session: _start(session, film, sound, name)))
        return JSONResponse({"name": name, "duration_s": round(heard_s, 3), "seen": seen, **more})


def _start(session: Session, film: Iterable[Frame | None], sound: Sound | None, name: str) -> float:
    """Begin picture and sound at the same step, instead of what is playing; how long the sound lasts, s."""
    session.stop_playing()
    session.play_video(film)
    return 0.0 if sound is None else session.play_audio(sound, name=name)


def _add_sockets(app: FastAPI, live: LiveSession) -> None:
    microphone, camera = _Microphone(live), _Camera(live)

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
    async def push_audio(socket: WebSocket) -> None:
        await socket.accept()
        with contextlib.suppress(WebSocketDisconnect):
            await microphone.serve(socket)

    @app.websocket("/ws/camera")
    async def push_frames(socket: WebSocket) -> None:
        await socket.accept()
        with contextlib.suppress(WebSocketDisconnect):
            await camera.serve(socket)


async def _ignore(message: dict[str, Any]) -> None:
    """A reader of poses has nothing to say."""


async def _serve(socket: WebSocket, live: LiveSession, listener: Listener, send: Any, receive: Any) -> None:
    """Pass messages both ways until the reader goes."""

    async def send_all() -> None:
        while True:
            await send(await listener.get())

    pace = Pace()

    async def receive_all() -> None:
        while True:
            await pace.wait()
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await receive(message)

    tasks = [asyncio.create_task(send_all()), asyncio.create_task(receive_all())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        live.forget(listener)
        for task in tasks:
            task.cancel()
        # A socket that broke in the middle ends its task with an error that says nothing more than that.
        await asyncio.gather(*tasks, return_exceptions=True)


async def _obey(socket: WebSocket, live: LiveSession, message: dict[str, Any]) -> None:
    number, error = None, None
    try:
        order = _read_json(message.get("text") or "null")
        number = _id(order)
        await asyncio.wrap_future(live.submit(to_command(order, live, socket)))
    except (ValueError, TypeError, RuntimeError, ArithmeticError) as problem:
        error = str(problem)[:300]
    await socket.send_json({"type": "ack", "id": number, "ok": error is None, "error": error})


def _read_json(text: str) -> Any:
    if len(text) > MAX_ORDER:
        raise CommandError(f"{len(text)} characters came; allowed are {MAX_ORDER} at a time")
    try:
        return json.loads(text)
    except RecursionError as problem:
        raise CommandError(f"lists or objects lie too deep in each other in {text[:80]!r}") from problem


def _id(order: Any) -> int | None:
    """Return the number that a command wants to be acknowledged by; anything else could not be sent back as JSON."""
    number = order.get("id") if isinstance(order, dict) else None
    return number if isinstance(number, int) and abs(number) < 2**63 else None


class _Sense:
    """One microphone or camera that the dog attends to; a second is told to wait."""

    name: str

    def __init__(self, live: LiveSession) -> None:
        self._live = live
        self._owner: WebSocket | None = None

    async def serve(self, socket: WebSocket) -> None:
        """Take what is sent until the socket closes."""
        if self._owner is not None:
            text = f"The dog attends to another browser's {self.name}: switch that one off first."
            await self._refuse(socket, text)
            return
        self._owner = socket
        try:
            await self._take(socket)
        except (SoundError, PictureError, CommandError) as problem:
            await self._refuse(socket, f"The {self.name}'s stream cannot be used: {problem}")
        finally:
            self._owner = None

    async def _take(self, socket: WebSocket) -> None:
        raise NotImplementedError

    async def _refuse(self, socket: WebSocket, text: str) -> None:
        await socket.send_json({"type": "notice", "level": "error", "text": text})
        await socket.close(code=REFUSED_CODE)


class _Microphone(_Sense):
    name = "microphone"

    async def _take(self, socket: WebSocket) -> None:
        resample, pace = To16k(_rate(await _next(socket))), Pace()
        while True:
            await pace.wait()
            heard = resample(_samples(await _next(socket)))
            self._live.submit(lambda session, heard=heard: session.push_audio(heard))  # type: ignore[misc]


class _Camera(_Sense):
    """Takes one JPEG after the other; each is acknowledged, so that a page sends the next when there is time for it."""

    name = "camera"

    async def _take(self, socket: WebSocket) -> None:
        while True:
            chunk = (await _next(socket)).get("bytes")
            if chunk is None or len(chunk) > MAX_FRAME_BYTES:
                came = "a text" if chunk is None else f"{len(chunk)} bytes"
                raise CommandError(f"{came} came; allowed is one picture of at most {MAX_FRAME_BYTES} bytes")
            picture = await work_apart(functools.partial(camera_picture, chunk))
            if not self._live.paused:
                await asyncio.wrap_future(self._live.submit(lambda session, seen=picture: session.push_frame(seen)))  # type: ignore[misc]
            await socket.send_json({"type": "seen"})


async def _next(socket: WebSocket) -> Mapping[str, Any]:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    return message


def _rate(message: Mapping[str, Any]) -> float:
    text = message.get("text") or ""
    try:
        return float(_read_json(text)["rate"])
    except (ValueError, TypeError, KeyError, OverflowError) as problem:
        raise CommandError(f'first comes the sampling rate as {{"rate": 48000}}, got {text[:80]!r}') from problem


def _samples(message: Mapping[str, Any]) -> np.ndarray:
    """Read int16 PCM as float32 within [-1, 1]."""
    chunk = message.get("bytes")
    if chunk is None or len(chunk) > MAX_CHUNK_BYTES or len(chunk) % 2:
        came = "a text" if chunk is None else f"{len(chunk)} bytes"
        raise CommandError(f"{came} came; allowed are whole 16-bit samples, at most {MAX_CHUNK_BYTES} bytes at a time")
    return np.frombuffer(chunk, "<i2").astype(np.float32) / 32768
