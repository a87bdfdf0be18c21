"""Predictions of triplets by a representation, given or learned from other people's answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from policies.taste.choice import pair_distances
from policies.taste.queries import CANNOT_TELL, Answers

if TYPE_CHECKING:
    import pandas as pd

Predictor = Callable[["pd.DataFrame"], np.ndarray]
"""Takes rows of `evaluation.study.tables.trials`, gives (N,) predicted `alike`, -1 where it says nothing."""


def nearest_pair(positions: Mapping[str, np.ndarray]) -> Predictor:
    """Predict the pair of items that lie nearest to each other, from positions (d,) by id."""
    names = sorted(positions)
    place = {name: i for i, name in enumerate(names)}
    at = np.array([positions[name] for name in names], float)

    def predict(rows: pd.DataFrame) -> np.ndarray:
        found = np.full(len(rows), CANNOT_TELL)
        asked = [sorted(shown) for shown in rows["shown"]]
        known = np.array([len(items) == 3 and all(item in place for item in items) for items in asked], bool)
        if known.any():
            items = np.array([[place[item] for item in one] for one, ok in zip(asked, known, strict=True) if ok])
            found[known] = pair_distances(at, items).argmin(axis=1)
        return found

    return predict


def from_other_people(rows: pd.DataFrame, seed: int = 0, folds: int = 5, dimensions: int = 4) -> np.ndarray:
    """(N,) `alike` of each row, predicted by coordinates of the items that were learned from other people's answers.

    People are dealt into folds; the answers of one fold are predicted by a stochastic triplet embedding (van der Maaten
    & Weinberger 2012) of all others. With fewer than two people nothing is predicted: -1.
    """
    from learning.similarity.coordinates import CoordinatesConfig, fit_coordinates

    found = np.full(len(rows), CANNOT_TELL)
    people, who = np.unique(rows["participant"].astype(str), return_inverse=True)
    if len(people) < 2:
        return found
    names = sorted({item for shown in rows["shown"] for item in shown})
    place = {name: i for i, name in enumerate(names)}
    items = np.array([[place[item] for item in sorted(shown)] for shown in rows["shown"]])
    alike = rows["alike"].to_numpy(int)
    fold = np.random.default_rng(seed).permutation(len(people)) % min(folds, len(people))
    for part in range(int(fold.max()) + 1):
        test = fold[who] == part
        train = ~test & (alike != CANNOT_TELL)
        if not train.any():
            continue
        answers = Answers(items[train], alike[train], np.zeros(int(train.sum()), np.int64))
        at = fit_coordinates(len(names), answers, CoordinatesConfig(dimensions=dimensions), seed)
        found[test] = pair_distances(at, items[test]).argmin(axis=1)
    return found
