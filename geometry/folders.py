"""What lies in a folder and below it."""

from __future__ import annotations

import os
from pathlib import Path


def files_below(folder: Path) -> list[Path]:
    """List the files in a folder and below, sorted; folders elsewhere behind links count, each once.

    Links into the folder itself do not: what they lead to is listed where it lies, and nothing goes round. Links to
    files that are gone are listed, so that whoever reads them says so.

    Raises:
        OSError: a folder cannot be listed, and nobody knows what is missing.
    """
    root = folder.resolve()
    found, seen = [], set[Path]()
    for place, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        found += [Path(place, name) for name in names]
        for name in sorted(folders):
            link = Path(place, name)
            real = link.resolve()
            if link.is_symlink() and (real in seen or real.is_relative_to(root) or root.is_relative_to(real)):
                folders.remove(name)
            seen.add(real)
    return sorted(found)


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):  # what is gone holds nothing
        raise error


def is_hidden(path: Path, folder: Path) -> bool:
    """Tell whether a file below a folder is hidden, or in a hidden folder, or left there by a Mac (`__MACOSX`)."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(folder).parts)
