"""Studies drawn from the choice model itself: what people of known truth would answer, in the analysis's own form."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq

from policies.taste.choice import Person, Population, choice_probabilities, draw_person, pair_distances
from policies.taste.queries import CANNOT_TELL, PAIRS

if TYPE_CHECKING:
    import pandas as pd

BLOCKS = ("first", "second")
_PURPOSES = ("golden", "shared", "random", "repeat")
_CONCENTRATION = 6.0
"""Of the Dirichlet distribution of people's weights: all see all features, each a little more of some."""
_WATCH_MS = 2000.0


@dataclass(frozen=True)
class StudyDesign:
    """A study within people: two blocks of triplets, of which every person sees some in common.

    Attributes:
        people: who complete it.
        trials: comparisons in each block.
        items: animations.
        features: by which they are compared, uniform on [0, 1].
        golden_share: obvious triplets, where one pair is ten times nearer than the next.
        repeat_share: exact repeats in other positions.
        shared_share: triplets that all people see.
        inattentive: share of people who click through.
        population: what people are drawn from.
    """

    people: int = 40
    trials: int = 40
    items: int = 60
    features: int = 4
    golden_share: float = 0.05
    repeat_share: float = 0.10
    shared_share: float = 0.20
    inattentive: float = 0.05
    population: Population = field(default_factory=Population)

    def __post_init__(self) -> None:
        shares = (self.golden_share, self.repeat_share, self.shared_share, self.inattentive)
        if min(self.people, self.features) < 1 or self.trials < 4 or self.items < 10:
            raise ValueError(
                f"{self.people} people, {self.trials} trials, {self.items} items and {self.features} features came; "
                "at least 1, 4, 10 and 1 are needed"
            )
        if min(shares) < 0 or max(shares) > 1 or sum(shares[:3]) > 1:
            raise ValueError(f"shares {shares} came; each is 0 to 1, and those of trials sum to 1 at most")


def draw_study(design: StudyDesign, effect: float, rng: np.random.Generator) -> pd.DataFrame:
    """Rows as `evaluation.study.tables.trials` gives them, with `predicted` by the features equally weighted.

    Args:
        design: of the study.
        effect: in the second block people's temperature is exp(-effect) times as high; 0: the blocks are alike.
        rng: draws items, people and answers.
    """
    features = rng.random((design.items, design.features))
    shared = [_triplets(design, round(design.shared_share * design.trials), rng) for _ in BLOCKS]
    golden = _obvious(features, rng)
    parts = []
    for number in range(design.people):
        person = draw_person(design.population, rng)
        if rng.random() < design.inattentive:
            person = replace(person, lapse=0.95, cannot_tell=0.0, seconds_median=0.6)  # clicks through
        weights = design.features * rng.dirichlet(np.full(design.features, _CONCENTRATION))
        parts.append(_one_person(design, effect, person, features * np.sqrt(weights), shared, golden, number, rng))
    drawn = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return _as_rows(drawn, features, design.trials)


