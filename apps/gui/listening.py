"""Where a server listens, and how its address is told: the same for every page of ours."""

from __future__ import annotations

import errno
import socket
import ssl
import threading
import webbrowser
from pathlib import Path

import uvicorn
from rich.console import Console

THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
"""Interfaces that nobody else reaches."""


def check_serving(port: int, certificate: Path | None, key: Path | None) -> None:
    """Refuse options that cannot be used.

    Raises:
        ValueError: certificate without key or the other way round, a file that cannot be used, or no port.
    """
    if (certificate is None) != (key is None):
        raise ValueError("--certificate and --key belong together: give both or none")
    for path in (certificate, key):
        if path is not None and not path.is_file():
            raise ValueError(f"there is no file {path}: --certificate and --key take PEM files")
    if certificate is not None and key is not None:
        _check_pair(certificate, key)
    if not 0 <= port <= 65535:
        raise ValueError(f"--port {port} came; allowed are 0 (any free one) to 65535")


def _check_pair(certificate: Path, key: Path) -> None:
    locked: list[bool] = []

    def no_password() -> str:
        locked.append(True)
        return ""

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(certificate)
    except OSError as problem:
        raise ValueError(f"--certificate {certificate} holds no readable certificate in PEM") from problem
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, no_password)
    except OSError as problem:
        if locked:  # the server asks for the password itself
            return
        if isinstance(problem, ssl.SSLError) and problem.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"--key {key} belongs to another certificate than {certificate}") from problem
        raise ValueError(f"--key {key} holds no readable private key in PEM") from problem


def listen(host: str, port: int) -> socket.socket:
    """Listen on the port, or on the first free one of the twenty from there on; 0 is any.

    Raises:
        OSError: none is free, or the interface does not exist.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, min(port + 20, 65536) if port else 1):
        # The protocol is named, or asyncio does not switch off Nagle's delay: 40 ms between head and body of an answer.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, candidate))
            listening.listen(128)
        except OSError as problem:
            listening.close()
            if problem.errno != errno.EADDRINUSE:
                raise OSError(
                    f"cannot listen on {host}: {problem}. Give --host an address of this machine."
                ) from problem
        else:
            return listening
    raise OSError(f"ports {port} to {port + 19} are all taken on {host}: give another one with --port")


def page_address(host: str, port: int, token: str | None = None, *, tls: bool = False) -> str:
    """Return where a browser finds the page."""
    scheme = "https" if tls else "http"
    host = f"[{host}]" if ":" in host else host
    if host in ("0.0.0.0", "[::]"):
        host = socket.gethostname()
    return f"{scheme}://{host}:{port}/" + (f"?token={token}" if token else "")


def announce(
    server: uvicorn.Server, address: str, browser: bool, console: Console, name: str = "Empaw", opened: str = ""
) -> None:
    """Say where the page is once the server has started, and open it, at the address `opened` if that is another."""
    while not server.started:
        if server.should_exit:
            return
        threading.Event().wait(0.05)
    console.print(f"{name} runs at {address}", soft_wrap=True)
    console.print("Ctrl+C ends it.")
    if browser:
        webbrowser.open(opened or address)
