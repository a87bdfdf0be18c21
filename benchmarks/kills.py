"""End commands at random moments, by kill -9 or SIGTERM, and look at what is left: nothing finished may be lost.

    empaw bench kills --json benchmarks/results/kills.json        # --resume goes on
    empaw bench kills --kills 10 --jobs "train face" "record gait"

Trainings, evaluations, trials, films and renders run unbroken first. Then each is started, ended at a moment that is
drawn from as long as it took, and gone on with, until a start is left alone. Counted are finished rows, files and
steps that are gone, files that are not whole, results other than those of the unbroken run, processes that live five
seconds longer than their command, and drafts that are there still. A start that is through before its moment is no
end: more are started, until there are as many ends as were asked for.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.command import run
from benchmarks.kill_jobs import JOBS, Job, write_data
from evaluation.grasping.trials import TIMED
from evaluation.results import ResultsStore
from evaluation.terminal import print_table
from learning import checkpoint
from robots import lifetime
from robots.io import check_writable, write_json
from robots.options import JsonOption, ResumeOption, SeedOption, WorkersOption, check_ranges
from robots.parallel import in_order

ROOT = Path(__file__).resolve().parents[1]
IN_A_ROW = 3
"""Most ends before a start is left alone."""
TERM_EVERY = 5
"""Of so many ends one is by SIGTERM."""
ORPHAN_S = 5.0
MEASURED = (*TIMED, "real_time_factor")
"""Names of figures that are times of this machine, which no two runs share."""
COUNTS = ("kills", "terms", "missed", "lost", "torn", "orphans", "drafts")
_MARK = "EMPAW_KILLS"
"""In the environment of everything that a command starts, so that what it leaves behind is found."""


@dataclass(frozen=True)
class Args(JsonOption, ResumeOption, WorkersOption, SeedOption):
    """End commands at random moments, by kill -9 or SIGTERM, and count what is lost.

    Small trainings, evaluations, trials, films and renders run unbroken first. Then each is ended, up to three times in
    a row, and gone on with. What is found is kept as it comes: --resume goes on, also to more --kills.
    """

    kills: int = 125
    """How many times a command is ended: a fifth by SIGTERM, the others by kill -9."""
    jobs: tuple[str, ...] = tuple(JOBS)
    """Which commands, in turn."""
    out: Path = Path("runs/kills")
    """Folder that keeps what was found, as it comes; what the commands read and write is in its folders data, work."""

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: a number out of its range, or an unknown command.
        """
        self.check_seed()
        self.check_workers()
        check_ranges(self, kills=(1, 100_000))
        if not self.jobs or not set(self.jobs) <= set(JOBS):
            raise ValueError(f"--jobs {self.jobs} came; allowed are {', '.join(JOBS)}")


class Whole(NamedTuple):
    """What an unbroken run left: the fingerprint of each result, and how long it took."""

    results: Mapping[str, str]
    took_s: float


class Life(NamedTuple):
    """What came of a command that was ended several times and then left alone."""

    job: str
    kills: int = 0  # ends by kill -9
    terms: int = 0  # ends by SIGTERM
    missed: int = 0  # starts that were through before they could be ended
    lost: int = 0  # finished rows or files that were gone, or checkpoints that fell back
    torn: int = 0  # files under their own names that were not whole
    orphans: int = 0  # processes that lived longer than their command by ORPHAN_S
    drafts: int = 0  # half-written files left when it was through
    same: bool = False  # whether its results are those of the unbroken run
    failed: str = ""  # what a start that was not ended said, if it failed

    @property
    def ends(self) -> int:
        """Ends of both kinds."""
        return self.kills + self.terms


def main(args: Args) -> dict[str, Any]:
    """Run all, print a table, and return the counts.

    Raises:
        ValueError: an option out of range, rows of another run, or a command that fails unbroken.
        OSError: the results cannot be written.
    """
    args.check()
    check_writable(args.json)
    console = Console(stderr=True)
    store = ResultsStore(args.out / "kills.jsonl", {"seed": args.seed, "jobs": args.jobs}, args.resume)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with _workplace(args.out.resolve() / "work") as place, Progress(*columns, console=console) as bar:
        wholes = _wholes(args, store, place, bar)
        task = bar.add_task("ends", total=args.kills)
        while left := _left(args, lives := _lives(store)):
            bar.update(task, completed=args.kills - len(left))
            for life in in_order(live, _turns(args, len(lives), left, wholes, place), args.workers):
                store.add(("life", len(lives)), life._asdict())
                lives.append(life)
                bar.update(task, advance=life.ends)
                console.print(_line(life), highlight=False)
    rows = [_sum(name, [life for life in lives if life.job == name]) for name in args.jobs]
    result = {"seed": args.seed, "rows": rows, "all": _sum("all", lives)}
    print_table(console, _table(result))
    write_json(result, args.json)
    return result


