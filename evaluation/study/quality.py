"""How good a study's data are, and who is left out by the registered rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.stats import binomtest, chisquare

from evaluation.capacity import Capacity, capacity
from evaluation.reliability import Retest, alpha_interval, cronbach_alpha, mcdonald_omega, retest
from evaluation.statistics import Interval, cluster_bootstrap, wilson
from evaluation.study.plan import Exclusions, Plan, ScaleRule
from evaluation.study.tables import StudyTables, alike_of, repeats
from policies.taste.queries import CANNOT_TELL, PAIRS

if TYPE_CHECKING:
    import pandas as pd

_STRAIGHT = 5
"""Items that a questionnaire must have before the same answer to all of them says something."""


class PersonQuality(NamedTuple):
    """One person's answers, and which rules they break.

    Attributes:
        golden: share of obvious triplets right; nan without any.
        position: share of answers at their most frequent position.
        median_rt_ms: of all answers.
        early: share of answers before all clips were seen.
        run: longest run of answers at one position.
        straight_lines: questionnaires of five items and more with the same answer to all.
        reasons: registered rules that exclude this person; empty: they stay.
    """

    participant: str
    answers: int
    golden: float
    position: float
    median_rt_ms: float
    early: float
    run: int
    straight_lines: int
    reasons: tuple[str, ...]


class ScaleQuality(NamedTuple):
    """Internal consistency of a questionnaire's scale in this sample."""

    scale: str
    items: int
    people: int
    alpha: float
    omega: float
    registered: bool


class Quality(NamedTuple):
    """Quality of a study's data, over everybody but `people`, which is each person alone.

    Attributes:
        golden: share of obvious triplets answered right.
        retest: agreement with themselves; None without repeats.
        alpha: Krippendorff's, between people, of triplets that several saw; None without such.
        capacity: bits that answers carry, by obvious triplets or, without them, repeats; None without either.
        capacity_from: 'golden' or 'repeat'; repeats give a lower bound.
        cannot_tell: share of answers.
    """

    people: tuple[PersonQuality, ...]
    golden: Interval | None
    retest: Retest | None
    alpha: Interval | None
    capacity: Capacity | None
    capacity_from: str
    cannot_tell: Interval | None
    scales: tuple[ScaleQuality, ...]

    @property
    def excluded(self) -> dict[str, tuple[str, ...]]:
        """Who is left out, and why."""
        return {one.participant: one.reasons for one in self.people if one.reasons}


def person_quality(
    rows: pd.DataFrame, rules: Exclusions, straight_lines: int = 0, watched: bool = False
) -> PersonQuality:
    """Judge one person by their rows of `evaluation.study.tables.trials`.

    Args:
        rows: of one person.
        rules: registered.
        straight_lines: questionnaires with one answer throughout.
        watched: whether the page told when all clips had been seen: an answer without that time came before.
    """
    choice, obvious, rt, since = (
        rows[name].to_numpy(float) for name in ("choice", "golden_choice", "rt", "since_all_seen")
    )
    golden = np.isfinite(obvious)
    right, asked = int((choice == obvious)[golden].sum()), int(golden.sum())
    counts = np.bincount(choice[choice != CANNOT_TELL].astype(int), minlength=len(PAIRS))
    position = float(counts.max() / max(counts.sum(), 1))
    median = _median(rt)
    early = float(((since < 0) | (np.isnan(since) & watched)).mean()) if len(since) else 0.0
    run = _longest_run(choice)
    wrong = asked > 0 and right / asked < rules.golden_accuracy
    broken = {
        f"fewer than {rules.least_answers} answers": len(rows) < rules.least_answers,
        "obvious triplets wrong": wrong
        and binomtest(right, asked, rules.golden_accuracy, "less").pvalue <= rules.golden_p,
        "always the same position": position > rules.same_position and chisquare(counts).pvalue < rules.same_position_p,
        "too fast": median < rules.median_rt_ms or _median(since[since >= 0]) < rules.median_thinking_ms,
        "answers before all clips were seen": early > rules.early_answers,
        f"more than {rules.longest_run} alike in a row": run > rules.longest_run,
    }
    return PersonQuality(
        str(rows["participant"].iloc[0]) if len(rows) else "",
        len(rows),
        right / asked if asked else float("nan"),
        position,
        median,
        early,
        run,
        straight_lines,
        tuple(reason for reason, true in broken.items() if true),
    )


def _median(times: np.ndarray) -> float:
    """Of those that were measured; nan of none, which is below no limit."""
    return float(np.nanmedian(times)) if np.isfinite(times).any() else float("nan")


def _longest_run(choices: np.ndarray) -> int:
    if not len(choices):
        return 0
    changes = np.flatnonzero(np.diff(choices)) + 1
    return int(np.diff(np.concatenate([[0], changes, [len(choices)]])).max())


def straight_lines(questionnaires: pd.DataFrame) -> dict[str, int]:
    """Count the questionnaires that each person filled in with one and the same answer throughout."""
    found: dict[str, int] = {}
    for (person, _, _), rows in questionnaires.groupby(["participant", "instrument", "occasion"], dropna=False):
        same = len(rows) >= _STRAIGHT and rows["value"].nunique() == 1
        found[str(person)] = found.get(str(person), 0) + int(same)
    return found


