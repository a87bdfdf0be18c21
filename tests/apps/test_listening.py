"""What stands between a server and its visitors: certificates are tried first, whoever lacks the token can read why."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from apps.gui.listening import check_serving
from apps.gui.security import Gate, Key
from tests.processes import run


@pytest.fixture(scope="module")
def pem(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pem")
    make = "openssl req -x509 -newkey rsa:2048 -days 2 -subj /CN=localhost"
    for name, lock in (("ours", "-nodes"), ("other", "-nodes"), ("locked", "-passout pass:secret")):
        files = ["-keyout", f"{name}.key", "-out", f"{name}.crt"]
        assert run(*make.split(), *lock.split(), *files, cwd=folder).returncode == 0
    (folder / "broken").write_text("no PEM\n")
    return folder


@pytest.mark.parametrize(
    ("certificate", "key", "complaint"),
    [
        ("broken", "ours.key", "--certificate .*broken holds no readable certificate"),
        ("ours.key", "ours.crt", "--certificate .*ours.key holds no readable certificate"),
        ("ours.crt", "broken", "--key .*broken holds no readable private key"),
        ("ours.crt", "other.key", "--key .*other.key belongs to another certificate than .*ours.crt"),
        ("ours.crt", "nowhere", "there is no file .*nowhere"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_named(pem, certificate, key, complaint):
    with pytest.raises(ValueError, match=complaint):
        check_serving(8350, pem / certificate, pem / key)


@pytest.mark.parametrize("name", ["ours", "locked"])
def test_a_certificate_that_can_be_used_is_taken(pem, name):
    check_serving(8350, pem / f"{name}.crt", pem / f"{name}.key")


@pytest.mark.parametrize("path", ["/", "/api/scene"])
@pytest.mark.parametrize(("accept", "kind"), [("text/html,*/*;q=0.8", "text/html"), ("*/*", "application/json")])
def test_people_without_the_token_read_a_page_and_programs_json(accept, kind, path):
    sent: list[dict] = []

    async def visit() -> None:
        scope = {
            "type": "http", "method": "GET", "path": path, "scheme": "http", "query_string": b"",
            "server": ("localhost", 80), "client": ("127.0.0.1", 9),
            "headers": [(b"host", b"localhost"), (b"accept", accept.encode())],
        }  # fmt: skip
        await Gate(None, Key())(scope, None, _collect)

    async def _collect(message: dict) -> None:
        sent.append(message)

    asyncio.run(visit())
    headers = dict(sent[0]["headers"])
    assert sent[0]["status"] == 401 and headers[b"content-type"].decode().startswith(kind)
    assert headers[b"connection"] == b"close" and b"content-security-policy" in headers
    assert b"?token=..." in sent[1]["body"]
