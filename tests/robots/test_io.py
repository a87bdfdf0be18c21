"""Results are whole or not there, and never take the place of what is no file."""

from __future__ import annotations

import os
import stat
import threading

import pytest

from robots.io import check_writable, write_json, write_whole
from tests.conftest import PATIENCE_S


def test_a_file_is_replaced_as_a_whole(tmp_path):
    place = tmp_path / "new" / "figures.json"
    check_writable(place)
    write_json({"a": 1}, str(place))
    write_whole(place, "later")
    assert place.read_text() == "later"
    assert list(place.parent.iterdir()) == [place]
    with pytest.raises(OSError, match="is a folder"):
        check_writable(tmp_path)


def test_a_device_stays_a_device(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_writable(pipe)
    came: list[str] = []
    reader = threading.Thread(target=lambda: came.append(pipe.read_text()), daemon=True)
    reader.start()
    write_json({"a": 1}, str(pipe))
    reader.join(PATIENCE_S)
    assert came == ['{\n "a": 1\n}\n']
    assert stat.S_ISFIFO(pipe.stat().st_mode) and list(tmp_path.iterdir()) == [pipe]
