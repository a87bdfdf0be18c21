"""Files that visitors send: received within bounds of time, decoded in threads that nobody has to wait for."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from apps.gui.bodies import read_body

T = TypeVar("T")
MAX_UPLOAD_S = 120.0
IDLE_S, LEAST_IDLE_S = 5.0, 1.0
"""How long a sender may be silent, and how long while others wait for its place."""
SLOWEST_BYTES_PER_S = 16_384
# What is over the limit is read and thrown away up to here, so that the sender gets to see the answer.
MAX_DRAINED_BYTES = 512 * 2**20


class Places:
    """Places for work: so many in all, and so many for one visitor; others wait.

    Args:
        most: in all.
        each: for one visitor.

    Attributes:
        waiting: how many wait.
    """

    def __init__(self, most: int, each: int) -> None:
        self.waiting = 0
        self._all, self._each = asyncio.Semaphore(most), each
        self._own: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()

    @asynccontextmanager
    async def take(self, request: Request) -> AsyncIterator[None]:
        """Hold a place of the visitor who asks."""
        visitor = request.client.host if request.client else ""
        own = self._own.setdefault(visitor, asyncio.Semaphore(self._each))
        async with AsyncExitStack() as places:
            self.waiting += 1
            try:
                await places.enter_async_context(own)
                await places.enter_async_context(self._all)
            finally:
                self.waiting -= 1
            yield


async def receive(request: Request, most_bytes: int, awaited: Callable[[], bool] = lambda: False) -> bytes | None:
    """Receive a body of up to `most_bytes`; None when it is larger. `awaited`: whether others wait for its end.

    Raises:
        ClientDisconnect: the sender hung up.
        TimeoutError: the sender is silent, or slower than the slowest of networks.
    """
    begun, total = time.monotonic(), 0

    async def paced() -> Message:
        nonlocal total
        message = await _next_piece(request, awaited)
        total += len(message.get("body", b""))
        late_s = time.monotonic() - begun - IDLE_S
        if late_s > MAX_UPLOAD_S or (message.get("more_body") and late_s * SLOWEST_BYTES_PER_S > total):
            raise TimeoutError
        return message

    return await read_body(Request(request.scope, paced), most_bytes, MAX_DRAINED_BYTES)


async def _next_piece(request: Request, awaited: Callable[[], bool]) -> Message:
    piece, silent_s = asyncio.ensure_future(request.receive()), 0.0
    try:
        while not (await asyncio.wait({piece}, timeout=LEAST_IDLE_S))[0]:
            silent_s += LEAST_IDLE_S
            if silent_s >= IDLE_S or awaited():
                raise TimeoutError
        return piece.result()
    finally:
        piece.cancel()


async def work_apart(work: Callable[[], T]) -> T:
    """Work in a thread that does not keep the program from ending.

    Raises:
        Exception: what the work raises.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as problem:  # raised where it is waited for
            future.set_exception(problem)

    threading.Thread(target=run, name="empaw-decoding", daemon=True).start()
    return await asyncio.shield(asyncio.wrap_future(future))


async def work_for(request: Request, work: Callable[[threading.Event], T]) -> T:
    """Work while the visitor waits for it; `work` is given an event that is set when nobody waits any more.

    What comes of the work may go on heeding the event: it is not set once the work is done.

    Raises:
        ClientDisconnect: the visitor has gone.
        Exception: what the work raises.
    """
    stop = threading.Event()
    working = asyncio.ensure_future(work_apart(lambda: work(stop)))
    leaving = asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            stop.set()
            await asyncio.wait({working})  # whoever leaves keeps the place as long as the memory is in use
            working.exception()  # nobody is there to be told of it
            raise ClientDisconnect
        return working.result()
    finally:
        if not working.done():
            stop.set()
        working.cancel()
        leaving.cancel()


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
