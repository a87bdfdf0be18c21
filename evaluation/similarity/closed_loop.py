"""The loop closed: a simulated owner answers, the dog's style changes, and the owner judges what it shows.

An answer is one reply to "which of these two do you like better, when you feel so?", about two clips of the library.
The answers are spread evenly over the eight feelings (`spread = "all"`), or all about one feeling (`"one"`). After them
every feeling has a style, and that style is walked by the gait engine, in the gait of the behaviour table and in
circumstances that no clip of the library has; its true reward counts, not what was foretold of it. The share is the
gain over the table's default as a part of what could be gained:

    share = sum (reward of what is shown - reward of the default) / sum (best reward - reward of the default)

over owners and feelings, and best is the best of all that was walked for that owner and feeling: the optimum under the
true features, the best clips of the library, and whatever any method showed, all inside the trusted box.

Owners are not people. They are linear in the true features with weights drawn at random (`draw_owner`), half of whose
variance their feelings share, and answer with the temperatures and lapses of `policies.taste.choice.Population`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from evaluation.similarity.closed_loop_clips import clip_world, table_problem
from evaluation.similarity.closed_loop_learned import similarity_embedding
from evaluation.similarity.closed_loop_methods import LinearTaste, Method, RandomSearch, StyleProblem
from evaluation.similarity.closed_loop_world import FEELINGS, Interview, Owner, StyleWorld, draw_owner, turns
from evaluation.statistics import Interval, cluster_bootstrap
from policies.taste.optimiser import StyleLibrary, StyleMap, best_style, trusted
from policies.taste.priors import emotion_prior, proposed_styles
from robots.options import ParallelOptions
from robots.parallel import in_order

Spread = Literal["all", "one"]
OURS = "ours"
_TEST, _VALIDATION = 1, 2
_PRIOR_STRENGTH = 1.5
_BEST_CLIPS = 2


@dataclass(frozen=True)
class ClosedLoopOptions(ParallelOptions):
    """How owners are simulated and asked."""

    owners: int = 24
    """Simulated owners; none of them answered before."""
    answers: tuple[int, ...] = (0, 10, 30, 100)
    """How many answers each of them gives."""
    clips: int = 1200
    """Clips of the library that questions are about."""
    similarity_answers: int = 600
    """Similarity answers of ten other people that the embedding was learnt from."""
    sharing: float = 0.5
    """Share of the variance of an owner's weights that all feelings have in common."""
    spread: Spread = "all"
    """Answers about all feelings in turn, or all of them about one."""
    judged: int = 2
    """Feelings, drawn at random for each owner, whose behaviours are walked and judged."""
    radius: float = 0.5
    """How far a style may leave the table's default, as a share of each dimension's range."""
    validation: bool = False
    """Other owners, to choose settings on."""

    def check(self) -> None:
        """Refuse what would fail only after long work.

        Raises:
            ValueError: options out of range.
        """
        super().check()
        for name, (low, high) in {
            "owners": (2, 10_000),
            "judged": (1, FEELINGS),
            "similarity_answers": (20, 10**6),
        }.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} {getattr(self, name)} came; allowed are {low} to {high}")
        if not self.answers or min(self.answers) < 0:
            raise ValueError(f"answers {self.answers} came; name at least one number, 0 or more")
        if not (0 <= self.sharing <= 1 and 0 < self.radius <= 1):
            raise ValueError(f"sharing {self.sharing}, radius {self.radius} came; both are shares, the radius above 0")


class Shown(NamedTuple):
    """Styles (J, 12) that one method shows one owner for some feelings, after `answers` that took `seconds`."""

    method: str
    owner: int
    answers: int
    seconds: float
    styles: np.ndarray


class Case(NamedTuple):
    """One owner and the feelings (J,) that are judged."""

    number: int
    owner: Owner
    feelings: tuple[int, ...]


Methods = Callable[[StyleProblem, ClosedLoopOptions], list[Method]]


def loop_methods(problem: StyleProblem, options: ClosedLoopOptions) -> list[Method]:
    """Ours, and what stands beside it: random search, the emotion table, raw descriptors, and the true features."""
    world = problem.world
    rng = np.random.default_rng([options.seed, 31])
    return [
        *only_ours(problem, options),
        LinearTaste.on("raw descriptors", problem, world.descriptors, rng),
        LinearTaste.on("true features", problem, world.features, rng),
        _halved(problem, options, rng),
        table_prior("emotion-table prior", problem, rng),
        RandomSearch("random search", problem),
    ]


