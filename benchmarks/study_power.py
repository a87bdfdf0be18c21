"""Does the study's instrument find what is there? Foretold power against that of rehearsed studies; `study_power.json`.

    empaw bench study-power --out runs/power --json benchmarks/results/study_power.json   # --resume goes on

Power is foretold by `user_study.py power`, which draws studies from the choice model. It is held against whole
rehearsals: `user_study.py simulate` with a server of its own, scripted participants who come over HTTP, reload, undo
and withdraw, and the registered test on what the database then holds. A rehearsal takes about eight seconds.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from apps.study.frames import events_frame, participants_frame
from apps.study.init import InitStudy, init_study
from apps.study.participants import Effect
from apps.study.reading import read_study
from apps.study.simulate import STIMULI, SimulateStudy, simulate
from apps.study.stimuli import load_stimuli, obvious_triplets, write_manifest
from benchmarks.command import run
from evaluation.results import ResultsStore
from evaluation.statistics import Interval, wilson
from evaluation.study.plan import Plan, default_plan, load_plan, parse_plan
from evaluation.study.power import Power, PowerRow, planned_test, power, registered_p
from evaluation.study.predict import nearest_pair
from evaluation.study.simulated import BLOCKS
from evaluation.study.tables import checked, trials
from robots.io import check_writable, write_json
from robots.options import RunOptions
from robots.parallel import in_order

_TASK = "grid-4"
_ITEMS = 60
_AT_A_TIME = 4
"""Participants of one rehearsal who take part at the same time."""


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
    """Let scripted participants take part in a study over HTTP, and test what its database holds.

    Returns:
        p of the registered test, and the share of people who completed the study and are left out.
    """
    args, rng = job.args, np.random.default_rng(job.seed)
    # What each of many rehearsals says of itself would bury the progress of all.
    with tempfile.TemporaryDirectory(prefix="empaw-rehearsal-") as place, contextlib.redirect_stderr(io.StringIO()):
        study, out = Path(place) / "study", Path(place) / "out"
        positions = _make_study(study, args, rng)
        rehearsal = SimulateStudy(
            seed=int(rng.integers(2**31)), concurrent=_AT_A_TIME, out=out, study=study, n=args.people,
            inattentive=args.inattentive, effect=Effect(BLOCKS[1], job.effect),
        )  # fmt: skip
        simulate(rehearsal)
        record, plan = read_study(out), load_plan(out / "analysis.toml")
    people = checked(participants_frame(record.participants), "participants")
    counting = people[people["outcome"].isin(plan.included)]["participant"]
    rows = trials(checked(events_frame(record.events), "events"))
    rows = rows[rows["participant"].isin(set(counting))].reset_index(drop=True)
    return registered_p(rows.assign(predicted=nearest_pair(positions)(rows)), plan, planned_test(plan)[0], rng)


def _make_study(folder: Path, args: Args, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Make a study whose animations have features as `power` draws them; those (F,) of each animation."""
    init_study(InitStudy(folder, _TASK, _ITEMS, args.trials, seed=int(rng.integers(2**31))))
    task = load_stimuli(folder / STIMULI).tasks[_TASK]
    features = rng.random((len(task.items), args.features))
    golden, practice = obvious_triplets(task.items, features, rng)
    drawn = tuple(map(tuple, features.tolist()))
    names = tuple(f"feature {k}" for k in range(args.features))
    write_manifest(
        [replace(task, features=drawn, feature_names=names, golden=golden, practice=practice)], folder / STIMULI
    )
    return dict(zip(task.items, features, strict=True))


def main(args: Args) -> dict[str, Any]:
    """Foretell, rehearse, compare."""
    args.check()
    for name in ("studies", "nulls", "foretold"):
        if not 1 <= getattr(args, name) <= 10**6:
            raise ValueError(f"--{name} {getattr(args, name)} came; allowed are 1 to 1000000")
    check_writable(args.json)
    options = Power(
        seed=args.seed, workers=args.workers, engine=args.engine, people=(args.people,), trials=args.trials,
        differences=(0.0, args.difference), studies=args.foretold, features=args.features,
        inattentive=args.inattentive, out=args.out, resume=args.resume,
    )  # fmt: skip
    null, effect = power(options).rows
    store = None
    if args.out is not None:
        store = ResultsStore(args.out / "over_http.jsonl", args.settings(), args.resume)
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
