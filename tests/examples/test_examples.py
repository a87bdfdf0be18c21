from __future__ import annotations

import pytest

from tests import processes
from tests.conftest import ROOT

MORE = {"choose_behaviours": ("--seconds", "0.5", "--episodes", "2")}
"""What makes an example small; the others are small already."""


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_runs_and_says_something(path, tmp_path):
    assert len(path.read_text().splitlines()) <= 60
    done = processes.run("python", str(path), *MORE.get(path.stem, ()), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "learnt" in done.stdout
