"""Voice and face fused, and over time: a hidden Markov filter over the emotions.

The hidden state is the emotion. It lasts `dwell_s` on average and then changes to any other. What a sense says is an
observation, weighted by how far the sense can be trusted at that moment, so that a blurred face or a drowned voice
pulls at nothing; senses that are missing are simply not heard. When nobody says anything, the belief fades to "every
emotion alike", which is being unsure.

A window of sound holds most of what the window before it held, and more when somebody has just begun to speak. So the
newest estimate of a sense counts in full, and of the one that it replaces only the part that it no longer covers stays
behind in the history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp
from typing import NamedTuple

import numpy as np

from perception.emotion import LABELS, EmotionEstimate

SENSES = ("speech", "face")
_LEAST = 1e-4  # an observation never rules a label out: networks that were trained on little are too sure now and then
_NEUTRAL, _CALM = LABELS.index("neutral"), LABELS.index("calm")


@dataclass(frozen=True)
class SenseConfig:
    """Weight of the estimates of one sense."""

    weight: float = 1.0
    """Exponent of a fully trusted estimate; below 1 where both senses together would be surer than they are right."""
    memory_s: float = 3.0
    """How far apart two estimates must be to count as two; of those in between, a part in proportion."""
    knows_calm: bool = True
    """Whether the sense was taught to tell calm from neutral; if not, what it says of neutral holds for both."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.weight <= 10.0 or not 0.01 <= self.memory_s <= 60.0:
            raise ValueError(f"{self} came; allowed are weight 0 to 10 and memory_s 0.01 to 60 s.")


@dataclass(frozen=True)
class FusionConfig:
    """Settings of the filter."""

    speech: SenseConfig = field(default_factory=SenseConfig)
    face: SenseConfig = field(default_factory=lambda: SenseConfig(memory_s=1.0, knows_calm=False))
    dwell_s: float = 6.0
    """How long a feeling lasts on average before another may take its place, s."""
    fresh_s: float = 1.5
    """When no sense has said anything for longer, nobody knows what is felt now, s."""
    unsure_below: float = 0.0
    """With less confidence than this, no label is worth acting on; how sure a dog wants to be, its behaviours say."""

    def __post_init__(self) -> None:
        times = 0.1 <= self.dwell_s <= 3600.0 and 0.0 <= self.fresh_s <= 3600.0
        if not times or not 0.0 <= self.unsure_below <= 1.0:
            raise ValueError(f"{self} came; allowed are dwell_s 0.1 to 3600 s, fresh_s 0 to 3600, unsure_below 0 to 1.")


class Belief(NamedTuple):
    """Belief at one moment.

    Attributes:
        estimate: the emotion, from "voice and face", "voice", "face", or "nothing" within the last `dwell_s`.
        unsure: whether its confidence is too small to act on, or no sense has said anything for `fresh_s`.
        trust: what each sense weighed when it was last heard, faded since: [0, 1].
        agreement: of the senses' last estimates: 1 the same, 0 nothing in common, None when less than two are fresh.
    """

    estimate: EmotionEstimate
    unsure: bool
    trust: dict[str, float]
    agreement: float | None


class _Said(NamedTuple):
    """The newest estimate of a sense."""

    time_s: float
    trust: float
    weight: float  # exponent of its likelihood
    likelihood: np.ndarray  # (8,), sums to 1


