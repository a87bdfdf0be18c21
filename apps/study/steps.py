"""The step that is on a person's screen, as JSON, and what the log keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from apps.study.config import StudyConfig
from apps.study.instruments import Instrument
from apps.study.schedule import Slot, Walk
from policies.taste.queries import COMPARISONS

VERSION = 1
"""Version of the payloads in the log."""


@dataclass(frozen=True)
class Reader:
    """For whom a step is made: language, seed of the person, condition."""

    language: str
    seed: int
    condition: str


class StepHead(TypedDict):
    """Fields that every step has."""

    kind: str  # "consent", "triplet", "done" ...; or what a plugin of the lab is called
    trial_id: str
    expected_seq: int  # number of the event that answers it
    progress: dict[str, int]  # comparisons: done, of; block, blocks
    can_undo: bool
    language: str


class StepMessage(StepHead, total=False):
    """A step, with the fields of its kind."""

    title: str
    paragraphs: list[str]
    html_paragraphs: list[str]  # text, never HTML
    checkboxes: list[str]
    version: str  # of the consent's text
    sha256: str  # of the same
    again: bool  # instructions after failed practice
    query: str  # the kind of comparison that instructions are for
    instrument: dict[str, Any]
    occasion: str
    minimum_s: float  # of a break
    task: str
    items: list[str]  # ids of clips
    reference: str
    choose: int  # so many of them
    phase: str  # "practice" or "main"
    min_watch_s: float
    ask_confidence: bool
    allow_cannot_tell: bool
    prompt: str
    preload: list[str]  # ids of clips that come next
    outcome: str
    code: str
    url: str | None


def step_json(walk: Walk, reader: Reader, instruments: Mapping[str, Instrument]) -> dict[str, Any]:
    """Describe the step that is shown now."""
    slot = walk.slot
    common = {
        "trial_id": "done" if walk.outcome else slot.trial_id + (".again" if walk.again else ""),
        "expected_seq": walk.seq,
        "progress": progress(walk),
        "can_undo": walk.undoable and walk.outcome is None,
        "language": reader.language if reader.language in walk.config.texts else walk.config.language,
    }
    if walk.outcome is not None:
        return {**common, "kind": "done", **_end(walk.config, walk.outcome)}
    kind = "instructions" if walk.again else slot.kind
    return {**common, "kind": kind, **_content(walk, slot, kind, reader, instruments)}


def progress(walk: Walk) -> dict[str, int]:
    """Count comparisons: done, of how many; which block, of how many."""
    done = sum(walk.plan[given.slot].phase == "main" for given in walk.given)
    blocks, slot = len(walk.config.blocks), walk.slot
    over = slot.kind == "debrief" or slot.occasion == "after"
    total = sum(block.trials for block in walk.config.blocks)
    return {"done": done, "of": total, "block": blocks if over else slot.number + 1, "blocks": blocks}


def shown(walk: Walk, reader: Reader, instruments: Mapping[str, Instrument]) -> dict[str, Any]:
    """Describe what is shown, for the log: all that an analysis needs, without the plan."""
    slot = walk.slot
    kept: dict[str, Any] = {
        "index": walk.index,
        "kind": "instructions" if walk.again else slot.kind,
        "phase": slot.phase,
        "block": slot.block,
        "block_number": slot.number,
        "language": reader.language,
        "condition": reader.condition,
    }
    if slot.kind in COMPARISONS and not walk.again:
        kept |= {"task": slot.task, "items": list(walk.items), "purpose": slot.purpose, "golden_choice": walk.golden,
                 "repeat_of": slot.repeat_of or None, "round": slot.round}  # fmt: skip
    if slot.kind == "questionnaire":
        instrument = instruments[slot.instrument]
        kept |= {"instrument": slot.instrument, "version": instrument.version, "sha256": instrument.sha256,
                 "occasion": slot.occasion,
                 "order": item_order(instrument, slot, reader)}  # fmt: skip
    return kept


def item_order(instrument: Instrument, slot: Slot, reader: Reader) -> list[str]:
    """Order of the items: the file's, or drawn for the person and the occasion."""
    names = [item.id for item in instrument.items]
    if not instrument.shuffle:
        return names
    rng = np.random.default_rng([reader.seed, *slot.trial_id.encode()])
    return [names[int(i)] for i in rng.permutation(len(names))]


def _content(
    walk: Walk, slot: Slot, kind: str, reader: Reader, instruments: Mapping[str, Instrument]
) -> dict[str, Any]:
    texts = walk.config.texts_in(reader.language)
    if kind == "consent":
        return {"version": texts.consent_version, "sha256": texts.consent_sha256,
                "html_paragraphs": list(texts.consent), "checkboxes": list(texts.checkboxes)}  # fmt: skip
    if kind == "instructions":
        own = texts.blocks.get(slot.block) if slot.block else texts.instructions
        return {"title": texts.instructions_title, "paragraphs": list(own or texts.instructions), "task": slot.task,
                "again": walk.again or slot.round > 0, "query": _query(walk),
                "preload": list(walk.upcoming)}  # fmt: skip
    if kind == "questionnaire":
        instrument = instruments[slot.instrument].in_language(reader.language)
        order = item_order(instrument, slot, reader)
        return {"instrument": instrument.as_json(order), "occasion": slot.occasion}
    if kind == "break":
        return {"minimum_s": _block(walk.config, slot).break_s}
    if kind == "debrief":
        return {"paragraphs": list(texts.debrief)}
    return _comparison(walk, slot, texts)


def _query(walk: Walk) -> str:
    """The kind of comparison that instructions are for: the next one."""
    return next((slot.kind for slot in walk.plan[walk.index :] if slot.kind in COMPARISONS), "")


def _comparison(walk: Walk, slot: Slot, texts: Any) -> dict[str, Any]:
    block = _block(walk.config, slot)
    step = {
        "task": slot.task,
        "items": list(walk.items),
        "phase": slot.phase,
        "min_watch_s": block.min_watch_s,
        "ask_confidence": block.ask_confidence and slot.phase == "main",
        "allow_cannot_tell": block.allow_cannot_tell,
        "prompt": texts.prompts.get(slot.block) or getattr(texts, slot.kind),
        "preload": list(walk.upcoming),
    }
    if slot.kind == "grid":
        step |= {"reference": walk.items[0], "items": list(walk.items[1:]), "choose": 2}
    return step


def _block(config: StudyConfig, slot: Slot) -> Any:
    return next((block for block in config.blocks if block.name == slot.block), config.blocks[0])


def _end(config: StudyConfig, outcome: str) -> dict[str, Any]:
    code = getattr(config.codes, outcome)
    url = config.recruitment.completion_url
    return {"outcome": outcome, "code": code, "url": url.replace("{code}", code) if url else None}
