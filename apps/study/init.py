"""Make a study's folder: settings to be edited, a plan to be registered, animations, and the database."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from apps.study.config import SETTINGS, ConfigError, Platform, parse_config
from apps.study.serve import open_study
from apps.study.stimuli import decode_animation, make_task_stimuli, write_manifest
from envs.trajectories.task import TrajectoryTask
from evaluation.study.plan import PLAN, default_plan
from perception.emotion import LABELS
from robots.options import SeedOption

TEMPLATE = Path(__file__).with_name(SETTINGS)


@dataclass(frozen=True)
class InitStudy(SeedOption):
    """Make the folder of a new study."""

    folder: Path
    """Folder to make; it must be empty or not there."""
    task: str = "style"
    """Task whose animations are compared: 'style', 'arm', 'grid-2', 'grid-4'."""
    items: int = 60
    """Animations to make."""
    trials: int = 40
    """Comparisons in each of the two blocks."""
    platform: Platform = "none"
    """Where people come from."""
    feelings: tuple[str, ...] = ()
    """Ask which of two animations people would like better when they feel so, in a block of --trials for each feeling,
    instead of which two are alike; from the answers, taste learns how somebody's dog should move."""
    database: str = ""
    """Empty for study.db in the folder, or postgresql+pg8000://USER:PASSWORD@HOST/NAME."""


def init_study(args: InitStudy) -> Path:
    """Make the folder, and register settings and plan with their hashes.

    Returns:
        The folder.

    Raises:
        ConfigError: the folder holds something already, or an option cannot be used.
        StudyError: animations cannot be made, or the database cannot be used.
    """
    from envs.trajectories.registry import make_task

    if args.folder.exists() and (not args.folder.is_dir() or any(args.folder.iterdir())):
        raise ConfigError(f"{args.folder} is there already and not empty: give another folder, or move it away")
    try:
        task = make_task(args.task)
    except (KeyError, ValueError) as problem:
        raise ConfigError(str(problem.args[0])) from problem
    # The folder is named that was asked for, not the one it is made in.
    settings = _settings(args)
    parse_config(_watched(settings, 0.0), str(args.folder / SETTINGS))
    # Made beside its place and moved there when it is whole: what broke off leaves nothing that looks like a study.
    made = args.folder.resolve().with_name(f".{args.folder.resolve().name}-unfinished")
    shutil.rmtree(made, ignore_errors=True)
    try:
        _fill(made, args, settings, task)
        if args.folder.exists():
            args.folder.rmdir()
        made.rename(args.folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    Console(stderr=True).print(
        f"{args.folder} is made. Edit study.toml and analysis.toml in it, before anybody takes part.",
        soft_wrap=True,
    )
    return args.folder


def _fill(folder: Path, args: InitStudy, settings: str, task: TrajectoryTask) -> None:
    folder.mkdir(parents=True)
    (folder / PLAN).write_text(default_plan(), "utf-8")
    for name in ("instruments", "plugins", "locales"):
        (folder / name).mkdir()
    stimuli = make_task_stimuli(task, args.items, folder / "stimuli", np.random.default_rng(args.seed))
    shown = write_manifest([stimuli], folder / "stimuli")
    # By default nobody answers before a clip was seen whole: such answers count against people.
    lasts = (decode_animation(shown.body(name) or b"") for name in stimuli.items)
    (folder / SETTINGS).write_text(_watched(settings, max((len(poses) - 1) / fps for fps, poses in lasts)), "utf-8")
    open_study(folder).close()


def _watched(settings: str, seconds: float) -> str:
    """Put in how long each clip is seen before an answer is taken, s."""
    return settings.replace("@watch@", f"{seconds:.1f}")


def _settings(args: InitStudy) -> str:
    codes = {name: secrets.token_hex(4).upper() for name in ("completed", "screened_out", "withdrew", "failed")}
    url = "https://app.prolific.com/submissions/complete?cc={code}" if args.platform == "prolific" else ""
    values = {
        "name": _name(args.folder), "task": args.task, "trials": args.trials, "seed": args.seed, "url": url,
        "platform": args.platform, "database": args.database, "require_id": str(args.platform != "none").lower(),
        **codes,
    }  # fmt: skip
    text = TEMPLATE.read_text("utf-8")
    if args.feelings:
        text = about_feelings(text, args.feelings)
    for name, value in values.items():
        # The template is itself TOML: what is put in stands inside its quotes or instead of a number.
        text = text.replace(f"@{name}@", str(value).replace("\\", "\\\\").replace('"', '\\"'))
    return text


def about_feelings(template: str, feelings: Sequence[str]) -> str:
    """Turn the template of a study of likeness into one of preferences, with a block for each feeling.

    Raises:
        ConfigError: a feeling is not known, or comes twice.
    """
    if unknown := [name for name in feelings if name not in LABELS]:
        raise ConfigError(f"--feelings {unknown[0]} came; allowed are {', '.join(LABELS)}")
    if len(set(feelings)) < len(feelings):
        raise ConfigError(f"--feelings {' '.join(feelings)} came; name each once")
    before, _, rest = template.partition("[[blocks]]\n")
    _, mark, words = rest.partition("# The words of the study;")
    blocks = "\n".join(_BLOCK.format(name=name) for name in feelings)
    words = words[: words.index("[texts.en.prompts]")]
    for old, new in _WORDS:
        words, before = words.replace(old, new), before.replace(old, new)
    prompts = "\n".join(f'{name} = "You feel {_felt(name)}. What should the dog do?"' for name in feelings)
    instructions = "\n".join(
        f'{name} = ["Imagine that you feel {_felt(name)}, and the dog comes up to you."]' for name in feelings
    )
    return f"{before}{blocks}\n{mark}{words}[texts.en.prompts]\n{prompts}\n\n[texts.en.blocks]\n{instructions}\n"


def _felt(label: str) -> str:
    """The label as it stands behind "you feel"."""
    return "disgusted" if label == "disgust" else label


_BLOCK = """\
[[blocks]]
name = "{name}"                 # the feeling that its answers are about
task = "@task@"
kind = "preference"
trials = @trials@
min_watch_s = @watch@
repeat_share = 0.10
golden_share = 0.0
shared_share = 0.0
break_s = 10.0
"""
_WORDS = (
    ("trials = 4\nneeded = 3\n", "trials = 0                    # a liking has no right answer\nneeded = 0\n"),
    ("Which movements are alike?", "How should the dog move?"),
    ("Three movements play at once. Watch them, then choose the two that look most alike to you.",
     "Two movements play at once. Watch them, then choose the one that you would like better if you felt as it says."),
    ("say which of them look most alike", "say which of them you like better"),
    (" or wrong answers, apart from some obvious ones that show that the task is clear.", " or wrong answers."),
    (", and some had an obvious answer: this tells", ": this tells"),
    ("people see movements", "people would like a robot to move"),
)  # fmt: skip


def _name(folder: Path) -> str:
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in folder.resolve().name.lower()).strip("-")
    return kept[:40].strip("-") or "study-" + hashlib.sha256(str(folder).encode()).hexdigest()[:6]