def _triplets(design: StudyDesign, n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.permuted(np.tile(np.arange(design.items), (n, 1)), axis=1)[:, :3]


def _obvious(features: np.ndarray, rng: np.random.Generator, most: int = 12) -> np.ndarray:
    """(G, 3) triplets in which one pair stands out, the clearest of many."""
    some = rng.permuted(np.tile(np.arange(len(features)), (2000, 1)), axis=1)[:, :3]
    distances = np.sort(pair_distances(features, some), axis=1)
    return np.asarray(some[np.argsort(distances[:, 0] - distances[:, 1])[:most]])


def _one_person(
    design: StudyDesign,
    effect: float,
    person: Person,
    positions: np.ndarray,
    shared: list[np.ndarray],
    golden: np.ndarray,
    number: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Draw one person's answers, in the order of their blocks; an array for each column."""
    parts = []
    for place, block in enumerate((0, 1) if number % 2 == 0 else (1, 0)):
        items, repeat_of, purpose, obvious = _asked(design, shared[block], golden, rng)
        calm = replace(person, temperature=person.temperature * float(np.exp(-effect * block)))
        answered = place * design.trials + np.arange(design.trials)
        apart = pair_distances(positions, items)
        likely = choice_probabilities(apart, calm, answered)
        drawn = (rng.random((len(items), 1)) >= likely.cumsum(axis=1)).sum(axis=1)
        thinking = 1e3 * person.seconds_median * np.exp(person.seconds_sigma * rng.standard_normal(len(items)))
        parts.append(
            {
                "person": np.full(len(items), number),
                "block": np.full(len(items), block),
                "items": items,
                "choice": np.where(drawn >= len(PAIRS), CANNOT_TELL, drawn),
                "repeat_of": repeat_of,
                "purpose": purpose,
                "obvious": obvious,
                "since_all_seen": thinking,
                "sure": likely[:, :3].max(axis=1),
                "order": answered,
            }
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _as_rows(drawn: dict[str, np.ndarray], features: np.ndarray, trials: int) -> pd.DataFrame:
    """The table of all answers; the same triplet has one name, whatever the order of its items."""
    import pandas as pd

    names = np.array([f"{i:03d}" for i in range(len(features))])
    place = drawn["order"] % trials
    block = np.array(BLOCKS)[drawn["block"]]
    trial_ids = [f"{name}.{k:03d}" for name, k in zip(block, place, strict=True)]
    again = [f"{name}.{k:03d}" if k >= 0 else None for name, k in zip(block, drawn["repeat_of"], strict=True)]
    order = np.argsort(drawn["items"], axis=1)
    ordered = np.take_along_axis(drawn["items"], order, axis=1)
    # Where the pair that was chosen stands among the sorted items: what is left out tells which pair it is.
    nearest = pair_distances(features, drawn["items"]).argmin(axis=1)
    left_out = np.array([2, 1, 0])[drawn["choice"]]
    rank = np.argsort(order, axis=1)[np.arange(len(order)), left_out]
    return pd.DataFrame(
        {
            "participant": [f"p{number:04d}" for number in drawn["person"]],
            "block": block,
            "trial_id": trial_ids,
            "shown": list(map(tuple, names[drawn["items"]].tolist())),
            "triplet": ["|".join(row) for row in names[ordered].tolist()],
            "choice": drawn["choice"],
            "alike": np.where(drawn["choice"] == CANNOT_TELL, CANNOT_TELL, 2 - rank),
            "predicted": pair_distances(features, ordered).argmin(axis=1),
            "purpose": np.array(_PURPOSES)[drawn["purpose"]],
            "repeat_of": again,
            "golden_choice": np.where(drawn["obvious"], nearest, np.nan),
            "rt": _WATCH_MS + drawn["since_all_seen"],
            "since_all_seen": drawn["since_all_seen"],
            "confidence": 1.0 + np.digitize(drawn["sure"], [0.45, 0.6, 0.75, 0.9]),
            "order": drawn["order"],
            "seq": np.arange(len(block)),
        }
    )


def _asked(
    design: StudyDesign, shared: np.ndarray, golden: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Items (T, 3) of a block, which trial each repeats or -1, places in `_PURPOSES`, and which are obvious."""
    n_golden, n_repeat = (round(share * design.trials) for share in (design.golden_share, design.repeat_share))
    n_repeat = min(n_repeat, design.trials // 2)
    fresh = _triplets(design, max(design.trials - n_golden - n_repeat - len(shared), 0), rng)
    known = golden[rng.integers(len(golden), size=n_golden)]
    first = np.concatenate([known, shared, fresh])[: design.trials - n_repeat]
    dealt = rng.permutation(len(first))
    again = rng.choice(len(first) // 2, n_repeat, replace=False)
    items = np.concatenate([first[dealt], first[dealt][again]])
    # The first of those dealt are obvious, then come the shared ones; a repeat is a repeat.
    purpose = np.concatenate(
        [(dealt >= n_golden).astype(int) + (dealt >= n_golden + len(shared)), np.full(n_repeat, 3)]
    )
    obvious = np.concatenate([dealt < n_golden, (dealt < n_golden)[again]])
    repeat_of = np.concatenate([np.full(len(first), -1), again])
    return rng.permuted(items, axis=1), repeat_of, purpose, obvious


def planted_difference(design: StudyDesign, effect: float, seed: int = 0, people: int = 2000) -> float:
    """Expected difference of the share of predicted answers, second block less first, over attentive people.

    The same random numbers serve every effect, so that it is a smooth function of it.
    """
    rng = np.random.default_rng(seed)
    features = rng.random((400, design.features))
    total = 0.0
    for _ in range(people):
        person = draw_person(design.population, rng)
        weights = design.features * rng.dirichlet(np.full(design.features, _CONCENTRATION))
        items = rng.integers(400, size=(design.trials, 3))
        answered = rng.integers(2 * design.trials, size=design.trials)
        predicted = pair_distances(features, items).argmin(axis=1)
        apart = pair_distances(features * np.sqrt(weights), items)
        shares = []
        for size in (0.0, effect):
            calm = replace(person, temperature=person.temperature * float(np.exp(-size)))
            likely = choice_probabilities(apart, calm, answered)
            right = likely[np.arange(len(items)), predicted]
            shares.append(right.sum() / likely[:, : len(PAIRS)].sum())
        total += shares[1] - shares[0]
    return total / people


def effect_for(design: StudyDesign, difference: float, seed: int = 0) -> float:
    """Find the effect on log temperature that moves the share of predicted answers by `difference`.

    Raises:
        ValueError: no consistency of people makes so much of a difference.
    """
    if difference == 0:
        return 0.0
    try:
        found = brentq(lambda size: planted_difference(design, size, seed, 400) - difference, -4, 6, xtol=1e-3)
    except ValueError:
        low, high = (planted_difference(design, size, seed, 400) for size in (-4, 6))
        raise ValueError(
            f"a difference of {difference} came; with these people {low:.3f} to {high:.3f} can be reached"
        ) from None
    return float(found)
