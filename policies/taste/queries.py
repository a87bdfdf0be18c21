"""Questions and answers: "which two of these three are most alike?"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, get_args

import numpy as np

PAIRS: tuple[tuple[int, int], ...] = ((0, 1), (0, 2), (1, 2))
"""The three possible answers, as positions: left and middle, left and right, middle and right."""
CANNOT_TELL = -1
Comparison = Literal["triplet", "preference", "grid"]
COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)
"""Kinds of query: two of three alike, one of two preferred, two of six most like a reference."""


class SimilarityQuery(NamedTuple):
    """Three items, by index, as they stand from left to right. `purpose`: 'random', or what chose them."""

    items: tuple[int, int, int]
    purpose: str = "random"


class Answer(NamedTuple):
    """One answer to a triplet: `choice` is an index of `PAIRS` or `CANNOT_TELL`; `seconds` it took."""

    query: SimilarityQuery
    choice: int
    person: str = ""
    seconds: float = float("nan")


@dataclass(frozen=True)
class Answers:
    """Many answers as arrays: items (N, 3) int in order of position, choice (N,) int, person (N,) int.

    `people` names the persons that `person` counts.
    """

    items: np.ndarray
    choice: np.ndarray
    person: np.ndarray
    people: tuple[str, ...] = ("",)

    def __len__(self) -> int:
        """How many."""
        return len(self.items)

    @classmethod
    def of(cls, answers: list[Answer]) -> Answers:
        """Stack answers.

        Raises:
            ValueError: there are none, or a choice is none of `PAIRS` nor `CANNOT_TELL`.
        """
        if not answers:
            raise ValueError("no answers came; at least one is needed")
        if bad := [a.choice for a in answers if not CANNOT_TELL <= a.choice < len(PAIRS)]:
            raise ValueError(f"choice {bad[0]} came; allowed are 0 to 2, and {CANNOT_TELL} for 'cannot tell'")
        people = tuple(dict.fromkeys(answer.person for answer in answers))
        return cls(
            np.array([answer.query.items for answer in answers], np.int64),
            np.array([answer.choice for answer in answers], np.int64),
            np.array([people.index(answer.person) for answer in answers], np.int64),
            people,
        )

    def take(self, index: np.ndarray) -> Answers:
        """Those at (n,) int indices, or where a mask (N,) bool is true."""
        return Answers(self.items[index], self.choice[index], self.person[index], self.people)


class Answerer(Protocol):
    """Whoever answers: a person behind a page, or a scripted teacher."""

    def answer(self, query: SimilarityQuery) -> Answer:
        """Say which two are most alike."""


def random_queries(n: int, items: int, rng: np.random.Generator) -> list[SimilarityQuery]:
    """`n` queries of three different items out of `items`, in random positions.

    Raises:
        ValueError: there are fewer than three items.
    """
    if items < 3:
        raise ValueError(f"{items} items came; a query compares three")
    return [SimilarityQuery(tuple(map(int, rng.choice(items, 3, replace=False)))) for _ in range(n)]  # type: ignore[arg-type]
