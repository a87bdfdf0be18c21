"""Cumulative-link regression of ratings (McCullagh 1980), for people who each give several."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student_t


class OrdinalFit(NamedTuple):
    """A proportional-odds model: log odds of a rating above any threshold.

    Attributes:
        coefficients: (K,) log odds ratios; above 0 means higher ratings.
        standard_errors: (K,) clustered by person; nan with fewer than two people.
        p: (K,) two-sided, by Student's t with people - 1 degrees of freedom, or items - 1 where these are fewer.
        thresholds: (levels - 1,) between neighbouring ratings.
    """

    coefficients: np.ndarray
    standard_errors: np.ndarray
    p: np.ndarray
    thresholds: np.ndarray


def fit_ordinal(ratings: ArrayLike, X: ArrayLike, people: ArrayLike, items: ArrayLike | None = None) -> OrdinalFit:
    """Fit ratings by their order alone; distances between them do not count.

    There is no random intercept: the coefficients are those of the population, and the errors are clustered by person
    (Liang & Zeger 1986) with the correction G / (G - 1) for G people; by person and by item where `items` are given,
    which rating of what all people see asks for (Cameron, Gelbach & Miller 2011).

    Args:
        ratings: (N,) numbers; only their order is used.
        X: (N, K) design without a column of ones, which the thresholds stand for.
        people: (N,) who rated.
        items: (N,) what was rated.

    Raises:
        ValueError: shapes that do not fit, nan, or all ratings the same.
    """
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    values, X = np.asarray(ratings, float), np.asarray(X, float)
    _, who = np.unique(np.asarray(people), return_inverse=True)
    if X.ndim != 2 or values.shape != X.shape[:1] or who.shape != values.shape:
        raise ValueError(f"ratings {values.shape}, X {X.shape} and {who.size} people came; expected (N,), (N, K), N")
    if not (np.isfinite(values).all() and np.isfinite(X).all()):
        raise ValueError("nan or inf came among ratings: leave these rows out")
    levels, codes = np.unique(values, return_inverse=True)
    if len(levels) < 2:
        raise ValueError(f"all {len(values)} ratings are the same; nothing can be compared")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a Hessian that is not inverted: its errors are not used
        model = OrderedModel(codes, X, distr="logit")
        found = model.fit(method="bfgs", disp=False, maxiter=500)
        errors = _clustered(model, np.asarray(found.params), who, items)[: X.shape[1]]
    coefficients = np.asarray(found.params)[: X.shape[1]]
    clusters = [who] if items is None else [who, np.asarray(items)]
    free = min(len(np.unique(one)) for one in clusters) - 1
    p = 2 * student_t.sf(np.abs(coefficients) / errors, max(free, 1))
    thresholds = np.asarray(model.transform_threshold_params(np.asarray(found.params)))[1:-1]
    return OrdinalFit(coefficients, errors, np.asarray(p), thresholds)


def _clustered(model: Any, params: np.ndarray, who: np.ndarray, items: ArrayLike | None) -> np.ndarray:
    """(K + levels - 1,) standard errors by the sandwich of scores summed over each cluster."""
    if who.max() == 0:
        return np.full(len(params), np.nan)
    scores = np.asarray(model.score_obs(params))
    bread = np.linalg.pinv(np.asarray(model.hessian(params)))
    people = _meat(scores, who)
    variance = np.diag(bread @ people @ bread)
    if items is not None:
        _, which = np.unique(np.asarray(items), return_inverse=True)
        both = people + _meat(scores, which) - _meat(scores, which * (int(who.max()) + 1) + who)
        # The difference of matrices can leave less than people alone do, which nothing justifies.
        variance = np.maximum(variance, np.diag(bread @ both @ bread))
    return np.asarray(np.sqrt(np.clip(variance, 0, None)))


def _meat(scores: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    _, cluster = np.unique(cluster, return_inverse=True)
    count = int(cluster.max()) + 1
    sums = np.zeros((count, scores.shape[1]))
    np.add.at(sums, cluster, scores)
    return np.asarray(sums.T @ sums * count / max(count - 1, 1))
