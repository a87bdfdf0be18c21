"""Measure gaits: many walks with different seeds for each gait and speed, on any number of cores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from rich.console import Console
from rich.progress import track
from rich.table import Table

from envs.locomotion.commands import Order
from policies.gait.actor import Actor
from policies.gait.rollout import Kick, Walk, Walker
from policies.intervals import wilson
from robots.gait import FREQUENCY_RANGE_HZ, SPEED_RANGE_M_S, VelocityCommand, gait_style
from robots.results import check_writable, write_json

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
    """Measure how gaits walk: tracking, falls, drift and effort over many walks on flat ground."""

    cells: tuple[str, ...] = DEFAULT_CELLS
    """What to measure, each gait:speed with the speed in m/s."""
    policy: str = "none"
    """'none' for the clocked gait alone (zero action), or the folder of a trained policy."""
    episodes: int = 100
    """Walks for each cell, each with a seed of its own."""
    seconds: float = 6.0
    """Length of a walk, s."""
    vy: float = 0.0
    """Commanded speed to the left, m/s."""
    yaw_rate: float = 0.0
    """Commanded turn rate, rad/s."""
    frequency: float | None = None
    """Cadence in Hz instead of the gait's own."""
    kick: float = 0.0
    """Velocity that a shove in a random direction adds after 2 s, m/s."""
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
    `yaw_drift` is the mean of the absolute turn rate beside the command, rad/s; `falls` the share of walks that ended
    in one. What could not be measured, because every walk fell early, is None.
    """

    policy: str
    gait: str
    speed: float
    vy: float
    yaw_rate: float
    frequency: float
    terrain: str
    kick: float
    episodes: int
    rmse: float | None
    rmse_low: float | None
    rmse_high: float | None
    rmse_stride: float | None
    mean_speed: float | None
    sideways: float | None
    falls: float
    falls_high: float
    survival: float
    yaw_drift: float | None
    yaw_drift_max: float | None
    cost_of_transport: float | None
    contact_match: float | None


def evaluate(args: Evaluate) -> list[Row]:
    """Walk every cell and save the figures.

    Raises:
        ValueError: unknown gait, a speed or cadence out of range, no walks asked for, or a policy that cannot be read.
    """
    orders = [_order(cell, args) for cell in args.cells]
    _check(args)
    check_writable(args.json)
    if args.policy != "none":
        Actor.load(Path(args.policy))  # complain here and not in a worker
    jobs = [
        (cell, range(start, min(start + CHUNK, args.episodes)))
        for cell in range(len(orders))
        for start in range(0, args.episodes, CHUNK)
    ]
    console = Console(stderr=True)
    work = Parallel(n_jobs=args.workers, return_as="generator")(
        delayed(_walks)(orders[cell], episodes, args, cell) for cell, episodes in jobs
    )
    results: dict[int, list[Walk]] = {cell: [] for cell in range(len(orders))}
    for (cell, _), walks in zip(jobs, track(work, "walking", len(jobs), console=console), strict=True):
        results[cell] += walks
    rng = np.random.default_rng(args.seed)
    rows = [_row(orders[cell], args, walks, rng) for cell, walks in results.items()]
    console.print(_table(rows))
    if args.json is not None:
        write_json({"rows": [asdict(row) for row in rows]}, args.json)
    return rows


def _order(cell: str, args: Evaluate) -> Order:
    gait, _, speed_text = cell.partition(":")
    style = gait_style(gait)
    low, high = SPEED_RANGE_M_S
    try:
        speed = float(speed_text)
    except ValueError:
        raise ValueError(f"cell {cell!r} is not gait:speed, as in trot:0.5") from None
    if not low <= speed <= high:
        raise ValueError(f"cell {cell!r}: speeds go from {low} to {high} m/s")
    if args.frequency is not None:
        style = replace(style, frequency_hz=args.frequency)
    return Order(VelocityCommand(speed, args.vy, args.yaw_rate), style)


def _check(args: Evaluate) -> None:
    allowed = {
        "episodes": (1, 100_000),
        "seconds": (3.0, 600.0),
        "vy": (-0.5, 0.5),
        "yaw_rate": (-1.5, 1.5),
        "kick": (0.0, 5.0),
        "seed": (0, 2**31),
        "frequency": FREQUENCY_RANGE_HZ,
    }
    for name, (low, high) in allowed.items():
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise ValueError(f"--{name.replace('_', '-')} {value} came; allowed are {low} to {high}")


def _walks(order: Order, episodes: range, args: Evaluate, cell: int) -> list[Walk]:
    walker = Walker(None if args.policy == "none" else Actor.load(Path(args.policy)))
    kick = Kick(args.kick) if args.kick else None
    try:
        return [walker.walk(order, args.seconds, _seed(args.seed, cell, episode), kick) for episode in episodes]
    finally:
        walker.close()


def _seed(seed: int, cell: int, episode: int) -> int:
    """A seed of its own for every walk, whichever process takes it."""
    return int(np.random.SeedSequence(seed, spawn_key=(cell, episode)).generate_state(1)[0])


def _row(order: Order, args: Evaluate, walks: list[Walk], rng: np.random.Generator) -> Row:
    measured = [walk for walk in walks if not np.isnan(walk.rmse)]
    drift = np.abs([walk.yaw_drift for walk in measured])
    fell = sum(walk.fell for walk in walks)
    low, high = _bootstrap(np.array([walk.rmse for walk in measured]), rng)
    return Row(
        args.policy,
        order.style.name,
        order.command.vx,
        order.command.vy,
        order.command.wz,
        order.style.frequency_hz,
        "flat",
        args.kick,
        len(walks),
        _mean(walk.rmse for walk in measured),
        low,
        high,
        _mean(walk.rmse_stride for walk in measured),
        _mean(walk.mean_speed for walk in measured),
        _mean(walk.sideways for walk in measured),
        round(fell / len(walks), 4),
        wilson(fell, len(walks))[1],
        round(1 - fell / len(walks), 4),
        _mean(drift),
        round(float(drift.max()), 4) if measured else None,
        _mean(walk.cost_of_transport for walk in measured if not np.isnan(walk.cost_of_transport)),
        _mean(walk.contact_match for walk in measured),
    )


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return round(float(np.mean(known)), 4) if known else None


def _bootstrap(values: np.ndarray, rng: np.random.Generator) -> tuple[float | None, float | None]:
    """95 % interval of the mean; none when no walk could be measured."""
    if not len(values):
        return None, None
    low, high = np.percentile(rng.choice(values, (2000, len(values))).mean(axis=1), (2.5, 97.5))
    return round(float(low), 4), round(float(high), 4)


def _table(rows: list[Row]) -> Table:
    table = Table("gait", "m/s", "walks", "rmse [95 %]", "stride", "falls %", "drift", "effort", "schedule")
    for row in rows:
        table.add_row(
            row.gait,
            f"{row.speed:.1f}",
            str(row.episodes),
            f"{_show(row.rmse)} [{_show(row.rmse_low)}, {_show(row.rmse_high)}]",
            _show(row.rmse_stride),
            f"{100 * row.falls:.0f} (<= {100 * row.falls_high:.0f})",
            _show(row.yaw_drift),
            _show(row.cost_of_transport),
            _show(row.contact_match),
        )
    return table


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
