"""Measure gaits: many walks with different seeds for each case, with and without a policy, on any number of cores."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from rich.console import Console
from rich.progress import track
from rich.table import Table

from envs.locomotion.cases import SUITE, Case, case
from envs.locomotion.walks import Walk, Walker, walks_fingerprint
from evaluation.gait.ledger import Ledger, Metrics, Row
from policies.intervals import wilson
from policies.locomotion.actor import Actor, load_policy
from robots.io import check_writable
from robots.options import JsonOption, ResumeOption, SeedOption, WorkersOption

CHUNK = 10
"""Walks per job: long enough to pay for the making of a world, short enough for the progress bar."""
DEFAULT_CELLS = ("trot:0.2", "trot:0.5", "trot:0.8", "walk:0.3", "pace:0.5", "bound:0.5", "pronk:0.3")
_SEED_OF_TEST_GROUND = 1_000_000  # far from any ground that was trained on
Place = tuple[int, str]  # index of a case, name of a policy


@dataclass(frozen=True)
class Evaluate(JsonOption, ResumeOption, WorkersOption, SeedOption):
    """Measure how gaits walk: tracking, falls, drift and effort over many walks.

    The figures do not depend on the number of workers. The file of --json is written after every case; one that is
    there already is kept as .old.json, or gone on with by --resume.
    """

    cells: tuple[str, ...] = DEFAULT_CELLS
    """What to measure, each gait:speed with the speed in m/s. The options below hold for each of them."""
    suite: tuple[str, ...] = ()
    """Instead of cells: parts of the README's table (tracking, directions, cadence, posture, changes, kicks, terrain,
    dynamics), or 'all'."""
    policy: tuple[str, ...] = ("none", "default")
    """'none' for the clocked gait alone (zero action), 'default' for the shipped policy, or folders of others."""
    episodes: int = 100
    """Walks for each case, each with a seed of its own; all policies walk the same ones."""
    seconds: float = 6.0
    """Length of a walk, s."""
    vy: float = 0.0
    """Commanded speed to the left, m/s."""
    yaw_rate: float = 0.0
    """Commanded turn rate, rad/s."""
    frequency: float | None = None
    """Cadence in Hz instead of the gait's own."""
    height: float | None = None
    """Height of the hips in m instead of the gait's own."""
    pitch: float = 0.0
    """Pitch of the trunk, rad, positive nose down."""
    to_gait: str | None = None
    """Gait to change to halfway."""
    terrain: str = "flat"
    """flat, rough (8 cm), slopes (15 degrees), stairs (10 cm), or stones (gaps of 10 cm)."""
    kick: float = 0.0
    """Velocity that a shove in a random direction adds after 2 s, m/s."""
    friction: float | None = None
    """Friction of the ground; from walk to walk between 0.7 and 1.1 if left out."""
    added_mass: float = 0.0
    """Load on the trunk, kg."""
    motor_strength: float = 1.0
    """Share of the motors' torque and gains."""
    latency_ms: float = 0.0
    """Delay between reading and motors, up to 20 ms."""
    plots: Path | None = None
    """Folder for plots: tracking, contact diagrams, survival."""

    def cases(self) -> list[Case]:
        """What is to be measured.

        Raises:
            ValueError: something unknown or out of range.
        """
        if self.suite:
            names = tuple(SUITE) if "all" in self.suite else self.suite
            if not set(names) <= set(SUITE):
                raise ValueError(f"unknown part of the suite in {self.suite}: choose of {', '.join(SUITE)}, or all")
            return [one for name in names for one in SUITE[name]]
        more = {one.name: getattr(self, one.name) for one in fields(Case) if one.name not in ("gait", "speed")}
        if len(set(self.cells)) < len(self.cells):
            raise ValueError(f"--cells {' '.join(self.cells)} names a cell twice; name each once")
        return [case(cell, **more) for cell in self.cells]


def evaluate(args: Evaluate) -> list[Row]:
    """Walk every case with every policy and save the figures.

    Raises:
        ValueError: something unknown or out of range, no walks asked for, or a policy that cannot be read.
    """
    cases = args.cases()
    _check(args)
    check_writable(args.json)
    if args.plots is not None:
        args.plots.mkdir(parents=True, exist_ok=True)  # complain here and not after the walks
    policies = {name: load_policy(name) for name in args.policy}  # complain here and not in a worker
    ledger = Ledger(args.json, _settings(args), cases)
    if args.resume:
        ledger.resume()
    else:
        ledger.begin()
    for name, policy in policies.items():
        ledger.enter(name, "" if policy is None else policy.fingerprint)
    places = [(index, name) for index in range(len(cases)) for name in policies]
    console = Console(stderr=True)
    missing = [(index, name) for index, name in places if (cases[index], name) not in ledger.rows]
    for (index, name), walks in _walk_all(args, cases, policies, missing, console):
        ledger.add(Row(name, cases[index], _metrics(walks, cases[index], np.random.default_rng(args.seed))))
    ledger.finish()
    rows = [ledger.rows[cases[index], name] for index, name in places]
    console.print(_table(rows))
    if args.plots is not None:
        from evaluation.gait.plots import draw_plots

        draw_plots(rows, policies, args.plots, args.seed)
    return rows


