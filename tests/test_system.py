"""What `make` says of a Python that it cannot use."""

from __future__ import annotations

import pytest

from tests.processes import run


@pytest.mark.parametrize("shim", [False, True])
def test_a_python_that_is_not_there_is_told_in_one_line(tmp_path, shim):
    python = tmp_path / "python9.9"
    if shim:
        python.write_text(
            "#!/bin/sh\necho 'pyenv: python9.9: command not found' >&2\necho 'a page more' >&2\nexit 127\n"
        )
        python.chmod(0o755)
    done = run("sh", "tools/system.sh", "venv", python)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith(f"there is no Python that runs as {python}; run:  make PYTHON=")
    assert done.stderr.count("\n") == 1
