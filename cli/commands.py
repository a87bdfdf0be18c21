"""Commands as a table: where each one's options and work are, and how a program ends; nothing is imported early."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import io
import itertools
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

from apps.study.errors import StudyError

_OURS = (
    "geometry", "robots", "control", "envs", "perception", "policies", "datasets", "learning", "evaluation", "apps",
    "cli",
)  # fmt: skip
_IN_OUR_WORDS = (
    (r"^Missing value for argument '(.*?)'\. Expected .*", r"\1 needs a value"),
    (r"^invalid choice ('.*') for argument '(.*?)'\. Expected one of \((.*?),?\)", r"\2 takes \3; \1 came"),
    (r"^Error parsing (\S+): invalid literal for int\(\) with base 10: (.*)", r"\1 takes a whole number; \2 came"),
    (r"^Error parsing (\S+): could not convert string to float: (.*)", r"\1 takes a number; \2 came"),
    (r"^Error parsing (\S+): no type matching (?:\{None\}\|)?(\S+) could be instantiated from \[(.*?)\].*",
     r"\1 takes \2; \3 came"),
    (r" takes INT; ", " takes a whole number; "),
    (r" takes FLOAT; ", " takes a number; "),
    (r"^Error parsing (\S+): Could not find valid parse for arguments: \[(.*)\]", r"\1 cannot take \2"),
    (r"^Error parsing (\S+): ", r"\1: "),
    (r"Missing from [^:]*: ", "missing: "),
    (r"\.? \(required\)", ";"),
    (r"Unrecognized options: ", "unknown: "),
)  # fmt: skip
"""What tyro says in words of Python, and how it is told here; the first form that fits is found by its beginning."""
WRONG, INTERRUPTED = 2, 130
"""Exit statuses: a line, a setting, data or a disk that cannot be used; Ctrl-C."""


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        module: where it is.
        options: the frozen dataclass that is its command line; "module:class" where it stands elsewhere.
        function: takes one of these and does the work.
        summary: what it does, in half a line.
        example: options that do something visible.
        extra: the extra of the package that brings what it imports.
        report: takes what the function returned, tells people, and returns the exit status.
        first: name of the option that is meant by a word that comes first, without a flag.
    """

    module: str
    options: str
    function: str
    summary: str
    example: str
    extra: str = "train"
    report: str = ""
    first: str = ""

    def load(self, name: str) -> Any:
        """Import one of the names above.

        Raises:
            RuntimeError: a package is missing; says which extra brings it.
        """
        module, name = name.split(":") if ":" in name else (self.module, name)
        try:
            return getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as problem:
            raise self.lacks(problem) from problem

    def lacks(self, problem: ModuleNotFoundError) -> Exception:
        """Say how to get what is not installed."""
        name = (problem.name or "").split(".")[0]
        if name == "benchmarks":
            return RuntimeError("benchmarks are not installed: run this in a checkout of the source")
        if name in _OURS:
            return problem
        if not _installed():
            return RuntimeError(
                f"{sys.executable} has no {name}: this is not the Python that Empaw was installed for. Type "
                ". .venv/bin/activate first, or .venv/bin/python instead of python; make install makes .venv"
            )
        return RuntimeError(f"this needs {name}: pip install 'empaw[{self.extra}]'")


@dataclass(frozen=True)
class Group:
    """Commands under one name.

    Attributes:
        summary: what they are for.
        commands: by name.
        example: lines that do something visible, with {prog} for what comes before.
        default: name of the command that is meant where none is named.
    """

    summary: str
    commands: Mapping[str, Node]
    example: str
    default: str = ""


Node: TypeAlias = Command | Group


def run(node: Node, prog: str, given: Sequence[str]) -> Any:
    """Read the line `given` and run what it names; its result.

    Raises:
        SystemExit: help was asked for (0), or the report says that not all went well (2).
        RuntimeError: a package is missing.
        ValueError, OSError: the line is wrong or names no command, or as the command says.
    """
    while isinstance(node, Group):
        name, given = _choose(node, prog, given)
        node, prog = node.commands[name], f"{prog} {name}"
    args = parse(node, prog, given)
    try:
        result = node.load(node.function)(args)
    except ModuleNotFoundError as problem:
        raise node.lacks(problem) from problem
    except KeyboardInterrupt:
        from robots.options import RunOptions

        if hasattr(args, "resume") and not (isinstance(args, RunOptions) and args.out is None):  # nothing was kept
            print("interrupted; --resume goes on", file=sys.stderr)
        raise
    if node.report and (status := node.load(node.report)(result)):
        sys.exit(status)
    return result


