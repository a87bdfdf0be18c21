"""Programs that tests start: they end with the block that they run in, and with them all that they started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conftest import PATIENCE_S, ROOT


@contextlib.contextmanager
def started(*command: str | Path, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a program; "python" is the one that runs the tests.

    It has a process group of its own, which is killed at the end: a program that hangs, or a failure in the block,
    leaves nothing behind, not even what the program started.
    """
    words = [sys.executable, *command[1:]] if command[0] == "python" else command
    options = {"cwd": ROOT, "text": True, **options}
    with subprocess.Popen(words, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: all that is left is a zombie
                os.killpg(process.pid, signal.SIGKILL)


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[Any]:
    """Run a program to its end.

    Raises:
        subprocess.TimeoutExpired: it hangs.
    """
    with started(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
