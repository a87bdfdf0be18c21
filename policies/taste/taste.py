"""The taste of one owner: a file that says, for each feeling, which style they like and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from control.style import STYLE_NAMES, ExpressiveStyle
from geometry.files import write_whole
from perception.emotion import LABELS

FORMAT, VERSION = "empaw-taste", 1
LONGEST_NAME = 80
_LARGEST_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Liking:
    """An owner's taste for one feeling.

    Attributes:
        style: the one to show.
        sureness: probability, 0.5 to 1, that the owner likes it better than the table's default.
        answers: how many answers were about this feeling.
        mean: (d,) posterior mean of the reward's weights.
        covariance: (d, d) of them.
    """

    style: ExpressiveStyle
    sureness: float
    answers: int = 0
    mean: np.ndarray = field(default_factory=lambda: np.zeros(0))
    covariance: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    def __post_init__(self) -> None:
        if not 0.5 <= self.sureness <= 1.0:
            raise ValueError(f"sureness {self.sureness!r} is outside 0.5 (does not know) to 1 (certain)")
        if isinstance(self.answers, bool) or not isinstance(self.answers, int) or self.answers < 0:
            raise ValueError(f"answers {self.answers!r} came; it is how many there were, 0 or more")
        d = len(self.mean)
        if self.mean.ndim != 1 or self.covariance.shape != (d, d):
            raise ValueError(f"mean {self.mean.shape}, covariance {self.covariance.shape} came; expected (d,), (d, d)")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.covariance).all()):
            raise ValueError("the posterior holds a number that is not finite")


@dataclass(frozen=True)
class Taste:
    """One owner's taste.

    Attributes:
        owner: their name, as the page shows it; may be empty.
        likings: by label of `perception.emotion.LABELS`; feelings that are missing keep the table's default.
        representation: which embedding the posteriors are about: name and fingerprint of its weights.
    """

    owner: str
    likings: Mapping[str, Liking]
    representation: str = ""

    def __post_init__(self) -> None:
        if len(self.owner) > LONGEST_NAME or not self.owner.isprintable():
            raise ValueError(f"owner {self.owner[:100]!r} came; a name has up to {LONGEST_NAME} printable characters")
        if not isinstance(self.representation, str):
            raise ValueError(f"representation {self.representation!r:.100} came; it is the name of an embedding")
        if unknown := set(self.likings) - set(LABELS):
            raise ValueError(f"unknown feelings {sorted(unknown)}; known are {', '.join(LABELS)}")

    @property
    def answers(self) -> int:
        """How many answers it rests on."""
        return sum(liking.answers for liking in self.likings.values())

    @property
    def caption(self) -> str:
        """A sentence for whoever watches."""
        return f"(The way {self.owner or 'its owner'} likes it, from {self.answers} answers.)"

    def as_json(self) -> dict[str, Any]:
        """The taste as its file keeps it."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "owner": self.owner,
            "representation": self.representation,
            "likings": {
                label: {
                    "style": {name: getattr(liking.style, name) for name in STYLE_NAMES},
                    "sureness": liking.sureness,
                    "answers": liking.answers,
                    "reward": {"mean": liking.mean.tolist(), "covariance": liking.covariance.tolist()},
                }
                for label, liking in self.likings.items()
            },
        }

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        write_whole(path, json.dumps(self.as_json(), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Taste:
        """Read a file that `save` wrote.

        Raises:
            ValueError: it is no taste, is damaged, or was written by a newer Empaw.
            OSError: it cannot be read.
        """
        if not path.is_file():
            raise FileNotFoundError(f"there is no taste at {path}: give the file that was learnt from answers")
        if path.stat().st_size > _LARGEST_BYTES:
            raise ValueError(f"{path} is larger than {_LARGEST_BYTES // 2**20} MiB: it is no taste")
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as problem:  # no JSON, no UTF-8, or a number of thousands of digits
            raise ValueError(f"{path} is no taste, or damaged: {problem}") from None
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ValueError(f'{path} is no taste: a file with "format": "{FORMAT}" was expected')
        version = data.get("version")
        if type(version) is int and version > VERSION:
            raise ValueError(f"{path} has version {version}, and this Empaw reads up to {VERSION}: update Empaw")
        if type(version) is not int or version != VERSION:
            raise ValueError(f"{path} has version {version!r}; expected {VERSION}")
        try:
            likings = {label: _liking(entry) for label, entry in data["likings"].items()}
            return cls(data["owner"], likings, data["representation"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
            raise ValueError(f"{path} is damaged: {type(problem).__name__}: {problem}. Learn it anew.") from None


def _liking(entry: Mapping[str, Any]) -> Liking:
    given = set(entry["style"])
    if given != set(STYLE_NAMES):
        raise ValueError(f"a style of {sorted(given)} came; expected {', '.join(STYLE_NAMES)}")
    style = ExpressiveStyle(**{name: float(value) for name, value in entry["style"].items()})
    mean = np.asarray(entry["reward"]["mean"], float)
    covariance = np.asarray(entry["reward"]["covariance"], float).reshape(len(mean), len(mean))
    return Liking(style, float(entry["sureness"]), entry["answers"], mean, covariance)
