"""Regression with random effects: logistic and linear models with crossed intercepts, tested by likelihood ratio.

gpboost fits the crossed ones by Laplace's approximation (Sigrist 2022), on one thread: with more, many fits in a row
hang. Its standard errors can be nan, so that nothing here is a Wald test of it. Linear models with one grouping use
statsmodels, kept from a defect: with a group variance of 0 its lbfgs can end with every coefficient exactly 0 and call
that converged (statsmodels issue 10239).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from scipy.stats import chi2

Family = Literal["logistic", "linear"]
_LEAST_VARIANCE = 1e-6
"""Of the groups, relative to the residual one: below it a linear mixed model is one without groups."""
_MOST_VARIANCE = 100.0
"""Of a logistic grouping, a deviation of ten in log odds: a fit that ran away, as with a few answers a level that all
agree, where Laplace's approximation is no good either."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(31)


class MixedFit(NamedTuple):
    """A regression with random intercepts.

    Attributes:
        coefficients: (K,) of the fixed effects; log odds when logistic.
        log_likelihood: marginal, at the maximum.
        variances: of each grouping that was kept, by name.
        dropped: groupings that say nothing: one level only, one observation a level, or a variance without bound.
    """

    coefficients: np.ndarray
    log_likelihood: float
    variances: dict[str, float]
    dropped: tuple[str, ...]


class LikelihoodRatio(NamedTuple):
    """A likelihood-ratio test of fixed effects.

    Attributes:
        statistic: 2 (l_full - l_null).
        df: how many coefficients are tested.
        p: probability of a statistic as large without them.
        method: of p: 'chi2', or 'parametric bootstrap'.
        full: the fit with them.
        null: the fit without them.
    """

    statistic: float
    df: int
    p: float
    method: str
    full: MixedFit
    null: MixedFit


class LinearFit(NamedTuple):
    """A linear regression with one random intercept, or without one where the groups do not differ.

    Attributes:
        coefficients: (K,).
        standard_errors: (K,).
        p: (K,) two-sided, each coefficient against 0.
        group_variance: of the random intercept; 0 where it was left out.
        method: 'mixed' (REML), 'clustered' (least squares, errors clustered by group) or 'ols' (one group only).
    """

    coefficients: np.ndarray
    standard_errors: np.ndarray
    p: np.ndarray
    group_variance: float
    method: Literal["mixed", "clustered", "ols"]


def fit_mixed(y: ArrayLike, X: ArrayLike, groups: dict[str, ArrayLike], family: Family = "logistic") -> MixedFit:
    """Fit fixed effects and one random intercept for each grouping, which may be crossed.

    Args:
        y: (N,) 0 or 1 when logistic, any number when linear.
        X: (N, K) design with its column of ones.
        groups: name of the grouping -> (N,) labels.
        family: of the response.

    Raises:
        ValueError: shapes that do not fit, nan, fewer rows than coefficients, or a logistic response beside 0 and 1.
        RuntimeError: the optimiser found nothing.
    """
    y, X = _checked(y, X, family)
    labels = {name: np.unique(np.asarray(label), return_inverse=True)[1] for name, label in groups.items()}
    if bad := [name for name, label in labels.items() if label.shape != y.shape]:
        raise ValueError(f"grouping {bad[0]} has {labels[bad[0]].size} labels; expected {len(y)}")
    kept = {name: label for name, label in labels.items() if 0 < label.max(initial=0) < len(y) - 1}
    dropped = tuple(name for name in labels if name not in kept)
    if not kept or (family == "logistic" and len(np.unique(y)) == 1):
        return MixedFit(*_without_groups(y, X, family), dict.fromkeys(kept, 0.0), dropped)
    return _gpboost(y, X, kept, family)._replace(dropped=dropped)


def _checked(y: ArrayLike, X: ArrayLike, family: Family) -> tuple[np.ndarray, np.ndarray]:
    y, X = np.asarray(y, float), np.asarray(X, float)
    if X.ndim != 2 or y.shape != X.shape[:1] or len(y) < X.shape[1]:
        raise ValueError(f"y {y.shape} and X {X.shape} came; expected (N,) and (N, K) with N >= K")
    if not (np.isfinite(y).all() and np.isfinite(X).all()):
        raise ValueError("nan or inf came among the rows of a regression: leave these rows out")
    if family == "logistic" and not np.isin(y, (0, 1)).all():
        raise ValueError(f"a response of {y[~np.isin(y, (0, 1))][0]} came; a logistic one is 0 or 1")
    return y, X


