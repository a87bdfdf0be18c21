"""What lies in a folder and below it."""

from __future__ import annotations

import os
from pathlib import Path


def files_below(folder: Path) -> list[Path]:
    """List the files in a folder and below, sorted; folders behind links count, each once, so that none goes round.

    Links that lead nowhere are listed, so that whoever reads them says so.
    """
    seen, found = {os.path.realpath(folder)}, []
    for place, folders, names in os.walk(folder, followlinks=True):
        found += [Path(place, name) for name in names]
        real = {os.path.realpath(Path(place, name)): name for name in sorted(folders, reverse=True)}
        folders[:] = [name for path, name in real.items() if path not in seen]
        seen |= set(real)
    return sorted(found)


def is_hidden(path: Path, folder: Path) -> bool:
    """Tell whether a file below a folder is hidden, or in a hidden folder, or left there by a Mac (`__MACOSX`)."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(folder).parts)
