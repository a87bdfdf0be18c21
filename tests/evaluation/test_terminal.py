"""Tables for a terminal: every word is there as a whole."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from benchmarks import allocation, companion
from evaluation.fusion import evaluate as fusion
from evaluation.gait import evaluate as gait
from evaluation.gait.metrics import Row
from evaluation.grasping import evaluate as grasping
from evaluation.similarity import closed_loop_run
from evaluation.statistics import Interval
from evaluation.terminal import print_table
from tests.conftest import ROOT


def printed(table: Table, width: int) -> str:
    out = io.StringIO()
    print_table(Console(file=out, width=width), table)
    return out.getvalue()


def words(table: Table) -> set[str]:
    return {word for column in table.columns for cell in (column.header, *column.cells) for word in str(cell).split()}


def results(name: str) -> dict[str, Any]:
    return dict(json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text()))


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_no_word_is_cut_however_narrow_it_is(width):
    table = Table("method", "error [95 %]", "found", title="two methods")
    table.add_row("coarse-to-fine completion", "0.0123 [0.0100, 0.0146]", "12")
    table.add_row("a completion-transformer", "0.0017 [0.0010, 0.0024]", "1234567")
    out = printed(table, width)
    assert "…" not in out and words(table) <= set(out.split())
    assert len(out.splitlines()[1].rstrip()) <= max(width, 45)


def test_room_that_is_there_is_used_and_no_more():
    table = Table("short", "long")
    table.add_row("1", "some words of it")
    assert printed(table, 200).splitlines() == ["short  long            ", "─" * 23, "1      some words of it"]


def test_a_column_of_words_gives_way_before_a_name():
    table = Table("a", "b")
    table.add_row("completion-transformer", "as many words as there are to be said here")
    assert all(len(line.rstrip()) <= 40 for line in printed(table, 40).splitlines())


def grasping_table() -> Table:
    return grasping.table(results("single"))


def gait_table() -> Table:
    rows = [Row.read(row) for row in results("gait")["rows"]]
    return gait._table([row for row in rows if row.policy in ("none", "default")])  # a policy's folder may be long


def taste_table() -> Table:
    shares = {"share_of_best": Interval(0.9, 0.85, 0.95)._asdict(), "behind_ours": Interval(0.1, 0.05, 0.15)._asdict()}
    names = ("similarity, 3 of 3", "random representation", "preferences alone")
    rows = [{"method": name, "spread": "one", "answers": 120, "seconds": 1234.5} | shares for name in names]
    return closed_loop_run.table("closed loop", rows)


@pytest.mark.parametrize("made", [grasping_table, gait_table, taste_table])
def test_the_main_tables_fit_a_terminal_of_80(made):
    out = printed(made(), 80)
    assert "…" not in out and words(made()) <= set(out.split())
    assert max(map(len, out.splitlines())) <= 80


def fusion_report() -> None:
    found = results("fusion")
    intervals = ({"ua": Interval(**row["ua"]), "difference": Interval(**row["difference"])} for row in found["rows"])
    rows = [fusion.Row(**row | both) for row, both in zip(found["rows"], intervals, strict=True)]
    fusion.report(fusion.Evaluation("private", rows, {}, [], found["clips"], found["pictures"], 0))


@pytest.mark.parametrize(
    "told",
    [
        fusion_report,
        lambda: companion.report(results("companion"), Console(stderr=True)),
        lambda: allocation._show(results("allocation")["rows"]),
    ],
    ids=["fusion", "companion", "allocation"],
)
def test_reports_cut_nothing(told, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    told()
    said = "".join(capsys.readouterr())
    assert len(said.splitlines()) > 5 and "…" not in said