def _without_groups(y: np.ndarray, X: np.ndarray, family: Family) -> tuple[np.ndarray, float]:
    import statsmodels.api as sm

    if family == "logistic" and len(np.unique(y)) == 1:  # the odds are infinite, and every model is perfect
        return np.full(X.shape[1], np.nan), 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        response = sm.families.Binomial() if family == "logistic" else sm.families.Gaussian()
        found = sm.GLM(y, X, family=response).fit()
    if family == "logistic":
        return np.asarray(found.params), float(found.llf)
    spread = float(np.mean((y - X @ found.params) ** 2))
    return np.asarray(found.params), float(-len(y) / 2 * (np.log(2 * np.pi * max(spread, 1e-300)) + 1))


def _gpboost(y: np.ndarray, X: np.ndarray, labels: dict[str, np.ndarray], family: Family) -> MixedFit:
    import gpboost

    # Line searches that end early are told by the likelihood; it would say so in every fit of thousands.
    gpboost.register_logger(logging.Logger("gpboost", logging.ERROR))
    problem: Exception | None = None
    for optimiser in ("lbfgs", "nelder_mead"):
        try:
            model = gpboost.GPModel(
                group_data=np.column_stack(list(labels.values())),
                likelihood="bernoulli_logit" if family == "logistic" else "gaussian",
                matrix_inversion_method="cholesky",
                num_parallel_threads=1,
            )
            model.fit(y=y, X=X, params={"delta_rel_conv": 1e-8, "optimizer_cov": optimiser})
        except gpboost.basic.GPBoostError as failure:
            problem = failure
            continue
        found = -float(model.get_current_neg_log_likelihood())
        if np.isfinite(found):
            variances = np.asarray(model.get_cov_pars(), float).reshape(-1)[-len(labels) :]
            coefficients = np.asarray(model.get_coef(), float).reshape(-1)[: X.shape[1]]
            return MixedFit(coefficients, found, dict(zip(labels, variances.tolist(), strict=True)), ())
    raise RuntimeError(f"no maximum of the likelihood was found ({problem}): look at the data for separation")


def likelihood_ratio(
    y: ArrayLike,
    X: ArrayLike,
    tested: Sequence[int],
    groups: dict[str, ArrayLike],
    family: Family = "logistic",
    draws: int = 0,
    rng: np.random.Generator | None = None,
) -> LikelihoodRatio:
    """Test whether columns of the design matter.

    Args:
        y: (N,) response.
        X: (N, K) design.
        tested: its columns that are tested together.
        groups: name of the grouping -> (N,) labels.
        family: of the response.
        draws: data sets drawn from the null fit; 0 compares with chi-squared, which holds for many groups.
        rng: draws them.

    Raises:
        ValueError: as `fit_mixed`; no column or all are tested; or draws without a generator.
        RuntimeError: as `fit_mixed`.
    """
    y, X = _checked(y, X, family)
    if not 0 < len(set(tested)) < X.shape[1]:
        raise ValueError(f"columns {list(tested)} of {X.shape[1]} came; test one or more, and leave one or more")
    if draws and rng is None:
        raise ValueError("a parametric bootstrap draws data: give it a generator")
    small = np.delete(X, list(tested), axis=1)
    null, full, statistic = _compare(y, X, small, groups, family)
    ran_away: tuple[str, ...] = ()
    while family == "logistic" and (name := _runaway(null, full)):
        ran_away += (name,)
        groups = {other: labels for other, labels in groups.items() if other != name}
        null, full, statistic = _compare(y, X, small, groups, family)
    null, full = (fit._replace(dropped=fit.dropped + ran_away) for fit in (null, full))
    p, method = float(chi2.sf(statistic, len(set(tested)))), "chi2"
    if draws and rng is not None and np.isfinite(null.coefficients).all():
        reached = 0
        for _ in range(draws):
            drawn = _draw(null, small, groups, family, y, rng)
            reached += _compare(drawn, X, small, groups, family)[2] >= statistic - 1e-9
        p, method = (1 + reached) / (1 + draws), "parametric bootstrap"
    return LikelihoodRatio(statistic, len(set(tested)), p, method, full, null)


