"""Empaw's study: prepare one, serve it, rehearse it with scripted participants, export and analyse what came."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from cli.commands import guarded, run
from cli.study import study


def main(given: Sequence[str]) -> Any:
    """Run the command line `given`, such as ["export", "studies/first"]; what the command returns."""
    return run(study("user_study.py"), "user_study.py", given)


def cli() -> None:
    """Parse the command line and run."""
    guarded(lambda: main(sys.argv[1:]))


if __name__ == "__main__":
    cli()
