"""End commands at random moments, by kill -9 or SIGTERM, and look at what is left: nothing finished may be lost.

    empaw bench kills --out runs/kills --json benchmarks/results/kills.json

Each command runs unbroken first. Then it is started, ended at a moment that is drawn from as long as it took, and gone
on with, until one start is left alone. Afterwards: rows that were finished are still there, results are those of the
unbroken run, no process of it lives five seconds after its end, and drafts of files are gone.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.command import run
from evaluation.results import ResultsStore
from learning import checkpoint
from robots.io import check_writable, write_json
from robots.options import JsonOption, ResumeOption, SeedOption, check_ranges

ROOT = Path(__file__).resolve().parents[1]
IN_A_ROW = 3
"""Ends before a start is left alone."""
TERM_SHARE = 0.2
ORPHAN_S = 5.0
_MARK = "EMPAW_KILLS"
"""In the environment of everything that a command starts, so that what it leaves behind is found."""
_CLOCK = ("seconds", "_s")
"""Ends of the names of figures that are measured times, which no two runs share."""


class Job(NamedTuple):
    """A command that is ended: {out} in its words is its folder, {data} that of small stand-ins for data."""

    words: str
    results: tuple[str, ...]  # files that an unbroken run leaves
    begun: str = ""  # when there, --resume goes on; without it, the command starts again by itself


_NETWORK = (
    "--network.points 128 --network.tokens 16 --network.neighbours 8 --network.width 32 --network.heads 2 "
    "--network.encoder 1 --network.decoder 1 --network.queries 16 --network.fold 4 --fit.batch 2 --fit.truth 64"
)
VIEWS = "export views --objects {data}/objects --sampling.views 4 --workers 1 --out {out}/views"
JOBS = {
    "train gait": Job(
        "train gait --recipe quick --workers 1 --envs 2 --n-timesteps 1024 --ppo.n-steps 32 --ppo.batch-size 32 "
        "--ppo.n-epochs 2 --out {out}",
        ("policy/model.safetensors", "policy/config.json"),
        checkpoint.NAME,
    ),
    "train face": Job(
        "train face --data {data}/faces --network.blocks 0 0 0 --network.widths 8 8 18 --fit.epochs 8 --cache "
        "{out}/cache --run {out}/run --out {out}/weights",
        ("weights/model.safetensors",),
        f"run/{checkpoint.NAME}",
    ),
    "train completion": Job(
        f"train completion --rendered {{data}}/views {_NETWORK} --fit.steps 20 --keep-every 2 --run {{out}}/run "
        "--out {out}/weights",
        ("weights/model.safetensors",),
        f"run/{checkpoint.NAME}",
    ),
    "export views": Job(VIEWS, ("views/*.npz",)),
    "evaluate gait": Job(
        "evaluate gait --cells pace:0.5 trot:0.3 --episodes 10 --seconds 3 --workers 2 --out {out}",
        ("gait.jsonl",),
        "*.jsonl",
    ),
    "evaluate grasp": Job(
        "evaluate grasp single --objects {data}/objects --views 4 --workers 2 --out {out}", ("*.jsonl",), "*.jsonl"
    ),
    "bench study-power": Job(
        "bench study-power --people 4 --trials 4 --studies 6 --nulls 6 --foretold 2 --workers 1 --out {out}",
        ("*.jsonl",),
        "*.jsonl",
    ),
    "record gait": Job("record gait --seconds 1 --out {out}/film.mp4", ("film.mp4",)),
}


@dataclass(frozen=True)
class Args(JsonOption, ResumeOption, SeedOption):
    """End commands at random moments and count what is lost."""

    kills: int = 100
    """How many times a command is ended; a fifth of them by SIGTERM."""
    jobs: tuple[str, ...] = tuple(JOBS)
    """Which commands."""
    out: Path = Path("runs/kills")
    """Folder that keeps what was found, as it comes."""

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: a number out of its range, or an unknown command.
        """
        self.check_seed()
        check_ranges(self, kills=(1, 100_000))
        if not self.jobs or not set(self.jobs) <= set(JOBS):
            raise ValueError(f"--jobs {self.jobs} came; allowed are {', '.join(JOBS)}")


