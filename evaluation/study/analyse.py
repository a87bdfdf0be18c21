"""The analysis of a study as it was registered: who counts, how good the data are, what was found."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluation.statistics import holm
from evaluation.study.curves import learning_curve
from evaluation.study.findings import Analysis, Finding, Flow
from evaluation.study.models import effect_sizes, levels_of, outcome_rows, test_hypothesis
from evaluation.study.pilots import study_pilot
from evaluation.study.plan import PLAN, Hypothesis, Plan, load_plan
from evaluation.study.predict import Predictor, from_other_people, nearest_pair
from evaluation.study.quality import Quality, study_quality
from evaluation.study.tables import StudyTables, comparisons, load_tables, trials
from geometry.files import read_json, write_whole
from robots.io import check_writable, write_json
from robots.options import JsonOption, SeedOption

if TYPE_CHECKING:
    import pandas as pd

_PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "gpboost", "scikit-learn")
_LOOKED_AT = ("told", "repeat", "golden")
"""Outcomes that every report shows by block and condition, as exploratory where they are not registered."""


class RegistrationError(ValueError):
    """The plan is not the registered one."""


@dataclass(frozen=True)
class Analyse(JsonOption, SeedOption):
    """Run the registered analysis of an export, and write its report."""

    data: Path
    """Folder of an export."""
    plan: Path | None = None
    """The plan; without it, analysis.toml in the folder."""
    out: Path | None = None
    """File of the report (HTML); without it, report.html in the folder."""
    exploratory: bool = False
    """Go on with a plan that is not the registered one; every result is then marked exploratory."""
    positions: Path | None = None
    """JSON file {item id: [numbers]} of the representation under test. Without it, 'predicted' is by a representation
    that is learned from other people's answers."""
    curve: bool = True
    """Fit the learning curve too."""


def analyse(args: Analyse) -> Analysis:
    """Analyse an export and write the report.

    Raises:
        ValueError: the folder is no export, or the plan cannot be used.
        RegistrationError: the plan is not the registered one, and --exploratory is not given.
        OSError: a file cannot be read or written.
    """
    from rich.console import Console

    from evaluation.study.report import report

    args.check_seed()
    # A folder that is no export is not made one.
    tables = load_tables(args.data)
    place = args.plan or args.data / PLAN
    if not place.is_file():
        raise ValueError(f"there is no plan at {place}: give it with --plan")
    predictor = nearest_pair(_positions(args.positions)) if args.positions else None
    out = args.out or args.data / "report.html"
    check_writable(out)
    check_writable(args.json)
    rng = np.random.default_rng(args.seed)
    analysis = analyse_tables(tables, load_plan(place), rng, predictor, args.exploratory, args.curve)
    write_whole(out, report(analysis))
    beside = "".join(f"; {count} answers to {kind} questions beside" for kind, count in analysis.flow.beside.items())
    Console(stderr=True).print(f"{analysis.flow.analysed} people analysed{beside}; report in {out}", soft_wrap=True)
    if args.json is not None:
        write_json(analysis.as_json(), args.json)
    return analysis


def _positions(path: Path) -> dict[str, np.ndarray]:
    try:
        read = {str(name): np.asarray(at, float) for name, at in dict(read_json(path)).items()}
    except (ValueError, TypeError) as problem:
        raise ValueError(f"{path} cannot be read as {{id: [numbers]}}: {problem}") from problem
    if len({at.shape for at in read.values()}) != 1 or next(iter(read.values())).ndim != 1:
        raise ValueError(f"{path}: positions of different lengths came; each item needs as many numbers")
    return read


def check_registered(plan: Plan, tables: StudyTables) -> bool:
    """Tell whether a plan is the one whose hash the study has kept."""
    return bool(tables.plan_sha256) and plan.sha256 == tables.plan_sha256


