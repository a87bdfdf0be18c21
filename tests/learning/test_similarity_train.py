from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from envs.trajectories.grid import GridRobot
from evaluation.similarity.evaluate import Evaluate, evaluate
from learning.similarity.train import TrainSimilarity, scripted_answers, train
from policies.taste.representation import Representation


def test_a_map_is_trained_saved_and_judged(tmp_path, capsys):
    out, place = tmp_path / "map", tmp_path / "figures.json"
    trained = train(TrainSimilarity(task="grid-2", answers=60, people=3, out=out, json=str(place)))
    figures = json.loads(place.read_text())
    assert figures["answers"] == 60
    assert "no person" in figures["teachers"]
    assert set(trained.r2) == {"laptop", "angle"}
    assert len(trained.similarity.persons) == 3
    saved = Representation.load(out)
    assert saved.about == figures
    everything = GridRobot(2).generate(10**6, np.random.default_rng(0))
    np.testing.assert_allclose(
        saved.embed(GridRobot(2).descriptors(everything)), trained.similarity.embed(everything), atol=1e-4
    )
    judged = evaluate(Evaluate(representation=out, people=20, json=str(tmp_path / "judged.json")))
    assert judged["representation"].fpe == pytest.approx(trained.fpe, abs=1e-3)
    assert judged["true_features"].fpe == pytest.approx(0, abs=1e-9)
    assert judged["true_features"].tpa20.mean > judged["representation"].tpa20.mean
    assert json.loads((tmp_path / "judged.json").read_text())["task"] == "grid-2"
    assert "true_features" in capsys.readouterr().out
    with pytest.raises(ValueError, match="trained with seed 0"):  # another seed holds out what people were asked about
        evaluate(Evaluate(representation=out, people=20, seed=1))
    kept = {file.name: file.read_bytes() for file in out.iterdir()}
    with pytest.raises(ValueError, match=r"map came, which holds a representation already"):
        train(TrainSimilarity(task="grid-2", answers=60, people=3, seed=1, out=out))
    assert {file.name: file.read_bytes() for file in out.iterdir()} == kept


def test_people_answer_in_turn_and_the_same_for_a_seed():
    features = np.random.default_rng(0).random((30, 2))
    first, again = (scripted_answers(features, 10, 3, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first.choice, again.choice)
    assert np.bincount(first.person).tolist() == [4, 3, 3]


@pytest.mark.parametrize(
    "bad",
    [
        {"task": "maze"},
        {"people": 0},
        {"people": 9, "answers": 5},
        {"answers": 10**9},
        {"clips": 2},
        {"seed": -1},
        {"workers": 0},
        {"task": "grid-2", "encoder": "relations"},
        {"out": Path(__file__)},
    ],
)
def test_bad_options_of_a_training_are_refused(bad):
    with pytest.raises(ValueError, match="came"):
        train(TrainSimilarity(**bad))


@pytest.mark.parametrize("bad", [{"task": "maze"}, {"people": 3}, {"workers": 0}, {"representation": "/nowhere"}])
def test_bad_options_of_a_judgement_are_refused(bad, tmp_path):
    if "representation" in bad:
        bad = {"representation": tmp_path / "nowhere"}
    with pytest.raises(ValueError, match=r"came|holds no representation"):
        evaluate(Evaluate(**bad))