def only_ours(problem: StyleProblem, options: ClosedLoopOptions) -> list[Method]:
    """Ours alone."""
    embedded = similarity_embedding(problem.world, options.similarity_answers, options.seed)
    return [LinearTaste.on(OURS, problem, embedded, np.random.default_rng([options.seed, 29]))]


def _halved(problem: StyleProblem, options: ClosedLoopOptions, rng: np.random.Generator) -> LinearTaste:
    """Ours, with an embedding learnt from half as many similarity answers: how much hangs on them."""
    half = options.similarity_answers // 2
    found = similarity_embedding(problem.world, half, options.seed)
    return LinearTaste.on(f"ours, {half} similarity answers", problem, found, rng)


def table_prior(name: str, problem: StyleProblem, rng: np.random.Generator) -> LinearTaste:
    """LGPL without a language model (arXiv 2502.03717): believe the emotion table first, refine on the styles."""
    plain = LinearTaste.on(name, problem, problem.world.styles, rng)
    foretold = {
        label: plain.style_map.predict(style.vector(), int(problem.gaits[feeling]))[0]
        for feeling, (label, style) in enumerate(proposed_styles().items())
    }
    return replace(plain, mean=emotion_prior(foretold, plain.embeddings.mean(axis=0), _PRIOR_STRENGTH))


def run(options: ClosedLoopOptions | None = None) -> list[dict[str, Any]]:
    """Ask every owner by every method, walk what is shown, and return a row for each method and number of answers.

    The last rows are of ours with all answers about one feeling, which is judged alone.

    Raises:
        ValueError: options out of range.
    """
    options = options or ClosedLoopOptions()
    options.check()  # before the clips are walked, which takes minutes
    world = clip_world(options.clips, options.workers, options.engine)
    rows = run_methods(options, loop_methods, world)
    return rows + (run_methods(replace(options, spread="one"), only_ours, world) if options.spread == "all" else [])


def run_methods(options: ClosedLoopOptions, methods: Methods, world: StyleWorld) -> list[dict[str, Any]]:
    """`run`, with other methods or in another world."""
    options.check()
    options = replace(options, answers=tuple(sorted(set(options.answers))))
    problem = table_problem(world, options.radius)
    made = methods(problem, options)
    cases = _cases(options, world.features.shape[1])
    asked = [(made, case, options) for case in cases]
    shown = [one for several in in_order(_teach, asked, options.workers, options.engine) for one in several]
    return _rows(options, _judge(problem, cases, shown, options.seed))


def _cases(options: ClosedLoopOptions, features: int) -> list[Case]:
    cases = []
    for index in range(options.owners):
        rng = np.random.default_rng([options.seed, _VALIDATION if options.validation else _TEST, index])
        owner = draw_owner(f"owner {index}", features, options.sharing, rng)
        drawn = rng.permutation(FEELINGS)[: 1 if options.spread == "one" else options.judged]
        cases.append(Case(index, owner, tuple(int(feeling) for feeling in drawn)))
    return cases


def _teach(work: tuple[Sequence[Method], Case, ClosedLoopOptions]) -> list[Shown]:
    methods, case, options = work
    found = []
    for number, method in enumerate(methods):
        rng = np.random.default_rng([options.seed, 7, case.number, number])
        order = list(case.feelings) if options.spread == "one" else [int(one) for one in rng.permutation(FEELINGS)]
        interview = Interview(case.owner, rng)
        for proposal in method.teach(interview, turns(max(options.answers), order), options.answers, rng):
            styles = np.stack([proposal.shown[feeling] for feeling in case.feelings])
            found.append(Shown(method.name, case.number, proposal.answers, proposal.seconds, styles))
    return found


class Judged(NamedTuple):
    """Gains in reward over the default, of the styles shown, and of the best known ones as `gaps`; (J,) by feeling."""

    shown: Shown
    gains: np.ndarray
    gaps: np.ndarray


