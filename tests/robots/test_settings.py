from __future__ import annotations

import pytest

from robots.settings import parse_toml


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a = 1\nb = [1 2]", r"here.toml cannot be read as TOML: .*line 2"),
        (b"a = '\xff'", "here.toml cannot be read as TOML: 'utf-8' codec"),
        ("a = " + "9" * 5_000, "here.toml cannot be read as TOML: .*digits"),
        ("a = " + "[" * 21 + "]" * 21, "here.toml: .* more than 20 deep"),
        ("a = " + "{a = " * 5_000, "here.toml"),
    ],
    ids=["cut", "not UTF-8", "digits", "deep", "deeper than the parser"],
)
def test_what_is_no_toml_is_refused_by_name(content, complaint):
    with pytest.raises(UnicodeError, match=complaint):
        parse_toml(content, "here.toml", fault=UnicodeError)


def test_what_is_toml_is_read():
    deep = "a = " + "[" * 19 + "]" * 19
    assert parse_toml(f"{deep}\nb = 'ä'".encode(), "here.toml")["b"] == "ä"
