"""Configuration of a session, and its parts made accordingly."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import tyro

from apps.ear import StreamEar
from control.dog import ClockedLegs, Legs
from perception.speech.model import SpeechEmotionModel
from perception.speech.speaker import Speaker
from perception.speech.stream import SpeechStream
from policies.behaviour import BehaviourSelector, BehaviourTable, default_table
from policies.locomotion.actor import load_policy
from policies.locomotion.controller import learned_legs
from policies.taste.applied import Manner, apply_taste
from policies.taste.taste import Taste
from robots.options import SeedOption
from robots.quadruped import QuadrupedSpec


@dataclass(frozen=True, kw_only=True)
class SessionOptions(SeedOption):
    """Options of whoever opens a session; the seed is where the dog starts and which foot is next."""

    weights: Path | None = None
    """Folder of speech weights instead of the shipped ones."""
    owner: Path | None = None
    """Your voice, as empaw enrol voice wrote it; the dog goes on learning it while it runs."""
    table: Path | None = None
    """Behaviour table instead of policies/behaviour.toml."""
    taste: Path | None = None
    """Your taste, as it was learnt from your answers; the dog moves accordingly, where it is sure enough."""
    scenario: Path | None = None
    """A scenario file, such as assets/scenarios/sad_on_the_sofa.toml: a furnished room with somebody in it, and the dog
    with a neck and a mouth that fetches."""
    policy: Annotated[str, tyro.conf.arg(aliases=["--gait"])] = "default"
    """Policy to walk with: 'default' is the shipped one, 'none' the clocked gait alone; or the folder of your own."""
    window: bool = False
    """Open PyBullet's own window as well (needs a display). Closing that window ends the program."""


@dataclass(frozen=True, kw_only=True)
class SessionConfig(SessionOptions):
    """Configuration of a session.

    `person` is where the person stands, (x, y) in m; the dog starts at the origin, looking about their way. `live` puts
    the ear in a thread of its own, which a page wants and a reproducible run must not have. A face is shown for
    `sight_memory_s` after its picture.
    """

    person: tuple[float, float] = (2.0, 0.0)
    live: bool = False
    get_up_after_s: float = 1.5
    max_sound_s: float = 600.0
    max_backlog_s: float = 1.0
    sight_memory_s: float = 1.5

    @classmethod
    def of(cls, options: SessionOptions, live: bool = False) -> SessionConfig:
        """Make the config that somebody chose."""
        return cls(live=live, **{item.name: getattr(options, item.name) for item in fields(SessionOptions)})


def choose_legs(policy: str) -> Callable[[QuadrupedSpec], Legs]:
    """Make legs that walk with a policy: see `SessionConfig.policy`.

    Raises:
        ValueError: there is no such policy.
    """
    return ClockedLegs if policy == "none" else learned_legs(policy)


def fingerprint(config: SessionConfig, selector: BehaviourSelector, manner: Manner) -> str:
    """Tell by which policy, table and taste a session moves: sessions of the same one move alike."""
    actor = load_policy(config.policy)
    behaviour = hashlib.sha256(repr((selector.table, sorted(map(repr, manner.styles.items())))).encode()).hexdigest()
    return f"{'none' if actor is None else actor.fingerprint}-{behaviour[:16]}"


def make_ear(config: SessionConfig) -> StreamEar:
    """Make the ear of the shipped network, or of other weights; it may know its owner.

    Raises:
        ValueError: weights or owner cannot be used.
    """
    model = SpeechEmotionModel.load(config.weights) if config.weights else SpeechEmotionModel.load()
    owner = Speaker.load(config.owner) if config.owner else None
    if owner is not None:
        model.check_speaker(owner)
    return StreamEar(SpeechStream(model, speaker=owner, learn=owner is not None), config.live)


def make_selector(config: SessionConfig, taste: Taste | Path | str | None = None) -> tuple[BehaviourSelector, Manner]:
    """Make what chooses behaviours and what is laid over their gait, as the owner likes them where a taste is given.

    Raises:
        ValueError: table or taste cannot be used.
        OSError: their files cannot be read.
    """
    table = BehaviourTable.load(config.table) if config.table else default_table()
    taste = taste or config.taste
    if taste is None:
        return BehaviourSelector(table), Manner()
    changed = apply_taste(table, taste if isinstance(taste, Taste) else Taste.load(Path(taste)))
    return BehaviourSelector(changed.table), Manner(changed.styles, changed.caption)
