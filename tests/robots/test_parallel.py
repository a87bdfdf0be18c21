from __future__ import annotations

import signal
import subprocess
import sys

from tests.conftest import PATIENCE_S, ROOT

INTERRUPTED = """
import signal, sys, time
from cli.commands import guarded
from robots import parallel

def work():
    for _ in parallel.in_order(time.sleep, [0.0] * 4 + [0.3] * 1000, 2):
        print("one", flush=True)

signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background is born without
sys.exit(guarded(work))
"""


def test_ctrl_c_ends_the_workers_without_a_word():
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None and run.stdout.readline() == "one\n"
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=PATIENCE_S)
    assert (run.returncode, said) == (130, "")
