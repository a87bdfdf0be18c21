"""Start the server: a port, an address to open, and the browser."""

from __future__ import annotations

import gc
import threading
from dataclasses import dataclass
from pathlib import Path

import torch
import uvicorn
from rich.console import Console

from apps.config import SessionConfig, SessionOptions
from apps.gui.door import ACCEPTED_AT_ONCE, Door, SmallBites, keep_log_small
from apps.gui.listening import THIS_MACHINE, announce, check_serving, listen, page_address
from apps.gui.live import LiveSession
from apps.gui.security import LOOPBACK, Key
from apps.gui.server import make_app
from apps.recording import Recording


@dataclass(frozen=True)
class Serve(SessionOptions):
    """Open the simulation in the browser."""

    host: str = "127.0.0.1"
    """Interface to listen on; 0.0.0.0 for all."""
    port: int = 8350
    """Port; when it is taken, the next free one is used. 0 picks any."""
    browser: bool = True
    """Open the page in the default browser."""
    token: bool = True
    """Ask every visitor for the token that is printed; without, every user of this machine may come in."""
    certificate: Path | None = None
    """TLS certificate (PEM); browsers give the microphone to pages of other machines over TLS only."""
    key: Path | None = None
    """Private key of the certificate (PEM)."""
    replay: Path | None = None
    """Show a recording again, as the page or `empaw record sim --recording FILE` wrote it; what you say then is not
    heard."""


def serve(args: Serve) -> None:
    """Serve the page until interrupted.

    Raises:
        ValueError: certificate without key or the other way round, other machines without token, or weights, table or
            taste that cannot be used.
        OSError: no port is free, or the interface does not exist.
    """
    check_serving(args.port, args.certificate, args.key)
    local = args.host in THIS_MACHINE
    if not (local or args.token):
        raise ValueError(f"--no-token came with --host {args.host}: visitors from other machines need the token")
    key = Key() if args.token else None
    door = Door(listen(args.host, args.port))
    port = door.getsockname()[1]
    console = Console(stderr=True)
    if port != args.port and args.port:
        console.print(f"port {args.port} is taken, using {port}")
    tls = args.certificate is not None
    address = page_address(args.host, port, key.token if key else None, tls=tls)
    opened = page_address(args.host, port, key.code if key else None, tls=tls)
    torch.set_num_threads(1)
    live = _started(args)
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(live, key, LOOPBACK if local else None, door.admit),
            log_level="warning",
            http="h11",
            ws=SmallBites,
            ws_max_size=2**20,
            ws_per_message_deflate=False,  # poses hardly shrink, and a kilobyte would unpack to a megabyte
            backlog=ACCEPTED_AT_ONCE,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
            ssl_certfile=args.certificate,
            ssl_keyfile=args.key,
        )
    )
    keep_log_small()
    telling = (server, address, args.browser, console, "Empaw", opened)
    threading.Thread(target=announce, args=telling, daemon=True).start()
    try:
        server.run(sockets=[door])
    finally:
        gc.freeze()  # at its end, Python looks for circles among all that torch and numba made, for a second
    if not server.started:
        raise RuntimeError(f"the server did not start on {args.host} port {port}: see above")


def _started(args: Serve) -> LiveSession:
    replayed = None if args.replay is None else Recording.load(args.replay)
    live = LiveSession(SessionConfig.of(args, live=True), replayed)
    live.start()
    return live
