from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from benchmarks import kills
from benchmarks.kill_jobs import JOBS, Job
from benchmarks.kills import Args, Once, Turn, Whole, live, main, run_once, unbroken
from cli.commands import Group, parse
from cli.main import EMPAW
from learning import checkpoint
from tests.conftest import PATIENCE_S, ROOT, alive, wait_until

KILL, TERM = signal.SIGKILL, signal.SIGTERM
ENDED = ("train gait", "train face", "export views", "evaluate gait", "record sim")
"""One of each way in which commands keep what is done; the benchmark itself ends them all."""
WAITING = "import time; time.sleep(10_000)"
BENCH = """
import sys
from pathlib import Path
from benchmarks import kills
from tests.benchmarks.test_kills import as_scripts

out = Path(sys.argv[1])
kills.lifetime.command = as_scripts(kills.lifetime.command)
kills.run_once(kills.Job(f"{out.parent / 'job.py'} {{out}}", ()), out, out.parent)
"""


def as_scripts(command: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """The first word of a job is a Python script, in place of a command of ours."""
    return lambda script, name, *words: command(Path(name), *words)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    monkeypatch.setattr(kills, "ORPHAN_S", PATIENCE_S)  # that they end is tested here, not how soon


@pytest.fixture
def out(tmp_path):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.fixture
def script(out, monkeypatch):
    """Write a Python script, and give the job that runs it with its folder as the only word."""
    monkeypatch.setattr(kills.lifetime, "command", as_scripts(kills.lifetime.command))

    def write(code: str, begun: str = "") -> Job:
        (out.parent / "job.py").write_text(code)
        return Job(f"{out.parent / 'job.py'} {{out}}", (), begun)

    return write


@pytest.fixture
def staged(monkeypatch):
    """A job whose starts are functions in place of processes: each writes into its folder and gives its status."""

    def stage(*starts: Callable[[Path], int], results: tuple[str, ...] = ("rows.jsonl",)) -> None:
        left = list(starts)

        def run(job: Job, out: Path, place: Path, how: signal.Signals | None = None, moment_s: float = 0.0) -> Once:
            asked.append((how, moment_s))
            out.with_suffix(".txt").write_text("what it said")
            return Once(left.pop(0)(out), 0)

        monkeypatch.setattr(kills, "run_once", run)
        monkeypatch.setitem(JOBS, "staged", Job("", results, "*.jsonl"))

    asked: list[tuple[signal.Signals | None, float]] = []
    return stage, asked


def writes(status: int, name: str = "", content: str = "") -> Callable[[Path], int]:
    def start(out: Path) -> int:
        if name:
            (out / name).write_text(content)
        return status

    return start


def whole_of(tmp_path: Path, name: str, content: str) -> Whole:
    (tmp_path / name).write_text(content)
    return Whole({name: kills._fingerprint(tmp_path / name)}, 10.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDED)
def test_what_is_ended_goes_on_and_loses_nothing(name, tmp_path):
    args = Args(kills=1, jobs=(name,), out=tmp_path / "out", workers=1, json=str(tmp_path / "kills.json"))
    result = main(args)
    assert result == json.loads((tmp_path / "kills.json").read_text())
    total = result["all"]
    assert (total["kills"], total["terms"]) == (1, 0)
    assert [total[what] for what in ("lost", "torn", "orphans", "drafts", "failed")] == [0] * 5
    assert total["same"] == total["lives"] >= 1
    assert not (tmp_path / "out" / "work").exists()


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_jobs_are_lines_that_are_understood(job, tmp_path):
    words = [word.format(out=tmp_path, data=tmp_path) for word in job.words.split()]
    node, line = EMPAW, words
    while isinstance(node, Group):
        node, line = node.commands[line[0]], line[1:]
    parse(node, "empaw", [*line, "--resume"] if job.begun else line)


def test_exactly_as_many_ends_as_asked_for_and_starts_that_were_through_beside_them(tmp_path, staged):
    stage, asked = staged
    through = writes(0, "rows.jsonl", '{"a": 1}\n')
    stage(through, through, writes(-KILL), writes(-KILL), writes(-KILL), through)
    args = Args(kills=3, jobs=("staged",), out=tmp_path / "out", workers=1)
    total = main(args)["all"]
    assert {"kills": 3, "terms": 0, "missed": 1, "lives": 2, "same": 2, "failed": 0}.items() <= total.items()
    assert [how for how, _ in asked] == [None, KILL, KILL, KILL, KILL, None]
    assert main(replace(args, resume=True))["all"] == total  # and nothing is started


def test_a_fifth_of_the_ends_are_by_sigterm_and_moments_are_within_the_unbroken_run(tmp_path, staged):
    stage, asked = staged
    through = writes(0, "rows.jsonl", '{"a": 1}\n')

    def ends(out: Path) -> int:
        return through(out) if asked[-1][0] is None else -asked[-1][0]

    stage(*[ends] * 100)
    total = main(Args(kills=25, jobs=("staged",), out=tmp_path / "out", workers=1))["all"]
    assert (total["kills"], total["terms"], total["lives"]) == (20, 5, 9)
    took_s = json.loads((tmp_path / "out" / "kills.jsonl").read_text().splitlines()[1])["row"]["took_s"]
    moments = np.array([moment_s for how, moment_s in asked if how]) / took_s
    assert moments.min() >= 0 and moments.max() < 1 and abs(moments.mean() - 0.5) < 0.2


ROW, OTHER = '{"a": 1}\n', '{"a": 2}\n'
GONE = [writes(-KILL, "rows.jsonl", ROW + OTHER), writes(0, "rows.jsonl", ROW)]
TORN_ROW = [writes(-KILL, "rows.jsonl", ROW[:4]), writes(0, "rows.jsonl", ROW)]
HALF = [writes(-KILL, "film.mp4", "fi"), writes(0, "film.mp4", "film")]
AWAY = [writes(-KILL, "film.mp4", "film"), writes(-KILL, "film.mp4", "fi"), writes(0, "film.mp4", "film")]
DRAFT = [writes(-KILL, ".film.mp4.1.part", "f"), writes(0, "film.mp4", "film")]
CHECKPOINT = [writes(-KILL, "checkpoint.safetensors", "?"), writes(0, "film.mp4", "film")]
CLEAN = {"lost": 0, "torn": 0, "orphans": 0, "drafts": 0, "same": True, "failed": ""}


@pytest.mark.parametrize(
    ("starts", "result", "content", "seen"),
    [
        (GONE, "rows.jsonl", ROW, {"lost": 1}),
        (TORN_ROW, "rows.jsonl", ROW, {}),  # --resume drops it
        (GONE, "rows.jsonl", ROW + OTHER, {"lost": 1, "same": False}),
        (HALF, "film.mp4", "film", {"torn": 1}),
        (AWAY, "film.mp4", "film", {"torn": 1, "lost": 1}),
        (DRAFT, "film.mp4", "film", {"drafts": 1}),
        (CHECKPOINT, "film.mp4", "film", {"torn": 2}),
        ([writes(-KILL), writes(2)], "film.mp4", "film", {"same": False, "failed": "what it said"}),
    ],
    ids=["row gone", "row torn", "other rows", "half a film", "film gone", "draft", "checkpoint", "failed"],
)
def test_what_is_lost_is_seen(starts, result, content, seen, tmp_path, staged):
    stage, _ = staged
    stage(*starts, results=(result,))
    found = live(Turn("staged", whole_of(tmp_path, result, content), [KILL] * (len(starts) - 1), (0,), tmp_path))
    assert {name: getattr(found, name) for name in CLEAN} == CLEAN | seen


def test_a_checkpoint_that_falls_back_is_lost(tmp_path, staged):
    def at(steps: int, status: int) -> Callable[[Path], int]:
        def start(out: Path) -> int:
            checkpoint.write(out / "run", {"x": {"x": torch.zeros(1)}}, steps, {})
            return status

        return start

    stage, _ = staged
    for steps, lost in (((2, 4, 6), 0), ((4, 2, 6), 1)):
        stage(at(steps[0], -KILL), at(steps[1], -KILL), at(steps[2], 0), results=())
        assert live(Turn("staged", Whole({}, 1.0), [KILL] * 2, (steps[0],), tmp_path)).lost == lost


@pytest.mark.parametrize("starts", [[writes(2)], [writes(0)]], ids=["fails", "leaves no result"])
def test_a_command_that_does_nothing_unbroken_is_refused(starts, tmp_path, staged):
    staged[0](*starts)
    with pytest.raises(ValueError, match=r"fails unbroken.*what it said"):
        unbroken(("staged", tmp_path))


def test_a_start_is_ended_at_its_moment_or_is_through_before(script, out):
    assert run_once(script(WAITING), out, out.parent, KILL, 0.0) == Once(-KILL, 0)
    assert run_once(script(WAITING), out, out.parent, TERM, 0.0) == Once(-TERM, 0)
    assert run_once(script("print('done')"), out, out.parent, KILL, PATIENCE_S) == Once(0, 0)
    assert kills._said(out) == "done"
    assert run_once(script("raise SystemExit(3)"), out, out.parent).status == 3


def test_what_has_begun_is_resumed(script, out):
    job = script("import sys; print(sys.argv[2:])", begun="*.jsonl")
    for said in ("[]", "['--resume']"):
        run_once(job, out, out.parent)
        assert kills._said(out) == said
        (out / "rows.jsonl").touch()


def test_what_outlives_a_command_is_counted_and_ended(script, out, monkeypatch):
    monkeypatch.setattr(kills, "ORPHAN_S", 0.0)
    job = script(
        f"import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', {WAITING!r}])\n"
        "open(sys.argv[1] + '/pid', 'w').write(str(child.pid))"
    )
    assert run_once(job, out, out.parent) == Once(0, 1)
    pid = int((out / "pid").read_text())
    wait_until(lambda: not psutil.pid_exists(pid) or not alive(psutil.Process(pid)))


@pytest.mark.parametrize("how", [signal.SIGINT, TERM, KILL])
def test_the_command_ends_with_the_one_that_ends_commands(how, out):
    (out.parent / "job.py").write_text(f"import sys; open(sys.argv[1] + '/begun', 'w').close(); {WAITING}")
    bench = subprocess.Popen([sys.executable, "-c", BENCH, str(out)], cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until((out / "begun").exists)
    children = psutil.Process(bench.pid).children(recursive=True)
    assert children
    bench.send_signal(how)
    assert bench.wait(PATIENCE_S)
    wait_until(lambda: not any(alive(child) for child in children))


def test_measured_times_are_no_results(tmp_path):
    for name, row in (("rows.jsonl", {"row": {"held": True}}), ("a.json", {"held": 1}), ("a.csv", {"held": 1})):
        found = []
        for time_s, held in ((0.1, True), (0.2, True), (0.2, False)):
            timed = {**row, "held": held, "plan_seconds": time_s}
            text = json.dumps(timed) + "\n"
            if name.endswith("csv"):
                text = f"{','.join(timed)}\n{','.join(map(str, timed.values()))}\n"
            (tmp_path / name).write_text(text)
            found.append(kills._fingerprint(tmp_path / name))
        assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("more", "complaint"), [({"kills": 0}, "kills 0"), ({"jobs": ("dance",)}, "dance"), ({"workers": 0}, "workers 0")]
)
def test_what_cannot_be_is_refused(more, complaint, tmp_path):
    with pytest.raises(ValueError, match=complaint):
        main(Args(out=tmp_path / "out", **more))
