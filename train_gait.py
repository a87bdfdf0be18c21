"""Gaits, under a name of their own: see `empaw train gait` and its like."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cli.commands import Group, program
from cli.table import EVALUATE, EXPORT, RECORD, TRAIN

GAIT = Group(
    "Empaw's gaits: train them, calibrate their speed, evaluate how they walk, record a film of one, export a policy.",
    {
        "train": TRAIN.commands["gait"],
        "calibrate": TRAIN.commands["gait-calibration"],
        "evaluate": EVALUATE.commands["gait"],
        "record": RECORD.commands["gait"],
        "export": EXPORT.commands["gait"],
    },
    "  {prog} train --recipe quick --out runs/quick\n  {prog} evaluate --cells trot:0.5 --episodes 2",
)


def cli(given: Sequence[str] | None = None) -> int:
    """Run a command line as a program; returns the exit status."""
    return program(GAIT, "train_gait.py", given)


if __name__ == "__main__":
    sys.exit(cli())
