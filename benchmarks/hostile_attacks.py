"""The ways in which the page of a server on this machine is attacked, and the server that they are tried on."""

from __future__ import annotations

import contextlib
import itertools
import logging
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import NamedTuple

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from benchmarks.serving import START_S, Server

_QUIET = logging.Logger("hostile", logging.CRITICAL + 1)
"""For a library that does not know what is sent behind its back."""
CRUMBS = 2_000_000
"""Packets of one sample: 20 MB, which are two minutes of sound."""
_PAUSE_S = 0.25
_HUNG_UP = (OSError, WebSocketException, httpx.HTTPError, TimeoutError)
"""What an attacker meets whom the server sends away."""


class Target(NamedTuple):
    """Server that is attacked: its process and what that prints, where it is, and the cookie that opens it."""

    pid: int
    log: Path
    host: str
    port: int
    cookie: str

    @classmethod
    def of(cls, server: Server) -> Target:
        """Take the address apart that the server printed."""
        address, token = server.address.split("/?token=")
        host, port = address.removeprefix("http://").split(":")
        return cls(server.process.pid, server.log, host, int(port), f"empaw_token_{port}={token}")

    def web(self, **headers: str) -> httpx.Client:
        """Return a client, without token unless the headers have it."""
        return httpx.Client(base_url=f"http://{self.host}:{self.port}", headers=headers, timeout=START_S)

    def socket(self, path: str, cookie: str) -> ClientConnection:
        """Open a web socket."""
        return connect(
            f"ws://{self.host}:{self.port}{path}", additional_headers={"cookie": cookie}, open_timeout=START_S,
            close_timeout=1.0, ping_timeout=None, logger=_QUIET,
        )  # fmt: skip

    def raw(self, sent: bytes = b"") -> socket.socket:
        """Open a connection and send something."""
        opened = socket.create_connection((self.host, self.port), timeout=START_S)
        opened.sendall(sent)
        return opened

    def head(self, line: str, *headers: str) -> bytes:
        """Return the head of a request."""
        return "\r\n".join((f"{line} HTTP/1.1", f"Host: {self.host}:{self.port}", *headers, "", "")).encode()


Attack = Callable[[Target, Event], None]


def half_open(target: Target, stop: Event) -> None:
    """Hold as many connections as a process may, and say nothing; those that were closed are opened again."""
    _hold(target, stop, 700, b"")


def slow_headers(target: Target, stop: Event) -> None:
    """Begin requests that never end."""
    _hold(target, stop, 300, b"GET / HTTP/1.1\r\nX-Slow: ")


def _hold(target: Target, stop: Event, most: int, sent: bytes) -> None:
    held: list[socket.socket] = []
    try:
        while not stop.is_set():
            with contextlib.suppress(*_HUNG_UP):
                held.append(target.raw(sent))
            if len(held) >= most:
                held.pop(0).close()
                stop.wait(0.005)
    finally:
        for opened in held:
            opened.close()


def strange_names(target: Target, stop: Event) -> None:
    """Ask with foreign hosts, origins and guessed tokens, and with what is no request at all."""
    hosts = itertools.cycle(("evil.example", "[::1].evil.example", "localhost:evil", "", "\xff", "a" * 4000))
    with target.web() as web:
        while not stop.is_set():
            with contextlib.suppress(*_HUNG_UP):
                web.get("/", headers={"host": next(hosts).encode("latin-1")})  # type: ignore[dict-item]
                web.get("/", params={"token": "guess"})
                web.post("/api/hear_sample", headers={"origin": "http://evil.example"})
                with target.raw(b"\x16\x03\x01 no request\r\n\r\n") as opened:
                    opened.recv(1000)


def idle_uploads(target: Target, stop: Event) -> None:
    """Begin uploads, with the token, and send nothing of them."""
    head = target.head("POST /api/hear", f"Cookie: {target.cookie}", "Content-Length: 20000000")
    _hold(target, stop, 40, head)


def huge_bodies(target: Target, stop: Event) -> None:
    """Send what is over every limit, with the token."""

    def body() -> Iterator[bytes]:
        for _ in range(200):
            if stop.is_set():
                return
            yield bytes(2**20)

    with target.web(cookie=target.cookie) as web:
        while not stop.is_set():
            with contextlib.suppress(*_HUNG_UP):
                web.post("/api/hear", content=body())