class EmotionFilter:
    """Fuses the estimates of several senses as they come; memory does not grow.

    >>> belief = EmotionFilter()
    >>> happy = EmotionEstimate.from_probabilities(np.eye(8)[2] * 0.9 + 0.0125, time_s=1.0, source="speech")
    >>> belief.push("speech", happy, 1.0)
    >>> belief.at(1.0).estimate.label
    'happy'
    """

    def __init__(self, config: FusionConfig | None = None) -> None:
        self.config = config or FusionConfig()
        self.reset()

    def reset(self) -> None:
        """Forget everything; time may begin anew."""
        self._history = np.full(len(LABELS), 1 / len(LABELS))
        self._time_s: float | None = None
        self._last: dict[str, _Said] = {}

    def push(self, sense: str, estimate: EmotionEstimate, reliability: float = 1.0) -> None:
        """Take an estimate of a sense.

        Args:
            sense: one of `SENSES`.
            estimate: what it says; its `time_s` is never less than that of the estimate before, of any sense.
            reliability: how far it can be trusted now, [0, 1]; with 0 it changes nothing.

        Raises:
            ValueError: no such sense, no such reliability, or a time that runs back.
        """
        if sense not in SENSES:
            raise ValueError(f"sense {sense!r} came; allowed are {', '.join(SENSES)}.")
        if not 0.0 <= reliability <= 1.0:
            raise ValueError(f"reliability {reliability} came; allowed are 0 to 1.")
        self._history = self._transition(self._history, self._passed(estimate.time_s))
        self._time_s = estimate.time_s
        if reliability == 0.0:
            return
        config: SenseConfig = getattr(self.config, sense)
        before = self._last.get(sense)
        if before is not None:
            left = min(1.0, (estimate.time_s - before.time_s) / config.memory_s)
            self._history = _normalised(self._history * self._faded(before, estimate.time_s) ** (before.weight * left))
        seen = likelihood(estimate.probabilities, config.knows_calm)
        self._last[sense] = _Said(estimate.time_s, reliability, config.weight * reliability, _normalised(seen))

    def at(self, time_s: float) -> Belief:
        """Predict the belief at `time_s`, which is never less than that of the last estimate.

        Raises:
            ValueError: the time runs back.
        """
        belief = self._transition(self._history, self._passed(time_s))
        for said in self._last.values():
            belief = belief * self._faded(said, time_s) ** said.weight
        dwell = self.config.dwell_s
        belief = _normalised(belief)
        heard = {sense: said for sense, said in self._last.items() if time_s - said.time_s <= dwell}
        if heard and not any(getattr(self.config, sense).knows_calm for sense in heard):
            # Nobody who is heard tells calm from neutral: one feeling to them, and said by one name.
            belief[_NEUTRAL] += belief[_CALM]
            belief[_CALM] = 0.0
        names = [name for sense, name in (("speech", "voice"), ("face", "face")) if sense in heard]
        estimate = EmotionEstimate.from_probabilities(belief, time_s, " and ".join(names) or "nothing")
        silent_s = min((time_s - said.time_s for said in heard.values()), default=dwell)
        both = [said.likelihood for said in heard.values()]
        return Belief(
            estimate,
            estimate.confidence < self.config.unsure_below or not heard or silent_s > self.config.fresh_s,
            {s: heard[s].trust * exp((heard[s].time_s - time_s) / dwell) if s in heard else 0.0 for s in SENSES},
            agreement(both[0], both[1]) if len(both) == 2 else None,
        )

    def last_time(self, sense: str) -> float | None:
        """When a sense last said anything, s; None when it never did."""
        return self._last[sense].time_s if sense in self._last else None

    def _passed(self, time_s: float) -> float:
        """Seconds since the last estimate, in which the feeling may have changed to any other."""
        before = time_s if self._time_s is None else self._time_s
        if not np.isfinite(time_s) or time_s < before:
            raise ValueError(f"time {time_s} s came after {before} s; times must be finite and in order.")
        return time_s - before

    def _faded(self, said: _Said, time_s: float) -> np.ndarray:
        """Predict the present from an estimate: the feeling may have changed since."""
        return self._transition(said.likelihood, time_s - said.time_s)

    def _transition(self, belief: np.ndarray, seconds: float) -> np.ndarray:
        stays = exp(-seconds / self.config.dwell_s)
        return stays * belief + (1.0 - stays) / len(LABELS)


def _normalised(belief: np.ndarray) -> np.ndarray:
    out: np.ndarray = belief / belief.sum()
    return out


def likelihood(probabilities: np.ndarray, knows_calm: bool = True) -> np.ndarray:
    """Read calibrated probabilities (8,), given labels that are equally frequent, as a likelihood (8,), largest 1."""
    seen = np.maximum(probabilities, _LEAST)
    if not knows_calm:
        seen[_CALM] = seen[_NEUTRAL]
    out: np.ndarray = seen / seen.max()
    return out


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """1 minus the Jensen-Shannon distance (Lin 1991, to the base of 2) of two likelihoods (8,)."""
    p, q = a / a.sum(), b / b.sum()
    middle = 0.5 * (p + q)
    divergence = 0.5 * float((p * np.log2(p / middle)).sum() + (q * np.log2(q / middle)).sum())
    return 1.0 - max(divergence, 0.0) ** 0.5


def fuse(seen: Mapping[str, tuple[np.ndarray, float]], config: FusionConfig | None = None) -> np.ndarray:
    """Fuse what several senses say of one clip, without time.

    Args:
        seen: probabilities (8,) and reliability of each sense.
        config: the settings.

    Returns:
        (8,) probabilities; all alike when nothing was seen.
    """
    both = EmotionFilter(config)
    for sense, (probabilities, reliability) in seen.items():
        both.push(sense, EmotionEstimate.from_probabilities(probabilities, 0.0, sense), reliability)
    return np.array(both.at(0.0).estimate.probabilities)
