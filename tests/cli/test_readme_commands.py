"""Commands that the README shows and the Makefile runs: the parser takes each, and what they name is there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest

from cli.commands import Command, Group, parse
from cli.main import EMPAW
from tests.cli.test_commands import DOORS, commands
from tests.conftest import ROOT

README = re.sub(r"^```python.*?^```$", "", (ROOT / "README.md").read_text(), flags=re.M | re.S)


def expand(word: str, names: dict[str, str]) -> list[str]:
    """A word with variables and braces filled in."""
    word = re.sub(r"\$\{(\w+)\}", lambda found: names[found[1]], word)
    if not (found := re.search(r"\{(.*?)\}", word)):
        return [word]
    return [word[: found.start()] + one + word[found.end() :] for one in found[1].split(",")]


def shown(text: str = README) -> Iterator[list[str]]:
    """Words of each command in the blocks of the README, or of a part of it, as a shell reads them."""
    names: dict[str, str] = {}
    for block in re.findall(r"^```\n(.*?)^```$", text, re.M | re.S):
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


def test_data_of_others_have_a_source():
    used = {name for words in OURS for word in words for name in re.findall(r"^[A-Z][A-Z0-9]{3,}(?:\.json)?", word)}
    assert used == set(re.findall(r"^- `([A-Z0-9]+(?:\.json)?)`: ", README, re.M)) and len(used) > 5


def test_cards_name_commands_that_are_there():
    for card in (ROOT / "assets" / "weights").glob("*/CARD.md"):
        for line in re.findall(r"`(empaw [^`]*)`", card.read_text()):
            named(shlex.split(line))
