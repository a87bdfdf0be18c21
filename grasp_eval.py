"""Grasping, under a name of its own: see `empaw evaluate grasp`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cli.commands import Group, program
from cli.table import GRASP, RECORD

GRASPING = Group(
    "Empaw's grasping: measure it on single objects and in clutter, measure completion, show one trial.",
    {**GRASP.commands, "show": RECORD.commands["grasp"]},
    "  {prog} single --objects household/test --views 2\n  {prog} show --object mug_900",
)


def cli(given: Sequence[str] | None = None) -> int:
    """Run a command line as a program; returns the exit status."""
    return program(GRASPING, "grasp_eval.py", given)


if __name__ == "__main__":
    sys.exit(cli())
