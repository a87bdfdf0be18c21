"""Empaw's gaits: train them, calibrate their speed, evaluate how they walk, record a film of one, export a policy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tyro

from apps.gait_film import Record, record
from evaluation.gait.evaluate import Evaluate, evaluate
from evaluation.gait.ledger import Row
from learning.gait.calibrate import Calibrate, calibrate
from learning.gait.export import Export, export
from learning.gait.train_config import Train

COMMANDS: dict[str, Callable[..., Any]] = {
    "train": Train,
    "calibrate": Calibrate,
    "evaluate": Evaluate,
    "record": Record,
    "export": Export,
}


def main(args: Calibrate | Evaluate | Export | Record | Train) -> list[Row] | Path:
    """Measure the gaits (a row for each case and policy), or train, calibrate, film or export a policy (its place)."""
    if isinstance(args, Evaluate):
        return evaluate(args)
    if isinstance(args, Record):
        return record(args)
    if isinstance(args, Calibrate):
        return calibrate(args)
    try:
        if isinstance(args, Export):
            return export(args)
        from learning.gait.train import train

        return train(args)
    except ModuleNotFoundError as problem:
        raise RuntimeError(f"this needs {problem.name}: pip install 'empaw[train]'") from problem


def cli() -> None:
    """Parse the command line and run."""
    args = tyro.extras.subcommand_cli_from_dict(COMMANDS, description=__doc__)
    try:
        main(args)
    except (ValueError, OSError, RuntimeError) as problem:
        sys.exit(f"error: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    cli()
