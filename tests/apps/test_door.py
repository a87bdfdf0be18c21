from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import json
import logging
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import warnings
from concurrent.futures import Future
from types import SimpleNamespace

import cv2
import httpx
import pytest
from starlette.requests import ClientDisconnect, Request
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

from apps.gui import server as server_module
from apps.gui import uploads
from apps.gui.door import MOST_STRANGERS, Door, Pace, Seldom
from apps.gui.listening import announce, listen
from apps.gui.security import Gate, Key
from apps.gui.serve import Serve, serve
from apps.gui.server import make_app
from apps.gui.uploads import Places, receive, work_apart, work_for
from benchmarks.media_files import write_video
from benchmarks.serving import running_server
from perception.speech.audio import SoundError
from tests.conftest import DATA, PATIENCE_S, wait_until
from tests.faces import drawn_face

ATTACK = DATA / "reports" / "attack"


@pytest.fixture(scope="module")
def guarded():
    with running_server("--token") as started:
        yield started


def parts(address: str) -> tuple[str, int, str]:
    """Return host, port and token of an address that was printed."""
    host, port = address.removeprefix("http://").split("/")[0].split(":")
    return host, int(port), address.split("?token=")[1]


# ---------------------------------------------------------------- tokens and names


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:8350", 200),
        ("LOCALHOST", 200),
        ("[::1]:8350", 200),
        ("[::1].evil.example", 400),
        ("[::1", 400),
        ("localhost:evil", 400),
        ("localhost:80:80", 400),
        ("localhost:", 400),
        ("localhost.evil.example", 400),
        ("user@localhost", 400),
        ("", 400),
    ],
)
def test_hosts_are_this_machine_to_the_letter(host, status):
    async def page(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    assert TestClient(Gate(page)).get("/", headers={"host": host}).status_code == status
    assert TestClient(Gate(page, hosts=("127.0.0.1", "localhost", "[::1]"))).get(
        "/", headers={"host": host}
    ).status_code == status  # fmt: skip


def test_a_code_opens_once_and_the_token_always():
    key = Key()
    assert key.opens(key.code)
    assert not key.opens(key.code)
    assert key.opens(key.token)
    assert key.opens(key.token)
    assert not key.opens("")
    assert not key.opens("\udcff")


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_the_cookie_stays_within_tls_where_there_is_tls(scheme, secure):
    key = Key()

    async def page(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    web = TestClient(Gate(page, key), base_url=f"{scheme}://127.0.0.1:8350", follow_redirects=False)
    answer = web.get("/", params={"token": key.code})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert ("secure" in answer.headers["set-cookie"].lower()) == secure
    assert "empaw_token_8350=" in answer.headers["set-cookie"]
    assert web.get("/").status_code == 200
    assert TestClient(Gate(page, key)).get("/", params={"token": key.code}).status_code == 401


def test_on_this_machine_too_the_token_is_asked_for(guarded):
    host, port, token = parts(guarded.address)
    with httpx.Client(base_url=f"http://{host}:{port}", timeout=PATIENCE_S) as web:
        refused = web.get("/api/scene")
        assert (refused.status_code, refused.headers["connection"]) == (401, "close")
        assert web.get("/", params={"token": token}).status_code == 303
        assert web.get("/api/scene").status_code == 200


def test_the_browser_is_not_given_the_token(monkeypatch):
    opened = []
    monkeypatch.setattr("apps.gui.listening.webbrowser.open", opened.append)
    said: list[str] = []
    console = SimpleNamespace(print=lambda text, **_: said.append(text))
    announce(SimpleNamespace(started=True), "http://h/?token=t", True, console, "Empaw", "http://h/?token=c")
    assert opened == ["http://h/?token=c"]
    assert "http://h/?token=t" in said[0]


def test_other_machines_cannot_come_in_without_token():
    with pytest.raises(ValueError, match="need the token"):
        serve(Serve(host="0.0.0.0", token=False))


# ---------------------------------------------------------------- strangers


def test_half_open_connections_shut_nobody_out(guarded):
    host, port, token = parts(guarded.address)
    strangers = []
    for number in range(3 * MOST_STRANGERS):
        stranger = socket.create_connection((host, port), timeout=PATIENCE_S)
        if number % 2:
            stranger.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        strangers.append(stranger)
    headers = {"cookie": f"empaw_token_{port}={token}"}
    with httpx.Client(base_url=f"http://{host}:{port}", timeout=PATIENCE_S, headers=headers) as web:
        assert web.get("/api/health").status_code == 200
        for stranger in strangers:  # every one of them is sent away, sooner or later
            assert stranger.recv(1) == b""
            stranger.close()
        assert web.get("/api/health").json()["alive"]


def through_the_door(talk) -> None:
    """Run `talk(door, connect)` where connections are accepted as by a server."""

    async def run() -> None:
        door = Door(listen("127.0.0.1", 0))
        accepted: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        there = await asyncio.start_server(lambda *ends: accepted.append(ends), sock=door)
        async with there:

            async def connect():
                count = len(accepted)
                ends = await asyncio.open_connection(*door.getsockname())
                while len(accepted) == count:
                    await asyncio.sleep(0)
                return (*ends, accepted[-1][1].get_extra_info("peername"))

            await talk(door, connect)

    asyncio.run(run())


def test_strangers_go_after_a_while_and_members_stay(monkeypatch):
    async def talk(door, connect) -> None:
        monkeypatch.setattr("apps.gui.door.STRANGER_S", 3600.0)
        member, kept, address = await connect()
        assert door.admit(address)
        monkeypatch.setattr("apps.gui.door.STRANGER_S", 0.05)
        stranger, writer, _ = await connect()
        assert await stranger.read(1) == b""
        writer.close()
        assert not member.at_eof()
        assert door.admit(address)  # again and again
        kept.close()

    through_the_door(talk)


def test_members_of_one_address_are_counted_while_they_are_there(monkeypatch):
    monkeypatch.setattr("apps.gui.door.MOST_OF_ONE_ADDRESS", 2)

    async def talk(door, connect) -> None:
        ends = [await connect() for _ in range(3)]
        assert [door.admit(address) for _, _, address in ends] == [True, True, False]
        ends[0][1].close()
        while not door.admit(ends[2][2]):
            await asyncio.sleep(0)

    through_the_door(talk)


def test_handshakes_that_do_not_end_are_strangers_too(tmp_path):
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True, timeout=PATIENCE_S,
    )  # fmt: skip

    async def run() -> None:
        door = Door(listen("127.0.0.1", 0))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        async with await asyncio.start_server(lambda reader, writer: None, sock=door, ssl=context):
            ends = [await asyncio.open_connection(*door.getsockname()) for _ in range(MOST_STRANGERS + 5)]
            assert await ends[0][0].read(1) == b""
            for _, writer in ends:
                writer.close()

    asyncio.run(run())


# ---------------------------------------------------------------- the log, and paces


def log_record(text: str, at_s: float) -> logging.LogRecord:
    record = logging.LogRecord("uvicorn.error", logging.WARNING, "", 0, text, (), None)
    record.created = at_s
    return record


def test_the_log_does_not_grow_with_what_others_send():
    seldom = Seldom(most=5, period_s=60.0)
    assert sum(seldom.filter(log_record("Invalid HTTP request received.", 100.0)) for _ in range(1000)) == 5
    assert seldom.filter(log_record("something else", 101.0))
    later = log_record("Invalid HTTP request received.", 161.0)
    assert seldom.filter(later)
    assert later.getMessage() == "Invalid HTTP request received. (and 995 more like it in the minute before)"


def test_a_sender_in_a_hurry_waits_and_others_do_not(monkeypatch):
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("apps.gui.door.time", SimpleNamespace(monotonic=lambda: 5.0))
    monkeypatch.setattr("apps.gui.door.asyncio", SimpleNamespace(sleep=sleep))
    pace = Pace(per_second=10.0, burst=3.0)

    async def hurry() -> None:
        for _ in range(5):
            await pace.wait()

    asyncio.run(hurry())
    assert slept == pytest.approx([0.0, 0.0, 0.0, 0.1, 0.2])


# ---------------------------------------------------------------- frames that are no messages

BINARY, PING, PONG, CONTINUATION = 2, 9, 10, 0


def frame(kind: int, content: bytes = b"", last: bool = True) -> bytes:
    """Return a frame of a client, of up to 125 bytes, masked with zeros."""
    return bytes((kind | (0x80 if last else 0), 0x80 | len(content), 0, 0, 0, 0)) + content


def opened(address: str, path: str) -> ClientConnection:
    host, port, token = parts(address)
    return connect(
        f"ws://{host}:{port}{path}", additional_headers={"cookie": f"empaw_token_{port}={token}"}, ping_timeout=None
    )


@pytest.mark.parametrize(
    ("first", "flood"),
    [
        (b"", frame(PING, bytes(125))),
        (b"", frame(PONG)),
        (frame(1, last=False), frame(CONTINUATION, last=False)),
    ],
    ids=["pings", "pongs", "empty parts of a message"],
)
def test_floods_of_frames_are_cut_off(guarded, first, flood):
    with opened(guarded.address, "/ws/live") as live, contextlib.suppress(ConnectionClosed):
        with contextlib.suppress(OSError):  # cut off before all of it was sent
            live.socket.sendall(first + flood * 20_000)
        while True:
            live.recv(timeout=PATIENCE_S)  # until the connection is lost
    with opened(guarded.address, "/ws/live") as live:
        assert live.recv(timeout=PATIENCE_S)


def test_whoever_is_refused_and_goes_on_sending_is_cut_off(guarded):
    """What comes after the refusal is read until the goodbye: without end, if the sender never says it."""
    host, port, token = parts(guarded.address)
    hello = (
        f"GET /ws/microphone HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: empaw_token_{port}={token}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with opened(guarded.address, "/ws/microphone"), socket.create_connection((host, port), PATIENCE_S) as second:
        second.sendall(hello.encode())
        answer = b""
        while b"\x88\x02" not in answer:  # a frame that says goodbye with a number
            answer += second.recv(4096)
        with pytest.raises(ConnectionError):
            for _ in range(100):
                second.sendall(frame(BINARY, b"\0\0") * 10_000)


def test_pings_are_answered_and_messages_may_come_in_parts(guarded):
    with opened(guarded.address, "/ws/live") as live:
        for _ in range(20):
            assert live.ping().wait(PATIENCE_S)
        live.send(iter('{"type": "command", "id": 7, "name": "push"}'))
        while (answer := json.loads(live.recv(timeout=PATIENCE_S)))["type"] != "ack":
            pass
        assert (answer["id"], answer["ok"]) == (7, True)


def test_messages_are_not_packed(guarded):
    with opened(guarded.address, "/ws/poses") as poses:
        assert "Sec-WebSocket-Extensions" not in poses.response.headers


# ---------------------------------------------------------------- uploads


def upload(*messages: dict, host: str = "1.2.3.4") -> Request:
    """Make a request whose body comes as told, and then nothing more."""
    waiting = list(messages)

    async def receive_next() -> dict:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    return Request({"type": "http", "method": "POST", "headers": [], "client": (host, 1)}, receive_next)


def piece(body: bytes, more: bool = True) -> dict:
    return {"type": "http.request", "body": body, "more_body": more}


def test_an_upload_that_stays_silent_is_given_up(monkeypatch):
    monkeypatch.setattr(uploads, "IDLE_S", 0.02)
    monkeypatch.setattr(uploads, "LEAST_IDLE_S", 0.01)
    with pytest.raises(TimeoutError):
        asyncio.run(receive(upload(piece(b"RIFF")), 100))


def test_an_upload_may_pause_while_nobody_waits_for_its_place(monkeypatch):
    monkeypatch.setattr(uploads, "LEAST_IDLE_S", 0.001)
    asked: list[bool] = []

    async def run() -> bytes | None:
        begun, goes_on = piece(b"RI"), asyncio.Event()

        async def receive_next() -> dict:
            if not begun:
                await goes_on.wait()
                return piece(b"FF", more=False)
            return {**begun, "more_body": bool(begun.clear() or True)}

        def awaited() -> bool:
            asked.append(True)
            if len(asked) == 3:
                goes_on.set()
            return False

        request = Request({"type": "http", "method": "POST", "headers": [], "client": ("h", 1)}, receive_next)
        return await receive(request, 100, awaited)

    assert asyncio.run(run()) == b"RIFF"


def test_idle_uploads_make_room_for_one_that_comes(monkeypatch):
    monkeypatch.setattr(uploads, "IDLE_S", 3600.0)
    monkeypatch.setattr(uploads, "LEAST_IDLE_S", 0.01)

    async def run() -> None:
        places = Places(most=4, each=2)

        async def send(*pieces: dict) -> bytes | None:
            request = upload(*pieces)
            async with places.take(request):
                return await receive(request, 100, lambda: places.waiting > 0)

        idle = [asyncio.create_task(send(piece(b"RI"))) for _ in range(3)]
        while places.waiting < 1:
            await asyncio.sleep(0)
        assert await send(piece(b"RI"), piece(b"FF", more=False)) == b"RIFF"
        assert places.waiting == 0
        for sender in idle:
            sender.cancel()
        assert sum(isinstance(end, TimeoutError) for end in await asyncio.gather(*idle, return_exceptions=True)) >= 2

    asyncio.run(run())


def test_an_upload_that_trickles_is_given_up(monkeypatch):
    clock = iter(range(0, 10_000, 4))
    monkeypatch.setattr(uploads, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    with pytest.raises(TimeoutError):
        asyncio.run(receive(upload(*[piece(b"x")] * 1000), 10_000))


def test_an_upload_over_a_slow_network_is_received(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(uploads, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    sent = [piece(bytes(20_000))] * 50
    assert asyncio.run(receive(upload(*sent, piece(b"", more=False)), 10**7)) == bytes(10**6)


def test_one_visitor_leaves_places_for_others():
    async def run() -> None:
        places, release = Places(most=3, each=2), asyncio.Event()
        inside: list[str] = []

        async def visit(host: str) -> None:
            async with places.take(upload(host=host)):
                inside.append(host)
                await release.wait()

        visits = [asyncio.create_task(visit("1.1.1.1")) for _ in range(50)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        visits.append(asyncio.create_task(visit("2.2.2.2")))
        while "2.2.2.2" not in inside:
            await asyncio.sleep(0)
        assert inside == ["1.1.1.1", "1.1.1.1", "2.2.2.2"]
        release.set()
        await asyncio.gather(*visits)
        assert len(places._own) == 0

    asyncio.run(run())


def test_decoding_stops_when_nobody_waits_for_it():
    stopped = threading.Event()

    def work(stop: threading.Event) -> None:
        assert stop.wait(PATIENCE_S)
        stopped.set()

    with pytest.raises(ClientDisconnect):
        asyncio.run(work_for(upload(piece(b"", more=False), {"type": "http.disconnect"}), work))
    assert stopped.wait(PATIENCE_S)


def test_what_was_decoded_goes_on_when_its_upload_is_answered():
    assert not asyncio.run(work_for(upload(), lambda stop: stop)).is_set()


def test_whoever_leaves_keeps_the_place_until_the_decoder_has_ended():
    release, ended = threading.Event(), threading.Event()

    def work(stop: threading.Event) -> None:
        assert release.wait(PATIENCE_S)
        ended.set()

    async def run() -> None:
        places = Places(most=1, each=1)

        async def leave() -> None:
            request = upload(piece(b"", more=False), {"type": "http.disconnect"})
            async with places.take(request):
                await work_for(request, work)

        async def come() -> None:
            async with places.take(upload()):
                assert ended.is_set()

        first, second = asyncio.create_task(leave()), asyncio.create_task(come())
        while places.waiting == 0:
            await asyncio.sleep(0)
        for _ in range(100):  # time for the loop to hear that the first has left
            await asyncio.sleep(0)
        release.set()
        with pytest.raises(ClientDisconnect):
            await first
        await second

    asyncio.run(run())


def test_a_program_ends_while_a_thread_decodes_still():
    release = threading.Event()

    async def run() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(work_apart(functools.partial(release.wait, PATIENCE_S)), 0.01)

    asyncio.run(run())  # which would wait for threads of its own
    assert any(thread.name == "empaw-decoding" and thread.daemon for thread in threading.enumerate())
    release.set()


def test_problems_of_the_work_are_raised_where_it_is_waited_for():
    def work(stop: threading.Event) -> None:
        raise SoundError("as told")

    with pytest.raises(SoundError, match="as told"):
        asyncio.run(work_for(upload(), work))


@pytest.fixture
def page():
    """The application around a session that takes nothing in."""
    config, begun = SimpleNamespace(table=None, max_sound_s=600.0), Future()
    begun.set_result(1.0)
    live = SimpleNamespace(config=config, notice=lambda *_: None, stop=lambda: None, submit=lambda command: begun)
    with TestClient(make_app(live), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def test_a_full_disk_is_told(page, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(server_module, "video_film", full)
    answer = page.post("/api/hear", content=b"anything")
    assert answer.status_code == 507
    assert f"{tempfile.gettempdir()} is full" in answer.json()["error"]


def test_a_temporary_folder_that_is_nowhere_is_no_full_disk(page, monkeypatch):
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(server_module, "video_film", broken)
    assert page.post("/api/hear", content=b"anything").status_code == 500


def test_errors_call_a_file_by_its_name(page, tmp_path):
    film = write_video(tmp_path / "film.mp4", [drawn_face(64, 48)] * 40).read_bytes()
    png = cv2.imencode(".png", drawn_face())[1].tobytes()
    said = {}
    for name, content in {"film.mp4": film[: len(film) // 2], "face.png": png[:-40], "my%20voice.wav": b"RIFF"}.items():
        answer = page.post("/api/hear", content=content, headers={"x-file-name": name})
        assert answer.status_code == 415
        said[name] = answer.json()["error"]
    assert said["film.mp4"].startswith("film.mp4 cannot be read as a video")
    assert said["face.png"].startswith("face.png is truncated")
    assert said["my%20voice.wav"].startswith("my voice.wav cannot be read as sound")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("unknown_fourcc.avi", 200),
        ("unknown_vcodec.mkv", 200),
        ("unknown_acodec.webm", 415),
        ("unknown_avc1.mp4", 200),
        ("unknown_mp4a.m4a", 200),
    ],
)
def test_what_is_known_of_files_of_unknown_codecs_is_played_and_others_are_refused_in_words(page, name, status):
    if not (ATTACK / name).is_file():
        pytest.skip(f"{ATTACK / name} is not here")
    answer = page.post("/api/hear", content=(ATTACK / name).read_bytes())
    assert answer.status_code == status
    assert answer.json().get("seen") is (False if status == 200 else None)
    assert len(answer.json().get("error", "x" * 30)) > 20


# ---------------------------------------------------------------- the end


def test_the_server_ends_in_peace_while_an_upload_waits(tmp_path):
    with running_server() as server:
        host, port = server.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as raw:
            raw.sendall(f"POST /api/hear HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 9999\r\n\r\nRIFF".encode())
            wait_until(lambda: httpx.get(f"{server.address}/api/health", timeout=PATIENCE_S).json()["alive"])
            server.process.send_signal(signal.SIGINT)
            server.process.wait(PATIENCE_S)
        assert server.log.read_text().count("Traceback") == 0
        assert server.process.returncode == 130
