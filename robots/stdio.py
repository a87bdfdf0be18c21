"""Bullet greets on standard output and error, at import and at every connection; there it would spoil `--json -`."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from typing import TextIO


@contextlib.contextmanager
def silent_c_output() -> Iterator[None]:
    """Throw away what C code prints while inside. Python's exceptions come through."""
    libc = ctypes.CDLL(None)
    sys.stdout.flush()
    sys.stderr.flush()
    libc.fflush(None)  # what was printed before belongs where it was meant to go
    kept = [(stream, os.dup(stream)) for stream in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream, _ in kept:
            os.dup2(nowhere, stream)
        yield
        libc.fflush(None)
    finally:
        for stream, copy in kept:
            os.dup2(copy, stream)
            os.close(copy)
        os.close(nowhere)


def reserve_stdout() -> TextIO:
    """Keep the standard output for us: what C code prints from now on goes to the standard error.

    Bullet's window has a thread of its own that prints for as long as it lives.
    """
    sys.stdout.flush()
    ours = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
    os.dup2(2, 1)
    return ours
