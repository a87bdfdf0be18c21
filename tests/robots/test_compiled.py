from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from robots.compiled import compiled


def test_a_compiled_function_does_what_its_source_does():
    def plain(x: float) -> float:
        return (x * 3.0) % 1.0

    assert compiled(plain)(-0.4) == pytest.approx(plain(-0.4))


def test_where_nothing_can_be_kept_it_is_compiled_each_time(tmp_path):
    """Source and cache that cannot be written, as in a container that is read-only: slower to start, but it starts."""
    module = tmp_path / "only_read.py"
    module.write_text("from robots.compiled import compiled\n@compiled\ndef twice(x):\n    return 2 * x\n")
    nowhere = tmp_path / "a file"
    nowhere.touch()
    (tmp_path / "__pycache__").touch()  # a file where the folder would be, which root cannot write into either
    environment = {**os.environ, "HOME": str(nowhere), "XDG_CACHE_HOME": str(nowhere), "PYTHONDONTWRITEBYTECODE": "1"}
    code = "import only_read; print(only_read.twice(21))"
    path = os.pathsep.join((str(tmp_path), str(Path(__file__).parents[2])))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "42", done.stderr
