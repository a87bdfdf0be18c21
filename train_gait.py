"""Empaw's gaits: `train_gait.py train` teaches them, `train_gait.py evaluate` measures how they walk."""

from __future__ import annotations

import sys
from pathlib import Path

import tyro

from policies.gait.evaluate import Evaluate, Row, evaluate
from policies.gait.train import Train, train


def main(args: Evaluate | Train) -> list[Row] | Path:
    """Measure the gaits (one row for each gait and speed), or train a policy (its folder)."""
    return train(args) if isinstance(args, Train) else evaluate(args)


def cli() -> None:
    """Parse the command line and run."""
    args = tyro.extras.subcommand_cli_from_dict({"train": Train, "evaluate": Evaluate}, description=__doc__)
    try:
        main(args)
    except (ValueError, OSError) as problem:
        sys.exit(f"error: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    cli()
