"""The server killed under load: every acknowledged answer is there, once; and the audit would see if one were not."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

from apps.study.audit import audit
from apps.study.frames import EventRecord, StudyRecord
from apps.study.load import Crowd, Delays
from apps.study.process import ServerProcess
from apps.study.reading import read_study
from apps.study.simulate import Cast, SimulateStudy
from apps.study.visit import Kept
from benchmarks.study_server import Args, main
from tests.apps.study.folder import make_study
from tests.conftest import PATIENCE_S

PEOPLE, KILLS = 4, 3


def test_nothing_acknowledged_is_lost_or_doubled_when_the_server_is_killed(tmp_path):
    folder = tmp_path / "study"
    make_study(folder, blocks=[{"name": "long", "task": "points", "trials": 400}])
    server = ServerProcess(folder, patience_s=PATIENCE_S)
    crowd = Crowd(server.url, Cast.of(SimulateStudy(study=folder, n=PEOPLE), folder), PEOPLE, PATIENCE_S)
    rng = np.random.default_rng(0)
    server.start()
    try:
        crowd.start()
        crowd.settle()
        for _ in range(KILLS):
            crowd.go_on(4)
            time.sleep(float(rng.uniform(0, 0.05)))
            server.kill()
            server.start()
            with crowd.probe() as client:
                assert client.next()["kind"] != "consent"
        crowd.stop()
    finally:
        server.stop()
    found = audit(read_study(folder), crowd.kept)
    assert found.acknowledged > KILLS * 4
    assert (found.lost, found.doubled) == (0, 0)
    assert len(read_study(folder).participants) == PEOPLE


def test_a_crowd_tells_that_nobody_answers(tmp_path):
    folder = tmp_path / "study"
    make_study(folder)
    crowd = Crowd("http://127.0.0.1:9", Cast.of(SimulateStudy(study=folder, n=2), folder), 2, patience_s=0.1)
    crowd.start()
    with pytest.raises(RuntimeError, match="no study server answers"):
        crowd.stop()
    with pytest.raises(ValueError, match="no answer"):
        Delays.of(crowd.delays)


def event(seq: int, trial: str, kind: str = "triplet", type_: str = "answer") -> EventRecord:
    return EventRecord(seq, "p", "1", type_, trial, 0.0, "", {"choice": 0}, {"kind": kind})


RECORD = StudyRecord(
    "s", "", "", "", (event(1, "a"), event(2, "b"), event(3, "i", "instructions"), event(4, "i", "instructions"))
)


def test_the_audit_counts_what_is_missing():
    kept = [Kept(1, "a"), Kept(2, "b")]
    assert audit(RECORD, {"p": kept}) == (2, 0, 0)
    assert audit(RECORD, {"p": [*kept, Kept(9, "c")]}) == (3, 1, 0)
    assert audit(RECORD, {"p": [Kept(2, "a")]}) == (1, 1, 0)
    assert audit(RECORD, {"q": kept}) == (2, 2, 0)


def test_the_audit_counts_what_stands_twice_unless_it_was_taken_back():
    twice = dataclasses.replace(RECORD, events=(*RECORD.events, event(5, "b")))
    assert audit(twice, {}).doubled == 1
    back = (*RECORD.events, event(5, "c", "", "undo"), event(6, "b"))
    assert audit(dataclasses.replace(RECORD, events=back), {}).doubled == 0


def test_delays_are_told_in_ms():
    assert Delays.of([0.001] * 99 + [0.1]) == (100, 1.0, 1.0, 1.99, 100.0)


def test_the_benchmark_prints_baselines_beside_its_figures(tmp_path):
    make_study(tmp_path / "study")
    figures = main(Args(people=2, seconds=0.4, kills=0, study=tmp_path / "study", folder=tmp_path))
    assert figures["answers"]["delay_ms"]["n"] > 0 and figures["answers"]["log"]["lost"] == 0
    for name in ("reading_request_ms", "fsync_ms", "writer_grouped_ms", "writer_one_transaction_each_ms"):
        assert 0 < figures["baselines"][name]["p50"] <= figures["baselines"][name]["max"]
    assert figures["kills"] == {"n": 0}


@pytest.mark.parametrize("wrong", [{"people": 0}, {"seconds": 0.0}, {"kills": -1}, {"killed_after": 0.0}], ids=str)
def test_the_benchmark_refuses_what_it_cannot_measure(wrong):
    with pytest.raises(ValueError, match="allowed are"):
        Args(**wrong)
