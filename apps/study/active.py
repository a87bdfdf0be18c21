"""Comparisons that tell most: an ensemble is fitted to what a person answered so far, and asked where it disagrees."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, Literal, NamedTuple

import numpy as np

from apps.study.policies import Asked, RandomPolicy
from policies.taste.queries import Answers

EVERY = 5
"""The ensemble is fitted anew after so many answers."""
MEMBERS = 3
_REMEMBERED = 64


class _Ensemble(NamedTuple):
    embeddings: list[np.ndarray]
    persons: list[Any]


class ActivePolicy:
    """Triplets by `policies.taste.selection`: 'disagreement', or 'arr' (every item in turn is the head).

    Before `EVERY` answers it draws at random. A fit takes some tenths of a second of one core for each of `MEMBERS`:
    for pilots with few people at a time. It follows from the answers alone, whatever was asked of it before.
    """

    def __init__(self, strategy: Literal["disagreement", "arr"]) -> None:
        self._strategy = strategy
        self._known: OrderedDict[Any, _Ensemble] = OrderedDict()
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Load what takes seconds to load, before anybody waits for it."""
        import policies.taste.selection  # noqa: F401

    def choose(self, asked: Asked, rng: np.random.Generator) -> tuple[str, ...]:
        """See `QueryPolicy`.

        Raises:
            ValueError: the block asks for something else than triplets.
        """
        from policies.taste.selection import choose_queries

        if asked.block.kind != "triplet":
            raise ValueError(f"{asked.block.kind!r} came; {self._strategy!r} chooses triplets only")
        fitted = len(asked.answers) // EVERY * EVERY
        if fitted == 0:
            return RandomPolicy().choose(asked, rng)
        ensemble = self._ensemble(asked, fitted)
        while True:
            # Random ones are the schedule's affair: it says so in their purpose.
            query = choose_queries(self._strategy, 1, *ensemble, rng, asked=len(asked.answers))[0]
            if query.purpose == self._strategy:
                return tuple(asked.stimuli.items[i] for i in query.items)

    def _ensemble(self, asked: Asked, n: int) -> _Ensemble:
        answers = asked.answers[:n]
        key = (asked.stimuli.task, tuple((given.items, given.choice) for given in answers))
        with self._lock:
            if (known := self._known.get(key)) is not None:
                return known
        fitted = _fit(asked, n)
        with self._lock:
            self._known[key] = fitted
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return fitted


def _fit(asked: Asked, n: int) -> _Ensemble:
    from learning.similarity.fit import ON_DESCRIPTORS, fit_inputs

    number = {item: i for i, item in enumerate(asked.stimuli.items)}
    items = np.array([[number[item] for item in given.items] for given in asked.answers[:n]])
    choice = np.array([given.choice for given in asked.answers[:n]])
    answers = Answers(items, choice, np.zeros(n, np.int64))
    members = [fit_inputs(asked.descriptors, answers, ON_DESCRIPTORS, seed) for seed in range(MEMBERS)]
    embeddings = [member.representation.embed(asked.descriptors) for member in members]
    return _Ensemble(embeddings, [member.persons[0] for member in members])
