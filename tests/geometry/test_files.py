"""Files are whole or not there, and a place is one process's."""

from __future__ import annotations

import subprocess
import sys

import pytest

from geometry.files import reserve
from tests.conftest import PATIENCE_S, ROOT

HOLDS = """
import sys
from pathlib import Path
from geometry.files import reserve

held = reserve(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("name", ["rows.jsonl", ""], ids=["file", "folder"])
def test_a_place_is_refused_while_another_process_has_it(tmp_path, name):
    place = tmp_path / name
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(place)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        for _ in range(2):  # asking does not take it away
            with pytest.raises(BlockingIOError, match=rf"{place} is in use by process {holder.pid}: wait"):
                reserve(place)
        holder.kill()
        holder.wait(PATIENCE_S)
    with reserve(place):
        pass


def test_a_process_may_reserve_again_what_it_has(tmp_path):
    with reserve(tmp_path), reserve(tmp_path):
        pass
