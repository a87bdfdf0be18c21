"""Measure the companion in its room: what it shows, whether it comes, and what it brings, each with its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from envs.companion.room import GROUNDS, Ground, RoomConfig
from envs.companion.scenario import Scenario
from evaluation.companion import errands
from evaluation.companion.errands import THINGS, percent
from evaluation.companion.fetching import FetchResult, FetchTask, ShapeSource
from evaluation.companion.trials import NEAR_M, RoomTask, RoomTrial, call, digest, library
from evaluation.results import ResultsStore
from evaluation.statistics import wilson
from evaluation.terminal import print_table
from robots.io import check_writable, write_json
from robots.options import RunOptions, check_ranges
from robots.parallel import in_order

Part = Literal["scenarios", "approach", "fetch"]
PARTS: tuple[Part, ...] = ("scenarios", "approach", "fetch")
Task: TypeAlias = RoomTask | FetchTask
Result: TypeAlias = RoomTrial | FetchResult
_SIDES = ("ahead", "beside", "behind")
LIBRARY = Path(__file__).resolve().parents[2] / "assets" / "scenarios"


@dataclass(frozen=True, kw_only=True)
class Companion(RunOptions):
    """Play scenarios, call the dog across rooms, send it for things; count what it shows, whether it comes, brings."""

    parts: tuple[Part, ...] = PARTS
    """What is measured."""
    library: Path = LIBRARY
    """Folder of scenario files; those are played in which a voice expects a behaviour."""
    seeds: int = 20
    """Rooms, and so on, of each scenario."""
    calls: int = 100
    """Calls from six metres away, from any side, over every ground in turn."""
    errands: int = 100
    """Errands on flat ground; each kind of thing comes as often as any other."""
    rough: int = 50
    """Errands on rough ground."""
    things: tuple[str, ...] = THINGS
    """Kinds of household things that are fetched."""
    shapes: tuple[ShapeSource, ...] = ("completed", "true")
    """What a grasp is planned on: the shape that the network guesses, or the true one, which no dog has."""
    room: Annotated[RoomConfig, tyro.conf.arg(name="room")] = field(default_factory=RoomConfig)
    """Of every errand, but for its ground."""
    out: Path = Path("runs/companion")
    """Folder for trials.jsonl, which is written as trials end."""

    def check(self) -> None:
        """Refuse what would fail only after long work.

        Raises:
            ValueError: a number out of range, or an unknown part, kind or shape.
        """
        super().check()
        check_ranges(self, **dict.fromkeys(("seeds", "calls", "errands", "rough"), (1, 100_000)))
        for name, allowed in (("parts", PARTS), ("shapes", ("completed", "true")), ("things", None)):
            asked = getattr(self, name)
            if not asked or len(set(asked)) < len(asked) or (allowed and not set(asked) <= set(allowed)):
                listed = f" of {', '.join(allowed)}" if allowed else ""
                raise ValueError(f"--{name} {' '.join(asked) or 'nothing'} came; name some{listed}, each once")
        errands.check_things(self.things)


def evaluate(args: Companion, play: Callable[[Task], Result]) -> dict[str, Any]:
    """Play what is missing, print the tables, and return the figures.

    Raises:
        ValueError: an option out of range, a file that is no scenario, or rows of another run in the folder.
        OSError: nothing can be written.
    """
    args.check()
    check_writable(args.json)
    scenarios = library(args.library) if "scenarios" in args.parts else []
    counts = ("seeds", "calls", "errands", "rough", "parts", "shapes", "library")
    store = ResultsStore(args.out / "trials.jsonl", args.settings(*counts), args.resume)
    tasks = tasks_of(args, scenarios)
    missing = [task for task in tasks if _key(task) not in store.done]
    console = Console(stderr=True)
    found = in_order(play, missing, args.workers, args.engine)
    for task, result in zip(missing, track(found, "trials", len(missing), console=console), strict=True):
        store.add(_key(task), result._asdict())
        store.done[_key(task)] = result._asdict()
    kept = {_key(task): store.done[_key(task)] for task in tasks}
    figures = summary(args, kept)
    for table in _tables(figures):
        print_table(console, table)
    write_json(figures, args.json)
    return figures


def tasks_of(args: Companion, scenarios: Sequence[Scenario]) -> list[Task]:
    """List what is asked for."""
    tasks: list[Task] = [RoomTask(one, args.seed + n) for one in scenarios for n in range(args.seeds)]
    if "approach" in args.parts:
        grounds = {ground: call(ground) for ground in GROUNDS}
        tasks += [RoomTask(grounds[GROUNDS[n % len(GROUNDS)]], args.seed + n, "sad") for n in range(args.calls)]
    if "fetch" in args.parts:
        counts: tuple[tuple[Ground, int], ...] = (("flat", args.errands), ("rough", args.rough))
        for ground, count in counts:
            for shape in args.shapes:
                tasks += errands.tasks_of(args.things, count, args.seed, args.room, ground, shape)
    return tasks


def _key(task: Task) -> tuple[str, ...]:
    if isinstance(task, FetchTask):
        return "fetch", task.room.ground, task.shape, task.name, str(task.seed)
    part = "approach" if task.feeling else "scenarios"
    return part, task.scenario.name, digest(task.scenario), str(task.seed)


def summary(args: Companion, kept: dict[tuple[str, ...], dict[str, Any]]) -> dict[str, Any]:
    """Write the figures of all rows, by their keys."""
    found: dict[str, Any] = {"seed": args.seed}
    rooms = {part: [RoomTrial(**row) for key, row in kept.items() if key[0] == part] for part in PARTS[:2]}
    fetched = [FetchResult(**row) for key, row in kept.items() if key[0] == "fetch"]
    if rooms["scenarios"]:
        names = list(dict.fromkeys(trial.scenario for trial in rooms["scenarios"]))
        by_name = [[trial for trial in rooms["scenarios"] if trial.scenario == name] for name in names]
        found |= {"rows": [_played(trials) for trials in by_name], "all": _played(rooms["scenarios"])}
    if rooms["approach"]:
        found["approach"] = _came(rooms["approach"])
    if fetched:
        found["fetch"] = errands.summary(fetched, args.things)
    return found


def _share(hits: Sequence[bool]) -> dict[str, float]:
    return wilson(sum(hits), len(hits)).as_json() if hits else {}


def _played(trials: Sequence[RoomTrial]) -> dict[str, Any]:
    """Write how a scenario went; what was intended counts where the feeling was perceived."""
    right = [trial for trial in trials if trial.perceived]
    intended = _share([trial.shown for trial in right])
    reactions = [trial.reaction_s for trial in right if trial.reaction_s is not None]
    late = np.quantile(reactions, (0.5, 0.95)).round(2).tolist() if reactions else [None, None]
    return {
        "scenario": trials[0].scenario if len({trial.scenario for trial in trials}) == 1 else "all",
        "expected": trials[0].expected,
        "ground": trials[0].ground,
        "n": len(trials),
        "perceived": len(right),
        "intended": intended.get("mean"),
        "low": intended.get("low"),
        "high": intended.get("high"),
        "done": _share([trial.done for trial in right]),
        "no_fall": _share([not trial.fell for trial in trials]),
        "touched": sum(trial.touched for trial in trials),
        "reaction_s": {"median": late[0], "p95": late[1]},
    }


def _came(trials: Sequence[RoomTrial]) -> dict[str, Any]:
    """Write how calls were answered."""
    came = [trial.far_m < NEAR_M and not trial.fell for trial in trials]
    grounds = [trial.ground for trial in trials]
    sides = [_SIDES[min(int(abs(trial.came_from_deg) // 60), 2)] for trial in trials]

    def shares(labels: Sequence[str], of: Sequence[str]) -> dict[str, dict[str, float]]:
        return {one: _share([hit for hit, label in zip(came, of, strict=True) if label == one]) for one in labels}

    return {
        "n": len(trials),
        "within_1m": _share(came),
        "bearing_deg": {"median": round(float(np.median([trial.bearing_deg for trial in trials])), 1)},
        "far_m": {"median": round(float(np.median([trial.far_m for trial in trials])), 2)},
        "no_fall": _share([not trial.fell for trial in trials]),
        "touched": sum(trial.touched for trial in trials),
        "grounds": shares(list(dict.fromkeys(grounds)), grounds),
        "sides": shares(_SIDES, sides),
    }


def _tables(figures: dict[str, Any]) -> list[Table]:
    tables = []
    if "rows" in figures:
        shown = Table("scenario", "expected", "n", "perceived", "intended % (95 %)", "done %", "no fall %", "p95 s")
        for row in (*figures["rows"], figures["all"]):
            intended = {name: row[key] for name, key in (("mean", "intended"), ("low", "low"), ("high", "high"))}
            shown.add_row(
                row["scenario"], row["expected"] if row["scenario"] != "all" else "", str(row["n"]),
                str(row["perceived"]), percent(intended if row["perceived"] else {}), percent(row["done"]),
                percent(row["no_fall"]), str(row["reaction_s"]["p95"]),
            )  # fmt: skip
        tables.append(shown)
    if "approach" in figures:
        shown, came = Table("calls", "within 1 m % (95 %)", "bearing", "by ground"), figures["approach"]
        grounds = ", ".join(f"{ground} {100 * share['mean']:.0f}" for ground, share in came["grounds"].items())
        shown.add_row(str(came["n"]), percent(came["within_1m"]), f"{came['bearing_deg']['median']} deg", grounds)
        tables.append(shown)
    return tables + ([errands.table(figures["fetch"])] if "fetch" in figures else [])
