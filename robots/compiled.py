"""Machine code for what runs at every control step and is too small for numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """Compile a function of numbers and arrays with numba; the machine code is kept beside the source.

    What is kept is renewed when the function's own file changes, and only then: a compiled function may call those of
    its own file, but none of another.
    """
    try:
        return cast(_Function, numba.njit(cache=True)(function))
    except RuntimeError:  # nowhere to keep it: neither the source's folder nor the user's cache can be written
        return cast(_Function, numba.njit(function))
