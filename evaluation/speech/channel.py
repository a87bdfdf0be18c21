"""Emotion as a channel: how much a judgement tells about what was felt, in bits."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, log2
from typing import Any

import numpy as np

from evaluation.capacity import channel_capacity
from evaluation.metrics import confusion_tables, interval, rounded
from evaluation.statistics import Interval
from perception.emotion import LABELS


@dataclass(frozen=True)
class Channel:
    """Information of one judgement, bits, and of a minute of them, when each takes `seconds`.

    `bits` is the capacity of the confusion matrix, which knows that some errors are likelier than others, with its
    interval by bootstrap over groups. From few clips capacity comes out too high: `bias_bits` is about how much (Miller
    1955); it is taken off the capacity once, and twice off that of the bootstrap's draws, which are samples of a
    sample. `wolpaw_bits` takes all labels and all errors for alike.
    """

    bits: Interval
    bias_bits: float
    wolpaw_bits: float
    seconds: float

    @property
    def bits_per_minute(self) -> float:
        """Capacity of a minute of judgements, one after the other."""
        return 60 / self.seconds * self.bits.mean

    @property
    def wolpaw_bits_per_minute(self) -> float:
        """Wolpaw's information transfer rate."""
        return 60 / self.seconds * self.wolpaw_bits

    def as_json(self) -> dict[str, Any]:
        """Lay out all figures for JSON."""
        names = ("bias_bits", "wolpaw_bits", "seconds", "bits_per_minute", "wolpaw_bits_per_minute")
        return rounded({"bits": self.bits} | {name: getattr(self, name) for name in names})

    def __str__(self) -> str:
        """Say it in one sentence."""
        return (
            f"As a channel: {self.bits:.2f} bits a judgement of {self.seconds:.1f} s, {self.bits_per_minute:.1f} a "
            f"minute (Wolpaw's rate, which takes all errors for alike: {self.wolpaw_bits_per_minute:.1f})."
        )


def measure_channel(
    truth: np.ndarray, guess: np.ndarray, groups: np.ndarray, seconds: float, *, draws: int = 500, seed: int = 0
) -> Channel:
    """Measure what guesses (N,) tell of the truth (N,), both indices into `perception.emotion.LABELS`.

    `groups` (N,) are what the bootstrap draws: speakers, or the row numbers where nobody is known.

    Raises:
        ValueError: there is nothing to judge, or a judgement takes no time.
    """
    if not len(truth) or not seconds > 0.0:
        raise ValueError(f"{len(truth)} judgements of {seconds} s came; a channel needs some, and time for them")
    tables = confusion_tables(truth, guess, groups, len(LABELS))
    found = interval(tables, lambda some: capacity_bits(some.sum(axis=0)), seed, draws=draws)
    labels = len(np.unique(truth))
    bias = (labels - 1) * (len(np.unique(guess)) - 1) / (2 * len(truth) * log(2))
    return Channel(
        Interval(*np.maximum(np.subtract(found, (bias, 2 * bias, 2 * bias)), 0.0).tolist()),
        bias,
        wolpaw_bits(float(np.mean(truth == guess)), labels),
        seconds,
    )


def capacity_bits(confusion: np.ndarray) -> float:
    """Capacity of the channel that a confusion matrix (K, L) of counts describes, truth in rows, bits a use.

    Rows without counts are left out.

    Raises:
        ValueError: a count is negative or not finite, or there are none.
    """
    counts = np.asarray(confusion, float)
    if counts.ndim != 2 or not np.isfinite(counts).all() or (counts < 0).any() or not counts.any():
        raise ValueError(f"a confusion matrix of counts is needed, some above 0; got {counts.shape}: {counts}")
    rows = counts[counts.sum(axis=1) > 0]
    return float(channel_capacity(rows / rows.sum(axis=1, keepdims=True)))


def wolpaw_bits(accuracy: float, labels: int) -> float:
    """Bits a judgement by Wolpaw et al. 2000, "Brain-computer interface technology", equation 1; 0 at chance or below.

    Raises:
        ValueError: the accuracy is no share, or there are fewer than two labels.
    """
    if not 0.0 <= accuracy <= 1.0 or labels < 2:
        raise ValueError(f"accuracy {accuracy} of {labels} labels came; allowed are 0 to 1, and 2 labels or more")
    if accuracy <= 1 / labels:
        return 0.0
    wrong = 1.0 - accuracy
    return log2(labels) + accuracy * log2(accuracy) + (wrong * log2(wrong / (labels - 1)) if wrong else 0.0)
