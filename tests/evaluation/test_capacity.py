from __future__ import annotations

import numpy as np
import pytest

from evaluation.capacity import binary_capacity, capacity, channel_capacity

THREE = np.full((3, 3), 0.075) + np.eye(3) * 0.775


@pytest.mark.parametrize(("a", "b"), [(0.05, 0.2), (0.0, 0.3), (0.4, 0.6), (0.15, 0.15), (0.9, 0.7), (0.0, 0.0)])
def test_blahut_and_arimoto_find_the_closed_form(a, b):
    found = channel_capacity([[1 - a, a], [b, 1 - b]])
    assert found == pytest.approx(binary_capacity(a, b), abs=1e-6)


def test_known_capacities():
    assert channel_capacity(THREE) == pytest.approx(0.8251, abs=1e-4)
    assert channel_capacity([[0.85, 0.15], [0.15, 0.85]]) == pytest.approx(0.3902, abs=1e-4)
    assert binary_capacity(0.05, 0.2) == pytest.approx(0.481307, abs=1e-6)
    assert binary_capacity(0.0, 0.3) == pytest.approx(0.503692, abs=1e-6)
    assert channel_capacity(np.eye(3)) == pytest.approx(np.log2(3))
    assert channel_capacity(np.full((3, 3), 1 / 3)) == pytest.approx(0)


def test_who_cannot_tell_one_in_ten_loses_a_tenth():
    erasing = np.c_[0.9 * THREE, np.full(3, 0.1)]
    assert channel_capacity(erasing) == pytest.approx(0.9 * channel_capacity(THREE), abs=1e-6)


def test_many_channels_at_once_are_each_alone():
    channels = np.random.default_rng(0).dirichlet(np.ones(4), size=(5, 3))
    assert channel_capacity(channels) == pytest.approx([channel_capacity(one) for one in channels], abs=1e-6)


def _answers(people, each, rng):
    who = np.repeat(np.arange(people), each)
    truth = rng.integers(3, size=len(who))
    said = (rng.random((len(who), 1)) >= THREE[truth].cumsum(axis=1)).sum(axis=1)
    return truth, np.minimum(said, 2), who


def test_few_answers_do_not_carry_more_bits():
    rng = np.random.default_rng(1)
    found = [capacity(*_answers(10, 10, rng), rng, draws=20).bits_per_answer.mean for _ in range(60)]
    wobble = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - 0.8251) < 3 * wobble


def test_interval_holds_the_truth_and_minutes_are_bits_over_time():
    rng = np.random.default_rng(2)
    truth, said, who = _answers(40, 40, rng)
    found = capacity(truth, said, who, rng, seconds=np.full(len(who), 6.0), draws=300)
    assert found.bits_per_answer.low < 0.8251 < found.bits_per_answer.high
    assert found.bits_per_answer.high - found.bits_per_answer.low < 0.2
    assert found.bits_per_minute == pytest.approx([10 * bits for bits in found.bits_per_answer])
    assert found.channel == pytest.approx(THREE, abs=0.06)
    assert found.answers == 1600


def test_guessing_carries_nothing():
    rng = np.random.default_rng(3)
    found = capacity(rng.integers(3, size=400), rng.integers(3, size=400), np.repeat(np.arange(20), 20), rng, draws=200)
    assert found.bits_per_answer.low == 0
    assert found.bits_per_answer.mean < 0.03
    assert np.isnan(found.bits_per_minute.mean)


def test_one_person_has_an_estimate_and_an_interval_as_wide_as_can_be():
    rng = np.random.default_rng(4)
    found = capacity([0, 1, 2] * 10, [0, 1, 2] * 10, ["a"] * 30, rng, draws=20)
    assert 0 < found.bits_per_answer.mean < np.log2(3)
    assert found.bits_per_answer[1:] == (0, np.log2(3))


def test_bad_numbers_are_told():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="sum to 1"):
        channel_capacity([[0.5, 0.4], [0.5, 0.5]])
    with pytest.raises(ValueError, match="expected probabilities"):
        binary_capacity(-0.1, 0.5)
    with pytest.raises(ValueError, match="0 truths"):
        capacity([], [], [], rng)
    with pytest.raises(ValueError, match="answer from 0 to 3"):
        capacity([0, 1], [0, 3], ["a", "a"], rng)
