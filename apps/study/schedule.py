"""The order of a person's steps: a pure function of the settings, the person's seed and position, and the log.

`make_plan` lays out all steps; `Walk` goes through them event by event. The server keeps no other truth: after a crash
the same log gives the same walk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from apps.study.config import Block, Outcome, StudyConfig
from apps.study.stimuli import Golden, TaskStimuli
from policies.taste.queries import COMPARISONS, PAIRS

SIZES = {"triplet": 3, "preference": 2, "grid": 7}
REPEAT_GAP = 5


class Slot(NamedTuple):
    """One step of the plan.

    Attributes:
        number: of the block in this person's order, from 0; -1 outside blocks.
        items: ids left to right (grid: the reference first); empty where they are chosen when they are shown.
        golden: the right answer of an obvious triplet (index of PAIRS).
        repeat_of: trial that is repeated; `order` says which of its items stands where.
        round: of the practice, from 0.
    """

    trial_id: str
    kind: str
    phase: str = ""
    block: str = ""
    number: int = -1
    task: str = ""
    items: tuple[str, ...] = ()
    purpose: str = ""
    golden: int | None = None
    repeat_of: str = ""
    order: tuple[int, ...] = ()
    instrument: str = ""
    occasion: str = ""
    round: int = 0


class Given(NamedTuple):
    """An answer that counts: which slot, what stood there, what was chosen; `correct` of golden ones."""

    slot: int
    seq: int
    items: tuple[str, ...]
    choice: Any
    correct: bool | None


def balanced_latin_square(n: int) -> tuple[tuple[int, ...], ...]:
    """Orders in which each of `n` conditions stands equally often at each place and after each other one.

    Williams (1949): n orders for even n, 2 n (each also backwards) for odd n.
    """
    first = [0]
    for k in range(1, n):
        first.append((k + 1) // 2 if k % 2 else n - k // 2)
    rows = [tuple((x + shift) % n for x in first) for shift in range(n)]
    return tuple(rows if n % 2 == 0 else [order for row in rows for order in (row, row[::-1])])


def make_plan(
    config: StudyConfig,
    stimuli: Mapping[str, TaskStimuli],
    seed: int,
    position: int | None,
    condition: str = "",
) -> tuple[Slot, ...]:
    """Lay out all steps of a person; before the consent, when there is no position yet, the consent alone.

    Args:
        config: the settings that the person began under.
        stimuli: by task.
        seed: of the person; draws comparisons and their positions.
        position: place in the counterbalancing, from 0.
        condition: between people, or empty.
    """
    consent = Slot("consent", "consent")
    if position is None:
        return (consent,)
    rng = np.random.default_rng([config.seed, seed])
    asked = config.questionnaires
    slots = [consent, *_questionnaires(asked.before, "before")]
    slots += _practice(config, stimuli[config.practice_task], rng)
    orders = balanced_latin_square(len(config.blocks)) if config.counterbalance else (tuple(range(len(config.blocks))),)
    # All conditions get an order before the next one comes.
    turn = position // max(1, len(config.allocation.conditions))
    for number, index in enumerate(orders[turn % len(orders)]):
        block = config.block_for(config.blocks[index], condition)
        slots.append(Slot(f"{block.name}.instructions", "instructions", "main", block.name, number, block.task))
        shared = np.random.default_rng([config.seed, index, SIZES[block.kind]])
        slots += _block(block, number, stimuli[block.task], shared, rng)
        slots += _questionnaires(asked.after_block, block.name, block.name, number)
        if block.break_s > 0 and number < len(config.blocks) - 1:
            slots.append(Slot(f"{block.name}.break", "break", "main", block.name, number))
    return (*slots, *_questionnaires(asked.after, "after"), Slot("debrief", "debrief"))


def _questionnaires(names: tuple[str, ...], occasion: str, block: str = "", number: int = -1) -> list[Slot]:
    return [
        Slot(f"{occasion}.{name}", "questionnaire", "questionnaire", block, number, instrument=name, occasion=occasion)
        for name in names
    ]


def _practice(config: StudyConfig, stimuli: TaskStimuli, rng: np.random.Generator) -> list[Slot]:
    slots = [Slot("instructions", "instructions", task=stimuli.task)]
    practice = config.practice
    if practice.trials == 0 or not stimuli.practice:
        return slots
    for turn in range(practice.attempts):
        if turn:
            slots.append(Slot(f"instructions.{turn + 1}", "instructions", "practice", task=stimuli.task, round=turn))
        for k, golden in enumerate(_sample(stimuli.practice, practice.trials, rng)):
            items, _, right = _permuted(golden, rng)
            name = f"practice.{turn + 1}.{k + 1:02d}"
            slots.append(Slot(name, "triplet", "practice", "", -1, stimuli.task, items, "practice", right, round=turn))
    return slots


def _block(
    block: Block, number: int, stimuli: TaskStimuli, shared: np.random.Generator, rng: np.random.Generator
) -> list[Slot]:
    """The comparisons of a block; what all people see comes from `shared`, which knows nothing of the person."""
    purposes = _purposes(block, rng)
    common = [draw_items(stimuli.items, SIZES[block.kind], shared) for _ in range(purposes.count("shared"))]
    common = [common[i] for i in rng.permutation(len(common))]
    golden = _sample(stimuli.golden, purposes.count("golden"), rng)
    slots: list[Slot] = []
    for k, purpose in enumerate(purposes):
        slot = Slot(f"{block.name}.{k + 1:03d}", block.kind, "main", block.name, number, block.task, purpose=purpose)
        if purpose == "golden":
            items, _, right = _permuted(golden.pop(), rng)
            slot = slot._replace(items=items, golden=right)
        elif purpose == "shared":
            slot = slot._replace(items=_shuffled(common.pop(), block.kind, rng))
        elif purpose == "random":
            slot = slot._replace(items=draw_items(stimuli.items, SIZES[block.kind], rng))
        elif purpose == "repeat":
            slot = slot._replace(repeat_of=_repeatable(slots, k, rng), order=_other_order(block.kind, rng))
        slots.append(slot)
    return slots


def _purposes(block: Block, rng: np.random.Generator) -> list[str]:
    """Draw the purpose of each comparison of a block: shares are kept to the nearest whole number."""
    n = block.trials
    golden = round(block.golden_share * n) if block.kind == "triplet" else 0
    repeats = round(block.repeat_share * n) if n > REPEAT_GAP + 1 else 0
    shared = round(block.shared_share * n)
    free = max(0, n - golden - repeats - shared)
    drawn = free if block.policy == "random" else int(np.ceil(block.random_share * free))
    first = ["golden"] * golden + ["shared"] * shared + ["random"] * drawn + ["active"] * (free - drawn)
    order = [str(x) for x in rng.permutation(np.array(first, object))]
    # A repeat needs something to repeat that was seen some trials before.
    for place in sorted(rng.choice(np.arange(REPEAT_GAP + 1, n), repeats, replace=False) if repeats else []):
        order.insert(int(place), "repeat")
    return order[:n]


def _repeatable(slots: list[Slot], k: int, rng: np.random.Generator) -> str:
    used = {slot.repeat_of for slot in slots}
    early = [slot for slot in slots[: max(1, k - REPEAT_GAP)] if slot.purpose != "repeat"]
    fresh = [slot for slot in early if slot.purpose != "golden" and slot.trial_id not in used]
    candidates = fresh or early
    return candidates[int(rng.integers(len(candidates)))].trial_id


def _sample(golden: tuple[Golden, ...], n: int, rng: np.random.Generator) -> list[Golden]:
    """`n` of them, each once before any comes twice."""
    picked: list[Golden] = []
    while len(picked) < n and golden:
        picked += [golden[i] for i in rng.permutation(len(golden))]
    return picked[:n]


def _permuted(golden: Golden, rng: np.random.Generator) -> tuple[tuple[str, ...], tuple[int, ...], int]:
    order = tuple(map(int, rng.permutation(3)))
    alike = {golden.items[i] for i in PAIRS[golden.choice]}
    items = tuple(golden.items[i] for i in order)
    right = next(p for p, (i, j) in enumerate(PAIRS) if {items[i], items[j]} == alike)
    return items, order, right


def _shuffled(items: tuple[str, ...], kind: str, rng: np.random.Generator) -> tuple[str, ...]:
    fixed = 1 if kind == "grid" else 0
    rest = [items[fixed + int(i)] for i in rng.permutation(len(items) - fixed)]
    return (*items[:fixed], *rest)


def _other_order(kind: str, rng: np.random.Generator) -> tuple[int, ...]:
    """Another order than before; the reference of a grid keeps its place."""
    same = tuple(range(SIZES[kind]))
    fixed = 1 if kind == "grid" else 0
    while True:
        order = (*same[:fixed], *(fixed + int(i) for i in rng.permutation(len(same) - fixed)))
        if order != same:
            return order


def draw_items(items: tuple[str, ...], n: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Draw `n` different ones with equal chance."""
    return tuple(items[int(i)] for i in rng.choice(len(items), n, replace=False))


