"""Where results go: a file that is whole or not there, or the standard output with nothing else on it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO


def check_writable(place: str | Path | None) -> None:
    """Find out before the work whether its result can be saved. '-' and None are fine.

    Raises:
        OSError: the folder is missing or may not be written to, or the place is a folder itself.
    """
    if place is None or str(place) == "-":
        return
    path = Path(place)
    if not path.name or path.is_dir():
        raise OSError(f"{place!s} is a folder: give the name of a file")
    if _is_device(path):
        return
    parent = path.resolve().parent
    parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path)
    draft.touch()
    draft.unlink()


def write_json(result: dict[str, Any], place: str | Path, output: TextIO | None = None) -> None:
    """Write one JSON object to a file, replacing it as a whole, or to `output` (the standard output) for '-'.

    Raises:
        OSError: it cannot be written; a file of before is still there.
    """
    text = json.dumps(result, indent=None if len(str(result)) > 100_000 else 1, allow_nan=False) + "\n"
    if str(place) == "-":
        stream = output or sys.stdout
        stream.write(text)
        stream.flush()
        return
    write_whole(Path(place), text)


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there as a whole or not at all; what is no file, such as /dev/null, is written to as it is.

    Raises:
        OSError: it cannot be written; a file of before is still there.
    """
    if _is_device(path):
        path.write_text(text)
        return
    path = path.resolve()  # a link stays one
    draft = _draft(path)
    try:
        draft.write_text(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _is_device(path: Path) -> bool:
    """Whether a draft that is moved over a path would put a file where a device or a pipe was."""
    return path.exists() and not path.is_file()


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")
