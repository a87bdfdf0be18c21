"""The one command line: every name leads somewhere, help teaches, mistakes are told in a line."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from cli.commands import Command, Group, guarded, parse, program, run
from cli.main import EMPAW
from cli.table import SIM, STUDY
from grasp_eval import GRASPING
from tests.conftest import PATIENCE_S, ROOT
from train_gait import GAIT


@dataclass(frozen=True)
class Options:
    """Double a number."""

    number: int = 1
    """What is doubled."""


def double(args: Options) -> int:
    if args.number < 0:
        raise ValueError(f"--number {args.number} came; allowed are 0 and more")
    return 2 * args.number


def halve(args: Options) -> int:
    return args.number // 2


def missing(args: Options) -> None:
    raise ModuleNotFoundError("No module named 'gpboost'", name="gpboost")


def status_of(result: int) -> int:
    return 2 if result < 0 else 0


def stopped(args: Options) -> None:
    raise KeyboardInterrupt


HERE = "tests.cli.test_commands"


def command(function: str, **more: str) -> Command:
    return Command(HERE, "Options", function, "twice as much", "--number 2", "study", **more)


TREE = Group(
    "Numbers.",
    {
        "double": command("double", report="status_of", first="number"),
        "missing": command("missing"),
        "stopped": command("stopped"),
        "bench": Command("benchmarks.nowhere", "Args", "main", "is not installed", ""),
        "below": Group(
            "More.", {"double": command("double"), "halve": command("halve")}, "  {prog} double", default="double"
        ),
        "apart": Group("Less.", {"halve": command("halve")}, "  {prog} halve"),
    },
    "  {prog} double 2",
)
DOORS = {"empaw": EMPAW, "train_gait.py": GAIT, "grasp_eval.py": GRASPING, "sim_gui.py": SIM, "user_study.py": STUDY}


def commands(node, path):
    if not isinstance(node, Group):
        yield path, node
        return
    for name, below in node.commands.items():
        yield from commands(below, f"{path} {name}")


ALL = [one for name, node in DOORS.items() for one in commands(node, name)]


def groups(node, path):
    if isinstance(node, Group):
        yield path, node
        for name, below in node.commands.items():
            yield from groups(below, f"{path} {name}")


GROUPS = [one for name, node in DOORS.items() for one in groups(node, name)]


def test_a_command_is_read_and_run():
    assert run(TREE, "n", ["double", "--number", "4"]) == 8
    assert run(TREE, "n", ["double", "4"]) == 8
    assert run(TREE, "n", ["double"]) == 2


def test_a_group_with_a_default_needs_no_name():
    assert run(TREE, "n", ["below"]) == run(TREE, "n", ["below", "double"]) == 2
    assert run(TREE, "n", ["below", "--number", "3"]) == 6


def test_help_shows_the_example_and_the_options(capsys):
    assert program(TREE, "n", ["double", "--help"]) == 0
    printed = capsys.readouterr().out
    assert all(part in printed for part in ("Double a number", "n double --number 2", "What is doubled"))


@pytest.mark.parametrize("given", [[], ["--help"], ["-h"]])
def test_a_group_lists_its_commands(given, capsys):
    assert program(TREE, "n", given) == (0 if given else 2)
    said = capsys.readouterr()
    assert "twice as much" in said.out and "n double 2" in said.out
    assert said.err == ("" if given else "error: n needs a command; say which of those above\n")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["triple"], "'triple' came; n knows double"),
        (["doubel"], r"'doubel' came \(did you mean double\?\); n knows double"),
        (["hlave"], r"'hlave' came \(did you mean below halve, apart halve\?\); n knows double"),
        (["below", "triple"], "'triple' came; n below knows double"),
        (["double", "--numbr", "2"], "--numbr.*perhaps --number.*n double --help"),
        (["double", "--number", "two"], "--number.*'two'"),
        (["double", "--number", "-1"], "--number -1 came; allowed are 0 and more"),
        (["missing"], r"needs gpboost: pip install 'empaw\[study\]'"),
        (["bench"], "checkout of the source"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_told_in_one_line(given, complaint, capsys):
    assert program(TREE, "n", given) == 2
    said = capsys.readouterr()
    assert re.match(f"error: .*{complaint}", said.err) and said.err.count("\n") == 1 and not said.out


@pytest.mark.parametrize(
    ("word", "meant"), [("rnu", "sim run"), ("serve", "sim serve, study serve"), ("trian", "train")]
)
def test_a_command_is_proposed_wherever_it_is(word, meant, capsys):
    assert program(EMPAW, "empaw", [word]) == 2
    assert f"{word!r} came (did you mean {meant}?); empaw knows sim" in capsys.readouterr().err


@dataclass(frozen=True)
class Odd:
    """Take one of each."""

    place: Path
    """Where it lies."""
    kind: Literal["one", "other"] = "one"
    share: float = 0.5
    most: int | None = None
    counts: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ([], "missing: --place PATH Where it lies"),
        (["--plcae", "x"], "unknown: --plcae, x; missing: --place PATH Where it lies"),
        (["--place"], "--place needs a value"),
        (["--place", "x", "--kind", "third"], "--kind takes 'one', 'other'; 'third' came"),
        (["--place", "x", "--share", "half"], "--share takes a number; 'half' came"),
        (["--place", "x", "--most", "few"], "--most takes a whole number; 'few' came"),
        (["--place", "x", "--counts", "1", "few"], "--counts cannot take '1', 'few'"),
        (["--place", "x", "y"], "unknown: y"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_are_told_in_words_and_not_in_pythons(given, complaint, capsys):
    assert program(Command(HERE, "Odd", "double", "takes one of each", "--place x"), "n", given) == 2
    assert capsys.readouterr().err == f"error: {complaint}; n --help tells the options\n"


def test_what_an_alphabet_lacks_is_spelt_out(tmp_path):
    """In a locale of ASCII alone, and for a name that is no UTF-8."""
    words = ascii("print('46 °, \\udcff'); raise ValueError('a name like \\udcffé')")
    code = f"from cli.commands import guarded\nraise SystemExit(guarded(lambda: exec({words})))"
    for alphabet in ({"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "latin-1"}):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "LC_ALL": "C", **alphabet},
            capture_output=True, timeout=PATIENCE_S,
        )  # fmt: skip
        assert done.returncode == 2 and b"\\udcff" in done.stdout, done.stderr
        assert done.stderr.startswith(b"error: a name like \\udcff") and done.stderr.count(b"\n") == 1


def test_ctrl_c_has_a_status_of_its_own(capsys):
    assert program(TREE, "n", ["stopped"]) == 130
    assert not capsys.readouterr().err


def test_a_report_that_not_all_went_well_is_the_status():
    odd = Command(HERE, "Options", "halve", "half as much", "--number 2", report="status_of")
    assert program(odd, "n", ["--number", "2"]) == 0
    assert program(odd, "n", ["--number", "-2"]) == 2


NAMES = {"ids": lambda value: value if isinstance(value, str) else ""}


@pytest.mark.parametrize(("path", "node"), ALL, **NAMES)
def test_every_command_leads_somewhere(path, node):
    assert 10 < len(node.summary) < 80 and node.example
    assert all(callable(node.load(name)) for name in (node.options, node.function, node.report or node.function))
    assert node.load(node.options).__doc__


@pytest.mark.parametrize(("path", "node"), [one for one in ALL if one[0].startswith("empaw")], **NAMES)
def test_every_example_is_a_line_that_can_be_read(path, node):
    assert isinstance(parse(node, path, shlex.split(node.example)), node.load(node.options))


@pytest.mark.parametrize(
    ("path", "node"),
    [one for name, node in DOORS.items() for one in groups(node, name)],
    ids=lambda value: str(value)[:40],
)
def test_every_group_teaches_with_lines_that_lead_somewhere(path, node):
    for line in node.example.format(prog=path).splitlines():
        words = line.split("   ")[0].split()
        below = DOORS[words[0]]
        for word in words[1:]:
            if isinstance(below, Group):
                below = below.commands.get(below.default if word.startswith("--") else word)
        assert below is not None, line


def test_help_of_the_whole_imports_nothing_heavy():
    code = (
        "import sys\nfrom cli.main import cli\ncli(['--help'])\ncli(['evaluate', 'nothing'])\n"
        "print([m for m in ('numpy', 'torch', 'pandas', 'tyro', 'fastapi') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.stdout.strip().endswith("[]")
    assert "study" in done.stdout and done.stderr.count("\n") == 1


@pytest.mark.parametrize("door", DOORS)
def test_another_python_is_told_where_ours_is(door):
    words = ["-m", "cli.main"] if door == "empaw" else [door]
    # -S: without any package, as the Python of a system is.
    line = [sys.executable, "-S", *words, *(["bench", "live"] if door == "empaw" else [])]
    first = {"train_gait.py": ["train"], "grasp_eval.py": ["show"], "user_study.py": ["power"]}
    done = subprocess.run([*line, *first.get(door, [])], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert re.match(r"error: .*has no \w+.*\. \.venv/bin/activate.*make install", done.stderr)


def test_a_loss_that_is_no_number_is_told_in_one_line(capsys):
    def train():
        raise FloatingPointError("the loss is nan at step 3: try a smaller learning rate")

    assert guarded(train) == 2
    assert capsys.readouterr().err == "error: the loss is nan at step 3: try a smaller learning rate\n"


def test_help_of_grasping_loads_no_network():
    code = (
        "import sys\nfrom cli.main import cli\n"
        "for name in ('single', 'clutter'):\n    cli(['evaluate', 'grasp', name, '--help'])\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.stdout.strip().endswith("False")
