"""Does the dog do what the voice calls for? Every clip of held-out speakers through the session without a browser.

    empaw bench companion --data ../shared/data/speech/ravdess_16k \
        --folds ../shared/data/speech/ravdess_folds.json --json benchmarks/results/companion.json

The shipped network has never heard these speakers. Beside the estimate's own accuracy the table shows what the dog
did with it: the behaviour that the speaker's emotion calls for against the one that was shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from apps.session import Session
from benchmarks.command import run
from control.dog import CONTROL_HZ
from datasets.voices import load_folds, load_ravdess
from evaluation.metrics import confusion_tables, interval, mean_recall
from evaluation.statistics import wilson
from evaluation.terminal import print_table
from perception.emotion import LABELS
from perception.speech.audio import read_sound
from perception.speech.model import held_out_actors
from policies.behaviour import default_table
from robots.io import check_writable, write_json
from robots.options import JsonOption, SeedOption, WorkersOption
from robots.parallel import in_order

MEASURED_S = 3.0
"""Gait is measured over the last seconds of a session, when the behaviour has settled in."""


@dataclass(frozen=True)
class Args(JsonOption, WorkersOption, SeedOption):
    """Play the clips of one held-out fold to the dog."""

    data: Path
    """RAVDESS folder with Actor_XX inside."""
    folds: Path
    """Folds file; the shipped weights hold out fold 0."""
    fold: int = 0
    """Which fold's speakers to play."""
    after_s: float = 5.0
    """How long a session goes on after its clip."""


class Played(NamedTuple):
    """Outcome of one clip."""

    label: str
    estimate: str | None
    intended: str
    shown: str
    frequency: float
    height: float
    speed: float
    fell: bool


def main(args: Args) -> dict:
    """Play every clip and return the figures."""
    check_writable(args.json)
    actors = load_folds(args.folds).test_actors[args.fold]
    _check_held_out(actors)
    clips = [clip for clip in load_ravdess(args.data) if clip.actor in actors]
    console = Console(stderr=True)
    jobs = [
        (clip.path, clip.emotion, args.after_s, np.random.SeedSequence(args.seed, spawn_key=(index,)))
        for index, clip in enumerate(clips)
    ]
    work = in_order(lambda job: play(*job), jobs, args.workers)
    played = list(track(work, "playing clips", len(clips), console=console))
    result = {"fold": args.fold, "actors": sorted(actors), **figures(played, args.seed)}
    report(result, console)
    if args.json is not None:
        write_json(result, args.json)
    return result


def _check_held_out(actors: tuple[int, ...]) -> None:
    """Only speakers whom the shipped network has not heard say anything about new ones."""
    held_out = held_out_actors()
    if not set(actors) <= set(held_out):
        raise ValueError(f"the shipped network was trained on some of {sorted(actors)}; it has never heard {held_out}")


def play(path: Path, label: str, after_s: float, seed: np.random.SeedSequence) -> Played:
    """Let a dog hear one clip, and look at what it does when the clip is over."""
    torch.set_num_threads(1)
    with Session(seed=int(seed.generate_state(1)[0])) as session:
        seconds = session.play_audio(read_sound(path), name=path.name) + after_s
        steps = session.run(seconds).steps
        intended = session.decision.selector.intended(session.estimate, session.time)
    settled = steps[-round(MEASURED_S * CONTROL_HZ) :]
    return Played(
        label,
        steps[-1].emotion,
        intended,
        steps[-1].behaviour,
        float(np.mean([step.frequency for step in settled])),
        float(np.mean([step.height for step in settled])),
        float(np.mean([step.vx for step in settled])),
        any(step.fallen for step in steps),
    )


def figures(played: list[Played], seed: int) -> dict:
    """Confusion of called-for against shown behaviours, agreement with the estimate, and gaits by emotion."""
    answers = default_table().answers
    called = [answers[label] for label in LABELS]
    columns = [*called, "ask", "idle"]
    gaits = {}
    for label in LABELS:
        rows = [p for p in played if p.label == label]
        gaits[label] = {
            name: {"mean": round(float(np.mean(values)), 4), "sd": round(float(np.std(values, ddof=1)), 4)}
            for name, values in (
                ("frequency", [p.frequency for p in rows]),
                ("height", [p.height for p in rows]),
                ("vx", [p.speed for p in rows]),
            )
        }
    wanted, intended, shown = (
        np.array([columns.index(name) for name in names])
        for names in ([answers[p.label] for p in played], [p.intended for p in played], [p.shown for p in played])
    )
    clips = np.arange(len(played))
    tables = confusion_tables(wanted, shown, clips, len(columns))
    return {
        "clips": len(played),
        "behaviour_agreement": wilson(int((shown == intended).sum()), len(played)).as_json(),
        # Over clips: there are four speakers only, so read it as a lower bound.
        "behaviour_recall": interval(tables, mean_recall, seed, draws=2_000).as_json(),
        "chance": 1 / len(LABELS),
        "intended_rows": columns,
        "intended_confusion": confusion_tables(intended, shown, 0 * clips, len(columns))[0].astype(int).tolist(),
        "falls": sum(p.fell for p in played),
        "rows": called,
        "columns": columns,
        "confusion": tables.sum(axis=0)[: len(called)].astype(int).tolist(),
        "gaits": gaits,
        "calm_against_angry": separation(gaits["calm"], gaits["angry"]),
    }


def separation(first: dict, second: dict) -> dict[str, float]:
    """Difference of the means over the sum of the spreads (sd over clips): beyond 1, the spreads do not touch."""
    return {
        name: round(abs(first[name]["mean"] - second[name]["mean"]) / (first[name]["sd"] + second[name]["sd"]), 2)
        for name in first
    }


def report(result: dict, console: Console) -> None:
    """Print the tables."""
    table = Table("called for / shown", *result["columns"])
    for name, row in zip(result["rows"], result["confusion"], strict=True):
        table.add_row(name, *(str(count or "") for count in row))
    print_table(console, table)
    keys = ("clips", "behaviour_agreement", "behaviour_recall", "falls", "calm_against_angry")
    console.print({key: result[key] for key in keys})


if __name__ == "__main__":
    run(main, Args, __doc__)
