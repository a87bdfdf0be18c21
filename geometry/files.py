"""Files that are there as a whole or not at all, and places that one process has for itself.

Here, because every other room may import this one.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO


def read_json(path: Path) -> Any:
    """Read a file of JSON.

    Raises:
        ValueError: it is no JSON, or lists lie too deep in each other; names the file and, where it is known, the
            line.
        OSError: it cannot be read.
    """
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as problem:  # UnicodeDecodeError is a value error
        raise ValueError(f"{path} is no JSON, or damaged: {problem}") from problem


def check_file(path: str | Path) -> None:
    """Find out before the work whether a file can be written; its folder is made.

    Raises:
        OSError: it is a folder, a device or a pipe, or nothing can be written in its folder.
    """
    target = _target(path)
    draft = _draft(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.touch()
        draft.unlink()
    except OSError as error:
        raise OSError(refused(target.parent, error)) from error


def refused(folder: Path, error: OSError) -> str:
    """Say that nothing can be written in a folder, why, and what helps: another place, or the right to write there."""
    said = f"nothing can be written in {folder} ({error.strerror}): name another place"
    if not isinstance(error, PermissionError):
        return said
    there = next(place for place in (folder, *folder.absolute().parents) if os.access(place, os.F_OK))
    return f"{said}, or allow it with chmod u+wx {shlex.quote(str(there))}"


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8, so that a reader or a kill finds the old content or the new one, never a part.

    Raises:
        OSError: as `whole` says.
    """
    with whole(path) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a draft to write, which takes the place of the file when the block ends well; a link to the file stays one.

    Drafts of the same file that a kill has left are removed.

    Raises:
        OSError: the path is a folder, a device or a pipe, or cannot be written; a file of before is still there.
    """
    target = _target(path)
    _remove_left(target)
    draft = _draft(target)
    try:
        yield draft
        draft.replace(target)
    finally:
        with contextlib.suppress(OSError):  # it never came to be
            draft.unlink()


def _target(path: str | Path) -> Path:
    """The file behind links; refuses what a file must not take the place of."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file")
    if target.exists() and not target.is_file():
        raise OSError(f"{path} is no regular file: name a file, or - for the standard output where that is allowed")
    return target


def _draft(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.part")


def _remove_left(target: Path) -> None:
    for draft in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        process = draft.name.removesuffix(".part").rpartition(".")[2]
        if process.isdigit() and not _lives(int(process)):
            draft.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # somebody else's, or no number of a process
        pass
    return True


def reserve(place: Path) -> TextIO:
    """Keep other processes from a file or folder until what is returned is closed, or this process ends, even by kill.

    The system's lock is on a small file, .lock in the folder or .NAME.lock beside the file, which stays and holds the
    number of the process. Within one process a place may be reserved again; the first closed gives it up for all.

    Raises:
        BlockingIOError: another process has it; says which.
        OSError: nothing can be written there.
    """
    lock = place / ".lock" if place.is_dir() else place.with_name(f".{place.name}.lock")
    file = lock.open("a+", encoding="utf-8")
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
