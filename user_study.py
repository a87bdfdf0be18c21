"""The study, under a name of its own: see `empaw study`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cli.commands import program
from cli.table import STUDY


def cli(given: Sequence[str] | None = None) -> int:
    """Run a command line as a program; returns the exit status."""
    return program(STUDY, "user_study.py", given)


if __name__ == "__main__":
    sys.exit(cli())
