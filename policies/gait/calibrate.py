"""Make a learned gait walk as fast as it is told.

The clocked gait adds to its command what it loses to scuffing feet. A policy that lifts the feet better loses less, and
learns to make up for shoves and delays besides; on a sound robot it is then a few centimetres a second too fast. Walks
of each gait tell how much, and the policy's own loss is kept beside its weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from joblib import Parallel, delayed
from rich.console import Console
from rich.progress import track

from policies.gait.actor import MOST_DRIFT_M_S, Actor
from policies.gait.cases import Case
from policies.gait.rollout import Walker
from robots.gait import GAITS

SPEEDS = {
    "trot": (0.3, 0.5, 0.7, 0.9, 1.1),
    "walk": (0.25, 0.45),
    "pace": (0.4, 0.6, 0.9),
    "bound": (0.4, 0.6, 0.9),
} | {"pronk": (0.2, 0.4)}
"""Speeds of the walks, m/s: between those that the evaluation reports, whose seeds are others too."""
_STREAM = 77  # of seeds, away from the evaluation's


@dataclass(frozen=True)
class Calibrate:
    """Measure what a policy loses to scuffing feet in each gait, and keep it beside its weights."""

    policy: tyro.conf.Positional[Path]
    """Folder of the policy; its config.json is written anew."""
    walks: int = 6
    """Walks at each speed."""
    rounds: int = 2
    """How often to measure; each time the last correction is in force."""
    seconds: float = 6.0
    """How long a walk is."""
    seed: int = 0
    """Of headings, clocks and ground."""
    workers: int = 2
    """Processes. The result does not depend on it."""

    def check(self) -> None:
        """Complain about what cannot be.

        Raises:
            ValueError: a number out of its range.
        """
        for name, (low, high) in {
            "walks": (1, 1000),
            "rounds": (1, 10),
            "seconds": (3.0, 60.0),
            "workers": (1, 64),
        }.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"--{name} {value} came; allowed are {low} to {high}")


def calibrate(args: Calibrate) -> Path:
    """Measure, write the policy's config.json anew, and return its folder.

    Raises:
        ValueError: a number out of range, or no policy in the folder.
        OSError: the folder cannot be written.
    """
    args.check()
    actor = Actor.load(args.policy)
    console = Console(stderr=True)
    for number in range(args.rounds):
        errors = _errors(actor, args, number, console)
        drift = {gait: round(corrected(actor.drift_m_s, gait, errors[gait]), 4) for gait in errors}
        for gait, error in errors.items():
            off = f"{np.mean(error):+.3f} m/s off, {len(error)} walks" if error else "every walk ended in a fall"
            console.print(f"{gait:6} {off}", highlight=False)
        actor = replace(actor, drift_m_s=drift)
    about = json.loads((args.policy / "config.json").read_text())
    draft = args.policy / ".config.part"
    draft.write_text(json.dumps({**about, "drift_m_s": drift}, indent=1) + "\n")
    draft.replace(args.policy / "config.json")
    console.print(f"policy: {args.policy}")
    return args.policy


def corrected(drift_m_s: Mapping[str, float], gait: str, errors: list[float]) -> float:
    """What the legs lose, given by how much (m/s) they are too fast; as before where every walk ended in a fall."""
    before = drift_m_s.get(gait, GAITS[gait].drift_m_s)
    after = before - float(np.mean(errors)) if errors else before
    return min(max(after, -MOST_DRIFT_M_S), MOST_DRIFT_M_S)


def _errors(actor: Actor, args: Calibrate, number: int, console: Console) -> dict[str, list[float]]:
    """By how much (m/s) each walk of each gait was too fast; those that fell are left out."""
    cases = [Case(gait, speed) for gait, speeds in SPEEDS.items() for speed in speeds]
    seeds = [
        [
            int(s.generate_state(1)[0])
            for s in np.random.SeedSequence(args.seed, spawn_key=(_STREAM, number, i)).spawn(args.walks)
        ]
        for i in range(len(cases))
    ]
    jobs = (delayed(_walk)(actor, case, args.seconds, seeds[index]) for index, case in enumerate(cases))
    work = Parallel(n_jobs=args.workers, return_as="generator")(jobs)
    errors: dict[str, list[float]] = {gait: [] for gait in SPEEDS}
    for case, found in zip(cases, track(work, f"round {number + 1}", len(cases), console=console), strict=True):
        errors[case.gait] += found
    return errors


def _walk(actor: Actor, case: Case, seconds: float, seeds: list[int]) -> list[float]:
    walker = Walker(case, actor)
    try:
        walks = [walker.walk(seconds, seed) for seed in seeds]
    finally:
        walker.close()
    return [walk.mean_speed - case.speed for walk in walks if not walk.fell and np.isfinite(walk.mean_speed)]
