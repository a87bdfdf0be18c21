"""Bullet greets on the standard output, at import and at every connection; there it would spoil `--json -`."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def c_stdout_to_stderr() -> Iterator[None]:
    """Send what C code prints on the standard output to the standard error while inside."""
    libc = ctypes.CDLL(None)
    sys.stdout.flush()
    libc.fflush(None)  # what was printed before belongs where it was meant to go
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
        libc.fflush(None)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
