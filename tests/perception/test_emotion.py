import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.emotion import (
    AFFECT,
    LABELS,
    EmotionEstimate,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    softmax,
    unweighted_accuracy,
    weighted_accuracy,
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
    probabilities = softmax(np.array(logits))
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


def test_unweighted_counts_each_emotion_the_same():
    truth = np.array([0] * 9 + [1])
    guess = np.zeros(10, int)
    assert weighted_accuracy(truth, guess) == pytest.approx(0.9)
    assert unweighted_accuracy(truth, guess) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="no clips"):
        unweighted_accuracy(np.array([], int), np.array([], int))


def test_ece_of_a_perfectly_calibrated_toy_is_zero():
    # Ten clips at confidence 0.8 of which eight are right; four at 0.5 of which two are.
    sure, unsure = np.zeros(8), np.zeros(8)
    sure[:2], unsure[:2] = (0.8, 0.2), (0.5 + 1e-9, 0.5 - 1e-9)
    probabilities = np.array([sure] * 10 + [unsure] * 4)
    truth = np.array([0] * 8 + [1] * 2 + [0] * 2 + [1] * 2)
    assert expected_calibration_error(truth, probabilities) == pytest.approx(0.0, abs=1e-6)


def test_ece_of_certainty_is_the_error_rate():
    probabilities = np.eye(8)[np.zeros(10, int)]
    truth = np.array([0] * 7 + [1] * 3)
    assert expected_calibration_error(truth, probabilities) == pytest.approx(0.3)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_temperature_is_recovered_from_draws(temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=2.0, size=(20_000, 8))
    p = softmax(logits)
    truth = (p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1).clip(max=7)
    found = fit_temperature(truth, logits * temperature)
    assert found == pytest.approx(temperature, rel=0.05)
    assert negative_log_likelihood(truth, logits * temperature / found) <= negative_log_likelihood(
        truth, logits * temperature
    )
