"""The simulation: `sim_gui.py` opens it in the browser, `sim_gui.py run` works without one; see `empaw sim`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cli.commands import program
from cli.table import SIM


def cli(given: Sequence[str] | None = None) -> int:
    """Run a command line as a program; returns the exit status."""
    return program(SIM, "sim_gui.py", given)


if __name__ == "__main__":
    sys.exit(cli())
