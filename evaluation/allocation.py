"""Who gets which arm next: equal, exact Gittins with a floor, Thompson; and a test that holds for each of them.

For pilots, where participants should rather meet what works; the sums are told in `benchmarks/allocation.py`. Estimates
of arms that did badly early are biased low under every adaptive rule, and a test that takes the allocation for granted
rejects too often: a confirmatory study allocates equally.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f as fisher_f

from evaluation.gittins import DISCOUNTS, Goal, index_factor

Kind = Literal["equal", "gittins", "thompson", "thompson-lognormal"]


@dataclass(frozen=True)
class AllocationRule:
    """How the next participant is given an arm.

    Attributes:
        kind: 'equal' (permuted blocks); 'gittins' (Gittins index of exponential outcomes); 'thompson' (a draw of each
            mean from its posterior), of exponential or of log-normal outcomes.
        goal: whether outcomes are rewards or costs.
        discount: of the index.
        floor: k; an arm that has less than 1/k of the allocations so far comes next.
        prior_n: outcomes that the prior counts for, >= 1.
        prior_mean: their mean, in the unit of the outcomes.
        batch: outcomes become known only after so many allocations: indices are frozen until sessions end.
    """

    kind: Kind = "gittins"
    goal: Goal = "reward"
    discount: float = 0.99
    floor: int = 5
    prior_n: int = 2
    prior_mean: float = 1.0
    batch: int = 1

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("kind", self.kind, get_args(Kind)),
            ("goal", self.goal, get_args(Goal)),
            ("discount", self.discount, DISCOUNTS),
        ):
            if value not in allowed:
                raise ValueError(f"{name} {value!r} came; allowed are {', '.join(map(str, allowed))}")
        if min(self.floor, self.prior_n, self.batch) < 1 or self.prior_mean <= 0:
            raise ValueError(
                f"floor {self.floor}, prior_n {self.prior_n}, batch {self.batch}, prior_mean {self.prior_mean} came; "
                "the first three are 1 or more, the mean is above 0"
            )


class ArmState(NamedTuple):
    """Counts and sums of what is known of arms, each (R, A) for R trials that run side by side.

    Attributes:
        allocated: participants given the arm, whether their outcome is known or not.
        known: outcomes known.
        total: their sum.
        log_total: sum of their logarithms.
        log_squares: sum of squares of these.
    """

    allocated: np.ndarray
    known: np.ndarray
    total: np.ndarray
    log_total: np.ndarray
    log_squares: np.ndarray


class RandomisationTest(NamedTuple):
    """How rarely chance alone makes arms differ as much, under the same rule of allocation."""

    statistic: float
    p: float
    draws: int


def arm_state(arms: ArrayLike, outcomes: ArrayLike, n_arms: int) -> ArmState:
    """Sum up one trial: arms (N,) int in order, outcomes (N,) > 0 with nan for those that are not known yet.

    Raises:
        ValueError: an arm out of range, or an outcome not above 0.
    """
    given, found = np.asarray(arms, int), np.asarray(outcomes, float)
    if given.shape != found.shape or (given.size and not 0 <= given.min() <= given.max() < n_arms):
        raise ValueError(f"arms {given.tolist()} came for {found.size} outcomes; allowed are 0 to {n_arms - 1}")
    if (found <= 0).any():
        raise ValueError(f"an outcome of {np.nanmin(found)} came; outcomes are above 0, or nan while not known")
    known = np.isfinite(found)
    logs = np.log(found, where=known, out=np.zeros_like(found))
    which = np.arange(n_arms)[:, None] == given
    values = (np.ones(len(given)), known, np.where(known, found, 0), logs, logs**2)
    return ArmState(*((which * value).sum(axis=1)[None].astype(float) for value in values))


def next_arm(rule: AllocationRule, state: ArmState, rng: np.random.Generator) -> np.ndarray:
    """(R,) the arm of the next participant in each trial; ties fall at random."""
    allocated = state.allocated
    if rule.kind == "equal":
        return _largest(-allocated, rng)
    scores = _SCORES[rule.kind](rule, state, rng)
    scores = scores if rule.goal == "reward" else -scores
    behind = allocated < allocated.sum(axis=1, keepdims=True) / rule.floor
    starved = behind.any(axis=1, keepdims=True)
    return _largest(np.where(starved, np.where(behind, -allocated, -np.inf), scores), rng)


def _largest(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    best = scores == scores.max(axis=1, keepdims=True)
    return np.asarray(np.where(best, rng.random(scores.shape), -1.0).argmax(axis=1))


def _gittins(rule: AllocationRule, state: ArmState, rng: np.random.Generator) -> np.ndarray:
    n = state.known + rule.prior_n
    return (rule.prior_n * rule.prior_mean + state.total) / n * index_factor(n.astype(int), rule.discount, rule.goal)


def _thompson(rule: AllocationRule, state: ArmState, rng: np.random.Generator) -> np.ndarray:
    return (rule.prior_n * rule.prior_mean + state.total) / rng.standard_gamma(state.known + rule.prior_n + 1)


def _thompson_lognormal(rule: AllocationRule, state: ArmState, rng: np.random.Generator) -> np.ndarray:
    """Draw each mean exp(mu + sigma^2 / 2) from a normal-inverse-gamma posterior; its prior has a sigma of about 1."""
    n = state.known + rule.prior_n
    prior = np.log(rule.prior_mean) - 0.5
    centre = (rule.prior_n * prior + state.log_total) / n
    spread = state.log_squares + rule.prior_n * (prior**2 + 1) - n * centre**2
    variance = spread / rng.chisquare(n)
    return np.asarray(centre + rng.standard_normal(n.shape) * np.sqrt(variance / n) + variance / 2)


_SCORES: dict[str, Callable[[AllocationRule, ArmState, np.random.Generator], np.ndarray]] = {
    "gittins": _gittins,
    "thompson": _thompson,
    "thompson-lognormal": _thompson_lognormal,
}


def allocate(
    rule: AllocationRule, outcomes: np.ndarray, rng: np.random.Generator, known: np.ndarray | None = None
) -> np.ndarray:
    """(R, N) arms that the rule gives in R trials of N participants.

    Args:
        rule: of allocation.
        outcomes: (R, N, A) what participant t would bring on each arm; only that of the arm they get is seen.
        rng: breaks ties and draws.
        known: (N, N) bool, in row t whose outcomes were there when t was allocated; all before t when left out.
    """
    runs, people, n_arms = outcomes.shape
    if known is not None:
        return _allocate_late(rule, outcomes, rng, np.asarray(known, bool))
    zero = np.zeros((runs, n_arms))
    now = ArmState(*(zero.copy() for _ in ArmState._fields))
    seen = now
    arms = np.empty((runs, people), np.int8)
    rows = np.arange(runs)
    for t in range(people):
        if t % rule.batch == 0:
            seen = ArmState(*(part.copy() for part in now)) if rule.batch > 1 else now
        arm = next_arm(rule, seen._replace(allocated=now.allocated), rng)
        got = outcomes[rows, t, arm]
        log = np.log(got)
        for part, value in zip(now, (1.0, 1.0, got, log, log**2), strict=True):
            part[rows, arm] += value
        arms[:, t] = arm
    return arms


def _allocate_late(
    rule: AllocationRule, outcomes: np.ndarray, rng: np.random.Generator, known: np.ndarray
) -> np.ndarray:
    runs, people, n_arms = outcomes.shape
    arms, got = np.empty((runs, people), np.int8), np.empty((runs, people))
    rows, every = np.arange(runs), np.arange(n_arms)
    for t in range(people):
        given = arms[:, :t, None] == every
        there = given & known[t, :t, None]
        logs = np.log(got[:, :t, None])
        values = (there, there * got[:, :t, None], there * logs, there * logs**2)
        state = ArmState(*(value.sum(axis=1, dtype=float) for value in (given, *values)))
        arms[:, t] = next_arm(rule, state, rng)
        got[:, t] = outcomes[rows, t, arms[:, t]]
    return arms


def likelihood_ratio(arms: np.ndarray, outcomes: np.ndarray, n_arms: int) -> np.ndarray:
    """(R,) 2 log likelihood ratio of exponential arms with means of their own against one mean, arms (R, N)."""
    which = np.arange(n_arms)[:, None, None] == arms
    counts = which.sum(axis=2)
    sums = np.where(which, outcomes, 0).sum(axis=2)
    own = np.where(counts > 0, counts * np.log(np.maximum(sums, 1e-300) / np.maximum(counts, 1)), 0).sum(axis=0)
    return np.asarray(2 * (outcomes.shape[1] * np.log(outcomes.mean(axis=1)) - own))


def randomisation_test(
    rule: AllocationRule,
    arms: ArrayLike,
    outcomes: ArrayLike,
    n_arms: int,
    rng: np.random.Generator,
    draws: int = 999,
    known: np.ndarray | None = None,
) -> RandomisationTest:
    """Test that all arms are alike, whatever the rule: shuffle the outcomes, let the rule allocate them again, compare.

    When arms do not matter, outcomes in order of arrival are exchangeable, and the statistic of a shuffled order under
    the same rule has the distribution of the observed one (Simon & Simon 2011): exact at every size and for every
    distribution. Shuffling is needed: an index rule is deterministic but for ties, so that allocating the same order
    again gives the same arms. It asks that outcomes do not drift with time.

    Args:
        rule: by which the arms were given.
        arms: (N,) int, in order of arrival.
        outcomes: (N,) > 0.
        n_arms: how many arms there are.
        rng: shuffles.
        draws: how many shuffles.
        known: whose outcomes were there at each allocation, see `allocate`: who takes part at the same time as others
            is allocated without theirs.

    Raises:
        ValueError: lengths differ, fewer than two outcomes, or one that is not above 0.
    """
    given, found = np.asarray(arms)[None], np.asarray(outcomes, float)[None]
    if given.shape != found.shape or found.shape[1] < 2 or not (found > 0).all():
        raise ValueError(f"{given.size} arms and {found.size} outcomes came; expected two or more, all above 0")
    observed, p = _tests(rule, given, found, n_arms, rng, draws, known)
    return RandomisationTest(float(observed[0]), float(p[0]), draws)


def _tests(
    rule: AllocationRule,
    arms: np.ndarray,
    outcomes: np.ndarray,
    n_arms: int,
    rng: np.random.Generator,
    draws: int,
    known: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Statistics (R,) and p values (R,) of R trials."""
    runs = len(outcomes)
    observed = likelihood_ratio(arms, outcomes, n_arms)
    shuffled = rng.permuted(np.repeat(outcomes, draws, axis=0), axis=1)
    again = allocate(rule, np.broadcast_to(shuffled[:, :, None], (*shuffled.shape, n_arms)), rng, known)
    chance = likelihood_ratio(again, shuffled, n_arms).reshape(runs, draws)
    # Sums in another order differ in their last digits: equal ones count as equal.
    reached = (chance >= observed[:, None] - 1e-9).sum(axis=1)
    return observed, (1 + reached) / (1 + draws)


