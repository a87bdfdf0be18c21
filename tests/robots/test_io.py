"""Results are whole or not there, and never take the place of what is no file."""

from __future__ import annotations

import pytest

from robots.io import check_writable, write_json


def test_a_file_is_replaced_as_a_whole(tmp_path):
    place = tmp_path / "new" / "figures.json"
    check_writable(place)
    write_json({"a": 1}, str(place))
    write_json({"a": 2}, place)
    assert place.read_text() == '{\n "a": 2\n}\n'
    assert list(place.parent.iterdir()) == [place]


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(OSError, match="is a folder"):
        check_writable(tmp_path)
    for call in (check_writable, lambda place: write_json({"a": 1}, place)):
        with pytest.raises(OSError, match="/dev/null is no regular file"):
            call("/dev/null")
    check_writable("-")
    check_writable(None)
