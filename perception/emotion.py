"""The emotions that every sense knows, and one estimate of them.

The labels are those of RAVDESS (Livingstone & Russo 2018) in its order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LABELS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


class Affect(NamedTuple):
    """A place on the circumplex: valence (unpleasant -1 .. pleasant 1) and arousal (asleep -1 .. excited 1)."""

    valence: float
    arousal: float


# Means of ratings: Russell & Mehrabian 1977, "Evidence for a three-factor theory of emotions", J. Research in
# Personality 11, 273-294 (happy, sad, angry, fearful, disgusted, surprised). Calm is not in that table: its angle is
# 316 degrees in Russell 1980, "A circumplex model of affect", JPSP 39(6), with the mean radius of the six others.
# Neutral is the origin by definition.
AFFECT: dict[str, Affect] = {
    "neutral": Affect(0.0, 0.0),
    "calm": Affect(0.55, -0.53),
    "happy": Affect(0.81, 0.51),
    "sad": Affect(-0.63, -0.27),
    "angry": Affect(-0.51, 0.59),
    "fearful": Affect(-0.64, 0.60),
    "disgust": Affect(-0.60, 0.35),
    "surprised": Affect(0.40, 0.67),
}
_PLACES = np.array([AFFECT[label] for label in LABELS])


@dataclass(frozen=True, eq=False)
class EmotionEstimate:
    """One estimate of a person's emotion.

    Attributes:
        probabilities: (8,) over `LABELS`, sum 1, read-only.
        valence: expectation of the valence of the labels, [-1, 1].
        arousal: expectation of the arousal of the labels, [-1, 1].
        confidence: calibrated probability that `label` is right: the largest entry of `probabilities`.
        time_s: end of the sound or picture that was judged, in seconds since the start of its stream.
        source: which sense or file it came from, for instance "speech".
    """

    probabilities: np.ndarray
    valence: float
    arousal: float
    confidence: float
    time_s: float
    source: str

    @classmethod
    def from_probabilities(cls, probabilities: np.ndarray, time_s: float, source: str) -> EmotionEstimate:
        """Build an estimate from calibrated probabilities (8,).

        Raises:
            ValueError: wrong shape, negative or non-finite entries, or a sum that is not 1.
        """
        array = np.array(probabilities, dtype=np.float64)
        if array.shape != (len(LABELS),):
            raise ValueError(
                f"probabilities of shape {array.shape} came; expected ({len(LABELS)},), one for each label."
            )
        if not np.isfinite(array).all() or array.min() < 0.0 or abs(array.sum() - 1.0) > 1e-3:
            raise ValueError(f"{array} is no distribution: entries must be finite, not negative, and sum to 1.")
        array /= array.sum()
        array.setflags(write=False)
        valence, arousal = (array @ _PLACES).tolist()
        return cls(array, valence, arousal, float(array.max()), float(time_s), source)

    @property
    def label(self) -> str:
        """The most probable label; the first in `LABELS` of those that are equally probable."""
        return LABELS[int(np.argmax(self.probabilities))]
