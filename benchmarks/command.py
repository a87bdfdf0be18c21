"""Command line of the benchmarks, and the spread of repeated measurements."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import tyro

from cli.commands import guarded

T = TypeVar("T")


def run(main: Callable[[T], object], options: type[T], description: str | None) -> None:
    """Read the command line and run; end as all our programs do, where something cannot be had with status 2."""
    sys.exit(guarded(lambda: main(tyro.cli(options, description=description))))


def spread(values: list[float]) -> dict[str, float]:
    """Median, lowest and highest of repeated measurements."""
    spread = {"median": float(np.median(values)), "low": min(values), "high": max(values)}
    return {name: round(value, 3) for name, value in spread.items()}