def _runaway(*fits: MixedFit) -> str:
    """The grouping whose variance left all bounds furthest; empty: none did."""
    largest = {name: max(fit.variances[name] for fit in fits) for name in fits[0].variances}
    name = max(largest, key=lambda one: largest[one], default="")
    return name if name and largest[name] > _MOST_VARIANCE else ""


def _compare(
    y: np.ndarray, X: np.ndarray, small: np.ndarray, groups: dict[str, ArrayLike], family: Family
) -> tuple[MixedFit, MixedFit, float]:
    null = fit_mixed(y, small, groups, family)
    full = fit_mixed(y, X, groups, family)
    return null, full, max(2 * (full.log_likelihood - null.log_likelihood), 0.0)


def _draw(
    fit: MixedFit, X: np.ndarray, groups: dict[str, ArrayLike], family: Family, y: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Responses (N,) as the fit has them."""
    mean = X @ fit.coefficients
    for name, variance in fit.variances.items():
        _, label = np.unique(np.asarray(groups[name]), return_inverse=True)
        mean = mean + np.sqrt(variance) * rng.standard_normal(int(label.max()) + 1)[label]
    if family == "logistic":
        return np.asarray(rng.random(len(mean)) < expit(mean), float)
    residual = max(float(np.var(y - X @ fit.coefficients)) - sum(fit.variances.values()), 0.0)
    return np.asarray(mean + np.sqrt(residual) * rng.standard_normal(len(mean)))


def marginal_probability(fit: MixedFit, X: ArrayLike) -> np.ndarray:
    """(M,) probabilities of rows (M, K) of a logistic fit over everybody, not for the typical person.

    The random intercepts are integrated out by Gauss-Hermite quadrature; the odds ratio alone speaks of one person.
    """
    eta = np.asarray(X, float) @ fit.coefficients
    spread = np.sqrt(sum(fit.variances.values()))
    return np.asarray(expit(eta[:, None] + spread * _NODES) @ _WEIGHTS / _WEIGHTS.sum())


def fit_linear(y: ArrayLike, X: ArrayLike, groups: ArrayLike) -> LinearFit:
    """Fit a linear regression whose groups (N,) have an intercept of their own, by REML.

    Where the variance of the groups ends at 0 the model is least squares, and is refitted as such with errors clustered
    by group.

    Raises:
        ValueError: shapes that do not fit, or nan.
    """
    import statsmodels.api as sm

    y, X = _checked(y, X, "linear")
    _, labels = np.unique(np.asarray(groups), return_inverse=True)
    if labels.shape != y.shape:
        raise ValueError(f"{labels.size} groups came for {len(y)} rows; expected as many")
    if labels.max(initial=0) == 0:
        return _linear_fit(sm.OLS(y, X).fit(), X, 0.0, "ols")
    if labels.max() < len(y) - 1 and (fit := _reml(y, X, labels)) is not None:
        return fit
    clustered = sm.OLS(y, X).fit(cov_type="cluster", cov_kwds={"groups": labels}, use_t=True)
    return _linear_fit(clustered, X, 0.0, "clustered")


def _reml(y: np.ndarray, X: np.ndarray, labels: np.ndarray) -> LinearFit | None:
    """REML, or None where it fails or the groups do not differ."""
    import statsmodels.api as sm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = sm.MixedLM(y, X, groups=labels).fit(reml=True, method=["bfgs", "powell"])
        except np.linalg.LinAlgError:
            return None
    variance = float(np.asarray(found.cov_re).reshape(-1)[0])
    if not found.converged or not variance >= _LEAST_VARIANCE * float(found.scale):
        return None
    fit = _linear_fit(found, X, variance, "mixed")
    return fit if np.isfinite(fit.standard_errors).all() else None


def _linear_fit(found: Any, X: np.ndarray, variance: float, method: Literal["mixed", "clustered", "ols"]) -> LinearFit:
    size, error, p = (np.asarray(part, float)[: X.shape[1]] for part in (found.params, found.bse, found.pvalues))
    return LinearFit(size, error, p, variance, method)
