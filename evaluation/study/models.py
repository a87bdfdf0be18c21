"""The registered tests of a study: from rows of answers to one figure, its interval and its p."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evaluation.effects import equivalence, hedges_g, hedges_gz, rank_biserial
from evaluation.mixed_models import LinearFit, fit_linear, likelihood_ratio, marginal_probability
from evaluation.ordinal import fit_ordinal
from evaluation.statistics import Interval, cluster_bootstrap, paired_difference
from evaluation.study.plan import Hypothesis, Model, Plan
from evaluation.study.quality import scale_scores
from evaluation.study.tables import StudyTables, repeats
from policies.taste.queries import CANNOT_TELL

if TYPE_CHECKING:
    import pandas as pd


class Tested(NamedTuple):
    """A test of one factor.

    Attributes:
        test: which.
        statistic: its value; nan where nothing could be tested.
        df: degrees of freedom.
        p: without correction; nan where nothing could be tested.
        effect: coefficient of the second level against the first; log odds, or log seconds, or points. nan with more.
        probability_difference: of a logistic model over everybody, second level less first; nan for others.
        note: why nothing was tested, or what was dropped.
    """

    test: str
    statistic: float
    df: int
    p: float
    effect: float
    probability_difference: float
    note: str = ""


class Sizes(NamedTuple):
    """Effect sizes of the second level against the first, person by person.

    Attributes:
        means: mean of each level, over people.
        difference: of the means, with its interval over people, for the triplets that were shown.
        hedges: g_z of paired differences, or g between groups, with its BCa interval.
        rank_biserial: matched pairs; nan between groups.
        equivalence_p: of two one-sided tests; nan where not asked.
        people: how many have both levels, or are in either group.
        within: whether people were compared with themselves.
    """

    means: dict[str, float]
    difference: Interval
    hedges: Interval
    rank_biserial: float
    equivalence_p: float
    people: int
    within: bool


_NOTHING = float("nan")
_FEW = 3


def outcome_rows(hypothesis: Hypothesis, tables: StudyTables, rows: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Rows that a hypothesis is about: participant, triplet, factor and value; gaps and other levels are left out.

    Args:
        hypothesis: what is compared.
        tables: of the study.
        rows: trials of those who count, with a column `predicted` where that outcome is asked for.
        plan: limits of response times, and scales.

    Raises:
        ValueError: there is no column for the factor.
    """
    name = hypothesis.outcome
    if name.startswith("scale:"):
        rule = next(one for one in plan.scales if one.id == name.removeprefix("scale:"))
        kept = tables.questionnaires["participant"].isin(rows["participant"].unique())
        found = scale_scores(tables.questionnaires[kept], rule).assign(triplet="")
        found = found.assign(block=found["occasion"])
    else:
        found = _answers(name, rows, plan)
        if hypothesis.purposes:
            found = found[found["purpose"].isin(hypothesis.purposes)]
    factor = hypothesis.factor
    if factor not in found.columns:
        if factor not in tables.participants.columns:
            raise ValueError(f"{hypothesis.name}: no column {factor!r}; there are {', '.join(map(str, rows.columns))}")
        found = found.merge(tables.participants[["participant", factor]], on="participant", how="left")
    found = found.assign(factor=found[factor])
    found = found[found["factor"].notna() & found["value"].notna()]
    found = found.assign(factor=found["factor"].astype(str), participant=found["participant"].astype(str))
    if hypothesis.levels:
        found = found[found["factor"].isin(hypothesis.levels)]
    return found[["participant", "triplet", "factor", "value"]].reset_index(drop=True)


