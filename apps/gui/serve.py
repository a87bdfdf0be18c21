"""Start the server: a port, an address to open, and the browser."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from pathlib import Path

import torch
import uvicorn
from rich.console import Console

from apps.config import SessionConfig, SessionOptions
from apps.gui.listening import THIS_MACHINE, announce, check_serving, listen, page_address
from apps.gui.live import LiveSession
from apps.gui.server import make_app


@dataclass(frozen=True)
class Serve(SessionOptions):
    """Open the simulation in the browser."""

    host: str = "127.0.0.1"
    """Interface to listen on. Any other than this machine's own asks every visitor for a token."""
    port: int = 8350
    """Port; when it is taken, the next free one is used. 0 picks any."""
    browser: bool = True
    """Open the page in the default browser."""
    certificate: Path | None = None
    """TLS certificate (PEM); browsers give the microphone to pages of other machines over TLS only."""
    key: Path | None = None
    """Private key of the certificate (PEM)."""


def serve(args: Serve) -> None:
    """Serve the page until interrupted.

    Raises:
        ValueError: certificate without key or the other way round, or weights, table or taste that cannot be used.
        OSError: no port is free, or the interface does not exist.
    """
    check_serving(args.port, args.certificate, args.key)
    local = args.host in THIS_MACHINE
    token = None if local else secrets.token_urlsafe(24)
    listening = listen(args.host, args.port)
    port = listening.getsockname()[1]
    console = Console(stderr=True)
    if port != args.port and args.port:
        console.print(f"port {args.port} is taken, using {port}")
    address = page_address(args.host, port, token, tls=args.certificate is not None)
    torch.set_num_threads(1)
    live = LiveSession(SessionConfig.of(args, live=True))
    live.start()
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(live, token),
            log_level="warning",
            ws_max_size=2**20,
            timeout_graceful_shutdown=2,
            ssl_certfile=args.certificate,
            ssl_keyfile=args.key,
        )
    )
    announcer = threading.Thread(target=announce, args=(server, address, args.browser, console), daemon=True)
    announcer.start()
    server.run(sockets=[listening])
    if not server.started:
        raise RuntimeError(f"the server did not start on {args.host} port {port}: see above")