def _judge(problem: StyleProblem, cases: Sequence[Case], shown: Sequence[Shown], seed: int) -> list[Judged]:
    """Walk every style once, and compare it with the default and the best."""
    foretold = StyleMap.fit(
        StyleLibrary(problem.world.styles, problem.world.features, problem.world.gaits), np.random.default_rng(seed)
    )
    wanted: dict[tuple[int, int], list[np.ndarray]] = {}
    for case in cases:
        for feeling in case.feelings:
            wanted[case.number, feeling] = [
                problem.defaults[feeling],
                *_best_styles(problem, foretold, case.owner, feeling, seed),
            ]
    for one in shown:
        for feeling, style in zip(cases[one.owner].feelings, one.styles, strict=True):
            wanted[one.owner, feeling].append(style)
    walked = _walk(problem.world, wanted, seed)
    judged = []
    for one in shown:
        case, gains, gaps = cases[one.owner], [], []
        for feeling, style in zip(case.feelings, one.styles, strict=True):
            rewards = {
                key: walked[key, feeling] @ case.owner.weights[feeling]
                for key in map(_key, wanted[case.number, feeling])
            }
            default = rewards[_key(problem.defaults[feeling])]
            gains.append(rewards[_key(style)] - default)
            gaps.append(max(rewards.values()) - default)
        judged.append(Judged(one, np.array(gains), np.array(gaps)))
    return judged


def _best_styles(problem: StyleProblem, foretold: StyleMap, owner: Owner, feeling: int, seed: int) -> list[np.ndarray]:
    """Styles in the trusted box that should be best for somebody whose weights are known."""
    weights, gait, default = owner.weights[feeling], int(problem.gaits[feeling]), problem.defaults[feeling]
    best = best_style(
        lambda styles: foretold.predict(styles, gait) @ weights, default, np.random.default_rng(seed), problem.radius
    )
    low, high = trusted(default, problem.radius)
    world = problem.world
    inside = np.flatnonzero(((world.styles >= low) & (world.styles <= high)).all(axis=1))
    order = inside[np.argsort(-(world.features[inside] @ weights))][:_BEST_CLIPS]
    return [best, *world.styles[order]]


def _key(style: np.ndarray) -> bytes:
    return np.round(style, 4).tobytes()


def _walk(
    world: StyleWorld, wanted: dict[tuple[int, int], list[np.ndarray]], seed: int
) -> dict[tuple[bytes, int], np.ndarray]:
    """(F,) true features of every style that is wanted for a feeling, by `_key` and feeling."""
    each = {(_key(style), feeling): style for (_, feeling), styles in wanted.items() for style in styles}
    styles = np.stack(list(each.values()))
    feelings = np.array([feeling for _, feeling in each])
    return dict(zip(each, world.simulate(styles, feelings, seed + 1), strict=True))


def _share(rows: np.ndarray) -> float:
    return float(rows[:, 0].sum() / max(rows[:, 1].sum(), 1e-12))


def _rows(options: ClosedLoopOptions, judged: Sequence[Judged]) -> list[dict[str, Any]]:
    rows = []
    names = list(dict.fromkeys(one.shown.method for one in judged))
    for name in names:
        for place, answers in enumerate(options.answers):
            mine = [one for one in judged if one.shown.method == name][place :: len(options.answers)]
            pairs = np.concatenate([np.stack([one.gains, one.gaps], axis=1) for one in mine])
            owners = np.concatenate([np.full(len(one.gains), one.shown.owner) for one in mine])
            found = cluster_bootstrap(pairs, np.random.default_rng(options.seed), owners, _share)
            first = _gains(judged, names[0], place, len(options.answers))
            paired = np.column_stack([first - pairs[:, 0], pairs[:, 1]])
            behind = cluster_bootstrap(paired, np.random.default_rng(options.seed), owners, _share)
            rows.append(_row(options, name, answers, mine, found) | {f"behind_{names[0]}": behind.as_json()})
    return rows


def _gains(judged: Sequence[Judged], name: str, place: int, marks: int) -> np.ndarray:
    """(owners x J,) gains of one method after as many answers as the mark at `place` says."""
    return np.concatenate([one.gains for one in judged if one.shown.method == name][place::marks])


def _row(
    options: ClosedLoopOptions, name: str, answers: int, mine: Sequence[Judged], share: Interval
) -> dict[str, Any]:
    return {
        "task": "style",
        "method": name,
        "answers": answers,
        "answers_given": round(float(np.mean([one.shown.answers for one in mine])), 1),
        "seconds": round(float(np.mean([one.shown.seconds for one in mine])), 1),
        "spread": options.spread,
        "owners": options.owners,
        "sharing": options.sharing,
        "share_of_best": share.as_json(),
    }