class Logged(NamedTuple):
    """One event as the walk needs it."""

    seq: int
    type: str
    t_server: int
    payload: Mapping[str, Any] | None


@dataclass(frozen=True)
class Walk:
    """Where a person stands.

    Attributes:
        index: of the slot that is shown.
        seq: of the last event that moved the person on.
        t_last: when that was, ms since 1970.
        given: answers to comparisons that count, in order.
        checks: questionnaires' attention items, answered as asked or not.
        chosen: items of the slot that is shown, when a policy chose them.
        again: the block's instructions are shown once more before the slot.
        undoable: the last answer may be taken back.
        outcome: set at the end.
    """

    config: StudyConfig
    plan: tuple[Slot, ...]
    index: int = 0
    seq: int = 0
    t_last: int = 0
    given: tuple[Given, ...] = ()
    checks: tuple[bool, ...] = ()
    chosen: tuple[str, ...] | None = None
    again: bool = False
    undoable: bool = False
    outcome: Outcome | None = None

    @property
    def slot(self) -> Slot:
        """The slot that is shown."""
        return self.plan[self.index]

    @property
    def needs_choice(self) -> bool:
        """Whether a policy has to choose before the slot can be shown."""
        return self.outcome is None and self.items == () and self.slot.kind in COMPARISONS

    @property
    def items(self) -> tuple[str, ...]:
        """Items in the slot; empty while a policy has to choose, or where nothing stands."""
        return self._items_of(self.slot) or self.chosen or ()

    @property
    def upcoming(self) -> tuple[str, ...]:
        """Items in the slot after this one, as far as they are known."""
        here = self.index if self.again else self.index + 1
        return self._items_of(self.plan[here]) if here < len(self.plan) else ()

    def _items_of(self, slot: Slot) -> tuple[str, ...]:
        if not slot.repeat_of:
            return slot.items
        before = next((g for g in self.given if self.plan[g.slot].trial_id == slot.repeat_of), None)
        return () if before is None else tuple(before.items[i] for i in slot.order)

    @property
    def golden(self) -> int | None:
        """The right answer where there is one; that of a repeated golden triplet follows its items."""
        slot = self.slot
        if not slot.repeat_of:
            return slot.golden
        before = next(g for g in self.given if self.plan[g.slot].trial_id == slot.repeat_of)
        right = self.plan[before.slot].golden
        if right is None:
            return None
        alike = {before.items[i] for i in PAIRS[right]}
        return next(p for p, (i, j) in enumerate(PAIRS) if {self.items[i], self.items[j]} == alike)

    @property
    def failed_attention(self) -> bool:
        """Whether too few of the obvious comparisons were answered right."""
        rule = self.config.attention
        right = [g.correct for g in self.given if self.plan[g.slot].phase == "main" and g.correct is not None]
        right += self.checks
        return rule.when != "never" and len(right) >= rule.minimum and sum(right) < rule.golden_needed * len(right)

    def after(self, event: Logged) -> Walk:
        """Follow one more event: where the person stands after it."""
        if event.type == "note":
            return self
        moved = replace(self, seq=event.seq, t_last=event.t_server)
        payload = event.payload or {}
        if event.type == "withdraw":
            return replace(moved, outcome="withdrew", undoable=False)
        if self.outcome is not None:
            return moved
        if event.type == "choose":
            return replace(moved, chosen=tuple(payload["trial"]["items"]))
        if event.type == "resume":
            return replace(moved, again=True, undoable=False)
        if event.type == "retract":
            return moved._back()
        return moved._answered(payload)

    def _back(self) -> Walk:
        last = self.given[-1]
        chosen = None if self.plan[last.slot].items or self.plan[last.slot].repeat_of else last.items
        return replace(self, index=last.slot, given=self.given[:-1], chosen=chosen, undoable=False, again=False)

    def _answered(self, payload: Mapping[str, Any]) -> Walk:
        if self.again:
            return replace(self, again=False)
        slot, data = self.slot, payload.get("data", {})
        if slot.kind == "consent" and data.get("agreed") is not True:
            return replace(self, outcome="withdrew")
        if slot.kind == "debrief":
            return replace(self, outcome="failed_attention" if self.failed_attention else "completed")
        moved = replace(self, chosen=None, undoable=False)
        if slot.kind in COMPARISONS:
            given = Given(self.index, self.seq, self.items, data.get("choice"), payload.get("correct"))
            moved = replace(moved, given=(*self.given, given), undoable=slot.phase == "main")
        if payload.get("attention") is not None:
            moved = replace(moved, checks=(*self.checks, bool(payload["attention"])))
        return moved._onwards()

    def _onwards(self) -> Walk:
        """Go to the next slot: past further rounds of a practice that was passed, to the end after one that was not."""
        slot, following = self.slot, self.index + 1
        if slot.phase == "practice" and slot.kind in COMPARISONS:
            after = next(i for i in range(following, len(self.plan)) if self.plan[i].phase != "practice")
            if self.plan[following].kind not in COMPARISONS or self.plan[following].phase != "practice":
                right = sum(bool(g.correct) for g in self.given if self._in_round(g, slot.round))
                if right >= self.config.practice.needed:
                    return replace(self, index=after)
                if following == after:
                    return replace(self, outcome="screened_out", undoable=False)
        elif slot.kind in COMPARISONS and self.plan[following].kind not in COMPARISONS and self._ends_early():
            return replace(self, index=len(self.plan) - 1)
        return replace(self, index=min(following, len(self.plan) - 1))

    def _in_round(self, given: Given, number: int) -> bool:
        slot = self.plan[given.slot]
        return slot.phase == "practice" and slot.round == number

    def _ends_early(self) -> bool:
        return self.config.attention.when == "block" and self.failed_attention
