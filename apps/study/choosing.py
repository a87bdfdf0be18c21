"""Let adaptive policies choose outside the writer's thread; a policy that fails costs nobody the session."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from apps.study.active import ActivePolicy
from apps.study.config import ConfigError, StudyConfig
from apps.study.errors import StorageAwayError
from apps.study.policies import POLICIES, Asked, QueryPolicy, RandomPolicy
from apps.study.schedule import SIZES, Walk
from apps.study.stimuli import TaskStimuli, load_descriptors
from apps.study.storage import Known, Standing, Storage

_LOG = logging.getLogger(__name__)
_TURNS = 5
ACTIVE: dict[str, QueryPolicy] = {"disagreement": ActivePolicy("disagreement"), "arr": ActivePolicy("arr")}


def find_policy(name: str, more: Mapping[str, QueryPolicy]) -> QueryPolicy:
    """Find a policy by its name in study.toml, or by `module:name` of what makes one without arguments.

    Raises:
        ConfigError: there is none.
    """
    if name in more:
        return more[name]
    if name in POLICIES:
        return POLICIES[name]
    if name in ACTIVE:
        return ACTIVE[name]
    module, _, attribute = name.partition(":")
    try:
        made: QueryPolicy = getattr(importlib.import_module(module), attribute)()
    except (ImportError, AttributeError, ValueError, TypeError) as problem:
        there = ", ".join([*POLICIES, *ACTIVE, *more])
        raise ConfigError(f"policy {name!r} came; there are {there}, or module:name of a class: {problem}") from problem
    return made


def all_policies(config: StudyConfig, more: Mapping[str, QueryPolicy]) -> dict[str, QueryPolicy]:
    """Find every policy that a study names.

    Raises:
        ConfigError: one cannot be found.
    """
    names = [block.policy for block in config.blocks] + list(config.condition_policies.values())
    found = {name: find_policy(name, more) for name in dict.fromkeys(names)}
    for policy in found.values():
        if isinstance(policy, ActivePolicy):
            policy.prepare()
    return found


class Chooser:
    """Brings a person's standing to a step that can be shown."""

    def __init__(self, storage: Storage, more: Mapping[str, QueryPolicy]) -> None:
        self._storage, self._more = storage, more
        self._policies = {**more, **all_policies(storage.config, more)}
        self._described: dict[str, np.ndarray] = {}

    async def current(self, known: Known, returning: bool = False) -> dict[str, Any]:
        """Tell the step on the person's screen; `returning` people may be led back to the instructions."""
        storage = self._storage
        for _ in range(_TURNS):
            standing = await asyncio.to_thread(storage.look, known)
            walk = standing.walk
            if returning and storage.is_long_ago(walk):
                await asyncio.wrap_future(storage.go_on(known))
            elif walk.needs_choice:
                items, details = await asyncio.to_thread(self._choose, standing)
                await asyncio.wrap_future(storage.choose(known, walk.seq, items, details))
            else:
                return storage.step(known, standing)
        raise StorageAwayError("too much happens at once: try again")

    def _descriptors(self, task: str) -> np.ndarray:
        if task not in self._described:
            self._described[task] = load_descriptors(self._storage.stimuli, task)
        return self._described[task]

    def _choose(self, standing: Standing) -> tuple[tuple[str, ...], dict[str, Any]]:
        walk = standing.walk
        written = next(block for block in walk.config.blocks if block.name == walk.slot.block)
        block = walk.config.block_for(written, standing.condition)
        stimuli = self._storage.stimuli.tasks[block.task]
        answers = tuple(given for given in walk.given if walk.plan[given.slot].block == block.name)
        asked = Asked(block, stimuli, answers, self._descriptors(block.task))
        name = block.policy
        rng = np.random.default_rng([walk.config.seed, standing.seed, walk.index])
        try:
            policy = self._policies.get(name) or find_policy(name, self._more)
            return _checked(policy.choose(asked, rng), walk, stimuli), {"policy": name}
        except Exception as problem:  # a lab's own code may raise anything; the person in front of the screen goes on
            _LOG.exception("policy %r failed; a random comparison is shown instead", name)
            items = RandomPolicy().choose(asked, rng)
            return items, {"policy": "random", "policy_error": f"{type(problem).__name__}: {problem}"[:200]}


def _checked(items: tuple[str, ...], walk: Walk, stimuli: TaskStimuli) -> tuple[str, ...]:
    n = SIZES[walk.slot.kind]
    kept = tuple(map(str, items))
    if len(kept) != n or len(set(kept)) != n or not set(kept) <= set(stimuli.items):
        raise ValueError(f"{kept} came; {n} different ids of {stimuli.task!r} are needed")
    return kept
