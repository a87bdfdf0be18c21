"""The door of the study: help that teaches, and one clear line for whoever makes a mistake."""

from __future__ import annotations

import pytest
from sqlalchemy import text

import user_study
from apps.study.storage_open import database_url, open_engines
from tests.apps.study.folder import make_study
from tests.processes import run

COMMANDS = ("init", "serve", "simulate", "export", "analyse", "taste", "power")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("door") / "study"
    make_study(folder)
    return folder


def ends(given, capsys) -> tuple[int, str, str]:
    """How the program ends: its status, and what it printed."""
    status = user_study.cli(list(map(str, given)))
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_the_help_shows_a_study_from_end_to_end():
    done = run("python", "user_study.py", "--help")
    assert done.returncode == 0 and "usage" in done.stdout
    assert all(f"user_study.py {name}" in done.stdout for name in COMMANDS if name != "taste")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_its_options_and_gives_an_example(name, capsys):
    code, out, _ = ends([name, "--help"], capsys)
    assert code == 0
    assert f"user_study.py {name}" in out and "For example" in out
    assert out.count("(default: ") + out.count("(required)") >= 2


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["export", "GONE"], "no study at "),
        (["export", "STUDY"], "nobody has taken part"),
        (["export", "STUDY", "--out", "STUDY"], "something else"),
        (["export", "STUDY", "--database", "oracle://host"], "sqlite"),
        (["simulate", "GONE"], "user_study.py init"),
        (["simulate", "STUDY", "--n", "0"], "--n 0 came"),
        (["simulate", "STUDY", "--population.lapse", "1.5", "--out", "OUT"], "1.5"),
        (["simulate", "STUDY", "--url", "http://127.0.0.1:9", "--out", "OUT"], "127.0.0.1:9"),
        (["serve", "GONE", "--no-browser"], "study.toml"),
        (["serve", "STUDY", "--no-browser", "--port", "70000"], "65535"),
        (["init", "STUDY"], "not empty"),
        (["init", "OUT", "--task", "moon"], "grid-2"),
        (["analyse", "GONE"], "gone"),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, list) else "",
)
def test_mistakes_get_one_clear_line(given, complaint, study, tmp_path, capsys):
    places = {"STUDY": study, "OUT": tmp_path / "out", "GONE": tmp_path / "gone"}
    code, _, err = ends([places.get(word, word) for word in given], capsys)
    assert code == 2 and complaint in err
    assert err.startswith("error: ") and err.count("\n") == 1


@pytest.mark.parametrize("given", [["serve", "STUDY", "--no-browser"], ["export", "STUDY"]], ids=lambda given: given[0])
def test_a_database_of_a_newer_version_is_refused_in_one_line(given, tmp_path, capsys):
    make_study(tmp_path)
    engines = open_engines(database_url(tmp_path, ""))
    with engines.writer.connect() as connection, connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engines.writer.dispose()
    code, _, err = ends([tmp_path if word == "STUDY" else word for word in given], capsys)
    assert code == 2 and err.startswith("error: ") and "newer Empaw" in err and err.count("\n") == 1


def test_what_is_no_command_or_option_is_told(monkeypatch, capsys):
    code, _, err = ends(["begin"], capsys)
    assert code == 2 and "'begin' came" in err
    code, _, err = ends(["export", "x", "--colour", "red"], capsys)
    assert code == 2 and "colour" in err
