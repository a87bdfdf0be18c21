"""A study server in a process of its own: started on a free port of this machine, stopped, or killed."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from robots import lifetime

DOOR = Path(__file__).resolve().parents[2] / "user_study.py"
HOST = "127.0.0.1"
_STOP_S = 20.0


class ServerProcess:
    """The command `user_study.py serve FOLDER`, and what it said.

    Args:
        folder: of the study.
        port: to listen on; without one, a free port, which stays the same after a restart.
        patience_s: how long to wait for the first answer, s.
    """

    def __init__(self, folder: Path, port: int | None = None, patience_s: float = 300.0) -> None:
        self.folder, self.port, self.patience_s = folder, port or free_port(), patience_s
        self.log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process, while one runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> float:
        """Start it and wait for its first answer; the seconds from the start of the process to that answer.

        Raises:
            RuntimeError: it ended, or gave no answer in time; what it said is told.
        """
        began = time.monotonic()
        command = lifetime.command(DOOR, "serve", str(self.folder), "--port", str(self.port), "--no-browser")
        with self.log.open("ab") as log:
            # In a session of its own: Ctrl-C is for us, and we stop it after those who are in the middle of an answer.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        while not self._answers():
            ended = self._process.poll() is not None
            if ended or time.monotonic() - began > self.patience_s:
                self.kill()
                said = self.log.read_text("utf-8", "replace").strip().splitlines()[-3:]
                raise RuntimeError(f"the study server {'ended' if ended else 'gave no answer'}: {' / '.join(said)}")
            time.sleep(0.01)
        return time.monotonic() - began

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/api/study/about")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def kill(self) -> None:
        """End it at once (SIGKILL), as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def stop(self) -> None:
        """Ask it to end, and wait for that."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None


@contextlib.contextmanager
def running(folder: Path) -> Iterator[ServerProcess]:
    """Run a server of the study in `folder` for the length of a block.

    Raises:
        RuntimeError: it does not start.
    """
    server = ServerProcess(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """Find a port that nobody listens on now."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        return int(listening.getsockname()[1])
