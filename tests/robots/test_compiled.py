from __future__ import annotations

import os
import shutil
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


def test_machine_code_does_not_outlive_what_it_calls(tmp_path):
    """Numba itself would keep the code of a function whose own file is as it was."""
    package = tmp_path / "robots"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(Path(__file__).parents[2] / "robots" / "compiled.py", package)
    header = "from robots.compiled import compiled\n"
    (package / "outer.py").write_text(
        f"{header}from robots.inner import inner\n@compiled\ndef outer(x):\n    return 2 * inner(x)\n"
    )
    found = []
    for value in (3, 4, 3):
        (package / "inner.py").write_text(f"{header}@compiled\ndef inner(x):\n    return x + {value}\n")
        code = "from robots.outer import outer; print(outer(1), sum(outer.stats.cache_hits.values()))"
        done = subprocess.run(
            [sys.executable, "-B", "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=100,
        )
        found.append(done.stdout.split())
    assert found == [["8", "0"], ["10", "0"], ["8", "1"]], done.stderr
