"""Scripted participants of known truth: they look, compare, tire, lapse, change their mind, and now and then leave."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from apps.study.protocol import ID_OF
from policies.taste.choice import Person, Population, draw_person
from policies.taste.queries import COMPARISONS
from policies.taste.teachers import ScriptedTeacher

INATTENTIVE_LAPSE = 0.95
INATTENTIVE_SECONDS = 0.6
_CONCENTRATION = 6.0
"""Of the Dirichlet distribution of weights: most people see all features, each a little more of some."""
_LOADING = 0.7
"""How much of an item's spread the latent attitude explains, as a correlation: an alpha near .9 over ten items."""


@dataclass(frozen=True)
class Habits:
    """How often people do what a study must survive: probabilities per answer, but `withdraw`: per person."""

    undo: float = 0.02
    """Take the last answer back and give it again."""
    reload: float = 0.02
    """Reload the page."""
    duplicate: float = 0.03
    """Send an answer twice, as a page does whose network swallowed the reply."""
    second_tab: float = 0.01
    """Answer an old step in a second tab."""
    withdraw: float = 0.03
    """Withdraw, somewhere on the way."""

    def check(self) -> None:
        """Refuse what is no probability.

        Raises:
            ValueError: a number outside 0 to 1.
        """
        for name, value in asdict(self).items():
            if not 0 <= value <= 1:
                raise ValueError(f"--habits.{name.replace('_', '-')} {value} came; allowed are 0 to 1")


@dataclass(frozen=True)
class Effect:
    """A planted effect: in one block people are more consistent, their temperature is exp(-size) times as high."""

    block: str = ""
    """Name of the block; empty plants nothing."""
    size: float = 0.0
    """Of the effect, in units of the logarithm of the temperature; below 0 they are less consistent there."""


class Stimuli(NamedTuple):
    """Stimuli of a task: ids, and the true features (N, F) in [0, 1] by which scripted people compare."""

    ids: tuple[str, ...]
    features: np.ndarray


@dataclass(frozen=True)
class Truth:
    """Ground truth of one scripted participant.

    Attributes:
        weights: by task, (F,) >= 0 with mean 1: what counts in their comparisons.
        reward: by block of preferences, (F,): what they like there; each block may be about another feeling.
        attitude: towards what they saw, standard normal over people; questionnaires follow it.
        leaves_after: answers after which they withdraw; None for those who stay.
    """

    number: int
    attentive: bool
    person: Person
    weights: Mapping[str, tuple[float, ...]]
    reward: Mapping[str, tuple[float, ...]]
    attitude: float
    leaves_after: int | None = None

    def as_row(self) -> dict[str, Any]:
        """Flat, as a table takes it."""
        row: dict[str, Any] = {"number": self.number, "attentive": self.attentive, **asdict(self.person)}
        row["position_bias"] = list(self.person.position_bias)
        for name, values in (("weights", self.weights), ("reward", self.reward)):
            row |= {f"{name}_{task}": list(value) for task, value in values.items()}
        return row | {"attitude": self.attitude, "leaves_after": self.leaves_after}


def draw_truth(
    number: int,
    seed: int,
    population: Population,
    features: Mapping[str, int],
    inattentive: float = 0.0,
    withdraw: float = 0.0,
    preferences: Mapping[str, str] | None = None,
) -> Truth:
    """Draw participant `number`; the same numbers give the same person, whoever else takes part.

    Args:
        number: counts participants, from 0.
        seed: of the simulation.
        population: what they are drawn from.
        features: how many features each task has.
        inattentive: share of people who click through.
        withdraw: share of people who leave.
        preferences: blocks of preferences, and the task of each.
    """
    rng = np.random.default_rng([seed, number, 0])
    person = draw_person(population, rng)
    attentive = bool(rng.random() >= inattentive)
    if not attentive:
        person = replace(person, lapse=INATTENTIVE_LAPSE, cannot_tell=0.0, seconds_median=INATTENTIVE_SECONDS)
    weights = {task: tuple((n * rng.dirichlet(np.full(n, _CONCENTRATION))).tolist()) for task, n in features.items()}
    attitude = float(rng.standard_normal())
    leaves = int(rng.integers(1, 40)) if rng.random() < withdraw else None
    liked = (preferences or {}).items()
    reward = {block: tuple(rng.standard_normal(features[task]).tolist()) for block, task in liked}
    return Truth(number, attentive, person, weights, reward, attitude, leaves)


def external_id(seed: int, number: int, platform: str | None) -> dict[str, Any]:
    """Name participant `number` as a platform does: by 24 hexadecimal digits, as Prolific's; empty without one."""
    digits = hashlib.sha256(f"scripted participant {seed}/{number}".encode()).hexdigest()[:24]
    names = ID_OF.get(platform or "")
    return {"platform": platform, "ids": {names[0]: digits}} if names else {}


