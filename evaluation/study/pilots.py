"""Pilots: which kind of query the next participant gets, by what the finished sessions were worth.

For choosing between kinds of queries before a study; the study itself allocates equally.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy.special import entr

from evaluation.allocation import AllocationRule, RandomisationTest, arm_state, next_arm, randomisation_test
from evaluation.statistics import Interval, cluster_bootstrap
from evaluation.study.tables import checked, comparisons, repeats, trials
from policies.taste.queries import CANNOT_TELL, PAIRS

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.study.tables import StudyTables

Worth = Literal["answers_per_minute", "bits_per_minute", "seconds_per_answer"]
GOALS: dict[Worth, Literal["reward", "cost"]] = {
    "answers_per_minute": "reward",
    "bits_per_minute": "reward",
    "seconds_per_answer": "cost",
}
_LEAST = 1e-3
_SPENT_MS = (1_000.0, 120_000.0)
"""An answer counts as at least and at most so long: one absurd time must not decide where everybody goes."""


class Session(NamedTuple):
    """One session of a pilot; `outcome` is nan until it ended; `began`, `ended` are ISO 8601, or empty."""

    participant: str
    arm: str
    outcome: float
    began: str = ""
    ended: str = ""


class Pilot(NamedTuple):
    """Where a pilot stands.

    Attributes:
        arms: kinds of queries.
        allocated: participants of each, finished or not.
        means: outcome of each arm's finished sessions, with its interval; None without two. An arm that began badly is
            given less often, and its mean is biased low.
        test: that all arms are alike, under the rule; None without two arms' outcomes.
        exponential_p: of Lilliefors' test that outcomes are exponential within arms, as the Gittins rule takes them;
            nan with fewer than five. Small: use the rule 'thompson-lognormal'.
    """

    arms: tuple[str, ...]
    allocated: tuple[int, ...]
    means: tuple[Interval | None, ...]
    test: RandomisationTest | None
    exponential_p: float


def answers_per_minute(answers: Iterable[tuple[bool, float]]) -> float:
    """Tell the reward by which the server allocates: usable answers a minute of one session; nan without any times.

    It serves every kind of comparison. What brought nothing is worth next to nothing, and not unknown.

    Args:
        answers: of each comparison whether it was answered with a choice, and the ms that it took.
    """
    timed = [(usable, float(np.clip(spent_ms, *_SPENT_MS))) for usable, spent_ms in answers if spent_ms > 0]
    usable, spent_ms = sum(bool(one) for one, _ in timed), sum(one for _, one in timed)
    return max(usable / (spent_ms / 60_000), _LEAST) if timed else float("nan")


def session_worth(rows: pd.DataFrame, worth: Worth = "bits_per_minute") -> float:
    """Tell what one session of triplets brought: bits a minute, or seconds for each usable answer; nan without any.

    Bits are those of a symmetric channel of three answers at the share that was right of obvious triplets and repeats
    (Wolpaw et al. 2002), with Jeffreys' half a count on either side, times the usable answers. Exact repeats and
    obvious triplets take time and teach nothing new.

    Args:
        rows: of one person, by `evaluation.study.tables.trials`; for 'answers_per_minute' by `comparisons`.
        worth: which.
    """
    if worth == "answers_per_minute":
        # Two of six are no number: their `choice` is empty, and a choice all the same.
        choice, rt = (rows[name].astype(float) for name in ("choice", "rt"))
        return answers_per_minute(zip(choice != CANNOT_TELL, rt, strict=True))
    again = repeats(rows)
    asked = rows[rows["golden_choice"].notna()]
    right = (asked["choice"] == asked["golden_choice"]).sum() + (again["alike"] == again["first_alike"]).sum()
    share = (float(right) + 0.5) / (len(asked) + len(again) + 1)
    repeated = rows["repeat_of"].map(lambda name: isinstance(name, str) and bool(name)).astype(bool)
    usable = int(((rows["choice"] != CANNOT_TELL) & rows["golden_choice"].isna() & ~repeated).sum())
    seconds = float(rows["rt"].clip(*_SPENT_MS).sum() / 1e3)
    if not usable or not seconds > 0:
        return float("nan")
    if worth == "seconds_per_answer":
        return seconds / usable
    return max(60 * usable * _symmetric_bits(share) / seconds, _LEAST)


def _symmetric_bits(share: float) -> float:
    """Bits of an answer that is right at `share`, else any other with equal chance; 0 at guessing and below."""
    others = len(PAIRS) - 1
    if share <= 1 / len(PAIRS):
        return 0.0
    wrong = (1 - share) / others
    return float(np.log2(len(PAIRS)) - (entr(share) + others * entr(wrong)) / np.log(2))


def sessions(tables: StudyTables, arm: str = "condition", worth: Worth = "answers_per_minute") -> tuple[Session, ...]:
    """List all who were allocated, in the order in which they began; the outcome is nan until they finish.

    Args:
        tables: of the pilot.
        arm: column of participants that names the kind of query.
        worth: which outcome.
    """
    rows = comparisons(tables.events) if worth == "answers_per_minute" else trials(tables.events)
    theirs = dict(list(rows.groupby(rows["participant"].astype(str))))
    people = checked(tables.participants, "participants")
    people = people[people[arm].notna()].sort_values("started", kind="stable")
    return tuple(
        Session(
            str(name),
            str(kind),
            session_worth(theirs[str(name)], worth) if outcome == "completed" and str(name) in theirs else float("nan"),
            *(time if isinstance(time, str) else "" for time in times),
        )
        for name, kind, outcome, *times in people[["participant", arm, "outcome", "started", "finished"]].itertuples(
            index=False
        )
    )


def next_query_type(
    come: Sequence[Session], arms: Sequence[str], rule: AllocationRule, rng: np.random.Generator
) -> str:
    """Give the next participant a kind of query; sessions that are not finished count as allocated, and no further.

    The prior's mean is in the unit of the outcomes: give the rule a guess of them, such as the first sessions' mean.

    Raises:
        ValueError: a session of an arm that is not there.
    """
    names = list(arms)
    if unknown := sorted({one.arm for one in come} - set(names)):
        raise ValueError(f"sessions of {', '.join(unknown)} came; the arms are {', '.join(names)}")
    state = arm_state([names.index(one.arm) for one in come], [one.outcome for one in come], len(names))
    return names[int(next_arm(rule, state, rng)[0])]


def pilot(come: Sequence[Session], arms: Sequence[str], rule: AllocationRule, rng: np.random.Generator) -> Pilot:
    """Tell where a pilot stands, by its finished sessions.

    Raises:
        ValueError: as `next_query_type`.
    """
    names = list(arms)
    done = [one for one in come if np.isfinite(one.outcome)]
    if unknown := sorted({one.arm for one in come} - set(names)):
        raise ValueError(f"sessions of {', '.join(unknown)} came; the arms are {', '.join(names)}")
    found = {name: np.array([one.outcome for one in done if one.arm == name]) for name in names}
    several = sum(len(values) > 0 for values in found.values()) > 1 and len(done) > 2
    index = [names.index(one.arm) for one in done]
    worth = [one.outcome for one in done]
    # Who took part at the same time was allocated without the other's outcome, and is so again.
    known = np.array([[one.ended <= other.began for one in done] for other in done], bool)
    timed = all(one.began and one.ended for one in done)
    test = randomisation_test(rule, index, worth, len(names), rng, known=known if timed else None) if several else None
    return Pilot(
        tuple(names),
        tuple(sum(one.arm == name for one in come) for name in names),
        tuple(cluster_bootstrap(values, rng) if len(values) > 1 else None for values in found.values()),
        test,
        exponential_p([values for values in found.values() if len(values)]),
    )


def study_pilot(tables: StudyTables, rng: np.random.Generator) -> Pilot | None:
    """Tell where the pilot of a study stands, tested under the rule by which its server allocated people.

    Returns:
        None for a study that allocated people equally.
    """
    settings = tables.allocation or {}
    if settings.get("rule", "equal") == "equal":
        return None
    arms = tuple(map(str, settings["conditions"]))
    rule = AllocationRule(settings["rule"], floor=int(settings["floor"]), prior_mean=float(settings["prior_mean"]))
    return pilot([one for one in sessions(tables) if one.arm in arms], arms, rule, rng)


def exponential_p(samples: Sequence[np.ndarray]) -> float:
    """Test that outcomes are exponential, each arm over its own mean (Lilliefors 1969); nan with fewer than five."""
    from statsmodels.stats.diagnostic import lilliefors

    scaled = np.concatenate([values / values.mean() for values in samples]) if samples else np.zeros(0)
    if len(scaled) < 5:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of p beyond its table
        return float(lilliefors(scaled, dist="exp", pvalmethod="table")[1])
