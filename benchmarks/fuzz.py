"""Does a damaged file stop anything? Thousands of them, drawn from a seed, are given to whatever reads files.

    empaw bench fuzz --out runs/fuzz --json benchmarks/results/fuzz.json

Each is read in a process that a watch can end. It must be read, or refused by an error of ours that names the file:
any other error, a signal, more than 10 s of a processor and more than 500 MB of memory are failures. Files that fail
are kept in --out.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import local
from typing import Any, NamedTuple

import numpy as np
import psutil
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.command import run
from benchmarks.fuzz_readers import KINDS
from benchmarks.mutations import mutate
from evaluation.results import ResultsStore
from evaluation.terminal import print_table
from robots.io import check_writable, write_json
from robots.lifetime import end_with
from robots.options import RunOptions, check_ranges

MOST_CPU_S = 10.0
MOST_GROWTH = 500_000_000
"""Bytes."""
_PATIENCE_S = 300.0  # without an answer: for what waits and does not work
_LOOK_S = 0.05
_LARGE_MB = 200  # a process that held more begins anew: its peak would hide the next one's
FAILURES = ("foreign error", "signal", "hang", "growth")
OUTCOMES = ("read", "refused", *FAILURES)


@dataclass(frozen=True)
class Args(RunOptions):
    """Read damaged files of every kind."""

    files: int = 20_000
    """How many, of all kinds in turn."""

    def check(self) -> None:
        """Refuse what would fail only after long work.

        Raises:
            ValueError: as for other runs, or a number out of its range.
        """
        super().check()
        check_ranges(self, files=(1, 10_000_000))


class Case(NamedTuple):
    """A damaged file: its number in the run, and the folder with whole copies of what it refers to."""

    number: int
    kind: str
    name: str
    content: bytes


class Outcome(NamedTuple):
    """How the reading of a file ended."""

    kind: str
    name: str
    outcome: str
    said: str
    """Error, or the number of the signal."""
    cpu_s: float
    growth_mb: float

    @property
    def failed(self) -> bool:
        """Whether it is none of what may happen."""
        return self.outcome in FAILURES


class FuzzResult(NamedTuple):
    """Outcomes of all files, by their number in the run."""

    seed: int
    outcomes: Mapping[int, Outcome]

    def as_json(self) -> dict[str, Any]:
        """Counts by kind, the highest costs, and every failure."""
        kinds = {kind: [one for one in self.outcomes.values() if one.kind == kind] for kind in KINDS}
        failures = {number: one._asdict() for number, one in self.outcomes.items() if one.failed}
        return {
            "seed": self.seed,
            "files": len(self.outcomes),
            "limits": {"cpu_s": MOST_CPU_S, "growth_mb": MOST_GROWTH / 1e6},
            "kinds": {
                kind: {
                    **{name: Counter(one.outcome for one in some)[name] for name in OUTCOMES},
                    "most_cpu_s": max((one.cpu_s for one in some), default=0.0),
                    "most_growth_mb": max((one.growth_mb for one in some), default=0.0),
                }
                for kind, some in kinds.items()
            },
            "failures": failures,
        }


def main(args: Args) -> FuzzResult:
    """Read all files that are not read yet, and tell what came of it.

    Raises:
        ValueError: options out of range, or rows of another run.
        OSError: the results cannot be written.
    """
    args.check()
    check_writable(args.json)
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="empaw-fuzz-") as place:
        out = args.out or Path(place)
        store = ResultsStore(out / "files.jsonl", args.settings("files"), args.resume)
        left = [number for number in range(args.files) if (number,) not in store.done]
        for number, found in track(_outcomes(left, args, Path(place), out), "files", len(left), console=console):
            store.add((number,), found._asdict())
    rows = {number: Outcome(**store.done[(number,)]) for number in range(args.files)}
    result = FuzzResult(args.seed, rows)
    _tell(result, console)
    write_json(result.as_json(), args.json)
    return result


def case_of(seed: int, number: int) -> Case:
    """Make the file of a number: kinds take turns, and what is done to it depends on seed and number alone."""
    rng = np.random.default_rng([seed, number])
    kind = list(KINDS)[number % len(KINDS)]
    examples = _examples(kind)
    name = list(examples)[rng.integers(len(examples))]
    return Case(number, kind, name, mutate(examples[name], list(examples.values()), rng))


@cache
def _examples(kind: str) -> Mapping[str, bytes]:
    return KINDS[kind].make()


def _outcomes(numbers: list[int], args: Args, place: Path, out: Path) -> Iterator[tuple[int, Outcome]]:
    mine = local()
    readers: list[Reader] = []

    def read(number: int) -> tuple[int, Outcome]:
        if not hasattr(mine, "reader"):
            mine.reader = Reader()
            readers.append(mine.reader)
        case = case_of(args.seed, number)
        folder = place / f"file-{number}"
        path = write(case, folder)
        outcome = mine.reader.read(case.kind, path)
        if outcome.failed:
            shutil.copytree(
                folder, out / "failures" / f"{number}-{outcome.outcome.replace(' ', '-')}", dirs_exist_ok=True
            )
        shutil.rmtree(folder)
        return number, outcome

    with ThreadPoolExecutor(args.workers) as threads:
        try:
            yield from threads.map(read, numbers)
        finally:
            threads.shutdown(cancel_futures=True)
            for reader in readers:
                reader.end()


def write(case: Case, folder: Path) -> Path:
    """Write a damaged file and what lies beside it into a folder; returns the file."""
    kind = KINDS[case.kind]
    for name, content in {**kind.beside(), case.name: case.content}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / case.name


class Reader:
    """A process that reads, watched while it does. It is begun anew where it ended, was ended, or has grown."""

    def __init__(self) -> None:
        self._pipe: Connection | None = None

    def read(self, kind: str, path: Path) -> Outcome:
        """Read one file."""
        if self._pipe is None:
            self._begin()
        assert self._pipe is not None
        process, began_s = psutil.Process(self._process.pid), self._cpu_s()
        before = max(process.memory_info().rss, self._peak)
        self._pipe.send((kind, path))
        outcome, said, most = self._watch(process, began_s, before)
        spent_s = round(self._cpu_s() - began_s, 2)
        growth_mb = round((most - before) / 1e6)
        if outcome in ("signal", "hang", "growth") or growth_mb > _LARGE_MB:
            self.end()
        return Outcome(kind, path.name, outcome, said, spent_s, growth_mb)

    def _watch(self, process: psutil.Process, began_s: float, before: int) -> tuple[str, str, int]:
        assert self._pipe is not None
        most, looks = before, 0
        try:
            while not self._pipe.poll(_LOOK_S):
                looks += 1
                most = max(most, process.memory_info().rss)
                if most - before > MOST_GROWTH:
                    return "growth", "", most
                if self._cpu_s() - began_s > MOST_CPU_S or looks * _LOOK_S > _PATIENCE_S:
                    return "hang", "", most
            outcome, said, peak = self._pipe.recv()
            most = self._peak = max(most, peak)
            return ("growth" if most - before > MOST_GROWTH else outcome), said, most
        except (EOFError, ConnectionError, psutil.NoSuchProcess):
            self._process.join()
            return "signal", str(self._process.exitcode), most

    def _cpu_s(self) -> float:
        with suppress(psutil.Error):
            times = psutil.Process(self._process.pid).cpu_times()
            self._last_s = times.user + times.system
        return self._last_s

    def _begin(self) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, os.getpid()), daemon=True)
        self._process.start()
        theirs.close()
        self._last_s, self._peak = 0.0, 0
        for kind in KINDS:  # so that no file pays for what is imported
            self._pipe.send((kind, None))
            self._peak = self._pipe.recv()

    def end(self) -> None:
        """End the process."""
        if self._pipe is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._pipe = None


def _serve(pipe: Connection, parent: int) -> None:
    """Read files and say how that ended, as (outcome, error, peak of memory in bytes), until nobody asks."""
    end_with(parent)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # decoders talk
        os.dup2(nowhere, stream)
    os.environ["OMP_NUM_THREADS"] = "1"
    with suppress(EOFError):
        while True:
            kind, path = pipe.recv()
            pipe.send(_read_examples(kind) if path is None else (*read_one(kind, path), _peak()))


def _peak() -> int:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * 1024


def _read_examples(kind: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in _examples(kind).items():
            KINDS[kind].read(write(Case(0, kind, name, content), Path(folder) / name))
    return _peak()


def read_one(kind: str, path: Path) -> tuple[str, str]:
    """Read a file: "read", or "refused" by an error of ours that names it, or "foreign error"; with the error."""
    try:
        KINDS[kind].read(path)
    except (ValueError, OSError) as problem:
        named = str(path) in str(problem) or str(path.parent) in str(problem)
        return ("refused" if named else "foreign error"), f"{type(problem).__name__}: {str(problem)[:300]}"
    except Exception as problem:
        return "foreign error", f"{type(problem).__name__}: {str(problem)[:300]}"
    return "read", ""


def _tell(result: FuzzResult, console: Console) -> None:
    table = Table("kind", *OUTCOMES, "most s", "most MB")
    for kind, found in result.as_json()["kinds"].items():
        table.add_row(
            kind, *(str(found[name]) for name in OUTCOMES), f"{found['most_cpu_s']}", f"{found['most_growth_mb']:g}"
        )
    print_table(console, table)
    for number, one in result.outcomes.items():
        if one.failed:
            console.print(f"{number} {one.kind} {one.name}: {one.outcome} {one.said}", highlight=False, markup=False)


if __name__ == "__main__":
    run(main, Args, __doc__)
