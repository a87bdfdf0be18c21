"""A rehearsal: scripted participants of known truth take part in a copy of a study, over HTTP, as people would."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from apps.study.audit import Audit, audit
from apps.study.client import StudyClient
from apps.study.config import SETTINGS
from apps.study.export import TRUTH
from apps.study.participants import Effect, Habits, ScriptedParticipant, Stimuli, Truth, draw_truth, external_id
from apps.study.process import running
from apps.study.visit import Kept, Report, Visit
from evaluation.results import ResultsStore
from geometry.files import write_whole
from policies.taste.choice import Population
from robots.io import check_writable, write_json
from robots.options import MOST_WORKERS, JsonOption, ResumeOption, SeedOption

STIMULI, ROWS = "stimuli", "participants.jsonl"
MOST_PEOPLE = 10_000
_NOT_COPIED = ("study.db*", "study.key", "backups", "exports", "rehearsal*", "*.log", ".*")
_LOOK_S = 1.0
_PATIENCE_S = 120.0
"""Sessions are let in by the minute: whoever finds the door full tries again that long."""


@dataclass(frozen=True)
class SimulateStudy(ResumeOption, JsonOption, SeedOption):
    """Rehearse a study: scripted participants of known truth take part over HTTP, in a copy of its folder.

    They compare by true features with weights of their own, lapse, cannot tell, prefer a position, tire, undo, reload,
    answer twice and withdraw. No person's data are touched: the copy has a database of its own.
    """

    study: Path = Path("study")
    """Folder of the study, as init made it."""
    n: int = 40
    """Participants."""
    url: str | None = None
    """Server to take part at instead of one that is started here, such as http://127.0.0.1:8360; it must serve this
    study. Its database then holds the scripted participants."""
    inattentive: float = 0.05
    """Share of participants who click through without looking."""
    population: Population = field(default_factory=Population)
    """Distribution that participants are drawn from."""
    effect: Effect = field(default_factory=Effect)
    """Planted effect, which the analysis ought to find."""
    habits: Habits = field(default_factory=Habits)
    """How often they do what a study must survive."""
    concurrent: int = 8
    """Participants who take part at the same time."""
    out: Path | None = None
    """Folder of the rehearsal: the copy of the study and the truth; "rehearsal" in the study's when left out."""

    def check(self) -> None:
        """Refuse what would fail only after long work.

        Raises:
            ValueError: a number out of its range, or a folder that holds no study.
        """
        if self.resume and self.out is None:
            raise ValueError("--resume goes on with the rehearsal in --out: give its folder")
        self.check_seed()
        for name, value, most in (("n", self.n, MOST_PEOPLE), ("concurrent", self.concurrent, MOST_WORKERS)):
            if not 1 <= value <= most:
                raise ValueError(f"--{name} {value} came; allowed are 1 to {most}")
        if not 0 <= self.inattentive <= 1:
            raise ValueError(f"--inattentive {self.inattentive} came; allowed are 0 to 1")
        self.habits.check()
        _check_population(self.population)
        if not (self.study / SETTINGS).is_file():
            raise ValueError(f"there is no study at {self.study}: make one with user_study.py init")


def _check_population(population: Population) -> None:
    """Refuse what nobody can be drawn from."""
    for name, value in asdict(population).items():
        flag = f"--population.{name.replace('_', '-')}"
        if name in ("lapse", "cannot_tell") and not 0 < value < 1:
            raise ValueError(f"{flag} {value} came; a share above 0 and below 1 is needed")
        if name in ("temperature", "fatigue", "seconds_median") and not value > 0:
            raise ValueError(f"{flag} {value} came; a number above 0 is needed")
        if name.endswith("_sigma") and not value >= 0:
            raise ValueError(f"{flag} {value} came; 0 or more is needed")


class Simulated(NamedTuple):
    """The result of a rehearsal.

    Attributes:
        folder: a study of its own, to export and analyse; the truth is in it.
        outcomes: how many participants ended how.
        answers: acknowledged comparisons.
        faults: what the server did that it must not do, a line each.
        audit: acknowledged events that are missing from the log, or stand twice; None with --url.
    """

    folder: Path
    outcomes: dict[str, int]
    answers: int
    faults: tuple[str, ...]
    audit: Audit | None

    def as_json(self) -> dict[str, Any]:
        """Tell the figures as JSON takes them."""
        figures = {"participants": sum(self.outcomes.values()), "outcomes": self.outcomes, "answers": self.answers}
        checked = None if self.audit is None else self.audit._asdict()
        return {**figures, "faults": list(self.faults), "audit": checked, "folder": str(self.folder)}


