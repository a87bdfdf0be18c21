"""Who may talk to the server: pages it served itself, from this machine, or with the token that was printed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_COOKIE = "empaw_token"
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


class Gate:
    """ASGI middleware: refuses foreign hosts and origins, asks for the token, adds the security headers.

    On the loopback interface the Host header must name it (a page of another site cannot reach the server by rebinding
    its own name). With a token, the host may be any, and the token is compulsory: once in the address, then in a cookie
    that scripts cannot read and other sites cannot send.

    Args:
        app: what is guarded.
        token: asked from every visitor, when there is one.
        hosts: names that the Host header may have, without port, whether there is a token or not.
        headers: security headers that differ from ours, by lower-case name.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str | None = None,
        hosts: tuple[str, ...] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._app = app
        self._token = token
        self._hosts = hosts if hosts is not None or token is not None else LOOPBACK
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
        if self._hosts is not None and _without_port(host).lower() not in self._hosts:
            return _no(400, "bad_host", f"host {host!r} is not this machine: open the address that the program printed")
        origin = headers.get("origin")
        if origin is not None and _host_of(origin) != host and _changes_something(scope):
            return _no(
                403,
                "foreign_origin",
                f"a page of {origin!r} may not talk to this server: open the address that it printed",
            )
        return None if self._token is None else self._ask_for_token(scope, headers)

    def _ask_for_token(self, scope: Scope, headers: Headers) -> Response | None:
        assert self._token is not None
        if any(secrets.compare_digest(value.encode(), self._token.encode()) for value in _cookies(headers)):
            return None
        offered = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["type"] == "http" and secrets.compare_digest(offered.encode(), self._token.encode()):
            response = RedirectResponse("/", status_code=303)
            response.set_cookie(_COOKIE, self._token, httponly=True, samesite="strict")
            return response
        return _no(
            401,
            "no_token",
            "this server asks for its token: open the whole address that the program printed, ?token=...",
        )


def _no(status: int, code: str, text: str) -> Response:
    return JSONResponse({"error": text, "code": code}, status_code=status)


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # no origin that a browser would send
        return None


def _cookies(headers: Headers) -> list[str]:
    """Every value of our cookie. Read by hand: the standard library stops at another program's malformed cookie."""
    pairs = [part.strip().partition("=") for part in headers.get("cookie", "").split(";")]
    return [value for name, _, value in pairs if name == _COOKIE]


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.split("]")[0] + "]"
    return host.rsplit(":", 1)[0] if ":" in host else host


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
