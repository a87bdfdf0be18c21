from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.style import STYLE_LIMITS, ExpressiveStyle
from policies.taste.taste import VERSION, Liking, Taste


def liking(rng: np.random.Generator, sureness: float = 0.8) -> Liking:
    root = rng.normal(size=(6, 6))
    return Liking(ExpressiveStyle.from_vector(rng.random(12)), sureness, 30, rng.normal(size=6), root @ root.T)


@pytest.fixture
def taste(rng) -> Taste:
    return Taste("Ana", {"sad": liking(rng), "happy": liking(rng)}, "linear-6 0123abcd")


def test_a_taste_comes_back_as_it_was_saved(taste, tmp_path):
    taste.save(tmp_path / "ana.json")
    again = Taste.load(tmp_path / "ana.json")
    assert (again.owner, again.representation, again.answers) == ("Ana", "linear-6 0123abcd", 60)
    for label, first in taste.likings.items():
        assert again.likings[label].style == first.style
        assert np.array_equal(again.likings[label].mean, first.mean)
        assert np.array_equal(again.likings[label].covariance, first.covariance)
    assert not list(tmp_path.glob("*.part"))


def spoilt(taste: Taste, tmp_path, change) -> str:
    data = taste.as_json()
    change(data)
    path = tmp_path / "spoilt.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=r"spoilt\.json") as problem:
        Taste.load(path)
    return str(problem.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(version=VERSION + 1), "update Empaw"),
        (lambda d: d.update(version="1"), "expected 1"),
        (lambda d: d.update(format="other"), "no taste"),
        (lambda d: d["likings"]["sad"]["style"].pop("duty"), "duty"),
        (lambda d: d["likings"]["sad"]["style"].update(speed_m_s=9.0), "speed_m_s 9.0 is outside"),
        (lambda d: d["likings"]["sad"]["style"].update(speed_m_s=float("nan")), "nan"),
        (lambda d: d["likings"]["sad"].update(sureness=0.2), "0.5"),
        (lambda d: d["likings"]["sad"].update(answers=-1), "answers"),
        (lambda d: d["likings"]["sad"]["reward"].update(mean=[1.0]), "reshape"),
        (lambda d: d["likings"].update(bored=d["likings"]["sad"]), "bored"),
        (lambda d: d.update(owner="a\nb"), "printable"),
        (lambda d: d.update(owner=7), "TypeError"),
        (lambda d: d.update(version=True), "expected 1"),
        (lambda d: d.update(representation={"name": 1}), "name of an embedding"),
        (lambda d: d["likings"]["sad"].update(sureness=10**400), "OverflowError"),
        (lambda d: d["likings"]["sad"]["reward"].update(mean=[10**400] * 6), "OverflowError"),
        (lambda d: d.pop("likings"), "likings"),
        (lambda d: d.update(likings=[]), "AttributeError"),
    ],
)
def test_damaged_and_newer_files_are_refused_and_say_why(taste, tmp_path, change, said):
    assert said in spoilt(taste, tmp_path, change)


@given(st.binary(max_size=200))
def test_no_bytes_break_anything(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("taste") / "bytes.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bytes\.json"):
        Taste.load(path)


def test_a_number_without_end_is_refused(taste, tmp_path):
    taste.save(tmp_path / "long.json")
    whole = (tmp_path / "long.json").read_text()
    (tmp_path / "long.json").write_text(whole.replace('"sureness": 0.8', '"sureness": 1' + "0" * 5000, 1))
    with pytest.raises(ValueError, match=r"long\.json is no taste, or damaged"):
        Taste.load(tmp_path / "long.json")


def test_a_file_cut_off_anywhere_is_refused(taste, tmp_path):
    taste.save(tmp_path / "whole.json")
    whole = (tmp_path / "whole.json").read_bytes()
    for end in range(0, len(whole) - 2, 97):
        (tmp_path / "part.json").write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"part\.json"):
            Taste.load(tmp_path / "part.json")


def test_styles_in_a_file_are_within_their_limits(taste):
    for entry in taste.as_json()["likings"].values():
        for name, value in entry["style"].items():
            low, high = STYLE_LIMITS[name]
            assert low <= value <= high


def test_a_covariance_that_does_not_fit_is_refused(rng):
    with pytest.raises(ValueError, match=r"\(6,\)"):
        Liking(ExpressiveStyle(), 0.8, 1, np.zeros(6), np.zeros((5, 5)))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        Taste.load(tmp_path / "none.json")
