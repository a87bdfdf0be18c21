"""How a benchmark is run: its options are its dataclass, and what goes wrong is one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import tyro

T = TypeVar("T")


def run(main: Callable[[T], object], options: type[T], description: str | None) -> None:
    """Read the command line and run; end with "error: ..." and status 1 where something cannot be had."""
    try:
        main(tyro.cli(options, description=description))
    except (ValueError, OSError, RuntimeError) as problem:
        sys.exit(f"error: {problem}")
