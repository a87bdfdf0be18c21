"""What `make` says while it installs, and of a Python that it cannot use."""

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


def installed(tmp_path, status: int):
    """What `make` prints while a pip installs 41 packages, or fails."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(
        '#!/bin/sh\nfor i in $(seq 41); do echo "Collecting some-$i==1.0 (from empaw==1.0)"; done\n'
        f"[ {status} = 0 ] || {{ echo 'ERROR: no disk' >&2; exit {status}; }}\n"
        "echo '  Downloading small.whl.metadata (61 kB)'\necho 'Downloading small.whl (9.9 MB)'\n"
        "echo 'Downloading large.whl (174.6 MB)'\n"
        "echo 'Installing collected packages: one, two, three'\necho 'Successfully installed one-1 two-2 three-3'\n"
    )
    python.chmod(0o755)
    return run("sh", "tools/install.sh", tmp_path, ".")


def test_installing_tells_each_step(tmp_path):
    done = installed(tmp_path, 0)
    assert done.returncode == 0 and not done.stderr
    assert done.stdout.splitlines() == [
        "  20 packages found",
        "  40 packages found",
        "  downloading large.whl (174.6 MB)",
        "  unpacking 3 packages (a minute or two)",
    ]
    assert "Successfully installed one-1" in (tmp_path / "install.log").read_text()


def test_what_pip_says_is_shown_where_it_fails(tmp_path):
    done = installed(tmp_path, 1)
    assert done.returncode != 0 and done.stdout.splitlines()[-1] == "  40 packages found"
    said = done.stderr.splitlines()
    assert said[0] == f"pip could not install it; its last words, of those in {tmp_path}/install.log:"
    assert said[-1] == "ERROR: no disk"
