"""Measure the live session's costs: one core's share, memory, poses per second, answers to commands and to clicks.

    empaw bench live --json benchmarks/results/live.json

A real server process hears the sample over and over while one client reads poses and another sends commands, as a page
does. Processor time over wall time is a ratio, so a busy machine does not flatter or spoil it much. Where Chromium is
installed, a page is opened after that: the share of the poses that it gets, and the time from a click to its answer.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass

import httpx
import numpy as np
import psutil
from rich.console import Console
from websockets.sync.client import ClientConnection, connect

from apps.gui.server import SAMPLE
from apps.session import Session
from benchmarks.browsing import DESKTOP, Tab, find_chromium, open_chromium
from benchmarks.command import run
from benchmarks.serving import START_S, Server, running_server
from robots.io import check_writable, write_json
from robots.options import JsonOption

HEADLESS_S = 10.0
"""How long each of the sessions without browser and video is."""


@dataclass(frozen=True)
class Args(JsonOption):
    """Measure the live session."""

    seconds: float = 30.0
    """How long to measure."""


def main(args: Args) -> dict:
    """Measure and return the figures.

    Raises:
        ValueError: no time to measure in.
    """
    if not 1.0 <= args.seconds <= 3600.0:
        raise ValueError(f"--seconds {args.seconds} came; allowed are 1 to 3600")
    check_writable(args.json)
    with running_server() as server:
        result = measure(server, args.seconds)
        if find_chromium() is not None:
            result |= measure_page(server, result["poses_hz"])
    result["headless_real_time_factor"] = headless_real_time_factor()
    Console(stderr=True).print(result)
    if args.json is not None:
        write_json(result, args.json)
    return result


def measure(server: Server, seconds: float) -> dict:
    """Load a server like one open page does."""
    process = psutil.Process(server.process.pid)
    stop = threading.Event()
    poses: list[float] = []
    reader = threading.Thread(target=read_poses, args=(server, poses, stop))
    reader.start()
    cpu_before, began = sum(process.cpu_times()[:2]), time.perf_counter()
    answers, factors, peak = [], [], 0
    with connect(f"{server.sockets}/ws/live") as live, httpx.Client(base_url=server.address, timeout=START_S) as web:
        hear_again_at = 0.0
        while (passed := time.perf_counter() - began) < seconds:
            if passed >= hear_again_at:
                hear_again_at = passed + web.post("/api/hear_sample").json()["duration_s"]
            answers.append(click(live))
            peak = max(peak, process.memory_info().rss)
            factors.append(web.get("/api/health").json()["real_time_factor"])
            time.sleep(0.25)
    wall = time.perf_counter() - began
    cpu = sum(process.cpu_times()[:2]) - cpu_before
    stop.set()
    reader.join()
    return {
        "seconds": round(wall, 1),
        "share_of_one_core": round(cpu / wall, 3),
        "memory_mb": round(peak / 2**20),
        "poses_hz": round(len(poses) / (poses[-1] - poses[0]), 1),
        "command_p95_ms": round(float(np.percentile(answers, 95)), 1),
        "real_time_factor": round(float(np.median(factors)), 3),
    }


def measure_page(server: Server, poses_hz: float) -> dict:
    """Push the dog twenty times in Chromium, while the page shows it."""
    with open_chromium() as browser:
        tab = Tab(browser.new_page(viewport=DESKTOP), server.address)
        tab.until("window.empaw && window.empaw.ready && window.empaw.poseCount > 150")
        for clicks in range(1, 21):
            tab.page.click("#push")
            tab.until(f"window.empaw.acks.length >= {clicks}")
        share = tab.page.evaluate("window.empaw.poseHz") / poses_hz
        answers = tab.page.evaluate("window.empaw.acks.map((answer) => answer.ms)")
    return {"page_poses_share": round(share, 2), "page_click_median_ms": round(float(np.median(answers)), 1)}


def headless_real_time_factor() -> float:
    """Simulate without browser and video while the dog hears a voice: how many times real time, median of five."""
    factors = []
    for seed in range(5):
        with Session(seed=seed) as session:
            session.play_audio(SAMPLE)
            factors.append(session.run(HEADLESS_S).real_time_factor)
    return round(float(np.median(factors)), 2)


def read_poses(server: Server, times: list[float], stop: threading.Event) -> None:
    """Read poses like a page does, and note when they came."""
    with connect(f"{server.sockets}/ws/poses") as socket:
        while not stop.is_set():
            socket.recv(timeout=START_S)
            times.append(time.perf_counter())


def click(live: ClientConnection) -> float:
    """Return the milliseconds from sending a command to its acknowledgement."""
    began = time.perf_counter()
    live.send(json.dumps({"type": "command", "id": 1, "name": "push", "value": {"direction_rad": 0.0}}))
    while json.loads(live.recv(timeout=START_S))["type"] != "ack":
        pass
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    run(main, Args, __doc__)
