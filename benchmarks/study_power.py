"""Does the study's instrument find what is there? Foretold power against that of rehearsed studies; `study_power.json`.

    python benchmarks/study_power.py --json benchmarks/results/study_power.json

Power is foretold by `user_study.py power`, which draws studies from the choice model. The studies that it is held
against are laid out by the server's own schedule and answered by its scripted participants one trial at a time, and
come to the analysis as an export's table: two ways that share the choice model, the plan and the test.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from apps.study.config import Block, StudyConfig
from apps.study.participants import Effect, ScriptedParticipant, Stimuli, draw_truth
from apps.study.schedule import Slot, make_plan
from apps.study.stimuli import TaskStimuli, obvious_triplets
from benchmarks.command import run
from evaluation.results import ResultsStore
from evaluation.statistics import Interval, wilson
from evaluation.study.plan import Plan, default_plan, parse_plan
from evaluation.study.power import Power, PowerRow, planned_test, power, registered_p
from evaluation.study.predict import nearest_pair
from evaluation.study.simulated import BLOCKS
from evaluation.study.tables import checked, trials
from policies.grasp.workers import in_order
from policies.taste.choice import Population
from policies.taste.queries import COMPARISONS, PAIRS
from robots.options import RunOptions
from robots.results import check_writable, write_json

_TASK = "rehearsed"
_ITEMS = 60


@dataclass(frozen=True)
class Args(RunOptions):
    """Hold foretold power and error rate against rehearsed studies."""

    people: int = 40
    """Participants in each study, before exclusions."""
    trials: int = 24
    """Comparisons in each of the two blocks."""
    difference: float = -0.06
    """Planted difference of the share of answers that the representation predicts."""
    studies: int = 200
    """Rehearsed with the effect."""
    nulls: int = 500
    """Rehearsed without it."""
    foretold: int = 400
    """Drawn from the choice model, with the effect and without."""
    features: int = 4
    """By which people compare."""
    inattentive: float = 0.05
    """Share of participants who click through."""


class Rehearsal(NamedTuple):
    """One study to rehearse."""

    args: Args
    effect: float
    seed: tuple[int, ...]


def rehearse(job: Rehearsal) -> tuple[float, float]:
    """Lay out a study, let participants answer, and analyse the table; p, and the share of people left out."""
    args, rng = job.args, np.random.default_rng(job.seed)
    features = rng.random((_ITEMS, args.features))
    items = tuple(f"{_TASK}-{i:04d}" for i in range(_ITEMS))
    golden, practice = obvious_triplets(items, features, rng, tried=2000)
    stimuli = TaskStimuli(_TASK, "", items, {}, {}, (), tuple(map(tuple, features.tolist())), golden, practice, {}, "")
    blocks = tuple(Block(name, _TASK, trials=args.trials) for name in BLOCKS)
    config = StudyConfig(_TASK, "", blocks, {}, seed=int(rng.integers(2**31)))
    events = []
    for number in range(args.people):
        truth = draw_truth(number, config.seed, Population(), {_TASK: args.features}, args.inattentive)
        person = ScriptedParticipant(truth, {_TASK: Stimuli(items, features)}, rng, Effect(BLOCKS[1], job.effect))
        plan = make_plan(config, {_TASK: stimuli}, int(rng.integers(2**31)), number)
        events += _take_part(str(uuid.UUID(int=number)), plan, blocks, person)
    rows = trials(checked(pd.DataFrame(events).assign(seq=range(len(events))), "events"))
    rows = rows.assign(predicted=nearest_pair(dict(zip(items, features, strict=True)))(rows))
    registered = parse_plan(default_plan())
    return registered_p(rows, registered, planned_test(registered)[0], rng)


def _take_part(
    name: str, plan: tuple[Slot, ...], blocks: tuple[Block, ...], person: ScriptedParticipant
) -> list[dict[str, Any]]:
    """The rows of events that an export would have of one person's comparisons."""
    settings = {block.name: block for block in blocks}
    seen: dict[str, tuple[tuple[str, ...], int | None]] = {}
    rows = []
    for slot in plan:
        if slot.kind not in COMPARISONS or slot.phase != "main":
            continue
        items, right = slot.items, slot.golden
        if slot.repeat_of:
            before, known = seen[slot.repeat_of]
            items, right = tuple(before[i] for i in slot.order), None
            if known is not None:
                alike = {before[i] for i in PAIRS[known]}
                right = next(k for k, (i, j) in enumerate(PAIRS) if {items[i], items[j]} == alike)
        seen[slot.trial_id] = (items, right)
        block = settings[slot.block]
        told: dict[str, Any] = {"kind": slot.kind, "trial_id": slot.trial_id, "task": slot.task, "items": items}
        told |= {"min_watch_s": block.min_watch_s, "ask_confidence": True, "allow_cannot_tell": True}
        data, _ = person.respond(told)
        rows.append(
            {
                "participant": name,
                "trial_type": slot.kind,
                "trial_id": slot.trial_id,
                "block": slot.block,
                "phase": slot.phase,
                "rt": data["rt_ms"],
                "choice": data["choice"],
                "items": list(items),
                "purpose": slot.purpose,
                "repeat_of": slot.repeat_of or None,
                "golden_choice": right,
                "since_all_seen": data["since_all_seen_ms"],
                "confidence": data["confidence"],
            }
        )
    return rows


