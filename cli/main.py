"""`empaw`: everything under one command, `empaw {sim, study, train, evaluate, bench} THING`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from cli.commands import Command, Door, Group, guarded, run
from cli.study import study

SUMMARY = "Empaw: robots that live with people. Simulate them, train them, measure them, and ask people what they like."

TRAIN = Group(
    "Train a network or a policy.",
    {
        "gait": Command(
            "learning.gait.train_config:Train",
            "train_gait:main",
            "what the legs add to the clocked gait, by PPO",
            "empaw train gait --out runs/gait",
            "train",
        ),
        "similarity": Command(
            "learning.similarity.train:TrainSimilarity",
            "learning.similarity.train:train",
            "a representation from answers about which two of three are most alike",
            "empaw train similarity --task grid-2 --out runs/likeness",
            "train",
        ),
    },
    "  empaw train gait --help",
)

EVALUATE = Group(
    "Measure against baselines, with intervals.",
    {
        "gait": Command(
            "evaluation.gait.evaluate:Evaluate",
            "train_gait:main",
            "how straight, fast and steadily it walks",
            "empaw evaluate gait --cells trot:0.5 --episodes 2",
            "train",
        ),
        "grasp": Group(
            "Measure grasping: single objects, clutter, or the completion of their shape.",
            {
                "single": Command(
                    "evaluation.grasping.evaluate:Single", "grasp_eval:main", "one object at a time", extra="grasp"
                ),
                "clutter": Command(
                    "evaluation.grasping.rounds:Clutter", "grasp_eval:main", "clear a heap", extra="grasp"
                ),
                "completion": Command(
                    "evaluation.completion.object_sets:Completing",
                    "grasp_eval:main",
                    "how well shapes are completed",
                    extra="grasp",
                ),
            },
            "  empaw evaluate grasp single --help",
        ),
        "similarity": Command(
            "benchmarks.similarity:Args",
            "benchmarks.similarity:main",
            "every representation on every task, beside its baselines (bench similarity)",
            "empaw evaluate similarity --tasks grid-2 --seeds 2 --out runs/similarity",
            "train",
        ),
        "embedding": Command(
            "evaluation.similarity.evaluate:Evaluate",
            "evaluation.similarity.evaluate:evaluate",
            "what a saved representation tells of the true features",
            "empaw evaluate embedding --representation runs/likeness",
            "train",
        ),
        "taste": Command(
            "evaluation.similarity.closed_loop_run:Run",
            "evaluation.similarity.closed_loop_run:main",
            "how far answers bring the dog to what its owner likes best",
            "empaw evaluate taste --owners 4 --answers 0 10",
            "train",
        ),
    },
    "  empaw evaluate gait --help",
)

BENCH = Group(
    "Measure speed and cost, or a whole table of comparisons; needs a checkout of the source.",
    {
        "similarity": Command(
            "benchmarks.similarity:Args",
            "benchmarks.similarity:main",
            "all methods on all tasks: the comparison table",
            "empaw bench similarity --tasks grid-2 --seeds 2 --out runs/similarity",
            "train",
        ),
        "study-server": Command(
            "benchmarks.study_server:Args",
            "benchmarks.study_server:main",
            "delays under load, and what is left after kill -9",
            "empaw bench study-server --kills 5",
        ),
        "study-power": Command(
            "benchmarks.study_power:Args",
            "benchmarks.study_power:main",
            "power and error rate of a study, foretold and found",
            "empaw bench study-power --help",
        ),
        "allocation": Command(
            "benchmarks.allocation:Args",
            "benchmarks.allocation:main",
            "what a pilot's rule of allocation costs and gains",
            "empaw bench allocation --runs 200",
        ),
    },
    "  empaw bench study-server --help",
)

EMPAW = Group(
    SUMMARY,
    {
        "sim": Door("sim_gui:cli", "open the simulation in the browser, or run it without one (sim run)"),
        "study": study("empaw study"),
        "train": TRAIN,
        "evaluate": EVALUATE,
        "bench": BENCH,
    },
    "  empaw sim\n  empaw study init studies/first --task grid-2\n  empaw evaluate gait --help",
)


def main(given: Sequence[str]) -> Any:
    """Run the command line `given` (without the program's name); what the command returns."""
    return run(EMPAW, "empaw", given)


def cli() -> None:
    """Parse the command line and run."""
    guarded(lambda: main(sys.argv[1:]))


if __name__ == "__main__":
    cli()
