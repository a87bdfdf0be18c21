from __future__ import annotations

import numpy as np
import pytest

from evaluation.similarity import metrics
from policies.taste.choice import pair_distances
from policies.taste.queries import Answers, random_queries

FEATURES = np.random.default_rng(0).random((300, 3))
TRAIN, TEST = np.arange(240), np.arange(240, 300)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_probe_by_hand():
    features = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    embedding = features[:, :1]
    probe = metrics.probe_features(embedding, features, np.arange(4), np.arange(4))
    assert probe.fpe == pytest.approx(0.25)  # the second feature is foretold as .5 always
    np.testing.assert_allclose(probe.r2, [1.0, 0.0], atol=1e-9)


def test_a_turned_and_shifted_copy_tells_everything_and_noise_nothing():
    turn = np.linalg.qr(rng().normal(size=(3, 3)))[0]
    assert metrics.probe_features(5 * FEATURES @ turn + 7, FEATURES, TRAIN, TEST).fpe == pytest.approx(0, abs=1e-12)
    noise = metrics.probe_features(rng().normal(size=(300, 3)), FEATURES, TRAIN, TEST)
    assert noise.fpe == pytest.approx(FEATURES[TEST].var(axis=0).sum(), rel=0.15)
    assert noise.r2.max() < 0.1


def test_bad_embeddings_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        metrics.probe_features(np.full((300, 2), np.nan), FEATURES, TRAIN, TEST)
    with pytest.raises(ValueError, match="at least one"):
        metrics.probe_features(FEATURES, FEATURES, TRAIN, TEST[:0])


def test_twenty_preferences_on_true_features_foretell_most_and_on_noise_nothing():
    rewards = metrics.draw_rewards(FEATURES, 20, rng(1))
    good = metrics.preference_accuracy(FEATURES, rewards, TRAIN, TEST, rng(2))
    bad = metrics.preference_accuracy(rng(3).normal(size=(300, 3)), rewards, TRAIN, TEST, rng(2))
    assert good.shape == (20,)
    assert good.mean() > 0.88
    assert 0.4 < bad.mean() < 0.6
    more = metrics.preference_accuracy(FEATURES, rewards, TRAIN, TEST, rng(2), preferences=60)
    assert more.mean() > good.mean()


def test_size_and_place_of_an_embedding_do_not_matter():
    rewards = metrics.draw_rewards(FEATURES, 20, rng(1))
    one, other = (metrics.preference_accuracy(z, rewards, TRAIN, TEST, rng(2)) for z in (FEATURES, 1000 * FEATURES - 5))
    np.testing.assert_allclose(one, other, atol=0.01)


def test_fewer_than_twenty_people_are_no_figure():
    with pytest.raises(ValueError, match="needs 20"):
        metrics.preference_accuracy(FEATURES, np.zeros((19, 300)), TRAIN, TEST, rng())


def test_orders_are_compared_without_ties():
    reward = np.array([0.0, 1.0, 1.0, 2.0])
    everything = np.arange(4)
    assert metrics.ordering_accuracy(reward, reward, everything, rng()) == 1.0
    assert metrics.ordering_accuracy(-reward, reward, everything, rng()) == 0.0
    assert np.isnan(metrics.ordering_accuracy(reward, np.ones(4), everything, rng()))


def test_cleas_four_questions():
    rewards = metrics.draw_rewards(FEATURES, 20, rng(1))
    own = metrics.feature_space(FEATURES, FEATURES, rewards, TRAIN, TEST, rng())
    padded = np.column_stack([FEATURES, rng().random((300, 4))])
    wide = metrics.feature_space(padded, FEATURES, rewards, TRAIN, TEST, rng())
    assert own.completeness > 0.97
    assert own.simplicity > wide.simplicity + 0.02
    assert own.minimality > wide.minimality
    assert 0 < own.explainability <= 1
    spread = FEATURES * [1.0, 3.0, 9.0]  # axes that are features
    assert metrics.feature_space(spread, FEATURES, rewards, TRAIN, TEST, rng()).explainability > 0.95


def answers(n, seed, wrong=0.0):
    asked = np.array([query.items for query in random_queries(n, 300, rng(seed))])
    choice = pair_distances(FEATURES, asked).argmin(axis=1)
    lost = rng(seed + 1).random(n) < wrong
    return Answers(asked, np.where(lost, (choice + 1) % 3, choice), np.zeros(n, np.int64))


def test_answers_are_foretold_in_bits_against_guessing():
    known = metrics.predict_answers(FEATURES, answers(200, 0), answers(300, 5))
    assert known.accuracy == 1.0
    assert known.bits < 0.1
    noise = metrics.predict_answers(rng(7).random((300, 3)), answers(200, 0), answers(300, 5))
    assert noise.bits == pytest.approx(np.log2(3), abs=0.05)
    assert noise.accuracy == pytest.approx(1 / 3, abs=0.1)
    careless = metrics.predict_answers(FEATURES, answers(400, 0, 0.2), answers(400, 5, 0.2))
    best = -(0.8 * np.log2(0.8) + 0.2 * np.log2(0.1))  # which of the two wrong ones it is remains unknown
    assert careless.bits == pytest.approx(best, abs=0.25)
    with pytest.raises(ValueError, match="no answers"):
        metrics.predict_answers(FEATURES, answers(5, 0).take(np.zeros(5, bool)), answers(5, 0))