def simulate(args: SimulateStudy) -> Simulated:
    """Let scripted participants take part, and keep their truth beside what they answered.

    Raises:
        ValueError: an option that cannot be used, or another rehearsal in --out.
        OSError: a file or the server cannot be reached.
        RuntimeError: the server does not start, refuses somebody, or did what it must not do.
    """
    from rich.console import Console

    args.check()
    check_writable(args.json)
    if args.url is not None:
        with StudyClient(args.url, _LOOK_S) as client:
            client.ask("GET", "/api/study/about")
    folder = args.out or args.study / "rehearsal"
    _check_folder(args, folder)
    # Before the study is copied: what cannot be rehearsed leaves nothing behind.
    cast = Cast.of(args, folder if args.resume else args.study)
    store = _open(args, folder)
    with _server(args, folder) as url:
        _take_part(args, cast, url, store)
    _write_truth(args, cast, store, folder)
    result = _result(args, store, folder)
    console = Console(stderr=True)
    ended = ", ".join(f"{count} {name}" for name, count in result.outcomes.items())
    console.print(f"{args.n} scripted participants ({ended}), {result.answers} comparisons in {folder}", soft_wrap=True)
    if args.json is not None:
        write_json(result.as_json(), args.json)
    lost = result.audit is not None and result.audit.lost + result.audit.doubled > 0
    if result.faults or lost:
        raise RuntimeError(f"the server did what it must not do: {result.audit}; {'; '.join(result.faults[:3])}")
    return result


@dataclass(frozen=True)
class Cast:
    """Who takes part: their truth, and all that they need; `adaptive`: finished sessions decide who gets what next."""

    truths: tuple[Truth, ...]
    stimuli: Mapping[str, Stimuli]
    reverse: Mapping[str, frozenset[str]]
    checks: Mapping[str, tuple[str, float]]
    platform: str | None
    adaptive: bool = False

    @classmethod
    def of(cls, args: SimulateStudy, folder: Path) -> Cast:
        """Draw the participants of a rehearsal.

        Raises:
            ValueError: settings that cannot be used, or an effect in a block that the study has not.
        """
        from apps.study.config import load_config, load_instruments
        from apps.study.errors import StudyError
        from apps.study.stimuli import load_stimuli

        try:
            config = load_config(folder / SETTINGS)
            instruments = load_instruments(config, folder)
            shown = load_stimuli(folder / STIMULI)
        except StudyError as problem:
            raise ValueError(str(problem)) from problem
        blocks = [block.name for block in config.blocks]
        if args.effect.block and args.effect.block not in blocks:
            raise ValueError(f"--effect.block {args.effect.block!r} came; the study has {', '.join(blocks)}")
        stimuli = {name: Stimuli(task.items, np.array(task.features, float)) for name, task in shown.tasks.items()}
        features = {name: task.features.shape[1] for name, task in stimuli.items()}
        liked = {block.name: block.task for block in config.blocks if block.kind == "preference"}
        truths = tuple(
            draw_truth(number, args.seed, args.population, features, args.inattentive, args.habits.withdraw, liked)
            for number in range(args.n)
        )
        reverse = {
            name: frozenset(item for scale in form.scales for item in scale.reverse)
            for name, form in instruments.items()
        }
        checks = {name: form.attention for name, form in instruments.items() if form.attention is not None}
        adaptive = config.allocation.rule != "equal"
        return cls(truths, stimuli, reverse, checks, config.recruitment.platform, adaptive)

    def visit(self, number: int, args: SimulateStudy, client: StudyClient) -> Visit:
        """Participant `number` at the door."""
        truth = self.truths[number]
        answering, doing = (np.random.default_rng([args.seed, number, stream]) for stream in (1, 2))
        person = ScriptedParticipant(truth, self.stimuli, answering, args.effect, self.reverse, self.checks)
        return Visit(client, person, external_id(args.seed, number, self.platform), doing, args.habits)


def _settings(args: SimulateStudy) -> dict[str, Any]:
    """Collect the settings that must be the same for participants to be the same."""
    settings: dict[str, Any] = {"seed": args.seed, "n": args.n, "inattentive": args.inattentive}
    return settings | {name: asdict(getattr(args, name)) for name in ("population", "effect", "habits")}