@dataclass
class ScriptedParticipant:
    """Answers the steps of a study as its truth says.

    Args:
        truth: what is true of this person.
        stimuli: what each task shows.
        rng: draws what they do.
        effect: what is planted.
        reverse: items of each instrument that are worded the other way round.
        checks: by instrument, the item that asks for a certain answer, and that answer.
    """

    truth: Truth
    stimuli: Mapping[str, Stimuli]
    rng: np.random.Generator
    effect: Effect = field(default_factory=Effect)
    reverse: Mapping[str, frozenset[str]] = field(default_factory=dict)
    checks: Mapping[str, tuple[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._place = {task: {name: i for i, name in enumerate(stimuli.ids)} for task, stimuli in self.stimuli.items()}
        self._teachers = {
            task: ScriptedTeacher(stimuli.features, np.array(self.truth.weights[task]), self.truth.person, self.rng)
            for task, stimuli in self.stimuli.items()
        }

    def respond(self, step: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """Answer a step: the data, and the ms that it took.

        Raises:
            ValueError: it is a kind of step that no scripted participant knows.
        """
        kind = step["kind"]
        if kind in COMPARISONS:
            return self._compare(step)
        if kind == "questionnaire":
            return self._fill_in(step["instrument"])
        if kind == "consent":
            return {"agreed": True, "sha256": step["sha256"]}, self._ms(20.0)
        if kind == "break":
            return {}, 1e3 * float(step.get("minimum_s") or 0) + self._ms(2.0)
        if kind in ("instructions", "debrief"):
            return {}, self._ms(12.0)
        raise ValueError(f"a step of kind {kind!r} came; scripted participants know none of a lab's own kinds")

    def _compare(self, step: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        task = step["task"]
        teacher, place = self._teachers[task], self._place[task]
        teacher.person = self._person_in(step)
        items = [place[name] for name in step["items"]]
        sureness = 1.0
        choice: Any
        if step["kind"] == "triplet":
            likely = teacher.probabilities(np.array([items]))[0]
            choice, sureness = int(teacher.choose(np.array([items]))[0]), float(likely[:3].max())
            if choice < 0 and not step.get("allow_cannot_tell", True):
                choice = int(self.rng.integers(3))
        elif step["kind"] == "preference":
            choice = 0 if teacher.prefer(items[0], items[1], np.array(self.truth.reward[_block(step)])) else 1
            teacher.answered += 1
        else:
            choice = self._nearest(teacher, place[step["reference"]], items, int(step.get("choose", 2)))
            teacher.answered += 1
        return self._timed(step, choice, sureness)

    def _timed(self, step: Mapping[str, Any], choice: Any, sureness: float) -> tuple[dict[str, Any], float]:
        watched_ms = 1e3 * float(step.get("min_watch_s") or 0)
        thinking_ms = self._ms(self.truth.person.seconds_median)
        data: dict[str, Any] = {"choice": choice, "rt_ms": watched_ms + thinking_ms, "since_all_seen_ms": thinking_ms}
        data["replays"] = int(self.rng.poisson(0.2))
        data["watched_s"] = [(watched_ms + thinking_ms) / 1e3] * len(step["items"])
        data["confidence"] = None
        if step.get("ask_confidence"):
            data["confidence"] = int(np.clip(round(1 + 6 * (sureness - 1 / 3) + self.rng.normal(0, 0.7)), 1, 5))
        return data, watched_ms + thinking_ms

    def _person_in(self, step: Mapping[str, Any]) -> Person:
        """Who they are in this block: the planted effect makes them more consistent in one."""
        person = self.truth.person
        if self.effect.block and _block(step) == self.effect.block:
            person = replace(person, temperature=person.temperature * float(np.exp(-self.effect.size)))
        return person

    def _nearest(self, teacher: ScriptedTeacher, reference: int, items: list[int], choose: int) -> list[int]:
        """Places of the `choose` items nearest to a reference, drawn by a softmax without replacement (Gumbel)."""
        if self.rng.random() < teacher.person.lapse:
            return sorted(map(int, self.rng.choice(len(items), choose, replace=False)))
        apart = ((teacher.features[items] - teacher.features[reference]) ** 2) @ teacher.weights
        return sorted(
            map(int, np.argsort(apart / teacher.person.temperature - self.rng.gumbel(size=len(items)))[:choose])
        )

    def _fill_in(self, instrument: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        reverse = self.reverse.get(instrument["id"], frozenset())
        check, right = self.checks.get(instrument["id"], ("", 0.0))
        responses = {}
        for item in instrument["items"]:
            noise = self.rng.standard_normal()
            felt = _LOADING * self.truth.attitude + np.sqrt(1 - _LOADING**2) * noise
            felt = noise if not self.truth.attentive else -felt if item["id"] in reverse else felt
            responses[item["id"]] = _on_scale(item, float(felt))
            if item["id"] == check and self.truth.attentive:
                responses[check] = right
        return {"responses": responses, "rt_ms": (ms := self._ms(4.0 * len(responses)))}, ms

    def _ms(self, median_s: float) -> float:
        if not self.truth.attentive:
            median_s = min(median_s, INATTENTIVE_SECONDS)
        return float(1e3 * median_s * np.exp(self.truth.person.seconds_sigma * self.rng.standard_normal()))


def _block(step: Mapping[str, Any]) -> str:
    """The block of a comparison, after which its trial is named: "calm.012"."""
    return str(step["trial_id"]).rpartition(".")[0]


def _on_scale(item: Mapping[str, Any], felt: float) -> float:
    """A standard normal feeling on an item's scale: four deviations from end to end, in its steps."""
    low, high = float(item.get("low", 1)), float(item.get("high", item.get("points") or 5))
    step = float(item["step"] if item.get("step") is not None else 1)
    value = float(np.clip((low + high) / 2 + felt * (high - low) / 4, low, high))
    return value if step == 0 else low + step * round((value - low) / step)
