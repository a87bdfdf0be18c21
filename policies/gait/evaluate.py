"""Measure gaits: many walks with different seeds for each gait and speed, on any number of cores."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from rich.console import Console
from rich.progress import track
from rich.table import Table

from policies.gait.rollout import Walk, Walker
from robots.gait import SPEED_RANGE_M_S, VelocityCommand, gait_style

CHUNK = 10
"""Walks per job: long enough to pay for the making of a world, short enough for the progress bar."""
DEFAULT_CELLS = (
    "trot:0.2",
    "trot:0.5",
    "trot:0.8",
    "walk:0.2",
    "walk:0.3",
    "walk:0.5",
    "pace:0.5",
    "bound:0.5",
    "pronk:0.3",
)


@dataclass(frozen=True)
class Evaluate:
    """Measure the gaits that walk without learning: tracking, falls and drift over many walks."""

    cells: tuple[str, ...] = DEFAULT_CELLS
    """What to measure, each gait:speed with the speed in m/s."""
    episodes: int = 100
    """Walks for each cell, each with a seed of its own."""
    seconds: float = 6.0
    """Length of a walk, s."""
    seed: int = 0
    """First of the seeds."""
    workers: int = 2
    """Processes. The figures do not depend on it."""
    json: str | None = None
    """File for the figures; '-' for standard output."""


@dataclass(frozen=True)
class Row:
    """One gait at one speed. Intervals are 95 %: over walks by bootstrap for `rmse`, Wilson's for `falls`.

    `rmse` in m/s is over every control step, `rmse_stride` after averaging over a stride (the trunk sways within one);
    `yaw_drift` is the mean of the absolute turn rate, rad/s; `falls` the share of walks that ended in one. What could
    not be measured, because every walk fell early, is None.
    """

    gait: str
    speed: float
    episodes: int
    rmse: float | None
    rmse_low: float | None
    rmse_high: float | None
    rmse_stride: float | None
    mean_speed: float | None
    falls: float
    falls_high: float
    yaw_drift: float | None
    yaw_drift_max: float | None


def evaluate(args: Evaluate) -> list[Row]:
    """Walk every cell and save the figures.

    Raises:
        ValueError: unknown gait, a speed out of range, or no walks asked for.
    """
    cells = [_parse(cell) for cell in args.cells]
    if args.episodes < 1 or args.seconds < 3:
        raise ValueError(f"--episodes {args.episodes} --seconds {args.seconds} came; allowed are >= 1 and >= 3 s")
    jobs = [
        (cell, range(start, min(start + CHUNK, args.episodes)))
        for cell in range(len(cells))
        for start in range(0, args.episodes, CHUNK)
    ]
    console = Console(stderr=True)
    work = Parallel(n_jobs=args.workers, return_as="generator")(
        delayed(_walks)(*cells[cell], episodes, args.seconds, args.seed, cell) for cell, episodes in jobs
    )
    results: dict[int, list[Walk]] = {cell: [] for cell in range(len(cells))}
    for (cell, _), walks in zip(jobs, track(work, "walking", len(jobs), console=console), strict=True):
        results[cell] += walks
    rows = [_row(*cells[cell], walks, np.random.default_rng(args.seed)) for cell, walks in results.items()]
    console.print(_table(rows))
    if args.json is not None:
        _save(rows, args.json)
    return rows


def _parse(cell: str) -> tuple[str, float]:
    gait, _, speed_text = cell.partition(":")
    gait_style(gait)
    low, high = SPEED_RANGE_M_S
    try:
        speed = float(speed_text)
    except ValueError:
        raise ValueError(f"cell {cell!r} is not gait:speed, as in trot:0.5") from None
    if not low <= speed <= high:
        raise ValueError(f"cell {cell!r}: speeds go from {low} to {high} m/s")
    return gait, speed


def _walks(gait: str, speed: float, episodes: range, seconds: float, seed: int, cell: int) -> list[Walk]:
    walker = Walker()
    try:
        return [
            walker.walk(gait_style(gait), VelocityCommand(speed), seconds, _rng(seed, cell, episode))
            for episode in episodes
        ]
    finally:
        walker.close()


def _rng(seed: int, cell: int, episode: int) -> np.random.Generator:
    """A stream of its own for every walk, whichever process takes it."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(cell, episode)))


def _row(gait: str, speed: float, walks: list[Walk], rng: np.random.Generator) -> Row:
    measured = [walk for walk in walks if not np.isnan(walk.rmse)]
    rmse = np.array([walk.rmse for walk in measured])
    drift = np.abs([walk.yaw_drift for walk in measured])
    fell = sum(walk.fell for walk in walks)
    low, high = _bootstrap(rmse, rng)
    return Row(
        gait,
        speed,
        len(walks),
        _round(rmse.mean() if measured else None),
        low,
        high,
        _round(np.mean([walk.rmse_stride for walk in measured]) if measured else None),
        _round(np.mean([walk.mean_speed for walk in measured]) if measured else None),
        round(fell / len(walks), 4),
        round(_wilson_high(fell, len(walks)), 4),
        _round(drift.mean() if measured else None),
        _round(drift.max() if measured else None),
    )


def _round(value: float | np.floating | None) -> float | None:
    return None if value is None else round(float(value), 4)


def _bootstrap(values: np.ndarray, rng: np.random.Generator) -> tuple[float | None, float | None]:
    """95 % interval of the mean; none when no walk could be measured."""
    if not len(values):
        return None, None
    low, high = np.percentile(rng.choice(values, (2000, len(values))).mean(axis=1), (2.5, 97.5))
    return _round(low), _round(high)


def _wilson_high(hits: int, n: int, z: float = 1.96) -> float:
    share = hits / n
    middle = share + z * z / (2 * n)
    return (middle + z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))) / (1 + z * z / n)


def _table(rows: list[Row]) -> Table:
    table = Table("gait", "m/s", "walks", "rmse m/s [95 %]", "over a stride", "falls [up to]", "yaw drift rad/s [max]")
    for row in rows:
        table.add_row(
            row.gait,
            f"{row.speed:.1f}",
            str(row.episodes),
            f"{_show(row.rmse)} [{_show(row.rmse_low)}, {_show(row.rmse_high)}]",
            _show(row.rmse_stride),
            f"{100 * row.falls:.0f} % [{100 * row.falls_high:.0f} %]",
            f"{_show(row.yaw_drift)} [{_show(row.yaw_drift_max)}]",
        )
    return table


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _save(rows: list[Row], place: str) -> None:
    text = json.dumps({"policy": "none", "rows": [asdict(row) for row in rows]}, indent=1) + "\n"
    if place == "-":
        _ = sys.stdout.write(text)
    else:
        Path(place).write_text(text)
