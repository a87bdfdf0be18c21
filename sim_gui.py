"""Empaw's simulation: `sim_gui.py` opens it in the browser, `sim_gui.py run` works without one."""

from __future__ import annotations

import sys
from typing import Annotated

import torch
import tyro

from apps.gui.serve import Serve, serve
from apps.headless import Run, run
from apps.timeline import Timeline

COMMANDS = Annotated[Serve, tyro.conf.subcommand("serve")] | Annotated[Run, tyro.conf.subcommand("run")]


def main(args: Serve | Run) -> Timeline | None:
    """Serve the page until interrupted, or run a session and return its timeline."""
    torch.set_num_threads(1)
    if isinstance(args, Run):
        return run(args)
    serve(args)
    return None


def cli() -> None:
    """Parse the command line; without a command, serve."""
    given = sys.argv[1:]
    if not given or given[0] not in ("serve", "run", "-h", "--help"):
        given = ["serve", *given]
    args = tyro.cli(COMMANDS, args=given, description=__doc__)
    try:
        main(args)
    except (ValueError, OSError, RuntimeError) as problem:
        sys.exit(f"error: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    cli()
