"""Commands as a table: a name, the dataclass of its options, what runs it; nothing is imported before it is chosen."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from apps.study.errors import StudyError

_OURS = (
    "geometry", "robots", "control", "envs", "perception", "policies", "datasets", "learning", "evaluation", "apps",
    "cli", "benchmarks",
)  # fmt: skip


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        options: "module:class" of the frozen dataclass that is its command line.
        function: "module:function" that takes one and does the work.
        summary: what it does, in half a line.
        example: a command line that does something visible.
        extra: the extra of the package that brings what it imports.
        first: name of the option that is meant by a word that comes first, without a flag.
    """

    options: str
    function: str
    summary: str
    example: str = ""
    extra: str = "study"
    first: str = ""


@dataclass(frozen=True)
class Door:
    """A command whose own script reads the rest of the line: "module:function", called with `sys.argv` as it wants."""

    function: str
    summary: str


@dataclass(frozen=True)
class Group:
    """Commands under one name."""

    summary: str
    commands: Mapping[str, Node]
    example: str = ""


Node: TypeAlias = Command | Door | Group


def load(place: str) -> Any:
    """Import what "module:name" names.

    Raises:
        ModuleNotFoundError: the module, or one that it imports, is not installed.
    """
    module, name = place.split(":")
    return getattr(importlib.import_module(module), name)


def run(node: Node, prog: str, given: Sequence[str]) -> Any:
    """Read the line `given` and run what it names; its result.

    Raises:
        SystemExit: help was asked for (0), the line is wrong (2).
        RuntimeError: a package is missing.
        ValueError, OSError: as the command says.
    """
    while isinstance(node, Group):
        name, given = _choose(node, prog, given)
        node, prog = node.commands[name], f"{prog} {name}"
    if isinstance(node, Door):
        return _hand_over(node, prog, given)
    import tyro

    with _Missing(node.extra):
        options = load(node.options)
    told = (options.__doc__ or node.summary).split("\n\n")[0]
    example = f"\n\nFor example:\n    {node.example}" if node.example else ""
    if node.first and given and not given[0].startswith("-"):
        given = [f"--{node.first}", *given]
    args = tyro.cli(options, args=list(given), prog=prog, description=told + example)
    with _Missing(node.extra):
        return load(node.function)(args)


def guarded(work: Callable[[], Any]) -> None:
    """Run `work` as a program: a mistake ends it with one line and status 1, Ctrl-C with 130."""
    try:
        work()
    except (ValueError, OSError, RuntimeError, StudyError) as problem:
        sys.exit(f"error: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


def _choose(group: Group, prog: str, given: Sequence[str]) -> tuple[str, list[str]]:
    """The command that comes first, and the rest of the line; without one, the help."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=group.summary,
        epilog=f"For example:\n{group.example}" if group.example else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    below = parser.add_subparsers(metavar="COMMAND", title="commands")
    for name, node in group.commands.items():
        below.add_parser(name, help=node.summary, add_help=False)
    if not given or given[0] in ("-h", "--help"):
        parser.print_help()
        parser.exit(0 if given else 2)
    if given[0] not in group.commands:
        parser.exit(2, f"error: {given[0]!r} came; {prog} knows {', '.join(group.commands)}\n")
    return given[0], list(given[1:])


def _hand_over(door: Door, prog: str, given: Sequence[str]) -> Any:
    before = sys.argv
    sys.argv = [prog, *given]
    try:
        return load(door.function)()
    finally:
        sys.argv = before


class _Missing:
    """Says which extra brings a package that is not there."""

    def __init__(self, extra: str) -> None:
        self._extra = extra

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> None:
        if not isinstance(problem, ModuleNotFoundError):
            return
        name = problem.name or ""
        if name.split(".")[0] == "benchmarks":
            raise RuntimeError("benchmarks are not installed: run this in a checkout of the source") from problem
        if name.split(".")[0] not in _OURS:
            raise RuntimeError(f"this needs {name}: pip install 'empaw[{self._extra}]'") from problem
