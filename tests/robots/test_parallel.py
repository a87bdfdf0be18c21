from __future__ import annotations

import signal
from subprocess import PIPE

from tests.conftest import PATIENCE_S
from tests.processes import started

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
    with started("python", "-c", INTERRUPTED, stdout=PIPE, stderr=PIPE) as run:
        assert run.stdout is not None and run.stdout.readline() == "one\n"
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=PATIENCE_S)
    assert (run.returncode, said) == (130, "")
