"""The door of a server: who has not shown yet that they may come in waits there, not for long, and not in crowds.

A connection costs its sender nothing, and the server a file, of which there are a thousand. So strangers get ten
seconds and few places; when these are taken, the one that waits longest goes. Whoever shows the token does so with the
first bytes, and is never the one that waits longest, however many others hold connections half open.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections import Counter, OrderedDict
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

STRANGER_S = 10.0
MOST_STRANGERS = 128
MOST_MEMBERS, MOST_OF_ONE_ADDRESS = 256, 128
ACCEPTED_AT_ONCE = 16
"""Connections that are taken between two looks at those that are there: far fewer than `MOST_STRANGERS`."""
_WAITING = 1024
_READ_AT_ONCE = 1 << 14


class Door(socket.socket):
    """A listening socket that counts those who came through it and have not been let in.

    It works below TLS, so that unfinished handshakes count as well. Only the thread of the event loop uses it.
    """

    def __init__(self, listening: socket.socket) -> None:
        super().__init__(listening.family, listening.type, listening.proto, fileno=listening.detach())
        self._strangers: OrderedDict[tuple[str, int], socket.socket] = OrderedDict()
        self._members: dict[tuple[str, int], socket.socket] = {}

    def listen(self, backlog: int = _WAITING) -> None:
        """Listen; the event loop's number is how many it accepts at once, which is no reason to turn others away."""
        super().listen(max(backlog, _WAITING))

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection, as a stranger."""
        connection, address = super().accept()
        self._strangers[address[:2]] = connection
        asyncio.get_running_loop().call_later(STRANGER_S, self._send_away, address[:2], connection)
        while len(self._strangers) > MOST_STRANGERS:
            self._send_away(*next(iter(self._strangers.items())))
        return connection, address

    def admit(self, address: tuple[str, int]) -> bool:
        """Let the connection from an address stay as long as it likes; False when there are too many such."""
        if (connection := self._strangers.get(address)) is None:
            return True
        self._members = {there: member for there, member in self._members.items() if member.fileno() >= 0}
        if len(self._members) >= MOST_MEMBERS or self._of(address[0]) >= MOST_OF_ONE_ADDRESS:
            return False
        self._members[address] = self._strangers.pop(address, connection)
        return True

    def _of(self, host: str) -> int:
        return sum(there == host for there, _ in self._members)

    def _send_away(self, address: tuple[str, int], connection: socket.socket) -> None:
        if self._strangers.get(address) is connection:
            del self._strangers[address]
            with contextlib.suppress(OSError):  # gone by itself
                connection.shutdown(socket.SHUT_RDWR)


class SmallBites(WebSocketsSansIOProtocol):
    """Web sockets that read little at a time: 256 KiB of tiny messages would hold all others up for a second.

    Pings, pongs, parts of messages, and messages after we have closed are obeyed here, where nothing can make them wait
    as other messages do. Whoever floods with these is cut off: they cost time, and the answers to pings, when nobody
    reads them, memory.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._pace = Pace()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        transport.max_size = _READ_AT_ONCE  # type: ignore[attr-defined]

    def handle_ping(self) -> None:
        """Answer, unless there are too many."""
        if self._bear():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Take note, unless there are too many."""
        if self._bear():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        """Put a message together, unless it comes in too many parts."""
        if self._bear():
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Hand a message on; one that comes after we have closed is dropped, unless there are too many."""
        if not self.close_sent or self._bear():
            super().send_receive_event_to_app()

    def _bear(self) -> bool:
        if self._pace.count() > 0.0:
            self.transport.abort()
        return not self.transport.is_closing()


class Seldom(logging.Filter):
    """Lets each kind of message into the log so often a minute; the next one after that says how many were left out."""

    def __init__(self, most: int = 5, period_s: float = 60.0) -> None:
        super().__init__()
        self._most, self._period_s = most, period_s
        self._begun, self._seen = -period_s, Counter[str]()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        kind = str(record.msg)[:200]
        if record.created - self._begun >= self._period_s or record.created < self._begun:
            left_out = self._seen[kind] - self._most
            self._begun, self._seen = record.created, Counter()
            if left_out > 0:
                record.msg = f"{record.getMessage()} (and {left_out} more like it in the minute before)"
                record.args = ()
        self._seen[kind] += 1
        return self._seen[kind] <= self._most


def keep_log_small() -> None:
    """Have messages that anybody can cause from outside written seldom."""
    for name in ("uvicorn.error", "asyncio", "empaw"):
        logging.getLogger(name).addFilter(Seldom())


class Pace:
    """Slows one sender down to so many messages a second; what it sends too fast waits in its own connection."""

    def __init__(self, per_second: float = 100.0, burst: float = 100.0) -> None:
        self._per_second, self._burst = per_second, burst
        self._left, self._at = burst, time.monotonic()

    def count(self) -> float:
        """Count a message; return how many seconds too early it comes."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second) - 1.0
        self._at = now
        return max(0.0, -self._left / self._per_second)

    async def wait(self) -> None:
        """Return when the next message may be taken; others are served meanwhile in any case."""
        await asyncio.sleep(self.count())
