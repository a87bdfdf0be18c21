from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import cv2
import httpx
import numpy as np
import psutil
import pytest
import soundfile
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync import client
from websockets.sync.client import ClientConnection

from apps.config import SessionConfig
from apps.gui.live import Listener, LiveSession
from apps.recording import Recording
from benchmarks.media_files import write_video
from benchmarks.serving import Server, running_server
from tests.conftest import PATIENCE_S, ROOT, wait_until
from tests.faces import drawn_face

connect = functools.partial(client.connect, open_timeout=PATIENCE_S, close_timeout=PATIENCE_S, ping_timeout=None)


@pytest.fixture(scope="module")
def server():
    with running_server() as started:
        yield started


@pytest.fixture
def web(server: Server):
    with httpx.Client(base_url=server.address, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
def live(server: Server):
    with connect(f"{server.sockets}/ws/live") as live_socket:
        order(live_socket, "reset")
        yield live_socket


def order(live_socket: ClientConnection, name: str, value: object = None) -> dict:
    """Send a command and wait for its acknowledgement."""
    number = time.monotonic_ns()
    live_socket.send(json.dumps({"type": "command", "id": number, "name": name, "value": value}))
    return wait_for(live_socket, lambda message: message["type"] == "ack" and message["id"] == number)


def wait_for(live_socket: ClientConnection, wanted) -> dict:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        message = json.loads(live_socket.recv(timeout=PATIENCE_S))
        if wanted(message):
            return message
    raise AssertionError("what was waited for did not come")


def state_where(live_socket: ClientConnection, **wanted: object) -> dict:
    return wait_for(live_socket, lambda m: m["type"] == "state" and all(m[key] == wanted[key] for key in wanted))


def wav(samples: np.ndarray, rate: int = 16000, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def goes_on(server: Server) -> bool:
    """Whether poses keep coming and time keeps passing."""
    with connect(f"{server.sockets}/ws/poses") as poses:
        first = struct.unpack_from("<d", poses.recv(timeout=PATIENCE_S))[0]
        return any(struct.unpack_from("<d", poses.recv(timeout=PATIENCE_S))[0] > first for _ in range(20))


def test_the_scene_describes_every_link_that_the_poses_move(server, web):
    scene = web.get("/api/scene").json()
    with connect(f"{server.sockets}/ws/poses") as poses:
        message = poses.recv(timeout=PATIENCE_S)
    assert len(message) == 8 + 28 * len(scene["links"])
    values = np.frombuffer(message, "<f4", offset=8).reshape(-1, 7)
    assert np.allclose(np.linalg.norm(values[:, 3:], axis=1), 1.0, atol=1e-5)
    assert scene["screen_link"] in [link["name"] for link in scene["links"]]


def test_pages_come_with_their_security_headers(web):
    for path in ("/", "/static/main.js", "/api/scene", "/api/sounds/bark.wav"):
        answer = web.get(path)
        assert answer.status_code == 200
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/static/../server.py", "/static/%2e%2e/%2e%2e/README.md", "/static/..%2f..%2fREADME.md", "/etc/passwd"]
)
def test_nothing_outside_the_page_is_served(server, path):
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.split(b"\r\n")[0].split()[1] == b"404"


def test_foreign_hosts_and_origins_are_refused(server, web):
    assert web.get("/api/scene", headers={"host": "evil.example"}).status_code == 400
    assert web.post("/api/hear_sample", headers={"origin": "http://evil.example"}).status_code == 403
    with pytest.raises(InvalidStatus), connect(f"{server.sockets}/ws/live", origin="http://evil.example"):
        pass


def test_commands_are_obeyed_and_acknowledged(live):
    assert order(live, "emotion", "happy")["ok"]
    state = state_where(live, behaviour="play")
    assert (state["emotion"], state["source"], state["manual"]["emotion"]) == ("happy", "manual", "happy")
    assert order(live, "gait", "pace")["ok"]
    state_where(live, gait="pace")
    assert order(live, "speed", 0.5)["ok"]
    wait_for(live, lambda m: m["type"] == "state" and m["vx"] > 0.3)
    assert order(live, "drive", {"vx": 0.0, "vy": 0.0, "wz": 0.6})["ok"]
    assert state_where(live, speed=0.0)["manual"]["turning"] in (0.6, 0.0), "it lapses"
    assert len(state_where(live, speed=0.0)["telemetry"]["joints"]) == 12
    assert order(live, "drive")["ok"]
    wait_for(live, lambda m: m["type"] == "state" and m["manual"]["speed"] is None)
    assert order(live, "pause", True)["ok"]
    paused = state_where(live, paused=True)
    assert state_where(live, paused=True)["t"] == paused["t"]
    assert order(live, "pause", False)["ok"]
    assert order(live, "push", {"direction_rad": 1.5})["ok"]
    assert order(live, "reset")["ok"]
    state_where(live, behaviour="idle", emotion=None)


def test_the_session_so_far_can_be_kept_as_a_recording(live, web):
    assert order(live, "reset")["ok"]
    assert order(live, "emotion", "sad")["ok"]
    state_where(live, behaviour="comfort")
    kept = web.get("/api/recording")
    assert "attachment" in kept.headers["content-disposition"]
    recording = Recording.parse(kept.json())
    assert [event[1:] for event in recording.events] == [("feel", ["sad"])]
    assert recording.seconds > 0.3
    assert order(live, "emotion", None)["ok"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("emotion", "bored"),
        ("emotion", 3),
        ("gait", "gallop"),
        ("speed", "fast"),
        ("speed", 99),
        ("speed", True),
        ("drive", 0.3),
        ("drive", {"vx": 0.3}),
        ("drive", {"vx": 0.3, "vy": "left", "wz": 0}),
        ("drive", {"vx": 0.3, "vy": 9, "wz": 0}),
        ("push", {"angle": 1}),
        ("push", {"direction_rad": float("nan")}),
        ("push", {"direction_rad": None}),
        ("pause", "yes"),
        ("explode", None),
        (None, None),
    ],
)
def test_commands_that_make_no_sense_get_an_answer(server, live, name, value):
    answer = order(live, name, value)
    assert not answer["ok"]
    assert answer["error"]
    assert goes_on(server)


