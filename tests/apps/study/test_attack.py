"""Hostile requests get a clear refusal, never a fault, and cost nobody an answer."""

from __future__ import annotations

import json
import sqlite3
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.study.protocol import MAX_BODY_BYTES
from tests.apps.study.folder import make_study
from tests.apps.study.visitor import TOKEN, Visitor, serving

REFUSED = {400, 401, 403, 404, 405, 409, 413, 422, 429}
EVENTS, SESSIONS = "/api/study/events", "/api/study/sessions"
FUZZ = settings(max_examples=60, suppress_health_check=list(HealthCheck))
INJECTED = (
    "'; DROP TABLE event; --",
    "<script>alert(1)</script>",
    "\x00",
    "\ud800",
    "${7*7}",
    "../../etc/passwd",
    "\r\nX: y",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    limits = {"sessions_per_minute": 10**6, "events_per_person": 10**6}
    make_study(path, limits=limits, recruitment={"platform": "prolific"})
    return path


@pytest.fixture(scope="module")
def client(folder):
    with serving(folder) as (client, _):
        yield client


@pytest.fixture(scope="module")
def visitor(client):
    return Visitor(client).go("triplet", "one.002")


def send(client, path, body, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(path, content=raw, headers={"content-type": "application/json", **(headers or {})})


def refusal_code(response) -> str:
    """The machine's word of a refusal, which must have a text for people too."""
    assert response.status_code in REFUSED, response.text
    body = response.json()
    assert body["error"] and body["code"]
    return str(body["code"])


BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "no text": b"\xff\xfe\x00",
    "a list": b"[1]",
    "a number": b"1",
    "null": b"null",
    "NaN": b'{"client_ms": NaN}',
    "infinity": b'{"client_ms": -Infinity}',
    "beyond floats": b'{"data": {"rt_ms": 1e999}}',
    "huge integer": b'{"data": {"rt_ms": ' + b"9" * 5000 + b"}}",
    "large integer": b'{"data": {"rt_ms": ' + b"9" * 400 + b"}}",
    "deep list": b"[" * 30_000 + b"]" * 30_000,
    "deep object": b'{"data":' * 200 + b"1" + b"}" * 200,
    "half a surrogate": b'{"key": "\\ud800"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_bodies_that_are_no_request_are_refused(client, visitor, body):
    assert refusal_code(send(client, EVENTS, body, visitor.headers)) in ("bad_json", "invalid")
    response = send(client, SESSIONS, body)
    assert response.status_code == 200 or refusal_code(response) in ("bad_json", "invalid")


def test_too_much_is_refused_while_it_comes(client, visitor):
    large = b'{"data": "' + b"x" * MAX_BODY_BYTES + b'"}'
    assert refusal_code(send(client, EVENTS, large, visitor.headers)) == "too_large"

    def pieces():
        for _ in range(40):
            yield b" " * 4096

    response = client.post(EVENTS, content=pieces(), headers=visitor.headers)
    assert refusal_code(response) == "too_large"


WRONG = {
    "key": [None, 1, "x", "0" * 36, "{" + "0" * 34 + "}", *INJECTED],
    "type": [None, 1, "answers", "retract", "choose", "resume", [], {}, *INJECTED],
    "trial_id": [None, 1, [], "x" * 121, *INJECTED],
    "expected_seq": [None, "1", 1.5, -1, 2**62, True, [], 10**30],
    "data": [None, 1, "x", []],
}


@pytest.mark.parametrize("field", WRONG)
def test_fields_of_the_wrong_kind_are_refused(client, visitor, field):
    visitor.look()
    for value in WRONG[field]:
        response = send(client, EVENTS, {**visitor.body(choice=1), field: value}, visitor.headers)
        assert refusal_code(response) in ("invalid", "stale", "bad_json")
    assert visitor.look()["trial_id"] == "one.002"


@pytest.mark.parametrize("choice", [None, "1", 1.0, True, 3, -2, 10**20, [0], {}, "0 OR 1=1"], ids=repr)
def test_choices_that_are_not_on_the_screen_are_refused(client, visitor, choice):
    assert refusal_code(visitor.post(visitor.body(choice=choice))) in ("invalid", "bad_json")


@pytest.mark.parametrize("confidence", ["5", 0, 6, 2.5, True, []], ids=repr)
def test_confidence_has_five_steps(client, visitor, confidence):
    assert refusal_code(visitor.post(visitor.body(choice=1, confidence=confidence))) == "invalid"


def test_absurd_times_cost_no_answer(client, folder):
    absurd = {"rt_ms": -5.0, "since_all_seen_ms": 1e20, "replays": -1, "watched_s": ["x", 1, 2]}
    visitor = Visitor(client).go("triplet", "one.002")
    body = {**visitor.body(choice=2, **absurd), "client_ms": "yesterday"}
    assert visitor.post(body).status_code == 200
    kept = stored(folder, body["key"])["data"]
    assert kept["choice"] == 2 and sorted(kept["doubtful"]) == sorted(absurd)
    assert all(kept[name] is None for name in absurd)


def stored(folder, key):
    with sqlite3.connect(folder / "study.db") as database:
        row = database.execute("SELECT payload FROM event WHERE key = ?", (key,)).fetchone()
    return json.loads(row[0])


@pytest.mark.parametrize("text", INJECTED, ids=ascii)
def test_injected_text_is_kept_as_text(client, folder, text):
    visitor = Visitor(client)
    body = visitor.body("note", remark=text)
    assert send(client, EVENTS, body, visitor.headers).status_code == 200
    assert stored(folder, body["key"])["data"] == {"remark": text}
    ids = {"PROLIFIC_PID": text}
    response = send(client, SESSIONS, {"external": {"platform": "prolific", "ids": ids}, "language": text})
    assert refusal_code(response) == "invalid"
    client_says = {"user_agent": text, "width": text, "touch": text}
    assert send(client, SESSIONS, {"client": client_says, "language": text}).status_code == 200


@pytest.mark.parametrize("secret", ["", "x" * 43, "x" * 5000, "%00", "' OR '1'='1" * 4], ids=lambda s: s[:8])
def test_forged_secrets_open_nothing(client, secret):
    for call in (client.get("/api/study/next", headers={"X-Study-Session": secret}),
                 client.post(EVENTS, json={}, headers={"X-Study-Session": secret})):  # fmt: skip
        assert refusal_code(call) == "no_session"


def test_one_person_cannot_speak_for_another(client):
    one, two = Visitor(client).go("triplet"), Visitor(client).go("triplet")
    body = one.body(choice=1)
    two.post(body)
    assert one.look()["trial_id"] == one.step["trial_id"]
    taken = one.post(body)
    assert taken.status_code == 200


TRAVERSALS = (
    "../study.toml", "..%2fstudy.toml", "%2e%2e/%2e%2e/etc/passwd", "....//study.db", "/etc/passwd", "%2fetc%2fpasswd",
    "..\\study.db", "manifest", "manifest.json", "points-0000.empa", "points-0000%00", "..%252fstudy.key", "~root",
    "C:", "points-0000/../../study.key", "%c0%ae%c0%ae/study.key", "\u2024\u2024/study.key",
)  # fmt: skip


@pytest.mark.parametrize("place", ["/api/study/stimuli/", "/api/study/locale/", "/api/study/scene/", "/study-plugins/",
                                   "/static/", "/static/study/"])  # fmt: skip
def test_no_path_leads_out_of_its_folder(client, folder, place):
    key = (folder / "study.key").read_text()
    for path in TRAVERSALS:
        for end in ("", ".js"):
            response = client.get(place + path + end)
            assert response.status_code in (404, 400), (path, response.status_code)
            assert key not in response.text and "consent" not in response.text and "root:" not in response.text


def test_other_methods_and_strange_hosts_get_an_answer(client):
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"):
        assert client.request(method, EVENTS).status_code in (405, 404)
    for host in ("", "127.0.0.1.evil.example", "evil.example:80", "[::2]", "localhost@evil"):
        assert client.get("/api/study/plugins", headers={"host": host}).status_code == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(INJECTED),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@FUZZ
@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_is_a_fault(client, visitor, body):
    for path, headers in ((EVENTS, visitor.headers), (SESSIONS, {})):
        assert send(client, path, body, headers).status_code in REFUSED | {200}


@FUZZ
@given(
    key=st.uuids().map(str) | JSON,
    kind=st.sampled_from(["answer", "undo", "note"]) | JSON,
    data=st.dictionaries(st.sampled_from(["choice", "confidence", "rt_ms", "watched_s", "replays", "x"]), JSON),
    right=st.booleans(),
)
def test_no_event_is_a_fault_and_none_is_half_stored(client, visitor, folder, key, kind, data, right):
    step = visitor.look()
    body = {"key": key, "type": kind, "trial_id": step["trial_id"], "data": data, "client_ms": 1.0}
    body["expected_seq"] = step["expected_seq"] if right else 10**9
    response = send(client, EVENTS, body, visitor.headers)
    assert response.status_code in REFUSED | {200}, response.text
    if response.status_code == 200:
        assert set(stored(folder, str(uuid.UUID(key))))
    else:
        assert visitor.look() == step
    if visitor.step["kind"] in ("break", "instructions"):
        visitor.go("triplet")


@FUZZ
@given(external=JSON, language=JSON, browser=JSON)
def test_no_beginning_is_a_fault(client, external, language, browser):
    body = {"external": external, "language": language, "client": browser}
    response = send(client, SESSIONS, body)
    assert response.status_code in REFUSED | {200}, response.text


def test_after_all_that_the_study_is_as_it_should_be(client, folder):
    Visitor(client).go("done")
    assert client.get(f"/api/study/status?token={TOKEN}").status_code == 200
    with sqlite3.connect(folder / "study.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        payloads = database.execute("SELECT payload FROM event WHERE type = 'answer'").fetchall()
    for (payload,) in payloads:
        choice = json.loads(payload)["data"].get("choice")
        assert choice is None or choice in (-1, 0, 1, 2)
