"""The page's side of the interface: what the network swallows is sent again with its key, for a while."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from apps.study.client import RefusedError, StudyClient, event_at
from tests.conftest import PATIENCE_S

STEP = {"trial_id": "first.001", "expected_seq": 4}


class Script(BaseHTTPRequestHandler):
    """Answers with what the test put on the list; None breaks the connection off."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        self.server.heard.append((self.path, self.headers.get("X-Study-Session"), json.loads(self.rfile.read(length))))
        status, body, headers = self.server.script.pop(0)
        if status is None:
            self.close_connection = True
            return
        self.send_response(status)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Script) as listening:
        listening.script, listening.heard = [], []
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening
        listening.shutdown()


@pytest.fixture
def client(server):
    with StudyClient(f"http://127.0.0.1:{server.server_port}", patience_s=PATIENCE_S) as client:
        yield client


def test_an_event_is_sent_again_until_it_is_acknowledged(server, client):
    done = {"seq": 5, "next": {}}
    server.script += [(503, {"code": "away"}, {}), (None, None, {}), (507, {}, {"Retry-After": "0"}), (200, done, {})]
    event = event_at(STEP, "answer", {"choice": 1}, 12.0)
    assert client.post(event) == done
    sent = [body for _, _, body in server.heard]
    assert len(sent) == 4 and all(body == sent[0] for body in sent)
    assert sent[0] == {**event._asdict()} and sent[0]["expected_seq"] == 4


def test_whoever_joined_shows_the_secret(server, client):
    server.script += [(200, {"session": "s3cret", "participant": "p", "resumed": True}, {}), (200, {"seq": 1}, {})]
    assert client.join({}, "en", {}) == ("p", True)
    client.post(event_at(STEP, "note", {}, 0.0))
    assert [secret for _, secret, _ in server.heard] == [None, "s3cret"]


def test_a_stale_page_is_told_what_is_shown_now(server, client):
    server.script.append((409, {"code": "stale", "error": "answered already", "next": {"trial_id": "x"}}, {}))
    with pytest.raises(RefusedError, match="409 stale: answered already") as refused:
        client.post(event_at(STEP, "answer", {}, 0.0))
    assert refused.value.next == {"trial_id": "x"} and refused.value.code == "stale"
    assert len(server.heard) == 1


def test_patience_ends(server):
    server.script += [(503, {"code": "away"}, {})] * 50
    with (
        StudyClient(f"http://127.0.0.1:{server.server_port}", patience_s=0.05) as client,
        pytest.raises(RefusedError, match="away"),
    ):
        client.ask("POST", "/x", {})
    with StudyClient("http://127.0.0.1:9", patience_s=0.05) as client, pytest.raises(OSError, match="no study server"):
        client.next()


def test_what_is_no_json_is_told_as_it_came(server, client):
    server.script.append((500, b"<html>proxy", {}))
    with pytest.raises(RefusedError, match="<html>proxy"):
        client.ask("POST", "/x", {})


@pytest.mark.parametrize("address", ["", "127.0.0.1:8360", "ftp://host/", "http://"])
def test_an_address_is_looked_at(address):
    with pytest.raises(ValueError, match="is needed"):
        StudyClient(address)
