"""Machine code for what runs at every control step and is too small for numpy."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import IndexDataCacheFile

_Function = TypeVar("_Function", bound=Callable[..., object])
_ROOT = Path(__file__).resolve().parents[1]
_OUTDATED_S = 7 * 86400.0


def compiled(function: _Function) -> _Function:
    """Compile a function of numbers and arrays with numba; the machine code is kept for the next process.

    A compiled function may call others, of its own file and of any other under `robots`, `control` and
    `envs/locomotion`: numba renews what is kept when the function's own file changes, and another folder is taken when
    any of theirs does.
    Give each the same kinds of arguments always (floats, contiguous arrays): every new kind is compiled anew.
    """
    settings: Any = numba.config
    elsewhere, settings.CACHE_DIR = settings.CACHE_DIR, folder_for_code() or settings.CACHE_DIR
    try:
        made: Any = numba.njit(cache=True)(function)
        cache = made._cache
        cache._cache_file = _SealedFile(cache._cache_path, cache._impl.filename_base, cache._cache_file._source_stamp)
        return cast(_Function, made)
    except RuntimeError:  # nowhere to keep it
        return cast(_Function, numba.njit(function))
    finally:
        settings.CACHE_DIR = elsewhere  # numba asks when a function is decorated; other libraries keep their own place


class _SealedFile(IndexDataCacheFile):
    """Code on the disk with its SHA-256 behind it, which unpickling ignores: what is damaged is compiled anew."""

    def _dump(self, obj: object) -> bytes:
        content: bytes = super()._dump(obj)
        return content + hashlib.sha256(content).digest()

    def _load_data(self, name: str) -> object:
        content = Path(self._data_path(name)).read_bytes()
        if hashlib.sha256(content[:-32]).digest() != content[-32:]:
            raise OSError(f"{name} is damaged")  # which numba takes for a file that was removed
        return super()._load_data(name)

    def _load_index(self) -> dict[Any, str]:
        try:
            return dict(super()._load_index())
        except Exception:  # unpickling damage raises anything
            return {}


@cache
def folder_for_code() -> str:
    """Return a folder for the machine code of these very sources, the first that can be written; '' if none can.

    Numba looks at a function's own file only, so its code would outlive a change of what it calls.
    """
    digest = hashlib.sha256()
    for sources in ("robots", "control", "envs/locomotion"):
        for source in sorted((_ROOT / sources).glob("*.py")):
            digest.update(source.read_bytes())
    for place in _places():
        folder = place / f"compiled-{digest.hexdigest()[:12]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                _remove_outdated(folder)
                return str(folder)
        except OSError:
            continue
    return ""


def _places() -> Iterator[Path]:
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen).expanduser()
    yield _ROOT / "robots" / "__pycache__"
    with contextlib.suppress(RuntimeError):  # who has no home
        yield Path.home() / ".cache" / "empaw"


def _remove_outdated(folder: Path) -> None:
    """Remove the code of sources that are no more."""
    for other in folder.parent.glob("compiled-*"):
        if other != folder and time.time() - other.stat().st_mtime > _OUTDATED_S:
            shutil.rmtree(other, ignore_errors=True)
