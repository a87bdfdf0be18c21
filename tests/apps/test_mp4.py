"""Films: what can be asked for is known before the work."""

from __future__ import annotations

import pytest

from apps.gait_film import Record, record
from apps.headless import Run, run
from apps.mp4 import check_film


@pytest.mark.parametrize("name", ["x.avi", "x", "x.mp4.gif"])
def test_only_mp4_is_filmed_into(tmp_path, name):
    path = tmp_path / name
    for work in (lambda: run(Run(record=path)), lambda: record(Record(out=path)), lambda: check_film(path)):
        with pytest.raises(ValueError, match=rf"{path} came for a film; films are MP4: call it .*\.mp4"):
            work()
    assert not list(tmp_path.iterdir())


def test_a_film_may_be_called_by_capitals_but_be_no_folder(tmp_path):
    check_film(tmp_path / "x.MP4")
    check_film(None)
    (tmp_path / "y.mp4").mkdir()
    with pytest.raises(OSError, match="folder"):
        check_film(tmp_path / "y.mp4")