def main(args: Args) -> dict[str, Any]:
    """Foretell, rehearse, compare."""
    args.check()
    check_writable(args.json)
    told = Power(
        seed=args.seed, workers=args.workers, engine=args.engine, people=(args.people,), trials=args.trials,
        differences=(0.0, args.difference), studies=args.foretold, features=args.features,
        inattentive=args.inattentive, out=args.out, resume=args.resume,
    )  # fmt: skip
    null, effect = power(told).rows
    store = None
    if args.out is not None:
        settings = {k: v for k, v in args.as_json().items() if k not in ("workers", "engine", "out", "resume", "json")}
        store = ResultsStore(args.out / "rehearsed.jsonl", settings, args.resume)
    plan = parse_plan(default_plan())
    level = planned_test(plan)[1]
    found = {name: _share(args, plan, size, n, store) for name, size, n in (
        ("power", effect.effect, args.studies), ("type_1_error", 0.0, args.nulls)
    )}  # fmt: skip
    result = _result(args, null, effect, level, found)
    if args.json is not None:
        write_json(result, args.json)
    return result


def _share(args: Args, plan: Plan, effect: float, n: int, store: ResultsStore | None) -> dict[str, Any]:
    keys = [(round(effect, 4), k) for k in range(n)]
    done = store.done if store is not None else {}
    todo = [key for key in keys if key not in done]
    jobs = [Rehearsal(args, effect, (args.seed, int(effect != 0), 7, key[1])) for key in todo]
    made = {}
    for key, one in zip(todo, in_order(rehearse, jobs, args.workers, args.engine), strict=True):
        made[key] = one
        if store is not None:
            store.add(key, list(one))
    p, excluded = np.array([made[key] if key in made else done[key] for key in keys]).T
    share = wilson(int((p <= planned_test(plan)[1]).sum()), n)
    return {"found": share.as_json(), "studies": n, "excluded": round(float(excluded.mean()), 4), "mean": share}


def _result(
    args: Args, null: PowerRow, effect: PowerRow, level: float, found: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    rehearsed: dict[str, Interval] = {name: one.pop("mean") for name, one in found.items()}
    apart = rehearsed["power"].mean - effect.found.mean
    # Two independent shares: the interval of their difference by Newcombe (1998), from the Wilson intervals of each.
    low = apart - np.hypot(rehearsed["power"].mean - rehearsed["power"].low, effect.found.high - effect.found.mean)
    high = apart + np.hypot(rehearsed["power"].high - rehearsed["power"].mean, effect.found.mean - effect.found.low)
    return {
        "scripted": True,
        "people": args.people,
        "trials": 2 * args.trials,
        "level": level,
        "difference": args.difference,
        "effect_on_log_temperature": effect.effect,
        "foretold": {
            "power": effect.found.as_json(),
            "type_1_error": null.found.as_json(),
            "studies": args.foretold,
            "excluded": effect.excluded,
        },
        "rehearsed": found,
        "power_less_foretold": Interval(float(apart), float(low), float(high)).as_json(),
        "power_within_10_points": bool(abs(apart) <= 0.1),
        "type_1_error_at_most_06": bool(rehearsed["type_1_error"].mean <= 0.06),
    }


if __name__ == "__main__":
    run(main, Args, __doc__)