def parse(command: Command, prog: str, given: Sequence[str]) -> Any:
    """Read a command's own part of the line into its options.

    Raises:
        SystemExit: help was asked for.
        ValueError: the line is wrong; says how in one line.
    """
    try:
        import tyro
    except ModuleNotFoundError as problem:
        raise command.lacks(problem) from problem

    options = command.load(command.options)
    description = f"{inspect.cleandoc(options.__doc__)}\n\nFor example:\n    {prog} {command.example}"
    if command.first and given and not given[0].startswith("-"):
        given = [f"--{command.first}", *given]
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            return tyro.cli(options, args=list(given), prog=prog, description=description)
    except SystemExit as ended:
        if not ended.code:
            raise
    raise ValueError(f"{_one_line(complaint.getvalue()).rstrip('.')}; {prog} --help tells the options")


def program(node: Node, prog: str, given: Sequence[str] | None = None) -> int:
    """Run a line (of `sys.argv`, without one) as a program; returns the exit status."""
    return guarded(lambda: run(node, prog, sys.argv[1:] if given is None else given))


def guarded(work: Callable[[], object]) -> int:
    """Return 0 when the work is done, 2 when it ends in a mistake, which is told in one line on stderr, or 130."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what the terminal's alphabet lacks, and odd names of files, are told
            stream.reconfigure(errors="backslashreplace")
    try:
        work()
    except SystemExit as ended:
        return int(ended.code or 0)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ValueError, OSError, RuntimeError, FloatingPointError, StudyError) as problem:
        from perception.command import one_line

        print(f"error: {one_line(problem)}", file=sys.stderr)
        return WRONG
    return 0


def _choose(group: Group, prog: str, given: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The command that comes first, and the rest of the line; the help where it is asked for, or where none came."""
    if given and given[0] in group.commands:
        return given[0], given[1:]
    asked = bool(given) and given[0] in ("-h", "--help")
    if group.default and not asked and not (given and given[0].isalpha()):
        return group.default, given
    if given and not asked:
        raise ValueError(f"{given[0]!r} came{_meant(group, given[0])}; {prog} knows {', '.join(group.commands)}")
    widest = max(map(len, group.commands))
    known = [f"  {name:{widest}}  {node.summary}" for name, node in group.commands.items()]
    print(f"usage: {prog} COMMAND ...\n\n{group.summary}\n\ncommands:", *known, sep="\n")
    print(f"\nFor example:\n{group.example.format(prog=prog)}\n\nEvery command explains itself with --help.")
    if asked:
        raise SystemExit(0)
    raise ValueError(f"{prog} needs a command; say which of those above")


def _meant(group: Group, word: str) -> str:
    """Propose the commands of the group, or below it, whose name comes closest to a word; "" where none is close."""
    paths = dict(_below(group))
    for name in get_close_matches(word, paths.values(), n=1):
        places = [name] if name in group.commands else [path for path, last in paths.items() if last == name]
        return f" (did you mean {', '.join(places)}?)"
    return ""


def _below(group: Group, path: str = "") -> Iterator[tuple[str, str]]:
    """Give the path and the name of every command and group below a group."""
    for name, node in group.commands.items():
        yield f"{path}{name}", name
        if isinstance(node, Group):
            yield from _below(node, f"{path}{name} ")


def _installed() -> bool:
    """Whether this Python has Empaw and what it needs, or only finds the source in the folder."""
    try:
        importlib.metadata.distribution("empaw")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _one_line(box: str) -> str:
    """Return what a box of tyro says between its title and its first rule, and the first option that it proposes."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", box).strip().splitlines()
    lines = [line.strip("│ ") for line in plain[1 if plain[0].startswith("╭") else 2 :]]  # title, rule where no UTF-8
    rule = next(number for number, line in enumerate(lines) if not line.strip("─-"))
    meant = [line.split()[0] for line in lines[rule + 1 :] if line.startswith("--")] if "Perhaps you" in box else []
    said = " ".join(" ".join(lines[:rule]).split())
    if "Unrecognized options:" in lines[rule + 1 :]:  # beside an option that is missing, which it was meant to be
        unknown = lines[lines.index("Unrecognized options:") + 1 :]
        said = f"Unrecognized options: {', '.join(itertools.takewhile(lambda line: line.strip('─-'), unknown))}; {said}"
    for pattern, words in _IN_OUR_WORDS:
        said = re.sub(pattern, words, said)
    return said.rstrip(".; ") + (f" (perhaps {meant[0]})" if meant else "")
