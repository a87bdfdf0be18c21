"""Load-test the study's server: delays of answers with many people at once, and what is left after kill -9.

    empaw bench study-server --json benchmarks/results/study_server.json

A real server process and a crowd in a closed loop: each person sends the next answer as soon as the last one is
acknowledged, over HTTP, on the same machine, with SQLite at synchronous=FULL. Beside it, in the same run: a request
that only reads, the disk's own fsync, and rows written one transaction each. A killed process loses nothing that it had
written, so that kills test the order of acknowledging and writing; what a power cut takes is the disk's affair, and why
each commit waits for it.
"""

from __future__ import annotations

import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.progress import track

from apps.study.audit import audit
from apps.study.client import StudyClient
from apps.study.load import Crowd, Delays
from apps.study.process import ServerProcess
from apps.study.reading import read_study
from apps.study.simulate import Cast, SimulateStudy, copy_study
from benchmarks.command import run, spread
from robots.io import check_writable, write_json
from robots.options import JsonOption, SeedOption

WARM_UP_S = 1.0
_FSYNC_BYTES = 4096


@dataclass(frozen=True)
class Args(JsonOption, SeedOption):
    """Measure delays under load, and count what kill -9 loses or doubles."""

    people: int = 20
    """People who answer at the same time."""
    seconds: float = 20.0
    """How long delays are measured, s; baselines take a quarter of it each."""
    kills: int = 50
    """How often the server is killed under load and started again."""
    killed_after: float = 0.3
    """From when as many answers as people were acknowledged to the kill, on average, s."""
    study: Path | None = None
    """Folder of a study to copy; without it, one of the task grid-2 is made."""
    folder: Path | None = None
    """Where the copy is put: the disk that is measured. Without it, the folder for temporary files."""

    def __post_init__(self) -> None:
        bounds = {"people": (1, 200), "seconds": (0.2, 600), "kills": (0, 1000), "killed_after": (0.05, 60)}
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                flag = name.replace("_", "-")
                raise ValueError(f"--{flag} {getattr(self, name)} came; allowed are {low:g} to {high:g}")


def main(args: Args) -> dict[str, Any]:
    """Measure, print and return the figures."""
    args.check_seed()
    check_writable(args.json)
    with tempfile.TemporaryDirectory(prefix="empaw-study-", dir=args.folder) as place:
        study = _study(args, Path(place))
        result: dict[str, Any] = {
            "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
            "load_1min": {"before": round(os.getloadavg()[0], 1)},
            "database": "SQLite, WAL, synchronous=FULL",
            "people": args.people,
            "answers": measure_answers(args, study),
            "baselines": baselines(args, study, Path(place)),
            "kills": measure_kills(args, study),
        }
    result["load_1min"]["after"] = round(os.getloadavg()[0], 1)
    Console(stderr=True).print(result)
    if args.json is not None:
        write_json(result, args.json)
    return result


def measure_answers(args: Args, study: Path) -> dict[str, Any]:
    """Delays of acknowledged answers, ms; how many in a second; and who had the processor meanwhile, in cores."""
    folder = _fresh(study, "answers")
    server = ServerProcess(folder)
    server.start()
    try:
        crowd = Crowd(server.url, _cast(folder, args), args.people)
        crowd.start()
        crowd.settle()
        time.sleep(WARM_UP_S)
        before, spent, began = len(crowd.delays), _processor(server), time.perf_counter()
        time.sleep(args.seconds)
        crowd.go_on(1)  # one at least, however busy the machine
        delays, wall = crowd.delays[before:], time.perf_counter() - began
        cores = {name: (now - spent[name]) / wall for name, now in _processor(server).items()}
        memory = psutil.Process(server.pid).memory_info().rss / 2**20
        crowd.stop()
    finally:
        server.stop()
    return {
        "delay_ms": Delays.of(delays)._asdict(),
        "per_second": round(len(delays) / wall, 1),
        "server_ms_per_answer": round(1e3 * cores["server"] * wall / len(delays), 2),
        "cores": {name: round(share, 2) for name, share in cores.items()},
        "server_mb": round(memory, 1),
        "log": audit(read_study(folder), crowd.kept)._asdict(),
    }


def _processor(server: ServerProcess) -> dict[str, float]:
    """Processor time so far of the server, of the crowd, and of all that runs beside them, s."""
    crowd, served = (sum(psutil.Process(pid).cpu_times()[:2]) for pid in (None, server.pid))
    whole = psutil.cpu_times()
    busy = sum(whole) - whole.idle - getattr(whole, "iowait", 0.0) - getattr(whole, "guest", 0.0)
    return {"server": served, "crowd": crowd, "others": busy - served - crowd}


