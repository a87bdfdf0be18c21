import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from perception.emotion import (
    AFFECT,
    LABELS,
    EmotionEstimate,
)


def test_every_label_has_a_place_inside_the_circle():
    assert set(AFFECT) == set(LABELS)
    assert len(LABELS) == 8
    for affect in AFFECT.values():
        assert np.hypot(*affect) <= 1.0


@pytest.mark.parametrize("index", range(8))
def test_certain_estimate_is_its_label(index):
    estimate = EmotionEstimate.from_probabilities(np.eye(8)[index], 1.5, "speech")
    assert estimate.label == LABELS[index]
    assert (estimate.valence, estimate.arousal) == pytest.approx(AFFECT[LABELS[index]])
    assert (estimate.confidence, estimate.time_s, estimate.source) == (1.0, 1.5, "speech")


@given(st.lists(st.floats(-20, 20), min_size=8, max_size=8))
def test_expectation_stays_in_range_and_input_is_not_changed(logits):
    probabilities = softmax(np.array(logits), axis=-1)
    before = probabilities.copy()
    estimate = EmotionEstimate.from_probabilities(probabilities, 0.0, "x")
    assert -1 <= estimate.valence <= 1 and -1 <= estimate.arousal <= 1
    assert np.array_equal(probabilities, before)
    with pytest.raises(ValueError):
        estimate.probabilities[0] = 1.0


@pytest.mark.parametrize(
    "bad",
    [np.ones(8), np.ones(7) / 7, np.full(8, np.nan), np.array([1.5, -0.5, 0, 0, 0, 0, 0, 0]), np.ones((1, 8)) / 8],
)
def test_no_distribution_is_refused(bad):
    with pytest.raises(ValueError, match=r"expected|distribution"):
        EmotionEstimate.from_probabilities(bad, 0.0, "x")
