"""Start the server: a port, an address to open, and the browser."""

from __future__ import annotations

import secrets
import socket
import sys
import threading
import webbrowser
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from rich.console import Console

from apps.config import SessionConfig
from apps.gui.live import LiveSession
from apps.gui.server import make_app


@dataclass(frozen=True)
class Serve:
    """Open the simulation in the browser."""

    host: str = "127.0.0.1"
    """Interface to listen on. Any other than this machine's own asks every visitor for a token."""
    port: int = 8350
    """Port; when it is taken, the next free one is used. 0 picks any."""
    browser: bool = True
    """Open the page in the default browser."""
    window: bool = False
    """Open PyBullet's own window as well (needs a display). Closing that window ends the program."""
    seed: int = 0
    """Where the dog starts."""
    weights: Path | None = None
    """Folder of speech weights instead of the shipped ones."""
    owner: Path | None = None
    """Your voice, as python -m perception.speech enrol wrote it; the dog goes on learning it while it runs."""
    table: Path | None = None
    """Behaviour table instead of policies/behaviour.toml."""
    taste: Path | None = None
    """What you like, as it was learnt from your answers; the dog moves accordingly, where it is sure enough."""
    gait: str = "default"
    """Policy to walk with: 'default' is the shipped one, 'none' the clocked gait alone; or the folder of your own."""
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
    _check(args)
    config = SessionConfig(
        seed=args.seed,
        live=True,
        window=args.window,
        weights=args.weights,
        owner=args.owner,
        table=args.table,
        gait=args.gait,
        taste=args.taste,
    )
    local = args.host in ("127.0.0.1", "localhost", "::1")
    token = None if local else secrets.token_urlsafe(24)
    listening = _listen(args.host, args.port)
    port = listening.getsockname()[1]
    console = Console(stderr=True)
    if port != args.port and args.port:
        console.print(f"port {args.port} is taken, using {port}")
    address = _address(args, port, token)
    live = LiveSession(config)
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
    announcer = threading.Thread(target=_announce, args=(server, address, args.browser, console), daemon=True)
    announcer.start()
    server.run(sockets=[listening])
    if not server.started:
        sys.exit(3)


def _check(args: Serve) -> None:
    if (args.certificate is None) != (args.key is None):
        raise ValueError("--certificate and --key belong together: give both or none")
    for path in (args.certificate, args.key):
        if path is not None and not path.is_file():
            raise ValueError(f"there is no file {path}: --certificate and --key take PEM files")
    if not 0 <= args.port <= 65535:
        raise ValueError(f"--port {args.port} came; allowed are 0 (any free one) to 65535")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, min(port + 20, 65536) if port else 1):
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, candidate))
            listening.listen(128)
        except OSError as problem:
            listening.close()
            if problem.errno != 98:  # EADDRINUSE: try the next one
                raise OSError(
                    f"cannot listen on {host}: {problem}. Give --host an address of this machine."
                ) from problem
        else:
            return listening
    raise OSError(f"ports {port} to {port + 19} are all taken on {host}: give another one with --port")


def _address(args: Serve, port: int, token: str | None) -> str:
    scheme = "https" if args.certificate else "http"
    host = f"[{args.host}]" if ":" in args.host else args.host
    if host in ("0.0.0.0", "[::]"):
        host = socket.gethostname()
    return f"{scheme}://{host}:{port}/" + (f"?token={token}" if token else "")


def _announce(server: uvicorn.Server, address: str, browser: bool, console: Console) -> None:
    while not server.started:
        if server.should_exit:
            return
        threading.Event().wait(0.05)
    console.print(f"Empaw runs at {address}", soft_wrap=True)
    console.print("Ctrl+C ends it.")
    if browser:
        webbrowser.open(address)
