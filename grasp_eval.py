"""Empaw's grasping: measure it on single objects and in clutter, measure completion, show one trial."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import tyro

from apps.grasp_show import Show, show
from evaluation.completion.object_sets import Completing, evaluate_completion
from evaluation.grasping.evaluate import Single, evaluate_single
from evaluation.grasping.rounds import Clutter, evaluate_clutter

COMMANDS: dict[str, Callable[..., Any]] = {
    "single": Single,
    "clutter": Clutter,
    "completion": Completing,
    "show": Show,
}


def main(args: Clutter | Completing | Show | Single) -> dict[str, Any]:
    """Measure and save, or show one trial; returns the figures as JSON takes them."""
    try:
        if isinstance(args, Show):
            return show(args)
        if isinstance(args, Completing):
            return evaluate_completion(args)
        return evaluate_clutter(args) if isinstance(args, Clutter) else evaluate_single(args)
    except ModuleNotFoundError as problem:
        raise RuntimeError(f"this needs {problem.name}: pip install 'empaw[grasp]'") from problem


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
