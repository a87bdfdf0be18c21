"""One verdict on a file that was judged piece by piece."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from perception.emotion import LABELS, EmotionEstimate


class Verdict(NamedTuple):
    """What a file shows in the mean over its `pieces` windows or frames; `agree` of them have the same label."""

    file: Path
    label: str
    confidence: float
    agree: int
    pieces: int


class Tally:
    """Sums up the estimates of a file; its size does not depend on how many there are."""

    def __init__(self) -> None:
        self._sum = np.zeros(len(LABELS))
        self._labels: Counter[str] = Counter()

    def add(self, estimate: EmotionEstimate) -> None:
        """Count one estimate in."""
        self._sum += estimate.probabilities
        self._labels[estimate.label] += 1

    def verdicts(self, file: Path) -> list[Verdict]:
        """Return the verdict on the file, or none where there were no estimates."""
        pieces = sum(self._labels.values())
        if not pieces:
            return []
        best = int(self._sum.argmax())
        return [Verdict(file, LABELS[best], float(self._sum[best]) / pieces, self._labels[LABELS[best]], pieces)]


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print a line for each file on stdout, never shortened: label, confidence, how many pieces agree, and its name."""
    for label, confidence, agree, pieces, file in (verdict[1:] + verdict[:1] for verdict in verdicts):
        print(f"{label:9}  {confidence:4.2f}  {f'{agree}/{pieces}':>9}  {file}")