class Operating(NamedTuple):
    """Figures of a rule in many trials of known truth, one entry for each trial.

    Attributes:
        f_p: (R,) p of the F test of each arm against the first, two-sided, Bonferroni; exact only for equal allocation.
        randomisation_p: (R',) p of the randomisation test, of the first R' trials.
        best_share: (R,) share of participants on the best arm.
        total: (R,) sum of outcomes.
        bias: (A,) mean of estimated arm means less the true ones.
    """

    f_p: np.ndarray
    randomisation_p: np.ndarray
    best_share: np.ndarray
    total: np.ndarray
    bias: np.ndarray


def operating_characteristics(
    rule: AllocationRule,
    means: ArrayLike,
    people: int,
    rng: np.random.Generator,
    runs: int = 2000,
    tested: int = 500,
    draws: int = 199,
) -> Operating:
    """Simulate trials with exponential outcomes.

    Args:
        rule: of allocation.
        means: (A,) true means of the arms.
        people: N in each trial.
        rng: draws everything.
        runs: R trials.
        tested: how many of them also get the randomisation test.
        draws: shuffles of each test.
    """
    truth = np.asarray(means, float)
    would = rng.standard_exponential((runs, people, len(truth))) * truth
    arms = allocate(rule, would, rng)
    got = np.take_along_axis(would, arms[:, :, None].astype(int), axis=2)[:, :, 0]
    best = truth.argmax() if rule.goal == "reward" else truth.argmin()
    counts = np.stack([(arms == arm).sum(axis=1) for arm in range(len(truth))], axis=1)
    sums = np.stack([np.where(arms == arm, got, 0).sum(axis=1) for arm in range(len(truth))], axis=1)
    estimates = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    p = [
        _tests(rule, arms[some], got[some], len(truth), rng, draws)[1]
        for some in np.array_split(np.arange(min(tested, runs)), max(tested // 50, 1))
        if len(some)
    ]
    return Operating(
        _f_test(estimates, counts),
        np.concatenate(p) if p else np.zeros(0),
        counts[:, best] / people,
        got.sum(axis=1),
        np.nanmean(estimates, axis=0) - truth,
    )


def _f_test(estimates: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(R,) smallest p of arms 1, 2, ... against arm 0, times their number; 1 where an arm has nobody."""
    lower = fisher_f.cdf(estimates[:, :1] / estimates[:, 1:], 2 * counts[:, :1], 2 * counts[:, 1:])
    two_sided = np.nan_to_num(2 * np.minimum(lower, 1 - lower), nan=1.0)
    return np.asarray(np.minimum(two_sided.min(axis=1) * (estimates.shape[1] - 1), 1))
