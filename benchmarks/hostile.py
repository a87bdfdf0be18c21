"""Attack the page, on this machine only, and measure what somebody who may be there notices of it.

    empaw bench hostile --json benchmarks/results/hostile.json
    empaw bench hostile --minutes 60

A real server process asks for its token. One visitor has it, reads poses and clicks; everybody else attacks, one way
after the other, some of them with the token too. Told is the visitor's rate of poses as a share of that without attack
(measured just before each), the slowest answer to a click, and by how much the server and its log grow. At the end
comes Ctrl+C while a server decodes. With `--minutes`, eight viewers read as pages do, and four read slowly, instead.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event

import numpy as np
import psutil
import soundfile
from rich.console import Console
from rich.table import Table

from benchmarks.command import run
from benchmarks.hostile_attacks import ATTACKS, CRUMBS, Attack, Target, avi_of_crumbs
from benchmarks.live import click
from benchmarks.serving import START_S, running_server
from evaluation.terminal import print_table
from robots.io import check_writable, write_json
from robots.options import JsonOption

VIEWERS, SLOW_READERS = 8, 4
DECODING_S = 0.5
"""From the end of an upload to Ctrl+C: enough to begin, and not to be through."""
_PAUSE_S = 0.25


@dataclass(frozen=True)
class Args(JsonOption):
    """Attack the page of a server on this machine."""

    seconds: float = 10.0
    """How long each attack lasts."""
    minutes: float = 0.0
    """Instead of attacks: so long eight viewers look on, and four read slowly."""


class Visitor:
    """Somebody who may be there: reads poses, and clicks four times a second."""

    def __init__(self, target: Target) -> None:
        self.poses, self._stop = 0, Event()
        self.clicks_ms: list[float] = []
        self._threads = [threading.Thread(target=work, args=(target,)) for work in (self._read, self._click)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Go.

        Raises:
            AssertionError: the server stopped talking to the visitor before.
        """
        assert all(thread.is_alive() for thread in self._threads), "the server stopped talking to a visitor with token"
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def look(self, seconds: float) -> tuple[float, list[float]]:
        """Return poses a second, and the answers to clicks in milliseconds, of the next while."""
        poses, clicks, begun = self.poses, len(self.clicks_ms), time.perf_counter()
        time.sleep(seconds)
        end = time.monotonic() + START_S
        while (len(self.clicks_ms) == clicks or self.poses == poses) and time.monotonic() < end:
            time.sleep(0.01)
        return (self.poses - poses) / (time.perf_counter() - begun), self.clicks_ms[clicks:]

    def _read(self, target: Target) -> None:
        with target.socket("/ws/poses", target.cookie) as opened:
            while not self._stop.is_set():
                opened.recv(timeout=START_S)
                self.poses += 1

    def _click(self, target: Target) -> None:
        with target.socket("/ws/live", target.cookie) as opened:
            while not self._stop.is_set():
                self.clicks_ms.append(click(opened))
                self._stop.wait(_PAUSE_S)


def main(args: Args) -> dict:
    """Attack, print the table, and return it.

    Raises:
        ValueError: no time to attack in.
    """
    if not (0.1 <= args.seconds <= 600.0 and 0.0 <= args.minutes <= 24 * 60):
        raise ValueError(
            f"--seconds {args.seconds} and --minutes {args.minutes} came; allowed are 0.1 to 600 and 0 to 1440"
        )
    check_writable(args.json)
    with running_server("--token") as server:
        target = Target.of(server)
        if args.minutes > 0:
            result = {"soak": soak(target, args.minutes)}
        else:
            result = {"attacks": {attack.__name__: measure(target, attack, args.seconds) for attack in ATTACKS}}
    result["ends_in_s"] = {name: end_while_decoding(make()) for name, make in DECODED.items()}
    _print(result)
    if args.json is not None:
        write_json(result, args.json)
    return result


