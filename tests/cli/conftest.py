"""Where commands of the README run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.stand_ins import write_all
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[Path]:
    """A folder with all that commands read; the weights that are shipped are the same afterwards."""
    folder = tmp_path_factory.mktemp("home")
    write_all(folder)
    before = shipped()
    yield folder
    assert shipped() == before


def shipped() -> dict[Path, tuple[int, int]]:
    states = {path: path.stat() for path in (ROOT / "assets" / "weights").rglob("*.safetensors")}
    return {path: (state.st_size, state.st_mtime_ns) for path, state in states.items()}