def analyse_tables(
    tables: StudyTables,
    plan: Plan,
    rng: np.random.Generator,
    predictor: Predictor | None = None,
    exploratory: bool = False,
    curve: bool = True,
) -> Analysis:
    """Analyse a study by its plan.

    Args:
        tables: of the study.
        plan: as registered.
        rng: draws bootstraps and folds.
        predictor: the representation under test; one learned from other people's answers when left out.
        exploratory: take another plan than the registered one, and mark everything.
        curve: fit the learning curve too.

    Raises:
        RegistrationError: the plan is not the registered one, and `exploratory` is not set.
    """
    registered = check_registered(plan, tables)
    if not registered and not exploratory:
        kept = f"the registered one is {tables.plan_sha256[:12]}" if tables.plan_sha256 else "none is registered"
        raise RegistrationError(
            f"the plan has hash {plan.sha256[:12]}, {kept}: give the registered plan, or --exploratory, which marks "
            "every result"
        )
    counting = tables.participants[tables.participants["outcome"].isin(plan.included)]["participant"].astype(str)
    rows = trials(tables.events)
    rows = rows[rows["participant"].astype(str).isin(set(counting))].reset_index(drop=True)
    quality = study_quality(tables, rows, plan, rng)
    kept = rows[~rows["participant"].astype(str).isin(quality.excluded)].reset_index(drop=True)
    kept = kept.assign(predicted=predictor(kept) if predictor else from_other_people(kept, int(rng.integers(2**31))))
    findings = _findings(plan, tables, kept, rng, registered)
    return Analysis(
        tables.name,
        tables.scripted,
        not registered,
        plan,
        tables.plan_sha256,
        _flow(tables, quality, kept),
        quality,
        findings,
        learning_curve(kept, rng) if curve else (),
        "the representation given" if predictor else "a representation learned from other people's answers",
        {str(name): int(n) for name, n in tables.participants["language"].fillna("").value_counts().items()},
        _versions(tables),
        study_pilot(tables, rng),
    )


def _flow(tables: StudyTables, quality: Quality, kept: pd.DataFrame) -> Flow:
    outcomes = tables.participants["outcome"].fillna("not finished").replace("", "not finished").value_counts()
    reasons: dict[str, int] = {}
    for broken in quality.excluded.values():
        for reason in broken:
            reasons[reason] = reasons.get(reason, 0) + 1
    counts = {str(name): int(count) for name, count in outcomes.items()}
    beside = comparisons(tables.events)["trial_type"].value_counts().drop("triplet", errors="ignore")
    others = {str(kind): int(count) for kind, count in beside.items()}
    return Flow(counts, reasons, len(quality.excluded), int(kept["participant"].nunique()), others)


def _findings(
    plan: Plan, tables: StudyTables, rows: pd.DataFrame, rng: np.random.Generator, registered: bool
) -> tuple[Finding, ...]:
    planned = [_finding(one, plan, tables, rows, rng, registered) for one in plan.hypotheses]
    families = {one.hypothesis.family for one in planned}
    corrected: dict[str, float] = {}
    for family in families:
        members = [one for one in planned if one.hypothesis.family == family]
        # What could not be tested stays in the family, so that the others are not judged more mildly for it.
        p = holm([one.test.p if np.isfinite(one.test.p) else 1.0 for one in members])
        corrected |= {one.hypothesis.name: float(value) for one, value in zip(members, p, strict=True)}
    tested = []
    for one in planned:
        p_holm = corrected[one.hypothesis.name] if np.isfinite(one.test.p) else float("nan")
        supported = bool(p_holm <= plan.alpha) if registered else None
        tested.append(one._replace(p_holm=p_holm, supported=supported))
    there = {(one.outcome, one.factor) for one in plan.hypotheses}
    for factor in ("block", "condition"):
        for outcome in _LOOKED_AT:
            if (outcome, factor) not in there:
                name = f"{outcome} by {factor}"
                found = _finding(Hypothesis(name, name, outcome, factor), plan, tables, rows, rng, False)
                tested += [found] if np.isfinite(found.test.p) else []
    return tuple(tested)


def _finding(
    hypothesis: Hypothesis,
    plan: Plan,
    tables: StudyTables,
    rows: pd.DataFrame,
    rng: np.random.Generator,
    registered: bool,
) -> Finding:
    found = outcome_rows(hypothesis, tables, rows, plan)
    levels = levels_of(hypothesis, found)
    test = test_hypothesis(hypothesis, found, rng, levels)
    sizes = effect_sizes(hypothesis, found, rng, levels) if np.isfinite(test.p) else None
    people = int(found["participant"].nunique())
    return Finding(hypothesis, registered, levels, test, sizes, test.p, None, people, len(found))


def _versions(tables: StudyTables) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    versions = {"python": platform.python_version(), "empaw (collected)": tables.code_version or "unknown"}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions
