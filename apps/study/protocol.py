"""Requests of a page, checked before anything is done with them."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, get_args

from apps.study.config import Platform, StudyConfig, canonical, sha256_of
from apps.study.errors import BadJsonError, InvalidError
from apps.study.instruments import Instrument
from apps.study.schedule import SIZES, Walk
from policies.taste.queries import CANNOT_TELL, PAIRS

MAX_BODY_BYTES = 64 * 1024
MAX_DEPTH = 12
LONGEST_MS = 7 * 24 * 3600 * 1000.0
EventType = Literal["answer", "undo", "withdraw", "note"]
ID_OF: dict[str, tuple[str, ...]] = {
    "prolific": ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID"),
    "mturk": ("workerId", "assignmentId", "hitId"),
    "jatos": ("jatosWorkerId", "jatosStudyResultId", "jatosBatchId"),
}
"""The parameters that each platform puts into the address; the first says who the person is."""
_ID = re.compile(r"[A-Za-z0-9._:@-]{1,80}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")
_TIMES = ("rt_ms", "since_all_seen_ms")
_KNOWN = {
    *_TIMES, "replays", "watched_s", "plugin_version", "choice", "confidence", "agreed", "sha256", "responses",
}  # fmt: skip
MAX_EXTRA = 16 * 1024
MAX_NOTE = 8 * 1024


@dataclass(frozen=True)
class SessionRequest:
    """Who wants to begin: `ids` of their platform (or none), language, and what the browser says of itself."""

    platform: Platform
    ids: dict[str, str]
    language: str
    client: dict[str, Any]


@dataclass(frozen=True)
class EventRequest:
    """One event as it came; `sha256` is the hash of what it says, without the clock of the page."""

    key: str
    type: EventType
    trial_id: str
    expected_seq: int
    data: dict[str, Any]
    client_ms: float | None

    @property
    def sha256(self) -> str:
        """Equal for a resent event, whatever its clock says."""
        return sha256_of([self.type, self.trial_id, self.expected_seq, self.data])


@dataclass(frozen=True)
class Answered:
    """An answer that fits its step: the data to keep, whether a golden one is right, an attention item as asked."""

    data: dict[str, Any]
    correct: bool | None = None
    attention: bool | None = None


def parse_json(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        BadJsonError: it is none; or it is nested too deep, or holds numbers that JSON does not know.
    """

    def refuse(constant: str) -> float:
        raise ValueError(f"{constant} is no JSON number")

    try:
        payload = json.loads(body.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as problem:
        raise BadJsonError(f"the body is no JSON that can be read: {str(problem)[:120]}") from problem
    if not isinstance(payload, dict):
        raise BadJsonError(f"a JSON {type(payload).__name__} came; an object is needed")
    if not _sane(payload, MAX_DEPTH):
        raise BadJsonError(f"JSON deeper than {MAX_DEPTH}, or with numbers beyond 1e300, came: send it flatter")
    return payload


def parse_session(payload: Mapping[str, Any], config: StudyConfig) -> SessionRequest:
    """Read who wants to begin; parameters of other platforms are ignored.

    Raises:
        InvalidError: an id has the wrong shape, or is missing where the study needs one.
    """
    external = payload.get("external") or {}
    if not isinstance(external, Mapping):
        raise InvalidError(f"external: {_short(external)} came; an object with platform and ids is needed")
    ids = external.get("ids") or {}
    if not isinstance(ids, Mapping):
        raise InvalidError(f"external.ids: {_short(ids)} came; an object of texts is needed")
    known = _external(ids, config) if external.get("platform") == config.recruitment.platform else {}
    if config.recruitment.require_id and not known:
        wanted = ID_OF.get(config.recruitment.platform, ("an id",))[0]
        raise InvalidError(f"this study needs {wanted} in its address: begin on {config.recruitment.platform}'s page")
    language = payload.get("language")
    if not (isinstance(language, str) and _LANGUAGE.fullmatch(language)):
        language = config.language
    if language not in config.texts:
        short = language.split("-")[0].lower()
        language = short if short in config.texts else config.language
    return SessionRequest(config.recruitment.platform, known, language, _client(payload.get("client")))


def parse_event(payload: Mapping[str, Any]) -> EventRequest:
    """Read one event.

    Raises:
        InvalidError: a field is missing or has the wrong type.
    """
    key: Any = payload.get("key")
    kind: Any = payload.get("type")
    try:
        key = str(uuid.UUID(key)) if isinstance(key, str) and len(key) == 36 else None
    except ValueError:
        key = None
    if key is None:
        raise InvalidError(f"key: {_short(payload.get('key'))} came; a UUID is needed, the same for the same event")
    if kind not in get_args(EventType):
        raise InvalidError(f"type: {_short(kind)} came; allowed are {', '.join(get_args(EventType))}")
    trial_id, expected = payload.get("trial_id", ""), payload.get("expected_seq", 0)
    if not isinstance(trial_id, str) or len(trial_id) > 120 or not trial_id.isprintable() or not trial_id.isascii():
        raise InvalidError(f"trial_id: {_short(trial_id)} came; the step's own is needed")
    if not isinstance(expected, int) or isinstance(expected, bool) or not 0 <= expected < 2**62:
        raise InvalidError(f"expected_seq: {_short(expected)} came; the step's own whole number is needed")
    data = payload.get("data", {})
    if not isinstance(data, dict):
        raise InvalidError(f"data: {_short(data)} came; an object is needed")
    if kind == "note" and len(canonical(data)) > MAX_NOTE:
        raise InvalidError(f"data: a note of more than {MAX_NOTE} characters of JSON came: say it shorter")
    clock = payload.get("client_ms")
    return EventRequest(key, kind, trial_id, expected, data, float(clock) if _is_number(clock) else None)


def check_answer(walk: Walk, data: Mapping[str, Any], consent_sha256: str, instrument: Instrument | None) -> Answered:
    """Look whether an answer fits the step that is shown.

    Times that cannot be are kept as null, and named in `doubtful`: a wrong clock costs no answer.

    Raises:
        InvalidError: it does not; the text says what came and what is allowed.
    """
    slot = walk.slot
    if walk.again or slot.kind in ("instructions", "break", "debrief"):
        return Answered(_times(data, {}))
    if slot.kind == "consent":
        return _consent(data, consent_sha256)
    if slot.kind == "questionnaire":
        assert instrument is not None
        return _responses(data, instrument)
    return _trial(walk, data)


def _consent(data: Mapping[str, Any], sha256: str) -> Answered:
    agreed = data.get("agreed")
    if not isinstance(agreed, bool):
        raise InvalidError(f"agreed: {_short(agreed)} came; true or false is needed")
    if agreed and data.get("sha256") != sha256:
        raise InvalidError("sha256: not that of the text that is in force: load the page again and read it anew")
    return Answered(_times(data, {"agreed": agreed, "sha256": sha256}))


def _trial(walk: Walk, data: Mapping[str, Any]) -> Answered:
    slot, choice = walk.slot, data.get("choice")
    block = next((block for block in walk.config.blocks if block.name == slot.block), None)
    unsure = block is None or block.allow_cannot_tell
    if slot.kind == "grid":
        kept: Any = _two_of(choice, SIZES["grid"] - 1, unsure)
    else:
        most = len(PAIRS) if slot.kind == "triplet" else 2
        if not isinstance(choice, int) or isinstance(choice, bool) or not CANNOT_TELL <= choice < most:
            raise InvalidError(f"choice: {_short(choice)} came; allowed are 0 to {most - 1}, and -1 for 'cannot tell'")
        if choice == CANNOT_TELL and not unsure:
            raise InvalidError("choice: -1 came; this block has no 'cannot tell'")
        kept = choice
    confidence = data.get("confidence")
    if confidence is not None and (not isinstance(confidence, int) or isinstance(confidence, bool)
                                   or not 1 <= confidence <= 5):  # fmt: skip
        raise InvalidError(f"confidence: {_short(confidence)} came; allowed are 1 to 5 and null")
    answer = _times(data, {"choice": kept, "confidence": confidence})
    golden = walk.golden
    return Answered(answer, None if golden is None else choice == golden)


def _two_of(choice: Any, n: int, unsure: bool) -> Any:
    if isinstance(choice, int) and choice == CANNOT_TELL and unsure:
        return CANNOT_TELL
    fits = isinstance(choice, list) and len(choice) == 2
    if not fits or not all(isinstance(i, int) and not isinstance(i, bool) and 0 <= i < n for i in choice):
        raise InvalidError(f"choice: {_short(choice)} came; two places of 0 to {n - 1} are needed")
    if choice[0] == choice[1]:
        raise InvalidError(f"choice: {_short(choice)} came; two different places are needed")
    return sorted(choice)


def _responses(data: Mapping[str, Any], instrument: Instrument) -> Answered:
    responses = data.get("responses")
    if not isinstance(responses, Mapping):
        raise InvalidError(f"responses: {_short(responses)} came; an object of numbers by item is needed")
    kept = {}
    for item in instrument.items:
        value = responses.get(item.id)
        if not _is_number(value) or not item.allows(value):
            raise InvalidError(f"{item.id}: {_short(value)} came; allowed is {item.low:g} to {item.high:g}"
                          + (f" in steps of {item.step:g}" if item.step else ""))  # fmt: skip
        kept[item.id] = value
    scores = instrument.score(kept)
    return Answered(_times(data, {"responses": kept}), attention=scores.attention)


def _times(data: Mapping[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Keep the times and counts that can be, and name those that cannot."""
    doubtful = []
    for name in _TIMES:
        if name in data:
            kept[name] = data[name] if _is_time(data[name]) else None
            doubtful += [name] if kept[name] is None and data[name] is not None else []
    if "replays" in data:
        count = data["replays"]
        kept["replays"] = (
            count if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 10**6 else None
        )
        doubtful += ["replays"] if kept["replays"] is None else []
    if "watched_s" in data:
        watched = data["watched_s"]
        fits = isinstance(watched, list) and len(watched) <= 16 and all(_is_time(x) for x in watched)
        kept["watched_s"] = watched if fits else None
        doubtful += [] if fits else ["watched_s"]
    if more := {name: value for name, value in data.items() if name not in _KNOWN}:
        # A lab's own plugin may tell more; it is kept as it came, while it is small.
        if len(canonical(more)) <= MAX_EXTRA:
            kept["extra"] = more
        else:
            doubtful.append("extra")
    version = data.get("plugin_version")
    if isinstance(version, str) and len(version) <= 40:
        kept["plugin_version"] = version
    return {**kept, "doubtful": doubtful} if doubtful else kept


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15 and math.isfinite(value)


def _is_time(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= LONGEST_MS


def _external(ids: Mapping[str, Any], config: StudyConfig) -> dict[str, str]:
    names = ID_OF.get(config.recruitment.platform, ())
    found: dict[str, str] = {}
    for name in names:
        value = ids.get(name)
        if value in (None, ""):
            continue
        if not isinstance(value, str) or not _ID.fullmatch(value):
            raise InvalidError(f"{name}: {_short(value)} came; 1 to 80 letters, digits and . _ : @ - are allowed")
        found[name] = value
    if found.get("assignmentId") == "ASSIGNMENT_ID_NOT_AVAILABLE":
        raise InvalidError("this is a preview: accept the task on the platform first")
    return found if names and names[0] in found else {}


def _client(client: Any) -> dict[str, Any]:
    """Keep what the browser says of itself; what has another shape is left out."""
    if not isinstance(client, Mapping):
        return {}
    kept: dict[str, Any] = {}
    for name in ("width", "height"):
        if _is_number(client.get(name)) and 0 <= client[name] < 100_000:
            kept[name] = client[name]
    if isinstance(client.get("touch"), bool):
        kept["touch"] = client["touch"]
    if isinstance(client.get("user_agent"), str):
        kept["user_agent"] = client["user_agent"][:300]
    return kept


def _sane(value: Any, depth: int) -> bool:
    if isinstance(value, dict):
        return depth > 0 and all(_sane(item, depth - 1) for item in value.values())
    if isinstance(value, list):
        return depth > 0 and all(_sane(item, depth - 1) for item in value)
    return not isinstance(value, int | float) or abs(value) < 1e300


def _short(value: Any) -> str:
    return ascii(value)[:60]
