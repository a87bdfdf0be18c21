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
    `yaw_drift` is the mean of the absolute turn rate, rad/s; `falls` the share of walks that ended in one.
    """

    gait: str
    speed: float
    episodes: int
    rmse: float
    rmse_low: float
    rmse_high: float
    rmse_stride: float
    mean_speed: float
    falls: float
    falls_high: float
    yaw_drift: float
    yaw_drift_max: float


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
    rmse = np.array([walk.rmse for walk in walks if not np.isnan(walk.rmse)])
    drift = np.abs([walk.yaw_drift for walk in walks if not np.isnan(walk.yaw_drift)])
    fell = sum(walk.fell for walk in walks)
    low, high = _bootstrap(rmse, rng)
    return Row(
        gait,
        speed,
        len(walks),
        _round(rmse.mean()),
        _round(low),
        _round(high),
        _round(np.nanmean([walk.rmse_stride for walk in walks])),
        _round(np.nanmean([walk.mean_speed for walk in walks])),
        _round(fell / len(walks)),
        _round(_wilson_high(fell, len(walks))),
        _round(np.mean(drift)),
        _round(np.max(drift, initial=0.0)),
    )


def _round(value: float | np.floating) -> float:
    return round(float(value), 4)


def _bootstrap(values: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    means = rng.choice(values, (2000, len(values))).mean(axis=1) if len(values) else np.array([np.nan])
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


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
            f"{row.rmse:.3f} [{row.rmse_low:.3f}, {row.rmse_high:.3f}]",
            f"{row.rmse_stride:.3f}",
            f"{100 * row.falls:.0f} % [{100 * row.falls_high:.0f} %]",
            f"{row.yaw_drift:.3f} [{row.yaw_drift_max:.3f}]",
        )
    return table


def _save(rows: list[Row], place: str) -> None:
    text = json.dumps({"policy": "none", "rows": [asdict(row) for row in rows]}, indent=1) + "\n"
    if place == "-":
        _ = sys.stdout.write(text)
    else:
        Path(place).write_text(text)
