"""From one person's answers in a study to the file that the running dog takes: `sim_gui.py --taste FILE`.

The study asks "which one do you like better?" about clips of the task 'style', in blocks of kind 'preference'. A block
that bears the name of a feeling ("sad") is about that feeling of the person.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from envs.trajectories.task import DEFAULT_CACHE
from perception.emotion import LABELS
from policies.taste.learn import learn_taste
from policies.taste.optimiser import StyleLibrary
from policies.taste.preferences import Preference, unit_size
from policies.taste.priors import table_gaits
from policies.taste.representation import DEFAULT_FOLDER, Representation
from policies.taste.taste import Taste
from robots.io import check_writable
from robots.options import SeedOption, WorkersOption

if TYPE_CHECKING:
    import pandas as pd

TASK = "style"


@dataclass(frozen=True)
class LearnTaste(WorkersOption, SeedOption):
    """Learn what one person likes from their answers in a study, for sim_gui.py --taste."""

    study: Path
    """Folder of the study: its clips are what the answers are about."""
    data: Path
    """Folder of its export, as user_study.py export wrote it."""
    out: Path
    """File to write; an older one is replaced."""
    participant: str = ""
    """Whose answers; may be left out where only one person answered."""
    owner: str = ""
    """Name that the page shows."""
    feeling: str = ""
    """The feeling that blocks are about which do not bear the name of one."""
    clips: int = 1200
    """Clips from which is learnt how a style looks; those that are not in --cache yet are walked (two minutes)."""
    cache: Path = DEFAULT_CACHE
    """Where such clips are kept."""
    representation: Path = DEFAULT_FOLDER
    """Folder of the embedding of clips; the shipped one when left out."""


def learn(args: LearnTaste) -> Taste:
    """Write the file of a person's taste, and return it.

    Raises:
        ValueError: a number out of its range, no such person, no answers that tell anything, or an embedding that does
            not fit.
        OSError: a file cannot be read or written.
    """
    from apps.study.stimuli import load_stimuli, load_trajectories
    from envs.trajectories.style_library import load_clips
    from envs.trajectories.style_measures import descriptors

    args.check_seed()
    args.check_workers()
    stimuli = load_stimuli(args.study / "stimuli")
    shown = load_trajectories(stimuli, TASK)
    preferences = preferences_of(_events(args.data), stimuli.tasks[TASK].items, args.participant, args.feeling)
    check_writable(str(args.out))  # after what costs nothing, before what costs minutes
    representation = Representation.load(args.representation)
    clips = load_clips(args.clips, folder=args.cache, workers=args.workers)
    # The clips of the study come first: they are what the answers name.
    embedded = representation.embed(descriptors(np.concatenate([shown.states, clips.states])))
    library = StyleLibrary(
        np.concatenate([shown.extras["style"], clips.extras["style"]]),
        unit_size(embedded),
        np.concatenate([shown.extras["gait"], clips.extras["gait"]]),
    )
    conditions = dict(zip(LABELS, table_gaits().tolist(), strict=True))
    taste = learn_taste(
        args.owner,
        preferences,
        library,
        conditions,
        np.random.default_rng(args.seed),
        representation=representation.fingerprint,
    )
    taste.save(args.out)
    return taste


def preferences_of(
    events: pd.DataFrame, items: tuple[str, ...], participant: str = "", feeling: str = ""
) -> list[Preference]:
    """Pick the answers out of an export's events that say which of two clips somebody liked better.

    Args:
        events: the table.
        items: ids of the clips, by which answers name them.
        participant: whose; may be empty where there is one only.
        feeling: what blocks are about that do not bear the name of a feeling.

    Raises:
        ValueError: there are none, of nobody, of several people, about no feeling, or about clips of another study.
    """
    rows = events[(events["trial_type"] == "preference") & (events["task"] == TASK) & ~events["undone"].astype(bool)]
    rows = rows[rows["choice"].isin([0, 1])]
    people = sorted(rows["participant"].unique())
    if participant and participant not in people:
        raise ValueError(f"participant {participant!r} came; {len(people)} people said what they like: {_some(people)}")
    if not participant and len(people) != 1:
        raise ValueError(f"{len(people)} people said what they like: name one with --participant, of {_some(people)}")
    place = {name: index for index, name in enumerate(items)}
    found = []
    for row in rows[rows["participant"] == (participant or people[0])].itertuples():
        about = row.block if row.block in LABELS else feeling
        if about not in LABELS:
            raise ValueError(
                f"block {row.block!r} is about no feeling: name its feeling with --feeling, one of {', '.join(LABELS)}"
            )
        if unknown := [name for name in row.items if name not in place]:
            raise ValueError(f"{unknown[0]} is no clip of this study: give the folder of the study that was answered")
        better, worse = (place[row.items[i]] for i in (int(row.choice), 1 - int(row.choice)))
        found.append(Preference(better, worse, about, row.participant))
    return found


def _events(folder: Path) -> pd.DataFrame:
    import pandas as pd

    path = folder / "events.parquet"
    if not path.is_file():
        raise ValueError(f"there is no {path}: make an export with user_study.py export STUDY --out {folder}")
    return pd.read_parquet(path)


def _some(people: list[str]) -> str:
    return ", ".join(people[:5]) + (", ..." if len(people) > 5 else "") or "nobody"