def baselines(args: Args, study: Path, place: Path) -> dict[str, Any]:
    """Measure how long the same people wait for a request that only reads; the disk; a transaction of their own."""
    seconds = args.seconds / 4
    folder = _fresh(study, "reading")
    server = ServerProcess(folder)
    server.start()
    try:
        clients = [StudyClient(server.url) for _ in range(args.people)]
        reading = _closed_loop([lambda c=client: c.ask("GET", "/api/study/about") for client in clients], seconds)
        for client in clients:
            client.close()
    finally:
        server.stop()
    delays = {"reading_request_ms": Delays.of(reading)._asdict(), "fsync_ms": _fsync(place, seconds)}
    for name, batch in (("grouped", 64), ("one_transaction_each", 1)):
        with _writing(place / f"{name}.db", batch) as write:
            delays[f"writer_{name}_ms"] = Delays.of(_closed_loop([write] * args.people, seconds))._asdict()
    return delays


def measure_kills(args: Args, study: Path) -> dict[str, Any]:
    """Kill the server under load again and again: what the log then lacks, or has twice, and how soon it is back."""
    if args.kills == 0:
        return {"n": 0}
    folder = _fresh(study, "kills")
    rng = np.random.default_rng(args.seed)
    server = ServerProcess(folder)
    server.start()
    first, cpu, back = [], [], []
    crowd = Crowd(server.url, _cast(folder, args), args.people, patience_s=60.0)
    try:
        crowd.start()
        crowd.settle()
        for _ in track(range(args.kills), "kills", console=Console(stderr=True), transient=True):
            crowd.go_on(args.people)
            time.sleep(float(rng.uniform(0, 2)) * args.killed_after)
            server.kill()
            began = time.perf_counter()
            first.append(server.start())
            cpu.append(sum(psutil.Process(server.pid).cpu_times()[:2]))
            with crowd.probe() as client:
                client.next()
            back.append(time.perf_counter() - began)
        crowd.go_on(args.people)
        crowd.stop()
    finally:
        server.stop()
    log = audit(read_study(folder), crowd.kept)._asdict()
    recovery = {"first_answer_s": first, "first_answer_cpu_s": cpu, "person_back_s": back}
    return {"n": args.kills, **log, **{name: spread(times) for name, times in recovery.items()}}


def _study(args: Args, place: Path) -> Path:
    """A study whose blocks are long, so that people answer rather than begin."""
    folder = place / "study"
    if args.study is not None:
        copy_study(args.study, folder)
        return folder
    from apps.study.init import InitStudy, init_study

    init_study(InitStudy(folder, task="grid-2", trials=400))
    return folder


def _fresh(study: Path, name: str) -> Path:
    folder = study.with_name(name)
    copy_study(study, folder)
    return folder


def _cast(folder: Path, args: Args) -> Cast:
    return Cast.of(SimulateStudy(study=folder, n=args.people, seed=args.seed), folder)


def _closed_loop(works: list[Callable[[], Any]], seconds: float) -> list[float]:
    """Times of each call, s; one thread for each of `works`, which begins again as soon as it is done."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    def again(work: Callable[[], Any]) -> None:
        while (began := time.perf_counter()) < until or not times:
            work()
            times.append(time.perf_counter() - began)

    threads = [threading.Thread(target=again, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def _fsync(place: Path, seconds: float) -> dict[str, float]:
    """The disk's own: a page appended and flushed, one after the other."""
    with (place / "fsync").open("wb", buffering=0) as file:

        def flush() -> None:
            file.write(b"\0" * _FSYNC_BYTES)
            os.fsync(file.fileno())

        return Delays.of(_closed_loop([flush], min(seconds, 5.0)))._asdict()


@contextmanager
def _writing(path: Path, batch: int) -> Iterator[Callable[[], Any]]:
    """The server's writer over an empty table, without HTTP: a call returns when its row is on the disk."""
    from sqlalchemy import Connection, text

    from apps.study.storage_open import database_url, open_engines
    from apps.study.writer import Writer

    engines = open_engines(database_url(path.parent, f"sqlite:///{path}"))
    with engines.writer.connect() as connection, connection.begin():
        connection.execute(text("CREATE TABLE row (number INTEGER PRIMARY KEY, body TEXT)"))
    writer = Writer(engines.writer, batch)

    def insert(connection: Connection) -> None:
        connection.execute(text("INSERT INTO row (body) VALUES (:body)"), {"body": "x" * 1000})

    def write() -> None:
        stored: Future[None] = writer.submit(insert)
        stored.result()

    try:
        yield write
    finally:
        writer.close()
        engines.writer.dispose()
        engines.reader.dispose()


if __name__ == "__main__":
    run(main, Args, __doc__)
