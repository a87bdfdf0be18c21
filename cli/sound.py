"""`python -m perception.sound evaluate`; it explains itself with --help."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from evaluation.sound import evaluate
from evaluation.sound.evaluate import EvaluateConfig
from perception.command import one_line


def cli(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run it, and turn errors of settings, recordings and disks into one line and status 2."""
    try:
        app = tyro.extras.SubcommandApp()
        app.command(name="evaluate")(_evaluate)
        status: int = app.cli(
            prog="python -m perception.sound",
            description="Direction of sound from four microphones: evaluate it in simulated rooms.",
            args=arguments,
        )
        return status
    except (OSError, ValueError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2


def _evaluate(config: Annotated[EvaluateConfig, tyro.conf.arg(name="")]) -> int:
    return evaluate.report(evaluate.main(config))


if __name__ == "__main__":
    raise SystemExit(cli())
