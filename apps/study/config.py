"""The settings of a study: `study.toml` as frozen dataclasses, every value looked at before anyone is asked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from apps.study.instruments import Instrument, find_instrument
from policies.taste.queries import Comparison
from robots.settings import build, parse_toml

Outcome = Literal["completed", "screened_out", "withdrew", "failed_attention"]
Platform = Literal["none", "prolific", "mturk", "jatos"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
SETTINGS = "study.toml"
"""The file of the settings in a study's folder."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")
_CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OCCASIONS = ("before", "after", "practice")
"""No names of blocks: questionnaires and practice trials bear them."""


class ConfigError(ValueError):
    """A setting that cannot be used: what came, what is allowed, what to do."""


@dataclass(frozen=True)
class Recruitment:
    """Where people come from. `places`: people at most, 0 for as many as come."""

    platform: Platform = "none"
    require_id: bool = False
    places: int = 0
    completion_url: str = ""


@dataclass(frozen=True)
class Codes:
    """Completion codes that a person copies back to the platform at the end; one for each outcome."""

    completed: str = "COMPLETED"
    screened_out: str = "SCREENED"
    withdrew: str = "WITHDREW"
    failed_attention: str = "ATTENTION"


@dataclass(frozen=True)
class Practice:
    """Obvious triplets with feedback; after `attempts` rounds without `needed` right ones: screened out.

    `task` is the first block's where it is empty.
    """

    task: str = ""
    trials: int = 4
    needed: int = 3
    attempts: int = 2


@dataclass(frozen=True)
class Attention:
    """Share of golden triplets that must be right, judged from `minimum` of them on."""

    golden_needed: float = 0.6
    minimum: int = 4
    when: Literal["block", "end", "never"] = "end"


@dataclass(frozen=True)
class Allocation:
    """Conditions between people; 'equal' fills them in permuted groups, other rules are for pilots.

    These give the next person what brought most usable answers a minute so far, of people who finished; `prior_mean`
    is what is expected of each, and what has less than 1 / `floor` of the people comes next in any case.
    """

    conditions: tuple[str, ...] = ()
    rule: Literal["equal", "gittins", "thompson", "thompson-lognormal"] = "equal"
    prior_mean: float = 6.0
    floor: int = 5


@dataclass(frozen=True)
class Questionnaires:
    """Ids of instruments: before the practice, after each block, after the last."""

    before: tuple[str, ...] = ()
    after_block: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """Bounds against floods: new sessions a minute from one address, sessions in all, events of one person."""

    sessions_per_minute: int = 300
    sessions: int = 100_000
    events_per_person: int = 5_000


@dataclass(frozen=True)
class Block:
    """One block of comparisons of one task; blocks are counterbalanced over people.

    Attributes:
        policy: who chooses the comparisons: 'random', or a policy of `apps.study.policies.QueryPolicy`, by condition
            where `policies` of the study's conditions says so.
        random_share: of an adaptive policy's comparisons, those drawn at random nevertheless (an unbiased test set).
        repeat_share, golden_share, shared_share: of all comparisons, exact repeats with other positions, obvious
            ones, and ones that every person sees (agreement between people needs them).
        min_watch_s: seconds that each animation is seen before an answer is taken, s.
        break_s: length of the break after the block, s; 0 for none.
    """

    name: str
    task: str
    kind: Comparison = "triplet"
    trials: int = 40
    policy: str = "random"
    random_share: float = 0.15
    repeat_share: float = 0.10
    golden_share: float = 0.05
    shared_share: float = 0.20
    min_watch_s: float = 2.0
    ask_confidence: bool = True
    allow_cannot_tell: bool = True
    break_s: float = 20.0


@dataclass(frozen=True)
class Texts:
    """All that a person reads of the study itself, in one language.

    `blocks` are instructions by block's name, `prompts` questions that differ from the kind's: "Which should the dog do
    when you are sad?".
    """

    consent_version: str
    consent: tuple[str, ...]
    checkboxes: tuple[str, ...]
    instructions_title: str
    instructions: tuple[str, ...]
    triplet: str
    preference: str
    grid: str
    debrief: tuple[str, ...]
    blocks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)

    @property
    def consent_sha256(self) -> str:
        """The hash of what is agreed to: version, paragraphs, check boxes."""
        return sha256_of([self.consent_version, list(self.consent), list(self.checkboxes)])


