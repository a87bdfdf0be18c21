"""Bits that an answer carries: the capacity of the channel from what is so to what is said (Shannon 1948).

The channel is estimated from questions whose truth is known (golden ones), or, where none is known, from questions
that were asked twice.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, rel_entr

from evaluation.metrics import confusion_tables
from evaluation.statistics import DRAWS, Interval, expanded_tail, percentile_interval

_TOLERANCE = 1e-9
_ROUNDS = 10_000


class Capacity(NamedTuple):
    """Bits that the answers of a group of people carry.

    Attributes:
        bits_per_answer: with its interval over people.
        bits_per_minute: total bits over total time; nan without times.
        channel: (truths, answers) estimated probabilities, rows sum to 1.
        answers: how many it was estimated from.
    """

    bits_per_answer: Interval
    bits_per_minute: Interval
    channel: np.ndarray
    answers: int


def channel_capacity(channel: ArrayLike) -> np.ndarray:
    """Bits per use of a channel, by the algorithm of Blahut (1972) and Arimoto (1972).

    Args:
        channel: (..., inputs, outputs) probabilities; each row sums to 1. Many channels at once are welcome.

    Returns:
        (...) bits, exact to 1e-6.

    Raises:
        ValueError: a row is no distribution.
    """
    rows = np.asarray(channel, float)
    if rows.ndim < 2 or (rows < 0).any() or not np.allclose(rows.sum(axis=-1), 1):
        raise ValueError(f"a channel of shape {rows.shape} came; expected rows of probabilities that sum to 1")
    inputs = np.full(rows.shape[:-1], 1 / rows.shape[-2])
    lower = np.zeros(rows.shape[:-2])
    for _ in range(_ROUNDS):
        outputs = np.einsum("...x,...xy->...y", inputs, rows)
        divergence = rel_entr(rows, outputs[..., None, :]).sum(axis=-1) / np.log(2)
        grown = inputs * np.exp2(divergence)
        lower = np.log2(grown.sum(axis=-1))
        if (divergence.max(axis=-1) - lower < _TOLERANCE).all():
            break
        inputs = grown / grown.sum(axis=-1, keepdims=True)
    return np.maximum(lower, 0.0)


def binary_capacity(a: float, b: float) -> float:
    """Bits per use of a channel with two inputs, closed form.

    Args:
        a: P(1 | 0).
        b: P(0 | 1).

    Raises:
        ValueError: a or b is no probability.
    """
    if not (0 <= a <= 1 and 0 <= b <= 1):
        raise ValueError(f"a {a} and b {b} came; expected probabilities")
    if np.isclose(a + b, 1):
        return 0.0
    first, second = (float(entr([p, 1 - p]).sum() / np.log(2)) for p in (a, b))
    rest = 1 - a - b
    return float(np.log2(1 + 2 ** ((first - second) / rest)) + (a * second - (1 - b) * first) / rest)


def capacity(
    truth: ArrayLike,
    said: ArrayLike,
    people: ArrayLike,
    rng: np.random.Generator,
    seconds: ArrayLike | None = None,
    inputs: int = 3,
    outputs: int = 3,
    draws: int = DRAWS,
) -> Capacity:
    """Estimate the bits that answers carry, with the bias of few answers taken off.

    Counts of what was said for each truth give the channel by Jeffreys' prior, half a count in each cell. The bias of
    the estimate is found by the delete-one-person jackknife where there are three people or more (Efron & Stein 1981);
    with fewer it is (inputs - 1)(outputs - 1) / (2 N ln 2) bits (Miller 1955). The interval is a percentile bootstrap
    over people, moved by the same bias and expanded for few people (Hesterberg 2015, 5.3); one person
    alone leaves it as wide as can be.

    Args:
        truth: (N,) int, 0 to inputs - 1: the right answer, or the first of two.
        said: (N,) int, 0 to outputs - 1.
        people: (N,) who said it.
        rng: draws people.
        seconds: (N,) each took.
        inputs: how many truths there are.
        outputs: how many answers.
        draws: of the bootstrap.

    Raises:
        ValueError: there are none, lengths differ, or a number is out of its range.
    """
    truth, said, people = np.asarray(truth), np.asarray(said), np.asarray(people)
    _check(truth, said, people, inputs, outputs)
    counts = confusion_tables(truth, said, people, inputs, outputs)
    took = np.full(len(truth), np.nan) if seconds is None else np.asarray(seconds, float)
    time = np.bincount(np.unique(people, return_inverse=True)[1], weights=took)
    plug = float(_bits(counts.sum(axis=0)))
    bias = _bias(counts, plug)
    answers = counts.sum(axis=(1, 2))
    pace = 60 * float(answers.sum() / time.sum())
    if len(counts) == 1:  # nothing is known of how people differ
        each = Interval(max(plug - bias, 0.0), 0.0, float(np.log2(min(inputs, outputs))))
        return Capacity(each, Interval(*(pace * bits for bits in each)), _channel(counts[0]), len(truth))
    drawn = rng.integers(len(counts), size=(draws, len(counts)))
    bits = _bits(counts[drawn].sum(axis=1))
    # The bootstrap's mean is off by a bias of its own, of the redrawn groups; it is taken off too.
    bits = np.maximum(bits - (bits.mean() - plug) - bias, 0)
    tail = expanded_tail(len(counts))
    each = percentile_interval(max(plug - bias, 0.0), bits, tail)
    rate = 60 * answers[drawn].sum(axis=1) / time[drawn].sum(axis=1)
    unknown = Interval(np.nan, np.nan, np.nan)  # without the time of one person there is no pace of all
    minute = unknown if np.isnan(pace) else percentile_interval(each.mean * pace, bits * rate, tail)
    return Capacity(each, minute, _channel(counts.sum(axis=0)), len(truth))


def _check(truth: np.ndarray, said: np.ndarray, people: np.ndarray, inputs: int, outputs: int) -> None:
    if not len(truth) or not len(truth) == len(said) == len(people):
        raise ValueError(f"{len(truth)} truths, {len(said)} answers and {len(people)} people came; expected as many")
    for name, values, most in (("truth", truth, inputs), ("answer", said, outputs)):
        if values.min() < 0 or values.max() >= most:
            raise ValueError(f"{name} from {values.min()} to {values.max()} came; allowed are 0 to {most - 1}")


def _channel(counts: np.ndarray) -> np.ndarray:
    held = counts + 0.5
    return np.asarray(held / held.sum(axis=-1, keepdims=True))


def _bits(counts: np.ndarray) -> np.ndarray:
    return channel_capacity(_channel(counts))


def _bias(counts: np.ndarray, plug: float) -> float:
    people, inputs, outputs = counts.shape
    if people < 3:
        return (inputs - 1) * (outputs - 1) / (2 * counts.sum() * np.log(2))
    without = _bits(counts.sum(axis=0) - counts)
    return float((people - 1) * (without.mean() - plug))
