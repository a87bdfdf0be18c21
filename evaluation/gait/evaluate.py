"""Measure gaits: many walks with different seeds for each case, with and without a policy, on any number of cores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from envs.locomotion.cases import SUITE, Case, Conditions, case
from envs.locomotion.env import Body
from envs.locomotion.walks import Walk, Walker, walks_fingerprint
from evaluation.gait.metrics import Metrics, Row
from evaluation.results import Key, ResultsStore
from evaluation.statistics import Interval, cluster_bootstrap, wilson
from evaluation.terminal import print_table
from policies.locomotion.actor import Actor, load_policy
from robots.io import check_writable, write_json
from robots.options import RunOptions, check_ranges
from robots.parallel import in_order

CHUNK = 10
"""Walks per job: long enough to pay for the making of a world, short enough for the progress bar."""
DEFAULT_CELLS = ("trot:0.2", "trot:0.5", "trot:0.8", "walk:0.3", "pace:0.5", "bound:0.5", "pronk:0.3")
_SEED_OF_TEST_GROUND = 1_000_000  # far from any ground that was trained on


@dataclass(frozen=True)
class Evaluate(RunOptions, Conditions):
    """Measure how gaits walk: tracking, falls, drift and effort over many walks.

    The metrics do not depend on the number of workers. Rows come into gait.jsonl in the folder of --out, from where
    --resume goes on, with more policies if wanted; --json is written at the end.
    """

    cells: tuple[str, ...] = DEFAULT_CELLS
    """Cells to measure, each gait:speed with the speed in m/s. The conditions hold for each of them."""
    suite: tuple[str, ...] = ()
    """Instead of cells: parts of the README's table (tracking, directions, cadence, posture, changes, kicks, terrain,
    dynamics), or 'all'."""
    policy: tuple[str, ...] = ("none", "default")
    """'none' for the clocked gait alone (zero action), 'default' for the shipped policy, or folders of others."""
    episodes: int = 100
    """Walks for each case, each with a seed of its own; all policies walk the same ones."""
    seconds: float = 6.0
    """Length of a walk, s."""
    body: Body = "dog"
    """Which body walks: the dog whose head is lumped into its trunk, or the companion with a neck and a mouth before
    it."""
    plots: Path | None = None
    """Folder for plots: tracking, contact diagrams, survival."""

    def cases(self) -> list[Case]:
        """Return what is to be measured.

        Raises:
            ValueError: something unknown or out of range.
        """
        if self.suite:
            names = tuple(SUITE) if "all" in self.suite else self.suite
            if not set(names) <= set(SUITE):
                raise ValueError(f"unknown part of the suite in {self.suite}: choose of {', '.join(SUITE)}, or all")
            return [one for name in names for one in SUITE[name]]
        more = {one.name: getattr(self, one.name) for one in fields(Conditions)}
        if not self.cells:
            raise ValueError("--cells came without one; name at least one gait:speed, as in trot:0.5")
        cases = [case(cell, **more) for cell in self.cells]
        if len(set(cases)) < len(cases):
            raise ValueError(f"--cells {' '.join(self.cells)} names a cell twice; name each once")
        return cases


def evaluate(args: Evaluate) -> list[Row]:
    """Walk every case with every policy and save their metrics.

    Raises:
        ValueError: something unknown or out of range, no walks asked for, or a policy that cannot be read.
    """
    cases = args.cases()
    _check(args)
    check_writable(args.json)
    if args.plots is not None:
        args.plots.mkdir(parents=True, exist_ok=True)  # complain here and not after the walks
    policies = {name: load_policy(name) for name in args.policy}  # complain here and not in a worker
    prints = {name: "" if policy is None else policy.fingerprint for name, policy in policies.items()}
    settings = _settings(args)
    store = None if args.out is None else ResultsStore(args.out / "gait.jsonl", settings, args.resume)
    work = {(name, prints[name], one.title): (one, index) for index, one in enumerate(cases) for name in policies}
    known = {} if store is None else {key: _read(store, key) for key in work if key in store.done}
    tasks = {key: [Task(*work[key], policies[key[0]], some, args) for some in _chunks(args)] for key in work}
    for key, walks in _walk_all(args, {key: some for key, some in tasks.items() if key not in known}):
        known[key] = Row(key[0], work[key][0], _metrics(walks, work[key][0], np.random.default_rng(args.seed)))
        if store is not None:
            store.add(key, known[key].flat())
    rows = [known[key] for key in work]
    write_json({"settings": settings, "policies": prints, "rows": [row.flat() for row in rows]}, args.json)
    print_table(Console(stderr=True), _table(rows))
    if args.plots is not None:
        from evaluation.gait.plots import draw_plots

        draw_plots(rows, policies, args.plots, args.seed)
    return rows


def _read(store: ResultsStore, key: Key) -> Row:
    try:
        return Row.read(store.done[key])
    except (KeyError, TypeError, ValueError) as problem:
        raise ValueError(f"{store.path} holds no gaits of today's kind ({problem!r}): give another --out") from None


class Task(NamedTuple):
    """Some of the walks of a case with a policy; `number`, of the case, and the episodes decide their seeds."""

    case: Case
    number: int
    policy: Actor | None
    episodes: range
    args: Evaluate


def _chunks(args: Evaluate) -> list[range]:
    return [range(start, min(start + CHUNK, args.episodes)) for start in range(0, args.episodes, CHUNK)]


def _walk_all(args: Evaluate, tasks: dict[Key, list[Task]]) -> Iterator[tuple[Key, list[Walk]]]:
    """Give all walks of each case and policy, as soon as the last of them is over."""
    every = list(chain.from_iterable(tasks.values()))
    done = in_order(_walks, every, args.workers, args.engine)
    shown = iter(track(done, "walking", len(every), console=Console(stderr=True)))
    for key, mine in tasks.items():
        yield key, list(chain.from_iterable(islice(shown, len(mine))))


def _settings(args: Evaluate) -> dict[str, Any]:
    """Return what must be the same for walks to be the same, as JSON gives it back."""
    chosen = args.settings("policy", "plots", *(("cells",) if args.suite else ()))
    return chosen if args.json is None and args.out is None else chosen | {"walks_fingerprint": walks_fingerprint()}


def _check(args: Evaluate) -> None:
    args.check()
    check_ranges(args, episodes=(1, 100_000), seconds=(3.0, 600.0))
    if not args.policy:
        raise ValueError("no --policy came; give 'none', or folders of policies")


def _walks(task: Task) -> list[Walk]:
    args, walker = (
        task.args,
        Walker(task.case, task.policy, _SEED_OF_TEST_GROUND + task.episodes.start, body=task.args.body),
    )
    try:
        return [walker.walk(args.seconds, _seed(args.seed, task.number, episode)) for episode in task.episodes]
    finally:
        walker.close()


def _seed(seed: int, index: int, episode: int) -> int:
    """Return a seed of its own for every walk, whichever process takes it."""
    return int(np.random.SeedSequence(seed, spawn_key=(index, episode)).generate_state(1)[0])


def _metrics(walks: list[Walk], one: Case, rng: np.random.Generator) -> Metrics:
    measured = [walk for walk in walks if not np.isnan(walk.rmse_instant)]
    drift = np.abs([walk.yaw_drift for walk in measured])
    fell = sum(walk.fell for walk in walks)
    return Metrics(
        len(walks),
        _rounded(cluster_bootstrap([walk.rmse for walk in measured], rng, expand=False)) if measured else None,
        _mean(walk.rmse_instant for walk in measured),
        _mean(walk.mean_speed for walk in measured),
        _mean(abs(walk.mean_speed - one.speed) for walk in measured),
        _mean(abs(walk.sideways) for walk in measured),
        _rounded(wilson(fell, len(walks))),
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


def _rounded(interval: Interval) -> Interval:
    return Interval(**interval.as_json())


def _table(rows: list[Row]) -> Table:
    table = Table("case", "policy", "walks", "rmse [95 %]", "instant", "falls %", "drift", "effort", "schedule")
    for row in rows:
        metrics = row.metrics
        table.add_row(
            row.case.title,
            row.policy,
            str(metrics.episodes),
            _show(metrics.rmse),
            _show(metrics.rmse_instant),
            f"{100 * metrics.falls.mean:.0f} (<= {100 * metrics.falls.high:.0f})",
            _show(metrics.yaw_drift),
            _show(metrics.cost_of_transport),
            _show(metrics.contact_match),
        )
    return table


def _show(value: Interval | float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
