from __future__ import annotations

import numpy as np
import pytest
import torch

from learning.similarity import baselines
from learning.similarity.coordinates import (
    CoordinatesConfig,
    ckl_loss,
    fit_coordinates,
    soe_loss,
    ste_loss,
    triplets,
    tste_loss,
    vice_loss,
)
from learning.similarity.encoders import LINEAR, EncoderConfig
from learning.similarity.preferences import (
    PreferenceAnswers,
    PreferenceConfig,
    ask_preferences,
    fit_preferences,
    preference_loss,
)
from learning.trainer import Schedule
from policies.taste.choice import pair_distances
from policies.taste.queries import Answers, random_queries

RNG = np.random.default_rng(0)
FEATURES = RNG.random((60, 2))
INPUTS = np.concatenate([FEATURES, RNG.random((60, 4))], axis=1)


def answers(n=900):
    asked = np.array([query.items for query in random_queries(n, len(FEATURES), np.random.default_rng(1))])
    return Answers(asked, pair_distances(FEATURES, asked).argmin(axis=1), np.zeros(n, np.int64))


def probe(embedding):
    known = np.column_stack([embedding, np.ones(len(embedding))])
    left = FEATURES - known @ np.linalg.lstsq(known, FEATURES, rcond=None)[0]
    return 1 - left.var() / FEATURES.var()


def test_losses_by_hand():
    a, b, c = torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    assert float(ste_loss(a, b, c)) == pytest.approx(np.log(1 + np.exp(1 - 4)))
    p = (1 + 1) ** -1.0 / ((1 + 1) ** -1.0 + (1 + 4) ** -1.0)
    assert float(tste_loss(a, b, c)) == pytest.approx(-np.log(p))
    assert float(ckl_loss(a, b, c)) == pytest.approx(-np.log(4.05 / 5.1))
    assert float(soe_loss(a, b, c)) == 0.0
    assert float(soe_loss(a, c, b)) == pytest.approx(1.1**2)
    triples = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    assert float(vice_loss(triples, torch.tensor([0]))) == pytest.approx(-np.log(np.e / (np.e + 2)), rel=1e-5)


def test_an_answer_is_two_triplets():
    one = Answers(np.array([[4, 5, 6], [4, 5, 6]]), np.array([1, -1]), np.zeros(2, np.int64))
    np.testing.assert_array_equal(triplets(one), [[4, 6, 5], [6, 4, 5]])


@pytest.mark.parametrize("method", ["ste", "tste", "ckl", "soe", "vice"])
def test_coordinates_agree_with_the_answers(method):
    given = answers()
    placed = fit_coordinates(60, given, CoordinatesConfig(method, 3, Schedule(400, 3e-2)))
    if method == "vice":
        assert placed.min() >= 0
        dots = np.stack(
            [(placed[given.items[:, i]] * placed[given.items[:, j]]).sum(1) for i, j in [(0, 1), (0, 2), (1, 2)]]
        )
        assert (dots.argmax(axis=0) == given.choice).mean() > 0.7
    else:
        assert (pair_distances(placed, given.items).argmin(axis=1) == given.choice).mean() > 0.85
        assert probe(placed) > 0.6


def test_preferences_shape_a_representation_and_one_person_less_so():
    weights = np.random.default_rng(2).normal(size=(10, 2))
    config = PreferenceConfig(LINEAR, Schedule(200, 2e-2))
    many = ask_preferences(weights @ FEATURES.T, 500, np.random.default_rng(3))
    found, _ = fit_preferences(INPUTS, many, config)
    single, _ = fit_preferences(
        INPUTS, ask_preferences(weights[:1] @ FEATURES.T, 500, np.random.default_rng(3)), config
    )
    assert probe(np.linalg.svd(found.embed(INPUTS), full_matrices=False)[0][:, :2]) > 0.85
    assert probe(np.linalg.svd(single.embed(INPUTS), full_matrices=False)[0][:, :1]) < 0.8