def _check_folder(args: SimulateStudy, folder: Path) -> None:
    """Refuse a folder that holds no rehearsal to go on with, or something where a new one is to be."""
    if args.resume and not (folder / ROWS).is_file():
        raise ValueError(f"--resume: {folder} holds no rehearsal")
    if not args.resume and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} has something in it: give a new --out, or --resume and --out to go on with it")


def _open(args: SimulateStudy, folder: Path) -> ResultsStore:
    """The rows of the rehearsal in `folder`: a new copy of the study, or one to go on with."""
    if not args.resume:
        copy_study(args.study, folder)
    return ResultsStore(folder / ROWS, _settings(args), resume=args.resume)


def copy_study(study: Path, folder: Path) -> None:
    """Copy a study without what anyone answered; the copy keeps its data in a file of its own.

    Raises:
        OSError: it cannot be copied.
    """
    shutil.copytree(study, folder, ignore=shutil.ignore_patterns(*_NOT_COPIED), dirs_exist_ok=True)
    settings = folder / SETTINGS
    write_whole(settings, re.sub(r"(?m)^database\s*=.*$", 'database = ""', settings.read_text("utf-8")))


@contextmanager
def _server(args: SimulateStudy, folder: Path) -> Iterator[str]:
    if args.url is not None:
        yield args.url
        return
    with running(folder) as server:
        yield server.url


def _take_part(args: SimulateStudy, cast: Cast, url: str, store: ResultsStore) -> None:
    """All who have not been there yet, some at a time; everybody joins in order, so that places are the same."""
    from rich.console import Console
    from rich.progress import Progress

    todo = [number for number in range(args.n) if ("report", number) not in store.done]
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("participants", total=args.n, completed=args.n - len(todo))
        # A rule that learns from those who finished is given some before the next ones come.
        size = args.concurrent if cast.adaptive else max(len(todo), 1)
        for first in range(0, len(todo), size):
            visits = {
                number: cast.visit(number, args, StudyClient(url, _PATIENCE_S)) for number in todo[first : first + size]
            }
            _join(visits, store)
            _finish_all(visits, args, store, lambda: bar.advance(task))


def _join(visits: Mapping[int, Visit], store: ResultsStore) -> None:
    for number, visit in visits.items():
        held = store.done.get(("joined", number), {})
        visit.begin(**held)
        if not held:
            store.add(("joined", number), {"secret": visit.client.secret, "participant": visit.report.participant})
        visit.client.close()


def _finish_all(
    visits: Mapping[int, Visit], args: SimulateStudy, store: ResultsStore, finished: Callable[[], None]
) -> None:
    with ThreadPoolExecutor(args.concurrent) as people:
        coming = {people.submit(_finish, visit): number for number, visit in visits.items()}
        try:
            for done in as_completed(coming):
                store.add(("report", coming[done]), asdict(done.result()))
                finished()
        except BaseException:  # Ctrl-C too: nobody is waited for, and --resume goes on with them
            for visit in visits.values():
                visit.leave.set()
            people.shutdown(cancel_futures=True)
            raise


def _finish(visit: Visit) -> Report:
    with visit.client:
        return visit.finish()


def _write_truth(args: SimulateStudy, cast: Cast, store: ResultsStore, folder: Path) -> None:
    """Write the truth for whoever checks the analysis: the plan of the simulation, and a row a participant."""
    import pandas as pd

    write_whole(folder / TRUTH[0], json.dumps({"scripted": True, **_settings(args)}, indent=1) + "\n")
    rows = [
        {"participant": store.done["report", truth.number]["participant"], **truth.as_row()} for truth in cast.truths
    ]
    pd.DataFrame(rows).to_parquet(folder / TRUTH[1], index=False)


def _result(args: SimulateStudy, store: ResultsStore, folder: Path) -> Simulated:
    from apps.study.reading import read_study

    reports = [store.done["report", number] for number in range(args.n)]
    outcomes: dict[str, int] = {}
    for report in reports:
        outcomes[report["outcome"]] = outcomes.get(report["outcome"], 0) + 1
    checked = None
    if args.url is None:
        kept = {report["participant"]: [Kept(*fields) for fields in report["kept"]] for report in reports}
        checked = audit(read_study(folder), kept)
    faults = tuple(fault for report in reports for fault in report["faults"])
    return Simulated(folder, outcomes, sum(report["comparisons"] for report in reports), faults, checked)
