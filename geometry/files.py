"""A place that one process has for itself."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO


def reserve(place: Path) -> TextIO:
    """Keep other processes from a file or folder until what is returned is closed, or this process ends, even by kill.

    The system's lock is on a small file, .lock in the folder or .NAME.lock beside the file, which stays and holds the
    number of the process. Within one process a place may be reserved again.

    Raises:
        BlockingIOError: another process has it; says which.
        OSError: nothing can be written there.
    """
    lock = place / ".lock" if place.is_dir() else place.with_name(f".{place.name}.lock")
    file = lock.open("a+")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the second on macOS
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise BlockingIOError(
            f"{place} is in use by process {holder}: wait for it or end it, or name another place"
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