@pytest.mark.parametrize("value", [10**400, -(10**400)])
def test_numbers_beyond_all_bounds_get_an_answer(server, live, value):
    live.send(json.dumps({"type": "command", "id": 5, "name": "speed", "value": value}))
    answer = wait_for(live, lambda message: message["type"] == "ack")
    assert not answer["ok"]
    assert "too large" in answer["error"]


@pytest.mark.parametrize("number", ["NaN", '"\\ud800"', "[1]", "1e999"])
def test_an_id_that_cannot_be_sent_back_is_left_out(live, number):
    live.send(f'{{"type": "command", "id": {number}, "name": "push", "value": null}}')
    assert wait_for(live, lambda message: message["type"] == "ack")["id"] is None


def test_commands_longer_than_any_are_not_read(live):
    live.send(json.dumps({"type": "command", "id": 1, "name": "push", "value": [[]] * 100_000}))
    answer = wait_for(live, lambda message: message["type"] == "ack")
    assert (answer["id"], answer["error"]) == (None, "400055 characters came; allowed are 4096 at a time")


def test_errors_do_not_echo_everything(live):
    live.send(json.dumps({"type": "command", "id": 1, "name": "x" * 500_000}))
    assert len(wait_for(live, lambda message: message["type"] == "ack")["error"]) < 400


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"a"', "{}", '{"type": "command", "id": [], "name": {}}'])
def test_messages_that_are_none_get_an_answer(live, text):
    live.send(text)
    assert wait_for(live, lambda message: message["type"] == "ack")["ok"] is False


def test_an_uploaded_sound_is_heard(web, live):
    tone = 0.2 * np.sin(2 * np.pi * 200 * np.arange(32000) / 16000)
    answer = web.post("/api/hear", content=wav(tone), headers={"x-file-name": "t%C3%B6n.wav"})
    assert answer.json() == {"name": "tön.wav", "duration_s": 2.0, "seen": False}
    state = wait_for(live, lambda m: m["type"] == "state" and m["hearing"] is not None)
    assert state["hearing"]["duration_s"] == 2.0
    assert order(live, "stop_playing")["ok"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 415),
        (b"not a sound", 415),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", 415),
        (wav(np.zeros(0)), 415),
        (wav(np.full(16000, np.nan), subtype="FLOAT"), 415),
        (bytes(26 * 2**20), 413),
    ],
    ids=["empty", "text", "header only", "no samples", "nan", "too large"],
)
def test_uploads_that_are_no_sound_are_refused(server, web, content, status):
    answer = web.post("/api/hear", content=content, headers={"x-file-name": "x.wav"})
    assert answer.status_code == status
    assert len(answer.json()["error"]) > 20
    assert goes_on(server)


def test_a_200_mb_upload_is_refused_without_being_kept(server, web):
    memory = psutil.Process(server.process.pid).memory_info
    before, peak = memory().rss, 0

    def body():
        nonlocal peak
        for _ in range(200):
            yield bytes(2**20)
            peak = max(peak, memory().rss)

    assert web.post("/api/hear", content=body()).status_code == 413
    assert peak - before < 60 * 2**20
    assert goes_on(server)


