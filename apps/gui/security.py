"""Who may talk to the server: pages it served itself, from this machine, or with the token that was printed."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(:[0-9]{1,5})?")
_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(self)",
    "cache-control": "no-cache",
}

_NO_TOKEN = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>This page needs its link</title>
<h1>This page needs its whole link</h1>
<p>The program that runs it printed an address that ends in <code>?token=...</code>: open that one, all of it.</p>
<p>If somebody else started the program, ask them for that address.</p>
</html>
"""
"""What a visitor without the token reads; it tells nothing of what is behind."""


class Key:
    """What opens a page: a token, and a code that stands for it once.

    The code is for the command line of the browser, which every user of the machine can read.
    """

    def __init__(self) -> None:
        self.token, self.code = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._code_is_new = True

    def opens(self, offered: str) -> bool:
        """Whether the token, or the code for the first time, was offered."""
        if self._code_is_new and _same(offered, self.code):
            self._code_is_new = False
            return True
        return self.is_held(offered)

    def is_held(self, cookie: str) -> bool:
        """Whether a cookie holds the token."""
        return _same(cookie, self.token)


class Gate:
    """ASGI middleware: refuses foreign hosts and origins, asks for the token, adds the security headers.

    On the loopback interface the Host header must name it (a page of another site cannot reach the server by rebinding
    its own name). With a key and no `hosts`, the host may be any. The token is shown once in the address, then in a
    cookie that scripts cannot read and other sites cannot send.

    Args:
        app: what is guarded.
        key: asked from every visitor, when there is one.
        hosts: names that the Host header may have, without port, whether there is a token or not.
        headers: security headers that differ from ours, by lower-case name.
        admit: told the address of whoever may come in; False when there are too many of them.
    """

    def __init__(
        self,
        app: ASGIApp,
        key: Key | None = None,
        hosts: tuple[str, ...] | None = None,
        headers: Mapping[str, str] | None = None,
        admit: Callable[[tuple[str, int]], bool] | None = None,
    ) -> None:
        self._app = app
        self._key = key
        self._hosts = hosts if hosts is not None or key is not None else LOOPBACK
        self._admit = admit
        self._headers = {**_HEADERS, **(headers or {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._judge(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send, self._headers))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4403, "reason": "refused"})
        else:
            await refusal(scope, receive, _with_headers(send, self._headers))

    def _judge(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = _without_port(host)
        if name is None or (self._hosts is not None and name.lower() not in self._hosts):
            return _no(400, "bad_host", f"host {host!r} is not this machine: open the address that the program printed")
        origin = headers.get("origin")
        if origin is not None and _host_of(origin) != host and _changes_something(scope):
            return _no(
                403,
                "foreign_origin",
                f"a page of {origin!r} may not talk to this server: open the address that it printed",
            )
        refusal = None if self._key is None else self._ask_for_token(self._key, scope, headers)
        if refusal is None and self._admit is not None and not self._admit(tuple(scope["client"][:2])):
            return _no(503, "too_many", "too many pages are open: close some of them, and try again")
        return refusal

    def _ask_for_token(self, key: Key, scope: Scope, headers: Headers) -> Response | None:
        # Browsers send cookies to every port of a machine: each server's has a name of its own.
        cookie = f"empaw_token_{scope['server'][1]}"
        if any(key.is_held(value) for value in _values(headers, cookie)):
            return None
        offered = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["type"] == "http" and key.opens(offered):
            response = RedirectResponse("/", status_code=303)
            secure = scope["scheme"] == "https"
            response.set_cookie(cookie, key.token, httponly=True, samesite="strict", secure=secure)
            return response
        if scope["type"] == "http" and "text/html" in headers.get("accept", ""):  # a person's browser
            return HTMLResponse(_NO_TOKEN, status_code=401, headers={"connection": "close"})
        return _no(
            401,
            "no_token",
            "this server asks for its token: open the whole address that the program printed, ?token=...",
        )


def _same(offered: str, kept: str) -> bool:
    return secrets.compare_digest(offered.encode("utf-8", "replace"), kept.encode())


def _no(status: int, code: str, text: str) -> Response:
    # Whoever is refused begins anew: on one connection, a thousand requests a second would cost them nothing.
    return JSONResponse({"error": text, "code": code}, status_code=status, headers={"connection": "close"})


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # no origin that a browser would send
        return None


def _values(headers: Headers, cookie: str) -> list[str]:
    """Every value of a cookie. Read by hand: the standard library stops at another program's malformed cookie."""
    pairs = [part.strip().partition("=") for part in headers.get("cookie", "").split(";")]
    return [value for name, _, value in pairs if name == cookie]


def _without_port(host: str) -> str | None:
    """Return the name in a Host header; None when it is none that a browser sends."""
    found = _HOST.fullmatch(host)
    return found and found[1]


def _changes_something(scope: Scope) -> bool:
    return scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD", "OPTIONS")


def _with_headers(send: Send, ours: Mapping[str, str]) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in ours.items():
                headers.setdefault(name, value)
        await send(message)

    return wrapped