def judge_people(
    rows: pd.DataFrame, plan: Plan, questionnaires: pd.DataFrame | None = None
) -> tuple[PersonQuality, ...]:
    """Judge each person who answered."""
    lines = straight_lines(questionnaires) if questionnaires is not None else {}
    # Where nobody has such a time, the page did not measure it.
    watched = bool(rows["since_all_seen"].notna().any())
    return tuple(
        person_quality(theirs, plan.exclusions, lines.get(str(person), 0), watched)
        for person, theirs in rows.groupby("participant", sort=True)
    )


def study_quality(tables: StudyTables, rows: pd.DataFrame, plan: Plan, rng: np.random.Generator) -> Quality:
    """Tell the quality of a study, exclusions apart.

    Args:
        tables: of the study; questionnaires are read.
        rows: trials of those who count, by `evaluation.study.tables.trials`.
        plan: rules of exclusion, and scales.
        rng: draws people and units for intervals.
    """
    people = judge_people(rows, plan, tables.questionnaires)
    out = {one.participant for one in people if one.reasons}
    kept = rows[~rows["participant"].astype(str).isin(out)]
    golden = kept[kept["golden_choice"].notna()]
    again = repeats(kept)
    found = retest(again["first_alike"], again["alike"], again["participant"], rng) if len(again) else None
    bits, source = _capacity(golden, again, rng)
    between = _between(kept, rng)
    return Quality(
        people,
        _share(golden["choice"] == golden["golden_choice"], golden["participant"], rng),
        found,
        between,
        bits,
        source,
        _share(kept["choice"] == CANNOT_TELL, kept["participant"], rng),
        _scales(tables.questionnaires, plan, out),
    )


def _share(answers: pd.Series, people: pd.Series, rng: np.random.Generator) -> Interval | None:
    """Share of answers, with its interval over people: those of one person are more alike than those of two.

    Where all people are alike, drawing among them tells nothing of others: Wilson's interval, a person for an answer.
    """
    if not len(answers):
        return None
    found = cluster_bootstrap(answers, rng, people)
    count = people.nunique()
    return found if found.low < found.high else wilson(round(found.mean * count), count)


def _between(rows: pd.DataFrame, rng: np.random.Generator) -> Interval | None:
    """Krippendorff's alpha over triplets that two people or more have answered, each person's first answer."""
    table = rows.drop_duplicates(["participant", "triplet"]).pivot(
        index="participant", columns="triplet", values="alike"
    )
    ratings = table.to_numpy(float)
    ratings = ratings[:, (np.isfinite(ratings).sum(axis=0) >= 2)]
    return alpha_interval(ratings, rng) if ratings.shape[1] >= 2 else None


def _capacity(golden: pd.DataFrame, again: pd.DataFrame, rng: np.random.Generator) -> tuple[Capacity | None, str]:
    """Bits of obvious triplets; of repeats where there are none. "Cannot tell" is an answer of its own."""
    if len(golden):
        shown = golden["shown"]
        truth = np.array([alike_of(items, int(c)) for items, c in zip(shown, golden["golden_choice"], strict=True)])
        said, people, rt = golden["alike"].to_numpy(), golden["participant"].to_numpy(), golden["rt"].to_numpy()
        source = "golden"
    elif len(again):
        sure = again[again["first_alike"] != CANNOT_TELL]
        truth, said = sure["first_alike"].to_numpy(), sure["alike"].to_numpy()
        people, rt, source = sure["participant"].to_numpy(), sure["rt"].to_numpy(), "repeat"
    else:
        return None, ""
    if not len(truth):
        return None, ""
    outputs = len(PAIRS) + 1
    said = np.where(said == CANNOT_TELL, outputs - 1, said)
    return capacity(truth, said, people.astype(str), rng, rt / 1e3, len(PAIRS), outputs), source


def scale_scores(questionnaires: pd.DataFrame, rule: ScaleRule) -> pd.DataFrame:
    """Scores of a scale: participant, occasion, value; who left an item out has none."""
    theirs = questionnaires[(questionnaires["instrument"] == rule.instrument) & questionnaires["item"].isin(rule.items)]
    wide = _wide(theirs, rule)
    return wide.mean(axis=1, skipna=False).dropna().rename("value").reset_index()


def _wide(rows: pd.DataFrame, rule: ScaleRule) -> pd.DataFrame:
    turned = rows["item"].isin(rule.reverse)
    value = rows["value"].astype(float)
    value = value.where(~turned, rule.low + rule.high - value)
    wide = rows.assign(value=value).pivot_table(index=["participant", "occasion"], columns="item", values="value")
    return wide.reindex(columns=list(rule.items))


def _scales(questionnaires: pd.DataFrame, plan: Plan, out: set[str]) -> tuple[ScaleQuality, ...]:
    kept = questionnaires[~questionnaires["participant"].astype(str).isin(out)]
    found = []
    for rule in plan.scales:
        rows = kept[(kept["instrument"] == rule.instrument) & kept["item"].isin(rule.items)]
        table = _wide(rows, rule).to_numpy(float)
        found.append(_consistency(rule.id, table, registered=True))
    for instrument, rows in kept.groupby("instrument"):
        if instrument not in {rule.instrument for rule in plan.scales}:
            wide = rows.pivot_table(index=["participant", "occasion"], columns="item", values="value")
            found.append(_consistency(str(instrument), wide.to_numpy(float), registered=False))
    return tuple(found)


def _consistency(name: str, table: np.ndarray, registered: bool) -> ScaleQuality:
    return ScaleQuality(name, table.shape[1], len(table), cronbach_alpha(table), mcdonald_omega(table), registered)