def _walk_all(
    args: Evaluate, cases: list[Case], policies: dict[str, Actor | None], places: list[Place], console: Console
) -> Iterator[tuple[Place, list[Walk]]]:
    """Give all walks of each place, as soon as the last of them is over."""
    jobs = [
        (index, name, range(start, min(start + CHUNK, args.episodes)))
        for index, name in places
        for start in range(0, args.episodes, CHUNK)
    ]
    work = Parallel(n_jobs=args.workers, return_as="generator")(
        delayed(_walks)(cases[index], policies[name], episodes, args, index) for index, name, episodes in jobs
    )
    walks: list[Walk] = []
    for (index, name, _), some in zip(jobs, track(work, "walking", len(jobs), console=console), strict=True):
        walks += some
        if len(walks) == args.episodes:
            yield (index, name), walks
            walks = []


def _settings(args: Evaluate) -> dict[str, Any]:
    """What must be the same for walks to be the same, as JSON gives it back."""
    apart = {"policy", "workers", "json", "resume", "plots", *(("cells",) if args.suite else ())}
    chosen = {name: value for name, value in asdict(args).items() if name not in apart}
    settings: dict[str, Any] = json.loads(json.dumps(chosen))
    return settings if args.json is None else settings | {"walks": walks_fingerprint()}


def _check(args: Evaluate) -> None:
    ranges = {"episodes": (1, 100_000), "seconds": (3.0, 600.0), "seed": (0, 2**31), "workers": (1, 64)}
    for name, (low, high) in ranges.items():
        value = getattr(args, name)
        if not low <= value <= high:
            raise ValueError(f"--{name} {value} came; allowed are {low} to {high}")
    if not args.policy:
        raise ValueError("no --policy came; give 'none', or folders of policies")


def _walks(one: Case, policy: Actor | None, episodes: range, args: Evaluate, index: int) -> list[Walk]:
    walker = Walker(one, policy, _SEED_OF_TEST_GROUND + episodes.start)
    try:
        return [walker.walk(args.seconds, _seed(args.seed, index, episode)) for episode in episodes]
    finally:
        walker.close()


def _seed(seed: int, index: int, episode: int) -> int:
    """A seed of its own for every walk, whichever process takes it."""
    return int(np.random.SeedSequence(seed, spawn_key=(index, episode)).generate_state(1)[0])


def _metrics(walks: list[Walk], one: Case, rng: np.random.Generator) -> Metrics:
    measured = [walk for walk in walks if not np.isnan(walk.rmse_instant)]
    drift = np.abs([walk.yaw_drift for walk in measured])
    fell = sum(walk.fell for walk in walks)
    low, high = _bootstrap(np.array([walk.rmse for walk in measured]), rng)
    falls_low, falls_high = wilson(fell, len(walks))
    return Metrics(
        len(walks),
        _mean(walk.rmse for walk in measured),
        low,
        high,
        _mean(walk.rmse_instant for walk in measured),
        _mean(walk.mean_speed for walk in measured),
        _mean(abs(walk.mean_speed - one.speed) for walk in measured),
        _mean(abs(walk.sideways) for walk in measured),
        round(fell / len(walks), 4),
        falls_low,
        falls_high,
        round(1 - fell / len(walks), 4),
        _mean(drift),
        round(float(drift.max()), 4) if measured else None,
        _mean(abs(walk.height_error) for walk in measured),
        _mean(abs(walk.pitch_error) for walk in measured),
        _mean(walk.cost_of_transport for walk in measured),
        _mean(walk.contact_match for walk in measured),
        _mean(walk.progress for walk in measured),
    )


def _mean(values: Iterable[float]) -> float | None:
    known = [value for value in values if not np.isnan(value)]
    return round(float(np.mean(known)), 4) if known else None


def _bootstrap(values: np.ndarray, rng: np.random.Generator) -> tuple[float | None, float | None]:
    """95 % interval of the mean; none when no walk could be measured."""
    if not len(values):
        return None, None
    low, high = np.percentile(rng.choice(values, (2000, len(values))).mean(axis=1), (2.5, 97.5))
    return round(float(low), 4), round(float(high), 4)


def _table(rows: list[Row]) -> Table:
    table = Table("case", "policy", "walks", "rmse [95 %]", "instant", "falls %", "drift", "effort", "schedule")
    for row in rows:
        metrics = row.metrics
        table.add_row(
            row.case.title,
            row.policy,
            str(metrics.episodes),
            f"{_show(metrics.rmse)} [{_show(metrics.rmse_low)}, {_show(metrics.rmse_high)}]",
            _show(metrics.rmse_instant),
            f"{100 * metrics.falls:.0f} (<= {100 * metrics.falls_high:.0f})",
            _show(metrics.yaw_drift),
            _show(metrics.cost_of_transport),
            _show(metrics.contact_match),
        )
    return table


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