@contextmanager
def _workplace(place: Path) -> Iterator[Path]:
    """An empty folder while it lasts; one that a kill of ours has left is cleared."""
    shutil.rmtree(place, ignore_errors=True)
    (place / "tmp").mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _wholes(args: Args, store: ResultsStore, place: Path, bar: Progress) -> dict[str, Whole]:
    """Run each command unbroken that was not yet; what came of it."""
    names = [name for name in dict.fromkeys(args.jobs) if ("whole", name) not in store.done]
    for name in args.jobs:
        write_data(JOBS[name], place.with_name("data"))
    done = in_order(unbroken, [(name, place) for name in names], args.workers)
    for name, whole in zip(names, bar.track(done, len(names), description="unbroken"), strict=True):
        store.add(("whole", name), whole._asdict())
    return {name: Whole(**store.done["whole", name]) for name in args.jobs}


def _lives(store: ResultsStore) -> list[Life]:
    return [Life(**row) for (kind, _), row in store.done.items() if kind == "life"]


def _left(args: Args, lives: Sequence[Life]) -> list[signal.Signals]:
    """Signals that are to be sent still: all that were asked for without those that ended something."""
    terms = args.kills // TERM_EVERY
    left = Counter({signal.SIGKILL: args.kills - terms, signal.SIGTERM: terms})
    left -= Counter({signal.SIGKILL: sum(one.kills for one in lives), signal.SIGTERM: sum(one.terms for one in lives)})
    order = np.random.default_rng((args.seed, len(lives))).permutation(left.total())
    return [list(left.elements())[index] for index in order]


class Turn(NamedTuple):
    """A command's turn: the unbroken run's results, the signals that are to end it, and whose draws the moments are."""

    job: str
    whole: Whole
    signals: Sequence[signal.Signals]
    draws: tuple[int, ...]
    place: Path


def _turns(
    args: Args, number: int, left: Sequence[signal.Signals], wholes: Mapping[str, Whole], place: Path
) -> list[Turn]:
    turns = []
    for index, start in enumerate(range(0, len(left), IN_A_ROW), start=number):
        name = args.jobs[index % len(args.jobs)]
        turns.append(Turn(name, wholes[name], left[start : start + IN_A_ROW], (args.seed, index, 1), place))
    return turns


def unbroken(named: tuple[str, Path]) -> Whole:
    """Run a command to its end in a folder, and give what came of it.

    Raises:
        ValueError: it fails, or lacks a result.
    """
    name, place = named
    with _folder(place, name) as out:
        began = time.perf_counter()
        status, _ = run_once(JOBS[name], out, place)
        took_s = time.perf_counter() - began
        missing = [pattern for pattern in JOBS[name].results if not any(out.glob(pattern))]
        if status or missing:
            raise ValueError(f"empaw {JOBS[name].words} fails unbroken ({' '.join(missing)} {_said(out)})")
        return Whole(_results(JOBS[name], out), took_s)


def live(turn: Turn) -> Life:
    """Start a command, end it at random moments, start it again, and at last leave it alone."""
    job, life, held = JOBS[turn.job], Life(turn.job), dict[str, int]()
    rng = np.random.default_rng(turn.draws)
    with _folder(turn.place, "-".join(map(str, turn.draws))) as out:
        for how in (*turn.signals, None):
            once = run_once(job, out, turn.place, how, rng.random() * turn.whole.took_s)
            kept = _kept(job, out, turn.whole)
            life = life._replace(
                kills=life.kills + (once.status == -signal.SIGKILL),
                terms=life.terms + (once.status == -signal.SIGTERM),
                missed=int(how is not None and once.status >= 0),
                lost=life.lost + sum(kept.get(what, 0) < much for what, much in held.items()),
                torn=life.torn + _torn(job, out, turn.whole),
                orphans=life.orphans + once.orphans,
            )
            held = kept
            if once.status >= 0:
                break
        return life._replace(
            drafts=sum(1 for _ in out.rglob(".*.part")),
            same=_results(job, out) == turn.whole.results,
            failed=_said(out) if once.status else "",
        )


@contextmanager
def _folder(place: Path, name: str) -> Iterator[Path]:
    """A folder for a command while it lasts; beside it lies what the command says."""
    out = place / name.replace(" ", "-")
    out.mkdir()
    try:
        yield out
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _said(out: Path) -> str:
    return out.with_suffix(".txt").read_text(errors="replace")[-500:].strip()


