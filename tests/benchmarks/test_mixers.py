import json
from dataclasses import replace

import pytest

from benchmarks import mixers
from tests.datasets.test_faces import write_tree


def test_mixers_are_compared_on_the_same_pictures(tmp_path, monkeypatch):
    write_tree(tmp_path / "tree", 4)
    out = tmp_path / "figures.json"
    args = mixers.Args(tmp_path / "tree", epochs=1, out=tmp_path / "runs", cache=tmp_path / "cache", json=str(out))
    found = mixers.main(args)
    assert json.loads(out.read_text()) == found
    attention, convolution = found["rows"]
    assert attention["mixer"] == "gpsa" and "difference" not in attention
    assert convolution["parameters"] == pytest.approx(attention["parameters"], rel=0.01)
    more = convolution["difference"]
    assert more["mean"] == pytest.approx(convolution["wa"] - attention["wa"], abs=1e-3)
    assert more["low"] <= more["mean"] <= more["high"]

    def train(_):
        raise AssertionError("what was trained is trained again")

    monkeypatch.setattr(mixers.train, "main", train)
    assert mixers.main(replace(args, json=None)) == found
