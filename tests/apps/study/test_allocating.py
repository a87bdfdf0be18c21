"""Pilots on a real server: who comes next gets what brought more, and the export tells the same as the server knows."""

from __future__ import annotations

import numpy as np
import pytest

from apps.study.allocating import _seen
from apps.study.export import write_export
from apps.study.models import Participant
from apps.study.reading import read_study
from evaluation.study.pilots import sessions, study_pilot
from evaluation.study.tables import load_tables
from tests.apps.study.folder import make_study
from tests.apps.study.visitor import SHORT, Visitor, rows, serving

ARMS = ("alike", "chosen")


def _take_part(client, storage) -> str:
    visitor = Visitor(client).go("instructions")
    condition = rows(storage, Participant.id, Participant.condition)[-1][1]
    undone = False
    while visitor.step["kind"] != "done":
        if visitor.step["can_undo"] and not undone:
            undone = True
            visitor.send("undo")
        answer = visitor.reply()
        if "choice" in answer:
            answer |= {"rt_ms": 2_000.0 if condition == "chosen" else 20_000.0, "choice": answer["choice"] or -1}
        visitor.send(**answer)
    return condition


def test_the_next_person_gets_what_brought_more_and_the_export_says_so(tmp_path):
    kinds = {"allocation": {"conditions": list(ARMS), "rule": "gittins"}, "condition_kinds": {"chosen": "grid"}}
    quick = {"attention": {"when": "never"}, "practice": {"trials": 0, "needed": 0}}
    make_study(tmp_path / "study", blocks=SHORT, **quick, **kinds)
    with serving(tmp_path / "study") as (client, storage):
        given = [_take_part(client, storage) for _ in range(10)]
        with storage.engines.reader.connect() as connection:
            seen = _seen(connection, ARMS)
    assert given.count("chosen") > given.count("alike") > 0
    # A grid in 2 s is 30 a minute; triplets that nobody could tell brought nothing.
    assert {one.outcome for one in seen if one.arm == "chosen"} == {30.0}
    assert all(one.outcome < 0.01 for one in seen if one.arm == "alike")
    tables = load_tables(write_export(read_study(tmp_path / "study"), tmp_path / "data", {}).folder)
    listed = sessions(tables)
    assert [one.arm for one in listed] == [one.arm for one in seen]
    assert [one.outcome for one in listed] == pytest.approx([one.outcome for one in seen])
    found = study_pilot(tables, np.random.default_rng(0))
    assert found.arms == ARMS and sum(found.allocated) == 10 and found.means[1].mean == 30.0
    assert found.test.p < 0.05
