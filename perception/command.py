"""Helpers that the commands share: files in and out, checks before long work, and errors as one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

MOST_THREADS = 1_024
MOST_SEED = 2**31 - 1  # as in robots.options, which may not be imported here


class CommandError(ValueError):
    """A setting or an output of a command cannot be used."""


class Failure(NamedTuple):
    """A file that could not be judged, or not to its end, and why."""

    file: Path
    reason: str


def find_files(source: Path, suffixes: Collection[str]) -> list[Path]:
    """The file itself, or those in the folder and below whose lower-case endings are among `suffixes`, sorted."""
    if not source.is_dir():
        return [source]
    return sorted(path for path in source.rglob("*") if path.suffix.lower() in suffixes and path.is_file())


def check_run(threads: int, seed: int = 0) -> None:
    """Refuse numbers that would fail only after long work.

    Raises:
        CommandError: `threads` is not within 1 to 1024, or `seed` not within 0 to 2**31 - 1.
    """
    if not 1 <= threads <= MOST_THREADS:
        raise CommandError(f"threads is {threads}; allowed are 1 to {MOST_THREADS}. Use the number of idle cores.")
    if not 0 <= seed <= MOST_SEED:
        raise CommandError(f"seed is {seed}; allowed are 0 to {MOST_SEED}. Choose another.")


def check_folder(folder: Path) -> None:
    """Make a folder and make sure that files can be written in it, before the work.

    Raises:
        CommandError: it cannot be made or written.
    """
    draft = folder / f".{os.getpid()}.probe.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(b"")
        draft.unlink()
    except OSError as error:
        raise CommandError(
            f"nothing can be written in {folder} ({error.strerror}). Name another place, or change its permissions."
        ) from error


def one_line(error: Exception) -> str:
    """Say an error in one line: what happened and to which file."""
    if isinstance(error, BrokenPipeError):
        _let_stdout_go()
        return "whoever read the output closed it before its end; what came until then is incomplete."
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}. Check the path, its permissions and the space on the disk."
    return " ".join(str(error).split()) or type(error).__name__


def _let_stdout_go() -> None:
    """Send what is still buffered nowhere, or the interpreter complains about the closed pipe when it ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def one_core(threads: int) -> None:
    """Keep torch and OpenCV on so many cores."""
    import cv2
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
