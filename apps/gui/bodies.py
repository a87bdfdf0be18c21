"""Bodies of requests, bounded while they arrive."""

from __future__ import annotations

from starlette.requests import Request


async def read_body(request: Request, most: int, most_drained: int) -> bytes | None:
    """Read a body of up to `most` bytes; None when it is larger.

    What is too much is read and thrown away up to `most_drained` bytes, so that the sender gets to see the answer.

    Raises:
        ClientDisconnect: the sender hung up.
    """
    body, total = bytearray(), 0
    async for chunk in request.stream():
        total += len(chunk)
        if total <= most:
            body += chunk
        elif total > most_drained:
            break
        else:
            body.clear()
    return bytes(body) if total <= most else None
