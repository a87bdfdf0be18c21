from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from benchmarks import fuzz
from benchmarks.fuzz import KINDS, OUTCOMES, Args, Reader, case_of, main, read_one, write
from benchmarks.fuzz_readers import Kind
from benchmarks.mutations import mutate


def test_files_depend_on_seed_and_number_alone():
    assert case_of(0, 17) == case_of(0, 17)
    assert case_of(0, 17).content != case_of(1, 17).content
    assert {case_of(0, number).kind for number in range(len(KINDS))} == set(KINDS)


def test_damage_is_done_and_changes_nothing_else(rng):
    whole = b"one 1 two 2.5\nthree 3\n" * 20
    damaged = [mutate(whole, [whole, b"other 7\n"], rng) for _ in range(200)]
    assert whole == b"one 1 two 2.5\nthree 3\n" * 20
    assert sum(content != whole for content in damaged) > 180 and len(set(damaged)) > 150


@pytest.mark.parametrize("kind", KINDS)
def test_whole_files_are_read(kind, tmp_path):
    for name, content in KINDS[kind].make().items():
        path = write(fuzz.Case(0, kind, name, content), tmp_path / name.replace("/", "-"))
        assert read_one(kind, path) == ("read", "")


def test_errors_are_ours_that_name_the_file(monkeypatch, tmp_path):
    def fails(path: Path) -> None:
        errors = {
            "ours": ValueError(f"{path} is damaged"),
            "mute": ValueError("math domain error"),
            "other": KeyError(0),
        }
        raise errors[path.name]

    monkeypatch.setitem(KINDS, "odd", Kind(dict, fails))
    assert read_one("odd", tmp_path / "ours")[0] == "refused"
    assert read_one("odd", tmp_path / "mute") == ("foreign error", "ValueError: math domain error")
    assert read_one("odd", tmp_path / "other")[0] == "foreign error"


class _Pipe:
    """Stands for the process that reads: it gets no answer, or the end."""

    def __init__(self, ended: bool) -> None:
        self.ended = ended

    def poll(self, seconds: float) -> bool:
        return self.ended

    def recv(self) -> None:
        raise EOFError


def test_what_ends_hangs_or_grows_is_told(monkeypatch, tmp_path):
    """A real process, of which the watch is made impatient: it would have ended by a signal, hung or grown."""
    path = write(case_of(0, 0), tmp_path)
    monkeypatch.setattr(fuzz, "_LARGE_MB", np.inf)  # one that has grown is ended at once
    reader = Reader()
    try:
        assert reader.read("sound", path).outcome in ("read", "refused")
        first = reader._process.pid
        os.kill(first, signal.SIGFPE)
        reader._process.join()
        reader._pipe, pipe = _Pipe(ended=True), reader._pipe
        assert reader._watch(fuzz.psutil.Process(), 0.0, 0)[:2] == ("signal", str(-signal.SIGFPE))
        reader._pipe = _Pipe(ended=False)
        monkeypatch.setattr(fuzz, "MOST_GROWTH", -1)
        assert reader._watch(fuzz.psutil.Process(), 0.0, 0)[0] == "growth"
        monkeypatch.setattr(fuzz, "MOST_GROWTH", np.inf)
        monkeypatch.setattr(fuzz, "MOST_CPU_S", -1.0)
        assert reader._watch(fuzz.psutil.Process(), 0.0, 0)[0] == "hang"
        reader._pipe = pipe
    finally:
        reader.end()


@pytest.mark.slow
def test_five_hundred_damaged_files_are_read_or_refused_by_name(tmp_path):
    result = main(Args(files=300, out=tmp_path))
    result = main(Args(files=500, out=tmp_path, resume=True))
    assert {number: one for number, one in result.outcomes.items() if one.failed} == {}
    kinds = result.as_json()["kinds"]
    assert set(kinds) == set(KINDS) and all(sum(found[name] for name in OUTCOMES) >= 45 for found in kinds.values())
    assert sum(found["read"] for found in kinds.values()) > 20, "damage is not always fatal"
