"""Emotion as a channel: how much a judgement tells about what was felt, in bits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import log, log2

import numpy as np

from perception.emotion import confusion_matrix

_TOLERANCE_BITS = 1e-5
_MOST_ROUNDS = 100_000


@dataclass(frozen=True)
class Channel:
    """What one judgement tells, bits, and what a minute of them does, when each takes `seconds`.

    `bits` is the capacity of the confusion matrix, which knows that some errors are likelier than others; `low` and
    `high` are its 95 % interval, by bootstrap over groups. From few clips capacity comes out too high: `bias_bits` is
    about how much (Miller 1955); it is taken off the capacity once, and twice off that of the bootstrap's draws, which
    are samples of a sample. `wolpaw_bits` takes all labels and all errors for alike.
    """

    bits: float
    low: float
    high: float
    bias_bits: float
    wolpaw_bits: float
    seconds: float

    @property
    def bits_per_minute(self) -> float:
        """Capacity of a minute of judgements, one after the other."""
        return 60 / self.seconds * self.bits

    @property
    def wolpaw_bits_per_minute(self) -> float:
        """Wolpaw's information transfer rate."""
        return 60 / self.seconds * self.wolpaw_bits

    def as_json(self) -> dict[str, float]:
        """Lay out all figures for JSON."""
        rates = {"bits_per_minute": self.bits_per_minute, "wolpaw_bits_per_minute": self.wolpaw_bits_per_minute}
        return {name: round(value, 4) for name, value in (asdict(self) | rates).items()}

    def __str__(self) -> str:
        """Say it in one sentence."""
        return (
            f"As a channel: {self.bits:.2f} bits [{self.low:.2f}, {self.high:.2f}] a judgement of {self.seconds:.1f} "
            f"s, {self.bits_per_minute:.1f} a minute (Wolpaw's rate, which takes all errors for alike: "
            f"{self.wolpaw_bits_per_minute:.1f})."
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
    rng = np.random.default_rng(seed)
    _, who = np.unique(groups, return_inverse=True)
    each = np.zeros((who.max() + 1, *confusion_matrix(truth, guess).shape))
    np.add.at(each, (who, truth, guess), 1)
    drawn = [capacity_bits(each[rng.integers(len(each), size=len(each))].sum(axis=0)) for _ in range(draws)]
    labels = len(np.unique(truth))
    bias = (labels - 1) * (len(np.unique(guess)) - 1) / (2 * len(truth) * log(2))
    low, high = np.maximum(np.percentile(drawn, (2.5, 97.5)) - 2 * bias, 0.0)
    return Channel(
        max(capacity_bits(each.sum(axis=0)) - bias, 0.0),
        float(low),
        float(high),
        bias,
        wolpaw_bits(float(np.mean(truth == guess)), labels),
        seconds,
    )


def capacity_bits(confusion: np.ndarray) -> float:
    """Capacity of the channel that a confusion matrix (K, L) of counts describes, truth in rows, bits a use.

    It is what the best choice of inputs would get through (Shannon 1948), by the iteration of Blahut and Arimoto (1972;
    Cover and Thomas, "Elements of information theory", 10.8). Rows without counts are left out.

    Raises:
        ValueError: a count is negative or not finite, or there are none.
    """
    counts = np.asarray(confusion, float)
    if counts.ndim != 2 or not np.isfinite(counts).all() or (counts < 0).any() or not counts.any():
        raise ValueError(f"a confusion matrix of counts is needed, some above 0; got {counts.shape}: {counts}")
    rows = counts[counts.sum(axis=1) > 0]
    transition = rows / rows.sum(axis=1, keepdims=True)
    inputs = np.full(len(rows), 1 / len(rows))
    logs = np.log2(transition, where=transition > 0, out=np.zeros_like(transition))
    low = 0.0
    for _ in range(_MOST_ROUNDS):
        outputs = inputs @ transition
        said = np.log2(outputs, where=outputs > 0, out=np.zeros_like(outputs))
        tells = (transition * (logs - said)).sum(axis=1)  # bits that each input tells
        share = inputs * np.exp2(tells)
        low, high = log2(share.sum()), tells.max()  # capacity lies between
        if high - low < _TOLERANCE_BITS:
            break
        inputs = share / share.sum()
    return max(float(low), 0.0)


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
