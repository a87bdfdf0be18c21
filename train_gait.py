"""Empaw's gaits: `train_gait.py train` teaches them, `train_gait.py evaluate` measures how they walk."""

from __future__ import annotations

import sys
from pathlib import Path

import tyro

from policies.gait.evaluate import Evaluate, Row, evaluate
from policies.gait.train_config import Train


def main(args: Evaluate | Train) -> list[Row] | Path:
    """Measure the gaits (one row for each gait and speed), or train a policy (its folder)."""
    if isinstance(args, Evaluate):
        return evaluate(args)
    try:
        from policies.gait.train import train
    except ModuleNotFoundError as problem:
        raise RuntimeError(f"training needs {problem.name}: pip install 'empaw[train]'") from problem
    return train(args)


def cli() -> None:
    """Parse the command line and run."""
    args = tyro.extras.subcommand_cli_from_dict({"train": Train, "evaluate": Evaluate}, description=__doc__)
    try:
        main(args)
    except (ValueError, OSError, RuntimeError) as problem:
        sys.exit(f"error: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    cli()
