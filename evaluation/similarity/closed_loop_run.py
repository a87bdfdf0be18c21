"""`empaw evaluate taste`: the closed loop and the rivals in a table, and a taste to see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from evaluation.similarity import closed_loop, rivals
from evaluation.similarity.closed_loop import ClosedLoopOptions
from evaluation.similarity.closed_loop_clips import clip_world
from evaluation.similarity.closed_loop_learned import similarity_embedding
from evaluation.similarity.closed_loop_world import FEELINGS, Interview, Owner, StyleWorld, draw_owner
from evaluation.terminal import print_table
from perception.emotion import LABELS
from policies.taste.learn import learn_taste
from policies.taste.optimiser import StyleLibrary
from policies.taste.preferences import Preference, unit_size
from policies.taste.priors import table_gaits
from policies.taste.taste import Taste
from robots.io import check_writable, write_json


@dataclass(frozen=True)
class Run(ClosedLoopOptions):
    """Simulated owners answer, the dog's style changes, and they judge it; then the same with later works."""

    only_taste: bool = False
    """Only write the file of --taste."""
    taste: Path | None = None
    """Write the taste of one simulated owner, after the largest number of answers, for sim_gui.py --taste."""


class Report(NamedTuple):
    """Rows of the loop and of the rivals, as JSON has them."""

    closed_loop: list[dict[str, Any]]
    rivals: list[dict[str, Any]]


def main(options: Run) -> Report:
    """Run what is asked for and print it.

    Raises:
        ValueError: options out of range.
        OSError: a file cannot be written.
    """
    torch.set_num_threads(1)
    options.check()
    for place in (options.json, options.taste):
        check_writable(place)
    if options.taste is not None:
        simulated_taste(options).save(options.taste)
    if options.only_taste:
        return Report([], [])
    base = {name: getattr(options, name) for name in ClosedLoopOptions.__dataclass_fields__}
    later = tuple(answers for answers in options.answers if answers > 0)
    console = Console(stderr=True)
    loop = closed_loop.run(ClosedLoopOptions(**base))
    print_table(console, table("closed loop", loop))
    others = rivals.run(ClosedLoopOptions(**base | {"answers": later})) if later else []
    print_table(console, table("later works", others))
    report = Report(loop, others)
    if options.json is not None:
        write_json(report._asdict(), options.json)
    return report


def table(title: str, rows: list[dict[str, Any]]) -> Table:
    """Return rows as a table of shares."""
    found = Table("method", "answers", "seconds", "share of best", "95 %", "behind ours", title=title)
    for row in rows:
        share, behind = row["share_of_best"], row["behind_ours"]
        found.add_row(
            row["method"] + (", one feeling" if row["spread"] == "one" else ""),
            str(row["answers"]),
            f"{row['seconds']:.0f}",
            f"{share['mean']:.2f}",
            f"{share['low']:.2f} to {share['high']:.2f}",
            f"{behind['mean']:+.2f} ({behind['low']:+.2f} to {behind['high']:+.2f})",
        )
    return found


def simulated_taste(options: ClosedLoopOptions) -> Taste:
    """Learn the taste of one scripted owner from random pairs; nobody's real taste."""
    world = clip_world(options.clips, options.workers, options.engine)
    rng = np.random.default_rng([options.seed, 99])
    owner = draw_owner("a scripted owner", world.features.shape[1], options.sharing, rng)
    embedded = similarity_embedding(world, options.similarity_answers, options.seed)
    library = StyleLibrary(world.styles, unit_size(embedded), world.gaits)
    conditions = dict(zip(LABELS, table_gaits().tolist(), strict=True))
    preferences = ask(world, owner, max(options.answers), rng)
    return learn_taste(owner.name, preferences, library, conditions, rng, radius=options.radius)


def ask(world: StyleWorld, owner: Owner, answers: int, rng: np.random.Generator) -> list[Preference]:
    """Ask an owner about random pairs, the feelings in turn."""
    interview = Interview(owner, rng)
    found = []
    for n in range(answers):
        first, second = (int(one) for one in rng.choice(world.size, 2, replace=False))
        liked = interview.prefer(world.features[first], world.features[second], n % FEELINGS)
        better, worse = (first, second) if liked else (second, first)
        found.append(Preference(better, worse, LABELS[n % FEELINGS], owner.name))
    return found
