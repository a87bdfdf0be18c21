from __future__ import annotations

import numpy as np
import pytest

from perception.emotion import LABELS
from policies.taste.learn import learn_taste
from policies.taste.optimiser import StyleLibrary, StyleMap, candidates, choose_style, judged, trusted
from policies.taste.preferences import Preference, Prior, RewardPosterior
from policies.taste.priors import table_styles
from policies.taste.taste import Taste


@pytest.fixture
def library(rng) -> StyleLibrary:
    styles = rng.random((600, 12))
    mixing = rng.normal(size=(12, 5))
    conditions = rng.integers(3, size=600)
    embeddings = styles @ mixing + 0.5 * styles[:, :5] ** 2 + conditions[:, None] + 0.05 * rng.normal(size=(600, 5))
    return StyleLibrary(styles, embeddings, conditions)


def posterior(weights, spread: float = 1e-6) -> RewardPosterior:
    mean = np.asarray([weights], float)
    return RewardPosterior(mean, spread**2 * np.eye(mean.shape[1])[None], np.array([20]), Prior())


def test_the_map_foretells_clips_that_it_has_not_seen(library, rng):
    found = StyleMap.fit(library, rng)
    assert found.r2.min() > 0.95
    half = StyleLibrary(library.styles[:400], library.embeddings[:400], library.conditions[:400])
    shown = StyleMap.fit(half, rng)
    left = np.concatenate(
        [library.embeddings[n] - shown.predict(library.styles[n], int(library.conditions[n])) for n in range(400, 600)]
    )
    assert np.sqrt((left**2).mean()) == pytest.approx(float(np.sqrt((shown.error**2).mean())), rel=0.3)


def test_a_map_of_noise_says_that_it_foretells_nothing(rng):
    noise = StyleLibrary(rng.random((200, 12)), rng.normal(size=(200, 2)), np.zeros(200, int))
    assert StyleMap.fit(noise, rng).r2.max() < 0.1


def test_the_best_style_is_found_inside_the_trusted_box(library, rng):
    style_map = StyleMap.fit(library, rng)
    default, known = np.full(12, 0.4), posterior([1.0, -1.0, 0.5, 2.0, 0.0])
    found = choose_style(known, 0, style_map, 1, default, rng, radius=0.3)
    low, high = trusted(default, 0.3)
    assert (low - 1e-9 <= found.vector).all()
    assert (found.vector <= high + 1e-9).all()
    others = style_map.predict(candidates(default, rng, 4096, 0.3), 1) @ known.mean[0]
    assert style_map.predict(found.vector, 1)[0] @ known.mean[0] > others.max()
    assert found.gain > 0
    assert found.sureness > 0.95


def test_whoever_knows_nothing_shows_the_default(library, rng):
    style_map = StyleMap.fit(library, rng)
    default = np.full(12, 0.4)
    found = choose_style(posterior(np.zeros(5), 4.0), 0, style_map, 0, default, rng)
    assert np.array_equal(found.vector, default)
    assert found.sureness == 0.5


def test_sureness_grows_with_what_is_known(library, rng):
    style_map = StyleMap.fit(library, rng)
    default, other = np.full(12, 0.4), np.full(12, 0.7)
    weights = np.sign(style_map.predict(other, 0) - style_map.predict(default, 0))[0]
    far = [judged(posterior(weights, spread), 0, style_map, 0, default, other).sureness for spread in (20.0, 2.0, 0.1)]
    assert 0.5 <= far[0] < far[1] < far[2]


def test_the_same_generator_chooses_the_same(library):
    style_map = StyleMap.fit(library, np.random.default_rng(1))
    chosen = [
        choose_style(posterior(np.ones(5)), 0, style_map, 0, np.full(12, 0.5), np.random.default_rng(2)) for _ in "ab"
    ]
    assert np.array_equal(chosen[0].vector, chosen[1].vector)


def test_libraries_that_do_not_fit_are_refused(rng):
    with pytest.raises(ValueError, match="3 styles, 2 embeddings"):
        StyleLibrary(np.zeros((3, 12)), np.zeros((2, 5)), np.zeros(3, int))
    with pytest.raises(ValueError, match="at least 5"):
        StyleMap.fit(StyleLibrary(np.zeros((3, 12)), np.zeros((3, 5)), np.zeros(3, int)), rng)
    full = StyleLibrary(rng.random((50, 12)), rng.random((50, 2)), np.zeros(50, int))
    with pytest.raises(ValueError, match="condition 1"):
        StyleMap.fit(full, rng).predict(np.zeros(12), 1)


def test_a_taste_is_learnt_from_answers_and_kept(library, rng, tmp_path):
    reward = library.styles[:, 0] - library.styles[:, 4]  # fast and low
    given = []
    for n in range(96):
        first, second = rng.choice(600, 2, replace=False)
        better, worse = (first, second) if reward[first] > reward[second] else (second, first)
        given.append(Preference(int(better), int(worse), LABELS[n % 8]))
    sized = StyleLibrary(library.styles, library.embeddings / library.embeddings.std(), library.conditions)
    found = learn_taste("Ana", given, sized, dict.fromkeys(LABELS, 1), rng, representation="test")
    found.save(tmp_path / "ana.json")
    assert Taste.load(tmp_path / "ana.json").as_json() == found.as_json()
    assert found.answers == 96
    worth = [
        np.array([style.vector()[0] - style.vector()[4]])
        for style in (*table_styles().values(), *(liking.style for liking in found.likings.values()))
    ]
    assert np.mean(worth[8:]) > np.mean(worth[:8]) + 0.2
    assert min(liking.sureness for liking in found.likings.values()) > 0.7


def test_without_answers_a_taste_says_nothing(library, rng):
    found = learn_taste("Ana", [], library, dict.fromkeys(LABELS, 0), rng)
    for label, liking in found.likings.items():
        assert liking.sureness == 0.5
        assert liking.style.vector() == pytest.approx(table_styles()[label].vector())