class Whole(NamedTuple):
    """What an unbroken run left: the fingerprint of each result, and how long it took."""

    results: dict[str, str]
    took_s: float


class Life(NamedTuple):
    """What came of a command that was ended several times and then left alone."""

    job: str
    kills: int
    terms: int
    lost: int  # finished rows that were gone, or checkpoints that could not be read
    same: bool  # results as of the unbroken run
    orphans: int  # processes that lived longer than their command by ORPHAN_S
    drafts: int  # half-written files left at the end
    failed: str  # what the start that was left alone said, if it failed


def main(args: Args) -> dict[str, Any]:
    """Run all, print a table, and return the counts.

    Raises:
        ValueError: an option out of range, or a command that fails unbroken.
    """
    args.check()
    check_writable(args.json)
    console = Console(stderr=True)
    store = ResultsStore(args.out / "kills.jsonl", {"seed": args.seed, "jobs": args.jobs}, args.resume)
    lives: list[Life] = []
    with tempfile.TemporaryDirectory(prefix="empaw-kills-") as folder, Progress(console=console) as bar:
        task = bar.add_task("ended", total=args.kills)
        while not bar.finished:
            if (key := (len(lives),)) not in store.done:
                name = args.jobs[len(lives) % len(args.jobs)]
                found = live(name, _whole(name, Path(folder)), np.random.default_rng((args.seed, *key)), Path(folder))
                store.add(key, found._asdict())
                console.print(_line(found))
            lives.append(Life(**store.done[key]))
            bar.update(task, advance=lives[-1].kills)
    result = {"seed": args.seed, "rows": [_sum(name, lives) for name in args.jobs], "all": _sum("", lives)}
    console.print(_table(result))
    write_json(result, args.json)
    return result


_WHOLE: dict[tuple[str, Path], Whole] = {}


def _whole(name: str, folder: Path) -> Whole:
    if not (folder / "data").exists():
        write_data(folder / "data")
    if (name, folder) not in _WHOLE:
        out = folder / "whole"
        began = time.perf_counter()
        process = _start(JOBS[name], out, folder / "data", "")
        said = process.communicate()[0]
        if process.returncode:
            raise ValueError(f"{JOBS[name].words} fails unbroken: {said[-500:]}")
        _WHOLE[name, folder] = Whole(_results(JOBS[name], out), time.perf_counter() - began)
        shutil.rmtree(out)
    return _WHOLE[name, folder]


def live(name: str, whole: Whole, rng: np.random.Generator, folder: Path) -> Life:
    """Start a command, end it at random moments, start it again, and at last leave it alone."""
    job, out = JOBS[name], folder / "ended"
    shutil.rmtree(out, ignore_errors=True)
    kills = terms = lost = orphans = 0
    held: set[str] = set()
    for _ in range(IN_A_ROW):
        term, moment_s, mark = rng.random() < TERM_SHARE, rng.random() * whole.took_s, uuid.uuid4().hex
        process = _start(job, out, folder / "data", mark)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=moment_s)
        if process.poll() is not None:
            break  # what goes on with much that is done may be through before
        kills += 1
        terms += term
        process.send_signal(signal.SIGTERM if term else signal.SIGKILL)
        orphans += _orphans(process, mark)
        lost += len(held - (held := _rows(out))) + _unreadable(out)
    process = _start(job, out, folder / "data", "")
    said = process.communicate()[0]
    lost += len(held - _rows(out))
    drafts = sum(1 for path in out.rglob(".*.part"))
    same = _results(job, out) == whole.results
    return Life(name, kills, terms, lost, same, orphans, drafts, said[-500:] if process.returncode else "")


