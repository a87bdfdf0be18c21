"""The options that commands share, each in one place: a command's dataclass takes those that it needs as bases."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from robots.parallel import Engine

MOST_WORKERS = 1024
MOST_SEED = 2**31 - 1
Device = Literal["auto", "cpu", "cuda"]


def check_ranges(options: object, **allowed: tuple[float, float]) -> None:
    """Refuse options that are out of their ranges, ends included; not a number is in none.

    Raises:
        ValueError: naming the first that is, and what is allowed.
    """
    for name, (low, high) in allowed.items():
        if not low <= getattr(options, name) <= high:
            raise ValueError(f"--{name} {getattr(options, name)} came; allowed are {low} to {high}")


@dataclass(frozen=True, kw_only=True)
class SeedOption:
    """For what draws at random."""

    seed: int = 0
    """Seed of everything; the same seed gives the same result."""

    def check_seed(self) -> None:
        """Refuse a seed that some generator of numbers does not take.

        Raises:
            ValueError: it is out of range.
        """
        check_ranges(self, seed=(0, MOST_SEED))


@dataclass(frozen=True, kw_only=True)
class ThreadsOption:
    """For what works in one process."""

    threads: int = 1
    """Processor cores to use."""


@dataclass(frozen=True, kw_only=True)
class DeviceOption:
    """For what trains networks."""

    device: Device = "auto"
    """Where the network is trained; auto takes a GPU that is there."""


@dataclass(frozen=True, kw_only=True)
class WorkersOption:
    """For what is done by several processes of this machine."""

    workers: int = 2
    """Processes that work; each keeps to one thread."""

    def check_workers(self) -> None:
        """Refuse a number of processes that no machine is meant for.

        Raises:
            ValueError: it is out of range.
        """
        check_ranges(self, workers=(1, MOST_WORKERS))


@dataclass(frozen=True, kw_only=True)
class EngineOption(WorkersOption):
    """For what is done by several processes, wherever they live."""

    engine: Engine = "processes"
    """Where they live: on this machine, or on a Ray cluster (RAY_ADDRESS names it; without one it is started here)."""


@dataclass(frozen=True, kw_only=True)
class ResumeOption:
    """For what takes long and keeps what is done."""

    resume: bool = False
    """Go on with what was kept of the same run."""


@dataclass(frozen=True, kw_only=True)
class JsonOption:
    """For what finds figures."""

    json: str | None = None
    """Write the figures to this file; - is the standard output."""


@dataclass(frozen=True, kw_only=True)
class ParallelOptions(JsonOption, EngineOption, SeedOption):
    """For what finds figures by several processes, and keeps nothing on the way."""

    def check(self) -> None:
        """Refuse what would fail only after long work.

        Raises:
            ValueError: a number out of its range.
        """
        self.check_seed()
        self.check_workers()

    def as_json(self) -> dict[str, Any]:
        """The options as a config file keeps them."""
        return dict(json.loads(json.dumps(asdict(self), default=str)))

    def settings(self, *apart: str) -> dict[str, Any]:
        """Collect the options that decide the rows: not how and where a run is done, nor the options `apart`."""
        left_out = {"workers", "engine", "out", "resume", "json", *apart}
        return {name: value for name, value in self.as_json().items() if name not in left_out}


@dataclass(frozen=True, kw_only=True)
class RunOptions(ResumeOption, ParallelOptions):
    """For a comparison of many runs, which keeps its rows as they come."""

    out: Path | None = None
    """Folder of the run: its rows, as they come, and its report."""

    def check(self) -> None:
        """Refuse what would fail only after long work.

        Raises:
            ValueError: a number out of its range, or --resume without --out.
        """
        super().check()
        if self.resume and self.out is None:
            raise ValueError("--resume goes on with the rows in --out: give its folder")
