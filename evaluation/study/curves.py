"""Learning curves: how well a representation foretells other people's answers, against how many it was learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from evaluation.statistics import Interval, cluster_bootstrap
from policies.taste.choice import pair_distances
from policies.taste.queries import CANNOT_TELL, PAIRS, Answers

if TYPE_CHECKING:
    import pandas as pd

Foretold = Callable[[np.ndarray], np.ndarray]
"""Takes triplets (N, 3) of item numbers, gives (N, 3) probabilities of `PAIRS`."""
Fit = Callable[[Answers, int], Foretold]
"""Takes answers and how many items there are."""
UNIFORM_BITS = float(np.log2(len(PAIRS)))
_LAPSE = 0.05
_HELD_OUT = 5
_TEST_SHARE = 0.2


class CurvePoint(NamedTuple):
    """One number of answers.

    Attributes:
        answers: learned from.
        minutes: that people spent on them.
        bits: negative log likelihood of an answer of other people, in bits, with its interval over these people;
            `UNIFORM_BITS` is knowing nothing.
        accuracy: share of their answers that is the likeliest one.
        error: what `probe` says of the representation, such as its feature prediction error; nan without one.
    """

    answers: int
    minutes: float
    bits: Interval
    accuracy: Interval
    error: float


def learning_curve(
    rows: pd.DataFrame,
    rng: np.random.Generator,
    fit: Fit | None = None,
    sizes: Sequence[int] = (50, 100, 200, 400, 800, 1600),
    probe: Callable[[Foretold], float] | None = None,
) -> tuple[CurvePoint, ...]:
    """Learn from more and more answers of four in five people, and foretell the answers of the fifth.

    Tested on are answers to triplets that were drawn at random or shown to all; those that a policy chose, obvious ones
    and repeats would tell of a policy instead. Answers to learn from come person by person, as a study collects them.

    Args:
        rows: of `evaluation.study.tables.trials`.
        rng: deals people, and draws them for intervals.
        fit: learns; coordinates of the items by stochastic triplet embedding when left out.
        sizes: numbers of answers; those beyond what there is are left out, and all there are is added.
        probe: judges what was learned.

    Returns:
        Points in order of answers; none with fewer than five people.
    """
    answered = rows[rows["choice"] != CANNOT_TELL]
    people = rng.permutation(np.unique(answered["participant"].astype(str)))
    if len(people) < round(1 / _TEST_SHARE):
        return ()
    held = set(people[: max(round(_TEST_SHARE * len(people)), 1)])
    names = sorted({item for shown in answered["shown"] for item in shown})
    mine = answered["participant"].astype(str).isin(held)
    test = answered[mine & answered["purpose"].isin(("random", "shared"))] if "purpose" in answered else answered[mine]
    train = answered[~mine]
    place = {person: i for i, person in enumerate(people)}
    train = train.iloc[np.argsort(train["participant"].astype(str).map(place).to_numpy(), kind="stable")]
    if not len(test) or not len(train):
        return ()
    some = sorted({size for size in sizes if size < len(train)} | {len(train)})
    return tuple(_point(train.iloc[:n], test, names, fit or fit_embedding, rng, probe) for n in some)


def _point(
    train: pd.DataFrame,
    test: pd.DataFrame,
    names: list[str],
    fit: Fit,
    rng: np.random.Generator,
    probe: Callable[[Foretold], float] | None,
) -> CurvePoint:
    foretold = fit(_answers(train, names), len(names))
    asked = _answers(test, names)
    likely = foretold(asked.items)
    rows = np.arange(len(asked))
    bits = -np.log2(np.maximum(likely[rows, asked.choice], 1e-12))
    right = likely.argmax(axis=1) == asked.choice
    people = test["participant"].astype(str).to_numpy()
    return CurvePoint(
        len(train),
        float(train["rt"].sum() / 6e4),
        cluster_bootstrap(bits, rng, people),
        cluster_bootstrap(right, rng, people),
        probe(foretold) if probe is not None else float("nan"),
    )


def _answers(rows: pd.DataFrame, names: list[str]) -> Answers:
    place = {name: i for i, name in enumerate(names)}
    items = np.array([[place[item] for item in sorted(shown)] for shown in rows["shown"]], np.int64)
    return Answers(items, rows["alike"].to_numpy(np.int64), np.zeros(len(rows), np.int64))


def fit_embedding(answers: Answers, items: int, dimensions: int = 4) -> Foretold:
    """Place items by stochastic triplet embedding (van der Maaten & Weinberger 2012), with one lapse in twenty.

    How sure it may be is chosen on a fifth of the answers that it does not see: few answers are fitted too well.
    """
    from learning.similarity.coordinates import CoordinatesConfig, fit_coordinates

    seen = np.arange(len(answers)) % _HELD_OUT != _HELD_OUT - 1
    at = fit_coordinates(items, answers.take(seen), CoordinatesConfig(dimensions=dimensions), 0)

    def foretold(triplets: np.ndarray, log_sureness: float) -> np.ndarray:
        sure = softmax(-np.exp(log_sureness) * pair_distances(at, triplets), axis=1)
        return np.asarray((1 - _LAPSE) * sure + _LAPSE / len(PAIRS))

    held = answers.take(~seen)
    if not len(held):
        return lambda triplets: foretold(triplets, 0.0)
    rows = np.arange(len(held))
    best = minimize_scalar(
        lambda log_sureness: -np.log(foretold(held.items, log_sureness)[rows, held.choice]).sum(),
        bounds=(-6.0, 1.0),
        method="bounded",
    )
    return lambda triplets: foretold(triplets, float(best.x))
