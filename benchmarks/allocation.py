"""Allocation of a pilot's participants: error rate, power and gain of each rule, and the table of the Gittins index.

empaw bench allocation --json benchmarks/results/allocation.json
empaw bench allocation --table            writes evaluation/gittins.json anew by dynamic programming
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.command import run
from evaluation.allocation import AllocationRule, operating_characteristics
from evaluation.gittins import TABLE, make_table
from evaluation.statistics import cluster_bootstrap, wilson
from evaluation.terminal import print_table
from geometry.files import write_whole
from robots.io import check_writable, write_json
from robots.options import ParallelOptions
from robots.parallel import in_order

_TWO = ((0.5, 0.5), (0.5, 0.35), (0.5, 0.2), (0.5, 0.7), (0.5, 0.9))
_THREE = ((0.4, 0.4, 0.4), (0.4, 0.4, 0.8), (0.4, 0.6, 0.8), (0.4, 0.9, 1.0))
RULES = {
    "equal": AllocationRule("equal"),
    "gittins, floor 1/5": AllocationRule("gittins", floor=5),
    "gittins, floor 1/5, known ten later": AllocationRule("gittins", floor=5, batch=10),
    "gittins, floor 1/9": AllocationRule("gittins", floor=9),
    "gittins, floor 1/50": AllocationRule("gittins", floor=50),
    "thompson, floor 1/5": AllocationRule("thompson", floor=5),
    "thompson, floor 1/50": AllocationRule("thompson", floor=50),
}


@dataclass(frozen=True)
class Args(ParallelOptions):
    """Simulate pilots of two and three arms with exponential rewards."""

    participants: int = 100
    """In each trial."""
    runs: int = 10_000
    """Trials of each row: shares, gains and F tests."""
    tested: int = 1000
    """Of these, trials that get the randomisation test too."""
    draws: int = 99
    """Shuffles of each randomisation test."""
    level: float = 0.05
    """Of the tests."""
    table: bool = False
    """Make the table of the index, and nothing else."""


class Job(NamedTuple):
    """One row."""

    args: Args
    rule: str
    means: tuple[float, ...]
    seed: int


def row(job: Job) -> dict[str, Any]:
    """Simulate one rule at one truth."""
    args, rng = job.args, np.random.default_rng([job.args.seed, job.seed])
    prior = RULES[job.rule]
    # As published: the prior counts for two outcomes of the first arm's true mean, for every arm.
    rule = AllocationRule(prior.kind, "reward", 0.99, prior.floor, 2, job.means[0], prior.batch)
    found = operating_characteristics(rule, job.means, args.participants, rng, args.runs, args.tested, args.draws)
    rejected = int((found.randomisation_p <= args.level).sum())
    return {
        "rule": job.rule,
        "means": list(job.means),
        "null": len(set(job.means)) == 1,
        "randomisation": wilson(rejected, len(found.randomisation_p)).as_json(),
        "f_test": wilson(int((found.f_p <= args.level).sum()), args.runs).as_json(),
        "share_of_best": cluster_bootstrap(found.best_share, rng, draws=200).as_json(),
        "total": cluster_bootstrap(found.total, rng, draws=200).as_json(2),
        "bias": [round(float(one), 4) for one in found.bias],
    }


def main(args: Args) -> dict[str, Any]:
    """Simulate and print, or make the table."""
    args.check()
    if args.table:
        table = make_table()
        write_whole(TABLE, json.dumps(table, separators=(",", ":")) + "\n")
        return {"table": table}
    if not 1 <= args.runs <= 10**7:
        raise ValueError(f"--runs {args.runs} came; allowed are 1 to 10000000")
    check_writable(args.json)
    truths = (*_TWO, *_THREE)
    jobs = [Job(args, rule, means, i) for i, (means, rule) in enumerate((m, r) for m in truths for r in RULES)]
    rows = []
    for found in in_order(row, jobs, args.workers, args.engine):
        equal = next((one for one in rows if one["means"] == found["means"] and one["rule"] == "equal"), found)
        gain = found["total"]["mean"] / equal["total"]["mean"] - 1
        rows.append({**found, "gain": round(gain, 4)})
    result = {
        "participants": args.participants, "runs": args.runs, "tested": args.tested, "draws": args.draws,
        "level": args.level, "rows": rows,
    }  # fmt: skip
    _show(rows)
    if args.json is not None:
        write_json(result, args.json)
    return result


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table("true means", "rule", "rejected by randomisation", "by F", "on the best arm", "gain", "bias")
    for one in rows:
        test, share = one["randomisation"], one["share_of_best"]
        table.add_row(
            " ".join(f"{mean:g}" for mean in one["means"]) + (" (null)" if one["null"] else ""),
            one["rule"],
            f"{test['mean']:.3f} [{test['low']:.3f}, {test['high']:.3f}]",
            f"{one['f_test']['mean']:.3f}",
            f"{share['mean']:.3f}",
            f"{100 * one['gain']:+.1f} %",
            " ".join(f"{bias:+.3f}" for bias in one["bias"]),
        )
    print_table(Console(), table)


if __name__ == "__main__":
    run(main, Args, __doc__)
