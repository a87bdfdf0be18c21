"""Every way to learn from "which two of three are most alike?", side by side; writes `similarity.json`.

    empaw bench similarity --out runs/similarity --json benchmarks/results/similarity.json

Each row is a method on a task after so many answers of a scripted teacher, some of them wrong: the error of a probe for
the true features (fpe), the accuracy of a reward that is learnt from 20 preferences of people who were not there in
training (tpa20), and R2, with 95 % intervals over seeds that no setting was chosen on. A run that was stopped goes on
with --resume.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.command import run
from evaluation.results import ResultsStore
from evaluation.similarity import comparison_report as report
from evaluation.similarity.comparison import open_store, plan, run_jobs
from evaluation.similarity.comparison_methods import configs_hash
from evaluation.similarity.metrics import LEAST_PEOPLE
from robots.io import check_writable, write_json
from robots.options import RunOptions

MOST_SEEDS = 900
"""Beyond these lie the seeds that settings were chosen on."""
DEFAULT_OUT = Path("runs/similarity")


@dataclass(frozen=True)
class Args(RunOptions):
    """Compare representations learnt from answers; --seed is the first of the seeds."""

    seeds: int = 10
    """How many seeds; each has its own split, teacher, people and first weights."""
    people: int = LEAST_PEOPLE
    """Test persons for each seed, none of them there in training."""
    tasks: tuple[str, ...] = ()
    """Only these of grid-2, grid-4, arm and style."""
    closed_loop: bool = True
    """Also ask simulated owners what they like, by ours and by later works, and measure what they are shown."""

    def check(self) -> None:
        """Refuse what would fail only after long work.

        Raises:
            ValueError: an option out of its range.
        """
        super().check()
        if not 1 <= self.seeds <= MOST_SEEDS or self.seed + self.seeds > MOST_SEEDS:
            raise ValueError(
                f"--seed {self.seed} and --seeds {self.seeds} came; allowed are 1 to {MOST_SEEDS} in all: settings "
                "were chosen on the seeds from 1000 on"
            )
        if self.people < LEAST_PEOPLE:
            raise ValueError(f"--people {self.people} came; a figure needs at least {LEAST_PEOPLE}")


def main(args: Args) -> dict[str, Any]:
    """Run what is missing, and return the tables.

    Raises:
        ValueError: an option out of its range, or rows in --out that are of another run.
        OSError: rows or results cannot be written.
        RuntimeError: Ray is asked for and not there, or a worker died.
    """
    args.check()
    check_writable(args.json)
    jobs = plan(args.seeds, args.seed, args.tasks)
    settings = {"people": args.people, "configs": configs_hash()}
    store = open_store(args.out or DEFAULT_OUT, settings, args.resume)
    _work(args, jobs, store)
    rows = {job: store.done[job.key] for job in jobs}
    result: dict[str, Any] = {
        "rows": report.table(rows),
        "closed_loop": _loop("closed_loop", args),
        "rivals": _loop("rivals", args),
        "active": report.active(rows),
        "feature_spaces": report.feature_spaces(rows),
        "foretold": report.foretold(rows),
        "targets": report.targets(rows),
        "settings": {"seeds": args.seeds, "first_seed": args.seed, "people": args.people, "teachers": "scripted"},
    }
    _print(result)
    if args.json:
        write_json(result, args.json)
    return result


def _work(args: Args, jobs: list[Any], store: Any) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    missing = sum(job.key not in store.done for job in jobs)
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("fits", total=len(jobs), completed=len(jobs) - missing)
        for job, _ in run_jobs(jobs, store, args.people, args.workers, args.engine):
            progress.update(bar, advance=1, description=f"{job.task} {job.method}")


def _loop(name: str, args: Args) -> list[dict[str, Any]]:
    """Rows of `evaluation.similarity.closed_loop` or `.rivals`, done once for each seed."""
    if not args.closed_loop or (args.tasks and "style" not in args.tasks):
        return []
    loop = importlib.import_module("evaluation.similarity.closed_loop")
    defaults = loop.ClosedLoopOptions(seed=args.seed, workers=args.workers, engine=args.engine)
    module = importlib.import_module(f"evaluation.similarity.{name}")
    options = replace(defaults, answers=tuple(module.ANSWERS)) if name == "rivals" else defaults
    store = ResultsStore((args.out or DEFAULT_OUT) / f"{name}.jsonl", options.settings(), args.resume)
    if (name,) not in store.done:
        store.add((name,), module.run(options))
    rows: list[dict[str, Any]] = store.done[(name,)]
    return rows


def _print(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("task", "method", "answers", "wrong", "seeds", "fpe", "tpa20", "r2", "s/fit")
    for row in result["rows"]:
        figures = [f"{row[k]['mean']:.4f} [{row[k]['low']:.4f}, {row[k]['high']:.4f}]" for k in ("fpe", "tpa20", "r2")]
        cells = (row["task"], row["method"], row["answers"], row["wrong_share"], row["seeds"], *figures)
        table.add_row(*map(str, cells), f"{row['seconds_per_fit']:.2f}")
    console = Console(stderr=True, width=180)
    console.print(table)
    for target in result["targets"]:
        reached = target["reached"]
        name = target.get("target") or "{task}, {answers} answers, {wrong_share:.0%} wrong: {figure}".format(**target)
        found = f"{reached['mean']:.4f} [{reached['low']:.4f}, {reached['high']:.4f}]"
        console.print(f"{'met   ' if target['met'] else 'MISSED'} {name}: {found}, aimed at {target['limit']}")


if __name__ == "__main__":
    run(main, Args, __doc__)