def _answers(name: str, rows: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    answered = rows["choice"] != CANNOT_TELL
    if name == "told":
        return rows.assign(value=answered.astype(float))
    if name == "golden":
        golden = rows[rows["golden_choice"].notna()]
        return golden.assign(value=(golden["choice"] == golden["golden_choice"]).astype(float))
    if name == "repeat":
        again = repeats(rows)
        return again.assign(value=(again["alike"] == again["first_alike"]).astype(float))
    if name == "rt":
        low, high = plan.rt_limits_ms
        inside = rows[(rows["rt"] >= low) & (rows["rt"] <= high)]
        return inside.assign(value=np.log(inside["rt"] / 1e3))
    if name == "confidence":
        return rows.assign(value=rows["confidence"])
    # An exact repeat is no new triplet, and an obvious one is right by any representation.
    again = rows["repeat_of"].map(lambda name: isinstance(name, str) and bool(name)).astype(bool)
    asked = rows["golden_choice"].isna() & ~again
    free = rows[answered & asked & (rows["predicted"] != CANNOT_TELL)]
    return free.assign(value=(free["alike"] == free["predicted"]).astype(float))


def levels_of(hypothesis: Hypothesis, found: pd.DataFrame) -> tuple[str, ...]:
    """List the levels that are compared, in the order of the plan, or by name."""
    there = sorted(found["factor"].unique())
    return tuple(level for level in hypothesis.levels if level in there) if hypothesis.levels else tuple(there)


def test_hypothesis(
    hypothesis: Hypothesis, found: pd.DataFrame, rng: np.random.Generator, levels: tuple[str, ...] = ()
) -> Tested:
    """Test whether the factor matters, by the regression that the outcome has.

    Args:
        hypothesis: names outcome, random intercepts and draws.
        found: rows of `outcome_rows`.
        rng: draws the parametric bootstrap.
        levels: in order; those that came when left out.
    """
    levels = levels or levels_of(hypothesis, found)
    if len(levels) < 2:
        names = ", ".join(levels) or "none"
        return Tested("none", _NOTHING, 0, _NOTHING, _NOTHING, _NOTHING, f"levels that came: {names}; two are needed")
    contrast = _contrasts(found["factor"].to_numpy(), levels)
    value = found["value"].to_numpy(float)
    if len(value) <= len(levels) or (value == value[0]).all():
        return Tested("none", _NOTHING, 0, _NOTHING, _NOTHING, _NOTHING, "too few answers, or all the same")
    model = hypothesis.model
    if model == "ordinal":
        return _ordinal(value, contrast, found)
    if model == "linear":
        return _linear(value, contrast, found, levels)
    return _crossed(model, hypothesis, value, contrast, found, rng)


test_hypothesis.__test__ = False  # type: ignore[attr-defined]  # its name begins as a test's does; pytest leaves it


def _contrasts(factor: np.ndarray, levels: tuple[str, ...]) -> np.ndarray:
    """(N, levels - 1) each later level against the first; two levels are centred, so that the intercept is the mean."""
    table = np.stack([factor == level for level in levels[1:]], axis=1).astype(float)
    return table - 0.5 if len(levels) == 2 else table


def groupings(hypothesis: Hypothesis, found: pd.DataFrame) -> dict[str, np.ndarray]:
    """Labels (N,) of each random intercept; one that splits nobody (a factor between people) is the same as another."""
    labels: dict[str, np.ndarray] = {}
    for name in hypothesis.random:
        parts = [found[part].astype(str) for part in name.split(":")]
        joined = parts[0].str.cat(parts[1:], sep="|") if len(parts) > 1 else parts[0]
        code = np.unique(joined.to_numpy(str), return_inverse=True)[1]
        if "participant" not in name.split(":"):
            code = _lumped(code)
        same = any(
            len(set(zip(code, other, strict=True))) == code.max() + 1 == other.max() + 1 for other in labels.values()
        )
        if not same:
            labels[name] = code
    return labels


def _lumped(code: np.ndarray) -> np.ndarray:
    """Levels with fewer than three rows as one level.

    The intercept of a triplet that came once is part of the noise of that one answer, and cannot be told from it;
    hundreds of such send the variance of all triplets astray.
    """
    rare = np.bincount(code)[code] < _FEW
    return np.unique(np.where(rare, -1, code), return_inverse=True)[1]


def _crossed(
    model: Model,
    hypothesis: Hypothesis,
    value: np.ndarray,
    contrast: np.ndarray,
    found: pd.DataFrame,
    rng: np.random.Generator,
) -> Tested:
    X = np.column_stack([np.ones(len(value)), contrast])
    family = "logistic" if model == "logistic" else "linear"
    tested = list(range(1, X.shape[1]))
    labels = groupings(hypothesis, found)
    result = likelihood_ratio(value, X, tested, labels, family, hypothesis.draws, rng)  # type: ignore[arg-type]
    effect = float(result.full.coefficients[1]) if len(tested) == 1 else _NOTHING
    difference = _NOTHING
    if family == "logistic" and len(tested) == 1:
        low, high = marginal_probability(result.full, np.array([[1, -0.5], [1, 0.5]]))
        difference = float(high - low)
    note = f"dropped: {', '.join(result.full.dropped)}" if result.full.dropped else ""
    name = f"likelihood ratio, {family} mixed model, {result.method}"
    return Tested(name, result.statistic, result.df, result.p, effect, difference, note)


def _ordinal(value: np.ndarray, contrast: np.ndarray, found: pd.DataFrame) -> Tested:
    triplets = found["triplet"].to_numpy()
    fit = fit_ordinal(value, contrast, found["participant"].to_numpy(), triplets)
    best = int(np.nanargmin(fit.p)) if np.isfinite(fit.p).any() else 0
    p = float(min(fit.p[best] * len(fit.p), 1.0))
    statistic = float(fit.coefficients[best] / fit.standard_errors[best])
    effect = float(fit.coefficients[0]) if len(fit.p) == 1 else _NOTHING
    return Tested("cumulative link, errors clustered by person and triplet", statistic, 1, p, effect, _NOTHING)


def _linear(value: np.ndarray, contrast: np.ndarray, found: pd.DataFrame, levels: tuple[str, ...]) -> Tested:
    X = np.column_stack([np.ones(len(value)), contrast])
    fit: LinearFit = fit_linear(value, X, found["participant"].to_numpy())
    best = 1 + int(np.nanargmin(fit.p[1:]))
    p = float(min(fit.p[best] * (len(levels) - 1), 1.0))
    effect = float(fit.coefficients[1]) if len(levels) == 2 else _NOTHING
    statistic = float(fit.coefficients[best] / fit.standard_errors[best])
    return Tested(f"linear model ({fit.method})", statistic, 1, p, effect, _NOTHING)


def effect_sizes(
    hypothesis: Hypothesis, found: pd.DataFrame, rng: np.random.Generator, levels: tuple[str, ...] = ()
) -> Sizes | None:
    """Compare the first two levels person by person; None where there are not two.

    The mean of each person counts once, however much they answered.
    """
    levels = levels or levels_of(hypothesis, found)
    if len(levels) < 2:
        return None
    by_person = found.groupby(["participant", "factor"])["value"].mean().unstack().reindex(columns=list(levels[:2]))
    both = by_person.dropna()
    means = {str(level): float(by_person[level].mean()) for level in levels[:2]}
    first, second = levels[:2]
    bound = hypothesis.equivalence
    if len(both):
        differences = (both[second] - both[first]).to_numpy()
        close = equivalence(differences, -bound, bound).p if bound and len(both) > 1 else _NOTHING
        interval = paired_difference(both[second], both[first], rng)
        size = hedges_gz(differences, rng)
        return Sizes(means, interval, size, rank_biserial(differences), close, len(both), True)
    one, other = (by_person[level].dropna().to_numpy() for level in (first, second))
    close = equivalence(other, -bound, bound, one).p if bound and min(len(one), len(other)) > 1 else _NOTHING
    values, group = np.concatenate([one, other]), np.repeat([0.0, 1.0], [len(one), len(other)])

    def between(rows: np.ndarray) -> float:
        apart = [rows[rows[:, 1] == which, 0] for which in (0, 1)]
        return float(apart[1].mean() - apart[0].mean()) if min(map(len, apart)) else _NOTHING

    interval = cluster_bootstrap(np.column_stack([values, group]), rng, statistic=between)
    return Sizes(means, interval, hedges_g(other, one, rng), _NOTHING, close, len(values), False)
