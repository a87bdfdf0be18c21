"""Selection of queries: at random, where an ensemble disagrees, round robin, or two of six that are most like one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from scipy.special import entr

from policies.taste.choice import Person, choice_probabilities, pair_distances
from policies.taste.queries import SimilarityQuery, random_queries

Strategy = Literal["random", "disagreement", "arr"]
RANDOM_SHARE = 0.15
"""Share of queries that stay random whatever the strategy: an unbiased test set, and a way out of a wrong belief."""
_CANDIDATES = 400


def information_gain(probabilities: np.ndarray) -> np.ndarray:
    """(N,) bits that an answer tells about which member is right, of probabilities (members, N, outcomes).

    H(mean) - mean(H): the disagreement of an ensemble (Houlsby et al. 2011, BALD; for triplets InfoTuple 1910.04115).
    Where all members are the same it is 0, and choosing by it is choosing blindly.
    """
    mean = probabilities.mean(axis=0)
    gain: np.ndarray = (entr(mean).sum(axis=1) - entr(probabilities).sum(axis=2).mean(axis=0)) / np.log(2)
    return gain


def ensemble_probabilities(
    embeddings: Sequence[np.ndarray], persons: Sequence[Person], items: np.ndarray
) -> np.ndarray:
    """(members, N, 4) choice probabilities of queries (N, 3), by each embedding (M, d) with what it learnt of a person.

    Raises:
        ValueError: not as many persons as embeddings, or none.
    """
    if not embeddings or len(embeddings) != len(persons):
        raise ValueError(
            f"{len(embeddings)} embeddings and {len(persons)} persons came; expected as many, at least one"
        )
    return np.stack(
        [choice_probabilities(pair_distances(z, items), one) for z, one in zip(embeddings, persons, strict=True)]
    )


def choose_queries(
    strategy: Strategy,
    n: int,
    embeddings: Sequence[np.ndarray],
    persons: Sequence[Person],
    rng: np.random.Generator,
    asked: int = 0,
) -> list[SimilarityQuery]:
    """Choose what to ask next, `n` queries together.

    'disagreement' takes the most informative of random triples for the ensemble. 'arr' takes every item in turn as the
    head, and for it the most informative two others (Sievert et al. 2023, Salmon: adaptive round robin). In each, about
    `RANDOM_SHARE` of the queries are random, and say so in their purpose.

    Args:
        strategy: how.
        n: how many queries.
        embeddings: of all items (M, d), one of each member; members that started from different weights.
        persons: what each member has learnt of who answers.
        rng: draws candidates and positions.
        asked: how many queries there were before: where the round robin goes on.

    Raises:
        ValueError: an unknown strategy.
    """
    if strategy not in get_args(Strategy):
        raise ValueError(f"strategy {strategy!r} came; allowed are {', '.join(get_args(Strategy))}")
    count = len(embeddings[0])
    if strategy == "random":
        return random_queries(n, count, rng)
    blind = int(rng.binomial(n, RANDOM_SHARE))
    chosen: list[SimilarityQuery] = random_queries(blind, count, rng)
    if strategy == "disagreement":
        items = _triples(max(_CANDIDATES, 10 * n), count, rng)
        gain = information_gain(ensemble_probabilities(embeddings, persons, items))
        best = items[np.argsort(-gain)[: n - blind]]
    else:
        best = np.array([_best_for(head % count, embeddings, persons, rng) for head in range(asked, asked + n - blind)])
    for triple in best:
        first, second, third = rng.permutation(triple).tolist()
        chosen.append(SimilarityQuery((first, second, third), strategy))
    return [chosen[index] for index in rng.permutation(len(chosen))]


def _best_for(
    head: int, embeddings: Sequence[np.ndarray], persons: Sequence[Person], rng: np.random.Generator
) -> np.ndarray:
    others = _triples(_CANDIDATES // 4, len(embeddings[0]), rng)[:, :2]
    others = others[(others != head).all(axis=1)]
    items = np.column_stack([np.full(len(others), head), others])
    found: np.ndarray = items[information_gain(ensemble_probabilities(embeddings, persons, items)).argmax()]
    return found


def _triples(n: int, items: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 3) different items, drawn all at once."""
    first = rng.integers(items, size=n)
    second = (first + rng.integers(1, items, size=n)) % items
    low, high = np.minimum(first, second), np.maximum(first, second)
    third = rng.integers(items - 2, size=n)
    third += third >= low
    third += third >= high
    return np.stack([first, second, third], axis=1)


class GridQuery(NamedTuple):
    """Which two of six are most like the reference (after Wilber et al. 2014, arXiv 1404.3291)? All by index."""

    reference: int
    items: tuple[int, ...]
    choose: int = 2


def random_grid_queries(n: int, items: int, rng: np.random.Generator, shown: int = 6) -> list[GridQuery]:
    """`n` queries of a reference and `shown` others, all different.

    Raises:
        ValueError: there are fewer items than are shown.
    """
    if items <= shown:
        raise ValueError(f"{items} items came; a reference and {shown} others are needed")
    drawn = [rng.choice(items, shown + 1, replace=False).tolist() for _ in range(n)]
    return [GridQuery(first, tuple(rest)) for first, *rest in drawn]


def triplets_of_grid(query: GridQuery, chosen: Sequence[int]) -> np.ndarray:
    """(chosen * others, 3) items a, b, c with "a is nearer to b than to c": eight for two of six.

    Args:
        query: what was asked.
        chosen: indices into `query.items`.

    Raises:
        ValueError: not as many chosen as were asked for, or something that was not shown.
    """
    if len(set(chosen)) != query.choose or not set(chosen) <= set(range(len(query.items))):
        raise ValueError(
            f"{list(chosen)} came; expected {query.choose} different numbers from 0 to {len(query.items) - 1}"
        )
    left = [index for index in range(len(query.items)) if index not in chosen]
    return np.array([(query.reference, query.items[near], query.items[far]) for near in chosen for far in left])