def samples_at_once(target: Target, stop: Event) -> None:
    """Ask for the sample forty times at once, again and again, with the token."""
    sent = target.head("POST /api/hear_sample", f"Cookie: {target.cookie}", "Content-Length: 0", "Connection: close")
    while not stop.is_set():
        with contextlib.ExitStack() as stack, contextlib.suppress(*_HUNG_UP):
            for opened in [stack.enter_context(target.raw(sent)) for _ in range(40)]:
                opened.settimeout(_PAUSE_S)
                while not stop.is_set():
                    with contextlib.suppress(TimeoutError):
                        opened.recv(65536)
                        break


def tiny_messages(target: Target, stop: Event) -> None:
    """Speak one sample at a time into the microphone as fast as the connection takes it, with the token."""
    _flood(target, stop, "/ws/microphone", ('{"rate": 48000}', b"\0\0"))


def many_commands(target: Target, stop: Event) -> None:
    """Send commands that make no sense as fast as the connection takes them, with the token."""
    _flood(target, stop, "/ws/live", ("{", "[]"))


def _flood(target: Target, stop: Event, path: str, messages: tuple[str | bytes, str | bytes]) -> None:
    while not stop.is_set():
        with contextlib.suppress(*_HUNG_UP), target.socket(path, target.cookie) as opened:
            opened.send(messages[0])
            # Masked with zeros, so that a thousand frames are one string.
            frame = bytes((0x82 if isinstance(messages[1], bytes) else 0x81, 0x80 | len(messages[1]), 0, 0, 0, 0))
            text = messages[1] if isinstance(messages[1], bytes) else messages[1].encode()
            opened.socket.settimeout(_PAUSE_S)
            while not stop.is_set():
                opened.socket.send((frame + text) * 1000)


def bomb_pictures(target: Target, stop: Event) -> None:
    """Send small PNGs that unpack to 400 MB, as uploads and as the camera's frames, with the token."""
    picture = png_bomb(20_000)
    with target.web(cookie=target.cookie) as web:
        while not stop.is_set():
            with contextlib.suppress(*_HUNG_UP):
                web.post("/api/hear", content=picture)
                with target.socket("/ws/camera", target.cookie) as opened:
                    opened.send(picture)


def png_bomb(side: int) -> bytes:
    """Write a black grey-scale PNG of side x side pixels."""
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + side)) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part)) for kind, part in parts
    )


def endless_sounds(target: Target, stop: Event) -> None:
    """Send 20 MB of AVI whose packets hold one sample each, which take minutes to decode, with the token."""
    body = avi_of_crumbs(CRUMBS)
    with target.web(cookie=target.cookie) as web:
        while not stop.is_set():
            with contextlib.suppress(*_HUNG_UP):
                web.post("/api/hear", content=body)


def avi_of_crumbs(packets: int) -> bytes:
    """Write an AVI of silence at 16 kHz, a sample to the packet."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return name + struct.pack("<I", len(content)) + content

    main = struct.pack("<14I", 1000, 0, 0, 0x10, packets, 0, 1, 0, 0, 0, 0, 0, 0, 0)
    stream = b"auds" + struct.pack("<11I4H", 0, 0, 0, 0, 1, 16_000, 0, packets, 4096, 0, 2, 0, 0, 0, 0)
    form = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    headers = chunk(b"avih", main) + chunk(b"LIST", b"strl" + chunk(b"strh", stream) + chunk(b"strf", form))
    crumbs = b"movi" + chunk(b"00wb", b"\0\0") * packets
    return chunk(b"RIFF", b"AVI " + chunk(b"LIST", b"hdrl" + headers) + chunk(b"LIST", crumbs))


def strange_sockets(target: Target, stop: Event) -> None:
    """Open web sockets without the token."""
    while not stop.is_set():
        with contextlib.suppress(*_HUNG_UP):
            target.socket("/ws/poses", "empaw_token=guess").close()


ATTACKS: tuple[Attack, ...] = (
    half_open, slow_headers, strange_names, strange_sockets, idle_uploads, huge_bodies, samples_at_once, tiny_messages,
    many_commands, bomb_pictures, endless_sounds,
)  # fmt: skip
