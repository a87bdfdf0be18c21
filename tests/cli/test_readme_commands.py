"""Commands that the README shows and the Makefile runs: the parser takes each; what needs no data runs, small."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import numpy as np
import pytest

from cli.commands import Command, Group, parse
from cli.main import EMPAW
from tests.cli.test_commands import DOORS, commands
from tests.conftest import ROOT

README = re.sub(r"^```python.*?^```$", "", (ROOT / "README.md").read_text(), flags=re.M | re.S)
SAMPLE = ROOT / "assets" / "samples" / "hello.wav"


def expand(word: str, names: dict[str, str]) -> list[str]:
    """A word with variables and braces filled in."""
    word = re.sub(r"\$\{(\w+)\}", lambda found: names[found[1]], word)
    if not (found := re.search(r"\{(.*?)\}", word)):
        return [word]
    return [word[: found.start()] + one + word[found.end() :] for one in found[1].split(",")]


def shown() -> Iterator[list[str]]:
    """Words of each command in the README's blocks, as a shell reads them."""
    names: dict[str, str] = {}
    for block in re.findall(r"^```\n(.*?)^```$", README, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            if found := re.match(r"(\w+)=(\S+)", line):
                names[found[1]] = found[2]
            elif re.match(r"(python|empaw|make|pip) ", line):
                yield [one for word in shlex.split(line, comments=True) for one in expand(word, names)]


def named(words: list[str]) -> tuple[Command, str, list[str]]:
    """The command that a line names, what it is called, and the rest of the line."""
    words = words[1:] if words[0] == "python" else words
    assert words[0] in DOORS, words
    node, path, rest = DOORS[words[0]], words[0], words[1:]
    while isinstance(node, Group):
        name, rest = (rest[0], rest[1:]) if rest and rest[0] in node.commands else (node.default, rest)
        assert name, f"{path} leads to no command"
        node, path = node.commands[name], f"{path} {name}"
    return node, path, rest


def made() -> Iterator[list[str]]:
    """Words of each command of ours in the Makefile."""
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    for line in re.findall(r"^\t@?\$\(BIN\)/(empaw .*|python \w+\.py .*)", text, re.M):
        yield [word for word in shlex.split(line) if word != "$(ARGS)"]


LINES = list(shown())
OURS = [words for words in LINES if words[0] in ("python", *DOORS)]
MADE = list(made())


def test_the_readme_shows_commands_of_every_kind():
    assert len(OURS) > 50 and {words[0] for words in LINES} == {"python", "empaw", "make", "pip"}
    assert len(MADE) > 20
    doors = {words[1] for words in OURS if words[0] == "python"}
    assert doors == set(DOORS) - {"empaw"}


@pytest.mark.parametrize("words", [*OURS, *MADE], ids=" ".join)
def test_the_parser_takes_it(words):
    command, path, rest = named(words)
    assert isinstance(parse(command, path, rest), command.load(command.options))


@pytest.mark.parametrize("words", OURS, ids=" ".join)
def test_what_a_door_does_empaw_does_too(words):
    command = named(words)[0]
    assert command in [node for _, node in commands(EMPAW, "empaw")]


@pytest.mark.parametrize(
    "line", ["sim_gui.py --gait none", "sim_gui.py run --gait none", "grasp_eval.py single --look.peer mine:from_above"]
)
def test_doors_take_what_they_took_before(line):
    command, path, rest = named(line.split())
    assert isinstance(parse(command, path, rest), command.load(command.options))


def test_targets_and_extras_are_there():
    makefile, project = (ROOT / "Makefile").read_text(), (ROOT / "pyproject.toml").read_text()
    for words in LINES:
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", makefile, re.M), words
        if words[0] == "pip":
            assert re.search(rf"^{re.fullmatch(r'empaw.(.*).', words[2])[1]} = ", project, re.M), words


def test_flags_and_commands_in_the_text_are_there(capsys):
    for path, node in commands(EMPAW, "empaw"):
        with pytest.raises(SystemExit):
            parse(node, path, ["--help"])
    known = set(re.findall(r"--[a-z][\w.-]*", capsys.readouterr().out))
    text = re.sub(r"^```.*?^```$", "", README, flags=re.M | re.S)
    for line in re.findall(r"`([^`\n]*)`", text):
        if (script := re.match(r"python (\S+/\S+)", line)) is not None:
            assert (ROOT / script[1]).is_file(), line
        elif line.startswith(("python ", "empaw ")) and not re.search("VERB|--help", line):
            named(shlex.split(line))
        for flag in re.findall(r"(?<!\S)--[a-z][\w.-]*", line):
            assert flag in known, line


def test_cards_name_commands_that_are_there():
    for card in (ROOT / "assets" / "weights").glob("*/CARD.md"):
        for line in re.findall(r"`(empaw [^`]*)`", card.read_text()):
            named(shlex.split(line))


# Lines of the README, one after the other; what stands for their words, or None where they are left out; what is added.
SMALL = {
    "sim": [("python sim_gui.py run --speech clip.wav", {"clip.wav": SAMPLE}, "--seconds 0.4")],
    "voice": [("empaw enrol voice", {"talk1.wav": SAMPLE, "talk2.wav": SAMPLE}, "")],
    "completion": [("empaw predict completion", {}, "")],
    "gait": [
        ("python train_gait.py evaluate --cells", {"--plots": None, "runs/plots": None},
         "--cells trot:0.5 --policy none --episodes 1 --seconds 3 --workers 1"),
        ("python train_gait.py record", {}, "--seconds 0.2"),
    ],
    "grasp": [("python grasp_eval.py show --object mug_900", {"--record": None, "mug.mp4": None},
               "--cloud true --no-browser")],
    "study": [
        ("python user_study.py init studies/first", {}, "--task grid-2 --items 20 --trials 4"),
        ("python user_study.py simulate studies/first", {}, "--n 2 --concurrent 1"),
        ("python user_study.py export studies/first/rehearsal", {}, ""),
    ],
    "power": [("python user_study.py power", {}, "--people 4 --studies 1 --workers 1")],
    "bench": [("empaw bench allocation", {}, "--runs 4 --tested 1 --participants 8 --workers 1")],
}  # fmt: skip


@pytest.mark.parametrize("lines", SMALL.values(), ids=SMALL)
def test_it_runs(lines, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "cloud.ply").write_text(half_a_ball())
    for begins, files, more in lines:
        command, path, rest = named(next(words for words in OURS if " ".join(words).startswith(begins)))
        rest = [str(files.get(word, word)) for word in rest if files.get(word, word)]
        command.load(command.function)(parse(command, path, [*rest, *shlex.split(more)]))


def half_a_ball() -> str:
    """A PLY of what a camera sees of a ball of 4 cm on a table."""
    points = np.random.default_rng(0).normal(size=(2000, 3))
    points = 0.04 * points / np.linalg.norm(points, axis=1, keepdims=True)
    seen = points[points[:, 0] > 0] + [0.0, 0.0, 0.04]
    axes = "".join(f"property float {axis}\n" for axis in "xyz")
    rows = "".join("{} {} {}\n".format(*one) for one in seen)
    return f"ply\nformat ascii 1.0\nelement vertex {len(seen)}\n{axes}end_header\n{rows}"
