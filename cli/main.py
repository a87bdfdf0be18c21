"""`empaw`: everything under one command, `empaw {sim, study, train, evaluate, predict, ...} THING`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from cli.commands import Group, program, run
from cli.table import BENCH, ENROL, EVALUATE, EXPORT, PREDICT, RECORD, SIM, STUDY, TRAIN

EMPAW = Group(
    "Empaw: robots that live with people. Simulate them, train them, measure them, and ask people what they like.",
    {
        "sim": SIM,
        "study": STUDY,
        "train": TRAIN,
        "evaluate": EVALUATE,
        "predict": PREDICT,
        "enrol": ENROL,
        "record": RECORD,
        "export": EXPORT,
        "bench": BENCH,
    },
    "  {prog} sim\n  {prog} study init studies/first --task grid-2\n  {prog} evaluate gait --help",
)


def main(given: Sequence[str]) -> Any:
    """Run the command line `given` (without the program's name); what the command returns."""
    return run(EMPAW, "empaw", given)


def cli(given: Sequence[str] | None = None) -> int:
    """Run a command line as a program; returns the exit status."""
    return program(EMPAW, "empaw", given)


if __name__ == "__main__":
    sys.exit(cli())
