from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import kills
from benchmarks.kills import JOBS, Args, Job, Whole, live, main
from tests.conftest import PATIENCE_S, wait_until


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    monkeypatch.setattr(kills, "ORPHAN_S", PATIENCE_S)  # that they end is tested here, not how soon


@pytest.mark.slow
def test_what_is_ended_goes_on_and_loses_nothing(tmp_path):
    jobs = ("evaluate gait", "record gait")
    result = main(Args(kills=4, jobs=jobs, out=tmp_path / "out", json=str(tmp_path / "kills.json")))
    assert result == json.loads((tmp_path / "kills.json").read_text())
    total = result["all"]
    assert total["kills"] >= 4
    assert (total["lost"], total["orphans"], total["drafts"]) == (0, 0, 0)
    assert total["same"] == total["lives"] >= 2
    again = main(Args(kills=4, jobs=jobs, out=tmp_path / "out", resume=True))
    assert again == result


def test_losses_other_results_and_drafts_are_seen(tmp_path, monkeypatch):
    """A command that begins its rows anew at each start, other ones each time, and leaves a draft."""
    code = (
        "import os,pathlib,sys,time; out=pathlib.Path(sys.argv[1]); row=out/'rows.jsonl'; again=row.exists();"
        "row.write_text('{\"pid\": %d}\\n' % os.getpid()); (out/f'.x.{os.getpid()}.part').touch();"
        "again or time.sleep(600)"
    )

    class Started(subprocess.Popen):
        """The moment to end it is when it has written its row."""

        def communicate(self, input=None, timeout=None):
            if timeout is None:
                return super().communicate()
            wait_until(lambda: any(tmp_path.rglob(".*.part")))
            raise subprocess.TimeoutExpired("bad", timeout)

    def start(job: Job, out: Path, data: Path, mark: str) -> Started:
        out.mkdir(exist_ok=True)
        words = [sys.executable, "-c", code, str(out)]
        return Started(words, env={**os.environ, "EMPAW_KILLS": mark}, stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(kills, "_start", start)
    monkeypatch.setattr(kills, "IN_A_ROW", 1)
    monkeypatch.setitem(JOBS, "bad", Job("", ("rows.jsonl",)))
    found = live("bad", Whole({"rows.jsonl": "other"}, 1.0), np.random.default_rng(0), tmp_path)
    assert (found.kills, found.lost, found.same, found.drafts, found.failed) == (1, 1, False, 2, "")


def test_measured_times_are_no_results(tmp_path):
    rows = [{"key": [1], "row": {"held": True, "plan_seconds": t, "delay_s": t}} for t in (0.1, 0.2)]
    for row, name in zip(rows, "ab", strict=True):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    assert kills._fingerprint(tmp_path / "a.jsonl") == kills._fingerprint(tmp_path / "b.jsonl")
    (tmp_path / "b.jsonl").write_text(json.dumps(rows[1]).replace("true", "false") + "\n")
    assert kills._fingerprint(tmp_path / "a.jsonl") != kills._fingerprint(tmp_path / "b.jsonl")


@pytest.mark.parametrize(("more", "complaint"), [({"kills": 0}, "kills 0"), ({"jobs": ("dance",)}, "dance")])
def test_what_cannot_be_is_refused(more, complaint, tmp_path):
    with pytest.raises(ValueError, match=complaint):
        main(Args(out=tmp_path / "out", **more))
