"""The options that every command shares: one frozen dataclass is the command line and the saved config."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

MOST_WORKERS = 1024


@dataclass(frozen=True)
class RunOptions:
    """What a run is told about itself rather than about its subject."""

    seed: int = 0
    """Seed of everything; the same seed gives the same figures, whatever the number of workers."""
    workers: int = 2
    """Processes that work; each keeps to one thread."""
    engine: Literal["joblib", "ray"] = "joblib"
    """Where they live: on this machine, or on a Ray cluster (RAY_ADDRESS names it; without one it is started here)."""
    out: Path | None = None
    """Folder of the run: its rows, as they come, and its report."""
    resume: bool = False
    """Go on with what --out holds already."""
    json: str | None = None
    """Write the figures to this file; - is the standard output."""

    def check(self) -> None:
        """Refuse what would fail only after long work.

        Raises:
            ValueError: a number out of its range, or --resume without --out.
        """
        for name, (low, high) in {"seed": (0, 2**31 - 1), "workers": (1, MOST_WORKERS)}.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"--{name} {getattr(self, name)} came; allowed are {low} to {high}")
        if self.resume and self.out is None:
            raise ValueError("--resume goes on with the rows in --out: give its folder")

    def as_json(self) -> dict[str, Any]:
        """The options as a config file keeps them."""
        told: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return told
