from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from learning.metrics import (
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    score,
    unweighted_accuracy,
)


def test_unweighted_counts_each_emotion_the_same():
    truth = np.array([0] * 9 + [1])
    guess = np.zeros(10, int)
    assert score(truth, np.eye(8)[guess])[:3] == pytest.approx((10, 0.9, 0.5))
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
    p = softmax(logits, axis=-1)
    truth = (p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1).clip(max=7)
    found = fit_temperature(truth, logits * temperature)
    assert found == pytest.approx(temperature, rel=0.05)
    assert negative_log_likelihood(truth, logits * temperature / found) <= negative_log_likelihood(
        truth, logits * temperature
    )