def test_many_uploads_at_once_stay_within_memory(server):
    memory = psutil.Process(server.process.pid).memory_info
    before = memory().rss
    noise = wav(0.1 * np.random.default_rng(0).standard_normal(20 * 2**20 // 2))
    statuses: list[int] = []

    def send() -> None:
        statuses.append(httpx.post(f"{server.address}/api/hear", content=noise, timeout=PATIENCE_S).status_code)

    senders = [threading.Thread(target=send) for _ in range(10)]
    for sender in senders:
        sender.start()
    peak = 0
    while any(sender.is_alive() for sender in senders):
        peak = max(peak, memory().rss)
        time.sleep(0.02)
    assert set(statuses) <= {200, 415}
    assert len(statuses) == 10
    assert peak - before < 450 * 2**20
    assert goes_on(server)


def test_an_upload_that_breaks_off_harms_nobody(server):
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(f"POST /api/hear HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 100000\r\n\r\nRIFF".encode())
        time.sleep(0.2)
    assert goes_on(server)


def test_headers_that_no_browser_sends_are_refused(server, web):
    assert web.post("/api/hear_sample", headers={"origin": "http://["}).status_code == 403


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT"])
def test_uploads_of_unusual_sounds_work(web, subtype):
    sound = 0.1 * np.random.default_rng(0).standard_normal((96000, 2)).clip(-4, 4)
    answer = web.post("/api/hear", content=wav(sound, 96000, subtype))
    assert answer.json()["duration_s"] == pytest.approx(1.0, abs=0.01)


def test_the_sample_is_heard_and_changes_what_the_dog_does(web, live):
    def answered(message: dict) -> bool:
        if message["type"] == "state" and message["hearing"] is None:  # over: a busy machine leaves parts of it unheard
            assert web.post("/api/hear_sample").status_code == 200
        return message["type"] == "state" and message["behaviour"] != "idle"

    state = wait_for(live, answered)
    assert state["source"] == "voice"
    assert sum(state["probabilities"]) == pytest.approx(1.0, abs=0.01)


def test_there_is_a_voice_for_each_feeling_to_hear_and_to_play_aloud(web):
    for feeling in web.get("/api/scene").json()["samples"]:
        heard = web.post(f"/api/hear_sample?feeling={feeling}").json()
        aloud = web.get(heard["url"])
        assert (heard["name"], aloud.headers["content-type"]) == (f"{feeling}.flac", "audio/flac")
        assert soundfile.info(io.BytesIO(aloud.content)).duration == pytest.approx(heard["duration_s"], abs=0.01)
    assert web.get(web.post("/api/hear_sample").json()["url"]).headers["content-type"] == "audio/wav"
    for refused in (web.post("/api/hear_sample?feeling=bored"), web.get("/api/samples/mug.ply")):
        assert refused.status_code == 404
        assert "there are " in refused.json()["error"]


def test_a_microphone_is_heard_and_a_second_one_waits(server, live):
    voice, rate = soundfile.read(ROOT / "assets" / "samples" / "hello.wav", dtype="int16")
    heard = threading.Event()
    with connect(f"{server.sockets}/ws/microphone") as microphone:
        microphone.send(json.dumps({"rate": rate}))
        with connect(f"{server.sockets}/ws/microphone") as second:
            assert "another browser" in json.loads(second.recv(timeout=PATIENCE_S))["text"]

        def speak() -> None:
            while not heard.is_set():  # over and over: a busy machine leaves parts of it unheard
                for start in range(0, len(voice), rate // 20):
                    microphone.send(voice[start : start + rate // 20].tobytes())
                    if heard.wait(0.045):
                        break

        speaking = threading.Thread(target=speak)
        speaking.start()
        try:
            state = wait_for(live, lambda m: m["type"] == "state" and m["emotion"] is not None)
        finally:
            heard.set()
            speaking.join()
        assert state["source"] == "voice"


@pytest.mark.parametrize(
    "first",
    [
        *('{"rate": 0}', '{"rate": "fast"}', '{"rate": 1e9}', "[]", "", '{"rate": NaN}', f'{{"rate": 1{"0" * 400}}}'),
        *("[" * 4000, "[" * 100_000, b"xx"),
    ],
)
def test_a_microphone_that_talks_nonsense_is_told_so(server, first):
    with connect(f"{server.sockets}/ws/microphone") as microphone:
        microphone.send(first)
        assert "cannot be used" in json.loads(microphone.recv(timeout=PATIENCE_S))["text"]
        with pytest.raises(ConnectionClosed):
            microphone.recv(timeout=PATIENCE_S)
    assert goes_on(server)


@pytest.mark.parametrize("chunk", [b"\x00", bytes(2**17), "text"], ids=["half a sample", "too long", "a text"])
def test_a_microphone_with_broken_chunks_is_told_so(server, chunk):
    with connect(f"{server.sockets}/ws/microphone") as microphone:
        microphone.send('{"rate": 48000}')
        microphone.send(chunk)
        assert "16-bit samples" in json.loads(microphone.recv(timeout=PATIENCE_S))["text"]


def jpeg(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", picture)[1].tobytes()


def test_a_camera_sees_a_face_and_a_second_one_waits(server, live):
    with connect(f"{server.sockets}/ws/camera") as camera:

        def show() -> None:
            while not seen.is_set():
                camera.send(jpeg(drawn_face(320, 240)))
                assert json.loads(camera.recv(timeout=PATIENCE_S)) == {"type": "seen"}
                time.sleep(0.1)

        seen = threading.Event()
        showing = threading.Thread(target=show)
        showing.start()
        try:  # the first picture waits for the network to be loaded
            state = wait_for(live, lambda m: m["type"] == "state" and m["sight"] is not None)
        finally:
            seen.set()
            showing.join()
        x, y, width, height = state["sight"]["box"]
        assert 0 < x < x + width < 1
        assert 0 < y < y + height < 1
        assert state["sight"]["faces"] == 1
        with connect(f"{server.sockets}/ws/camera") as second:
            assert "another browser's camera" in json.loads(second.recv(timeout=PATIENCE_S))["text"]
    wait_for(live, lambda m: m["type"] == "state" and m["sight"] is None)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (b"", "empty"),
        (b"not a picture", "cannot be read"),
        (jpeg(np.zeros((40, 40, 3), np.uint8))[:-30], "truncated"),
        (bytes(2**19 + 1), "allowed is one picture"),
        ("a text", "a text came"),
    ],
    ids=["empty", "nonsense", "truncated", "too large", "a text"],
)
def test_a_camera_that_sends_nonsense_is_told_so(server, frame, said):
    with connect(f"{server.sockets}/ws/camera") as camera:
        camera.send(frame)
        assert said in json.loads(camera.recv(timeout=PATIENCE_S))["text"]
        with pytest.raises(ConnectionClosed):
            camera.recv(timeout=PATIENCE_S)
    assert goes_on(server)


def test_pictures_and_videos_can_be_sent(server, web, live, tmp_path):
    answer = web.post("/api/hear", content=jpeg(drawn_face()), headers={"x-file-name": "me.jpg"})
    assert answer.json() == {"name": "me.jpg", "duration_s": 0.0, "seen": True}
    wait_for(live, lambda m: m["type"] == "state" and m["sight"] is not None and m["sight"]["faces"] == 1)
    silent = write_video(tmp_path / "me.mp4", [np.zeros((48, 64, 3), np.uint8)] * 60).read_bytes()
    answer = web.post("/api/hear", content=silent)
    assert answer.json()["seen"]
    wait_for(live, lambda m: m["type"] == "state" and m["sight"] is not None and m["sight"]["reason"] == "no face")
    broken = web.post("/api/hear", content=jpeg(drawn_face())[:-100])
    assert broken.status_code == 415
    assert "truncated" in broken.json()["error"]


def microphone_is_free(server: Server) -> bool:
    """Whether what is said to the microphone is listened to: half a sample is complained of then."""
    with connect(f"{server.sockets}/ws/microphone") as microphone:
        with contextlib.suppress(ConnectionClosed):  # the complaint may be there before all is sent
            microphone.send('{"rate": 16000}')
            microphone.send(b"\x00")
        return "16-bit samples" in json.loads(microphone.recv(timeout=PATIENCE_S))["text"]


@pytest.mark.parametrize("path", ["/ws/poses", "/ws/live", "/ws/microphone", "/ws/camera"])
def test_a_socket_that_breaks_in_the_middle_harms_nobody(server, path):
    for _ in range(5):
        with contextlib.suppress(OSError, ConnectionClosed), connect(f"{server.sockets}{path}") as connection:
            if path == "/ws/microphone":
                connection.send('{"rate": 16000}')
                connection.send(bytes(1000))
            connection.socket.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: microphone_is_free(server))
    assert goes_on(server)


def test_a_reader_that_never_reads_slows_nobody(server):
    host, port = server.address.removeprefix("http://").split(":")
    slow = socket.create_connection((host, int(port)))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(
        f"GET /ws/poses HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    with connect(f"{server.sockets}/ws/poses") as reader:
        times = [struct.unpack_from("<d", reader.recv(timeout=PATIENCE_S))[0] for _ in range(200)]
    slow.close()
    assert times == sorted(times)
    assert times[-1] > times[0]


def test_messages_for_a_reader_that_never_reads_do_not_pile_up():
    async def offer_many() -> int:
        listener = Listener(asyncio.get_running_loop(), size=2)
        for number in range(10_000):
            listener.offer(number)
        await asyncio.sleep(0)
        return listener._queue.qsize()

    assert asyncio.run(offer_many()) == 2


def test_two_pages_see_the_same_dog(server, live):
    with connect(f"{server.sockets}/ws/live") as other:
        order(live, "emotion", "surprised")
        assert state_where(other, behaviour="freeze")["clients"] == 2


def test_another_interface_asks_for_the_token():
    with running_server("--host", "0.0.0.0") as guarded:
        address, token = guarded.address.split("/?token=")
        address = "http://127.0.0.1:" + address.rsplit(":", 1)[1]
        with httpx.Client(base_url=address, timeout=PATIENCE_S) as web:
            assert web.get("/").status_code == 401
            assert web.get("/api/scene", params={"token": "guess"}).status_code == 401
            with pytest.raises(InvalidStatus):
                connect(address.replace("http", "ws") + "/ws/live")
            welcome = web.get("/", params={"token": token})
            assert "httponly" in welcome.headers["set-cookie"].lower()
            assert "samesite=strict" in welcome.headers["set-cookie"].lower()
            assert web.get("/api/scene").status_code == 200
            others = f'foo={{"a":1}}; p=a b; a,b=1; empaw_token_{address.rsplit(":", 1)[1]}={token}'
            assert httpx.get(f"{address}/api/scene", headers={"cookie": others}, timeout=PATIENCE_S).status_code == 200


def test_a_taken_port_gives_the_next_one(server):
    taken = server.address.rsplit(":", 1)[1]
    with running_server("--port", taken) as second:
        assert int(second.address.rsplit(":", 1)[1]) > int(taken)


def test_certificate_without_key_is_refused():
    command = [sys.executable, "sim_gui.py", "--certificate", "nowhere.pem"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode != 0
    assert "belong together" in done.stderr


def test_listeners_drop_the_oldest():
    async def fill() -> list[int]:
        listener = Listener(asyncio.get_running_loop(), size=2)
        for number in range(5):
            listener.offer(number)
        await asyncio.sleep(0)
        return [await listener.get(), await listener.get()]

    assert asyncio.run(fill()) == [3, 4]


@pytest.fixture
def thread():
    live = LiveSession(SessionConfig())
    live.start()
    yield live
    live.stop()


def test_there_is_a_pose_for_every_16_ms_of_the_dogs_time(thread):
    messages: list[bytes] = []
    thread._pose_listeners = (SimpleNamespace(offer=messages.append),)
    wait_until(lambda: len(messages) > 125)
    first, last = (struct.unpack_from("<d", messages[number])[0] for number in (0, 125))
    assert last - first == pytest.approx(125 * 0.016, abs=0.021)  # told is the time of the last control step


def test_time_never_runs_backwards_where_its_pace_is_told(thread):
    states: list[dict] = []
    thread._live_listeners = (SimpleNamespace(offer=states.append),)
    wait_until(lambda: states and states[-1]["t"] > 3)
    thread.submit(lambda session: session.reset()).result(timeout=PATIENCE_S)
    wait_until(lambda: states[-1]["t"] < 1)
    wait_until(lambda: states[-1]["t"] > 1.5)
    assert min(state["real_time_factor"] for state in states) >= 0.0


def test_a_simulation_that_breaks_begins_again(thread):
    def spoil(session) -> None:
        session.body.dog.gait.memory["offsets"] = float("nan")

    def mended(session) -> bool:
        return bool(np.isfinite(session.body.dog.gait.memory["offsets"]).all())

    thread.submit(spoil).result(timeout=PATIENCE_S)
    wait_until(lambda: thread.submit(mended).result(timeout=PATIENCE_S))
    assert thread.alive


def test_a_simulation_that_cannot_go_on_says_so_to_everyone(thread):
    def ruin(session) -> None:
        session.advance = session.reset = None

    thread.submit(ruin).result(timeout=PATIENCE_S)
    wait_until(lambda: not thread.alive)
    with pytest.raises(RuntimeError, match="has ended"):
        thread.submit(lambda session: None).result(timeout=PATIENCE_S)
