"""The interface as the page uses it: steps, texts, files, outcomes; and who is let in."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sqlite3
import struct
import time
from subprocess import PIPE
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from apps.study import standings, storage, storage_write
from apps.study.active import ActivePolicy
from apps.study.config import Block
from apps.study.limits import RateLimit, TooManyError
from apps.study.policies import POLICIES, Asked
from apps.study.schedule import Given
from apps.study.serve import allowed_hosts
from apps.study.stimuli import StimuliError, decode_animation
from policies.taste.queries import PAIRS
from tests.apps.study.folder import TEXTS, make_study
from tests.apps.study.visitor import TOKEN, Visitor, serving
from tests.conftest import PATIENCE_S
from tests.processes import started

BLOCKS = [
    {"name": "one", "task": "points", "trials": 6, "break_s": 7.0, "min_watch_s": 1.5},
    {"name": "two", "task": "points", "trials": 3, "kind": "preference", "ask_confidence": False},
    {"name": "three", "task": "points", "trials": 3, "kind": "grid", "allow_cannot_tell": False},
]
ENGLISH = {**TEXTS, "prompts": {"two": "Which when you are sad?"}}
GERMAN = {**TEXTS, "consent": ["Sie vergleichen Punkte."], "triplet": "Welche zwei sind sich am ähnlichsten?"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    questions = {"before": ["affective-slider"], "after_block": ["nasa-tlx"], "after": ["sus"]}
    make_study(path, blocks=BLOCKS, texts={"en": ENGLISH, "de": GERMAN}, questionnaires=questions, counterbalance=False)
    for name, text in {
        "plugins/mine.js": "export default 1;",
        "plugins/bad name.js": "",
        "locales/xx.json": "{}",
    }.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(text)
    return path


@pytest.fixture(scope="module")
def client(folder):
    with serving(folder) as (client, _):
        yield client


def test_steps_come_in_order_and_say_what_the_page_needs(client):
    visitor = Visitor(client)
    kinds = []
    while visitor.step["kind"] != "done":
        step = visitor.step
        kinds.append(step["kind"])
        assert step["language"] == "en" and isinstance(step["expected_seq"], int)
        assert set(step["progress"]) == {"done", "of", "block", "blocks"} and step["progress"]["of"] == 12
        visitor.send(**visitor.reply())
    wanted = ["consent", "questionnaire", "instructions"]
    assert kinds[:3] == wanted and kinds[-2:] == ["questionnaire", "debrief"]
    assert [kinds.count(kind) for kind in ("break", "preference", "grid", "questionnaire")] == [2, 3, 3, 5]
    assert visitor.step["progress"] == {"done": 12, "of": 12, "block": 3, "blocks": 3}


def test_comparisons_carry_their_blocks_settings(client):
    visitor = Visitor(client)
    assert visitor.step["html_paragraphs"] == TEXTS["consent"] and len(visitor.step["sha256"]) == 64
    visitor.go("triplet")
    assert visitor.step["phase"] == "practice" and not visitor.step["ask_confidence"]
    step = visitor.go("triplet", "one.001").step
    assert (step["min_watch_s"], step["ask_confidence"], step["task"]) == (1.5, True, "points")
    coming = step["preload"]
    assert visitor.send(choice=0)["next"]["items"] == coming
    assert visitor.go("break").step["minimum_s"] == 7.0
    assert visitor.go("instructions").step["query"] == "preference" and len(visitor.step["preload"]) == 2
    assert visitor.go("preference").step["ask_confidence"] is False
    assert visitor.step["prompt"] == "Which when you are sad?" and step["prompt"] == TEXTS["triplet"]
    step = visitor.go("grid").step
    assert len({step["reference"], *step["items"]}) == 7 and step["choose"] == 2
    refused = visitor.post(visitor.body(choice=-1))
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")


def test_practice_says_what_would_have_been_right_and_nothing_else_does(client):
    visitor = Visitor(client).go("triplet")
    feedback = visitor.send(choice=0)["feedback"]
    assert feedback["correct"] == (feedback["choice"] == 0)
    visitor.go("triplet", "one.001")
    assert "feedback" not in visitor.send(choice=0)


def test_people_read_their_own_language(client):
    visitor = Visitor(client, language="de-AT")
    assert visitor.step["html_paragraphs"] == GERMAN["consent"] and visitor.step["language"] == "de"
    assert visitor.go("triplet").step["prompt"] == GERMAN["triplet"]
    assert Visitor(client, language="fr").step["language"] == "en"
    english = Visitor(client)
    stolen = visitor.body(agreed=True, sha256=english.step["sha256"])
    assert Visitor(client, language="de").post(stolen).json()["code"] in ("stale", "invalid")


def test_questionnaires_take_only_answers_that_they_offer(client):
    visitor = Visitor(client).go("questionnaire", "one.nasa-tlx")
    items = visitor.step["instrument"]["items"]
    assert visitor.step["occasion"] == "one" and items[0]["points"] == 21
    good = {item["id"]: item["high"] for item in items}
    first = items[0]["id"]
    for bad in ({**good, first: 7}, {**good, first: 101}, {**good, first: "5"}, {**good, first: True}, {}, [], None):
        assert visitor.post(visitor.body(responses=bad)).status_code == 422
    visitor.send(responses=good)


def test_whoever_declines_is_not_asked_anything(client):
    visitor = Visitor(client)
    visitor.send(agreed=False)
    assert visitor.step["outcome"] == "withdrew" and visitor.step["code"] == "WITHDREW"
    assert visitor.post(visitor.body(choice=1)).json()["code"] == "closed"


def test_who_does_not_understand_the_practice_is_screened_out(tmp_path):
    make_study(tmp_path, practice={"trials": 2, "needed": 1, "attempts": 2})
    with serving(tmp_path) as (client, storage):
        obvious = {}
        for golden in storage.stimuli.tasks["points"].practice:
            obvious[frozenset(golden.items)] = {golden.items[i] for i in PAIRS[golden.choice]}
        visitor = Visitor(client)
        while visitor.step["kind"] != "done":
            answer = visitor.reply()
            if visitor.step["kind"] == "triplet":
                items = visitor.step["items"]
                alike = [{items[i], items[j]} == obvious[frozenset(items)] for i, j in PAIRS]
                answer["choice"] = alike.index(False)
            reply = visitor.send(**answer)
            assert reply.get("feedback", {"correct": False})["correct"] is False
        assert (visitor.step["outcome"], visitor.step["code"]) == ("screened_out", "SCREENED")


def test_outcomes_have_codes_and_links_of_their_own(tmp_path):
    link = {"platform": "prolific", "completion_url": "https://app.prolific.com/submissions/complete?cc={code}"}
    attention = {"when": "end", "minimum": 1, "golden_needed": 1.0}
    block = {"name": "one", "task": "points", "trials": 8, "golden_share": 0.5, "shared_share": 0.0}
    make_study(tmp_path, blocks=[block], recruitment=link, attention=attention, codes={"failed_attention": "FAILED"})
    with serving(tmp_path) as (client, _):
        visitor = Visitor(client).go("triplet", "one.001")
        visitor.go("done")  # always the first pair: of four golden ones some are missed
        assert visitor.step["outcome"] == "failed_attention"
        assert visitor.step["url"] == "https://app.prolific.com/submissions/complete?cc=FAILED"


def test_the_same_id_of_a_platform_resumes_and_the_others_do_not(tmp_path):
    make_study(tmp_path, recruitment={"platform": "mturk", "require_id": True})
    body = {"external": {"platform": "mturk", "ids": {"workerId": "A1", "assignmentId": "z", "utm_source": "<x>"}}}
    with serving(tmp_path) as (client, _):
        first = client.post("/api/study/sessions", json=body).json()
        again = client.post("/api/study/sessions", json=body).json()
        assert (first["resumed"], again["resumed"]) == (False, True)
        assert first["participant"] == again["participant"] and first["session"] != again["session"]
        for ids in ({}, {"PROLIFIC_PID": "A1"}, {"workerId": "A" * 81}, {"workerId": "a b"}, {"workerId": 5},
                    {"workerId": "A2", "assignmentId": "ASSIGNMENT_ID_NOT_AVAILABLE"}):  # fmt: skip
            refused = client.post("/api/study/sessions", json={"external": {"platform": "mturk", "ids": ids}})
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid"), ids


def test_places_are_limited(tmp_path):
    make_study(tmp_path, recruitment={"places": 1})
    with serving(tmp_path) as (client, _):
        quick, slow = Visitor(client), Visitor(client)
        quick.go("triplet")
        late = slow.post(slow.body(**slow.reply()))
        assert (late.status_code, late.json()["code"]) == (403, "full")
        assert client.post("/api/study/sessions", json={}).json()["code"] == "full"
        quick.send("withdraw")
        slow.go("triplet")


def test_after_a_long_absence_the_instructions_come_first(tmp_path, monkeypatch):
    make_study(tmp_path, blocks=BLOCKS[:1])
    with serving(tmp_path) as (client, _):
        visitor = Visitor(client).go("triplet", "one.003")
        assert visitor.look()["kind"] == "triplet"
        later = storage_write.now_ms() + 61 * 60_000
        monkeypatch.setattr(storage, "now_ms", lambda: later)
        step = visitor.look()
        assert (step["kind"], step["again"], step["trial_id"]) == ("instructions", True, "one.003.again")
        assert visitor.look() == step and not step["can_undo"]
        visitor.send()
        assert (visitor.step["kind"], visitor.step["trial_id"]) == ("triplet", "one.003")


def test_a_policy_that_fails_costs_nobody_the_session(tmp_path):
    class Broken:
        def choose(self, asked, rng):
            raise RuntimeError("no idea")

    class Odd:
        def choose(self, asked, rng):
            return ("nowhere", "nowhere", "else")

    policies = {"broken": Broken(), "odd": Odd()}
    blocks = [{**BLOCKS[0], "name": name, "policy": name} for name in policies]
    make_study(tmp_path, blocks=blocks)
    with serving(tmp_path, policies=policies) as (client, _):
        Visitor(client).go("done")
    with sqlite3.connect(tmp_path / "study.db") as database:
        chosen = [row[0] for row in database.execute("SELECT payload FROM event WHERE type = 'choose'")]
    assert chosen and all("policy_error" in trial for trial in chosen)
    assert "no idea" in " ".join(chosen) and set(POLICIES) == {"random", "coverage"}


def test_an_ensemble_chooses_what_it_disagrees_about(tmp_path):
    special = {"golden_share": 0.0, "shared_share": 0.0, "repeat_share": 0.0}
    make_study(
        tmp_path,
        blocks=[{"name": "one", "task": "points", "trials": 8, "policy": "disagreement", **special}],
        practice={"trials": 0, "needed": 0},
    )
    with serving(tmp_path) as (client, _):
        assert Visitor(client).go("done").step["outcome"] == "completed"
    with sqlite3.connect(tmp_path / "study.db") as database:
        rows = database.execute("SELECT payload FROM event WHERE type = 'choose'").fetchall()
    chosen = [json.loads(row[0])["trial"] for row in rows]
    assert len(chosen) == 6 and all(len(set(trial["items"])) == 3 for trial in chosen)
    assert all(trial["policy"] == "disagreement" and "policy_error" not in trial for trial in chosen)


@pytest.mark.parametrize("strategy", ["disagreement", "arr"])
def test_the_same_answers_lead_to_the_same_choice(strategy):
    rng = np.random.default_rng(0)
    items = tuple(f"i{k}" for k in range(12))
    given = tuple(Given(k, k, tuple(items[i] for i in rng.choice(12, 3, replace=False)), k % 3, None) for k in range(7))
    descriptors = rng.random((12, 5)).astype(np.float32)
    asked = Asked(Block("one", "t"), SimpleNamespace(task="t", items=items), given, descriptors)
    policy = ActivePolicy(strategy)
    makers = (policy, policy, ActivePolicy(strategy))
    chosen = [maker.choose(asked, np.random.default_rng(1)) for maker in makers]
    assert len(set(chosen)) == 1 and len(set(chosen[0])) == 3
    assert strategy != "arr" or "i7" in chosen[0]
    with pytest.raises(ValueError, match="triplets only"):
        policy.choose(asked._replace(block=Block("one", "t", "grid")), rng)


def test_an_animation_comes_in_its_format_and_may_be_kept_forever(client, folder):
    visitor = Visitor(client).go("triplet")
    response = client.get(f"/api/study/stimuli/{visitor.step['items'][0]}")
    assert response.headers["content-type"] == "application/octet-stream"
    assert "immutable" in response.headers["cache-control"]
    magic, version, fps, frames, links = struct.unpack_from("<4sIfII", response.content)
    assert (magic, version, fps, frames, links) == (b"EMPA", 1, 30.0, 4, 1)
    assert len(response.content) == 20 + frames * links * 28
    rate_hz, poses = decode_animation(response.content)
    assert rate_hz == 30.0 and poses.shape == (4, 1, 7) and np.allclose(poses[..., 6], 1)
    for bad in (b"", response.content[:-1], b"XXXX" + response.content[4:]):
        with pytest.raises(StimuliError):
            decode_animation(bad)


def test_scenes_locales_plugins_and_the_page_itself(client):
    scene = client.get("/api/study/scene/points").json()
    assert scene["kind"] == "grid" and {"person": 3} in scene["here"].values() and len(scene["here"]) == 16
    assert "features" not in str(scene) and "golden" not in str(scene)
    assert client.get("/api/study/locale/xx").json() == {}
    assert client.get("/api/study/plugins").json() == {"plugins": ["/study-plugins/mine.js"]}
    assert client.get("/study-plugins/mine.js").headers["content-type"].startswith("text/javascript")
    about = client.get("/api/study/about").json()
    assert about["languages"] == ["en", "de"] and about["title"] == "Moving points"
    assert about["ids"]["prolific"][0] == "PROLIFIC_PID"  # the page reads from here what to look for in its address
    for path in ("/api/study/scene/x", "/api/study/locale/zz", "/study-plugins/bad%20name.js", "/nothing"):
        assert client.get(path).json()["code"] == "unknown"


def test_researchers_show_their_token(client):
    assert client.get("/api/study/status").json()["code"] == "no_session"
    assert client.get("/api/study/status?token=wrong").status_code == 401
    assert client.get("/api/study/status", headers={"Authorization": "Bearer ünpassend".encode()}).status_code == 401
    Visitor(client).go("triplet")
    status = client.get("/api/study/status", headers={"Authorization": f"Bearer {TOKEN}"}).json()
    assert status["people"] >= status["agreed"] >= 1 and status["active"] >= 1 and status["events"] > 0
    assert client.get(f"/api/study/status?token={TOKEN}").status_code == 200


def test_security_headers_stand_on_every_answer(client):
    for path in ("/", "/api/study/plugins", "/nothing", "/api/study/next"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert headers["permissions-policy"] == "microphone=(), camera=(), geolocation=()"


def test_only_our_own_pages_under_our_own_names_are_served(client, tmp_path):
    assert client.get("/", headers={"host": "evil.example"}).json()["code"] == "bad_host"
    body = {"json": {}, "headers": {"origin": "https://evil.example"}}
    assert client.post("/api/study/sessions", **body).json()["code"] == "foreign_origin"
    make_study(tmp_path)
    hosts = allowed_hosts("0.0.0.0", ("Study.Lab.Example",))
    with serving(tmp_path, hosts=hosts) as (public, _):
        named = {"host": "study.lab.example:8360", "origin": "https://study.lab.example:8360"}
        assert public.post("/api/study/sessions", json={}, headers=named).status_code == 200
        assert public.get("/", headers={"host": "evil.example"}).status_code == 400
    assert "10.0.0.5" in allowed_hosts("10.0.0.5", ()) and "[::1]" in allowed_hosts("::1", ())


def test_sessions_from_one_address_are_limited(tmp_path):
    make_study(tmp_path, limits={"sessions_per_minute": 2})
    with serving(tmp_path) as (client, _):
        responses = [client.post("/api/study/sessions", json={}) for _ in range(3)]
        assert [response.status_code for response in responses] == [200, 200, 429]
        assert responses[2].headers["retry-after"] and responses[2].json()["code"] == "too_many"
    limit = RateLimit(1, 60.0)
    limit.count("a")
    limit.count("b")
    with pytest.raises(TooManyError):
        limit.count("a")


def test_sessions_and_notes_are_bounded(tmp_path):
    make_study(tmp_path, limits={"sessions": 2})
    with serving(tmp_path) as (client, _):
        visitor = Visitor(client)
        assert visitor.post(visitor.body("note", remark="x" * 9000)).json()["code"] == "invalid"
        Visitor(client)
        assert client.post("/api/study/sessions", json={}).json()["code"] == "too_many"


def test_one_person_cannot_fill_the_log(tmp_path):
    make_study(tmp_path, limits={"events_per_person": 5})
    with serving(tmp_path) as (client, _):
        visitor = Visitor(client)
        statuses = [visitor.post(visitor.body("note", k=k)).status_code for k in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        assert visitor.send("withdraw")["next"]["outcome"] == "withdrew"


def test_people_who_are_forgotten_are_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(standings, "REMEMBERED", 1)
    make_study(tmp_path, practice={"trials": 0, "needed": 0}, counterbalance=False)
    with serving(tmp_path) as (client, _):
        people = [Visitor(client) for _ in range(3)]
        for _ in range(4):
            for visitor in people:
                visitor.send(**visitor.reply())
        assert len({visitor.step["trial_id"] for visitor in people}) == 1


# --- the server as a process ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def process(folder, *more):
    code = (
        "import sys; from pathlib import Path; from apps.study.serve import ServeStudy, serve_study; "
        f"serve_study(ServeStudy(Path({str(folder)!r}), port=0, browser=False))"
    )
    with started("python", "-c", code, stderr=PIPE) as running:
        yield running, next(line.split()[-1] for line in running.stderr if "runs at" in line)


def test_an_interrupt_stores_what_waits_and_makes_a_copy(tmp_path):
    make_study(tmp_path)
    with process(tmp_path) as (running, address), httpx.Client(base_url=address, timeout=PATIENCE_S) as client:
        visitor = Visitor(client).go("triplet", "one.003")
        running.send_signal(signal.SIGINT)
        running.wait(PATIENCE_S)
        copies = list((tmp_path / "backups").glob("study-*.db"))
    assert len(copies) == 1
    with sqlite3.connect(copies[0]) as copy:
        last = copy.execute("SELECT max(seq) FROM event").fetchone()[0]
    assert last == visitor.step["expected_seq"]


def test_a_slow_sender_keeps_nobody_waiting(tmp_path):
    make_study(tmp_path)
    with process(tmp_path) as (_, address), httpx.Client(base_url=address, timeout=PATIENCE_S) as client:
        host, port = address.rstrip("/").removeprefix("http://").split(":")
        slow = [socket.create_connection((host, int(port))) for _ in range(30)]
        for one in slow:
            one.sendall(f"POST /api/study/sessions HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99\r\n\r\n{{".encode())
        time.sleep(0.1)
        Visitor(client).go("triplet")
        for one in slow:
            one.close()