class Once(NamedTuple):
    """How a start went: its exit status, negative for a signal, and how many processes outlived it."""

    status: int
    orphans: int


def run_once(job: Job, out: Path, place: Path, how: signal.Signals | None = None, moment_s: float = 0.0) -> Once:
    """Run a command once, until it is through or, with a signal, until a moment; it ends with this process."""
    words, mark = [word.format(out=out, data=place.with_name("data")) for word in job.words.split()], uuid.uuid4().hex
    if job.begun and any(out.glob(job.begun)):
        words.append("--resume")
    with out.with_suffix(".txt").open("w") as said:
        process = subprocess.Popen(
            lifetime.command(ROOT / "cli" / "main.py", *words),
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(place / "tmp"), _MARK: mark},
            stdout=said,
            stderr=said,
        )
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(None if how is None else moment_s)
        if how is not None:
            process.send_signal(how)  # nothing happens where it is through
        orphans = _orphans(mark)
    finally:
        process.kill()
    return Once(process.wait(), orphans)


def _orphans(mark: str) -> int:
    """Processes of a command that live ORPHAN_S longer than it; they are ended then."""
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


def _kept(job: Job, out: Path, whole: Whole) -> dict[str, int]:
    """All that is finished: whole lines of rows, right results, and how far checkpoints are."""
    lines = [line for path in out.glob("*.jsonl") for line in path.read_text().splitlines(True) if line.endswith("\n")]
    files = {name: found for name, found in _results(job, out).items() if not name.endswith(".jsonl")}
    right = [name for name, found in files.items() if found == whole.results[name]]
    return dict.fromkeys((*lines, *right), 1) | {str(path): _reached(path) for path in out.rglob(checkpoint.NAME)}


def _reached(path: Path) -> int:
    """How many steps a checkpoint is from the beginning, at least 1; 0 where it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        checkpoint.read_settings(path.parent)
        with safe_open(path, framework="pt") as file:
            at = json.loads(file.metadata()["at"])
    except (ValueError, SafetensorError):
        return 0
    return int(at["iteration"]) if isinstance(at, dict) else len(at) if isinstance(at, list) else int(at)


def _torn(job: Job, out: Path, whole: Whole) -> int:
    """Count files that are neither absent nor whole; of rows the last may be, for --resume drops it."""
    other = {name for name, found in _results(job, out).items() if found != whole.results.get(name)}
    torn = [name for name in other if not name.endswith(".jsonl")]
    return len(torn) + sum(_reached(path) == 0 for path in out.rglob(checkpoint.NAME))


def _results(job: Job, out: Path) -> dict[str, str]:
    paths = [path for pattern in job.results for path in out.glob(pattern)]
    return {str(path.relative_to(out)): _fingerprint(path) for path in sorted(paths)}


def _fingerprint(path: Path) -> str:
    """SHA-256 of what it holds but for `MEASURED`."""
    content = path.read_bytes()
    with suppress(ValueError):  # half of JSON is only bytes
        if path.suffix in (".json", ".jsonl"):
            texts = content.splitlines() if path.suffix == ".jsonl" else [content]
            content = json.dumps([_without_times(json.loads(text)) for text in texts]).encode()
        elif path.suffix == ".csv":
            content = json.dumps(
                [_without_times(row) for row in csv.DictReader(io.StringIO(content.decode()))]
            ).encode()
    return sha256(content).hexdigest()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(one) for name, one in value.items() if name not in MEASURED}
    return [_without_times(one) for one in value] if isinstance(value, list) else value


def _sum(name: str, lives: Sequence[Life]) -> dict[str, Any]:
    counts = {field: sum(getattr(life, field) for life in lives) for field in COUNTS}
    failed = sum(life.failed != "" for life in lives)
    return {"job": name, "lives": len(lives), **counts, "same": sum(life.same for life in lives), "failed": failed}


def _line(life: Life) -> str:
    counts = ", ".join(f"{getattr(life, field)} {field}" for field in COUNTS)
    return f"{life.job}: {counts}, {'the same' if life.same else 'OTHER'} results{life.failed and ': ' + life.failed}"


def _table(result: dict[str, Any]) -> Table:
    table = Table(
        "command", "kill -9", "SIGTERM", "through before", "finished lost", "half-written", "orphans", "drafts", "same"
    )
    for row in (*result["rows"], result["all"]):
        table.add_row(row["job"], *(str(row[field]) for field in COUNTS), f"{row['same']} of {row['lives']}")
    return table


if __name__ == "__main__":
    run(main, Args, __doc__)
