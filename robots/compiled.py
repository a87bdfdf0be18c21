"""Machine code for what runs at every control step and is too small for numpy."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])
_ROOT = Path(__file__).resolve().parents[1]


def compiled(function: _Function) -> _Function:
    """Compile a function of numbers and arrays with numba; the machine code is kept for the next process.

    A compiled function may call others, of its own file and of any other under `robots` and `envs/locomotion`: numba
    renews what is kept when the function's own file changes, and another folder is taken when any of theirs does.
    """
    return cast(_Function, _keeping(function) if _FOLDER else numba.njit(function))


def _keeping(function: Callable[..., object]) -> object:
    """Numba asks for its folder when a function is decorated; other libraries' functions keep theirs."""
    settings: Any = numba.config
    elsewhere, settings.CACHE_DIR = settings.CACHE_DIR, _FOLDER
    try:
        return numba.njit(cache=True)(function)
    finally:
        settings.CACHE_DIR = elsewhere


def folder_for_code(places: tuple[Path, ...]) -> str:
    """A folder for the machine code of these very sources, in the first of the places that can be written; '' if none.

    Numba looks at a function's own file only, so its code would outlive a change of what it calls.
    """
    told = hashlib.sha256()
    for sources in ("robots", "envs/locomotion"):
        for source in sorted((_ROOT / sources).glob("*.py")):
            told.update(source.read_bytes())
    for place in places:
        folder = place / f"compiled-{told.hexdigest()[:12]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return str(folder)
    return ""


_FOLDER = folder_for_code((_ROOT / "robots" / "__pycache__", Path.home() / ".cache" / "empaw"))
