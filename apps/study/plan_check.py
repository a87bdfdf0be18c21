"""Whether the plan of the analysis can be used for the study: told before anybody takes part, while it can change."""

from __future__ import annotations

from pathlib import Path

from apps.study.config import OUTCOMES, StudyConfig, load_instruments
from evaluation.study.plan import PLAN, Hypothesis, PlanError, ScaleRule, load_plan


def plan_problem(config: StudyConfig, folder: Path) -> str:
    """Tell what is wrong with the plan in a study's folder; empty where nothing is, or where there is no plan."""
    if not (folder / PLAN).is_file():
        return ""
    try:
        plan = load_plan(folder / PLAN)
    except PlanError as problem:
        return str(problem)

    levels = {"block": [block.name for block in config.blocks], "condition": list(config.allocation.conditions),
              "task": list(config.tasks), "language": list(config.languages)}  # fmt: skip
    instruments = load_instruments(config, folder)

    def unlike_study(one: Hypothesis) -> str:
        unknown = [level for level in one.levels if level not in levels[one.factor]]
        there = ", ".join(levels[one.factor]) or "none"
        return f"{one.name}: level {unknown[0]!r} came; the study has {there}" if unknown else ""

    def unasked(rule: ScaleRule) -> str:
        if rule.instrument not in instruments:
            return f"scale {rule.id}: instrument {rule.instrument!r} came; the study asks {', '.join(instruments)}"
        items = {item.id for item in instruments[rule.instrument].items}
        unknown = [item for item in rule.items if item not in items]
        return f"scale {rule.id}: item {unknown[0]!r} came; there are {', '.join(sorted(items))}" if unknown else ""

    odd = [f"included: {name!r} came; allowed are {', '.join(OUTCOMES)}"
           for name in plan.included if name not in OUTCOMES]  # fmt: skip
    found = [*odd, *map(unlike_study, plan.hypotheses), *map(unasked, plan.scales)]
    return next((f"{folder / PLAN}: {complaint}" for complaint in found if complaint), "")
