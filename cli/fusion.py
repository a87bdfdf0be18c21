"""`python -m perception.fusion evaluate`; it explains itself with --help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro

from evaluation.fusion import evaluate
from evaluation.fusion.evaluate import EvaluateConfig
from perception.command import exit_status


def cli(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run it, and turn errors of settings, data and disks into one line and status 2."""
    return exit_status(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    app = tyro.extras.SubcommandApp()
    app.command(name="evaluate")(_evaluate)
    status: int = app.cli(
        prog="python -m perception.fusion",
        description="Voice and face together: evaluate them on pairs that show the same feeling.",
        args=arguments,
    )
    return status


def _evaluate(config: Annotated[EvaluateConfig, tyro.conf.arg(name="")]) -> int:
    return evaluate.report(evaluate.main(config))


if __name__ == "__main__":
    raise SystemExit(cli())
