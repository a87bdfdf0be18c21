"""A real server in a process of its own, as a user would start it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from robots import lifetime

ROOT = Path(__file__).resolve().parents[1]

START_S = 600.0
"""Ends what hangs: a server that shares its cores with twenty others takes minutes."""


class Server(NamedTuple):
    """Where it is, its process, and what that prints."""

    address: str
    process: subprocess.Popen
    log: Path

    @property
    def sockets(self) -> str:
        """Its address for web sockets."""
        return self.address.replace("http", "ws", 1)


@contextlib.contextmanager
def running_server(*arguments: str) -> Iterator[Server]:
    """Start `sim_gui.py` on a free port and wait until it answers; it is stopped at the end.

    Whoever is on this machine may come in, unless the arguments say otherwise (`--token`); the address holds the token
    then.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                lifetime.command(ROOT / "sim_gui.py", "--no-browser", "--port", "0", *_open(arguments)),
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Server(_wait_for_address(process, log), process, log)
        finally:
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()


def _open(arguments: tuple[str, ...]) -> tuple[str, ...]:
    return arguments if {"--token", "--host"} & set(arguments) else ("--no-token", *arguments)


def _wait_for_address(process: subprocess.Popen, log: Path) -> str:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if found := re.search(r"runs at (http\S+)", log.read_text("utf-8", "replace")):
            return found[1].rstrip("/")
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"the server did not start:\n{log.read_text('utf-8', 'replace')}")
