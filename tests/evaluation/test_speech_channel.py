from __future__ import annotations

from math import log2

import numpy as np
import pytest

from evaluation.speech.channel import capacity_bits, measure_channel, wolpaw_bits
from perception.emotion import LABELS


def entropy(p: float) -> float:
    return -p * log2(p) - (1 - p) * log2(1 - p)


@pytest.mark.parametrize("p", [0.01, 0.11, 0.3, 0.5])
def test_a_binary_symmetric_channel_has_the_capacity_of_the_textbook(p):
    assert capacity_bits(np.array([[1 - p, p], [p, 1 - p]])) == pytest.approx(1 - entropy(p), abs=1e-5)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_erasures_and_the_z_channel_too(p):
    assert capacity_bits(np.array([[1 - p, p, 0], [0, p, 1 - p]])) == pytest.approx(1 - p, abs=1e-5)
    z = log2(1 + (1 - p) * p ** (p / (1 - p)))
    assert capacity_bits(np.array([[1, 0], [p, 1 - p]])) == pytest.approx(z, abs=1e-5)


def test_perfect_useless_and_absent_labels():
    assert capacity_bits(7 * np.eye(8)) == pytest.approx(3.0, abs=1e-5)
    assert capacity_bits(np.ones((8, 8))) == pytest.approx(0.0, abs=1e-5)
    assert capacity_bits(np.eye(8)[:, [0, 0, 0, 0, 1, 1, 1, 1]]) == pytest.approx(1.0, abs=1e-5)
    absent = 7 * np.eye(8)
    absent[4:] = 0
    assert capacity_bits(absent) == pytest.approx(2.0, abs=1e-5)


def test_wolpaw_is_less_where_errors_are_alike_and_the_same_where_they_are_spread():
    spread = np.full((4, 4), 0.1) + 0.6 * np.eye(4)
    assert wolpaw_bits(0.7, 4) == pytest.approx(capacity_bits(spread), abs=1e-5)
    always_the_same_error = 0.7 * np.eye(4) + 0.3 * np.eye(4)[[1, 0, 3, 2]]
    assert capacity_bits(always_the_same_error) > wolpaw_bits(0.7, 4) + 0.1
    assert wolpaw_bits(1.0, 8) == 3.0
    assert wolpaw_bits(0.1, 8) == 0.0


def test_a_channel_is_measured_with_an_interval_that_holds_it():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(len(LABELS)), 60)
    guess = np.where(rng.random(len(truth)) < 0.75, truth, rng.integers(len(LABELS), size=len(truth)))
    channel = measure_channel(truth, guess, np.arange(len(truth)) % 24, 3.0)
    real = capacity_bits(0.75 * np.eye(8) + 0.25 / 8)
    assert channel.bits.low < real < channel.bits.high
    assert channel.bits.low < channel.bits.mean < channel.bits.high
    assert channel.bits.mean == pytest.approx(real, abs=0.12)
    assert channel.bits_per_minute == pytest.approx(20 * channel.bits.mean)
    assert "bits" in str(channel)
    assert set(channel.as_json()) >= {"bits", "bits_per_minute", "wolpaw_bits_per_minute"}


def test_guesses_that_have_nothing_to_do_with_the_truth_tell_nothing():
    truth, guess = np.random.default_rng(1).integers(8, size=(2, 1440))
    channel = measure_channel(truth, guess, np.arange(1440) % 24, 3.0, draws=100)
    assert channel.bits.low < 0.01
    assert channel.bits.mean < 0.03
    assert channel.bits.low <= channel.bits.mean <= channel.bits.high


@pytest.mark.parametrize("matrix", [np.zeros((3, 3)), np.full((2, 2), np.nan), -np.eye(2), np.ones(4)])
def test_a_matrix_without_counts_is_refused(matrix):
    with pytest.raises(ValueError, match="confusion matrix"):
        capacity_bits(matrix)


def test_impossible_accuracies_and_times_are_refused():
    with pytest.raises(ValueError, match=r"accuracy 1\.5"):
        wolpaw_bits(1.5, 8)
    with pytest.raises(ValueError, match="0 judgements"):
        measure_channel(np.array([], int), np.array([], int), np.array([], int), 3.0)
    with pytest.raises(ValueError, match=r"0\.0 s"):
        measure_channel(np.array([1]), np.array([1]), np.array([1]), 0.0)
