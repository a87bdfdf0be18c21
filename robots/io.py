"""Where results go: a file that is whole or not there, or the standard output with nothing else on it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TextIO

from geometry.files import check_file, write_whole


def check_writable(place: str | Path | None) -> None:
    """Find out before the work whether its result can be saved. '-' and None are fine.

    Raises:
        OSError: the place is a folder, a device or a pipe, or its folder cannot be written.
    """
    if place is not None and str(place) != "-":
        check_file(place)


def write_json(result: dict[str, Any], place: str | Path | None, output: TextIO | None = None) -> None:
    """Write one JSON object to a file as a whole, or to `output` (the standard output) for '-'; None asks for none.

    Raises:
        OSError: it cannot be written; a file of before is still there.
    """
    if place is None:
        return
    text = json.dumps(result, indent=None if len(str(result)) > 100_000 else 1, allow_nan=False) + "\n"
    if str(place) == "-":
        stream = output or sys.stdout
        stream.write(text)
        stream.flush()
        return
    write_whole(Path(place), text)
