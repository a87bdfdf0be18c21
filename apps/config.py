"""What a session is made of, and its parts made accordingly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from apps.ear import StreamEar
from control.dog import ClockedLegs, Legs
from perception.speech.model import SpeechEmotionModel
from perception.speech.speaker import Speaker
from perception.speech.stream import SpeechStream
from policies.behaviour import BehaviourSelector, BehaviourTable, default_table
from policies.locomotion.actor import load_policy
from policies.locomotion.controller import LearnedLegs
from policies.taste.applied import Manner, apply_taste
from policies.taste.taste import Taste
from robots.quadruped import QuadrupedSpec


@dataclass(frozen=True)
class SessionConfig:
    """What a session is made of.

    `person` is where the person stands, (x, y) in m; the dog starts at the origin, looking about their way. `live` puts
    the ear in a thread of its own, which a page wants and a reproducible run must not have. `window` opens Bullet's own
    window. `weights` is a folder of speech weights instead of the shipped ones, `owner` the file of an enrolled voice,
    `table` another behaviour table, `policy` what to walk with: 'default' for the shipped one, 'none' for the clocked
    gait alone, or a folder. `taste` is the file of what somebody likes. A face is shown for `sight_memory_s` after its
    picture.
    """

    seed: int = 0
    person: tuple[float, float] = (2.0, 0.0)
    live: bool = False
    window: bool = False
    weights: Path | None = None
    owner: Path | None = None
    table: Path | None = None
    policy: str = "default"
    taste: Path | None = None
    get_up_after_s: float = 1.5
    max_sound_s: float = 600.0
    max_backlog_s: float = 1.0
    sight_memory_s: float = 1.5


def choose_legs(policy: str) -> Callable[[QuadrupedSpec], Legs]:
    """Legs that walk with a policy: see `SessionConfig.policy`.

    Raises:
        ValueError: there is no such policy.
    """
    actor = load_policy(policy)
    return ClockedLegs if actor is None else lambda spec: LearnedLegs(actor, spec)


def make_ear(config: SessionConfig) -> StreamEar:
    """The shipped network's ear, or that of other weights, which may know its owner.

    Raises:
        ValueError: weights or owner cannot be used.
    """
    model = SpeechEmotionModel.load(config.weights) if config.weights else SpeechEmotionModel.load()
    owner = Speaker.load(config.owner) if config.owner else None
    if owner is not None:
        model.check_speaker(owner)
    return StreamEar(SpeechStream(model, speaker=owner, learn=owner is not None), config.live)


def make_selector(config: SessionConfig, taste: Taste | Path | str | None = None) -> tuple[BehaviourSelector, Manner]:
    """What chooses behaviours, and what is laid over their gait; both as the owner likes it, where a taste is given.

    Raises:
        ValueError: table or taste cannot be used.
        OSError: their files cannot be read.
    """
    table = BehaviourTable.load(config.table) if config.table else default_table()
    taste = taste or config.taste
    if taste is None:
        return BehaviourSelector(table), Manner()
    changed = apply_taste(table, taste if isinstance(taste, Taste) else Taste.load(Path(taste)))
    return BehaviourSelector(changed.table), Manner(changed.styles, changed.told)
