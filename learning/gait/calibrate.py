"""Fit a policy's slip compensation, so that it walks as fast as it is commanded.

The clocked gait adds to its command what it loses to scuffing feet. A policy that lifts the feet better loses less, and
learns to make up for shoves and delays besides; on a sound robot it is then a few centimetres a second too fast. Walks
of each gait tell how much, and the policy's own loss is kept beside its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track

from control.gait import GAITS
from control.locomotion_controller import SlipCompensation, Table, interpolated
from envs.locomotion.cases import Case
from envs.locomotion.walks import Walker
from policies.locomotion.actor import MAX_SLIP_M_S, Actor, read_about
from robots.options import SeedOption, WorkersOption, check_ranges
from robots.parallel import in_order

SPEEDS = {
    "trot": (-0.3, 0.1, 0.35, 0.55, 0.7, 0.9, 1.1),
    "walk": (0.1, 0.25, 0.45),
    "pace": (0.2, 0.4, 0.6, 0.9),
    "bound": (0.2, 0.4, 0.6, 0.9),
    "pronk": (0.1, 0.2, 0.4),
}
"""Speeds of the walks at a gait's own cadence, m/s: between those of the evaluation, whose seeds are others, too."""
CADENCES = (1.3, 2.0, 2.6, 3.3)
"""Other cadences, Hz, not the evaluation's either."""
_SPEEDS_THERE = (0.25, 0.35)
SIDEWAYS = (0.2, 0.35)
"""Speeds of the walks to the left, m/s; a policy that knows no left or right loses as much to the right."""
_STREAM = 77  # of seeds, away from the evaluation's


class Errors(NamedTuple):
    """By how much the walks of a gait were too fast forward, m/s."""

    forward: dict[float, list[tuple[float, float]]]  # by cadence; with the speed of each walk, m/s
    sideways: dict[float, list[float]]  # by speed to the left


@dataclass(frozen=True)
class Calibrate(WorkersOption, SeedOption):
    """Measure what a policy loses to scuffing feet in each gait, and keep it beside its weights."""

    policy: tyro.conf.Positional[Path]
    """Folder of the policy, which is written anew."""
    walks: int = 6
    """Walks at each speed."""
    passes: int = 3
    """How often to measure; each time the last correction is in force."""
    seconds: float = 6.0
    """How long a walk is."""

    def check(self) -> None:
        """Complain about what cannot be.

        Raises:
            ValueError: a number out of its range.
        """
        self.check_seed()
        check_ranges(self, walks=(1, 1000), passes=(1, 10), seconds=(3.0, 60.0), workers=(1, 64))


def calibrate(args: Calibrate) -> Path:
    """Measure, write the policy anew with what was found, and return its folder.

    Raises:
        ValueError: a number out of range, or no policy in the folder.
        OSError: the folder cannot be written.
    """
    args.check()
    actor = Actor.load(args.policy)
    console = Console(stderr=True)
    for number in range(args.passes):
        errors = _errors(actor, args, number, console)
        for gait, found in errors.items():
            off = ", ".join(
                f"{np.mean([off for _, off in some]):+.3f} at {hz:g} Hz" if some else f"falls at {hz:g} Hz"
                for hz, some in found.forward.items()
            )
            console.print(f"{gait:6} m/s too fast: {off}", highlight=False)
        mended = {gait: corrected(actor.slip_compensation, gait, errors[gait]) for gait in errors}
        actor = replace(actor, slip_compensation=mended)
    actor.save(args.policy, read_about(args.policy))
    console.print(f"policy: {args.policy}")
    return args.policy


def corrected(known: Mapping[str, SlipCompensation], gait: str, errors: Errors) -> SlipCompensation:
    """Return a gait's compensation, given by how much it is too fast; as before where every walk ended in a fall.

    The part by speed comes from the walks at the gait's own cadence, where speeds differ most; on the mean it is 0. The
    part by cadence is what the part by speed leaves over, and the part sideways what both leave over.
    """
    own = GAITS[gait].frequency_hz
    before = known.get(gait, SlipCompensation(((own, GAITS[gait].drift_m_s),)))
    by_speed = _by_speed(before, errors.forward.get(own, []))

    def at(hz: float) -> float:
        apart = [off + interpolated(by_speed, v) - interpolated(before.by_speed, v) for v, off in errors.forward[hz]]
        return _bounded(interpolated(before.by_cadence, hz) - _mean(apart))

    forward = SlipCompensation(tuple((hz, at(hz)) for hz in sorted(errors.forward)), by_speed)
    given = forward.at(own, 0.0) - before.at(own, 0.0)
    by_sideways = [
        (v, _bounded(interpolated(before.by_sideways, v) - _mean([too_fast + given for too_fast in off])))
        for v, off in sorted(errors.sideways.items())
    ]
    return forward._replace(by_sideways=((0.0, 0.0), *by_sideways))


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def _by_speed(before: SlipCompensation, errors: list[tuple[float, float]]) -> Table:
    off: dict[float, list[float]] = {}
    for speed, too_fast in errors:
        off.setdefault(speed, []).append(too_fast)
    if not off:
        return before.by_speed
    slip = {speed: interpolated(before.by_speed, speed) - _mean(off[speed]) for speed in sorted(off)}
    middle = _mean(list(slip.values()))
    return tuple((speed, _bounded(value - middle)) for speed, value in slip.items())


def _bounded(slip: float) -> float:
    return round(min(max(slip, -MAX_SLIP_M_S), MAX_SLIP_M_S), 4)


def _cases() -> list[Case]:
    own = [Case(gait, speed) for gait, speeds in SPEEDS.items() for speed in speeds]
    own += [Case(gait, 0.0, vy=left) for gait in SPEEDS for left in SIDEWAYS]
    return own + [Case(gait, speed, frequency=hz) for gait in SPEEDS for hz in CADENCES for speed in _SPEEDS_THERE]


def _errors(actor: Actor, args: Calibrate, number: int, console: Console) -> dict[str, Errors]:
    """Walk every case; walks that fell are left out."""
    cases = _cases()
    work = partial(_walk, actor, args, number)
    done = in_order(work, list(enumerate(cases)), args.workers)
    errors = {gait: Errors({}, {}) for gait in SPEEDS}
    for case, found in zip(cases, track(done, f"pass {number + 1}", len(cases), console=console), strict=True):
        forward, sideways = errors[case.gait]
        if case.vy:
            sideways[case.vy] = found
        else:
            cadence = case.frequency or GAITS[case.gait].frequency_hz
            forward.setdefault(cadence, []).extend((case.speed, too_fast) for too_fast in found)
    return errors


def _walk(actor: Actor, args: Calibrate, number: int, task: tuple[int, Case]) -> list[float]:
    """Return by how much each walk of a numbered case was too fast, m/s."""
    index, case = task
    seeds = np.random.SeedSequence(args.seed, spawn_key=(_STREAM, number, index)).spawn(args.walks)
    walker = Walker(case, actor)
    try:
        walks = [walker.walk(args.seconds, int(seed.generate_state(1)[0])) for seed in seeds]
    finally:
        walker.close()
    return [walk.mean_speed - case.speed for walk in walks if not walk.fell and np.isfinite(walk.mean_speed)]