@dataclass(frozen=True)
class StudyConfig:
    """A whole study. `database` is empty for `study.db` in the folder, or a URL such as postgresql+pg8000://..."""

    name: str
    title: str
    blocks: tuple[Block, ...]
    texts: dict[str, Texts]
    seed: int = 0
    language: str = "en"
    database: str = ""
    resume_after_minutes: float = 60.0
    backup_minutes: float = 10.0
    counterbalance: bool = True
    recruitment: Recruitment = Recruitment()
    codes: Codes = Codes()
    practice: Practice = Practice()
    attention: Attention = Attention()
    allocation: Allocation = Allocation()
    questionnaires: Questionnaires = Questionnaires()
    limits: Limits = Limits()
    condition_policies: dict[str, str] = field(default_factory=dict)
    condition_kinds: dict[str, Comparison] = field(default_factory=dict)

    @property
    def languages(self) -> tuple[str, ...]:
        """Those with texts, the default first."""
        return (self.language, *sorted(set(self.texts) - {self.language}))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks whose animations are shown, in the order of the blocks."""
        return tuple(dict.fromkeys([block.task for block in self.blocks] + [self.practice_task]))

    @property
    def practice_task(self) -> str:
        """The task of the practice."""
        return self.practice.task or self.blocks[0].task

    @property
    def instruments(self) -> tuple[str, ...]:
        """All that is asked, once each."""
        asked = self.questionnaires
        return tuple(dict.fromkeys([*asked.before, *asked.after_block, *asked.after]))

    def texts_in(self, language: str) -> Texts:
        """Find the texts in a language, or in the default one."""
        return self.texts.get(language, self.texts[self.language])

    def block_for(self, block: Block, condition: str) -> Block:
        """Make a block as people in a condition get it: of the kind, and chosen by the policy, of that condition."""
        policy = self.condition_policies.get(condition, block.policy)
        return replace(block, policy=policy, kind=self.condition_kinds.get(condition, block.kind))

    def as_json(self) -> dict[str, Any]:
        """Tell all settings as JSON takes them; without the database, whose address may hold a password."""
        settings: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        del settings["database"]
        return settings

    @property
    def sha256(self) -> str:
        """The hash of all settings."""
        return sha256_of(self.as_json())


def load_config(path: Path) -> StudyConfig:
    """Read and check `study.toml`.

    Raises:
        ConfigError: there is no such file, it is no TOML, or a setting cannot be used.
    """
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise ConfigError(f"cannot read {path}: {problem.strerror}. Make a study with: user_study.py init") from problem
    return parse_config(content, str(path))


def parse_config(content: str | bytes, where: str) -> StudyConfig:
    """Read and check the text of a `study.toml`.

    Raises:
        ConfigError: it is no TOML, or a setting cannot be used.
    """
    return config_from(parse_toml(content, where, ConfigError), where)


def config_from(raw: Mapping[str, Any], where: str = "study") -> StudyConfig:
    """Build and check settings from a mapping, as TOML or the database holds them.

    Raises:
        ConfigError: a setting is missing, unknown, of the wrong type or out of its range.
    """
    config = build(StudyConfig, raw, where, ConfigError)
    try:
        _check(config)
    except ConfigError as problem:
        raise ConfigError(f"{where}: {problem}") from problem
    return config


def load_instruments(config: StudyConfig, folder: Path) -> dict[str, Instrument]:
    """Find every instrument that is asked, and refuse those whose text is missing.

    Raises:
        InstrumentError: one is missing, cannot be used, or has no text.
    """
    found = {name: find_instrument(name, folder / "instruments") for name in config.instruments}
    for instrument in found.values():
        instrument.require_text()
    return found


def sha256_of(value: Any) -> str:
    """Hash a value's canonical JSON (SHA-256, hexadecimal)."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def canonical(value: Any) -> str:
    """JSON with sorted keys, ASCII only: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _check(config: StudyConfig) -> None:
    _check_ranges(config)
    _need(_NAME.fullmatch(config.name) is not None, "name", config.name, "1 to 40 of a-z, 0-9 and -")
    _need(len(config.blocks) > 0, "blocks", "none", "at least one [[blocks]]")
    names = [block.name for block in config.blocks]
    _need(len(set(names)) == len(names), "blocks", names, "names that differ")
    _need(not set(names) & set(_OCCASIONS), "blocks", names, f"other names than {', '.join(_OCCASIONS)}")
    for occasion, asked in asdict(config.questionnaires).items():
        _need(len(set(asked)) == len(asked), f"questionnaires.{occasion}", list(asked), "each instrument once")
    for language, texts in config.texts.items():
        _need(_LANGUAGE.fullmatch(language) is not None, "texts", language, "languages such as en or pt-BR")
        _need(len(texts.consent) > 0, f"texts.{language}.consent", "none", "at least one paragraph")
        version = texts.consent_version
        _need(0 < len(version) <= 80, f"texts.{language}.consent_version", version, "1 to 80 characters")
        unknown = (set(texts.blocks) | set(texts.prompts)) - set(names)
        _need(
            not unknown, f"texts.{language}.blocks and prompts", sorted(unknown), f"names of blocks: {', '.join(names)}"
        )
    _need(config.language in config.texts, "language", config.language, f"one with texts: {', '.join(config.texts)}")
    _check_codes(config)
    conditions = config.allocation.conditions
    _need(len(set(conditions)) == len(conditions), "allocation.conditions", conditions, "names that differ")
    fine = all(_CODE.fullmatch(name) for name in conditions)
    _need(fine, "allocation.conditions", conditions, "names of 1 to 64 letters, digits, _ and -")
    for name, by_condition in (("policies", config.condition_policies), ("kinds", config.condition_kinds)):
        unknown = set(by_condition) - set(conditions)
        _need(not unknown, f"condition_{name}", sorted(unknown), f"conditions: {', '.join(conditions) or 'none'}")
    adaptive = config.allocation.rule != "equal"
    _need(not adaptive or len(conditions) in (2, 3), "allocation.conditions", len(conditions), "2 or 3 for a pilot")


def _check_codes(config: StudyConfig) -> None:
    codes = asdict(config.codes)
    for outcome, code in codes.items():
        _need(_CODE.fullmatch(code) is not None, f"codes.{outcome}", code, "1 to 64 letters, digits, _ and -")
    _need(len(set(codes.values())) == len(codes), "codes", list(codes.values()), "codes that differ")
    url = config.recruitment.completion_url
    fine = not url or (url.startswith(("https://", "http://")) and "{code}" in url and len(url) < 500)
    _need(fine, "recruitment.completion_url", url, "empty, or https://... with {code} in it")


def _check_ranges(config: StudyConfig) -> None:
    _within("seed", config.seed, 0, 2**31 - 1)
    _within("resume_after_minutes", config.resume_after_minutes, 1, 60 * 24 * 365)
    _within("backup_minutes", config.backup_minutes, 0.01, 60 * 24)
    _within("recruitment.places", config.recruitment.places, 0, 10**6)
    practice = config.practice
    _within("practice.trials", practice.trials, 0, 50)
    _within("practice.needed", practice.needed, 0, practice.trials)
    _within("practice.attempts", practice.attempts, 1, 5)
    _within("attention.golden_needed", config.attention.golden_needed, 0, 1)
    _within("allocation.prior_mean", config.allocation.prior_mean, 0.01, 1000)
    _within("allocation.floor", config.allocation.floor, 1, 1000)
    _within("attention.minimum", config.attention.minimum, 1, 1000)
    for name, value in asdict(config.limits).items():
        _within(f"limits.{name}", value, 1, 10**9)
    for block in config.blocks:
        where = f"block {block.name!r}"
        _need(_NAME.fullmatch(block.name) is not None, where, block.name, "a name of 1 to 40 of a-z, 0-9 and -")
        _within(f"{where}: trials", block.trials, 1, 2000)
        _within(f"{where}: min_watch_s", block.min_watch_s, 0, 120)
        _within(f"{where}: break_s", block.break_s, 0, 3600)
        for name in ("random_share", "repeat_share", "golden_share", "shared_share"):
            _within(f"{where}: {name}", getattr(block, name), 0, 1)
        special = block.repeat_share + block.golden_share + block.shared_share
        _need(special <= 0.9, where, f"{special:.2f} repeated, golden and shared", "at most 0.9 in sum")
        _need(block.random_share >= 0.15, f"{where}: random_share", block.random_share, "0.15 or more")


def _within(name: str, value: float, low: float, high: float) -> None:
    _need(low <= value <= high, name, value, f"{low} to {high}")


def _need(holds: bool, name: str, came: Any, allowed: str) -> None:
    if not holds:
        raise ConfigError(f"{name}: {came!r} came; allowed: {allowed}")
