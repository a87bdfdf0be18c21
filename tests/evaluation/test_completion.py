import json
from pathlib import Path

import pytest
import torch

from cli.main import cli
from evaluation.completion import evaluate
from evaluation.completion.evaluate import EvaluateConfig
from perception.completion import weights
from perception.completion.network import (
    CompletionNetwork,
)
from perception.completion.weights import Stored
from perception.weights import count_parameters
from tests.completion import SMALL, network, render


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    return render(tmp_path_factory.mktemp("views"), tmp_path_factory.mktemp("objects"))


def test_evaluation_tells_what_it_should(rendered, tmp_path, capsys):
    weights.save(tmp_path / "w", Stored(network(), 1.5), {}, "card")
    out = tmp_path / "figures.json"
    evaluate.main(EvaluateConfig((rendered,), (tmp_path / "w",), tmp_path / "pictures", json=out))
    figures = json.loads(out.read_text())
    wanted = {"cdl1_mm", "cdl1_partial_mm", "f_score_1pct", "extent_error_mm", "n_objects", "n_views"}
    assert wanted <= figures.keys() and figures["n_objects"] == 8 and figures["n_views"] == 16
    for interval in (figures["cdl1_mm"], figures["cdl1_over_partial"]):
        assert interval["low"] <= interval["mean"] <= interval["high"]
    assert list((tmp_path / "pictures").glob("*.png"))


def test_networks_are_compared_with_the_first_on_the_same_views(rendered, tmp_path):
    for name, seed in (("first", 0), ("second", 1)):
        torch.manual_seed(seed)
        weights.save(tmp_path / name / "w", Stored(CompletionNetwork(SMALL), 1.0), {}, "card")
    first, second = tmp_path / "first" / "w", tmp_path / "second" / "w"
    rows = evaluate.main(EvaluateConfig((rendered,), (first, second, first))).rows
    assert [row["weights"] for row in rows] == [str(first), str(second)], "two folders of one name are told apart"
    assert "cdl1_difference_mm" not in rows[0] and rows[0]["parameters"] == count_parameters(network())
    more = rows[1]["cdl1_difference_mm"]
    assert more["mean"] == pytest.approx(rows[1]["cdl1_mm"]["mean"] - rows[0]["cdl1_mm"]["mean"], abs=0.002)
    assert more["low"] <= more["mean"] <= more["high"]


def test_commands_say_in_one_line_what_is_wrong(tmp_path, capsys):
    assert cli(["train", "completion", "--rendered", str(tmp_path)]) == 2
    assert cli(["evaluate", "completion", "--rendered", str(tmp_path), "--weights", str(tmp_path)]) == 2
    assert cli(["export", "views", "--out", str(tmp_path / "o"), "--objects", "nothing"]) == 2
    errors = capsys.readouterr().err
    assert errors.count("error: ") == 3 and "Traceback" not in errors
