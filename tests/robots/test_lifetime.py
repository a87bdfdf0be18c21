"""What a command starts ends with it, however that ends."""

from __future__ import annotations

import signal
from subprocess import DEVNULL

import psutil
import pytest

from robots import lifetime
from tests.conftest import PATIENCE_S, alive, wait_until
from tests.processes import run, started

WORKERS = """
import sys, time
from pathlib import Path
from robots.parallel import in_order

def work(place):
    Path(place).touch()
    time.sleep(10_000)

list(in_order(work, sys.argv[1:], 2))
"""
SCRIPT = """
import subprocess, sys
from pathlib import Path
from robots import lifetime

script = Path(sys.argv[1]).with_suffix(".py")
script.write_text("import sys, time; from pathlib import Path; Path(sys.argv[1]).touch(); time.sleep(10_000)")
subprocess.run(lifetime.command(script, sys.argv[1]), start_new_session=True)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize(("code", "count"), [(WORKERS, 2), (SCRIPT, 1)], ids=["workers", "script"])
def test_no_process_outlives_the_one_that_started_it(tmp_path, code, count, how):
    places = [tmp_path / str(number) for number in range(count)]
    with started("python", "-c", code, *places, stderr=DEVNULL) as parent:
        wait_until(lambda: parent.poll() is not None or all(place.exists() for place in places))
        children = psutil.Process(parent.pid).children(recursive=True)
        assert len(children) >= count
        parent.send_signal(how)
        assert parent.wait(PATIENCE_S) == -how
        wait_until(lambda: not any(alive(child) for child in children))


def test_a_script_sees_its_own_line(tmp_path):
    script = tmp_path / "told.py"
    script.write_text("import sys; print(__name__, *sys.argv)")
    assert run(*lifetime.command(script, "a", "b")).stdout == f"__main__ {script} a b\n"
