"""The one command line: every name leads somewhere, help teaches, mistakes are told in a line."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import dataclass

import pytest

from cli.commands import Command, Door, Group, guarded, load, run
from cli.main import EMPAW, main
from cli.study import study
from tests.conftest import ROOT


@dataclass(frozen=True)
class Options:
    """Double a number."""

    number: int = 1
    """What is doubled."""


def double(args: Options) -> int:
    if args.number < 0:
        raise ValueError(f"--number {args.number} came; allowed are 0 and more")
    return 2 * args.number


def missing(args: Options) -> None:
    raise ModuleNotFoundError("No module named 'gpboost'", name="gpboost")


def line() -> list[str]:
    return list(sys.argv)


HERE = "tests.cli.test_commands"
TREE = Group(
    "Numbers.",
    {
        "double": Command(f"{HERE}:Options", f"{HERE}:double", "twice as much", "n double --number 2", first="number"),
        "missing": Command(f"{HERE}:Options", f"{HERE}:missing", "needs what is not there"),
        "bench": Command("benchmarks.nowhere:Args", "benchmarks.nowhere:main", "is not installed"),
        "door": Door(f"{HERE}:line", "another script"),
    },
)


def commands(node, path=()):
    if not isinstance(node, Group):
        yield path, node
        return
    for name, below in node.commands.items():
        yield from commands(below, (*path, name))


def test_a_command_is_read_and_run():
    assert run(TREE, "n", ["double", "--number", "4"]) == 8
    assert run(TREE, "n", ["double", "4"]) == 8
    assert run(TREE, "n", ["double"]) == 2


def test_a_door_gets_the_rest_of_the_line():
    before = list(sys.argv)
    assert run(TREE, "n", ["door", "--far", "1"]) == ["n door", "--far", "1"]
    assert sys.argv == before


def test_help_shows_the_example_and_the_options(capsys):
    with pytest.raises(SystemExit) as ended:
        run(TREE, "n", ["double", "--help"])
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(part in told for part in ("Double a number", "n double --number 2", "What is doubled"))


@pytest.mark.parametrize("given", [[], ["--help"], ["-h"]])
def test_a_group_lists_its_commands(given, capsys):
    with pytest.raises(SystemExit) as ended:
        run(TREE, "n", given)
    assert ended.value.code == (0 if given else 2)
    assert "twice as much" in capsys.readouterr().out


def test_an_unknown_command_is_told_with_those_that_there_are(capsys):
    with pytest.raises(SystemExit) as ended:
        run(TREE, "n", ["triple"])
    assert ended.value.code == 2
    told = capsys.readouterr().err.strip()
    assert "'triple' came" in told and "double" in told and "\n" not in told


def test_a_missing_package_is_told_with_the_extra_that_brings_it():
    with pytest.raises(RuntimeError, match=r"needs gpboost: pip install 'empaw\[study\]'"):
        run(TREE, "n", ["missing"])
    with pytest.raises(RuntimeError, match="checkout"):
        run(TREE, "n", ["bench"])


@pytest.mark.parametrize(
    ("problem", "code"),
    [(ValueError("bad"), "error: bad"), (OSError("full"), "error: full"), (KeyboardInterrupt(), 130)],
)
def test_a_program_ends_with_one_line(problem, code):
    def work():
        raise problem

    with pytest.raises(SystemExit) as ended:
        guarded(work)
    assert ended.value.code == code


@pytest.mark.parametrize("tree", [EMPAW, study("user_study.py")], ids=["empaw", "user_study"])
def test_every_command_says_what_it_does_in_one_line(tree):
    for path, node in commands(tree):
        assert 10 < len(node.summary) < 80, path
        if isinstance(node, Command) and node.example:
            assert path[-1] in node.example


@pytest.mark.parametrize(
    ("path", "node"), list(commands(EMPAW)), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_leads_somewhere(path, node):
    if isinstance(node, Door):
        assert callable(load(node.function))
        return
    assert callable(load(node.options)) and callable(load(node.function))
    assert load(node.options).__doc__


@pytest.mark.parametrize(
    ("path", "node"), [(p, n) for p, n in commands(EMPAW) if isinstance(n, Command) and n.example], ids=str
)
def test_every_example_is_a_line_that_can_be_read(path, node, monkeypatch):
    monkeypatch.setattr(
        "cli.commands.load", lambda place: (lambda args: args) if place == node.function else load(place)
    )
    words = shlex.split(node.example)
    assert words[: 1 + len(path)] == ["empaw", *path]
    if words[-1] == "--help":
        with pytest.raises(SystemExit) as ended:
            main(words[1:])
        assert ended.value.code == 0
        return
    assert isinstance(main(words[1:]), load(node.options))


def test_help_of_the_whole_imports_nothing_heavy():
    code = (
        "import sys\nfrom cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('numpy', 'torch', 'pandas', 'tyro', 'fastapi') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip().endswith("[]")
    assert "study" in done.stdout


def test_empaw_hands_over_to_the_simulation(monkeypatch):
    monkeypatch.setattr("sim_gui.cli", line)
    assert main(["sim", "run", "--seconds", "1"]) == ["empaw sim", "run", "--seconds", "1"]