def _start(job: Job, out: Path, data: Path, mark: str) -> subprocess.Popen[str]:
    out.mkdir(exist_ok=True)
    words = [word.format(out=out, data=data) for word in job.words.split()]
    if job.begun and any(out.glob(job.begun)):
        words.append("--resume")
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", _MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _orphans(process: subprocess.Popen[str], mark: str) -> int:
    """Processes of a command that live ORPHAN_S longer than it; they are ended then."""
    process.wait()
    deadline = time.monotonic() + ORPHAN_S
    while left := list(_marked(mark)):
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    for one in left:
        with suppress(psutil.Error):
            one.kill()
    return len(left)


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(_MARK) == mark:
                yield process


def _rows(out: Path) -> set[str]:
    """Lines that are whole in the files of rows."""
    paths = sorted(out.glob("*.jsonl"))
    return {line for path in paths for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")}


def _unreadable(out: Path) -> int:
    damaged = 0
    for path in out.rglob(checkpoint.NAME):
        try:
            checkpoint.read_settings(path.parent)
        except ValueError:
            damaged += 1
    return damaged


def _results(job: Job, out: Path) -> dict[str, str]:
    paths = [path for pattern in job.results for path in sorted(out.glob(pattern)) if path.stem != "whole"]
    return {str(path.relative_to(out)): _fingerprint(path) for path in paths}


def _fingerprint(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".jsonl":
        rows = [json.dumps(_without_times(json.loads(line)), sort_keys=True) for line in content.splitlines()]
        content = "\n".join(sorted(rows)).encode()
    return sha256(content).hexdigest()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(one) for name, one in value.items() if not name.endswith(_CLOCK)}
    return [_without_times(one) for one in value] if isinstance(value, list) else value


def write_data(folder: Path) -> None:
    """Write stand-ins: faces that are noise, three solids as URDFs, and rendered views of those."""
    rng = np.random.default_rng(0)
    for split in ("Training", "PublicTest", "PrivateTest"):
        for feeling in ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"):
            place = folder / "faces" / split / feeling
            place.mkdir(parents=True)
            for number in range(4):
                cv2.imwrite(str(place / f"{split}_{feeling}_{number}.png"), rng.integers(0, 256, (48, 48), np.uint8))
    (folder / "objects").mkdir()
    solids = ('<cylinder radius="0.03" length="0.1"/>', '<box size="0.05 0.07 0.06"/>', '<sphere radius="0.035"/>')
    for number in range(12):
        form = f"<geometry>{solids[number % 3]}</geometry>"
        body = f"<visual>{form}</visual><collision>{form}</collision>"
        text = f'<robot name="x"><link name="x">{body}</link></robot>'
        (folder / "objects" / f"thing_{number}.urdf").write_text(text, encoding="utf-8")
    process = _start(Job(VIEWS, ()), folder, folder, "")
    said = process.communicate()[0]
    if process.returncode:
        raise ValueError(f"no views were rendered: {said[-500:]}")


def _sum(name: str, lives: Sequence[Life]) -> dict[str, Any]:
    some = [life for life in lives if name in ("", life.job)]
    counts = {field: sum(getattr(life, field) for life in some) for field in ("kills", "terms", "lost")}
    ends = {"orphans": sum(life.orphans for life in some), "drafts": sum(life.drafts for life in some)}
    return {"job": name or "all", **counts, "lives": len(some), "same": sum(life.same for life in some), **ends}


def _line(life: Life) -> str:
    how = f"{life.kills} ends ({life.terms} by SIGTERM), {life.lost} lost, {life.orphans} orphans, {life.drafts} drafts"
    return f"{life.job}: {how}, {'the same' if life.same else 'OTHER results'}{life.failed and ': ' + life.failed}"


def _table(result: dict[str, Any]) -> Table:
    table = Table("command", "ended", "SIGTERM", "rows lost", "same results", "orphans", "drafts")
    for row in (*result["rows"], result["all"]):
        same = f"{row['same']} of {row['lives']}"
        table.add_row(*map(str, (row["job"], row["kills"], row["terms"], row["lost"], same)), *_ends(row))
    return table


def _ends(row: dict[str, Any]) -> tuple[str, str]:
    return str(row["orphans"]), str(row["drafts"])


if __name__ == "__main__":
    run(main, Args, __doc__)