def measure(target: Target, attack: Attack, seconds: float) -> dict:
    """Return what the visitor and the machine notice of an attack."""
    process, log = psutil.Process(target.pid), target.log
    # Attackers have processes of their own, or the visitor would wait for them rather than for the server.
    apart = multiprocessing.get_context("spawn")
    visitor, begun, stop = Visitor(target), apart.Event(), apart.Event()
    try:
        visitor.look(1.0)
        calm_hz, calm_ms = visitor.look(seconds / 2)
        memory, written = process.memory_info().rss, log.stat().st_size
        attacker = apart.Process(target=_begin, args=(attack, target, begun, stop), daemon=True)
        attacker.start()
        begun.wait(START_S)
        attacked_hz, attacked_ms = visitor.look(seconds)
        grown, files = process.memory_info().rss - memory, process.num_fds()
        with target.web(cookie=target.cookie) as web:
            alive = web.get("/api/health").json()["alive"]
        stop.set()
        attacker.join()
    finally:
        stop.set()
        visitor.close()
    return {
        "alive": alive,
        "poses_share": round(attacked_hz / calm_hz, 3),
        "click_median_ms": round(float(np.median(attacked_ms)), 1),
        "click_slowest_ms": round(max(attacked_ms), 1),
        "calm_click_slowest_ms": round(max(calm_ms), 1),
        "memory_grown_mb": round(grown / 2**20, 1),
        "files_open": files,
        "log_kb_per_minute": round((log.stat().st_size - written) / 1024 * 60 / seconds, 1),
    }


def _begin(attack: Attack, target: Target, begun: Event, stop: Event) -> None:
    begun.set()
    attack(target, stop)


def soak(target: Target, minutes: float) -> dict:
    """Have viewers look on, fast and slow; return how the server's memory grew after the first tenth."""
    process = psutil.Process(target.pid)
    slow = [_slow_reader(target) for _ in range(SLOW_READERS)]
    viewers = [Visitor(target) for _ in range(VIEWERS)]
    memory, factors, end = [], [], time.monotonic() + 60 * minutes
    try:
        with target.web(cookie=target.cookie) as web:
            while time.monotonic() < end:
                memory.append(process.memory_info().rss / 2**20)
                factors.append(web.get("/api/health").json()["real_time_factor"])
                web.post("/api/hear_sample")
                time.sleep(min(5.0, 2 * minutes))
    finally:
        for viewer in viewers:
            viewer.close()
        for opened in slow:
            opened.close()
    tenth = max(1, len(memory) // 10)
    begun, ended = float(np.median(memory[tenth : 2 * tenth + 1])), float(np.median(memory[-tenth:]))
    return {
        "minutes": minutes,
        "memory_mb": round(ended, 1),
        "memory_grown": round(ended / begun - 1, 4),
        "real_time_factor": round(float(np.median(factors)), 3),
        "click_p95_ms": round(float(np.percentile([ms for viewer in viewers for ms in viewer.clicks_ms], 95)), 1),
    }


def _slow_reader(target: Target) -> socket.socket:
    """Open the socket of poses and read nothing of it."""
    opened = target.raw()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.sendall(
        target.head(
            "GET /ws/poses", f"Cookie: {target.cookie}", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
        )
    )  # fmt: skip
    return opened


def end_while_decoding(body: bytes) -> float:
    """Press Ctrl+C while a server decodes; return the seconds until it has ended."""
    with running_server("--token") as server:
        target = Target.of(server)
        head = target.head("POST /api/hear", f"Cookie: {target.cookie}", f"Content-Length: {len(body)}")
        with target.raw(head + body):
            time.sleep(DECODING_S)
            begun = time.perf_counter()
            os.kill(server.process.pid, signal.SIGINT)
            server.process.wait(START_S)
            return round(time.perf_counter() - begun, 2)


def _long_sound() -> bytes:
    """Write noise of nearly ten minutes, which is as long as a sound may be."""
    file, rng = io.BytesIO(), np.random.default_rng(0)
    with soundfile.SoundFile(file, "w", 16_000, 1, format="OGG") as sound:
        for _ in range(590):  # libsndfile's encoder keeps on the stack what it is given at once
            sound.write(rng.normal(0, 0.1, 16_000))
    return file.getvalue()


def _crumbs() -> bytes:
    return avi_of_crumbs(CRUMBS)


DECODED: Mapping[str, Callable[[], bytes]] = {"long_sound": _long_sound, "endless_sound": _crumbs}
"""What takes long to decode."""


def _print(result: dict) -> None:
    console = Console(stderr=True)
    if "attacks" in result:
        table = Table("attack", *(name.replace("_", " ") for name in next(iter(result["attacks"].values()))))
        for name, row in result["attacks"].items():
            table.add_row(name.replace("_", " "), *(json.dumps(value) for value in row.values()))
        print_table(console, table)
    console.print({name: value for name, value in result.items() if name != "attacks"})


if __name__ == "__main__":
    run(main, Args, __doc__)
