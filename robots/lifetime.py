"""Processes that end with the one that started them, however that ended: done, by Ctrl-C, or by kill -9."""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

_LOOK_S = 0.5
_CODE = "import sys; sys.path[0] = {root!r}; from robots import lifetime; lifetime.run_script()"


def end_with(parent: int) -> None:
    """Let this process end, as by SIGTERM, within a second of the process `parent` that started it.

    A thread looks for it, here and on macOS: what Linux has for that (PR_SET_PDEATHSIG) looks at the thread that
    started us, and joblib starts workers from threads that end before they do.
    """
    threading.Thread(target=_watch, args=(parent,), name="empaw-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)


def command(script: Path, *arguments: str) -> list[str]:
    """Build the command line of a Python script that is to end with this process."""
    code = _CODE.format(root=str(Path(__file__).resolve().parents[1]))
    return [sys.executable, "-c", code, str(os.getpid()), str(script), *arguments]


def run_script() -> None:
    """Run the script of a line that `command` built."""
    end_with(int(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
