"""Questionnaires from TOML files: who made them, under which rights, their items, and how answers become scores."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from robots.settings import parse_toml

SHIPPED = Path(__file__).with_name("instruments")
RIGHTS = ("free", "free-with-citation", "cc-by", "own", "needs-permission")
ItemKind = Literal["likert", "differential", "slider", "ticks"]
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_ITEM = re.compile(r"[a-z0-9][a-z0-9_]{0,39}")
_TOP = {
    "id", "version", "title", "citation", "rights", "rights_note", "language", "instructions", "shuffle", "must_touch",
    "kind", "low", "high", "step", "left", "right", "labels", "items", "scales", "attention", "contradiction",
    "translations",
}  # fmt: skip
_TYPES = (
    (
        str,
        "a text",
        ("id", "title", "citation", "rights", "rights_note", "language", "instructions", "left", "right", "text"),
    ),
    (bool, "true or false", ("shuffle", "must_touch")),
    (list, "a list", ("labels",)),
    (str | int | float, "a text", ("version",)),
)
MOST_POINTS = 201
_PER_ITEM = ("kind", "low", "high", "step", "left", "right", "labels")


class InstrumentError(ValueError):
    """An instrument that cannot be used: which, why, and what to do."""


@dataclass(frozen=True)
class Item:
    """One question; answers are numbers from `low` to `high` in steps of `step` (0: any number between)."""

    id: str
    kind: ItemKind
    text: str
    left: str
    right: str
    low: float
    high: float
    step: float
    labels: tuple[str, ...] = ()

    @property
    def points(self) -> int | None:
        """How many answers there are; None on a continuous slider."""
        return None if self.step == 0 else round((self.high - self.low) / self.step) + 1

    def allows(self, value: float) -> bool:
        """Tell whether a number is an answer to this item."""
        if not (math.isfinite(value) and self.low <= value <= self.high):
            return False
        return self.step == 0 or abs((value - self.low) / self.step - round((value - self.low) / self.step)) < 1e-6

    def as_json(self) -> dict[str, Any]:
        """Describe the item as the page takes it."""
        plain = {name: getattr(self, name) for name in ("id", "kind", "text", "left", "right", "low", "high", "step")}
        return {**plain, "points": self.points, "labels": list(self.labels)}


@dataclass(frozen=True)
class Scale:
    """A score from items: the mean or sum of x, or of low + high - x for those in `reverse`."""

    id: str
    items: tuple[str, ...]
    reverse: frozenset[str]
    score: Literal["mean", "sum"] = "mean"
    from_zero: bool = False
    multiply: float = 1.0
    complete: bool = True


class Scores(NamedTuple):
    """Scores by scale (None where items are missing), and what makes the answers doubtful.

    `attention` is whether the attention item was answered as asked (None without one); `contradictions` counts pairs of
    a positive and a negative item that were both agreed with or both refused; `contradictory` when they are too many.
    """

    scales: dict[str, float | None]
    attention: bool | None
    contradictions: int
    contradictory: bool


@dataclass(frozen=True)
class Instrument:
    """A questionnaire as its file describes it; `sha256` is the hash of that file."""

    id: str
    version: str
    title: str
    citation: str
    rights: str
    language: str
    instructions: str
    shuffle: bool
    must_touch: bool
    items: tuple[Item, ...]
    scales: tuple[Scale, ...]
    attention: tuple[str, float] | None
    contradiction: tuple[tuple[tuple[str, str], ...], int] | None
    translations: dict[str, Instrument]
    sha256: str
    source: str

    def require_text(self) -> None:
        """Refuse an instrument without words.

        Raises:
            InstrumentError: an item has neither text nor anchors.
        """
        silent = [item.id for item in self.items if not (item.text or (item.left and item.right))]
        if silent:
            raise InstrumentError(
                f"instrument {self.id!r} has no text for {', '.join(silent[:3])} (rights: {self.rights}): get the "
                f"permission, and put the file with its texts into the study's folder as instruments/{self.id}.toml"
            )

    def in_language(self, language: str) -> Instrument:
        """Find the translation where there is one, else the original."""
        return self.translations.get(language, self)

    def as_json(self, order: Sequence[str] | None = None) -> dict[str, Any]:
        """Describe the questionnaire as the page takes it, items in the order of `order`."""
        items = {item.id: item for item in self.items}
        ordered = [items[name].as_json() for name in (order or items)]
        return {"id": self.id, "title": self.title, "instructions": self.instructions, "must_touch": self.must_touch,
                "items": ordered}  # fmt: skip

    def score(self, responses: Mapping[str, float]) -> Scores:
        """Score the answers, numbers by item id, missing ones left out."""
        attention = None
        if self.attention is not None:
            item, wanted = self.attention
            attention = item in responses and abs(responses[item] - wanted) < 1e-9
        count = self._contradictions(responses)
        most = self.contradiction[1] if self.contradiction else 0
        scales = {scale.id: self._scale(scale, responses) for scale in self.scales}
        return Scores(scales, attention, count, self.contradiction is not None and count > most)

    def _scale(self, scale: Scale, responses: Mapping[str, float]) -> float | None:
        items = {item.id: item for item in self.items}
        given = [name for name in scale.items if name in responses]
        if not given or (scale.complete and len(given) < len(scale.items)):
            return None
        values = []
        for name in given:
            item, value = items[name], responses[name]
            value = item.low + item.high - value if name in scale.reverse else value
            values.append(value - item.low if scale.from_zero else value)
        total = sum(values) if scale.score == "sum" else sum(values) / len(values)
        return scale.multiply * total

    def _contradictions(self, responses: Mapping[str, float]) -> int:
        if self.contradiction is None:
            return 0
        items = {item.id: item for item in self.items}

        def leaning(name: str) -> float:
            middle = (items[name].low + items[name].high) / 2
            return responses.get(name, middle) - middle

        return sum(leaning(positive) * leaning(negative) > 0 for positive, negative in self.contradiction[0])


def find_instrument(name: str, own: Path | None = None) -> Instrument:
    """Load an instrument by its id: the lab's own file first, then the shipped one.

    Raises:
        InstrumentError: there is none of that id, or its file cannot be used.
    """
    folders = [folder for folder in (own, SHIPPED) if folder is not None]
    if not _ID.fullmatch(name):
        raise InstrumentError(f"instrument {name!r} came; ids are 1 to 40 of a-z, 0-9 and -")
    for folder in folders:
        if (path := folder / f"{name}.toml").is_file():
            return load_instrument(path)
    there = sorted({path.stem for folder in folders if folder.is_dir() for path in folder.glob("*.toml")})
    raise InstrumentError(f"there is no instrument {name!r}; there are {', '.join(there) or 'none'}")


def load_instrument(path: Path) -> Instrument:
    """Read and check one file.

    Raises:
        InstrumentError: it is no TOML, or a field is missing, unknown or cannot be used.
    """
    try:
        body = path.read_bytes()
    except OSError as problem:
        raise InstrumentError(f"{path} cannot be read: {problem.strerror}") from problem
    raw = parse_toml(body, str(path), InstrumentError)
    try:
        return _instrument(raw, path, hashlib.sha256(body).hexdigest())
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        if isinstance(problem, InstrumentError):
            raise
        missing = f"{problem.args[0]!r} is missing" if isinstance(problem, KeyError) else str(problem)
        raise InstrumentError(f"{path}: {missing}") from problem


def _instrument(raw: dict[str, Any], path: Path, sha256: str) -> Instrument:
    _known(raw, _TOP, path, "")
    _typed(raw, path, "")
    if len(str(raw["version"])) > 80:
        raise InstrumentError(f"{path}: a version of {len(str(raw['version']))} characters came; 80 are allowed")
    if raw["id"] != path.stem:
        raise InstrumentError(f"{path}: id {raw['id']!r} came; it must be the file's name, {path.stem!r}")
    if raw["rights"] not in RIGHTS:
        raise InstrumentError(f"{path}: rights {raw['rights']!r} came; allowed are {', '.join(RIGHTS)}")
    items = tuple(_item(raw, entry, path) for entry in raw["items"])
    names = [item.id for item in items]
    if len(set(names)) != len(names) or not names:
        raise InstrumentError(f"{path}: items {names} came; ids must differ, and there must be one at least")
    whole = Instrument(
        id=raw["id"], version=str(raw["version"]), title=raw["title"], citation=raw["citation"], rights=raw["rights"],
        language=raw.get("language", "en"), instructions=raw.get("instructions", ""),
        shuffle=bool(raw.get("shuffle", False)), must_touch=bool(raw.get("must_touch", False)), items=items,
        scales=tuple(_scale(entry, set(names), path) for entry in raw.get("scales", [])),
        attention=_attention(raw.get("attention"), items, path),
        contradiction=_contradiction(raw.get("contradiction"), set(names), path),
        translations={}, sha256=sha256, source=str(path),
    )  # fmt: skip
    translations = {code: _translated(whole, raw, text, path) for code, text in raw.get("translations", {}).items()}
    return replace(whole, translations=translations)


def _item(raw: dict[str, Any], entry: dict[str, Any], path: Path) -> Item:
    _known(entry, {"id", "text", *_PER_ITEM}, path, "items: ")
    _typed(entry, path, f"item {entry['id']!r}: ")
    value: dict[str, Any] = {name: entry.get(name, raw.get(name)) for name in _PER_ITEM}
    if not _ITEM.fullmatch(str(entry["id"])):
        raise InstrumentError(f"{path}: item {entry['id']!r} came; ids are 1 to 40 of a-z, 0-9 and _")
    if value["kind"] not in get_args(ItemKind):
        raise InstrumentError(f"{path}: kind {value['kind']!r} came; allowed are {', '.join(get_args(ItemKind))}")
    step = value["step"] if value["step"] is not None else (0 if value["kind"] == "slider" else 1)
    item = Item(
        entry["id"], value["kind"], entry.get("text", ""), value["left"] or "", value["right"] or "",
        float(value["low"]), float(value["high"]), float(step), tuple(value["labels"] or ()),
    )  # fmt: skip
    if not item.low < item.high or item.step < 0 or not item.allows(item.high):
        raise InstrumentError(f"{path}: item {item.id!r}: {item.low} to {item.high} by {item.step} came; "
                              "low < high, and a whole number of steps between them, are needed")  # fmt: skip
    if item.kind != "slider" and (item.points or MOST_POINTS + 1) > MOST_POINTS:
        raise InstrumentError(f"{path}: item {item.id!r} has {item.points or 'any number of'} points; a {item.kind} "
                              f"has {MOST_POINTS} at most, and a slider goes between them")  # fmt: skip
    if item.labels and len(item.labels) != item.points:
        raise InstrumentError(f"{path}: item {item.id!r} has {len(item.labels)} labels for {item.points} points")
    return item


def _scale(entry: dict[str, Any], names: set[str], path: Path) -> Scale:
    _known(entry, {"id", "items", "reverse", "score", "from_zero", "multiply", "complete"}, path, "scales: ")
    reverse = frozenset(entry.get("reverse", []))
    for name in (*entry["items"], *reverse):
        _there(name, names, path)
    score = entry.get("score", "mean")
    if score not in ("mean", "sum"):
        raise InstrumentError(f"{path}: score {score!r} came; allowed are mean, sum")
    return Scale(entry["id"], tuple(entry["items"]), reverse, score, bool(entry.get("from_zero", False)),
                 float(entry.get("multiply", 1.0)), bool(entry.get("complete", True)))  # fmt: skip


def _attention(entry: dict[str, Any] | None, items: tuple[Item, ...], path: Path) -> tuple[str, float] | None:
    if entry is None:
        return None
    _there(entry["item"], {item.id for item in items}, path)
    asked, right = next(item for item in items if item.id == entry["item"]), float(entry["equals"])
    if not asked.allows(right):
        raise InstrumentError(f"{path}: attention: equals {right:g} came, which nobody can answer to {asked.id!r}")
    return asked.id, right


def _contradiction(
    entry: dict[str, Any] | None, names: set[str], path: Path
) -> tuple[tuple[tuple[str, str], ...], int] | None:
    if entry is None:
        return None
    pairs = tuple((positive, negative) for positive, negative in entry["pairs"])
    for pair in pairs:
        for name in pair:
            _there(name, names, path)
    return pairs, int(entry["most"])


def _translated(whole: Instrument, raw: dict[str, Any], text: dict[str, Any], path: Path) -> Instrument:
    _known(text, {"title", "instructions", "left", "right", "labels", "items"}, path, "translations: ")
    own = {entry["id"]: entry for entry in raw["items"]}
    items = []
    for item in whole.items:
        said = text.get("items", {}).get(item.id, {})
        if item.text and "text" not in said:
            raise InstrumentError(f"{path}: a translation lacks the text of {item.id!r}: give a whole one or none")
        # An item's own anchor is translated with the item, a common one with the instrument.
        words = {}
        for name in ("left", "right", "labels"):
            words[name] = said.get(name, getattr(item, name) if name in own[item.id] else text.get(name, ""))
        items.append(replace(item, text=said.get("text", ""), left=words["left"], right=words["right"],
                             labels=tuple(words["labels"])))  # fmt: skip
    return replace(whole, title=text["title"], instructions=text.get("instructions", ""), items=tuple(items))


def _known(entry: Mapping[str, Any], allowed: set[str], path: Path, where: str) -> None:
    if unknown := sorted(set(entry) - allowed):
        raise InstrumentError(f"{path}: {where}unknown field {unknown[0]!r}; there are {', '.join(sorted(allowed))}")


def _typed(entry: Mapping[str, Any], path: Path, where: str) -> None:
    """Refuse fields of another type than they are read as, which would show on somebody's screen only."""
    for kind, needed, names in _TYPES:
        for name in names:
            if name in entry and not isinstance(entry[name], kind):
                raise InstrumentError(f"{path}: {where}{name}: {entry[name]!r} came; {needed} is needed")
    if not all(isinstance(label, str) for label in entry.get("labels", [])):
        raise InstrumentError(f"{path}: {where}labels: {entry['labels']!r} came; texts are needed")


def _there(name: str, names: set[str], path: Path) -> None:
    if name not in names:
        raise InstrumentError(f"{path}: item {name!r} is named and not there; there are {', '.join(sorted(names))}")
