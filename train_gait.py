"""Empaw's gaits: `train_gait.py evaluate` measures how they walk."""

from __future__ import annotations

import sys

import tyro

from policies.gait.evaluate import Evaluate, Row, evaluate


def main(args: Evaluate) -> list[Row]:
    """Measure the gaits and return one row for each gait and speed."""
    return evaluate(args)


def cli() -> None:
    """Parse the command line and run."""
    args = tyro.extras.subcommand_cli_from_dict({"evaluate": Evaluate}, description=__doc__)
    try:
        main(args)
    except (ValueError, OSError) as problem:
        sys.exit(f"error: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    cli()
