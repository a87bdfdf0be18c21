from __future__ import annotations

import json
import os

import pytest

from evaluation.results import ResultsStore
from tests.processes import run

SETTINGS = {"seed": 0, "sizes": (1, 2)}


def test_rows_are_there_after_a_kill(tmp_path):
    path = tmp_path / "deep" / "rows.jsonl"
    store = ResultsStore(path, SETTINGS)
    store.add(("a", 1), {"loss": 0.5})
    store.add(("a", 2), [1, 2])
    with path.open("a") as file:
        file.write('{"key": ["a", 3], "row": {"lo')  # what a kill leaves
    again = ResultsStore(path, SETTINGS, resume=True)
    assert again.done == {("a", 1): {"loss": 0.5}, ("a", 2): [1, 2]}
    again.add(("a", 3), 3)
    assert ResultsStore(path, SETTINGS, resume=True).done[("a", 3)] == 3


def test_what_was_there_is_kept_beside(tmp_path):
    path = tmp_path / "rows.jsonl"
    for row in (1, 2, 3):
        ResultsStore(path, SETTINGS).add(("only",), row)
    kept = [
        json.loads((tmp_path / name).read_text().splitlines()[1])["row"]
        for name in ("rows.old.jsonl", "rows.old2.jsonl")
    ]
    assert kept == [1, 2]


def test_rows_of_another_run_are_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    ResultsStore(path, SETTINGS)
    with pytest.raises(ValueError, match="seed 0 there, 1 now"):
        ResultsStore(path, {**SETTINGS, "seed": 1}, resume=True)
    with pytest.raises(ValueError, match="more None there, 2 now"):
        ResultsStore(path, {**SETTINGS, "more": 2}, resume=True)


def test_damage_is_told_by_its_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    ResultsStore(path, SETTINGS).add((1,), 1)
    path.write_text(path.read_text() + "nonsense\n")
    with pytest.raises(ValueError, match="line 3 of"):
        ResultsStore(path, SETTINGS, resume=True)
    for odd in (b'{"key": [2], "row": "\xff"}\n', b"[" * 100_000 + b"\n"):
        path.write_bytes(path.read_bytes().rpartition(b"nonsense")[0] + odd + b"nonsense")
        with pytest.raises(ValueError, match=r"line 3 of .*rows\.jsonl is damaged"):
            ResultsStore(path, SETTINGS, resume=True)
    path.write_text("[]\n")
    with pytest.raises(ValueError, match="holds no results"):
        ResultsStore(path, SETTINGS, resume=True)


def test_a_folder_without_rows_is_not_gone_on_with(tmp_path):
    path = tmp_path / "nowhere" / "rows.jsonl"
    with pytest.raises(ValueError, match=f"there are no rows in {path.parent}: start without --resume"):
        ResultsStore(path, SETTINGS, resume=True)
    assert not path.parent.exists()
    ResultsStore(path, SETTINGS).add((1,), 1)
    assert ResultsStore(path.with_name("second.jsonl"), SETTINGS, resume=True).done == {}, "killed before it came to it"


def test_going_on_with_an_empty_file_begins(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("")
    store = ResultsStore(path, SETTINGS, resume=True)
    store.add((1, "x"), None)
    assert ResultsStore(path, SETTINGS, resume=True).done == {(1, "x"): None}


def test_two_processes_do_not_mix_their_rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    store = ResultsStore(path, SETTINGS)
    store.add((1,), 1)
    code = f"import pathlib, evaluation.results as r; r.ResultsStore(pathlib.Path({str(path)!r}), {{}})"
    other = run("python", "-c", code)
    assert f"{path} is in use by process {os.getpid()}" in other.stderr
    store.add((2,), 2)
    assert len(path.read_text().splitlines()) == 3 and not list(tmp_path.glob("*.old*"))