def test_the_loss_of_preferences_is_minus_log_p_and_pulls_hardest_where_it_is_most_wrong():
    better = torch.tensor([[-9.0], [0.0], [9.0]], requires_grad=True)
    loss = preference_loss(better, torch.zeros(3, 1), torch.ones(3, 1))
    assert float(loss[1].detach()) == pytest.approx(np.log(2))
    loss.sum().backward()
    assert better.grad is not None
    pull = better.grad.abs()[:, 0].tolist()
    assert pull[0] == pytest.approx(1.0, abs=1e-3)  # -p in place of -log p has a gradient of nearly 0 here
    assert pull[0] > pull[1] > pull[2]


def test_simulated_preferences():
    rewards = np.arange(20.0)[None].repeat(2, axis=0)
    clean = ask_preferences(rewards, 100, np.random.default_rng(0))
    assert (rewards[0][clean.better] > rewards[0][clean.worse]).all()
    assert set(clean.person) == {0, 1}
    wrong = ask_preferences(rewards, 2000, np.random.default_rng(0), 0.15)
    assert (rewards[0][wrong.better] < rewards[0][wrong.worse]).mean() == pytest.approx(0.15, abs=0.03)
    with pytest.raises(ValueError, match="1/2"):
        ask_preferences(rewards, 10, np.random.default_rng(0), 0.7)
    with pytest.raises(ValueError, match=r"\(N,\)"):
        PreferenceAnswers(np.zeros(3, int), np.zeros(2, int), np.zeros(3, int))


def test_principal_components_and_inputs_as_they_are():
    plain = baselines.identity(INPUTS, "descriptors").embed(INPUTS)
    np.testing.assert_allclose(plain.std(axis=0), 1.0)
    two = baselines.principal_components(INPUTS, "descriptors", 2).embed(INPUTS)
    assert two.shape == (60, 2)
    assert two.var(axis=0)[0] >= two.var(axis=0)[1]
    with pytest.raises(ValueError, match="1 to 6"):
        baselines.principal_components(INPUTS, "descriptors", 7)


def test_an_autoencoder_keeps_what_varies_together():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(300, 2))
    inputs = hidden @ rng.normal(size=(2, 12)) + 0.05 * rng.normal(size=(300, 12))
    config = baselines.VaeConfig(EncoderConfig("mlp", "vector", (32,), 2), 32, schedule=Schedule(300, 1e-2))
    code = np.column_stack([baselines.fit_vae(inputs, config).embed(inputs), np.ones(300)])
    left = hidden - code @ np.linalg.lstsq(code, hidden, rcond=None)[0]
    assert left.var() < 0.2 * hidden.var()


def test_what_is_explored_together_comes_together():
    log = baselines.simulate_exploration(FEATURES, 300, np.random.default_rng(0))
    assert log.explored.shape == log.ignored.shape == (100, 3)
    astray = baselines.simulate_exploration(FEATURES, 300, np.random.default_rng(0), wrong_share=1.0)
    assert sorted(astray.explored[0]) == sorted(log.ignored[0])
    config = baselines.ContrastiveConfig(LINEAR, Schedule(200, 2e-2))
    embedding = baselines.fit_contrastive(INPUTS, log, config).embed(INPUTS)
    given = answers(300)
    hits = (pair_distances(embedding, given.items).argmin(axis=1) == given.choice).mean()
    assert hits > (pair_distances(INPUTS, given.items).argmin(axis=1) == given.choice).mean() + 0.1


def test_bad_input_is_refused():
    silent = Answers(np.array([[0, 1, 2]]), np.array([-1]), np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="at least one"):
        fit_coordinates(5, silent, CoordinatesConfig())
    with pytest.raises(ValueError, match="there are 3"):
        fit_coordinates(3, answers(30), CoordinatesConfig())
    with pytest.raises(ValueError, match="of 60"):
        fit_preferences(INPUTS, PreferenceAnswers(*np.array([[70], [1], [0]])), PreferenceConfig(LINEAR))
