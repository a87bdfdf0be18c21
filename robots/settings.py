"""Settings from TOML or JSON as frozen dataclasses: every value is held against the type that its field declares."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")
_DEEPEST = 20  # tables and lists within each other; a complaint that quotes deeper ones would not end


def parse_toml(content: str | bytes, where: str, fault: type[ValueError] = ValueError) -> dict[str, Any]:
    """Read a TOML document, of bytes in UTF-8.

    Args:
        content: the document.
        where: named in complaints, such as the file.
        fault: what is raised.

    Raises:
        ValueError: (or `fault`) it is no TOML, with the line, or tables and lists lie too deep in each other.
    """
    try:
        raw = tomllib.loads(content if isinstance(content, str) else content.decode("utf-8"))
        if _depth(raw) <= _DEEPEST:
            return raw
    except RecursionError:
        pass
    except ValueError as problem:  # TOML's own, no UTF-8, and numbers of thousands of digits
        raise fault(f"{where} cannot be read as TOML: {problem}") from problem
    raise fault(f"{where}: tables and lists lie more than {_DEEPEST} deep in each other; look for brackets too many")


def _depth(raw: Any) -> int:
    inside = raw.values() if isinstance(raw, dict) else raw if isinstance(raw, list) else None
    return 0 if inside is None else 1 + max(map(_depth, inside), default=0)


def build(cls: type[T], raw: Any, where: str, fault: type[ValueError] = ValueError) -> T:
    """Build a dataclass from a mapping, and the dataclasses inside it; lists become tuples.

    Args:
        cls: a dataclass of texts, numbers, booleans, `Literal`s, tuples and dicts of these, and such dataclasses.
        raw: what was read.
        where: named in complaints, such as the file.
        fault: what is raised.

    Raises:
        ValueError: (or `fault`) a setting is missing, unknown, or of the wrong type.
    """
    if not isinstance(raw, Mapping):
        raise fault(f"{where}: {raw!r} came; a table of settings is needed")
    hints = get_type_hints(cls)
    known = {one.name: one for one in fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(raw) - set(known)):
        raise fault(f"{where}: unknown setting {unknown[0]!r}; there are {', '.join(known)}")
    needed = [name for name, one in known.items() if one.default is MISSING and one.default_factory is MISSING]
    if missing := [name for name in needed if name not in raw]:
        raise fault(f"{where}: {', '.join(map(repr, missing))} missing: add {'it' if len(missing) == 1 else 'them'}")
    return cls(**{name: _value(hints[name], raw[name], f"{where}: {name}", fault) for name in raw})


def _value(hint: Any, raw: Any, where: str, fault: type[ValueError]) -> Any:
    if is_dataclass(hint):
        return build(hint, raw, where, fault)  # type: ignore[arg-type]
    origin, inside = get_origin(hint), get_args(hint)
    if origin is tuple:
        if not isinstance(raw, list | tuple):
            raise fault(f"{where}: {raw!r} came; a list is needed")
        if inside[-1] is not Ellipsis and len(raw) != len(inside):
            raise fault(f"{where}: {raw!r} came; a list of {len(inside)} is needed")
        return tuple(_value(inside[0], item, f"{where}[{i}]", fault) for i, item in enumerate(raw))
    if origin is dict:
        if not isinstance(raw, Mapping):
            raise fault(f"{where}: {raw!r} came; a table is needed")
        return {str(key): _value(inside[1], item, f"{where}.{key}", fault) for key, item in raw.items()}
    if origin is Literal:
        if raw not in inside:
            raise fault(f"{where}: {raw!r} came; allowed are {', '.join(inside)}")
        return raw
    return _plain(hint, raw, where, fault)


def _plain(hint: type | UnionType, raw: Any, where: str, fault: type[ValueError]) -> Any:
    if hint is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if not isinstance(raw, hint) or (isinstance(raw, bool) and hint is not bool):
        raise fault(f"{where}: {raw!r} came; {getattr(hint, '__name__', hint)} is needed")
    return raw
