"""Helpers that the commands share: files in and out, checks before long work, and errors as one line."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from geometry.files import refused
from geometry.folders import files_below, is_hidden

MOST_THREADS = 1_024
MOST_SEED = 2**31 - 1  # as in robots.options, which may not be imported here


class CommandError(ValueError):
    """A setting or an output of a command cannot be used."""


class Failure(NamedTuple):
    """A file that could not be judged, or not to its end, and why."""

    file: Path
    reason: str

    @classmethod
    def of(cls, file: Path, error: Exception) -> Failure:
        """Take the words of an error about a file, which need not name it again."""
        return cls(file, one_line(error).removeprefix(f"{file} ").removeprefix(f"{file}: "))


class FoundFiles(NamedTuple):
    """Files that are to be read, the folder that all are below, and how many others were left out, by what they are."""

    files: list[Path]
    below: Path
    others: Counter[str]

    @property
    def left_out(self) -> str:
        """Say what else there is: "; left out: 3 .png, 1 hidden", or nothing."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.others.items()))
        return f"; left out: {kinds}" if kinds else ""


def search_files(
    sources: Sequence[Path], suffixes: Collection[str], looks_right: Callable[[Path], bool] = lambda path: False
) -> FoundFiles:
    """Find what is to be read: files that are named, and what in folders and below has one of the lower-case endings.

    Hidden files and those that macOS puts into archives (`._x.ply`, `__MACOSX`) are left out, whatever their ending.

    Args:
        sources: files, which are taken as they are, and folders; one at least.
        suffixes: endings that are read.
        looks_right: tells of a file with another ending whether its content is to be read all the same.
    """
    below = os.path.commonpath([_absolute(source if source.is_dir() else source.parent) for source in sources])
    files: list[Path] = [source for source in sources if not source.is_dir()]
    others = Counter[str]()
    for source in (source for source in sources if source.is_dir()):
        for path in files_below(source):
            if is_hidden(path, source):
                others["hidden"] += 1
            elif path.suffix.lower() in suffixes or opens(looks_right, path):
                files.append(path)
            else:
                others[path.suffix.lower() or "without ending"] += 1
    return FoundFiles(list({_absolute(file): file for file in files}.values()), Path(below), others)


def _absolute(path: Path) -> str:
    """The whole path without .. in it; links are not followed, for they may bear the names that are meant."""
    return os.path.normpath(path.absolute())


def opens(looks_right: Callable[[Path], bool], path: Path) -> bool:
    """Tell whether a file can be opened and looks right."""
    try:
        return path.is_file() and looks_right(path)
    except OSError:
        return False


def left_out_lines(left_out: Sequence[Failure], most: int = 10) -> list[str]:
    """Say in a line for each reason how many files a run left out, which, and why; it names `most` of them."""
    by_reason: dict[str, list[Path]] = {}
    for failure in left_out:
        by_reason.setdefault(failure.reason, []).append(failure.file)
    return [
        f"left out {len(files)} ({reason}): {', '.join(map(str, files[:most]))}"
        + (f" and {len(files) - most} more" if len(files) > most else "")
        for reason, files in by_reason.items()
    ]


def name_outputs(found: FoundFiles, out: Path, ending: str) -> list[Path]:
    """Name the output of each file: below `out` as the file lies below the folder of all, with another ending.

    Raises:
        CommandError: two files would be written to one place, or one over a file that is still to be read.
    """
    taken: dict[Path, Path] = {}
    read = {os.path.realpath(file) for file in found.files}
    for file in found.files:
        place = Path(_absolute(file)).relative_to(found.below)
        path = out / place.with_name(f"{place.stem}{ending}")
        if path in taken:
            raise CommandError(f"{taken[path]} and {file} would both be written to {path}. Rename one of them.")
        if os.path.realpath(path) in read:
            raise CommandError(f"{path} is to be read and would be overwritten. Name another output.")
        taken[path] = file
    return list(taken)


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
        raise CommandError(refused(folder, error)) from error


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
